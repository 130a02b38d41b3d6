"""How is each operation written in mathematics?"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.program.formula.indices import Indices
from tinygrad_rnn.program.formula.operands import shape_at_step
from tinygrad_rnn.program.formula.shapes import (
    along,
    filled,
    is_number,
    reshaped,
    spread,
    turned,
)
from tinygrad_rnn.program.formula.tree import (
    ONE,
    ZERO,
    Formula,
    call,
    number,
    plus,
    scalars,
    times,
)
from tinygrad_rnn.program.ir.graph import Arg, Value
from tinygrad_rnn.program.ir.ops import ELEMENTWISE

__all__ = ["Notation"]


class Notation(Indices):
    """Formulas of values, each operation in its notation."""

    def line(self, v: Value, gradient: bool) -> Formula:
        """The right side of a value's line; of a gradient the reader knows the shape."""
        f = self.formula(v)
        if gradient:
            return f.parts[0] if f.head == "broadcast" else f
        return f if f == ZERO else filled(f, v.shape)

    def formula(self, v: Value) -> Formula:
        """The formula of a value in terms of its operands, in its shape."""
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
        x, shape, options = self.read(v.args[0]), shape_at_step(v.args[0]), v.options
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
        if v.op == "cumsum":
            return call(v.op, x, what=(options["axis"] % len(shape),))
        if v.op in ("max", "min", "logsumexp"):
            axes = along(options.get("axis"), len(shape))
            left = tuple(n for k, n in enumerate(shape) if k not in axes)
            return reshaped(call(v.op, x, what=tuple(axes) if left else None), left, v.shape)
        if v.op == "stack_t":
            return self.in_time(v, x)
        if v.op in ("concatenate", "stack"):
            xs, axis = map(self.in_shape, v.args), options["axis"] % len(v.shape)
            side_by_side = len(v.shape) == 1 or (v.op == "concatenate" and axis == len(v.shape) - 1)
            return call("row", *xs) if side_by_side else call(v.op, *xs, what=(axis,))
        return call(v.op, *map(self.in_shape, v.args))

    def plain(self, a: Arg) -> Formula:
        """An operand of an elementwise operation, as it was before it was broadcast."""
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
        """A product of matrices: a vector is a row, and its transpose a column."""
        (a, b), shapes = map(self.read, v.args), [shape_at_step(a) for a in v.args]
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
        shape, x = shape_at_step(a), self.read(a)
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


def _dtype(a: Arg) -> Any:
    return a.value.dtype if isinstance(a.value, Value) else np.asarray(a.value).dtype
