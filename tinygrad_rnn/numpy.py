"""What stands for ``np`` in code that was written for NumPy, JAX or HIPS autograd?

After ``import tinygrad_rnn.numpy as np``, a function of this package wherever NumPy has one of that
name, with NumPy's defaults. All else is NumPy's own: it computes with arrays, and refuses a Tensor.

>>> import tinygrad_rnn.numpy as np
>>> from tinygrad_rnn import Tensor
>>> np.hstack([Tensor([1.0, 2.0]), np.ones(1)])
Tensor([1. 2. 1.], op=concatenate)
"""

from __future__ import annotations

from typing import Any

import numpy

import tinygrad_rnn

__all__ = ["clip", "flip", "split"]

ALIASES = {
    "abs": "absolute", "amax": "max", "amin": "min", "atan": "arctan", "concat": "concatenate",
    "permute_dims": "transpose", "pow": "power", "remainder": "mod", "true_divide": "divide",
}  # fmt: skip
OTHERS = frozenset(("require",))  # of the same name, but not the same function


def clip(x: Any, a_min: Any = None, a_max: Any = None) -> Any:
    """`x` kept inside [a_min, a_max]; None is no bound."""
    low, high = (-numpy.inf if a_min is None else a_min), (numpy.inf if a_max is None else a_max)
    return tinygrad_rnn.clip(x, low=low, high=high)


def flip(x: Any, axis: int | tuple[int, ...] | None = None) -> Any:
    """Backwards along `axis`, one or several; along all without it."""
    axes = range(numpy.ndim(x)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    for k in axes:
        x = tinygrad_rnn.flip(x, k)
    return x


def split(x: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Cut along `axis` into equal parts, or before each of the given places."""
    return tinygrad_rnn.split(x, indices_or_sections, axis)


def __getattr__(name: str) -> Any:
    here = ALIASES.get(name, name)
    if here in tinygrad_rnn.__all__ and here not in OTHERS and hasattr(numpy, name):
        return getattr(tinygrad_rnn, here)
    return getattr(numpy, name)
