"""How does a step run segment by segment in time?

Forward through all segments, keeping only the states between them; then back, each segment computed
once more before its gradients. A segment is a program like any other: the same sequences, a shorter
time, the states before it and the gradients after it as arguments.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_rnn.program.backends.numpy.names import Names
from tinygrad_rnn.program.ir.graph import Arg, Value
from tinygrad_rnn.program.passes.checkpointing import NoPartition, Partition

__all__ = ["Divider", "Division", "Segments"]

Write = Callable[[list[Value], list[Value], list[Value]], Any]


@dataclass(frozen=True)
class Division:
    """A step that is divided in time, as text.

    Attributes
    ----------
    T, n
        The number of steps, and of those in a segment; the last segment may be shorter.
    driver
        The program that goes through the segments.
    texts
        The programs it calls: ``begin``, ``middle`` and ``end``, before, between and after the two
        walks; ``forward_5`` and ``backward_5``, through a segment of 5 steps.
    """

    T: int
    n: int
    driver: str
    texts: dict[str, Any]

    @property
    def states(self) -> int:
        """The number of states at one time: those between the segments, and those of one."""
        return len(range(0, self.T, self.n)) + self.n + 1


class Divider:
    """Divides a step by a partition; `write` makes the text of a program from its graph."""

    def __init__(self, partition: Partition, write: Write) -> None:
        self.partition, self.write = partition, write

    def division(self, n: int) -> Division:
        """The step in segments of so many steps."""
        partition = self.partition
        ends = [partition.states, partition.cotangents]
        starts, after = (
            [v.initial[t] for v in vs] for vs, t in zip(ends, (-1, partition.T), strict=True)
        )
        sums = [*partition.early, *partition.last]
        texts = {
            "begin": self.single(starts, []),
            "middle": self.single([*(Arg("one", v) for v in partition.needed), *after], sums),
            "end": self.single(
                [Arg("one", v) for v in partition.outputs],
                [*sums, *partition.late, *partition.first],
            ),
        }
        for size in {n: None, (partition.T - 1) % n + 1: None}:
            texts[f"forward_{size}"], texts[f"backward_{size}"] = self.segment(size)
        return Division(partition.T, n, self.driver, texts)

    def single(self, wanted: list[Arg], given: list[Value]) -> Any:
        """The program that computes single values from the arguments and from given ones."""
        copy = _Copy(self.partition, None)
        leaves = [*map(copy.leaf, self.partition.leaves), *map(copy.leaf, given)]
        outputs = [_output(copy.arg(a)) for a in wanted]
        return self.write([*copy.new.values(), *outputs], outputs, leaves)

    def segment(self, n: int) -> tuple[Any, Any]:
        """Forward and backward through so many steps."""
        c, made = self.partition, list[Any]()
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
            made.append(self.write(list(found), outputs, leaves))
        return made[0], made[1]

    @property
    def driver(self) -> str:
        """The program that goes through the segments, as text: it is what runs."""
        c, names = self.partition, Names()
        names.names |= {*re.findall(r"[a-z]+", DRIVER), "N"}
        called = [names.name(v.name or "x") for v in c.leaves]
        pairs = zip(called, c.leaves, strict=True)
        parts = [f"{name}[s:s + N]" if v in c.timed else name for name, v in pairs]
        S, K = len(c.states), len(c.cotangents)
        words = {"arguments": ", ".join(called), "part": ", ".join(parts), "S": S, "K": K,
                 "L": S + len(c.last), "M": len(c.needed), "F": K + len(c.first)}  # fmt: skip
        return DRIVER.format(**words)


class Segments:
    """A step that works segment by segment; call it with arrays.

    `ready` makes something to call of a text, with its `source`.
    """

    def __init__(self, division: Division, ready: Callable[[Any], Any]) -> None:
        self.division = division
        self.programs = {name: ready(text) for name, text in division.texts.items()}

    def _by_size(self, name: str) -> dict[int, Any]:
        """The programs of a name, by the length of the segment."""
        found = [(x.partition("_"), program) for x, program in self.programs.items()]
        return {int(size): program for (of, _, size), program in found if of == name}

    @functools.cached_property
    def step(self) -> Callable[..., Sequence[Any]]:
        """The driver, ready to be called."""
        names: dict[str, Any] = {"T": self.division.T, "N": self.division.n}
        for name in SINGLE:
            names[name] = _spread(self.programs[name])
        for name in TIMED:
            names[name] = {n: _spread(program) for n, program in self._by_size(name).items()}
        exec(self.division.driver, names)
        return names["step"]

    @property
    def source(self) -> str:
        """All of it as text: a function for each program, then the driver."""
        lines, tables = ["import numpy as np", ""], list[str]()
        for name, program in self.programs.items():
            lines += _function(f"make_{name}", program.source)
        for name in TIMED:
            sizes = ", ".join(f"{size}: make_{name}_{size}()" for size in self._by_size(name))
            tables.append(f"{name} = {{{sizes}}}  # by the length of the segment")
        lines += [f"T, N = {self.division.T}, {self.division.n}"]
        lines += ["begin, middle, end = make_begin(), make_middle(), make_end()", *tables]
        return "\n".join(lines) + "\n" + self.division.driver

    def __call__(self, arrays: list[Any]) -> Sequence[Any]:
        """Loss and gradients."""
        return self.step(*arrays)


SINGLE, TIMED = ("begin", "middle", "end"), ("forward", "backward")

DRIVER = """

