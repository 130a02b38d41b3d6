"""Can a network measure time, and keep time by itself?

The tasks of Gers, Schraudolph and Schmidhuber 2002, "Learning precise timing with LSTM recurrent
networks". Spikes come at T(n) = T(n-1) + F + I(n): a fixed interval F, and an offset I(n) drawn
from 0 … I for each spike. Steps are counted from 1, so the first spike is at index F + I(1) - 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.tasks.batch import Batch, Seed, no_less, pad, within

__all__ = [
    "measure_spikes",
    "measure_spikes_baseline",
    "periodic",
    "periodic_baseline",
    "timed_spikes",
    "timed_spikes_baseline",
]


def measure_spikes(
    batch: int,
    spikes: int,
    rng: Seed,
    *,
    F: int = 10,
    offsets: tuple[int, ...] = (0, 1),
    dtype: DTypeLike = np.float64,
) -> Batch:
    """At each spike, say by how much it is late.

    Parameters
    ----------
    batch, spikes
        Rows, and spikes in each; spikes ≥ 1. The paper: 1 (NMSD) or 100 (MSD).
    rng
        A seed or a generator.
    dtype
        Of numbers that are no integers.
    F, offsets
        The least interval, F ≥ 1, and the offsets to draw from. The paper: F = 10 … 50, (0, 1) and
        up to 10.

    Returns
    -------
    Batch
        xs (T, batch, 1): 1 at a spike, else 0. targets (T, batch, 1): I(n) at a spike, else 0; the
        mask is true at spikes only.
    """
    offset, lengths, spike = _spikes("measure_spikes", batch, spikes, rng, F, offsets)
    targets = np.zeros(spike.shape)
    targets.T[spike.T] = offset.ravel()  # row by row, the spikes in their order
    return Batch(1.0 * spike[:, :, None], targets[:, :, None], lengths, spike).astype(dtype)


def measure_spikes_baseline(offsets: tuple[int, ...] = (0, 1)) -> float:
    """Mean squared error at spikes without a measure of time: the variance of the offsets."""
    return float(np.var(offsets))


def timed_spikes(
    batch: int,
    spikes: int,
    rng: Seed,
    *,
    F: int = 10,
    offsets: tuple[int, ...] = (0, 1),
    dtype: DTypeLike = np.float64,
) -> Batch:
    """Given by how much the next spike is late, produce it: `measure_spikes` turned round.

    xs (T, batch, 1) holds I(n) during the whole interval that ends with spike n. targets (T, batch,
    1): 1 at a spike, else 0. Holding I(n), instead of giving it once, is a choice of this version.
    """
    offset, lengths, spike = _spikes("timed_spikes", batch, spikes, rng, F, offsets)
    xs = np.zeros(spike.shape)
    xs.T[within(lengths).T] = np.repeat(offset.ravel(), F + offset.ravel())
    targets = spike[:, :, None].astype(np.float64)
    return Batch(xs[:, :, None], targets, lengths, within(lengths)).astype(dtype)


def timed_spikes_baseline(F: int = 10, offsets: tuple[int, ...] = (0, 1)) -> float:
    """Mean squared error over all steps of always answering the rate r of spikes: r (1 − r)."""
    rate = 1 / (F + float(np.mean(offsets)))
    return rate * (1 - rate)


def periodic(T: int, *, shape: str = "cos", period: int = 10) -> Batch:
    """Without any input, produce a wave between 0 and 1: "cos", "triangle" or "rectangle".

    Parameters
    ----------
    T
        Steps; T ≥ 1. The task has no randomness.
    shape, period
        The wave, and the steps of one period, at least 2. The paper: 10 and 25.

    Returns
    -------
    Batch
        xs (T, 1, 1): zeros. targets (T, 1, 1).

    Examples
    --------
    >>> periodic(4, shape="triangle", period=4).targets.ravel()
    array([0. , 0.5, 1. , 0.5])
    """
    no_less("periodic", 1, T=T)
    no_less("periodic", 2, period=period)
    t = np.arange(T) % period
    waves = {
        "cos": (1 - np.cos(2 * np.pi * t / period)) / 2,
        "triangle": 1 - np.abs(1 - 2 * t / period),
        "rectangle": (2 * t > period).astype(np.float64),
    }
    if shape not in waves:
        raise ValueError(f"periodic: shape is one of {', '.join(waves)}, got {shape!r}.")
    mask = np.ones((T, 1), dtype=bool)
    return Batch(np.zeros((T, 1, 1)), waves[shape][:, None, None], np.array([T]), mask)


def periodic_baseline(shape: str = "cos", period: int = 10) -> float:
    """Mean squared error over whole periods of always answering the mean; 1/8 for a cosine."""
    return float(np.var(periodic(period, shape=shape, period=period).targets))


def _spikes(
    task: str, batch: int, spikes: int, rng: Seed, F: int, offsets: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Offsets (batch, spikes), lengths (batch,), and where the spikes are (T, batch)."""
    no_less(task, 1, batch=batch)
    no_less(task, 1, spikes=spikes)
    no_less(task, 1, F=F)
    if np.asarray(offsets).dtype.kind not in "iu" or np.ndim(offsets) != 1 or min(offsets) < 0:
        raise ValueError(f"{task}: offsets are one or more integers from 0 on, got {offsets!r}.")
    offset = np.random.default_rng(rng).choice(offsets, size=(batch, spikes))
    ends = (F + offset).cumsum(axis=1)
    spike, lengths = pad([np.isin(np.arange(1, row[-1] + 1), row) for row in ends])
    return offset, lengths, spike
