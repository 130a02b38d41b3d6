"""How large is a parameter, and where does it start?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["check_sizes", "uniform"]


def check_sizes(owner: str, **sizes: object) -> None:
    """ValueError unless every size is a whole number of at least 1."""
    for what, size in sizes.items():
        if not isinstance(size, (int, np.integer)) or size < 1:
            raise ValueError(f"{owner}: {what} must be a whole number of at least 1, got {size!r}.")


def uniform(
    shape: tuple[int, ...], bound: float, rng: Any = None, dtype: DTypeLike = np.float64
) -> Tensor:
    """A parameter drawn from U[-bound, bound); torch starts everything in a recurrent cell so.

    `rng` is a seed or a generator, None for a different draw each time.
    """
    return Tensor(np.random.default_rng(rng).uniform(-bound, bound, shape), dtype=dtype)
