"""Can a network tell the order of a few symbols, far apart among others?"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_rnn.tasks.batch import Batch, Seed, ending, no_less, within

__all__ = [
    "ORDER_SYMBOLS",
    "temporal_order",
    "temporal_order_baseline",
    "temporal_order_scaled",
]

# X and Y matter, a to d distract, E begins and B ends.
ORDER_SYMBOLS = "XYabcdEB"


def temporal_order(batch: int, T: int, rng: Seed, *, symbols: int = 2) -> Batch:
    """The order of symbols: which of X and Y came first, which second (and which third)?

    Parameters
    ----------
    batch, T
        Rows, and least length: each row has T to T + T//10 steps; T ≥ 10. The paper: T = 100.
    rng
        A seed or a generator.
    symbols
        2 (experiment 6a) or 3 (experiment 6b).

    Returns
    -------
    Batch
        xs (T', batch): numbers in `ORDER_SYMBOLS`, padded with 0. E comes first, B last, and
        between them random a, b, c, d, with an X or a Y at each of the steps t₁ …, which are drawn
        from windows of T//10 + 1 steps that begin at T//10 and T//2, or at T//10, T//3 and 2T//3.
        For T = 100 these are 10 … 20 and 50 … 60, or 10 … 20, 33 … 43 and 66 … 76. targets
        (batch,): XX, XY, YX, YY are 0 … 3, XXX … YYY are 0 … 7, due at the last step.

    Notes
    -----
    Hochreiter and Schmidhuber 1997, experiments 6a and 6b. The first step is step 0 here.
    """
    if symbols not in (2, 3):
        raise ValueError(f"temporal_order: symbols is 2 (6a) or 3 (6b), got {symbols!r}.")
    no_less("temporal_order", 1, batch=batch)
    no_less("temporal_order", 10, T=T)
    rng = np.random.default_rng(rng)
    window = T // 10
    lengths = rng.integers(T, T + window + 1, size=batch)
    xs = rng.integers(2, 6, size=(lengths.max(), batch)) * within(lengths)
    starts = {2: (window, T // 2), 3: (window, T // 3, 2 * T // 3)}[symbols]
    targets = _place(xs, [(start, start + window + 1) for start in starts], rng)
    xs[0] = ORDER_SYMBOLS.index("E")
    xs[lengths - 1, np.arange(batch)] = ORDER_SYMBOLS.index("B")
    return Batch(xs, targets, lengths, ending(lengths))


def temporal_order_scaled(batch: int, T: int, rng: Seed) -> Batch:
    """Two symbols at steps in proportion to T: t₁ in [T/10, 2T/10), t₂ in [5T/10, 6T/10).

    Parameters
    ----------
    batch, T
        Rows, and steps of each; T ≥ 10.
    rng
        A seed or a generator.

    Returns
    -------
    Batch
        xs (T, batch): numbers 0 … 5 in `ORDER_SYMBOLS`, neither E nor B. targets (batch,) in 0 … 3.

    Notes
    -----
    Pascanu, Mikolov and Bengio 2013, "On the difficulty of training recurrent neural networks".
    """
    no_less("temporal_order_scaled", 1, batch=batch)
    no_less("temporal_order_scaled", 10, T=T)
    rng = np.random.default_rng(rng)
    xs = rng.integers(2, 6, size=(T, batch))
    targets = _place(xs, [(T // 10, 2 * T // 10), (5 * T // 10, 6 * T // 10)], rng)
    lengths = np.full(batch, T)
    return Batch(xs, targets, lengths, ending(lengths))


def temporal_order_baseline(symbols: int = 2) -> float:
    """Nats of a guess: ln 4 for two symbols, ln 8 for three (error rate 75 % or 87.5 %)."""
    return symbols * math.log(2)


def _place(xs: np.ndarray, windows: list[tuple[int, int]], rng: np.random.Generator) -> np.ndarray:
    """Write an X or a Y into each window of `xs`; returns which, as a binary number."""
    rows = np.arange(xs.shape[1])
    targets = np.zeros(xs.shape[1], dtype=np.int64)
    for start, stop in windows:
        letter = rng.integers(2, size=xs.shape[1])
        xs[rng.integers(start, stop, size=xs.shape[1]), rows] = letter
        targets = 2 * targets + letter
    return targets
