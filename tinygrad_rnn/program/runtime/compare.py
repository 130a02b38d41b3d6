"""Are two results the same, as far as floating-point numbers can be?

Two right programs round at different places. So results may differ by n·eps of their largest entry,
n being the size of the computation, or by what one ulp at each operation changes: a net that
explodes through time, or a formula such as 1 - y·y near 1, turns one into the other. Where denormal
numbers are flushed to 0, as in C, they may differ by what that changes, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["Difference", "first_difference", "signs", "size_of"]

WHOLLY = 0.1  # of the largest entry: what one ulp changes so much is chaotic
WILD = 1e6  # times what is chaotic, and more: no rounding gives that
RUNS = 8  # that are compared with one another at most; a single number may move little by chance
MARGIN = 4  # what happened to change is not the most that can, if not all went one way

Results = Sequence[tuple[str, Any]]


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
    """The number of roundings that add up in a record: up and down, so about its root."""
    largest = max((x.size for x in nodes), default=0)
    return 16 + 4 * math.isqrt(len(nodes)) + 4 * math.isqrt(largest)


def signs(seed: int) -> Callable[[tuple[int, ...]], np.ndarray]:
    """Up or down, for each number of a result: at random, and with the last seed always up.

    Rounding errors need not be independent: a bias that is added to a state of one size loses the
    same digits at each step and in each example, so what is lost adds up.
    """
    if seed == RUNS - 1:
        return np.ones
    rng = np.random.default_rng(seed)
    return lambda shape: np.where(rng.random(shape) < 0.5, -1, 1)


def first_difference(
    expected: Results,
    found: Sequence[Any],
    n: int,
    moved: Callable[[int], Sequence[Any] | None],
    flushed: Callable[[], Sequence[Any] | None] | None = None,
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
    moved
        Gives the expected values with each operation one ulp off, in a way that its argument, a
        seed, says; None if it cannot. It is called only if needed, and until the difference is
        explained. A difference among its answers is one that rounding makes: a function that gave
        something else just now is not chaotic.
    flushed
        Gives the expected values with the result of each operation 0 if it is denormal; None if it
        cannot. It is called only if needed. Left out where denormal numbers are kept.
    """
    chaotic: list[str] = []
    kinds = {np.asarray(x).dtype for _, x in expected}
    eps = max((float(np.finfo(kind).eps) for kind in kinds if kind.kind == "f"), default=0.0)
    others: list[Sequence[Any]] = []
    lost: Sequence[Any] | None = None
    for k, (name, x) in enumerate(expected):
        x, y = np.asarray(x), np.asarray(found[k])
        if x.shape != y.shape or x.dtype != y.dtype:
            expects, gives = (f"{a.dtype} of shape {a.shape}" for a in (x, y))
            return Difference(name, (), expects, gives, 0.0), chaotic
        allowed = _rounding(x, n, eps, n if flushed else 1)
        if flushed and x.dtype.kind == "f" and not _within(x, y, allowed).all():
            lost = lost or flushed()
            change = _spread([x, np.asarray(lost[k])]) if lost else 0.0
            if np.isfinite(change):  # an infinity in place of a number is none of its doing
                allowed = max(allowed, MARGIN * change)
        for runs in range(2, RUNS + 1):
            wrong = ~_within(x, y, allowed)
            if not wrong.any():
                break
            if x.dtype.kind == "f":
                more = [moved(seed) for seed in range(len(others), runs)]
                others += [values for values in more if values is not None]
                if len(others) < runs:
                    continue
                change = _spread([np.asarray(other[k]) for other in others])
                if _chaotic(x, y, change):
                    chaotic.append(name)
                    break
                allowed = max(allowed, change * (MARGIN if runs < RUNS else 1))
        else:
            wrong = ~_within(x, y, allowed)
            if wrong.any():
                index = tuple(int(i) for i in np.argwhere(wrong)[0])
                return Difference(name, index, x[index], y[index], allowed), chaotic
    return None, chaotic


def _spread(runs: list[np.ndarray]) -> float:
    """By how much runs differ; infinite if a number is finite in some of them alone."""
    kinds = np.isfinite(runs)
    if (kinds.any(axis=0) != kinds.all(axis=0)).any():
        return np.inf
    return float(np.ptp([_finite(x) for x in runs], axis=0).max(initial=0))


def _chaotic(x: np.ndarray, y: np.ndarray, change: float) -> bool:
    """True if rounding changes a result wholly, and what was found is not beyond even that."""
    scale = np.abs(_finite(x)).max(initial=0)
    far = np.abs(_finite(y) - _finite(x)).max(initial=0) > WILD * max(change, scale)
    return bool(change >= WHOLLY * scale > 0 or change == np.inf) and not far


def _rounding(x: np.ndarray, n: int, eps: float, flushed: int) -> float:
    """The change by n roundings, of which so many as are `flushed` lose a denormal number."""
    if x.dtype.kind != "f":
        return 0.0
    largest = np.abs(_finite(x)).max(initial=0)
    kind = np.finfo(x.dtype)
    return float(n * max(eps, kind.eps) * float(largest)) + flushed * float(kind.tiny)


def _finite(x: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(x), x, 0).astype(np.float64)


def _within(x: np.ndarray, y: np.ndarray, allowed: float) -> np.ndarray:
    if x.dtype.kind != "f":
        return x == y
    with np.errstate(invalid="ignore"):
        near = np.abs(x.astype(np.float64) - y.astype(np.float64)) <= allowed
    return near | (x == y) | (np.isnan(x) & np.isnan(y))