def add(sums, more):
    return [a + b for a, b in zip(sums, more)] if sums else more


def step({arguments}):
    # forward: of each segment only the states after it are kept
    saved, sums = [begin({arguments})], []
    for s in range(0, T, N):
        found = forward[min(N, T - s)]({part}, *saved[-1])
        saved.append(found[:{S}])
        last, sums = found[{S}:{L}], add(sums, found[{L}:])
    early = [*sums, *last]
    given = middle({arguments}, *early)
    needed, after, sums = given[:{M}], given[{M}:], []
    # backward: each segment once more, then its gradients
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

    def __init__(self, partition: Partition, n: int | None) -> None:
        self.partition, self.n = partition, n
        self.new: dict[Value, Value] = {}
        self.starts: dict[Value, dict[int, Arg]] = {}

    def leaf(self, v: Value) -> Value:
        """An argument in the place of a value."""
        shape = (self.n, *v.shape[1:]) if self.n and v in self.partition.timed else v.shape
        options = {"drawn": v.options["drawn"]} if "drawn" in v.options else {}
        self.new[v] = Value("leaf", [], options, shape, v.dtype, v.name, serial=v.serial)
        return self.new[v]

    def before(self, v: Value, t: int) -> Value:
        """An argument for the state before the first step of a sequence, or after its last."""
        name = f"{v.name}_{'before' if t < 0 else 'after'}"
        made = Value("leaf", [], {}, v.shape, v.dtype, name, serial=v.serial)
        self.starts[v] = {t: Arg("one", made)}
        return made

    def value(self, v: Value) -> Value:
        """The copy of a value, and of all that it is computed from."""
        todo = [v]
        while todo:
            x = todo[-1]
            if x in self.new and self.new[x].op == "leaf":
                todo.pop()
                continue
            reads = [a.value for a in x.args if isinstance(a.value, Value)]
            if x not in self.new:  # first, as a recurrence reads itself
                self.new[x] = replace(x, args=[], initial={}, options=dict(x.options))
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
            made.initial = dict(self.starts.get(x, {}))
            if x.lo is not None and self.n:
                made.lo, made.hi = 0, self.n - 1

    def moved(self, a: Arg) -> Arg:
        """An operand in the copy."""
        if a.kind == "consts":
            raise NoPartition("a constant changes from step to step")
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
