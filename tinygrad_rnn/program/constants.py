"""Are two constants the same?"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["same_constant"]


def same_constant(a: Any, b: Any) -> bool:
    """True if two constants are equal in type, shape and bits."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
