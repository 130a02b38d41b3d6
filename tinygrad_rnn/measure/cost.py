"""What does a step cost, in memory kept for the way back and in operations?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.engine.backward import ancestors
from tinygrad_rnn.engine.costs import operations
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.measure.arguments import tensors
from tinygrad_rnn.measure.lanes import lanes_of
from tinygrad_rnn.measure.results import Table

__all__ = ["Cost", "cost"]


@dataclass(frozen=True, eq=False, repr=False)
class Cost(Table):
    """Nodes, bytes and arithmetic of one lane's steps; of everything outside time as lane "".

    Attributes
    ----------
    lane, steps
        Whose, and t of each step, (T,).
    nodes
        Operations recorded, (T,).
    bytes
        Of the arrays that the record keeps for these results, each counted where it came up first:
        a slice or a transpose shares its source's. Leaves are nobody's result, (T,).
    operations
        Multiplications, additions and evaluations of a function, going forward, (T,). A product of
        (m, n) and (n, p) has 2·m·n·p; the way back about twice that.
    """

    lane: str
    steps: np.ndarray
    nodes: np.ndarray
    bytes: np.ndarray
    operations: np.ndarray

    def columns(self) -> dict[str, Any]:
        """One row per step."""
        return {
            "lane": [self.lane] * len(self.steps),
            "t": self.steps,
            "nodes": self.nodes,
            "bytes": self.bytes,
            "operations": self.operations,
        }


def cost(roots: Tensor | Sequence[Tensor]) -> tuple[Cost, ...]:
    """The cost of the record behind `roots`, by lane and step; the rows add up to all of it.

    Under ``unroll(checkpoint=True)`` the rows are the segments that are kept.

    Parameters
    ----------
    roots
        The loss, or outputs.

    Raises
    ------
    TypeError, ValueError
        `roots` are no Tensors, or nothing behind them belongs to a time step.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> outputs, _ = nn.unroll(nn.RNNCell(2, 3, rng=0, bias=False), np.ones((5, 4, 2)))
    >>> one = cost(outputs[-1])[0]
    >>> int(one.nodes[1]), int(one.operations[1])  # x W_x, h W_h, their sum, tanh
    (4, 144)
    """
    nodes = ancestors(*tensors(roots))
    every = lanes_of(nodes)
    kept = _kept(nodes)
    found = []
    inside: set[Tensor] = set()
    for lane in every:
        inside.update(x for members in lane.members for x in members)
        found.append(_of(lane.name, lane.steps, lane.members, kept))
    rest = [x for x in nodes if x.op is not None and x not in inside]
    return (*found, _of("", [-1], [rest], kept)) if rest else tuple(found)


def _of(
    name: str, steps: Sequence[int], members: list[list[Tensor]], kept: dict[Tensor, int]
) -> Cost:
    return Cost(
        name,
        np.array(steps),
        np.array([len(xs) for xs in members]),
        np.array([sum(kept[x] for x in xs) for xs in members]),
        np.array([sum(operations(x) for x in xs) for xs in members]),
    )


def _kept(nodes: list[Tensor]) -> dict[Tensor, int]:
    """Bytes by node, of the memory that it is the first to hold; inputs come before results."""
    seen: set[int] = set()
    found = {}
    for node in nodes:
        memory = _memory(node)
        found[node] = 0 if id(memory) in seen else memory.nbytes
        seen.add(id(memory))
    return found


def _memory(x: Tensor) -> Any:
    """The array that the node's data is a view of, however often reshaped; or its own."""
    found = x.data
    while isinstance(found, np.ndarray) and isinstance(found.base, np.ndarray):
        found = found.base
    return found
