"""Which functions of the BLAS that NumPy has loaded can others call?"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

__all__ = ["functions"]


def functions(names: Sequence[str]) -> tuple[list[Any], int]:
    """Functions of these names, to be called by ctypes, and how many bits its integers have.

    NumPy's wheels rename those of OpenBLAS, ``cblas_sgemm`` to ``scipy_cblas_sgemm64_``. An empty
    list and 64 where one is missing: NumPy keeps its BLAS to itself, or it is another one.
    """
    import numpy.linalg._umath_linalg as linalg

    here = ctypes.CDLL(linalg.__file__)
    for prefix in ("scipy_", ""):
        for suffix, bits in (("64_", 64), ("", 32)):
            found = [getattr(here, f"{prefix}{name}{suffix}", None) for name in names]
            if all(found):
                return found, bits
    return [], 64
