"""Are two results the same, as far as floating-point numbers can be?

Two right programs round at different places. So results may differ by n·eps of their largest entry,
n being the size of the computation, or by what one ulp at each operation changes: a net that
explodes through time, or a formula such as 1 - y·y near 1, turns one into the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["Difference", "first_difference", "size_of"]

WHOLLY = 0.1  # of the largest entry: what one ulp changes so much is chaotic
MARGIN = 4  # what happened to change is not the most that can

Results = Sequence[tuple[str, Any]]
Rounded = Sequence[Sequence[Any]]


class Difference(NamedTuple):
    """The first entry of a result that differs by more than rounding."""

    name: str
    index: tuple[int, ...]
    expected: Any
    found: Any
    tolerance: float

    def __str__(self) -> str:
        place = f" at {list(self.index)}" if self.index else ""
        return (
            f"{self.name}{place} is {self.found!s} in the program and {self.expected!s} as written "
            f"(rounding may change {self.tolerance:.1e})"
        )


def size_of(nodes: Sequence[Tensor]) -> int:
    """How many roundings may add up in a record: one in each operation, and those of its sums."""
    return len(nodes) + 4 * math.isqrt(max((x.size for x in nodes), default=0))


def first_difference(
    expected: Results, found: Sequence[Any], n: int, rounded: Callable[[], Rounded | None]
) -> tuple[Difference | None, list[str]]:
    """The first result that differs, and the names of those that cannot be compared.

    Parameters
    ----------
    expected
        Names and values as they should be.
    found
        The values to be compared.
    n
        The number of roundings, see `size_of`.
    rounded
        Gives all values, and then some times more with each operation one ulp off; or None if it
        cannot. It is called only if needed.
    """
    chaotic: list[str] = []
    runs: Rounded | None = None
    for k, (name, x) in enumerate(expected):
        x, y = np.asarray(x), np.asarray(found[k])
        if x.shape != y.shape or x.dtype != y.dtype:
            expects, gives = (f"{a.dtype} of shape {a.shape}" for a in (x, y))
            return Difference(name, (), expects, gives, 0.0), chaotic
        allowed = _rounding(x, n)
        if _within(x, y, allowed).all():
            continue
        if runs is None and x.dtype.kind == "f":
            runs = rounded()
        if runs is not None and x.dtype.kind == "f":
            a, *others = (np.asarray(values[k]) for values in runs)
            change = max(np.abs(_finite(a) - _finite(b)).max(initial=0) for b in others)
            scale = np.abs(_finite(a)).max(initial=0)
            broken = any((np.isfinite(a) != np.isfinite(b)).any() for b in others)
            if broken or change >= WHOLLY * scale:
                chaotic.append(name)
                continue
            allowed = max(allowed, MARGIN * float(change))
        wrong = ~_within(x, y, allowed)
        if wrong.any():
            index = tuple(int(i) for i in np.argwhere(wrong)[0])
            return Difference(name, index, x[index], y[index], allowed), chaotic
    return None, chaotic


def _rounding(x: np.ndarray, n: int) -> float:
    if x.dtype.kind != "f":
        return 0.0
    facts = np.finfo(x.dtype)
    largest = np.abs(_finite(x)).max(initial=0)
    return float(n * facts.eps * float(largest) + facts.tiny)


def _finite(x: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(x), x, 0).astype(np.float64)


def _within(x: np.ndarray, y: np.ndarray, allowed: float) -> np.ndarray:
    if x.dtype.kind != "f":
        return x == y
    with np.errstate(invalid="ignore"):
        near = np.abs(x.astype(np.float64) - y.astype(np.float64)) <= allowed
    return near | (x == y) | (np.isnan(x) & np.isnan(y))
