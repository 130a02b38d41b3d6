"""How is each operation written in mathematics?"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from tinygrad_rnn.border import REAL
from tinygrad_rnn.engine.primitives import Input
from tinygrad_rnn.program.backends.latex.formula import (
    EXACT,
    ONE,
    RELATIONS,
    ZERO,
    Formula,
    Step,
    call,
    number,
    plus,
    scalars,
    times,
)
from tinygrad_rnn.program.backends.latex.shapes import (
    Shapes,
    along,
    filled,
    is_number,
    reshaped,
    spread,
    turned,
)
from tinygrad_rnn.program.ir.graph import Arg, Value
from tinygrad_rnn.program.ir.ops import ELEMENTWISE
from tinygrad_rnn.program.ir.sequences import Step as Tick

__all__ = ["TRIVIAL", "Notation", "cut_of"]

TRIVIAL = frozenset(("copy", "astype", "reshape", "broadcast_to", "transpose"))
SINGLE = 6e-8  # relative: one ulp of a float32
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
        self.shapes = Shapes(self.shape_of, self.ends)
        self.counts = counted(forward)
        self.forward = set(forward)

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
            ends = (self.step_of(a.value, a.k[0]), self.step_of(a.value, a.k[1]))
            return call("all", filled(f, a.value.shape), what=ends)
        return f

    def whole(self, a: Arg) -> Formula:
        """An operand in its shape, which that of a number is not."""
        return filled(self.read(a), _shape(a))

    def constant(self, x: Any) -> Formula:
        """A number, or the letter of an array."""
        x = np.asarray(x)
        if x.size and x.dtype.kind in REAL and np.all(x == x.flat[0]):
            return number(x.flat[0].item(), SINGLE if x.dtype == np.float32 else EXACT)
        return self.array(x)

    def array(self, x: Any) -> Formula:
        """The letter of an array."""
        key = (x.shape, str(x.dtype), x.tobytes())
        self.constants[key] = x
        return Formula("letter", what=key)

    def each_constant(self, a: Arg) -> Formula:
        """Constants that change from step to step: t, if they count, or a letter."""
        x = np.asarray(a.value)
        flat = x.reshape(len(x), -1)
        if flat.shape[1] and np.array_equal(flat, np.arange(len(x))[:, None] + flat[:1, :1]):
            shift = int(flat[0, 0]) - a.k - 1
            return Formula("index of time", step=Step(1, shift))
        key = ("each", x.shape, str(x.dtype), x.tobytes())
        self.constants[key] = x
        return Formula("letter", what=key, step=Step(1, -a.k))

    # -- operations -------------------------------------------------------------------------------

    def line(self, v: Value, gradient: bool) -> Formula:
        """What a value is, on its line; of a gradient the reader knows the shape."""
        f = self.formula(v)
        if gradient:
            return f.parts[0] if f.head == "broadcast" else f
        return f if f == ZERO else filled(f, v.shape)

    def shape_of(self, x: Formula) -> tuple[int, ...]:
        """The shape of a letter, at one step if it has one."""
        key = x.what
        if isinstance(key, Value):
            return key.shape if key.lo is not None or x.step is None else key.shape[1:]
        return self.constants[key].shape[x.step is not None :]

    def formula(self, v: Value) -> Formula:
        """What a value is, of what it reads, in its shape."""
        found = self.simplified(v)
        return spread(found, self.shapes.of(found), v.shape)

    def simplified(self, v: Value) -> Formula:
        """The same, without what broadcasting does."""
        if v.op in ELEMENTWISE:
            return self.element(v, [self.plain(a) for a in v.args])
        if v.op in ("sum", "sum_t"):
            return self.summed(v)
        if v.op == "getitem":
            return self.taken(v, [self.read(a) for a in v.args])
        if v.op in ("scatter", "scatter_t"):
            return self.put(v, [self.read(a) for a in v.args])
        x, shape, options = self.read(v.args[0]), _shape(v.args[0]), v.options
        if v.op == "matmul":
            return self.product(v)
        if v.op == "reshape":
            return reshaped(x, shape, v.shape)
        if v.op == "broadcast_to":
            return spread(x, shape, v.shape)
        if v.op == "transpose":
            return turned(x, options.get("axes") or tuple(range(len(shape)))[::-1])
        x = filled(x, shape)
        if v.op in ("softmax", "log_softmax"):
            axis = options.get("axis", -1) % len(shape)
            return call(v.op, x, what=None if axis == len(shape) - 1 else (axis,))
        if v.op in ("max", "min", "logsumexp"):
            axes = along(options.get("axis"), len(shape))
            left = tuple(n for k, n in enumerate(shape) if k not in axes)
            return reshaped(call(v.op, x, what=tuple(axes) if left else None), left, v.shape)
        if v.op == "stack_t":
            return self.in_time(v, x)
        if v.op in ("concatenate", "stack"):
            xs, axis = map(self.whole, v.args), options["axis"] % len(v.shape)
            side_by_side = len(v.shape) == 1 or (v.op == "concatenate" and axis == len(v.shape) - 1)
            return call("row", *xs) if side_by_side else call(v.op, *xs, what=(axis,))
        return call(v.op, *map(self.whole, v.args))

    def plain(self, a: Arg) -> Formula:
        """An operand of what goes element by element, as it was before it was spread."""
        x = self.read(a)
        return x.parts[0] if x.head == "broadcast" else x

    def element(self, v: Value, xs: list[Formula]) -> Formula:
        """The same of operands that broadcast."""
        op, options = v.op, v.options
        of_bool = v.dtype == np.bool_
        if op in ("add", "addn"):
            return call("logical_or", *xs) if of_bool else plus(*xs)
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
            return self.chosen(v, xs)
        if op == "square":
            return times(xs[0], xs[0])
        if op == "clip":
            x, ends = xs[0], (options.get("low", -np.inf), options.get("high", np.inf))
            for name, end in zip(("maximum", "minimum"), ends, strict=True):
                x = x if np.isinf(end) else call(name, x, number(float(end)))
            return x
        if op in ("astype", "copy"):
            return self.converted(xs[0], _dtype(v.args[0]), v.dtype)
        return call(op, *xs)

    def chosen(self, v: Value, xs: list[Formula]) -> Formula:
        """One or the other; by products where nothing is infinite, as 0 times infinity is NaN."""
        mask, a, b = xs
        if _dtype(v.args[0]) != np.bool_:
            mask = call("not_equal", mask, ZERO)
        if any(x.head == "number" and x.what - x.what != 0 for x in (a, b)):
            return call("where", mask, a, b)
        return plus(times(mask, a), times(plus(ONE, times(number(-1), mask)), b))

    def converted(self, x: Formula, old: Any, new: Any) -> Formula:
        """Another dtype, if that may change the value."""
        if np.can_cast(old, new, "safe"):
            return x
        if new == np.bool_:
            return call("not_equal", x, ZERO)
        if x.head == "number":
            return self.constant(np.asarray(float(x.what), old).astype(new))
        return call("as", x, what=str(new))

    def product(self, v: Value) -> Formula:
        """A product of matrices: what has one axis is a row, and its transpose a column."""
        (a, b), shapes = map(self.read, v.args), [_shape(a) for a in v.args]
        if ZERO in (a, b):
            return ZERO
        a, b = map(filled, (a, b), shapes)
        if max(map(len, shapes)) > 2:
            return call("batched", a, b)
        if len(shapes[1]) == 2:
            return call("matmul", a, b)
        rows = shapes[0][:-1]
        return reshaped(call("matmul", a, call("transpose", b)), (*rows, 1), rows)

    def in_time(self, v: Value, x: Formula) -> Formula:
        """All steps in one array, time being any of its axes, forwards or backwards."""
        axis, sign = v.options["axis"] % len(v.shape), v.options["sign"]
        x = x if sign == 1 else call("index", x, what=("::-1",))
        return turned(x, (*range(1, axis + 1), 0, *range(axis + 1, len(v.shape))))

    def summed(self, v: Value) -> Formula:
        """Over time, over rows (1ᵀx) or over columns (x1)."""
        a = v.args[0]
        shape, x = _shape(a), self.read(a)
        if v.op == "sum_t":
            assert a.kind == "all"
            axes = [k - 1 for k in v.options.get("axis") or () if k]
            x, (first, last) = x.parts[0], x.what
            if x.head == "broadcast" and is_number(x.parts[0]):
                x = x.parts[0]
            left, found = self.along(x, shape, axes)
            return reshaped(self.over(found, first, last), left, v.shape)
        left, found = self.along(x, shape, along(v.options.get("axis"), len(shape)))
        return reshaped(found, left, v.shape)

    def over(self, x: Formula, first: Step, last: Step) -> Formula:
        """A sum over time, with the number before it."""
        front, rest = scalars(x)
        if front and rest:
            return times(*front, self.over(times(*rest), first, last))
        return Formula("over", (x,), (first, last))

    def along(
        self, x: Formula, shape: tuple[int, ...], axes: list[int]
    ) -> tuple[tuple[int, ...], Formula]:
        """A sum along axes of one step, and its shape: sums of rows are a row, of columns one."""
        front, rest = scalars(x)
        left = tuple(n for k, n in enumerate(shape) if k not in axes)
        if len(shape) == 2 and axes == [1]:
            left = (shape[0], 1)
        if not axes:
            return left, x
        if not rest:
            return left, times(number(float(np.prod([shape[k] for k in axes]))), x)
        if front:
            left, found = self.along(times(*rest), shape, axes)
            return left, times(*front, found)
        if x.head == "over":
            left, found = self.along(x.parts[0], shape, axes)
            return left, Formula("over", (found,), x.what)
        if len(shape) > 2:
            return left, call("axes", x, what=tuple(sorted(axes)))
        for k in sorted(axes, reverse=True):
            x = call("columns" if k else "rows", x)
        return left, x

    def taken(self, v: Value, xs: list[Formula]) -> Formula:
        """An element: of an array over time that of a step."""
        index, x, shape = v.options["index"], xs[0], _shape(v.args[0])
        compared = self.compared(v)
        if compared is not None:
            return compared
        first = index[0] if index else None
        timed = type(first) is Tick or (type(first) is int and shape[0] - 1 in self.ends)
        if timed and x.step is None and x.head == "letter":
            at = self.tick(first % shape[0] if isinstance(first, int) else first)
            x, index, shape = Formula("letter", what=x.what, step=at), index[1:], shape[1:]
        elif x.head == "all" and type(first) is Tick:
            start = x.what[0].shift - 1 if not x.what[0].end else 0
            x = x.parts[0].each(lambda s: s.moved(index_shift(first, start)))
            index, shape = index[1:], shape[1:]
        elif x.head == "index" and x.what == (0,) and type(first) is Tick:
            array, place = x.parts
            if place.head == "letter" and place.step is None:
                at = Formula("letter", what=place.what, step=self.tick(first))
                x, index, shape = call("index", array, at, what=(0,)), index[1:], shape[1:]
        if not scalars(x)[1]:
            return x
        if all((type(p) is slice and p == FULL) or p is None or p is Ellipsis for p in index):
            return reshaped(x, shape, v.shape)
        return self.indexed("index", x, v, index, xs)

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
        """The step that an integer in an index is, of an array over time."""
        if type(p) is int:
            return self.step(p)
        if p.sign != -1:
            return Step(p.sign, p.shift + 1 - p.sign)
        for hi, name in self.ends.items():
            if abs(p.shift - hi) <= 2:
                return Step(-1, p.shift - hi + 1, name)
        return Step(-1, p.shift + 2)

    def indexed(self, head: str, x: Formula, v: Value, index: Any, xs: list[Formula]) -> Formula:
        """``x[index]``, or what else has a place: with integers counted from 0, as in the program.

        An array that only counts the rows, for the next one to say the column, is a dot.
        """
        arrays, words = list[Formula](), list[Any]()
        counts = self.counts_of(v, index)
        for k, p in enumerate(index):
            if type(p) is Input and k not in counts:
                words.append(len(arrays))
                arrays.append(self.places(v.args[p], xs[p]))
            else:
                words.append("\\cdot" if type(p) is Input else self.piece(p))
        return call(head, x, *arrays, what=tuple(words))

    def places(self, a: Arg, x: Formula) -> Formula:
        """An array in an index, with its axes also where it is one number."""
        if not is_number(x) or not _shape(a):
            return x
        if a.kind != "const":
            return filled(x, _shape(a))
        return self.array(np.asarray(a.value))

    def counts_of(self, v: Value, index: Any) -> set[int]:
        """Which arrays of an index, all but the last, only count the axis that they are for."""
        if not index or any(type(p) is not Input for p in index):
            return set()
        width = max(len(_shape(v.args[p])) for p in index)
        if width < len(index) - 1:
            return set()
        found = set[int]()
        for k, p in enumerate(index[:-1]):
            a = v.args[p]
            n = max(_shape(a), default=1)
            counts = np.arange(n).reshape([-1 if j == k else 1 for j in range(width)])
            if a.kind == "const" and np.array_equal(np.asarray(a.value), counts):
                found.add(k)
        return found if len(found) == len(index) - 1 else set()

    def piece(self, p: Any) -> str:
        """A slice, a new axis, or an integer."""
        if isinstance(p, slice):
            ends = (p.start, p.stop) if p.step in (None, 1) else (p.start, p.stop, p.step)
            return ":".join("" if e is None else str(e) for e in ends)
        if type(p) is Tick:
            return Step(p.sign, p.shift - p.sign).tex()
        return {None: "\\mathrm{new}", Ellipsis: "\\dots"}.get(p) or str(p)

    def put(self, v: Value, xs: list[Formula]) -> Formula:
        """Zeros, with something put into their places."""
        if v in self.forward:
            return self.put_apart(v, xs)
        if v.op == "scatter_t":
            (g, y), (first, last) = (x.parts[0] for x in xs), xs[0].what
            one = call("transpose", call("one_hot", y, what=v.shape[0]))
            return self.over(call("matmul", one, g), first, last)
        indices = v.options["indices"]
        columns = [_columns(i, v.shape) for i in indices]
        if None not in columns:
            groups: dict[tuple[int, int], list[int]] = {}
            for k, found in enumerate(columns):
                groups.setdefault(found or (0, 0), []).append(k)
            ends = sorted(groups)
            if [a for a, _ in ends] + [v.shape[-1]] == [0] + [b for _, b in ends]:
                return call("row", *(self.together([v.args[k] for k in groups[e]]) for e in ends))
        (index, *more), g = indices, xs[0]
        if not more and index and all(type(p) is Input for p in index):
            counts = self.counts_of(v, index)
            y = xs[index[-1]]
            rows = len(index) == 1 and len(v.shape) == 2 and len(_shape(v.args[index[0]])) == 1
            one_of_each = len(v.shape) == 2 and len(index) == 2 and len(counts) == 1
            if g.head == "all" and len(index) == 1 and y.head == "letter":
                here = Formula("letter", what=y.what, step=Step(1, 0))
                one = call("transpose", call("one_hot", here, what=v.shape[0]))
                return self.over(call("matmul", one, g.parts[0]), *g.what)
            one = call("one_hot", y, what=v.shape[0 if rows else -1])
            if rows:
                return call("matmul", call("transpose", one), filled(g, _shape(v.args[0])))
            if one_of_each:
                g = g.parts[0] if g.head == "broadcast" else g
                return times(reshaped(g, _shape(v.args[0]), (v.shape[0], 1)), one)
        return self.put_apart(v, xs)

    def put_apart(self, v: Value, xs: list[Formula]) -> Formula:
        """Each operand in zeros of its own, added up."""
        found = list[Formula]()
        for x, a, index in zip(xs, v.args, v.options["indices"], strict=False):
            f = self.indexed("put", filled(x, _shape(a)), v, index, xs)
            found.append(Formula("put", f.parts, (v.shape, f.what)))
        return plus(*found)


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
    source = v.args[0].value if v.op == "getitem" and not v.initial else None
    if not isinstance(source, Value) or len(source.shape) != len(v.shape):
        return None
    ends, n = _columns(v.options["index"], source.shape), v.shape[-1] if v.shape else 0
    if ends is None or not n or source.shape[-1] % n or ends[0] % n:
        return None
    return ends[0] // n


def _columns(index: Any, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Where a slice of the last axis begins and ends, if it is that, and all of the others."""
    if not index or any(type(p) not in (slice, type(Ellipsis)) for p in index):
        return None
    if Ellipsis in index:
        k = index.index(Ellipsis)
        full = (FULL,) * (len(shape) - len(index) + 1)
        index = (*index[:k], *full, *index[k + 1 :])
    if len(index) != len(shape) or any(p != FULL for p in index[:-1]) or index[-1] == FULL:
        return None
    start, stop, step = index[-1].indices(shape[-1])
    return (start, stop) if step == 1 else None


def _shape(a: Arg) -> tuple[int, ...]:
    """The shape of an operand at one step, as of all steps too."""
    if isinstance(a.value, Value):
        return a.value.shape
    return np.shape(a.value)[a.kind == "consts" :]


def _dtype(a: Arg) -> Any:
    return a.value.dtype if isinstance(a.value, Value) else np.asarray(a.value).dtype
