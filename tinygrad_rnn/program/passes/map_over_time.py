"""Which operations on all steps at once can be computed step by step?

``stack(hs) @ W`` is ``h_t @ W`` at each step. Written so, a loss over all steps at once and a loss
at every step are one program, and its length is no number in it but T. An operation along another
axis than time becomes a sequence; a sum along time becomes a sum over time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.engine.primitives import Input
from tinygrad_rnn.program.ir.graph import Arg, Value, ancestors
from tinygrad_rnn.program.ir.ops import ELEMENTWISE, those
from tinygrad_rnn.program.ir.recurrences import components
from tinygrad_rnn.program.ir.sequences import Step

__all__ = ["map_over_time"]

SOFT = those(cost="normalise")
NOW = Step(1, 0)


class Stacked(NamedTuple):
    """All steps of a sequence: element j of the first axis is the step ``j + first`` of `value`.

    With `rows`, the first axis holds so many rows of each step, one step after the other.
    """

    value: Value
    first: int
    n: int
    rows: int


def map_over_time(values: list[Value], outputs: list[Value]) -> int:
    """Turn operations on stacks over time into operations of each step; returns how many.

    >>> from tinygrad_rnn.program.ir.text import graph_from, text_of
    >>> values, outputs = graph_from('''
    ...     hs = stack_t(h[0:5], axis=0, sign=1)
    ...     ys = matmul(hs, W)
    ...     e = multiply(ys, ys)
    ...     loss = sum(e)
    ... ''', hs=(5, 2, 3), W=(3, 3), ys=(5, 2, 3), e=(5, 2, 3), loss=())
    >>> map_over_time(values, outputs)
    3
    >>> print(text_of(values, outputs))
    ys[t] = matmul(h[t], W)
    e[t] = multiply(ys[t], ys[t])
    loss = sum_t(e[0:5], axis=(0, 1, 2))
    """
    count = sum(
        _Conversion(values, outputs, v).done()
        for c in components(values)
        for v in ([] if c.loop else c.values)
        if v.op not in ("leaf", "stack_t") and not v.initial
    )
    return count + _sums_of_arguments(values, outputs)


def _sums_of_arguments(values: list[Value], outputs: list[Value]) -> int:
    """Turn sums over arguments that are read step by step into sums over time.

    Such as the count of labels that are none: a sum of labels alone does not say that their first
    axis is time, but a loss that reads those of each step does.
    """
    timed: dict[Value, int] = {}
    for v in values:
        if v.op == "getitem" and v.lo == 0 and v.options["index"] == (NOW,):
            _along(v.args[0].value, v.steps, timed)
    count = 0
    for v in list(values):
        if v.op != "sum" or v.lo is not None or v.args[0].kind != "one":
            continue
        x = v.args[0].value
        lengths = {timed[u] for u in ancestors(x) if u.op == "leaf" and u in timed}
        if len(lengths) == 1 and x.shape[:1] == (n := lengths.pop(),):
            steps = _Conversion(values, outputs, v)
            steps.n, steps.rows = n, 0
            count += steps.along_axes()
    return count


def _along(x: Any, n: int, timed: dict[Value, int]) -> None:
    """Remember that time, of `n` steps, is the first axis of a value and of what it is made from.

    Of what is taken at places, as the rows of an embedding, it is the first axis of the places.
    """
    todo = [x]
    while todo:
        v = todo.pop()
        if not isinstance(v, Value) or v in timed or v.lo is not None or v.shape[:1] != (n,):
            continue
        timed[v] = n
        if v.op in ELEMENTWISE:
            todo += [a.value for a in v.args if len(shape(a)) == len(v.shape)]
        elif v.op == "getitem":
            todo += [a.value for a in v.args[1:]]


def stacked_of(v: Any) -> Stacked | None:
    """The sequence that a value stacks all steps of."""
    if not isinstance(v, Value) or v.lo is not None:
        return None
    merged = v.op == "reshape" and v.args[0].kind == "one"
    s = v.args[0].value if merged else v
    if s.op != "stack_t" or s.initial or s.options["axis"] != 0 or s.options["sign"] != 1:
        return None
    a = s.args[0]
    found = Stacked(a.value, a.k[0], a.k[1] - a.k[0] + 1, 0)
    if not merged:
        return found
    inner = a.value.shape
    if not inner or v.shape != (found.n * inner[0], *inner[1:]):
        return None
    return found._replace(rows=inner[0])


class _Conversion:
    """The conversion of one value: into a sequence, of which it is then all steps."""

    def __init__(self, values: list[Value], outputs: list[Value], v: Value) -> None:
        self.values, self.outputs, self.v = values, outputs, v
        self.new: list[Value] = []

    def done(self) -> bool:
        """True if it was converted."""
        v = self.v
        stacks = {w[2:] for a in v.args if a.kind == "one" and (w := stacked_of(a.value))}
        if v.op == "transpose" or (len(stacks) != 1 and v.op != "matmul"):
            return False
        if v.lo is not None:
            return bool(stacks) and self.element()
        if v.op == "matmul" and (not stacks or getattr(v.args[0].value, "op", "") == "transpose"):
            return self.weight_gradient()
        if len(stacks) != 1:
            return False
        ((self.n, self.rows),) = stacks
        return self.converted()

    def converted(self) -> bool:
        """Convert it, if it is an operation that can be done step by step; whether it was."""
        v = self.v
        if v.op in ELEMENTWISE:
            args, options = [self.part(a, len(v.shape)) for a in v.args], dict(v.options)
            return None not in args and self.sequence(v.op, args, options, v.shape[1:])
        if v.op == "matmul":
            return self.product()
        if v.op in ("sum", "max", "min") or v.op in SOFT:
            return self.along_axes()
        if v.op == "getitem":
            return self.taken()
        return v.op == "scatter" and self.scattered()

    def sequence(self, op: str, args: Any, options: dict[str, Any], shape: tuple[int, ...]) -> bool:
        """Compute each step, and let the value be all of them."""
        v = self.v
        if self.rows:
            if v.shape[:1] != (self.n * self.rows,):
                return False
            shape = (self.rows, *shape)
        elif v.shape[:1] != (self.n,):
            return False
        made = Value(op, args, options, shape, v.dtype, v.name, 0, self.n - 1, serial=v.serial)
        made.named, made.of = v.named, v.of
        stacked = v
        if self.rows:
            stacked = Value("stack_t", [], {}, (self.n, *shape), v.dtype, "x", serial=v.serial)
            v.op, v.args, v.options = "reshape", [Arg("one", stacked)], {"shape": v.shape}
            self.new.append(stacked)
        stacked.op, stacked.args = "stack_t", [Arg("all", made, (0, self.n - 1))]
        stacked.options = {"axis": 0, "sign": 1}
        self.values += [*self.new, made]
        return True

    def part(self, a: Arg, ndim: int) -> Arg | None:
        """An operand at each step, where the result has `ndim` axes, the first being time."""
        x = a.value
        if a.kind not in ("one", "const"):
            return None
        shape = x.shape if isinstance(x, Value) else np.shape(x)
        if len(shape) < ndim:
            return a
        if not isinstance(x, Value):
            x = np.asarray(x)
            if shape[0] == 1:
                return Arg("const", np.asarray(x if self.rows else x[0]))
            return Arg("consts", x.reshape(self.n, self.rows, *shape[1:]) if self.rows else x, 0)
        w = stacked_of(x)
        if w is not None:
            return Arg("step", w.value, w.first) if w[2:] == (self.n, self.rows) else None
        if shape[0] == 1:
            return a if self.rows else self.at(x, 0)
        return self.each(x)

    def each(self, x: Value) -> Arg | None:
        """The element of an array, or its rows, that belongs to each step."""
        if x.op == "broadcast_to" and x.args[0].kind == "one":
            source = x.args[0].value
            if len(source.shape) < len(x.shape) or source.shape[0] == 1:
                shape = (self.rows, *x.shape[1:]) if self.rows else x.shape[1:]
                if source.shape[:1] == (1,) and len(source.shape) == len(x.shape) and not self.rows:
                    source = self.at(source, 0).value
                made = Value("broadcast_to", [Arg("one", source)], {"shape": shape}, shape, x.dtype,
                             x.name, serial=x.serial)  # fmt: skip
                self.new.append(made)
                return Arg("one", made)
        if x.op != "leaf":  # of arguments alone
            made_of = _Conversion(self.values, self.outputs, x)
            made_of.n, made_of.rows = self.n, self.rows
            one = (
                x.lo is None
                and not x.initial
                and x.op in {*ELEMENTWISE, "scatter", "getitem", "sum"}
            )
            w = stacked_of(x) if one and made_of.converted() else None
            return Arg("step", w.value, w.first) if w is not None else None
        if self.rows:
            shape = (self.n, self.rows, *x.shape[1:])
            x = Value("reshape", [Arg("one", x)], {"shape": shape}, shape, x.dtype, x.name,
                      serial=x.serial)  # fmt: skip
            self.new.append(x)
        made = Value("getitem", [Arg("one", x)], {"index": (NOW,)}, x.shape[1:], x.dtype, x.name,
                     0, self.n - 1, serial=x.serial)  # fmt: skip
        self.new.append(made)
        return Arg("step", made, 0)

    def at(self, x: Value, k: int) -> Arg:
        """One element of an array."""
        made = Value("getitem", [Arg("one", x)], {"index": (k,)}, x.shape[1:], x.dtype, x.name,
                     serial=x.serial)  # fmt: skip
        self.new.append(made)
        return Arg("one", made)

    def product(self) -> bool:
        """Rows of all steps times a matrix that is the same for all; or step by step."""
        v, (a, b) = self.v, self.v.args
        w = stacked_of(a.value) if a.kind == "one" else None
        if w is None or not isinstance(b.value, Value) or b.kind != "one":
            return False
        if len(b.value.shape) == 2 and stacked_of(b.value) is None:
            shape = v.shape[1:]
            return self.sequence(
                "matmul", [Arg("step", w.value, w.first), b], dict[str, Any](), shape
            )
        args = [self.part(x, len(v.shape)) for x in v.args]
        same = len(a.value.shape) == len(b.value.shape) == len(v.shape) >= 3 and not self.rows
        return (
            same
            and None not in args
            and self.sequence("matmul", args, dict[str, Any](), v.shape[1:])
        )

    def weight_gradient(self) -> bool:
        """The product of rows of all steps with rows of all steps: a sum over time of products."""
        v = self.v
        if v.op != "matmul" or any(a.kind != "one" for a in v.args):
            return False
        (left, right), sides = (a.value for a in v.args), list[Stacked]()
        if left.op != "transpose" or len(left.shape) != 2 or left.args[0].kind != "one":
            return False
        for x in (left.args[0].value, right):
            w = stacked_of(x)
            if w is None:
                return False
            sides.append(w)
        a, b = sides
        if not a.rows or (a.n, a.rows) != (b.n, b.rows):
            return False
        last = a.n - 1
        shape = a.value.shape[::-1]
        turned = Value("transpose", [Arg("step", a.value, a.first)], {"axes": (1, 0)}, shape,
                       v.dtype, left.name, 0, last, serial=v.serial)  # fmt: skip
        product = Value("matmul", [Arg("step", turned, 0), Arg("step", b.value, b.first)], {},
                        v.shape, v.dtype, v.name, 0, last, serial=v.serial)  # fmt: skip
        self.values += [turned, product]
        v.op, v.args = "sum_t", [Arg("all", product, (0, last))]
        v.options = {}
        return True

    def along_axes(self) -> bool:
        """Along other axes than time at each step; over time a sum."""
        v, ndim = self.v, len(shape(self.v.args[0]))
        a = self.part(v.args[0], ndim)
        if a is None or a.kind != "step":
            return False
        axis = v.options.get("axis", -1 if v.op in SOFT and v.op != "logsumexp" else None)
        axes = (
            sorted(range(ndim))
            if axis is None
            else sorted(int(k) % ndim for k in np.atleast_1d(axis))
        )
        keep = bool(v.options.get("keepdims"))
        if 0 not in axes:
            shift = 0 if self.rows else 1
            moved: Any = tuple(k - shift for k in axes)
            options = {**v.options, "axis": moved if isinstance(axis, tuple) else moved[0]}
            return self.sequence(v.op, [a], options, v.shape[1:])
        if v.op != "sum" or keep:
            return False
        all_axes = (0, *(k + 1 for k in axes)) if self.rows else tuple(axes)
        v.op, v.args = "sum_t", [Arg("all", a.value, (a.k, a.k + self.n - 1))]
        self.values += self.new
        v.options = {"axis": all_axes} if len(all_axes) > 1 else {}
        return True

    def element(self) -> bool:
        """Read the element of a stack that belongs to a step in its sequence."""
        v = self.v
        a, index = v.args[0], v.options.get("index", ())
        w = stacked_of(a.value)
        if v.op != "getitem" or w is None or w.rows or not index or type(index[0]) is not Step:
            return False
        if index[0].sign != 1 or any(type(p) in (Step, Input) for p in index[1:]):
            return False
        v.args = [Arg("step", w.value, w.first + index[0].shift)]
        rest = index[1:]
        v.op, v.options = ("getitem", {"index": rest}) if rest else ("copy", {})
        return True

    def taken(self) -> bool:
        """Elements at each step of what arrays or slices say."""
        v = self.v
        parts = self.index(v.options["index"], v.args, len(v.shape))
        a = self.part(v.args[0], len(v.args[0].value.shape))
        if parts is None or a is None:
            return False
        index, arrays = parts
        return self.sequence("getitem", [a, *arrays], {"index": index}, v.shape[1:])

    def index(self, index: Any, args: list[Arg], ndim: int, first: int = 1) -> Any:
        """An index without the axis of time, and the arrays in it at each step."""
        if not index or ndim == 0:
            return None
        if index[0] == slice(None):
            if any(type(p) is not slice and p is not Ellipsis for p in index[1:]) or self.rows:
                return None
            return tuple(index[1:]), list[Arg]()
        if index[0] is Ellipsis:  # time is among its axes
            axes = sum(p is not None for p in index[1:])
            known = all(p is None or type(p) in (int, slice) for p in index[1:])
            return (index, list[Arg]()) if known and axes < len(shape(args[0])) else None
        if any(type(p) is not Input for p in index):
            return None
        arrays = [args[int(p)] for p in index]
        width = max(len(shape(a)) for a in arrays)
        time = arrays[0]
        n = self.n * (self.rows or 1)
        ticks = np.arange(n).reshape(n, *(1,) * (width - 1))
        if time.kind != "const" or not np.array_equal(time.value, ticks):
            return None
        parts = [self.part(a, width) for a in arrays[1:]]
        if None in parts:
            return None
        if self.rows:
            rows = np.arange(self.rows).reshape(self.rows, *(1,) * (width - 1))
            parts.insert(0, Arg("const", rows))
        return tuple(Input(first + k) for k in range(len(parts))), parts

    def scattered(self) -> bool:
        """Zeros at each step, with operands put at the places of that step."""
        v = self.v
        indices = v.options["indices"]
        if len(indices) != 1:
            return False
        parts = self.index(indices[0], v.args, len(v.shape))
        if parts is None:
            return False
        index, arrays = parts
        width = len(shape(v.args[0]))
        g = self.part(v.args[0], width) if width else v.args[0]
        inner = ((self.rows,) if self.rows else ()) + v.shape[1:]
        if g is None:
            return False
        return self.sequence(
            "scatter", [g, *arrays], {"indices": (index,), "shape": inner}, v.shape[1:]
        )


def shape(a: Arg) -> tuple[int, ...]:
    """The shape of an operand."""
    return a.value.shape if isinstance(a.value, Value) else np.shape(a.value)
