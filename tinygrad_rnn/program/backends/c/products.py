"""How is a product of matrices computed?

By one call where rows of all steps and batches lie at equal distances, else in loops of calls.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.program.backends.c.index import Affine, align
from tinygrad_rnn.program.backends.c.kernel import STEP, Kernel, nested
from tinygrad_rnn.program.backends.c.loop_nests import LoopNests
from tinygrad_rnn.program.backends.c.operands import Unwritable, dtype_of, shape_of
from tinygrad_rnn.program.ir.graph import Arg, Value

__all__ = ["outer", "product"]

ROW, INNER, COL, LEFT = map(Affine.of, ("row", "inner", "col", "left"))
Factor = tuple[str, Affine]


def product(nests: LoopNests, v: Value, lifted: bool, out: Value, add: bool) -> Kernel:
    """A product of matrices, vectors or stacks of them, into `out` or added to it."""
    kernel, (a, b) = nests.kernel(out), v.args
    sa, sb = shape_of(a), shape_of(b)
    floats(v)
    t = None if v.lo is None else STEP
    batch = np.broadcast_shapes(sa[:-2], sb[:-2])
    lead = tuple(Affine.of(f"n{j}") for j in range(len(batch)))
    row, col = (ROW,) * (len(sa) > 1), (COL,) * (len(sb) > 1)
    A = factor(kernel, a, t, (*lead, *row, INNER))
    B = factor(kernel, b, t, (*lead, INNER, *col))
    C = nests.storage.address(out, t, (*lead, *row, *col))
    m, k, n = sa[-2] if row else 1, sa[-1], sb[-1] if col else 1
    loops = [(f"n{j}", Affine(), Affine((), size)) for j, size in enumerate(batch)]
    if lifted:
        assert v.lo is not None
        assert v.hi is not None
        first, end = nests.storage.moment(v.lo), nests.storage.moment(v.hi + 1)
        loops.insert(0, ("t", first, end))
    rows, fa, fc = Affine((), m), A[1].factor("row"), C[1].factor("row")
    if m == 1:
        A, C = (A[0], A[1].without("row")), (C[0], C[1].without("row"))
    while loops:  # as many rows as lie at equal distances
        x, first, end = loops[-1]
        single = rows == Affine((), 1)
        if single:
            fa, fc = A[1].factor(x), C[1].factor(x)
        even = (
            not rows.terms and A[1].factor(x) == fa * rows.add and C[1].factor(x) == fc * rows.add
        )
        if B[1].factor(x) or not (single or even):
            break
        A, C = ((y[0], y[1].without(x).plus(first.times(y[1].factor(x)))) for y in (A, C))
        rows = end.plus(first.times(-1)).times(rows.add)
        loops.pop()
    strides = (fa, A[1].factor("inner"), B[1].factor("inner"), B[1].factor("col"))
    rows_apart = strides[1] == 1 and strides[0] >= k
    if t and not lifted and b.kind == "one" and m > 1 and n > 1 and not loops and rows_apart:
        packed(kernel, v, (rows.add, n, k), (A, B, C), strides, add, fc)
        return kernel
    into = fc or n, C[1].factor("col") or 1
    once = nests.storage.many and not (t and not lifted)
    call = written(v, (rows, n, k), (A, B, C), strides, str(int(add)), into, once)
    kernel.lines = nested([f"for (long {x} = {i}; {x} < {j}; {x}++)" for x, i, j in loops], [call])
    kernel.reads |= kernel.writes if add else set()
    return kernel


def packed(
    kernel: Kernel, v: Value, size: Any, factors: Any, strides: Any, add: bool, cr: int
) -> None:
    """The product with a weight that is the same at all steps, and packed before them."""
    (m, n, k), (A, B, C) = size, map(pointer, factors)
    f, wide = ("f", 16) if v.dtype == np.float32 else ("d", 8)
    key = f"{B}, {strides[2]}, {strides[3]}"
    name, new = kernel.storage.packed(f"{key} for {m}", v.dtype, wide + -(-n // wide) * wide * k)
    if new:
        kernel.before = [f"pack_{f}({m}, {k}, {n}, {key}, {name});"]
    kernel.lines = [f"times_{f}({m}, {n}, {k}, {A}, {strides[0]}, {name}, {int(add)}, {C}, {cr});"]
    kernel.reads |= kernel.writes if add else set()


def outer(nests: LoopNests, v: Value) -> Kernel:
    """The gradient of a weight: one product over the rows of all steps."""
    kernel = nests.kernel(v)
    floats(v)
    (sa, sb), sides = map(shape_of, v.args), list[Factor]()
    if len(sa) != 3 or len(sb) != 3:
        raise Unwritable("a sum of products of stacks")
    for a, side in zip(v.args, (LEFT, COL), strict=True):
        sides.append(factor(kernel, a, None, (STEP, ROW, side)))
    (A, B), batch, count = sides, sa[1], nests.storage.moment(sa[0])
    C = nests.storage.address(v, None, (LEFT, COL))
    fa, fb = (x[1].factor("t" if batch == 1 else "row") for x in (A, B))
    even = all(x[1].factor("t") == f * batch for x, f in ((A, fa), (B, fb)))
    strides = (A[1].factor("left"), fa, fb, B[1].factor("col"))
    into = (C[1].factor("left"), 1)
    if even:
        A, B = ((x[0], x[1].without("t")) for x in (A, B))
        size = (Affine((), sa[2]), sb[2], count.times(batch))
        kernel.lines = [written(v, size, (A, B, C), strides, "0", into, nests.storage.many)]
    else:
        call = written(v, (Affine((), sa[2]), sb[2], batch), (A, B, C), strides, "t > 0", into)
        kernel.lines = nested([f"for (long t = 0; t < {count}; t++)"], [call])
    return kernel


def factor(kernel: Kernel, a: Arg, t: Affine | None, at: tuple[Affine, ...]) -> Factor:
    """The array and place of a factor, which has to be an array."""
    shape = shape_of(a)
    at = at[len(at) - len(shape) :]
    lead = max(len(shape) - 2, 0)
    if a.kind != "all":  # stacks are broadcast
        at = (*align(at[:lead], shape[:lead]), *at[lead:])
    if not isinstance(a.value, Value):
        if a.kind == "consts":
            assert t is not None
            at = (t.plus(-a.k), *at)
        return kernel.constants.place(a.value, at)
    found = kernel.source(a.value, *kernel.storage.moved(a, t, at))
    if found is None:
        raise Unwritable(f"the factor {a.value.name or a.value.op} is made of constants")
    return found


def floats(v: Value) -> None:
    """Refuse products of other numbers, which BLAS has none for."""
    if v.dtype.kind != "f" or any(dtype_of(a) != v.dtype for a in v.args):
        raise Unwritable(f"a product of {', '.join(str(dtype_of(a)) for a in v.args)}")


def written(
    v: Value,
    size: Any,
    factors: Any,
    strides: Any,
    add: str,
    into: tuple[int, int],
    once: bool = False,
) -> str:
    """The call; of a function that is not compiled for this product alone if it is done `once`."""
    A, B, C = map(pointer, factors)
    f = "f" if v.dtype == np.float32 else "d"
    ar, ac, br, bc = strides
    call = "once" if once else "product"
    sizes, places = ", ".join(map(str, size)), f"{add}, {C}, {into[0]}, {into[1]}"
    return f"{call}_{f}({sizes}, {A}, {ar}, {ac}, {B}, {br}, {bc}, {places});"


def pointer(x: Factor) -> str:
    """A pointer to the first element of a factor."""
    place = str(x[1].without("row", "col", "inner", "left"))
    return x[0] if place == "0" else f"{x[0]} + {place}"
