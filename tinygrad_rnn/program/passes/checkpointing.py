"""Where can a long sequence be divided, so that it is differentiated in little memory?

Into segments of time (Chen et al. 2016, "Training deep nets with sublinear memory cost"). A first
walk forward keeps only the states between the segments. The walk back computes each segment once
more, then its gradients, and hands the cotangents at its first step on to the segment before. With
segments of √T steps, no more than about 2 √T states exist at any time, for one more forward pass.
`runtime.segments` runs them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tinygrad_rnn.program.ir.graph import Value
from tinygrad_rnn.program.ir.ops import OVER_TIME
from tinygrad_rnn.program.ir.recurrences import components, loop_range
from tinygrad_rnn.program.ir.sequences import NoSequence, Step

__all__ = ["Graph", "NoPartition", "Partition", "TooFewBytes", "partition", "segment_length"]

Graph = tuple[list[Value], list[Value], list[Value]]  # values, outputs, arguments


class NoPartition(Exception):
    """A program that cannot be divided in time; the message says why."""


class TooFewBytes(ValueError):
    """Fewer bytes than a program needs in segments of any length."""


@dataclass(frozen=True, eq=False)
class Partition:
    """A program that can be divided in time, and the values that segments hand over.

    Attributes
    ----------
    T, values, outputs, leaves
        The number of steps of the program, and its graph.
    timed
        Arguments with a row for each step.
    states, cotangents
        Sequences read one step later, and gradients read one step earlier.
    early, late
        Sums over time that some step depends on, and the others.
    first, last
        Sequences of which a single value reads the first step, or the last.
    needed
        Single values that steps read and that are made of sums or of the last step.
    """

    T: int
    values: list[Value]
    outputs: list[Value]
    leaves: list[Value]
    timed: list[Value]
    states: list[Value]
    cotangents: list[Value]
    early: list[Value]
    late: list[Value]
    first: list[Value]
    last: list[Value]
    needed: list[Value]


def segment_length(T: int, memory: str | int, row: int, fixed: int, state: int) -> int:
    """The number of steps of a segment.

    Parameters
    ----------
    memory
        ``"sqrt"``, or the number of bytes there may be.
    row, fixed, state
        Bytes of a step in a segment, of a segment beside its steps, and of the states between two.

    Raises
    ------
    TooFewBytes
        There is no length for which so few bytes are enough.
    """
    if memory == "sqrt":
        return math.isqrt(T - 1) + 1
    assert isinstance(memory, int)

    def bytes_of(n: int) -> int:
        return fixed + row * n + state * -(-T // n)

    fitting = [n for n in range(1, T + 1) if bytes_of(n) <= memory]
    if not fitting:
        least = min(map(bytes_of, range(1, T + 1)))
        raise TooFewBytes(
            f"compile: memory={memory:,} bytes are too few for {T} steps: at least {least:,} are "
            "needed, beside the arguments and gradients themselves."
        )
    return max(fitting)


def partition(values: list[Value], outputs: list[Value], leaves: list[Value]) -> Partition:
    """Divide a program in time, or say why that cannot be.

    Between segments h and dh are handed over, one forward and one backward in time; dx is a sum
    over segments, and X is cut into their rows.

    >>> from tinygrad_rnn.program.ir.text import graph_from
    >>> values, outputs = graph_from('''
    ...     x[t] = getitem(X, index=(t,))
    ...     h[t] = add(x[t], h[t - 1]); h[-1] = h0
    ...     dh[t] = add(h[t], dh[t + 1]); dh[5] = 0.0
    ...     dx = sum_t(dh[0:5])
    ... ''', X=(5, 2, 3))
    >>> leaves = [v for v in values if v.op == "leaf"]
    >>> found = partition(values, outputs, leaves)
    >>> kinds = ("timed", "states", "cotangents", "early", "late")
    >>> {kind: [v.name for v in getattr(found, kind)] for kind in kinds}
    {'timed': ['X'], 'states': ['h'], 'cotangents': ['dh'], 'early': [], 'late': ['dx']}
    """
    parts = components(values)
    try:
        for c in parts:
            if c.loop:
                loop_range(c)
                c.direction  # noqa: B018  (raises if there is none)
    except NoSequence as error:
        raise NoPartition(str(error)) from None
    sequences = [v for v in values if v.lo is not None]
    T = max((v.hi + 1 for v in sequences if v.hi is not None), default=0)
    if not any(c.loop for c in parts):
        raise NoPartition("there is no recurrence in it")
    for v in sequences:
        if (v.lo, v.hi) != (0, T - 1):
            raise NoPartition(f"{v.name} = {v.op} has other steps than the rest: {v.lo} to {v.hi}")
    late: set[Value] = set()  # waits for gradients of later steps, or for sums over all steps
    post: set[Value] = set()  # single values made of sequences
    for c in parts:
        for v in c.values:
            reads = [a.value for a in v.operands if isinstance(a.value, Value)]
            if v.lo is None:
                if any(x.lo is not None or x in post for x in reads):
                    post.add(v)
                    late |= {v} if any(x in late for x in reads) else set()
            elif (c.loop and c.direction == -1) or any(x in late or x in post for x in reads):
                late.add(v)
        if c.loop and any(v in late for v in c.values):
            if c.direction == 1:
                raise NoPartition(
                    f"{c.values[0].name} goes forward in time and waits for later steps"
                )
            late |= set(c.values)
        elif c.loop and c.direction == -1:
            raise NoPartition("it goes both ways in time")
    return _checked(values, outputs, leaves, T, sequences, late, post)


def _checked(
    values: list[Value], outputs: list[Value], leaves: list[Value], T: int,
    sequences: list[Value], late: set[Value], post: set[Value],
) -> Partition:  # fmt: skip
    """Find what segments hand over; NoPartition if some value reads beyond its neighbours.

    A segment is given the state before it, the cotangent after it, and its own rows of arguments. A
    recurrence that reaches two steps back would need two states:

    >>> from tinygrad_rnn.program.ir.text import graph_from
    >>> values, outputs = graph_from('''
    ...     x[t] = getitem(X, index=(t,))
    ...     h[t] = add(x[t], h[t - 2]); h[-1] = h0; h[-2] = h0
    ... ''', X=(5, 2, 3))
    >>> leaves = [v for v in values if v.op == "leaf"]
    >>> try:
    ...     partition(values, outputs, leaves)
    ... except NoPartition as error:
    ...     print(error)
    h reads h -2 steps away
    """
    states, cotangents, timed = _sets(3)
    for v in sequences:
        for a in v.args:
            x = a.value
            if a.kind == "step" and a.k:
                if a.k == (1 if x in late else -1):
                    (cotangents if x in late else states)[x] = None
                else:
                    raise NoPartition(f"{v.name} reads {x.name} {a.k:+d} steps away")
            elif a.kind in ("all", "at"):
                raise NoPartition(f"{v.name} reads {x.name} of another step than its own")
        index: Any = v.options.get("index", ()) if v.op == "getitem" else ()
        if any(type(p) is Step for p in index):
            x = v.args[0].value
            if index[0] != Step(1, 0) or len(index) > 1 or x.op != "leaf" or x.shape[0] != T:
                raise NoPartition(
                    f"{v.name} reads other elements of an array than those of its step"
                )
            timed[x] = None
    for v in values:
        if v.lo is None and any(
            isinstance(a.value, Value) and a.value in timed for a in v.operands
        ):
            raise NoPartition(f"{v.name} reads all steps of an argument at once")
    if any(v in timed for v in outputs):
        raise NoPartition("an argument with a row for each step is an output")
    wanted = _wanted(sequences, post)
    early, other, first, last = _sets(4)
    for v in values:
        for a in v.args if v in post else ():
            x = a.value
            if not isinstance(x, Value) or x.lo is None:
                continue
            if a.kind == "at" and a.k == 0 and x in late and v not in wanted:
                first[x] = None
            elif a.kind == "at" and a.k == T - 1 and x not in late:
                last[x] = None
            elif a.kind == "all" and a.k == (0, T - 1) and v.op in OVER_TIME:
                (early if v in wanted else other)[v] = None
            else:
                raise NoPartition(
                    f"{v.name} = {v.op} needs other steps of {x.name} than it can have"
                )
    for v in (*states, *cotangents):
        where = -1 if v in states else T
        if list(v.initial) != [where] or v.initial[where].kind not in ("const", "one"):
            raise NoPartition(f"{v.name} starts from something else than one value")
    if any(v.initial for v in sequences if v not in states and v not in cotangents):
        raise NoPartition("a sequence starts from a value that no later step reads")
    read = {a.value for v in sequences for a in v.operands if isinstance(a.value, Value)}
    needed = [v for v in values if v in wanted and v in read]
    return Partition(
        T, values, outputs, leaves, list(timed), list(states), list(cotangents),
        list(early), list(other), list(first), list(last), needed,
    )  # fmt: skip


def _sets(n: int) -> list[dict[Value, None]]:
    """Sets in the order of insertion."""
    return [{} for _ in range(n)]


def _wanted(sequences: list[Value], post: set[Value]) -> set[Value]:
    """Single values made of sequences that sequences depend on."""
    found: set[Value] = set()
    todo = [a.value for v in sequences for a in v.operands if isinstance(a.value, Value)]
    while todo:
        x = todo.pop()
        if x in post and x not in found:
            found.add(x)
            todo += [a.value for a in x.operands if isinstance(a.value, Value)]
    return found
