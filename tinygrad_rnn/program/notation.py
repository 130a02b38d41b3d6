"""How is each operation written in mathematics?"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from tinygrad_rnn.engine.primitives import Input
from tinygrad_rnn.program.families import Step as Tick
from tinygrad_rnn.program.formula import (
    ONE,
    RELATIONS,
    Formula,
    Step,
    call,
    number,
    plus,
    scalars,
    times,
)
from tinygrad_rnn.program.graph import Arg, Value

__all__ = ["TRIVIAL", "Notation", "cut_of"]

TRIVIAL = frozenset(("copy", "astype", "reshape", "broadcast_to", "transpose"))
SHAPED = TRIVIAL - {"transpose"}  # shapes are left to the reader
FULL = slice(None)


class Notation:
    """Makes formulas of values; `formulas` are those of what they read, known beforehand."""

    def __init__(self, values: list[Value], forward: list[Value]) -> None:
        ends = Counter(v.hi for v in values if v.hi is not None)
        self.ends: dict[int, str] = {}
        for hi, _ in sorted(ends.items(), key=lambda item: (-item[1], -item[0])):
            near = [k for k in self.ends if abs(k - hi) <= 2]
            if not near:
                self.ends[hi] = "T" + "'" * len(self.ends)
        self.formulas: dict[Value, Formula] = {}
        self.shifts: dict[Value, int] = {}  # by which the step of a letter is another than t
        self.constants: dict[Any, Any] = {}
        self.counts = counted(forward)

    # -- steps ------------------------------------------------------------------------------------

    def step(self, t: int) -> Step:
        """A step alone, counted from 1 or from the last one."""
        for hi, name in self.ends.items():
            if abs(t - hi) <= 2 and t > 1:
                return Step(0, t - hi, name)
        return Step(0, t + 1)

    def step_of(self, v: Value, t: int) -> Step:
        """A step of a value, of which the first is never called the last."""
        if v.lo is not None and t <= v.lo:
            return Step(0, t + 1)
        for hi, name in self.ends.items():
            if v.hi is not None and abs(v.hi - hi) <= 2 and abs(t - hi) <= 2:
                return Step(0, t - hi, name)
        return self.step(t)

    def range_of(self, v: Value) -> str:
        """At which steps, if it is not from 1 to T."""
        shift = self.shifts.get(v, 0)
        if (
            v.lo is None
            or v.hi is None
            or (v.lo + shift == 0 and self.ends.get(v.hi + shift) == "T")
        ):
            return ""
        first, last = (self.step_of(v, t).moved_alone(shift).tex() for t in (v.lo, v.hi))
        return f" \\qquad (t = {first}, \\dots, {last})"

    # -- operands ---------------------------------------------------------------------------------

    def letter(self, v: Value) -> Formula:
        """A value by its name."""
        return Formula(
            "letter", what=v, step=None if v.lo is None else Step(1, self.shifts.get(v, 0))
        )

    def read(self, a: Arg) -> Formula:
        """An operand."""
        if a.kind == "const":
            return self.constant(a.value)
        if a.kind == "consts":
            return self.each_constant(a)
        f = self.formulas[a.value]
        if a.kind == "step":
            return f.later(a.k)
        if a.kind == "at":
            return f.each(lambda s: s.at(self.step_of(a.value, a.k)))
        if a.kind == "all":
            return call(
                "all", f, what=(self.step_of(a.value, a.k[0]), self.step_of(a.value, a.k[1]))
            )
        return f

    def constant(self, x: Any) -> Formula:
        """A number, or the letter of an array."""
        x = np.asarray(x)
        if x.size and x.dtype.kind in "fiub" and np.all(x == x.flat[0]):
            return number(x.flat[0].item())
        key = (x.shape, x.tobytes())
        self.constants[key] = x
        return Formula("letter", what=key)

    def each_constant(self, a: Arg) -> Formula:
        """Constants that change from step to step: t, if they count, or a letter."""
        x = np.asarray(a.value)
        flat = x.reshape(len(x), -1)
        if flat.shape[1] and np.array_equal(flat, np.arange(len(x))[:, None] + flat[:1, :1]):
            shift = int(flat[0, 0]) - a.k - 1
            return Formula("index of time", step=Step(1, shift))
        key = ("each", x.shape, x.tobytes())
        self.constants[key] = x
        return Formula("letter", what=key, step=Step(1, -a.k))

    # -- operations -------------------------------------------------------------------------------

    def formula(self, v: Value) -> Formula:
        """What a value is, of what it reads."""
        xs = [self.read(a) for a in v.args]
        op, options = v.op, v.options
        if op in ("add", "addn"):
            return plus(*xs)
        if op == "subtract":
            return plus(xs[0], times(number(-1), xs[1]))
        if op == "negative":
            return times(number(-1), xs[0])
        if op == "multiply" or op == "logical_and":
            return times(*xs)
        if op == "divide":
            if xs[1].head == "number" and xs[1].what in self.counts:
                return times(xs[0], Formula("inverse", what=self.counts[xs[1].what]))
            if xs[1].head == "number" and xs[1].what:
                return times(xs[0], Formula("number", what=1 / xs[1].what))
            return call("quotient", *xs)
        if op == "logical_not":
            return plus(ONE, times(number(-1), xs[0]))
        if op == "where":
            return plus(times(xs[0], xs[1]), times(plus(ONE, times(number(-1), xs[0])), xs[2]))
        if op == "square":
            return times(xs[0], xs[0])
        if op == "transpose" and tuple(options.get("axes") or (1, 0)) != (1, 0):
            return xs[0] if len(v.shape) > 2 else call("transpose", xs[0])
        if op in SHAPED:
            return xs[0]
        if op in ("sum", "sum_t"):
            return self.summed(v, xs[0])
        if op == "getitem":
            return self.taken(v, xs)
        if op in ("scatter", "scatter_t"):
            return self.put(v, xs)
        if op in ("stack_t",):
            return xs[0]
        if op in ("concatenate", "stack"):
            return call("row", *xs)
        return call(op, *xs)

    def summed(self, v: Value, x: Formula) -> Formula:
        """Over time, over rows (1ᵀx) or over columns (x1)."""
        a = v.args[0]
        shape = a.value.shape if isinstance(a.value, Value) else np.shape(a.value)
        axis = v.options.get("axis")
        if v.op == "sum_t":
            assert a.kind == "all"
            first, last = x.what
            axes = [k - 1 for k in axis or () if k]
            return self.over(self.along(x.parts[0], shape, axes), first, last)
        axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        return self.along(x, shape, [int(k) % len(shape) for k in axes])

    def over(self, x: Formula, first: Step, last: Step) -> Formula:
        """A sum over time, with the number before it."""
        front, rest = scalars(x)
        if front and rest:
            return times(*front, self.over(times(*rest), first, last))
        return Formula("over", (x,), (first, last))

    def along(self, x: Formula, shape: tuple[int, ...], axes: list[int]) -> Formula:
        """A sum along axes of one step."""
        if not axes:
            return x
        front, rest = scalars(x)
        if not rest:
            return times(number(float(np.prod([shape[k] for k in axes]))), x)
        if front:
            return times(*front, self.along(times(*rest), shape, axes))
        if x.head == "over":
            return Formula("over", (self.along(x.parts[0], shape, axes),), x.what)
        if len(shape) > 2:
            return call("axes", x, what=tuple(sorted(axes)))
        for k in sorted(axes, reverse=True):
            x = call("columns" if k else "rows", x)
        return x

    def taken(self, v: Value, xs: list[Formula]) -> Formula:
        """An element: of an array over time that of a step."""
        index, x = v.options["index"], xs[0]
        compared = self.compared(v)
        if compared is not None:
            return compared
        if index and type(index[0]) in (Tick, int) and x.step is None and x.head == "letter":
            x = Formula("letter", what=x.what, step=self.tick(index[0]))
            index = index[1:]
        elif x.head == "all" and index and type(index[0]) is Tick:
            first = x.what[0].shift - 1 if not x.what[0].end else 0
            x, index = x.parts[0].each(lambda s: s.moved(index_shift(index[0], first))), index[1:]
        if x.head == "index" and x.what is None and index and type(index[0]) is Tick:
            array, place = x.parts[0], x.parts[-1]
            if len(x.parts) == 2 and place.head == "letter" and place.step is None:
                at = Formula("letter", what=place.what, step=self.tick(index[0]))
                x, index = call("index", array, at), index[1:]
        if all((type(p) is slice and p == FULL) or p is None or p is Ellipsis for p in index):
            return x
        if not scalars(x)[1]:
            return x
        places = [xs[p] for p in index if type(p) is Input]
        if len(places) == len(index) and index:
            return call("index", x, *self.places(v, index, xs))
        return call(
            "index", x, *places, what=tuple(self.piece(p) for p in index if type(p) is not Input)
        )

    def compared(self, v: Value) -> Formula | None:
        """What is compared with steps, as lengths are, at the step that asks."""
        index, source = v.options["index"], v.args[0].value
        if not isinstance(source, Value) or source.op not in RELATIONS or len(index) != 1:
            return None
        if type(index[0]) is not Tick or index[0].sign != 1:
            return None
        args = [
            Arg("consts", a.value, -index[0].shift)
            if a.kind == "const" and np.ndim(a.value) == len(source.shape)
            else a
            for a in source.args
        ]
        timeless = all(a.kind == "consts" or len(_shape(a)) < len(source.shape) for a in args)
        return call(source.op, *map(self.read, args)) if timeless else None

    def together(self, args: list[Arg]) -> Formula:
        """What is added at one place: over time, if it is all steps of something."""
        a, steps = args[0], sorted(a.k for a in args if a.kind == "at")
        run = len(steps) == len(args) > 2 and steps == list(range(steps[0], steps[-1] + 1))
        if run and all(b.value is a.value for b in args):
            ends = (self.step_of(a.value, t) for t in (steps[0], steps[-1]))
            return self.over(self.formulas[a.value], *ends)
        return plus(*map(self.read, args))

    def tick(self, p: Any) -> Step:
        """The step that an integer in an index is."""
        if type(p) is int:
            return self.step(p) if p >= 0 else Step(0, p + 1, "T")
        if p.sign != -1:
            return Step(p.sign, p.shift + 1 - p.sign)
        for hi, name in self.ends.items():
            if abs(p.shift - hi) <= 2:
                return Step(-1, p.shift - hi + 1, name)
        return Step(-1, p.shift + 2)

    def places(self, v: Value, index: Any, xs: list[Formula]) -> list[Formula]:
        """The arrays of an index, without the one that only counts rows."""
        found = []
        width = max(len(_shape(v.args[p])) for p in index)
        for k, p in enumerate(index):
            a = v.args[p]
            n = _shape(a)
            if a.kind == "const" and k < len(index) - 1:
                counts = np.arange(max(n, default=1)).reshape(
                    [-1 if j == k else 1 for j in range(width)]
                )
                if np.array_equal(np.asarray(a.value), counts):
                    continue
            found.append(xs[p])
        return found

    def piece(self, p: Any) -> str:
        """A slice, or an integer, counted from 0 as in the program."""
        if isinstance(p, slice):
            return ":".join("" if e is None else str(e) for e in (p.start, p.stop))
        return "\\dots" if p is Ellipsis else str(p if type(p) is int else self.tick(p).tex())

    def put(self, v: Value, xs: list[Formula]) -> Formula:
        """Zeros, with something put into their places."""
        if v.op == "scatter_t":
            (g, y), (first, last) = (x.parts[0] for x in xs), xs[0].what
            return self.over(
                call("matmul", call("transpose", call("one_hot", y, what=v.shape[0])), g),
                first,
                last,
            )
        indices = v.options["indices"]
        if all(_slice(i) is not None for i in indices):
            groups: dict[tuple[int, int], list[int]] = {}
            for k, i in enumerate(indices):
                groups.setdefault(_slice(i).indices(v.shape[-1])[:2], []).append(k)
            ends = sorted(groups)
            if [a for a, _ in ends] + [v.shape[-1]] == [0] + [b for _, b in ends]:
                return call("row", *(self.together([v.args[k] for k in groups[e]]) for e in ends))
        (index, *more), g = indices, xs[0]
        if not more and index and all(type(p) is Input for p in index):
            places = self.places(v, index, xs)
            if g.head == "all" and len(index) == 1 and places[0].head == "letter":
                here = Formula("letter", what=places[0].what, step=Step(1, 0))
                one = call(
                    "matmul", call("transpose", call("one_hot", here, what=v.shape[0])), g.parts[0]
                )
                return self.over(one, *g.what)
            if len(index) == 1 and len(v.shape) == 2:
                return call(
                    "matmul", call("transpose", call("one_hot", places[0], what=v.shape[0])), g
                )
            return times(g, call("one_hot", *places, what=v.shape[-1]))
        return call("put", *xs)


def counted(values: list[Value]) -> dict[float, str]:
    """Letters for what sums are divided by: how many numbers a mean is over, or T."""
    found: dict[float, str] = {}
    for v in values:
        if v.op != "divide" or v.args[1].kind != "const" or np.size(v.args[1].value) != 1:
            continue
        n = float(np.asarray(v.args[1].value).flat[0])
        x: Any = v.args[0].value
        size = steps = 1
        while isinstance(x, Value) and x.op in ("sum", "sum_t", "negative", *TRIVIAL):
            a = x.args[0]
            if x.op in ("sum", "sum_t") and isinstance(a.value, Value):
                size *= int(np.prod(a.value.shape)) // max(1, int(np.prod(x.shape)))
                steps *= a.k[1] - a.k[0] + 1 if a.kind == "all" else 1
            x = a.value
        if n > 1 and n == size * steps:
            found[n] = "T" if size == 1 and steps > 1 else "N"
    several = [n for n in found if found[n] == "N"]
    for k, n in enumerate(several, start=1):
        found[n] = "N" if len(several) == 1 else f"N_{k}"
    return found


def index_shift(p: Any, first: int) -> int:
    """How far from the step that asks the element of a sequence is."""
    return p.shift + first


def cut_of(v: Value) -> int | None:
    """Which part it is, if it is one of equal parts of the last axis."""
    if v.op != "getitem" or v.init:
        return None
    piece, a = _slice(v.options["index"]), v.args[0]
    n = v.shape[-1] if v.shape else 0
    whole = isinstance(a.value, Value) and a.value.shape
    if piece is None or not whole or not n or a.value.shape[-1] % n or (piece.start or 0) % n:
        return None
    return (piece.start or 0) // n if len(a.value.shape) == len(v.shape) else None


def _slice(index: Any) -> Any:
    """The slice of the last axis, if all of the others are taken."""
    if not index or any(p != FULL for p in index[:-1] if p is not Ellipsis):
        return None
    if any(type(p) is Input for p in index):
        return None
    last = index[-1]
    return last if isinstance(last, slice) and last != FULL and last.step in (None, 1) else None


def _shape(a: Arg) -> tuple[int, ...]:
    return a.value.shape if isinstance(a.value, Value) else np.shape(a.value)
