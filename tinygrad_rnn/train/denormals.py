"""Has a gradient vanished so far that it is slow to compute?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.engine.backward import grad
from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["denormal"]


def denormal(loss: Tensor, parameters: Sequence[Tensor]) -> float:
    """The share, from 0 to 1, of denormal numbers in the gradient of `loss`.

    Denormal is what lies below the smallest normal number and is not 0. All numbers count that flow
    back: the gradient of a parameter, a sum over time, hides what vanished on the way.
    """
    small = total = 0

    def count(node: Tensor, argument: int, g: Any) -> None:
        nonlocal small, total
        small += np.count_nonzero((g != 0) & (np.abs(g) < np.finfo(g.dtype).tiny))
        total += np.size(g)

    grad(loss, list(parameters), unused="zero", on_edge=count)
    return small / max(total, 1)
