"""Which form of the same mathematics costs fewer calls?

Each pass is one function on the values of a program; it returns how often it applied. All keep the
result but for rounding. Operations in a loop over time are dear, those on all steps at once are
cheap: most of these passes move work out of the loops.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import Any

import numpy as np

from tinygrad_rnn.program.ir.graph import Arg, Value
from tinygrad_rnn.program.ir.recurrences import components
from tinygrad_rnn.program.passes.softmax import one_of_each_row

__all__ = [
    "Readers", "batch_sums", "early_products", "early_sums", "gates", "products", "readers_of",
    "row_sums", "small_first", "squares",
]  # fmt: skip

Readers = dict[Value, list[tuple[Value, Arg]]]


def readers_of(values: list[Value], outputs: list[Value]) -> Readers:
    """The readers of each value; an output is read by itself too."""
    found: Readers = defaultdict(list)
    for v in values:
        for a in v.operands:
            if isinstance(a.value, Value):
                found[a.value].append((v, a))
    for v in outputs:
        found[v].append((v, Arg("one", v)))
    return found


def loops_of(values: list[Value]) -> dict[Value, int]:
    """The loop each value is in, by number."""
    loops = [c for c in components(values) if c.loop]
    return {v: k for k, c in enumerate(loops) for v in c.values}


def _lone(a: Arg, op: tuple[str, ...], readers: Readers) -> Value | None:
    """The value of an operand of the same step if it is made by `op` and read nowhere else."""
    v = a.value
    if a.kind not in ("step", "one") or a.k or not isinstance(v, Value) or v.op not in op:
        return None
    return v if len(readers[v]) == 1 and not v.initial else None


def _outside(a: Arg, loop: int, loops: dict[Value, int]) -> bool:
    return not isinstance(a.value, Value) or loops.get(a.value) != loop


def _like(v: Value, op: str, args: list[Arg], shape: Any = None, name: str = "k") -> Value:
    """A new value over the same steps as `v`, or single if all its operands are."""
    made = Value(op, args, {}, v.shape if shape is None else shape, v.dtype, name, serial=v.serial)
    if any(a.kind in ("step", "consts") for a in args):
        made.lo, made.hi = v.lo, v.hi
    return made


def _shape(a: Arg) -> tuple[int, ...]:
    if isinstance(a.value, Value):
        return a.value.shape
    shape = np.shape(a.value)
    return shape[1:] if a.kind == "consts" else shape


def _arg_of(v: Value) -> Arg:
    return Arg("one", v) if v.lo is None else Arg("step", v, 0)


def _alike(v: Value, *args: Arg) -> bool:
    """True if what is made of these alone is computed in the precision of `v`."""
    kinds = [a.value.dtype if isinstance(a.value, Value) else a.value for a in args]
    return np.result_type(*kinds) == v.dtype


def squares(values: list[Value], outputs: list[Value]) -> int:
    """Write the derivative of tanh, g - g*y*y, as g*(1 - y*y).

    The factor in brackets can be lifted out of the backward loop, where y is known at all steps.

    >>> from tinygrad_rnn.program.ir.text import graph_from, text_of
    >>> values, outputs = graph_from('''
    ...     k[t] = multiply(g[t], y[t])
    ...     p[t] = multiply(k[t], y[t])
    ...     d[t] = subtract(g[t], p[t])
    ... ''')
    >>> squares(values, outputs)
    1
    >>> print(text_of(values, outputs))
    k[t] = square(y[t])
    k2[t] = subtract(1.0, k[t])
    d[t] = multiply(g[t], k2[t])
    """
    readers, count = readers_of(values, outputs), 0
    for v in list(values):
        if v.op != "subtract" or v.initial:
            continue
        g, second = v.args
        p = _lone(second, ("multiply",), readers)
        q = _lone(p.args[0], ("multiply",), readers) if p is not None else None
        if p is None or q is None or q.args[0] != g or q.args[1] != p.args[1] or g.kind == "const":
            continue
        y = q.args[1]
        if _shape(y) != v.shape or not isinstance(y.value, Value) or not _alike(v, y):
            continue
        q.args, q.op, q.name = [y], "square", "k"
        p.args, p.op, p.name = [Arg("const", 1.0), _arg_of(q)], "subtract", "k"
        if y.kind != "step":
            q.lo = q.hi = p.lo = p.hi = None
            p.args[1] = Arg("one", q)
        v.op, v.args = "multiply", [g, _arg_of(p)]
        count += 1
    return count


def early_products(values: list[Value], outputs: list[Value]) -> int:
    """Write (g*y)*z as g*(y*z) where only g is of the loop: y*z is computed before it.

    >>> from tinygrad_rnn.program.ir.text import graph_from, text_of
    >>> values, outputs = graph_from('''
    ...     k[t] = multiply(g[t + 1], y[t])
    ...     d[t] = multiply(k[t], z[t])
    ...     g[t] = matmul(d[t], U); g[5] = 0.0
    ... ''', U=(3, 3))
    >>> early_products(values, outputs)
    1
    >>> print(text_of(values, outputs))
    k[t] = multiply(y[t], z[t])
    d[t] = multiply(g[t + 1], k[t])
    g[t] = matmul(d[t], U); g[5] = 0.0
    """
    return _early(values, outputs, ("multiply",), "multiply")


def early_sums(values: list[Value], outputs: list[Value]) -> int:
    """Write (g + y) + z as g + (y + z) where only g is of the loop: y + z is computed before it.

    >>> from tinygrad_rnn.program.ir.text import graph_from, text_of
    >>> values, outputs = graph_from('''
    ...     k[t] = matmul(h[t - 1], U)
    ...     a[t] = add(k[t], x[t])
    ...     s[t] = add(a[t], b)
    ...     h[t] = tanh(s[t]); h[-1] = 0.0
    ... ''', U=(3, 3), b=(3,))
    >>> early_sums(values, outputs)
    1
    >>> print(text_of(values, outputs))
    s2[t] = add(x[t], b)
    k[t] = matmul(h[t - 1], U)
    s[t] = add(k[t], s2[t])
    h[t] = tanh(s[t]); h[-1] = 0.0
    """
    return _early(values, outputs, ("add", "addn"), "add")


def _early(values: list[Value], outputs: list[Value], ops: tuple[str, ...], op: str) -> int:
    readers, loops, count = readers_of(values, outputs), loops_of(values), 0
    again = True
    while again:
        again = False
        for v in list(values):
            if v.op not in ops or v not in loops or len(v.args) != 2 or v.initial:
                continue
            loop = loops[v]
            for k in (0, 1):
                u = _lone(v.args[k], ops, readers)
                z = v.args[1 - k]
                if u is None or loops.get(u) != loop or not _outside(z, loop, loops):
                    continue
                outer = [a for a in u.args if _outside(a, loop, loops)]
                inner = [a for a in u.args if not _outside(a, loop, loops)]
                if len(u.args) != 2 or len(outer) != 1 or (u.lo, u.hi) != (v.lo, v.hi):
                    continue
                if not _alike(v, outer[0], z):
                    continue
                shape = np.broadcast_shapes(_shape(outer[0]), _shape(z))
                early = _like(v, op, [outer[0], z], shape, _early_name(v, inner[0], op))
                if early.lo is None and all(a.kind == "const" for a in early.args):
                    continue
                values.append(early)
                values.remove(u)
                v.args = [inner[0], _arg_of(early)]
                readers = readers_of(values, outputs)
                count += 1
                again = True
                break
    return count


def small_first(values: list[Value], outputs: list[Value]) -> int:
    """Write (x + b) + d, where b and d are rows or numbers, as x + (b + d).

    >>> from tinygrad_rnn.program.ir.text import graph_from, text_of
    >>> values, outputs = graph_from('''
    ...     k[t] = add(x[t], b)
    ...     a[t] = add(k[t], d)
    ... ''', b=(3,), d=(3,))
    >>> small_first(values, outputs)
    1
    >>> print(text_of(values, outputs))
    b2 = add(b, d)
    a[t] = add(x[t], b2)
    """
    readers, count, ops = readers_of(values, outputs), 0, ("add", "addn")
    for v in list(values):
        if v.op not in ops or len(v.args) != 2 or v.initial:
            continue
        for u_arg, z in (v.args, v.args[::-1]):
            u = _lone(u_arg, ops, readers)
            if u is None or len(u.args) != 2 or (u.shape, u.lo, u.hi) != (v.shape, v.lo, v.hi):
                continue
            small = [a for a in (*u.args, z) if a.kind in ("one", "const") and _shape(a) != v.shape]
            large = [a for a in (*u.args, z) if not any(a is b for b in small)]
            if len(small) != 2 or all(a.kind == "const" for a in small) or not _alike(v, *small):
                continue
            shape = np.broadcast_shapes(*map(_shape, small))
            name = next((a.value.name for a in small if isinstance(a.value, Value)), None)
            rows = _like(v, "add", small, shape, name or "b")
            values.append(rows)
            values.remove(u)
            v.args, readers = [large[0], Arg("one", rows)], readers_of([*values], outputs)
            count += 1
            break
    return count


def _early_name(v: Value, inner: Arg, op: str) -> str:
    """A name for a term of v, that of v; or for the factor of dh that makes dc, dh_dc."""
    if op == "add":
        return v.name or "k"
    if _gradient(v) and isinstance(inner.value, Value) and inner.value.name:
        return f"{inner.value.name}_{v.name}" if _gradient(inner.value) else "k"
    return "k"


def _gradient(v: Value) -> bool:
    """True if we named it after the value that it is the gradient of, as dh."""
    return v.op != "leaf" and not v.named and (v.name or "").startswith("d")


def products(values: list[Value], outputs: list[Value]) -> int:
    """Write a sum over time of products, a weight's gradient, as one product of all rows.

    >>> from tinygrad_rnn.program.ir.text import graph_from, text_of
    >>> values, outputs = graph_from('''
    ...     xT[t] = transpose(x[t])
    ...     k[t] = matmul(xT[t], da[t])
    ...     dW = sum_t(k[0:5])
    ... ''', xT=(3, 2), k=(3, 3), dW=(3, 3))
    >>> products(values, outputs)
    1
    >>> print(text_of(values, outputs))
    dW = gemm_t(x[0:5], da[0:5])
    """
    readers, loops, count = readers_of(values, outputs), loops_of(values), 0
    for v in values:
        if v.op != "sum_t" or v.options:
            continue
        f, (lo, hi) = v.args[0].value, v.args[0].k
        if f.op != "matmul" or f in loops or len(readers[f]) != 1 or len(f.shape) != 2:
            continue
        left, right = f.args
        if right.kind != "step" or len(right.value.shape) != 2 or not _alike(v, left, right):
            continue
        if left.kind == "consts":
            rows = left.value[lo - left.k : hi - left.k + 1].transpose(0, 2, 1)
            first = Arg("const", np.ascontiguousarray(rows))
        elif left.kind == "step" and left.value.op == "transpose" and not left.value.initial:
            x = left.value.args[0]
            if x.kind != "step" or len(x.value.shape) != 2:
                continue
            first = Arg("all", x.value, (lo + left.k + x.k, hi + left.k + x.k))
        else:
            continue
        v.op, v.args = "gemm_t", [first, Arg("all", right.value, (lo + right.k, hi + right.k))]
        count += 1
    return count


def batch_sums(values: list[Value], outputs: list[Value]) -> int:
    """Write a sum over time that is then summed over the batch as one sum.

    >>> from tinygrad_rnn.program.ir.text import graph_from, text_of
    >>> values, outputs = graph_from('''
    ...     k = sum_t(da[0:5])
    ...     db = sum(k, axis=0)
    ... ''', db=(3,))
    >>> batch_sums(values, outputs)
    1
    >>> print(text_of(values, outputs))
    db = sum_t(da[0:5], axis=(0, 1))
    """
    readers, count = readers_of(values, outputs), 0
    for v in values:
        if v.op != "sum" or v.lo is not None or v.options.get("keepdims"):
            continue
        s = v.args[0].value
        if v.args[0].kind != "one" or s.op != "sum_t" or s.options or len(readers[s]) != 1:
            continue
        axis = v.options.get("axis")
        axes = range(len(s.shape)) if axis is None else np.atleast_1d(axis)
        v.op, v.args = "sum_t", s.args
        v.options = {"axis": (0, *sorted(int(k) % len(s.shape) + 1 for k in axes))}
        count += 1
    return count


def row_sums(values: list[Value], outputs: list[Value]) -> int:
    """Read the sum over the classes of what was put at one class of each row where it was put.

    The gradient of log_softmax adds up over the classes; from a cross-entropy only one is not 0.

    >>> from tinygrad_rnn.program.ir.text import graph_from, text_of
    >>> values, outputs = graph_from('''
    ...     s = scatter(g, rows, y, indices=[(Input(1), Input(2))], shape=(2, 3))
    ...     d = sum(s, axis=-1, keepdims=True)
    ... ''', g=(2,), d=(2, 1), rows=np.arange(2), y=(2,))
    >>> row_sums(values, outputs)
    1
    >>> print(text_of(values, outputs))
    d = reshape(g, shape=(2, 1))
    """
    count = 0
    for v in values:
        if v.op != "sum" or not v.options.get("keepdims"):
            continue
        s = v.args[0].value
        if not isinstance(s, Value) or s.op != "scatter" or s.initial or v.args[0].k:
            continue
        axis, ndim = v.options.get("axis"), len(s.shape)
        index = s.options["indices"]
        if not isinstance(axis, int) or axis % ndim != ndim - 1 or len(index) != 1:
            continue
        if not one_of_each_row(index[0], s.args, s.shape):
            continue
        if _shape(s.args[0]) not in ((), s.shape[:-1]):
            continue
        g = s.args[0]
        if g.kind == "const":
            x = np.broadcast_to(g.value, s.shape[:-1])[..., None]
            v.op, v.args, v.options = "copy", [Arg("const", x)], dict[str, Any]()
        elif _shape(g) == s.shape[:-1]:
            v.op, v.args, v.options = "reshape", [g], {"shape": v.shape}
        else:
            continue
        count += 1
    return count


def gates(values: list[Value], outputs: list[Value]) -> int:
    """Squash gates that are slices of one array together: one sigmoid, or one tanh, of all of it.

    Where there are both, the sigmoid is taken of all, and the tanh of its slices after it: fewer
    calls than one for each gate.

    >>> from tinygrad_rnn.program.ir.text import graph_from, text_of
    >>> values, outputs = graph_from('''
    ...     k[t] = getitem(a[t], index=(slice(None), slice(3)))
    ...     i[t] = sigmoid(k[t])
    ...     l[t] = getitem(a[t], index=(slice(None), slice(3, 6)))
    ...     f[t] = sigmoid(l[t])
    ...     h[t] = multiply(i[t], f[t])
    ... ''', a=(2, 6))
    >>> gates(values, outputs)
    2
    >>> print(text_of(values, outputs))
    gate[t] = sigmoid(a[t])
    i[t] = getitem(gate[t], index=(slice(None), slice(3)))
    f[t] = getitem(gate[t], index=(slice(None), slice(3, 6)))
    h[t] = multiply(i[t], f[t])
    """
    groups: dict[Any, list[Value]] = defaultdict(list)
    for v in values:
        if (
            v.op in ("sigmoid", "tanh")
            and not v.initial
            and v.args[0].kind == "step"
            and not v.args[0].k
        ):
            cut = v.args[0].value
            if cut.op == "getitem" and len(cut.args) == 1 and not cut.initial and v not in outputs:
                source = cut.args[0]
                if source.kind == "step" and not source.k and (v.lo, v.hi) == (cut.lo, cut.hi):
                    groups[source.value, v.lo, v.hi].append(v)
    loops, count = loops_of(values), 0
    for (source, lo, hi), members in groups.items():
        spans = [_span(v.args[0].value, source.shape) for v in members]
        width = source.shape[-1]
        together = (
            len(members) > 1 and None not in spans and len({loops.get(v) for v in members}) == 1
        )
        ends = [0, *itertools.chain(*sorted(s for s in spans if s is not None)), width]
        if not together or any(a != b for a, b in zip(ends[::2], ends[1::2], strict=True)):
            continue
        ops = {v.op for v in members}
        tanh = [
            (Ellipsis, slice(*span))
            for v, span in zip(members, spans, strict=True)
            if v.op == "tanh" and span
        ]
        op, options = (ops.pop(), dict[str, Any]()) if len(ops) == 1 else ("gates", {"tanh": tanh})
        stacked = Value(
            op, [Arg("step", source, 0)], options, source.shape, source.dtype, "gate", lo, hi,
            serial=members[0].serial,
        )  # fmt: skip
        values.append(stacked)
        for v in members:
            v.op, v.options = "getitem", v.args[0].value.options
            v.args = [Arg("step", stacked, 0)]
        count += len(members)
    return count


def _span(cut: Value, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """The part of the last axis that is taken, if it is all of the others."""
    index = cut.options["index"]
    if Ellipsis in index:
        index = (
            (*(slice(None),) * (len(shape) - len(index) + 1), *index[1:])
            if index[0] is Ellipsis
            else ()
        )
    if len(index) != len(shape) or any(p != slice(None) for p in index[:-1]):
        return None
    part = index[-1]
    if not isinstance(part, slice) or part.step not in (None, 1):
        return None
    return part.indices(shape[-1])[:2]
