"""How many operations does a node cost?"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from tinygrad_rnn.engine.tensor import Tensor, values

__all__ = ["operations"]


def operations(x: Tensor) -> int:
    """Multiplications, additions and evaluations of a function that gave `x`; 0 for a leaf."""
    if x.op is None:
        return 0
    count = _COUNTS.get(x.op.kind.cost)
    return x.size if count is None else count(x, [np.shape(values(a)) for a in x.inputs])


def _read(x: Tensor, shapes: list[tuple[int, ...]]) -> int:
    return prod(shapes[0])


def _nothing(x: Tensor, shapes: list[tuple[int, ...]]) -> int:
    return 0


def _product(x: Tensor, shapes: list[tuple[int, ...]]) -> int:
    return 2 * x.size * shapes[0][-1]


def _convolution(x: Tensor, shapes: list[tuple[int, ...]]) -> int:
    return 2 * x.size * prod(shapes[1][:-1])


def _normalise(x: Tensor, shapes: list[tuple[int, ...]]) -> int:
    return 4 * prod(shapes[0])  # subtract, exp, sum, divide


# By cost class; any other has one operation per element of its result.
_COUNTS: dict[str, Callable[[Tensor, list[tuple[int, ...]]], int]] = {
    "nothing": _nothing,
    "read": _read,
    "normalise": _normalise,
    "product": _product,
    "convolution": _convolution,
}
