"""How are gradients that reach one node by several ways added up?

In an array of our own, made for the first sum and added to from then on. Slices of one sequence and
products with one matrix are not added up one by one: they wait until the turn of their source, and
then go there together (see `rules.FanIn`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.engine import messages
from tinygrad_rnn.engine.marks import mark
from tinygrad_rnn.engine.primitives import astype, reshape, sum
from tinygrad_rnn.engine.products import Uses
from tinygrad_rnn.engine.rules import FanIn
from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["Cotangents", "fit", "own"]


class Cotangents:
    """Those of nodes whose turn has not come: `sums`, of the loss at first.

    `nodes` are all of the record. If `together`, uses of a matrix go back in one product; they stay
    apart if they are recorded or watched.
    """

    def __init__(self, sums: dict[Tensor, Any], nodes: list[Tensor], together: bool) -> None:
        self.sums, self.nodes, self.together = sums, nodes, together
        self.ours: set[Tensor] = set()  # whose sum is in an array of our own: added to in place
        self.waiting: dict[Tensor, dict[FanIn, Uses]] = {}  # uses of a source, until its turn

    def pop(self, node: Tensor) -> Any:
        """The cotangent that has arrived at `node`, in its shape and dtype, or None."""
        if node in self.waiting:
            self._join(node)
        g, data = self.sums.pop(node, None), node._data
        if g is None or (g.dtype is data.dtype and g.shape == data.shape):
            return g
        if type(g) is Tensor:
            mark(node)
        return fit(g, node, self.nodes)

    def add_to(self, x: Tensor, gx: Any) -> None:
        """Add a gradient that arrives at `x`, which has a sum, by another way."""
        before = self.sums[x]
        if x in self.ours and before.shape == gx.shape:
            before += gx
            return
        if type(before) is Tensor:
            mark(x)
        if before.shape != gx.shape:
            before, gx = fit(before, x, self.nodes), fit(gx, x, self.nodes)
        total = self.sums[x] = before + gx
        if type(total) is np.ndarray:
            self.ours.add(x)

    def waits(self, rule: FanIn, x: Tensor, use: Any) -> bool:
        """Let this use of `x` wait for all others, to go back with them; False if it goes alone."""
        if rule.alone is not None and not (self.together and x._data.ndim == 2):
            return False
        self.waiting.setdefault(x, {}).setdefault(rule, []).append(use)
        return True

    def _join(self, node: Tensor) -> None:
        for fan_in, uses in self.waiting.pop(node).items():
            if type(uses[0][0]) is Tensor:
                mark(node)
            gx = fan_in.rule(uses, node)
            if node in self.sums:
                self.add_to(node, gx)
            else:
                self.sums[node] = gx


def fit(g: Any, x: Tensor, nodes: list[Tensor]) -> Any:
    """The cotangent of `x`: broadcasting undone, shape checked, dtype restored."""
    if g.shape != x.shape:
        missing = g.ndim - x.ndim
        if missing < 0 or any(
            n not in (1, m) for n, m in zip(x.shape, g.shape[missing:], strict=True)
        ):
            raise ValueError(messages.misshapen(g, x, nodes))
        stretched = [a + missing for a, n in enumerate(x.shape) if n != g.shape[a + missing]]
        g = sum(g, axis=(*range(missing), *stretched))
        if stretched:
            g = reshape(g, shape=x.shape)
    return g if g.dtype == x.dtype else astype(g, dtype=x.dtype)


def own(g: Any) -> Any:
    """A copy: one Tensor may stand in several places of `wrt`."""
    return g.copy() if type(g) is np.ndarray else g
