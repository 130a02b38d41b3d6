"""How does a series of measurements become a batch, and which score must a forecast beat?"""

from __future__ import annotations

from importlib.resources import as_file, files

import numpy as np

from tinygrad_rnn.border import as_array
from tinygrad_rnn.tasks.batch import Batch, ending, no_less
from tinygrad_rnn.tasks.columns import read_column

__all__ = ["persistence", "split", "sunspots", "windows"]


def sunspots() -> tuple[np.ndarray, np.ndarray]:
    """The mean number of sunspots of each year from 1700 to 2008: years (309,), numbers (309,).

    The international sunspot number before its revision in 2015. Source: WDC-SILSO, Royal
    Observatory of Belgium, Brussels, by way of NOAA and of statsmodels, which calls this copy
    public domain. SILSO asks for that credit; the files on its own site are under CC BY-NC 4.0.

    Examples
    --------
    >>> years, numbers = sunspots()
    >>> int(years[numbers.argmax()]), float(numbers.max())
    (1957, 190.2)
    """
    with as_file(files("tinygrad_rnn.tasks") / "data" / "sunspots.csv") as path:
        return read_column(path, "year").astype(np.int64), read_column(path, "sunspots")


def split(values: np.ndarray, train: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """The first part of a series for training and the rest for testing, in the order of time.

    Shuffling first would show a network the values on both sides of those to predict.

    Raises
    ------
    ValueError
        One of the two parts would be empty.
    """
    values = as_array(values, "split")
    cut = round(len(values) * train)
    if not 0 < cut < len(values):
        raise ValueError(
            f"split: {train} of {len(values)} values leaves {cut} and {len(values) - cut}; "
            "expected at least one on each side."
        )
    return values[:cut], values[cut:]


def windows(values: np.ndarray, steps: int, *, horizon: int = 1) -> Batch:
    """Every stretch of `steps` values, and the `horizon` values that follow it.

    Parameters
    ----------
    values
        Numbers of shape (N,), N ≥ steps + horizon.
    steps, horizon
        The number of values seen, and the number of values to predict; at least 1.

    Returns
    -------
    Batch
        xs (steps, windows, 1) and targets (windows, horizon), windows = N − steps − horizon + 1, in
        the order of time. Split the series before cutting it, so that no window reaches across the
        split.

    Examples
    --------
    >>> batch = windows(np.arange(5.0), 3)
    >>> batch.xs[:, 1, 0], batch.targets[1]
    (array([1., 2., 3.]), array([4.]))
    """
    no_less("windows", 1, steps=steps)
    no_less("windows", 1, horizon=horizon)
    series = _series("windows", values, steps + horizon)
    views = np.lib.stride_tricks.sliding_window_view(series, steps + horizon)
    lengths = np.full(len(views), steps)
    return Batch(
        views[:, :steps].T[:, :, None].copy(), views[:, steps:].copy(), lengths, ending(lengths)
    )


def persistence(values: np.ndarray, *, horizon: int = 1) -> float:
    """Mean squared error of the forecast "as `horizon` steps ago", which others have to beat.

    For a random walk it is the best forecast: `horizon` times the variance of a step.
    """
    no_less("persistence", 1, horizon=horizon)
    series = _series("persistence", values, 1 + horizon)
    return float(np.mean((series[horizon:] - series[:-horizon]) ** 2))


def _series(task: str, values: np.ndarray, least: int) -> np.ndarray:
    """The values as floats; an error unless they are numbers, and enough of them."""
    series = np.asarray(as_array(values, task), float)
    if series.ndim != 1 or len(series) < least:
        raise ValueError(
            f"{task}: expected one series of at least {least} values, got shape {series.shape}."
        )
    return series
