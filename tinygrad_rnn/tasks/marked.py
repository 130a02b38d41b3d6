"""Can a network add or multiply two marked numbers among many?"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.tasks.batch import Batch, Seed, ending, no_less, within

__all__ = [
    "adding",
    "adding_1997",
    "adding_1997_baseline",
    "adding_baseline",
    "multiplication",
    "multiplication_1997",
    "multiplication_1997_baseline",
    "multiplication_baseline",
]


def adding(batch: int, T: int, rng: Seed, *, dtype: DTypeLike = np.float64) -> Batch:
    """The sum of the two marked numbers; every number is drawn from U[0, 1).

    Parameters
    ----------
    batch, T
        Rows, and steps of each; T ≥ 2.
    rng
        A seed or a generator.
    dtype
        Of numbers that are no integers.

    Returns
    -------
    Batch
        xs (T, batch, 2): number and marker, 1 once in the first half and once in the second, else
        0. targets (batch, 1) in [0, 2), due at the last step.

    Notes
    -----
    Hochreiter and Schmidhuber 1997, experiment 4, in the form of Arjovsky, Shah and Bengio 2016.
    """
    xs, X1, X2 = _two_halves("adding", batch, T, rng)
    return _at_the_end(xs, X1 + X2, np.full(batch, T)).astype(dtype)


def adding_baseline(known: int = 0) -> float:
    """Mean squared error of the best answer to `adding` that knows `known` = 0, 1 or 2 numbers.

    Each unknown number adds its variance of 1/12: 1/6 for always answering 1. ValueError for
    another `known`.
    """
    if known not in (0, 1, 2):
        raise ValueError(f"adding_baseline: known is 0, 1 or 2 numbers, got {known}.")
    return (2 - known) / 12


def multiplication(batch: int, T: int, rng: Seed, *, dtype: DTypeLike = np.float64) -> Batch:
    """The product of the two marked numbers; otherwise as `adding`.

    targets (batch, 1) lie in [0, 1). Hochreiter and Schmidhuber 1997, experiment 5.
    """
    xs, X1, X2 = _two_halves("multiplication", batch, T, rng)
    return _at_the_end(xs, X1 * X2, np.full(batch, T)).astype(dtype)


def multiplication_baseline(known: int = 0) -> float:
    """Mean squared error of the best answer to `multiplication` that knows `known` numbers.

    Var(X₁X₂) = 1/9 − 1/16 = 7/144 for always answering 1/4; E[X₁²]/12 = 1/36 with X₁ known.
    ValueError unless `known` is 0, 1 or 2.
    """
    if known not in (0, 1, 2):
        raise ValueError(f"multiplication_baseline: known is 0, 1 or 2 numbers, got {known}.")
    return (7 / 144, 1 / 36, 0.0)[known]


def adding_1997(batch: int, T: int, rng: Seed, *, dtype: DTypeLike = np.float64) -> Batch:
    """Adding as it was first posed: numbers from U[-1, 1), answer .5 + (X₁ + X₂)/4.

    Parameters
    ----------
    batch, T
        Rows, and least length: each row has T to T + T//10 steps; T ≥ 11. The paper: 100 … 1000.
    rng
        A seed or a generator.
    dtype
        Of numbers that are no integers.

    Returns
    -------
    Batch
        xs (T', batch, 2): number and marker. The marker is −1 at the first and the last step, 1 at
        one of the first ten (X₁) and at one of the first T//2 − 1 others (X₂), else 0. If X₁ falls
        on the first step, whose marker stays −1, that number is 0. targets (batch, 1) in [0, 1).

    Notes
    -----
    Hochreiter and Schmidhuber 1997, experiment 4. A row counts as right if the error is below .04.
    X₂ is never the first step, which the paper leaves open.
    """
    xs, X1, X2, lengths = _of_1997("adding_1997", batch, T, rng, low=-1, neutral=0)
    return _at_the_end(xs, 0.5 + (X1 + X2) / 4, lengths).astype(dtype)


def adding_1997_baseline() -> float:
    """Mean squared error in `adding_1997` of always answering 1/2: 1.9/48, about .0396.

    (Var X₁ + Var X₂)/16 with Var = 1/3 each would be 1/24, but one time in ten X₁ is 0.
    """
    return (0.9 / 3 + 1 / 3) / 16


def multiplication_1997(batch: int, T: int, rng: Seed, *, dtype: DTypeLike = np.float64) -> Batch:
    """Multiplication as it was first posed: numbers from U[0, 1), answer X₁X₂.

    As `adding_1997`, but an X₁ that falls on the first step is 1. Experiment 5 of the same paper.
    """
    xs, X1, X2, lengths = _of_1997("multiplication_1997", batch, T, rng, low=0, neutral=1)
    return _at_the_end(xs, X1 * X2, lengths).astype(dtype)


def multiplication_1997_baseline() -> float:
    """Mean squared error in `multiplication_1997` of always answering the mean, .275: about .0577.

    One time in ten the answer is X₂ alone: E[y] = .1/2 + .9/4 and E[y²] = .1/3 + .9/9.
    """
    return 0.1 / 3 + 0.9 / 9 - (0.1 / 2 + 0.9 / 4) ** 2


def _two_halves(
    task: str, batch: int, T: int, rng: Seed
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    no_less(task, 1, batch=batch)
    no_less(task, 2, T=T)
    rng, rows = np.random.default_rng(rng), np.arange(batch)
    xs = np.stack([rng.random((T, batch)), np.zeros((T, batch))], axis=-1)
    first, second = rng.integers(T // 2, size=batch), rng.integers(T // 2, T, size=batch)
    xs[first, rows, 1] = xs[second, rows, 1] = 1
    return xs, xs[first, rows, 0], xs[second, rows, 0]


def _of_1997(
    task: str, batch: int, T: int, rng: Seed, low: float, neutral: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    no_less(task, 1, batch=batch)
    no_less(task, 11, T=T)
    rng, rows = np.random.default_rng(rng), np.arange(batch)
    lengths = rng.integers(T, T + T // 10 + 1, size=batch)
    xs = np.stack([rng.uniform(low, 1, (lengths.max(), batch)), np.zeros((lengths.max(), batch))])
    xs = np.where(within(lengths), xs, 0).transpose(1, 2, 0)
    first = rng.integers(10, size=batch)
    second = rng.integers(1, T // 2, size=batch)
    second += (first > 0) & (second >= first)  # step over the one that is marked already
    xs[first, rows, 1] = xs[second, rows, 1] = 1
    xs[0, :, 1] = xs[lengths - 1, rows, 1] = -1
    xs[0, first == 0, 0] = neutral
    return xs, xs[first, rows, 0], xs[second, rows, 0], lengths


def _at_the_end(xs: np.ndarray, answers: np.ndarray, lengths: np.ndarray) -> Batch:
    return Batch(xs, answers[:, None], lengths, ending(lengths))
