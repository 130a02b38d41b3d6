"""What does a program cost, and what did a pass save?

A small model: every value that is no view is one call of NumPy, or one per step where it stays in a
loop; it writes its elements, and computes one operation for each of them, a product 2mnk.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from tinygrad_rnn.program.ir.graph import Value, shape_of
from tinygrad_rnn.program.ir.ops import REDUCTIONS, liftable
from tinygrad_rnn.program.ir.recurrences import Component, components

__all__ = ["Cost", "cost_of"]

FREE = frozenset(("leaf", "transpose", "reshape", "broadcast_to", "stack_t"))
MOVES = frozenset(
    (
        *("getitem", "scatter", "scatter_t", "concatenate", "stack", "copy", "astype"),
        *("divided", "joined"),
    )
)


class Cost(NamedTuple):
    """Calls of NumPy, bytes written, and operations on numbers."""

    calls: int
    bytes: int
    flops: int

    def against(self, before: Cost) -> str:
        """What is another number than before, as ``calls 900 → 700``."""
        return ", ".join(
            f"{name} {old:,} → {new:,}"
            for name, old, new in zip(self._fields, before, self, strict=True)
            if old != new
        )


def cost_of(values: list[Value], found: list[Component] | None = None) -> Cost:
    """The cost of one call, by what is computed together if that is known."""
    total = [0, 0, 0]
    for c in components(values) if found is None else found:
        for v in c.values:
            if v.op in FREE or (v.op == "getitem" and len(v.args) == 1):
                continue
            if v.op == "divided" and v.lo is not None:
                continue
            if v.op == "joined" and v.args[0].value.op == "matmul":  # computed in its place
                continue
            alone = c.loop or (v.lo is not None and not liftable(v))
            size = math.prod(v.shape) * v.steps
            total[0] += v.steps if alone else 1
            total[1] += size * v.dtype.itemsize
            total[2] += _flops(v, size)
    return Cost(*total)


def _flops(v: Value, size: int) -> int:
    if v.op in MOVES:
        return 0
    if v.op == "matmul":
        inner = shape_of(v.args[0])
        return 2 * size * (inner[-1] if inner else 1)
    if v.op == "gemm_t":
        return 2 * size * math.prod(shape_of(v.args[0])[:-1])
    if v.op == "sum_t" or v.op in REDUCTIONS:
        return math.prod(shape_of(v.args[0])) * v.steps
    return size * max(1, len(v.args) - 1 if v.op == "addn" else 1)
