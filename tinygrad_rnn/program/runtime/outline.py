"""What stayed in the loops of a program, and what was lifted out of them?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from tinygrad_rnn.program.backends.numpy.emit import NumPySource
from tinygrad_rnn.program.ir.graph import Arg, Value, ancestors, only_last
from tinygrad_rnn.program.ir.ops import OVER_TIME, facts
from tinygrad_rnn.program.ir.recurrences import Component
from tinygrad_rnn.program.runtime.segments import Division

__all__ = ["Operation", "Outline", "Part", "Read", "kind_of", "outline"]


@dataclass(frozen=True)
class Read:
    """One operand that is no constant.

    Attributes
    ----------
    of
        The number of the operation that it is the result of.
    offset
        Of a sequence the element so many steps later, -1 the one before; None if all of it is read,
        or it is no sequence.
    """

    of: int
    offset: int | None


@dataclass(frozen=True)
class Operation:
    """A line of a program, or an argument.

    Attributes
    ----------
    number
        Its place in ``outline.operations``.
    name
        Its variable in the source; empty if it is computed where it is read.
    op
        The primitive; ``"parameter"`` or ``"argument"``; over time ``"sum_t"``, ``"gemm_t"`` (a sum
        of products) and ``"scatter_t"``; ``"gates"``, several squashed at once.
    shape
        Of one step, if it is a sequence.
    sequence
        Whether there is one for each step.
    reads
        Its operands.
    letter
        Its name in ``step.plain``; empty if passes for speed made it, or it has no line there.
    """

    number: int
    name: str
    op: str
    shape: tuple[int, ...]
    sequence: bool
    reads: tuple[Read, ...]
    letter: str = ""

    @property
    def symbol(self) -> str:
        """Its sign in formulas; empty if it has none."""
        known = facts(self.op)
        return known.symbol if known is not None else ""

    @property
    def over_time(self) -> bool:
        """True if it sums over all steps."""
        return self.op in OVER_TIME


@dataclass(frozen=True)
class Part:
    """Operations that run together.

    Attributes
    ----------
    kind
        ``"loop"``, step by step; ``"lifted"``, each for all steps at once, or once; ``"sums"``,
        over all steps.
    backward
        Whether it belongs to the gradients, and the loss does not need it.
    steps
        First and last t of a loop in the order in which it runs; None of all else.
    operations
        In the order in which they run.
    """

    kind: str
    backward: bool
    steps: tuple[int, int] | None
    operations: tuple[Operation, ...]


@dataclass(frozen=True)
class Outline:
    """A program as data: its arguments, and its parts, each after what it reads.

    Attributes
    ----------
    arguments, parts
        Of the whole, also if time is divided.
    piece
        The number of steps of a segment if time is divided, as by ``memory="sqrt"``; else None.
    states
        The number of states at one time if it is: those between segments, and of one segment.
    """

    arguments: tuple[Operation, ...]
    parts: tuple[Part, ...]
    piece: int | None = None
    states: int | None = None

    @property
    def operations(self) -> list[Operation]:
        """All of them by number, arguments included."""
        found = [*self.arguments, *(x for part in self.parts for x in part.operations)]
        return sorted(found, key=lambda x: x.number)


def outline(
    program: NumPySource,
    parameters: int,
    division: Division | None = None,
    requires: bool = False,
    letters: Mapping[tuple[int, str], str] | None = None,
) -> Outline:
    """The outline of a program, the first of whose arguments are parameters.

    `letters` are names of values by their number in the record and their kind. If the function
    `requires` anything, operations that serve the last output alone, which counts that, are left
    out.
    """
    outputs, left_out = program.outputs, set[Value]()
    if requires:
        outputs, left_out = outputs[:-1], only_last(outputs)
    results = [outputs[0], *outputs[1 + parameters :]]
    forward = set[Value]().union(*map(ancestors, results))
    leaves = [v for v in program.values if v.op == "leaf"]
    number = {v: k for k, v in enumerate(leaves)}
    found = [c for c in program.components if c.values[0].op != "leaf"]
    found = [c for c in found if c.values[0] not in left_out]
    number |= {v: k for k, v in enumerate((v for c in found for v in c.values), len(leaves))}

    # of several values that passes made of one, the last is the one itself
    lettered = {(v.serial, kind_of(v)): v for v in number}

    def made(v: Value, op: str = "") -> Operation:
        reads = tuple(_read(a, number) for a in v.operands if isinstance(a.value, Value))
        name = program.names.get(v, "")
        key = v.serial, kind_of(v)
        letter = (letters or {}).get(key, "") if lettered[key] is v else ""
        return Operation(number[v], name, op or v.op, v.shape, v.lo is not None, reads, letter)

    parts: list[Part] = []
    stages = _stages(found, forward)
    for stage in range(max(stages.values(), default=0) + 1):
        here = [c for c in found if stages[c.values[0]] == stage]
        for c in (c for c in here if c.loop):
            steps = (c.values[0].lo or 0, c.values[0].hi or 0)[:: c.direction]
            back = c.values[0] not in forward
            parts.append(Part("loop", back, (steps[0], steps[1]), tuple(map(made, c.values))))
        single = [c.values[0] for c in here if not c.loop]
        for back in (False, True):
            mine = [v for v in single if (v not in forward) == back]
            sums = {v for v in mine if v.op in OVER_TIME} if back else set[Value]()
            for kind, some in (
                ("lifted", [v for v in mine if v not in sums]),
                ("sums", [v for v in mine if v in sums]),
            ):
                if some:
                    parts.append(Part(kind, back, None, tuple(map(made, some))))
    kinds = ["parameter" if k < parameters else "argument" for k in range(len(leaves))]
    divided = (division.n, division.states) if division else ()
    return Outline(tuple(map(made, leaves, kinds)), tuple(parts), *divided)


def kind_of(v: Value) -> str:
    """The operation of a value; a sum over time is one, however it is computed."""
    return "sum_t" if v.op in OVER_TIME else v.op


def _stages(found: list[Component], forward: set[Value]) -> dict[Value, int]:
    """Even before, between and after loops, odd in them.

    Operations that lead to the loss come as early as they can, all others as late: beside their
    readers.
    """
    stages: dict[Value, int] = {}
    readers: dict[Value, list[Component]] = defaultdict(list)
    for c in found:
        inside, latest = set(c.values), 0
        for u in (a.value for v in c.values for a in v.operands if isinstance(a.value, Value)):
            if u not in inside:
                readers[u].append(c)
                latest = max(latest, stages.get(u, 0))
        stage = latest + (latest % 2 != c.loop)
        stages.update(dict.fromkeys(c.values, stage + 1 if c.loop and latest % 2 else stage))
    last = max(stages.values(), default=0)
    for c in reversed(found):
        v = c.values[0]
        if not c.loop and v not in forward:
            read = (stages[user.values[0]] - user.loop for user in readers[v])
            stages[v] = min(read, default=last)
    return stages


def _read(a: Arg, number: dict[Value, int]) -> Read:
    return Read(number[a.value], a.k if a.kind == "step" else None)
