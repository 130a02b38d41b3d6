"""How much of a gradient has vanished so far that computing it is slow?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.engine.backward import grad
from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["denormal"]


def denormal(loss: Tensor, parameters: Sequence[Tensor]) -> float:
    """The share, from 0 to 1, of denormal numbers in the gradient of `loss`.

    A denormal number lies between 0 and the smallest normal number. Every number that flows back
    along an edge counts: the gradient of a parameter is a sum over time, which hides vanishing
    terms.
    """
    small = total = 0

    def count(node: Tensor, argument: int, g: Any) -> None:
        nonlocal small, total
        small += np.count_nonzero((g != 0) & (np.abs(g) < np.finfo(g.dtype).tiny))
        total += np.size(g)

    grad(loss, list(parameters), unused="zero", on_edge=count)
    return small / max(total, 1)
