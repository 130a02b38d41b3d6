"""What does a program cost, and what did a pass save?

A small model: every value that is no view is one call of NumPy, or one per step where it stays in a
loop; it writes its elements, and computes one operation for each of them, a product 2mnk.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from tinygrad_rnn.engine.kinds import VIEW
from tinygrad_rnn.program.ir.graph import Value, shape_of
from tinygrad_rnn.program.ir.ops import liftable, those
from tinygrad_rnn.program.ir.recurrences import Component, components

__all__ = ["Cost", "cost_of"]

VIEWS, MOVES, READS = those(VIEW), those(cost="nothing"), those(cost="read")


class Cost(NamedTuple):
    """Calls of NumPy, bytes written, and operations on numbers."""

    calls: int
    bytes: int
    flops: int

    def against(self, before: Cost) -> str:
        """The numbers that changed, as ``calls 900 → 700``."""
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
            taken = (v.op == "getitem" and len(v.args) > 1) or (v.op == "divided" and v.lo is None)
            if v.op == "leaf" or (v.op in VIEWS and not taken):
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
    if v.op in READS:
        return math.prod(shape_of(v.args[0])) * v.steps
    return size * max(1, len(v.args) - 1 if v.op == "addn" else 1)
