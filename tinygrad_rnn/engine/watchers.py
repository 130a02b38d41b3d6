"""Who is told of each gradient as it flows?

``on_edge`` of `grad`, and observers that have a `watcher`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_rnn.engine.constants import read_only
from tinygrad_rnn.engine.context import context
from tinygrad_rnn.engine.cotangents import fit
from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["OnEdge", "Watcher", "watching"]

OnEdge = Callable[[Tensor, int, Any], None]
Watcher = Callable[[Tensor, int | None, Any, Any], None]
"""Told ``(node, argument, g, arrived)`` of each gradient as it flows.

It flows from `node` to its input number `argument`, and was made of the cotangent that `arrived` at
the node. Without an argument `g` is the cotangent itself, the sum of all that flows to the node;
without `arrived` it goes on as it is, to be put back with those of other slices of the input.
"""


def watching(nodes: list[Tensor], on_edge: OnEdge | None = None) -> Watcher | None:
    """One who tells the observers that see gradients and `on_edge`; None if there are none."""
    found = [observer.watcher() for observer in context.get().observers]
    watchers = [see for see in found if see is not None]
    if on_edge is not None:
        watchers.append(_edges(on_edge, nodes))
    if len(watchers) < 2:
        return watchers[0] if watchers else None

    def tell(*flow: Any) -> None:
        for see in watchers:
            see(*flow)

    return tell


def _edges(on_edge: OnEdge, nodes: list[Tensor]) -> Watcher:
    """A watcher that calls `on_edge`, outside of the walk."""
    outside = context.get()

    def see(node: Tensor, argument: int | None, g: Any, arrived: Any) -> None:
        if argument is None:
            return
        context.set(outside)
        gx = g if arrived is None else fit(g, node.inputs[argument], nodes)
        on_edge(node, argument, read_only(gx))

    return see
