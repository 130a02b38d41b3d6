"""In which tiles does a step compute fastest?

Two passes for steps of many numbers. `gate_layout` stores the gates of a step one after the other,
(gates, batch, hidden): each gate is then one block of memory. As a slice of (batch, gates * hidden)
it is a block for each row, and NumPy's loops begin anew at the end of each. `blocks` divides a
product into small ones: OpenBLAS copies both factors into an order of its own at every call, and
has code for products of m n k ≤ 10⁶ that does without. The weight, which stays the same for all
steps, is laid out in blocks of columns once.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np

from tinygrad_rnn.program.ir.graph import Arg, Value
from tinygrad_rnn.program.ir.ops import ELEMENTWISE, direct
from tinygrad_rnn.program.ir.recurrences import Component, components
from tinygrad_rnn.program.openblas import functions
from tinygrad_rnn.program.passes.algebra import Readers, readers_of

__all__ = ["blocks", "gate_layout", "small_products"]

Loops = dict[Value, Component]

GATES = 1 << 14  # bytes of all gates of a step from which calls cost less than broken rows
SMALL = 10**6  # m n k of a product that OpenBLAS multiplies without copying its factors
ROWS = 8  # of a batch, from which a product is no product by a vector
ACROSS = 256  # bytes of a row of a block of a weight: four lines of the cache
KERNELS = ("skylakex", "cooperlake", "sapphirerapids")  # of OpenBLAS that has such code


def small_products() -> bool:
    """True if NumPy's BLAS has code for small products, and no second thread to give up for it."""
    found, _ = functions(["openblas_get_corename", "openblas_get_num_threads"])
    if not found:
        return False
    core, threads = found
    core.restype = ctypes.c_char_p
    return threads() == 1 and (core() or b"").decode().lower() in KERNELS


def gate_layout(values: list[Value], outputs: list[Value]) -> int:
    """Store gates of many numbers one after the other, as (gates, batch, hidden).

    >>> from tinygrad_rnn.program.ir.text import graph_from, text_of
    >>> shapes = {"U": (256, 512), **dict.fromkeys(["i", "f", "h", "h0"], (16, 256))}
    >>> values, outputs = graph_from('''
    ...     k[t] = matmul(h[t - 1], U)
    ...     a[t] = sigmoid(k[t])
    ...     i[t] = getitem(a[t], index=(slice(None), slice(256)))
    ...     f[t] = getitem(a[t], index=(slice(None), slice(256, 512)))
    ...     h[t] = multiply(i[t], f[t]); h[-1] = h0
    ... ''', **dict.fromkeys("ka", (16, 512)), **shapes)
    >>> gate_layout(values, outputs)
    2
    >>> print(text_of(values, outputs))
    U_b = divided(U, shape=(256, 2, 256), axes=(1, 0, 2))
    k[t] = matmul(h[t - 1], U_b)
    a[t] = sigmoid(k[t])
    i[t] = getitem(a[t], index=(0,))
    f[t] = getitem(a[t], index=(1,))
    h[t] = multiply(i[t], f[t]); h[-1] = h0
    """
    readers, count = readers_of(values, outputs), 0
    loops, done = _loops(values, outputs, readers), set[Value]()
    for v in list(values):
        width = _width(v) if v in loops else None
        if v.op == "scatter" and v in loops:
            count += _assembled_by_gate(values, v, readers)
        elif width is not None and v.args[0].value not in done and v.args[0].value in loops:
            found = _together(v.args[0].value, width, readers, loops)
            done |= found
            for x in found:
                _rearranged(values, x, width, found)
            count += len(found)
    return count


def _loops(values: list[Value], outputs: list[Value], readers: Readers) -> Loops:
    """The loop each value is in, or will be: products come back to the loop that reads them.

    There they are small, and their results are still in the cache when they are read. The writer
    puts them there, see `Fusion.loop_fusion`.
    """
    found = components(values)
    loops = {v: c for c in found if c.loop for v in c.values}
    for v in (c.values[0] for c in reversed(found) if not c.loop):
        steps = [(loops.get(user), user.lo, user.hi, a.kind, a.k) for user, a in readers[v]]
        product = v.op == "matmul" and v.args[1].kind == "one" and _divisible(v)
        if not (product or direct(v)) or v.initial or not _large(v) or len({*steps}) != 1:
            continue
        loop, *rest = steps[0]
        if loop is not None and rest == [v.lo, v.hi, "step", 0] and small_products():
            loops[v] = loop
    return loops


def _large(v: Value) -> bool:
    rows = v.shape[-2] if len(v.shape) in (2, 3) else 0
    return rows >= ROWS and math.prod(v.shape) * v.dtype.itemsize >= GATES


def _divisible(v: Value) -> bool:
    if len(_shape(v.args[1])) < 2:
        return False
    rows, inner = (1, *_shape(v.args[0]))[-2:]
    size = rows * inner * v.shape[-1]
    return size <= SMALL or _block(rows, inner, v.shape[-1], v.dtype.itemsize) is not None


