"""Which values need no array of their own?

Those that are only put side by side into another are computed right there; those that one line
reads are computed in the array that this line writes.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np

from tinygrad_rnn.program.graph import Arg, Value
from tinygrad_rnn.program.loops import components
from tinygrad_rnn.program.ops import ELEMENTWISE

__all__ = ["VIEWS", "InPlace", "direct"]

VIEWS = frozenset(("getitem", "transpose", "reshape", "broadcast_to", "stack_t"))
LARGE = 1 << 14  # bytes of one step from which memory is worth more than slower, strided rows
ONCE = frozenset(("sigmoid", "gates", "softmax", "log_softmax"))  # read once, at the beginning


class InPlace:
    """Who reads what, in which loop, and what is computed in the place of its reader."""

    def __init__(self, values: list[Value], outputs: list[Value], in_place: bool) -> None:
        self.values, self.outputs = values, outputs
        self.components = components(values)
        self.loop_of = {v: c for c in self.components if c.loop for v in c.values}
        self.readers: dict[Value, list[tuple[Value, Arg]]] = defaultdict(list)
        for v in values:
            for a in v.operands:
                if isinstance(a.value, Value):
                    self.readers[a.value].append((v, a))
        self.parts = self.assembled() if in_place else {}
        self.nested = self.nests() if in_place else {}
        self.inner = {v: u for u, v in self.nested.items()}
        self.hosts = self.hosted()

    def assembled(self) -> dict[Value, tuple[Value, Any]]:
        """Values that are only put side by side into another: computed right there."""
        found: dict[Value, tuple[Value, Any]] = {}
        for v in self.values:
            if (
                v.op != "scatter"
                or v.lo is None
                or v.init
                or len(v.args) != len(v.options["indices"])
            ):
                continue
            count = np.zeros(v.shape, int)
            for index in v.options["indices"]:
                count[index] += 1
            parts = [a.value for a in v.args if a.kind == "step" and not a.k]
            if (
                count.min(initial=1) != 1
                or count.max(initial=1) != 1
                or len({*parts}) != len(v.args)
            ):
                continue
            if all(self.can_be_part(x, v) for x in parts):
                found.update({x: (v, i) for x, i in zip(parts, v.options["indices"], strict=True)})
        return found

    def can_be_part(self, x: Value, v: Value) -> bool:
        """Whether a value can be computed inside the one it is put into."""
        alone = len(self.readers[x]) == 1 and not x.init and x not in self.outputs
        together = (x.lo, x.hi) == (v.lo, v.hi) and self.loop_of.get(x) is self.loop_of.get(v)
        return alone and together and x.op in ELEMENTWISE

    def is_put_together(self, v: Value) -> bool:
        """Whether its parts have been computed in their places already."""
        first = v.args[0].value if v.args else None
        return isinstance(first, Value) and first in self.parts and self.parts[first][0] is v

    def nests(self) -> dict[Value, Value]:
        """Values written inside the one line that reads them, in its place."""
        found: dict[Value, Value] = {}
        for c in self.components:
            for v in c.values:
                if not direct(v):
                    continue
                where = {x: k for k, x in enumerate(c.values)}
                inner = [a for a in v.args if self.can_nest(a, v, where, found)]
                if inner and not any(a.value is v for a in v.args):
                    found[inner[0].value] = v
        return found

    def can_nest(self, a: Arg, v: Value, where: dict[Value, int], found: Any) -> bool:
        """Whether an operand can be computed in the place of the value that reads it."""
        u = a.value
        if not isinstance(u, Value) or a.k or a.kind not in ("step", "one"):
            return False
        flat = u.op == "matmul" and all(
            isinstance(b.value, Value) and len(b.value.shape) == 2 and b.value.dtype == u.dtype
            for b in u.args
        )
        number = u.op == "sum_t" and u.lo is None and not u.shape
        if not direct(u) and not number and not (flat and (u.lo is None or u in self.loop_of)):
            return False
        same = (u.shape, u.dtype, u.lo, u.hi) == (v.shape, v.dtype, v.lo, v.hi)
        lone = len(self.readers[u]) == 1 and not u.init and u not in self.outputs
        if (
            not same
            or not lone
            or u in self.parts
            or self.loop_of.get(u) is not self.loop_of.get(v)
        ):
            return False
        depth, x = 0, u
        while any(found.get(b.value) is x for b in x.args if isinstance(b.value, Value)):
            depth += 1
            x = next(
                b.value for b in x.args if isinstance(b.value, Value) and found.get(b.value) is x
            )
        # what it reads of the step before must still be there when the reader's turn has come
        late = [b for w in _chain(u, found) for b in w.args if b.kind == "step" and b.k]
        return depth < 3 and all(where.get(b.value, len(where)) >= where.get(v, 0) for b in late)

    def overwritten(self, u: Value, v: Value) -> bool:
        """Whether `v` can be written where `u` stands: what is there has been read by then.

        Of each element, by lines before, or by the very operation that writes there.
        """
        if u.init or v.init or u in self.outputs or (u.lo, u.hi) != (v.lo, v.hi):
            return False
        loop, first = self.loop_of.get(v), v
        while first in self.inner:
            first = self.inner[first]
        where = {x: k for k, x in enumerate(loop.values)} if loop is not None else {}
        for user, a in self.readers[u]:
            if (user.op in VIEWS and len(user.args) == 1) or a.kind not in ("step", "one") or a.k:
                return False
            if user is first:
                if not (direct(user) or (user.op in ONCE and user.args[0] is a)):
                    return False
            elif self.turn(user) is v or where.get(self.turn(user), -1) > where.get(v, -1):
                return False
        return True

    def hosted(self) -> dict[Value, Value]:
        """What is computed before a loop in the place where the loop puts a part of an array."""
        found: dict[Value, Value] = {}
        for v in self.parts:
            first = v
            while first in self.inner:
                first = self.inner[first]
            for u in (a.value for a in first.args if a.kind == "step" and not a.k):
                whole = u
                while direct(whole) and whole in self.inner:
                    whole = self.inner[whole]
                before = v in self.loop_of and u not in self.loop_of and u not in found
                alike = (u.shape, u.dtype) == (v.shape, v.dtype) and u not in self.parts
                alike &= math.prod(v.shape) * v.dtype.itemsize >= LARGE
                if before and alike and direct(whole) and self.overwritten(u, v):
                    found[u] = v
                    break
        return found

    def turn(self, v: Value) -> Value:
        """The value in whose line this one is computed."""
        while v in self.nested:
            v = self.nested[v]
        return v


def direct(v: Value) -> bool:
    """Whether it is one call of NumPy that gives back what it wrote."""
    if v.op == "power":  # may be written as a copy
        return False
    return ELEMENTWISE.get(v.op, "").startswith("np.") and (v.op != "addn" or len(v.args) == 2)


def _chain(v: Value, found: dict[Value, Value]) -> list[Value]:
    """A value and all that is nested in it."""
    chain, todo = list[Value](), [v]
    while todo:
        x = todo.pop()
        chain.append(x)
        todo += [a.value for a in x.args if isinstance(a.value, Value) and found.get(a.value) is x]
    return chain
