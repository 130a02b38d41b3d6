"""What do longer sequences cost, and are they still solved?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.measure.arguments import is_whole
from tinygrad_rnn.measure.cost import cost
from tinygrad_rnn.measure.results import Table

__all__ = ["BytesByLength", "SuccessByLength", "bytes_by_length", "success_by_length"]


@dataclass(frozen=True, eq=False, repr=False)
class BytesByLength(Table):
    """The memory that a record keeps for the way back.

    Attributes
    ----------
    lengths
        T, (N,).
    bytes, nodes
        Of the whole record of each, (N,), see `measure.cost`.
    """

    lengths: np.ndarray
    bytes: np.ndarray
    nodes: np.ndarray

    def columns(self) -> dict[str, Any]:
        """One row per length."""
        return {"T": self.lengths, "bytes": self.bytes, "nodes": self.nodes}


@dataclass(frozen=True, eq=False, repr=False)
class SuccessByLength(Table):
    """The share of trials that succeeded.

    Attributes
    ----------
    lengths, trials
        T, and how many trials of that length, (N,).
    share
        How many of them succeeded, 0 to 1, (N,).
    low, high
        Between which the share of infinitely many would lie with 95 % confidence (Wilson 1927),
        (N,).
    """

    lengths: np.ndarray
    trials: np.ndarray
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def columns(self) -> dict[str, Any]:
        """One row per length."""
        return {
            "T": self.lengths,
            "trials": self.trials,
            "share": self.share,
            "low": self.low,
            "high": self.high,
        }


def bytes_by_length(loss: Callable[[int], Tensor], lengths: Iterable[int]) -> BytesByLength:
    """The bytes and nodes of the record of ``loss(T)``, for each T.

    Each record is dropped before the next is made.

    Parameters
    ----------
    loss
        Records T steps and gives the loss, or the outputs.
    lengths
        Which T, whole numbers from 1.

    Raises
    ------
    TypeError, ValueError
        `loss` is no function, there is no length, or one is no whole number from 1.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> cell = nn.RNNCell(2, 3, rng=0)
    >>> found = bytes_by_length(lambda T: nn.unroll(cell, np.ones((T, 1, 2)))[0][-1], [10, 20])
    >>> (found.bytes[1] / found.bytes[0]).round(1)
    np.float64(2.0)
    """
    if not callable(loss):
        raise TypeError(
            f"bytes_by_length: expected a function of T that gives a loss, got "
            f"{type(loss).__name__}."
        )
    chosen = list(lengths)
    if not chosen or not all(is_whole(T) and T >= 1 for T in chosen):
        raise ValueError(f"bytes_by_length: lengths are whole numbers from 1, got {chosen}.")
    found = []
    for T in chosen:
        rows = cost(loss(T))
        found.append([sum(int(r.bytes.sum()) for r in rows), sum(int(r.nodes.sum()) for r in rows)])
    return BytesByLength(np.array(chosen), *np.array(found).T)


def success_by_length(trials: Mapping[int, Any]) -> SuccessByLength:
    """The share of successes for each length, and how sure it is.

    Parameters
    ----------
    trials
        By length T the trials, True where one succeeded: ``{10: [True, True], 20: [True, False]}``.

    Raises
    ------
    ValueError
        There are no trials, or one is neither True nor False (nor 1 nor 0).

    Examples
    --------
    >>> found = success_by_length({10: [True] * 8, 20: [True, False]})
    >>> found.share, found.low.round(2)
    (array([1. , 0.5]), array([0.68, 0.09]))
    """
    if not isinstance(trials, Mapping) or not trials:
        raise ValueError(
            "success_by_length: expected trials by length, {10: [True, False, …], 20: …}, got "
            f"{'an empty dict' if isinstance(trials, Mapping) else type(trials).__name__}."
        )
    rows = []
    for T in sorted(trials):
        won = np.atleast_1d(np.asarray(trials[T]))
        if won.ndim != 1 or not won.size or not np.isin(won, (0, 1)).all():
            raise ValueError(
                f"success_by_length: at T = {T} expected a row of True and False, got "
                f"{trials[T]!r}."
            )
        rows.append((T, won.size, won.mean(), *_wilson(float(won.mean()), won.size)))
    T, count, share, low, high = np.array(rows, dtype=float).T
    return SuccessByLength(T.astype(int), count.astype(int), share, low, high)


def _wilson(share: float, n: int, z: float = 1.96) -> tuple[float, float]:
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)
