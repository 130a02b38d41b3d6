"""From which values does a parameter start?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["uniform"]


def uniform(
    shape: tuple[int, ...], bound: float, rng: Any = None, dtype: DTypeLike = np.float64
) -> Tensor:
    """A parameter drawn from U[-bound, bound), as all parameters of torch's recurrent cells.

    `rng` is a seed or a generator; None gives a different draw each time.
    """
    return Tensor(np.random.default_rng(rng).uniform(-bound, bound, shape), dtype=dtype)
