"""What does a program consist of?

Values. One is computed once (`lo` is None), or once per step ``t`` in ``lo … hi``: then it is a
sequence. Each operand of a value says which other value it is, and which element of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.program.constants import same_constant

__all__ = ["Arg", "Value", "ancestors", "only_last", "shape_of", "structure_of"]


class Arg(NamedTuple):
    """An operand.

    Attributes
    ----------
    kind
        ``"one"``: a value that is computed once. Of a sequence: ``"step"``, the element `k` steps
        away from the step that asks; ``"at"``, the element of step `k`; ``"all"``, the array of
        all elements of steps `k` = (first, last), the first axis being time. ``"const"``: a number
        or array; ``"consts"``: one array per step, `k` being the first step.
    value
        The `Value`, or the constant.
    k
        See above.
    """

    kind: str
    value: Any
    k: Any = None

    def __eq__(self, other: object) -> bool:
        """True if it reads the same; of arrays, which compare element by element, the same bits."""
        if type(other) is not Arg or (self.kind, self.k) != (other.kind, other.k):
            return False
        known = not isinstance(self.value, Value) and not isinstance(other.value, Value)
        return self.value is other.value or (known and same_constant(self.value, other.value))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((self.kind, self.k))


@dataclass(eq=False)
class Value:
    """Something the program computes: `op` of `args`, of each step if it is a sequence."""

    op: str
    args: list[Arg]
    options: dict[str, Any]
    shape: tuple[int, ...]
    dtype: Any
    name: str | None = None
    lo: int | None = None
    hi: int | None = None
    initial: dict[int, Arg] = field(default_factory=dict)
    serial: int = 0
    named: bool = False  # by the cell, not by us
    of: tuple[int, int] | None = None  # the serial of whose gradient it is, so many steps away

    @property
    def steps(self) -> int:
        """The number of elements it computes."""
        return 1 if self.lo is None or self.hi is None else self.hi - self.lo + 1

    @property
    def starts(self) -> list[tuple[int, int, Arg]]:
        """The initial values, each with its first and last step: of one constant, a stretch."""
        found = list[tuple[int, int, Arg]]()
        for t, a in sorted(self.initial.items()):
            if found and a.kind == "const" and found[-1][1:] == (t - 1, a):
                found[-1] = found[-1][0], t, a
            else:
                found.append((t, t, a))
        return found

    @property
    def operands(self) -> list[Arg]:
        """All it reads, initial values included."""
        return [*self.args, *self.initial.values()]


def structure_of(values: list[Value], leaves: list[Value]) -> str:
    """A digest of what is computed of what, the same for all lengths.

    Leaves count in the order of arguments: in that of birth another is first where a model is read
    from a file.
    """
    values = [*leaves, *(v for v in values if v.op != "leaf")]
    place = {v: k for k, v in enumerate(values)}
    said = [
        (v.op, v.lo is None, [(a.kind, place.get(a.value)) if isinstance(a.value, Value) else a.kind
                              for a in v.operands])
        for v in values
    ]  # fmt: skip
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


def only_last(outputs: list[Value]) -> set[Value]:
    """The values that only the last output needs."""
    found = ancestors(outputs[-1]) - ancestors(*outputs[:-1])
    return {v for v in found if v.op != "leaf"}


def ancestors(*values: Value) -> set[Value]:
    """These values and all that they are computed from."""
    seen = {*values}
    todo = [*values]
    while todo:
        for a in todo.pop().operands:
            if isinstance(a.value, Value) and a.value not in seen:
                seen.add(a.value)
                todo.append(a.value)
    return seen


def shape_of(a: Arg) -> tuple[int, ...]:
    """The shape of an operand at one step."""
    if isinstance(a.value, Value):
        return a.value.shape if a.kind != "all" else (a.k[1] - a.k[0] + 1, *a.value.shape)
    return np.shape(a.value)[a.kind == "consts" :]
