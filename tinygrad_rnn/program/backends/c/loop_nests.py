"""Which loops compute a value that is no product of matrices?"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.engine.primitives import Input
from tinygrad_rnn.program.backends.c.index import Affine, taken
from tinygrad_rnn.program.backends.c.kernel import STEP, Kernel, axes, loops, nested
from tinygrad_rnn.program.backends.c.names import TYPES
from tinygrad_rnn.program.backends.c.operands import (
    Unwritable,
    same_but_ones,
    shape_of,
    spans,
)
from tinygrad_rnn.program.backends.c.storage import Storage
from tinygrad_rnn.program.ir.graph import Arg, Value
from tinygrad_rnn.program.ir.ops import ELEMENTWISE
from tinygrad_rnn.program.ir.sequences import Step

__all__ = ["LoopNests"]


class LoopNests:
    """Makes the kernels of one program, a method for each kind."""

    def __init__(self, storage: Storage, constants: Any) -> None:
        self.storage, self.constants = storage, constants

    def kernel(self, *values: Value) -> Kernel:
        """An empty one."""
        return Kernel(self.storage, self.constants, list(values))

    def time(self, v: Value, lifted: bool) -> list[str]:
        """The head of a loop over all steps of a value, if it is computed in none."""
        return [self.steps(v.lo, v.hi)] if lifted else []

    def loops(self, shape: tuple[int, ...], chosen: Any = None, simd: str = "") -> list[str]:
        """The heads of loops over axes, all or the chosen; a sequence is as long as the loop."""
        return loops(self.storage.long(shape), chosen, simd)

    def steps(self, lo: int | None, hi: int | None) -> str:
        """The head of a loop over steps."""
        assert lo is not None
        assert hi is not None
        first, end = self.storage.moment(lo), self.storage.moment(hi + 1)
        return f"for (long t = {first}; t < {end}; t++)"

    def elementwise(
        self, values: list[Value], lifted: bool, rest: list[Arg] | None = None
    ) -> Kernel:
        r"""Values over the same places; of a sum to which a product is added, the `rest`.

        Values that are formulas stand in lines of their own, in the loops over the elements of h.

        >>> from tinygrad_rnn.program.ir.text import graph_from
        >>> from tinygrad_rnn.program.backends.c.kernel import Constants
        >>> values, outputs = graph_from('''
        ...     x[t] = getitem(X, index=(t,))
        ...     k[t] = multiply(h[t - 1], u)
        ...     a[t] = add(k[t], x[t])
        ...     h[t] = tanh(a[t]); h[-1] = h0
        ...     loss = sum_t(h[0:5], axis=(0, 1, 2))
        ... ''', X=(5, 2, 3), loss=())
        >>> leaves = [v for v in values if v.op == "leaf"]
        >>> nests = LoopNests(Storage(values, outputs, leaves), Constants())
        >>> print(*nests.elementwise([values[-2]], lifted=False).lines, sep="\n")
        for (long row = 0; row < 2; row++)
            #pragma omp simd
            for (long col = 0; col < 3; col++) {
                const double k = h[t*6 + row*3 + col] * u[row*3 + col];
                const double a = k + X[t*6 + row*3 + col];
                h[t*6 + row*3 + col + 6] = tanh_d(a);
            }
        """
        kernel, (first, *_) = self.kernel(*values), values
        at, body, stores = axes(first.shape), list[str](), list[str]()
        read = set[Value]().union(*map(self.reads, values)) if len(values) > 1 else set()
        for v in values:
            t = None if v.lo is None else STEP
            text = self.one(kernel, v, t, at, rest)
            target = kernel.target(v, t, at)
            if len(values) > 1:  # all is loaded before anything is stored: see aliasing.py
                name = kernel.local(v.name or v.op)
                if v in read:
                    kernel.known[v, t, at] = name
                kernel.lines.append(f"const {TYPES[str(v.dtype)]} {name} = {text};")
                text = name
            body += kernel.lines
            stores.append(f"{target} = {text};")
            kernel.lines = []
        body += stores
        kernel.reads -= {self.storage.root(v) for v in values} if len(values) > 1 else set()
        if rest is None:
            kernel.space = (first.lo, first.hi, first.shape, lifted)
        simd = "" if any("inside(" in line for line in body) else "simd"
        heads = [*self.time(first, lifted), *self.loops(first.shape, simd=simd)]
        kernel.lines = nested(heads, body)
        return kernel

    def joined(self, old: Kernel, new: Kernel) -> Kernel:
        """Both as one kernel, of which only the lines are missing: `written` adds them."""
        kernel = self.kernel(*old.values, *new.values)
        own = {self.storage.root(v) for v in kernel.values}
        kernel.reads, kernel.space = (old.reads | new.reads) - own, old.space
        return kernel

    def written(self, kernel: Kernel) -> Kernel:
        """A kernel with its lines."""
        return kernel if kernel.lines else self.elementwise(kernel.values, kernel.space[-1])

    def one(
        self, kernel: Kernel, v: Value, t: Affine | None, at: Any, rest: list[Arg] | None
    ) -> str:
        """The expression for an element of one value."""
        if rest is not None:
            sum_ = Value("addn", rest, {}, v.shape, v.dtype, v.name, v.lo, v.hi)
            return kernel.formula(sum_, t, at)
        if v.op in ELEMENTWISE:
            return kernel.formula(v, t, at)
        if v.op == "getitem" and len(v.args) > 1:
            a, find = v.args[0], kernel.looked_up(v, t)
            where = taken(v.options["index"], shape_of(a), at, t, find)
            return str(kernel.operand(a, t, where, v.dtype))
        if v.op == "reshape" and not same_but_ones(v):
            name, place = kernel.read(*self.storage.in_row(v, t, at))
            return f"{name}[{place}]"
        a, t, at = self.storage.source_of(v, t, at)
        if isinstance(a.value, Value):
            return str(kernel.element(a.value, t, at, v.dtype))
        return str(kernel.operand(a, t, at, v.dtype))

    def reads(self, v: Value) -> set[Value]:
        """The values that one reads of the same step at the same place, itself or by formulas."""
        found, todo = set[Value](), list(v.args)
        while todo:
            a = todo.pop()
            x = a.value
            if isinstance(x, Value) and a.kind in ("step", "one") and not a.k and x not in found:
                found.add(x)
                if x not in self.storage.places:
                    todo += x.args
        return found

    def elsewhere(self, v: Value, written: set[Value], old: list[Value]) -> bool:
        """True if `v` reads, of arrays that are being written, other elements than its own."""
        moves = v.op not in ELEMENTWISE  # as a slice or a transpose that is an output
        todo: list[tuple[Arg, bool]] = [(a, moves) for a in v.args]
        looked = set[tuple[Value, bool]]()  # into, once: formulas share their parts
        while todo:
            a, seen_through = todo.pop()
            x = a.value
            if not isinstance(x, Value):
                continue
            stepwise = a.kind in ("step", "one")
            if a.kind == "step" and a.k and v in self.storage.loop_of:
                continue  # rows of other steps are out of the way
            if x in self.storage.places:
                here = stepwise and not a.k and not seen_through and x in old and x.shape == v.shape
                if self.storage.root(x) in written and not here:
                    return True
            else:
                through = seen_through or x in self.storage.views or x.shape != v.shape
                through = through or not stepwise or bool(a.k)
                if (x, through) not in looked:
                    looked.add((x, through))
                    todo += [(b, through) for b in x.args]
        return False

    def reduction(self, v: Value, lifted: bool) -> Kernel:
        """A sum, or the largest or smallest, over axes; a sum over time too."""
        kernel, a, timed = self.kernel(v), v.args[0], v.op == "sum_t"
        shape = shape_of(a)[1:] if timed else shape_of(a)
        if timed:
            gone = {k - 1 for k in v.options.get("axis", ()) if k}
        else:
            gone = reduced(v.options.get("axis"), len(shape))
        kept, at, t = [j for j in range(len(shape)) if j not in gone], axes(shape), None
        t = None if v.lo is None else STEP
        keepdims = v.options.get("keepdims") and not timed
        out = tuple(
            Affine() if j in gone else ix for j, ix in enumerate(at) if keepdims or j not in gone
        )
        target, kind = kernel.target(v, t, out), TYPES[str(v.dtype)]
        x = kernel.of_sequence(a, STEP, at, v.dtype) if timed else kernel.operand(a, t, at, v.dtype)
        body = kernel.lines
        time = [self.steps(*a.k)] if timed and a.kind == "all" else []
        if timed and a.kind != "all":
            time = [self.steps(0, shape_of(a)[0] - 1)]
        heads = [*self.time(v, lifted)]
        along = v.op in ("sum", "sum_t") and kept and len(shape) - 1 in kept and shape[-1] > 1
        if along:  # the last axis stays: add whole rows
            inner = [*time, *self.loops(shape, sorted(gone)), *self.loops(shape, kept, "simd")]
            lines = [
                *nested(self.loops(shape, kept), [f"{target} = 0;"]),
                *nested(inner, [*body, f"{target} += {x};"]),
            ]
            kernel.lines = nested(heads, lines) if heads else lines
            return kernel
        if v.op in ("sum", "sum_t"):
            wide, start = ("double" if v.dtype.kind == "f" else kind), "0"
            step, simd = f"total += {x};", " reduction(+:total)"
        else:
            sign, start, odd = ">" if v.op == "max" else "<", extreme(v), kernel.local("odd")
            mask = "int32_t" if kind == "float" else "int64_t"  # as wide, for simd
            lines = [f"{kind} total = {start};", f"{mask} {odd} = 0;"]
            simd = f" reduction({v.op}:total) reduction(|:{odd})"
            step = [f"total = total {sign} {x} ? total : {x};", f"{odd} |= {x} != {x};"]
            lines += nested([*time, *self.loops(shape, sorted(gone), simd)], [*body, *step])
            lines.append(f"{target} = {odd} ? NAN : total;")
            kernel.lines = nested([*heads, *self.loops(shape, kept)], lines)
            return kernel
        inner = [*time, *self.loops(shape, sorted(gone), simd)]
        lines = [
            f"{wide} total = {start};",
            *nested(inner, [*body, step]),
            f"{target} = ({kind})total;",
        ]
        kernel.lines = nested([*heads, *self.loops(shape, kept)], lines)
        return kernel

    def scan(self, v: Value, lifted: bool) -> Kernel:
        """The sums of the elements up to each, along one axis."""
        kernel, a = self.kernel(v), v.args[0]
        shape, t = shape_of(a), None if v.lo is None else STEP
        along, at = v.options["axis"] % len(shape), axes(shape)
        x = kernel.operand(a, t, at, v.dtype)
        step = f"{kernel.target(v, t, at)} = total += {x};"
        lines = [
            f"{TYPES[str(v.dtype)]} total = 0;",
            *nested(self.loops(shape, [along]), [*kernel.lines, step]),
        ]
        kept = [j for j in range(len(shape)) if j != along]
        kernel.lines = nested([*self.time(v, lifted), *self.loops(shape, kept)], lines)
        return kernel

    def softmax(self, v: Value, lifted: bool) -> Kernel:
        """Softmax, its logarithm, the logarithm of its sum; the largest is taken off first."""
        kernel, a = self.kernel(v), v.args[0]
        shape, t = shape_of(a), None if v.lo is None else STEP
        gone = reduced(v.options.get("axis", None if v.op == "logsumexp" else -1), len(shape))
        kept, at = [j for j in range(len(shape)) if j not in gone], axes(shape)
        x = str(kernel.operand(a, t, at, v.dtype))
        body, kind = kernel.lines, TYPES[str(v.dtype)]
        f = "f" if kind == "float" else "d"
        out = at
        if v.op == "logsumexp":
            keep = v.options.get("keepdims")
            out = tuple(
                Affine() if j in gone else ix for j, ix in enumerate(at) if keep or j not in gone
            )
        target, e = kernel.target(v, t, out), f"exp_{f}({x} - top)"

        def over(simd: str, line: str) -> list[str]:
            return nested(self.loops(shape, sorted(gone), simd), [*body, line])

        lines = [f"{kind} top = -INFINITY, total = 0;"]
        lines += over(" reduction(max:top)", f"top = top > {x} ? top : {x};")
        if v.op == "logsumexp":
            lines.append("if (!isfinite(top)) top = 0;")
        if v.op == "softmax":
            lines += over(" reduction(+:total)", f"total += {target} = {e};")
            lines += over("simd", f"{target} /= total;")
        else:
            lines += over(" reduction(+:total)", f"total += {e};")
            lines.append(f"total = {'logf' if f == 'f' else 'log'}(total) + top;")
            lines += (
                [f"{target} = total;"]
                if v.op == "logsumexp"
                else over("simd", f"{target} = {x} - total;")
            )
        kernel.lines = nested([*self.time(v, lifted), *self.loops(shape, kept)], lines)
        return kernel

    def zeros(self, v: Value, lifted: bool) -> Kernel:
        """Nothing yet, to add to."""
        kernel = self.kernel(v)
        target = kernel.target(v, None if v.lo is None else STEP, axes(v.shape))
        kernel.lines = nested([*self.time(v, lifted), *self.loops(v.shape)], [f"{target} = 0;"])
        return kernel

    def scatter(self, v: Value, lifted: bool) -> list[Kernel]:
        """Zeros with operands added at their places."""
        found, t = [self.zeros(v, lifted)], None if v.lo is None else STEP
        for a, index in zip(v.args, v.options["indices"], strict=False):
            kernel, shape = self.kernel(v), taken_shape(v, index)
            at = axes(shape)
            where = taken(index, v.shape, at, t, kernel.looked_up(v, t))
            x, target = kernel.operand(a, t, at, v.dtype), kernel.target(v, t, where)
            simd = "" if any(type(p) is Input for p in index) else "simd"
            heads = [*self.time(v, lifted), *self.loops(shape, simd=simd)]
            kernel.lines = nested(heads, [*kernel.lines, f"{target} += {x};"])
            kernel.reads |= kernel.writes
            found.append(kernel)
        return found

    def scatter_in_time(self, v: Value) -> list[Kernel]:
        """The operands of all steps added at the places that an array for each step says."""
        kernel, (a, places) = self.kernel(v), v.args
        shape = shape_of(a)[1:]
        at, wide = axes(shape), len(shape_of(places)) - 1
        there = STEP.plus((places.k[0] if places.kind == "all" else 0) - a.k[0])
        p = kernel.of_sequence(places, there, at[:wide], np.dtype(np.int64))
        p = p if isinstance(p, Affine) else kernel.checked(p, v.shape[0])
        x, target = (
            kernel.of_sequence(a, STEP, at, v.dtype),
            kernel.target(v, None, (p, *at[wide:])),
        )
        heads = [self.steps(*a.k), *self.loops(shape)]
        kernel.lines = nested(heads, [*kernel.lines, f"{target} += {x};"])
        kernel.reads |= kernel.writes
        return [self.zeros(v, False), kernel]

    def side_by_side(self, v: Value, lifted: bool) -> list[Kernel]:
        """Operands of a concatenation or a stack, each at its place."""
        found, t = list[Kernel](), None if v.lo is None else STEP
        for a, index in zip(v.args, spans(v), strict=True):
            kernel, shape = self.kernel(v), shape_of(a)
            at = axes(shape)
            x, target = (
                kernel.operand(a, t, at, v.dtype),
                kernel.target(v, t, taken(index, v.shape, at, t)),
            )
            heads = [*self.time(v, lifted), *self.loops(shape, simd="simd")]
            kernel.lines = nested(heads, [*kernel.lines, f"{target} = {x};"])
            found.append(kernel)
        return found

    def initial(self, v: Value) -> list[str]:
        """The initial values of a recurrence."""
        lines = list[str]()
        for first, last, a in v.starts:
            kernel, at = self.kernel(v), axes(v.shape)
            x = kernel.operand(a, None, at, v.dtype)
            many = [self.steps(first, last)] if last > first else []
            target = kernel.target(v, STEP if many else self.storage.moment(first), at)
            heads = [*many, *self.loops(v.shape, simd="simd")]
            lines += nested(heads, [*kernel.lines, f"{target} = {x};"])
        return lines


def reduced(axis: Any, ndim: int) -> set[int]:
    """The axes that an operation sums over."""
    return set(range(ndim)) if axis is None else {int(k) % ndim for k in np.atleast_1d(axis)}


def extreme(v: Value) -> str:
    """The infinity that is smaller, or larger, than all numbers of a type."""
    if v.dtype.kind != "f":
        raise Unwritable(f"{v.op} of {v.dtype}")
    return "-INFINITY" if v.op == "max" else "INFINITY"


def taken_shape(v: Value, index: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape of what an index takes."""
    parts = tuple(
        np.zeros(shape_of(v.args[int(p)]), np.intp)
        if type(p) is Input
        else 0
        if type(p) is Step
        else p
        for p in index
    )
    return np.broadcast_to(np.int8(0), v.shape)[parts].shape
