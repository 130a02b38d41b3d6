"""How sure is a forecast, and does the truth keep to it?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.border import as_array
from tinygrad_rnn.engine.tensor import values
from tinygrad_rnn.measure.results import Table

__all__ = ["Forecast", "forecast"]


@dataclass(frozen=True, eq=False, repr=False)
class Forecast(Table):
    """Forecasts of one stretch of a series, and what came.

    Attributes
    ----------
    paths
        The forecasts, a row for each sample or net, (samples, H).
    past
        The series before, (N,).
    truth
        The values that came, (H,); NaN where they are not known.
    """

    paths: np.ndarray
    past: np.ndarray
    truth: np.ndarray

    def median(self) -> np.ndarray:
        """Of all samples, (H,)."""
        return np.median(self.paths, axis=0)

    def band(self, share: float = 0.8) -> np.ndarray:
        """Between which this share of the samples lies, half of the rest on either side: (2, H)."""
        return np.quantile(self.paths, (0.5 - share / 2, 0.5 + share / 2), axis=0)

    def covered(self, share: float = 0.8) -> float:
        """The fraction of the known truth inside that band; NaN if nothing is known."""
        low, high = self.band(share)
        known = ~np.isnan(self.truth)
        inside = (self.truth >= low) & (self.truth <= high)
        return float(inside[known].mean()) if known.any() else float("nan")

    def columns(self) -> dict[str, Any]:
        """One row per sample and step ahead, counted from 1."""
        sample, k = np.indices(self.paths.shape).reshape(2, -1)
        return {
            "sample": sample,
            "ahead": k + 1,
            "forecast": self.paths.ravel(),
            "truth": self.truth[k],
        }


def forecast(paths: Any, past: Any = (), truth: Any = None) -> Forecast:
    """Forecasts of the H values after a series, in one result.

    Parameters
    ----------
    paths
        One forecast (H,), or one for each sample, dropout mask or trained net, (samples, H).
    past
        The series before, (N,).
    truth
        The values that came, (H,), if they are known.

    Raises
    ------
    ValueError
        A shape does not fit, or a forecast is not finite.

    Examples
    --------
    >>> found = forecast([[1.0, 2.0], [3.0, 6.0]], truth=[2.0, 9.0])
    >>> found.median(), found.covered()
    (array([2., 4.]), 0.5)
    """
    rows, before = np.atleast_2d(_numbers("paths", paths)), _numbers("past", past)
    came = np.full(rows.shape[-1], np.nan) if truth is None else _numbers("truth", truth)
    if rows.ndim != 2 or not rows.size or before.ndim != 1 or came.shape != rows.shape[-1:]:
        raise ValueError(
            "forecast: expected paths (samples, H), past (N,) and truth (H,), got "
            f"{rows.shape}, {before.shape} and {came.shape}."
        )
    if not np.isfinite(rows).all():
        raise ValueError("forecast: a forecast is not finite, so there is no band around it.")
    return Forecast(rows, before, came)


def _numbers(what: str, x: Any) -> np.ndarray:
    return np.asarray(as_array(values(x), f"forecast, {what}"), float)