def _width(v: Value) -> int | None:
    """The width of the gate that a value takes out of all of them."""
    if (
        v.op != "getitem"
        or len(v.args) != 1
        or v.initial
        or v.args[0].kind != "step"
        or v.args[0].k
    ):
        return None
    source, index = v.args[0].value, v.options["index"]
    return _gate(index, source.shape)[1] if _large(source) and len(source.shape) == 2 else None


def _gate(index: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[int, int | None]:
    """The number and the width of the gate that is a slice of the last axis."""
    if len(index) == 2 and index[0] in (slice(None), Ellipsis) and isinstance(index[1], slice):
        start, stop, step = index[1].indices(shape[-1])
        width = stop - start
        if step == 1 and 0 < width < shape[-1] and not (start % width or shape[-1] % width):
            return start // width, width
    return 0, None


def _together(first: Value, width: int, readers: Readers, loops: Loops) -> set[Value]:
    """All values of the loop that have to be rearranged together; none if one of them cannot."""
    found, todo = {first}, [first]
    while todo:
        v = todo.pop()
        product = v.op == "matmul" and [len(_shape(a)) for a in v.args] == [2, 2]
        product = product and v.args[1].kind == "one"
        if v.initial or v.shape != first.shape or not (product or v.op in {*ELEMENTWISE, "gates"}):
            return set()
        args = list[Arg]() if product else v.args
        near = [a for a in args if _shape(a) == v.shape]
        rest = [a for a in args if _shape(a) != v.shape]
        if any(a.kind != "step" or a.k for a in near):
            return set()
        if any(a.kind not in ("one", "const") or _shape(a) not in ((), v.shape[1:]) for a in rest):
            return set()
        for user, a in readers[v]:
            if a.kind != "step" or a.k or loops.get(user) is not loops[v]:
                if _width(user) != width:
                    return set()
            elif _width(user) != width and user not in found:
                found.add(user)
                todo.append(user)
        for x in (a.value for a in near):
            if loops.get(x) is loops[v] and x not in found:
                found.add(x)
                todo.append(x)
    return found


def _rearranged(values: list[Value], v: Value, width: int, found: set[Value]) -> None:
    """Let a value be (gates, batch, hidden), and all that take a gate of it."""
    rows, n = v.shape
    many = n // width
    for user in values:
        if user.args and user.args[0].value is v and _width(user) == width:
            user.options = {"index": (_gate(user.options["index"], (rows, n))[0],)}
    if v.op == "matmul":
        inner = _shape(v.args[1])[0]
        split = _laid_out(values, v, v.args[1], (inner, many, width), (1, 0, 2))
        v.args = [v.args[0], Arg("one", split)]
    else:
        v.args = [_spread(values, v, a, many, width, found) for a in v.args]
    if v.op == "gates":
        v.options = {"tanh": [(_gate(index, (rows, n))[0],) for index in v.options["tanh"]]}
    v.shape = (many, rows, width)


def _spread(values: list[Value], v: Value, a: Arg, many: int, width: int, found: set[Value]) -> Arg:
    """An operand of what is computed element by element, in the same order."""
    if a.value in found if isinstance(a.value, Value) else not np.ndim(a.value):
        return a
    if not isinstance(a.value, Value):
        rows = np.reshape(a.value, (many, 1, width))
        same = (rows == rows[..., :1]).all()
        return a._replace(value=rows[..., :1] if same else rows)
    if not a.value.shape:
        return a
    if a.kind == "one":
        row = Value("reshape", [a], {"shape": (many, 1, width)}, (many, 1, width), a.value.dtype,
                    a.value.name, serial=v.serial)  # fmt: skip
        values.append(row)
        return Arg("one", row)
    return Arg("step", _laid_out(values, v, a, (v.shape[0], many, width), (1, 0, 2)), 0)


def _laid_out(
    values: list[Value], v: Value, a: Arg, shape: tuple[int, ...], axes: tuple[int, ...]
) -> Value:
    """An operand with its axes divided into `shape` and then put in another order."""
    x = Value("divided", [a], {"shape": shape, "axes": axes}, tuple(shape[k] for k in axes),
              np.asarray(a.value).dtype if a.kind == "consts" else a.value.dtype,
              _block_name(a.value) if isinstance(a.value, Value) else "x_b",
              serial=v.serial)  # fmt: skip
    if a.kind in ("step", "consts"):
        x.lo, x.hi = v.lo, v.hi
    values.append(x)
    return x


def _assembled_by_gate(values: list[Value], v: Value, readers: Readers) -> int:
    """Compute the gradients of gates one after the other, then put them side by side."""
    if len(v.shape) != 2 or not _large(v) or v.initial or len(v.args) != len(v.options["indices"]):
        return 0
    gates = [_gate(index, v.shape) for index in v.options["indices"]]
    width, places = gates[0][1], sorted(k for k, _ in gates)
    if width is None or any(w != width for _, w in gates):
        return 0
    if places != list(range(v.shape[1] // width)):
        return 0
    alone = [a.kind == "step" and not a.k and len(readers[a.value]) == 1 for a in v.args]
    if not all(alone) or any(_shape(a) != (v.shape[0], width) for a in v.args):
        return 0
    split = (v.shape[0], len(gates), width)
    gates_first = Value("scatter", v.args, {"indices": [(k,) for k, _ in gates]},
                   (len(gates), v.shape[0], width), v.dtype, v.name, v.lo, v.hi,
                   serial=v.serial)  # fmt: skip
    values.append(gates_first)
    v.op, v.args = "joined", [Arg("step", gates_first, 0)]
    v.options = {"shape": split, "axes": (1, 0, 2)}
    return 1


def blocks(values: list[Value], outputs: list[Value]) -> int:
    """Divide a product by a weight in a loop into many small ones, of blocks of rows and columns.

    Only where the BLAS has code for small products, as is claimed of it here.

    >>> from tinygrad_rnn.program.ir.text import graph_from, text_of
    >>> from unittest.mock import patch
    >>> values, outputs = graph_from('''
    ...     k[t] = matmul(h[t - 1], U)
    ...     h[t] = tanh(k[t]); h[-1] = h0
    ... ''', **dict.fromkeys(["h", "h0", "k"], (32, 256)), U=(256, 256))
    >>> with patch(f"{__name__}.small_products", lambda: True):
    ...     blocks(values, outputs)
    1
    >>> print(text_of(values, outputs))
    U_b = divided(U, shape=(256, 8, 32), axes=(1, 0, 2))
    k_b[t] = matmul(h[t - 1], U_b)
    k[t] = joined(k_b[t], shape=(32, 8, 32), axes=(1, 0, 2))
    h[t] = tanh(k[t]); h[-1] = h0
    """
    if not small_products():
        return 0
    loops, count = _loops(values, outputs, readers_of(values, outputs)), 0
    for v in list(values):
        if v.op != "matmul" or v not in loops or len(_shape(v.args[0])) != 2:
            continue
        (rows, inner), weight = _shape(v.args[0]), v.args[1]
        if weight.kind != "one" or weight.value.dtype != v.dtype:
            continue
        if len(v.shape) != 2 and weight.value.op != "divided":
            continue
        size = _block(rows, inner, v.shape[-1], v.dtype.itemsize)
        if size is None:
            continue
        r, c = size
        many, rest = v.shape[:-2], (r,) if r == rows else (rows // r, r)
        columns = (*many, v.shape[-1] // c)
        if many:  # of the weight as it is, whose gates are put apart by the same copy
            weight = weight.value.args[0]
        split = _columns(values, v, weight, columns, c, between=len(rest) - 1)
        left = v.args[0]
        if r < rows:
            left = Arg("step", _laid_out(values, v, left, (rows // r, r, inner), (0, 1, 2)), 0)
        small = Value("matmul", [left, Arg("one", split)], {}, (*columns, *rest, c), v.dtype,
                      _block_name(v), v.lo, v.hi, serial=v.serial)  # fmt: skip
        values.append(small)
        lead, n = len(many), len(rest)
        v.op, v.args = "joined", [Arg("step", small, 0)]
        v.options = {
            "shape": (*many, *rest, *columns[lead:], c),
            "axes": (*range(lead), lead + n, *range(lead, lead + n), lead + n + 1),
        }
        count += 1
    return count


def _columns(
    values: list[Value], v: Value, weight: Arg, columns: tuple[int, ...], c: int, between: int
) -> Value:
    """A weight (K, N) in blocks (..., K, c) of columns, with axes of length 1 before K."""
    n, ones = len(columns), (1,) * between
    if weight.value.op == "transpose" and weight.value.args[0].kind == "one":  # (N, K) as it is
        a = weight.value.args[0]
        shape, axes = (*columns, *ones, c, _shape(weight)[0]), (*range(n + between + 2),)
        axes = (*axes[:-2], axes[-1], axes[-2])
    else:
        a, shape = weight, (_shape(weight)[0], *columns, *ones, c)
        axes = (*range(1, n + between + 1), 0, n + between + 1)
    made = _laid_out(values, v, a, shape, axes)
    made.name = _block_name(weight.value)
    return made


def _block_name(v: Value) -> str:
    return f"{v.name or 'x'}_b"


def _block(rows: int, inner: int, columns: int, itemsize: int) -> tuple[int, int] | None:
    """Rows and columns of the small products; None if one product is small, or none can be."""
    if rows * inner * columns <= SMALL or rows < ROWS:
        return None
    for across in (ACROSS, ACROSS // 2):
        c = across // itemsize
        fits = [r for r in (ROWS, 2 * ROWS, 4 * ROWS) if not rows % r and r * inner * c <= SMALL]
        if fits and not columns % c:
            return max(fits), c
    return None


def _shape(a: Arg) -> tuple[int, ...]:
    if isinstance(a.value, Value):
        return a.value.shape
    return np.shape(a.value)[a.kind == "consts" :]
