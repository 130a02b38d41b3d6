"""How is a long sequence differentiated in little memory?

In pieces of time (Chen et al. 2016, "Training deep nets with sublinear memory cost"). A first walk
forward keeps only the states between the pieces. The walk back computes each piece once more, then
its gradients, and hands on to the piece before what arrives at its first step. With pieces of √T
steps, no more than about 2 √T states exist at any time, for one more forward pass.

A piece is a program like any other: the same sequences, a shorter time, the states before it and
the gradients after it as arguments.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_rnn.program.families import NoFamily, Step
from tinygrad_rnn.program.graph import Arg, Value
from tinygrad_rnn.program.loops import components, loop_range
from tinygrad_rnn.program.names import Names

__all__ = ["Cut", "Pieces", "Uncut", "cut", "length"]

SUMS = frozenset(("sum_t", "gemm_t", "scatter_t"))
Graph = tuple[list[Value], list[Value], list[Value]]  # values, outputs, arguments


class Uncut(Exception):
    """A program that cannot be divided in time; the message says why."""


@dataclass(frozen=True, eq=False)
class Cut:
    """A program that can be divided in time, and what has to be handed over.

    Attributes
    ----------
    T, values, outputs, leaves
        The program: how many steps, and its graph.
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


def length(T: int, memory: str | int, row: int, fixed: int, state: int) -> int:
    """How many steps a piece has.

    Parameters
    ----------
    memory
        ``"sqrt"``, or how many bytes there may be.
    row, fixed, state
        Bytes of a step in a piece, of a piece beside its steps, and of the states between two.

    Raises
    ------
    ValueError
        There is no length for which so few bytes are enough.
    """
    best = max(1, math.isqrt(T - 1) + 1) if T > 1 else 1
    if memory == "sqrt":
        return best
    assert isinstance(memory, int)

    def bytes_of(n: int) -> int:
        return fixed + row * n + state * -(-T // n)

    fitting = [n for n in range(1, T + 1) if bytes_of(n) <= memory]
    if not fitting:
        least = min(map(bytes_of, range(1, T + 1)))
        raise ValueError(
            f"compile: memory={memory:,} bytes are too few for {T} steps: at least {least:,} are "
            "needed, beside the arguments and gradients themselves."
        )
    return max(fitting)


def cut(values: list[Value], outputs: list[Value], leaves: list[Value]) -> Cut:
    """Divide a program in time, or say why that cannot be."""
    parts = components(values)
    try:
        for c in parts:
            if c.loop:
                loop_range(c)
                c.direction  # noqa: B018  (raises if there is none)
    except NoFamily as error:
        raise Uncut(str(error)) from None
    sequences = [v for v in values if v.lo is not None]
    T = max((v.hi + 1 for v in sequences if v.hi is not None), default=0)
    if not any(c.loop for c in parts):
        raise Uncut("there is no recurrence in it")
    for v in sequences:
        if (v.lo, v.hi) != (0, T - 1):
            raise Uncut(f"{v.name} = {v.op} has other steps than the rest: {v.lo} to {v.hi}")
    late: set[Value] = set()  # what waits for gradients of later steps, or for sums over all steps
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
                raise Uncut(f"{c.values[0].name} goes forward in time and waits for later steps")
            late |= set(c.values)
        elif c.loop and c.direction == -1:
            raise Uncut("it goes both ways in time")
    return _checked(values, outputs, leaves, T, sequences, late, post)


def _checked(
    values: list[Value], outputs: list[Value], leaves: list[Value], T: int,
    sequences: list[Value], late: set[Value], post: set[Value],
) -> Cut:  # fmt: skip
    states, cotangents, timed = _sets(3)
    for v in sequences:
        for a in v.args:
            x = a.value
            if a.kind == "step" and a.k:
                if a.k == (1 if x in late else -1):
                    (cotangents if x in late else states)[x] = None
                else:
                    raise Uncut(f"{v.name} reads {x.name} {a.k:+d} steps away")
            elif a.kind in ("all", "at"):
                raise Uncut(f"{v.name} reads {x.name} of another step than its own")
        index: Any = v.options.get("index", ()) if v.op == "getitem" else ()
        if any(type(p) is Step for p in index):
            x = v.args[0].value
            if index[0] != Step(1, 0) or len(index) > 1 or x.op != "leaf" or x.shape[0] != T:
                raise Uncut(f"{v.name} reads other elements of an array than those of its step")
            timed[x] = None
    for v in values:
        if v.lo is None and any(
            isinstance(a.value, Value) and a.value in timed for a in v.operands
        ):
            raise Uncut(f"{v.name} reads all steps of an argument at once")
    if any(v in timed for v in outputs):
        raise Uncut("an argument with a row for each step is an output")
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
            elif a.kind == "all" and a.k == (0, T - 1) and v.op in SUMS:
                (early if v in wanted else other)[v] = None
            else:
                raise Uncut(f"{v.name} = {v.op} needs other steps of {x.name} than it can have")
    for v in (*states, *cotangents):
        where = -1 if v in states else T
        if list(v.init) != [where] or v.init[where].kind not in ("const", "one"):
            raise Uncut(f"{v.name} starts from something else than one value")
    if any(v.init for v in sequences if v not in states and v not in cotangents):
        raise Uncut("a sequence starts from a value that no later step reads")
    read = {a.value for v in sequences for a in v.operands if isinstance(a.value, Value)}
    needed = [v for v in values if v in wanted and v in read]
    return Cut(
        T, values, outputs, leaves, list(timed), list(states), list(cotangents),
        list(early), list(other), list(first), list(last), needed,
    )  # fmt: skip


def _sets(n: int) -> list[dict[Value, None]]:
    """Sets that keep the order in which things came."""
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


Make = Callable[[list[Value], list[Value], list[Value]], Callable[[list[Any]], Sequence[Any]]]


class Pieces:
    """A step that works piece by piece; call it with arrays."""

    def __init__(self, cut: Cut, n: int, make: Make) -> None:
        self.cut, self.n, self.make = cut, n, make
        self.starts = range(0, cut.T, n)
        ends = [cut.states, cut.cotangents]
        starts, after = ([v.init[t] for v in vs] for vs, t in zip(ends, (-1, cut.T), strict=True))
        sums = [*cut.early, *cut.last]
        self.begin = self.single(starts, [])
        self.middle = self.single([*(Arg("one", v) for v in cut.needed), *after], sums)
        results = [*sums, *cut.late, *cut.first]
        self.end = self.single([Arg("one", v) for v in cut.outputs], results)
        self.pieces = {size: self.piece(size) for size in {n, cut.T - self.starts[-1]}}

    @property
    def states(self) -> int:
        """How many states exist at one time: those between the pieces, and those of one piece."""
        return len(self.starts) + self.n + 1

    def single(self, wanted: list[Arg], given: list[Value]) -> Any:
        """What computes single values from the arguments and from given ones."""
        copy = _Copy(self.cut, None)
        leaves = [*map(copy.leaf, self.cut.leaves), *map(copy.leaf, given)]
        outputs = [_output(copy.arg(a)) for a in wanted]
        return self.make([*copy.new.values(), *outputs], outputs, leaves)

    def piece(self, n: int) -> tuple[Any, Any]:
        """Forward and backward through so many steps."""
        c, made = self.cut, list[Any]()
        for back in (False, True):
            copy = _Copy(c, n)
            leaves = [copy.leaf(v) for v in c.leaves]
            before = [copy.before(v, -1) for v in c.states]
            given = [copy.leaf(v) for v in c.needed] if back else []
            after = [copy.before(v, n) for v in c.cotangents] if back else []
            ends = [(v, 0) for v in (*c.cotangents, *c.first)] if back else (
                [(v, n - 1) for v in (*c.states, *c.last)])  # fmt: skip
            outputs = [_output(Arg("at", copy.value(v), t)) for v, t in ends]
            outputs += [copy.value(v) for v in (c.late if back else c.early)]
            leaves = [*leaves, *before, *given, *after]
            found = dict.fromkeys((*leaves, *copy.new.values(), *outputs))
            made.append(self.make(list(found), outputs, leaves))
        return made[0], made[1]

    @functools.cached_property
    def driver(self) -> str:
        """The program that goes through the pieces, as text: it is what runs."""
        c, names = self.cut, Names()
        names.names |= {*re.findall(r"[a-z]+", DRIVER), "N"}
        called = [names.name(v.name or "x") for v in c.leaves]
        pairs = zip(called, c.leaves, strict=True)
        parts = [f"{name}[s:s + N]" if v in c.timed else name for name, v in pairs]
        S, K = len(c.states), len(c.cotangents)
        words = {"arguments": ", ".join(called), "part": ", ".join(parts), "S": S, "K": K,
                 "L": S + len(c.last), "M": len(c.needed), "F": K + len(c.first)}  # fmt: skip
        return DRIVER.format(**words)

    @functools.cached_property
    def step(self) -> Callable[..., Sequence[Any]]:
        """The driver, ready to be called."""
        names: dict[str, Any] = {"T": self.cut.T, "N": self.n}
        for name in ("begin", "middle", "end"):
            names[name] = _spread(getattr(self, name))
        for k, name in enumerate(("forward", "backward")):
            names[name] = {size: _spread(pair[k]) for size, pair in self.pieces.items()}
        exec(self.driver, names)
        return names["step"]

    @property
    def source(self) -> str:
        """All of it as text: a function for each program, then the driver."""
        lines, tables = ["import numpy as np", ""], list[str]()
        for name in ("begin", "middle", "end"):
            lines += _function(f"make_{name}", getattr(self, name).source)
        for k, name in enumerate(("forward", "backward")):
            for size, pair in self.pieces.items():
                lines += _function(f"make_{name}_{size}", pair[k].source)
            sizes = ", ".join(f"{size}: make_{name}_{size}()" for size in self.pieces)
            tables.append(f"{name} = {{{sizes}}}  # by the length of the piece")
        lines += [f"T, N = {self.cut.T}, {self.n}"]
        lines += ["begin, middle, end = make_begin(), make_middle(), make_end()", *tables]
        return "\n".join(lines) + "\n" + self.driver

    def __call__(self, arrays: list[Any]) -> Sequence[Any]:
        """Loss and gradients."""
        return self.step(*arrays)


DRIVER = """

def add(sums, more):
    return [a + b for a, b in zip(sums, more)] if sums else more


def step({arguments}):
    # forward: of each piece only the states after it are kept
    saved, sums = [begin({arguments})], []
    for s in range(0, T, N):
        found = forward[min(N, T - s)]({part}, *saved[-1])
        saved.append(found[:{S}])
        last, sums = found[{S}:{L}], add(sums, found[{L}:])
    early = [*sums, *last]
    given = middle({arguments}, *early)
    needed, after, sums = given[:{M}], given[{M}:], []
    # backward: each piece once more, then its gradients
    for s in reversed(range(0, T, N)):
        found = backward[min(N, T - s)]({part}, *saved[s // N], *needed, *after)
        after, first, sums = found[:{K}], found[{K}:{F}], add(sums, found[{F}:])
    return end({arguments}, *early, *sums, *first)
"""


def _spread(program: Callable[[list[Any]], Sequence[Any]]) -> Callable[..., Sequence[Any]]:
    def called(*arrays: Any) -> Sequence[Any]:
        return program(list(arrays))

    return called


def _function(name: str, source: str) -> list[str]:
    """A program as a function that makes its step."""
    inside = source.removeprefix("import numpy as np\n").strip("\n").split("\n")
    indented = [f"    {line}" if line else "" for line in inside]
    return [f"def {name}():", *indented, "    return step", "", ""]


class _Copy:
    """Copies of values, over `n` steps; some replaced by arguments."""

    def __init__(self, cut: Cut, n: int | None) -> None:
        self.cut, self.n = cut, n
        self.new: dict[Value, Value] = {}
        self.starts: dict[Value, dict[int, Arg]] = {}

    def leaf(self, v: Value) -> Value:
        """An argument in the place of a value."""
        shape = (self.n, *v.shape[1:]) if self.n and v in self.cut.timed else v.shape
        self.new[v] = Value("leaf", [], {}, shape, v.dtype, v.name, serial=v.serial)
        return self.new[v]

    def before(self, v: Value, t: int) -> Value:
        """An argument for what a sequence is before its first step, or after its last."""
        name = f"{v.name}_{'before' if t < 0 else 'after'}"
        made = Value("leaf", [], {}, v.shape, v.dtype, name, serial=v.serial)
        self.starts[v] = {t: Arg("one", made)}
        return made

    def value(self, v: Value) -> Value:
        """The copy of a value, and of all that it is made of."""
        todo = [v]
        while todo:
            x = todo[-1]
            if x in self.new and self.new[x].op == "leaf":
                todo.pop()
                continue
            reads = [a.value for a in x.args if isinstance(a.value, Value)]
            if x not in self.new:  # first, as a recurrence reads itself
                self.new[x] = replace(x, args=[], init={}, options=dict(x.options))
                todo += [y for y in reads if y not in self.new]
                continue
            todo.pop()
        self.connect()
        return self.new[v]

    def connect(self) -> None:
        """Operands of all copies, which read copies."""
        for x, made in self.new.items():
            if made.op == "leaf" or made.args:
                continue
            made.args = [self.moved(a) for a in x.args]
            made.init = dict(self.starts.get(x, {}))
            if x.lo is not None and self.n:
                made.lo, made.hi = 0, self.n - 1

    def moved(self, a: Arg) -> Arg:
        """An operand in the copy."""
        if a.kind == "consts":
            raise Uncut("a constant changes from step to step")
        if not isinstance(a.value, Value):
            return a
        new = self.new[a.value]
        if a.kind == "at" and new.op == "leaf":
            return Arg("one", new)
        k = (0, self.n - 1) if a.kind == "all" and self.n else a.k
        return a._replace(value=new, k=k)

    def arg(self, a: Arg) -> Arg:
        """An operand outside of all steps."""
        if not isinstance(a.value, Value):
            return a
        if a.kind == "at":  # given as one value
            return Arg("one", self.new[a.value])
        return Arg("one", self.value(a.value))


def _output(a: Arg) -> Value:
    x = a.value if isinstance(a.value, Value) else np.asarray(a.value)
    return Value("copy", [a], {}, x.shape, x.dtype, getattr(x, "name", None) or "start")
