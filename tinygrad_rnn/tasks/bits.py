"""Can a network keep a parity, and add binary numbers?"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.tasks.batch import Batch, Seed, ending, no_less

__all__ = ["binary_addition", "binary_addition_baseline", "parity", "parity_baseline"]


def parity(
    batch: int, T: int, rng: Seed, *, every_step: bool = False, dtype: DTypeLike = np.float64
) -> Batch:
    """Is the number of ones odd?

    Parameters
    ----------
    batch, T
        Rows, and bits of each; T ≥ 1.
    rng
        A seed or a generator.
    dtype
        Of numbers that are no integers.
    every_step
        Whether the parity so far is due at every step, instead of once at the end.

    Returns
    -------
    Batch
        xs (T, batch, 1): 0.0 or 1.0. targets (batch,), or (T, batch) at every step: 1 if odd.

    Notes
    -----
    T-1 of the bits carry no information about the answer (Minsky and Papert 1969). Hochreiter and
    Schmidhuber 1996, "Bridging long time lags by weight guessing", solve it by guessing weights.
    """
    no_less("parity", 1, batch=batch)
    no_less("parity", 1, T=T)
    bits = np.random.default_rng(rng).integers(2, size=(T, batch))
    so_far, lengths = bits.cumsum(axis=0) % 2, np.full(batch, T)
    xs = bits[:, :, None].astype(np.float64)
    if every_step:
        return Batch(xs, so_far, lengths, np.ones((T, batch), dtype=bool)).astype(dtype)
    return Batch(xs, so_far[-1], lengths, ending(lengths)).astype(dtype)


def parity_baseline() -> float:
    """Nats per answer if even one bit is unknown: ln 2, and half of the answers are wrong."""
    return math.log(2)


def binary_addition(batch: int, bits: int, rng: Seed, *, dtype: DTypeLike = np.float64) -> Batch:
    """The sum of two numbers that come in bit by bit, least significant first.

    Parameters
    ----------
    batch, bits
        Rows, and bits of each number; bits ≥ 1.
    rng
        A seed or a generator.
    dtype
        Of numbers that are no integers.

    Returns
    -------
    Batch
        xs (bits + 1, batch, 2): a bit of each number, zeros at the last step. targets
        (bits + 1, batch): the bits of the sum.

    Examples
    --------
    >>> xs, targets, *_ = binary_addition(1, 3, rng=5)
    >>> xs[:, 0].T, targets[:, 0]  # 1 + 7 = 8
    (array([[1., 0., 0., 0.],
           [1., 1., 1., 0.]]), array([0, 0, 0, 1]))
    """
    no_less("binary_addition", 1, batch=batch)
    no_less("binary_addition", 1, bits=bits)
    numbers = np.random.default_rng(rng).integers(2, size=(bits, batch, 2))
    xs = np.concatenate([numbers, np.zeros((1, batch, 2), dtype=numbers.dtype)])
    targets, carry = np.empty((bits + 1, batch), dtype=np.int64), 0
    for t in range(bits + 1):
        carry, targets[t] = divmod(xs[t].sum(axis=-1) + carry, 2)
    mask = np.ones((bits + 1, batch), dtype=bool)
    return Batch(xs.astype(np.float64), targets, np.full(batch, bits + 1), mask).astype(dtype)


def binary_addition_baseline(bits: int) -> float:
    """Nats per bit given the two bits of a step, but not the carry.

    After t steps there is a carry with probability (1 − 2⁻ᵗ)/2.
    """
    chances = [(1 - 2.0**-t) / 2 for t in range(1, bits + 1)]
    nats = sum(-p * math.log(p) - (1 - p) * math.log(1 - p) for p in chances)
    return nats / (bits + 1)
