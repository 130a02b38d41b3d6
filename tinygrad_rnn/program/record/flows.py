"""By which readers does a gradient come back to a node, and where does it pass unchanged?

Addition hands a cotangent on as it is, so one Tensor may be the cotangent of several nodes, or
nothing but one of many terms. The record does not say which; the walk that makes it does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from tinygrad_rnn.engine.blocks import Observer
from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["Flows"]


class Flows(Observer):
    """Watches gradients as they are recorded.

    Attributes
    ----------
    arrived
        The cotangent of each node but the loss, youngest node first.
    passed
        By node and Tensor: the readers whose own cotangent is what the node gets from them, and by
        which of their arguments.

    Examples
    --------
    >>> from tinygrad_rnn import Tensor, grad
    >>> x = Tensor(3.0)
    >>> y = x * 2.0
    >>> z = y + x
    >>> flows = Flows()
    >>> with flows:
    ...     _ = grad(z * z, x, create_graph=True)
    >>> flows.arrived[y] is flows.arrived[z]
    True
    >>> flows.passed[y, flows.arrived[z]] == [(z, 0)]
    True
    """

    __slots__ = ("arrived", "passed")

    def __init__(self) -> None:
        self.arrived: dict[Tensor, Any] = {}
        self.passed: dict[tuple[Tensor, Any], list[tuple[Tensor, int]]] = defaultdict(list)

    def watcher(self) -> Callable[[Tensor, int | None, Any, Any], None]:
        """A function that is told of each gradient as it flows."""
        return self._see

    def _see(self, node: Tensor, argument: int | None, g: Any, arrived: Any) -> None:
        if argument is None:
            self.arrived[node] = g
        elif arrived is None or g is arrived:
            self.passed[node.inputs[argument], g].append((node, argument))
