"""Can a network keep one bit during long distraction?"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.tasks.batch import Batch, Seed, ending, no_less, within

__all__ = [
    "long_lag",
    "long_lag_distracted",
    "long_lag_distracted_baseline",
    "long_lag_entropy",
    "long_lag_random",
    "two_sequence",
    "two_sequence_baseline",
    "two_sequence_error",
]


def long_lag(batch: int, p: int, rng: Seed) -> Batch:
    """The same p-1 symbols each time, between two x or two y: predict each next symbol.

    Parameters
    ----------
    batch, p
        Rows, and predictions in each; p ≥ 2. The paper: 4, 10, 100.
    rng
        A seed or a generator.

    Returns
    -------
    Batch
        xs (p, batch): symbols a₁ … a_{p-1} are 0 … p-2, x is p-1, y is p. targets (p, batch): the
        next symbol; the last target is the first symbol.

    Notes
    -----
    Hochreiter and Schmidhuber 1997, experiment 2a.

    Examples
    --------
    >>> xs, targets, *_ = long_lag(1, 4, rng=0)
    >>> xs[:, 0], targets[:, 0]
    (array([4, 0, 1, 2]), array([0, 1, 2, 4]))
    """
    return _framed("long_lag", batch, p, rng, random=False)


def long_lag_random(batch: int, p: int, rng: Seed) -> Batch:
    """As `long_lag`, but the p-1 symbols are drawn anew for each row; experiment 2b."""
    return _framed("long_lag_random", batch, p, rng, random=True)


def long_lag_entropy(p: int, *, random: bool = False, memory: bool = True) -> float:
    """Nats per prediction at best: ln(p-1) for each random symbol, ln 2 for a forgotten x or y."""
    return (random * (p - 1) * math.log(p - 1) + (not memory) * math.log(2)) / p


def long_lag_distracted(batch: int, q: int, p: int, rng: Seed) -> Batch:
    """b, then x or y, then at least q of p distractors, then e: was it x or y?

    Parameters
    ----------
    batch
        Rows.
    q, p
        The least number of distractors, and the number of different ones: q ≥ 0, p ≥ 1. The paper:
        50 … 1000 of each.
    rng
        A seed or a generator.

    Returns
    -------
    Batch
        xs (T, batch): distractors are 0 … p-1, e is p, b is p+1, x is p+2, y is p+3; padded with 0.
        targets (batch,): 0 for x, 1 for y, due at the e.

    Notes
    -----
    Hochreiter and Schmidhuber 1997, experiment 2c. After q distractors another one follows with
    probability 9/10, so a row with its answer has q + 13 symbols on average (the sum of the paper's
    terms; it states q + 14).
    """
    no_less("long_lag_distracted", 1, batch=batch)
    no_less("long_lag_distracted", 0, q=q)
    no_less("long_lag_distracted", 1, p=p)
    rng, rows = np.random.default_rng(rng), np.arange(batch)
    lengths = 3 + q + rng.geometric(0.1, size=batch) - 1
    xs = rng.integers(p, size=(lengths.max(), batch)) * within(lengths)
    targets = rng.integers(2, size=batch)
    xs[0], xs[1], xs[lengths - 1, rows] = p + 1, p + 2 + targets, p
    return Batch(xs, targets, lengths, ending(lengths))


def long_lag_distracted_baseline() -> float:
    """Nats without memory of the second symbol: ln 2."""
    return math.log(2)


def two_sequence(
    batch: int, T: int, rng: Seed, *, N: int = 3, variant: str = "a", dtype: DTypeLike = np.float64
) -> Batch:
    """The first N numbers are 1 or −1, all others noise: which was it?

    Parameters
    ----------
    batch, T
        Rows, and least length: each row has T to T + T//10 steps; T ≥ N.
    rng
        A seed or a generator.
    dtype
        Of numbers that are no integers.
    N
        How many numbers carry the answer, at least 1; the paper: 1 or 3.
    variant
        "a": as above, target 1 for 1 and 0 for −1. "b": the N numbers are noisy, too. "c": as "a",
        but the targets are .2 for 1 and .8 for −1, with noise of variance .1.

    Returns
    -------
    Batch
        xs (T', batch, 1), noise of variance .2. targets (batch, 1), due at the last step.

    Notes
    -----
    Hochreiter and Schmidhuber 1997, experiments 3a to 3c, after the latch of Bengio, Simard and
    Frasconi 1994. A row counts as right if the error is below .2 (c: below .1, without noise).
    """
    _known_variant("two_sequence", variant)
    no_less("two_sequence", 1, batch=batch)
    no_less("two_sequence", 1, N=N)
    no_less("two_sequence", N, T=T)
    rng = np.random.default_rng(rng)
    lengths = rng.integers(T, T + T // 10 + 1, size=batch)
    xs = rng.normal(0, 0.2**0.5, (lengths.max(), batch))
    sign = rng.choice([-1.0, 1.0], size=batch)
    xs[:N] = sign + (variant == "b") * xs[:N]
    targets = 0.5 - 0.3 * sign + rng.normal(0, 0.1**0.5, batch) if variant == "c" else sign > 0
    xs = np.where(within(lengths), xs, 0)[:, :, None]
    return Batch(xs, targets.astype(np.float64)[:, None], lengths, ending(lengths)).astype(dtype)


def two_sequence_baseline(variant: str = "a", *, memory: bool = False) -> float:
    """Mean squared error of `two_sequence` at best: 1/4 (c: .09 + .1) without memory; 0 (c: .1).

    Variant "b" with memory has no short formula; see `two_sequence_error`.

    Raises
    ------
    ValueError
        `variant` is unknown, or "b" with memory.
    """
    _known_variant("two_sequence_baseline", variant)
    if memory and variant == "b":
        raise ValueError(
            'two_sequence_baseline: for "b" with memory ask two_sequence_error(N): how often the '
            "noise turns the sign is known exactly, the squared error is not."
        )
    return (0.1 if variant == "c" else 0.0) + (not memory) * (0.09 if variant == "c" else 0.25)


def two_sequence_error(N: int) -> float:
    """Error rate of the best decision in variant "b": the sum of N numbers has the wrong sign.

    Examples
    --------
    >>> round(two_sequence_error(1), 5), round(two_sequence_error(3), 7)
    (0.01267, 5.38e-05)
    """
    return math.erfc((N / 0.2) ** 0.5 / 2**0.5) / 2


def _framed(task: str, batch: int, p: int, rng: Seed, *, random: bool) -> Batch:
    no_less(task, 1, batch=batch)
    no_less(task, 2, p=p)
    rng, symbols = np.random.default_rng(rng), np.empty((p + 1, batch), dtype=np.int64)
    symbols[0] = symbols[-1] = rng.integers(p - 1, p + 1, size=batch)
    symbols[1:-1] = rng.integers(p - 1, size=(p - 1, batch)) if random else np.c_[: p - 1]
    return Batch(symbols[:-1], symbols[1:], np.full(batch, p), np.ones((p, batch), dtype=bool))


def _known_variant(task: str, variant: str) -> None:
    if variant not in ("a", "b", "c"):
        raise ValueError(f'{task}: variant is "a", "b" or "c", got {variant!r}.')
