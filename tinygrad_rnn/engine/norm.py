"""How long is a gradient?"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["norm"]

_TINY, _HUGE = 1e-280, 1e300  # of a square: between them no part of it was lost


def norm(*gs: Any) -> float:
    """The Euclidean norm of all entries of all arrays together, in float64.

    Nothing overflows or underflows on the way: it is as exact for entries of 1e200 or 1e-200 as for
    others. NaN and infinity stay; of no entries it is 0.

    Examples
    --------
    >>> norm([3.0], [[4.0]]), norm([1e200, 1.0])
    (5.0, 1e+200)
    """
    arrays = [np.asarray(g, dtype=np.float64).ravel() for g in gs]
    with np.errstate(over="ignore", invalid="ignore"):
        square = sum(float(a.dot(a)) for a in arrays)
    if _TINY < square < _HUGE:
        return float(np.sqrt(square))
    largest = float(np.max([np.abs(a).max() for a in arrays if a.size], initial=0.0))
    if not 0 < largest < np.inf:
        return largest
    return largest * float(np.sqrt(sum(float(np.square(a / largest).sum()) for a in arrays)))
