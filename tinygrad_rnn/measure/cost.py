"""What does a step cost, in memory kept for the way back and in operations?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from tinygrad_rnn.engine.backward import ancestors
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.measure.lanes import lanes, tensors
from tinygrad_rnn.measure.results import Table

__all__ = ["Cost", "cost"]


@dataclass(frozen=True, eq=False)
class Cost(Table):
    """Nodes, bytes and arithmetic of one lane's steps; of everything outside time as lane "".

    Attributes
    ----------
    lane, steps
        Whose, and t of each step, (T,).
    nodes
        Operations recorded, (T,).
    bytes
        Of the results that the record keeps; a slice or a transpose shares its source's, (T,).
    operations
        Multiplications, additions and evaluations of a function, going forward, (T,).
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
    """What is recorded behind `roots`, by lane and step; the sum over all is the whole record.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> outputs, _ = nn.unroll(nn.RNNCell(2, 3, rng=0, bias=False), np.ones((5, 4, 2)))
    >>> one = cost(outputs[-1])[0]
    >>> int(one.nodes[1]), int(one.operations[1])  # x W_x, h W_h, their sum, tanh
    (4, 144)
    """
    every = lanes(roots)
    found = []
    inside: set[Tensor] = set()
    for lane in every:
        inside.update(x for members in lane.members for x in members)
        found.append(_of(lane.name, lane.steps, lane.members))
    rest = [x for x in ancestors(*tensors(roots)) if x.op is not None and x not in inside]
    return (*found, _of("", [-1], [rest])) if rest else tuple(found)


def _of(name: str, steps: Sequence[int], members: list[list[Tensor]]) -> Cost:
    return Cost(
        name,
        np.array(steps),
        np.array([len(xs) for xs in members]),
        np.array([sum(_bytes(x) for x in xs) for xs in members]),
        np.array([sum(_operations(x) for x in xs) for xs in members]),
    )


def _bytes(x: Tensor) -> int:
    owner = x.data
    return 0 if isinstance(owner, np.ndarray) and owner.base is not None else owner.nbytes


def _operations(x: Tensor) -> int:
    name = x.op.name if x.op is not None else ""
    shapes = [np.shape(values(a)) for a in x.inputs]
    count = _COUNTS.get(name)
    return x.size if count is None else count(x, shapes)


def _read(x: Tensor, shapes: list[tuple[int, ...]]) -> int:
    return prod(shapes[0])


def _nothing(x: Tensor, shapes: list[tuple[int, ...]]) -> int:
    return 0


def _matmul(x: Tensor, shapes: list[tuple[int, ...]]) -> int:
    return 2 * x.size * shapes[0][-1]


def _conv(x: Tensor, shapes: list[tuple[int, ...]]) -> int:
    return 2 * x.size * prod(shapes[1][:-1])


def _softmax(x: Tensor, shapes: list[tuple[int, ...]]) -> int:
    return 4 * prod(shapes[0])  # subtract, exp, sum, divide


# By primitive; what is not here has one operation per element of its result.
_COUNTS: dict[str, Callable[[Tensor, list[tuple[int, ...]]], int]] = {
    "getitem": _nothing,
    "scatter": _nothing,
    "reshape": _nothing,
    "transpose": _nothing,
    "broadcast_to": _nothing,
    "concatenate": _nothing,
    "stack": _nothing,
    "stop_gradient": _nothing,
    "pass_gradient": _nothing,
    "astype": _nothing,
    "segment": _nothing,
    "sum": _read,
    "max": _read,
    "softmax": _softmax,
    "log_softmax": _softmax,
    "logsumexp": _softmax,
    "matmul": _matmul,
    "conv": _conv,
}
