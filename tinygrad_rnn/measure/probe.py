"""How long does a state remember? A linear decoder reads x_{t−k} from h_t."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.border import as_array
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.measure.arguments import is_whole, stacked
from tinygrad_rnn.measure.results import Table

__all__ = ["Probe", "memory_probe"]


@dataclass(frozen=True, eq=False, repr=False)
class Probe(Table):
    """The score of the decoder at each lag.

    Attributes
    ----------
    lags
        k, (K,).
    scores
        On examples that the decoder has not seen: R² for numbers (1: exactly, 0: no better than
        the mean, below 0: worse; NaN for inputs that do not vary), the fraction read correctly for
        symbols, (K,).
    chance
        The score of a decoder without h, (K,).
    """

    lags: np.ndarray
    scores: np.ndarray
    chance: np.ndarray

    def columns(self) -> dict[str, Any]:
        """One row per lag."""
        return {"lag": self.lags, "score": self.scores, "chance": self.chance}


def memory_probe(
    hs: Any, xs: Any, lags: Iterable[int] | int | None = None, *, ridge: float = 1e-6
) -> Probe:
    """Least squares with a small ridge, from h_t and a constant to x_{t−k}, for each lag k.

    Every second example (of a single one: the first half of time) fits the decoder, the others
    score it (the short-term memory of Jaeger 2001, "Short term memory in echo state networks").

    Parameters
    ----------
    hs
        States (T, examples, units), a list of T Tensors or arrays.
    xs
        Inputs (T, examples, features), or symbols (T, examples), integers.
    lags
        Which k ≥ 0; by default 0 … T/2.
    ridge
        Added to the squared singular values, relative to the number of rows; at least 0.

    Raises
    ------
    ValueError
        Shapes do not fit, there is one step only, a lag is out of reach, or a state or an input is
        not finite.

    Examples
    --------
    >>> xs = np.random.default_rng(0).standard_normal((30, 8, 1))
    >>> memory_probe(np.roll(xs, 2, axis=0), xs, [1, 2]).scores.round(1)
    array([-0.1,  1. ])
    """
    h, x = _over_time("states", hs), _over_time("inputs", xs)
    if h.ndim == 2:
        h, x = h[:, None], x[:, None]
    symbols = x.dtype.kind in "iub"
    numbers = h.dtype.kind in "iuf" and (symbols or x.dtype.kind == "f")
    if not numbers or h.ndim != 3 or x.shape[:2] != h.shape[:2] or x.ndim != 3 - symbols:
        raise ValueError(
            f"memory_probe: expected states (T, examples, units) and inputs (T, examples, features)"
            f" or symbols (T, examples), got {h.shape} of {h.dtype} "
            f"and {x.shape} of {x.dtype}."
        )
    T = len(h)
    if T < 2 or not h.size or not x.size:
        raise ValueError(
            "memory_probe: expected two steps or more, and something in them, got states of shape "
            f"{h.shape}."
        )
    for what, v in (("a state", h), ("an input", x)):
        if not np.isfinite(v).all():
            raise ValueError(f"memory_probe: {what} is not finite, so no decoder can be fitted.")
    lags = range(min(T // 2 + 1, T - 1)) if lags is None else lags
    chosen = [lags] if isinstance(lags, int | np.integer) else list(lags)
    if not all(is_whole(k) and 0 <= k < T - 1 for k in chosen):
        raise ValueError(
            f"memory_probe: lags must be whole numbers in 0 … {T - 2} for {T} steps, got {chosen}."
        )
    if not 0 <= ridge < np.inf:
        raise ValueError(f"memory_probe: expected a ridge of 0 or more, got {ridge}.")
    if symbols:
        x = (x[..., None] == np.unique(x)).astype(float)
    scale = float(np.abs(h).max()) or 1.0  # so that no square overflows
    h, x, ridge = h / scale, x / (np.abs(x).max() or 1), ridge / scale / scale
    found = [_score(h[k:], x[: T - k], ridge, symbols) for k in chosen]
    return Probe(np.array(chosen, dtype=int), *np.array(found).reshape(-1, 2).T)


def _over_time(what: str, xs: Any) -> np.ndarray:
    """A list of T Tensors or arrays, or one of all steps, as one array."""
    whole = isinstance(xs, (Tensor, np.ndarray))
    if not whole and not (isinstance(xs, (list, tuple)) and xs):
        raise ValueError(
            f"memory_probe: expected {what} as an array (T, …) or a list of T arrays, got "
            f"{'an empty list' if isinstance(xs, (list, tuple)) else type(xs).__name__}."
        )
    if whole:
        return np.asarray(as_array(values(xs), "memory_probe"))
    arrays = [np.asarray(as_array(values(x), "memory_probe")) for x in xs]
    return stacked(f"{what} of the memory probe", range(len(arrays)), arrays)


def _score(h: np.ndarray, x: np.ndarray, ridge: float, symbols: bool) -> tuple[float, float]:
    """The scores of the decoder on data it was not fitted to, with h and without."""
    if h.shape[1] > 1:
        fit, test = (slice(None), slice(0, None, 2)), (slice(None), slice(1, None, 2))
    else:
        fit, test = slice(0, (len(h) + 1) // 2), slice((len(h) + 1) // 2, None)
    mean_h = h[fit].reshape(-1, h.shape[-1]).mean(axis=0)
    mean_x = x[fit].reshape(-1, x.shape[-1]).mean(axis=0)
    H = h[fit].reshape(-1, h.shape[-1]) - mean_h
    X = x[fit].reshape(-1, x.shape[-1]) - mean_x
    U, s, Vt = np.linalg.svd(H, full_matrices=False)
    kept = s > max(H.shape) * np.finfo(float).eps * s.max()  # the rest is rounding
    D = Vt.T @ ((kept * s / np.where(kept, s**2 + ridge * len(H), 1))[:, None] * (U.T @ X))
    guess, truth = (h[test] - mean_h) @ D + mean_x, x[test]
    if symbols:
        right = truth.argmax(axis=-1)
        return (guess.argmax(axis=-1) == right).mean(), (right == mean_x.argmax()).mean()
    spread = np.square(truth - truth.reshape(-1, truth.shape[-1]).mean(axis=0)).sum()
    lost = np.square(truth - guess).sum()
    return (1 - lost / spread if spread else float("nan")), 0.0
