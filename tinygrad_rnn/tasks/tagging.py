"""When does a network provably need both directions?"""

from __future__ import annotations

import numpy as np

from tinygrad_rnn.tasks.batch import Batch, Seed, no_less

__all__ = ["tagging", "tagging_accuracy"]


def tagging(batch: int, T: int, rng: Seed, *, symbols: int = 3, distance: int = 1) -> Batch:
    """Tag each symbol with the sum, modulo `symbols`, of the ones before and after it.

    Parameters
    ----------
    batch, T
        Rows, and steps of each; T ≥ distance + 1.
    rng
        A seed or a generator.
    symbols, distance
        The number of different symbols, at least 2, and the distance of the two in steps, at least
        1. Beyond the ends there are zeros.

    Returns
    -------
    Batch
        xs (T, batch): symbols 0 … symbols-1. targets (T, batch): tags 0 … symbols-1.

    Notes
    -----
    A network that reads from left to right, however large, has not seen the second symbol of the
    sum, and without it every tag is equally likely: `tagging_accuracy` says how well it can guess.

    Examples
    --------
    >>> xs, tags, *_ = tagging(1, 5, rng=0)
    >>> xs[:, 0], tags[:, 0]
    (array([2, 1, 1, 0, 0]), array([1, 0, 1, 1, 0]))
    """
    no_less("tagging", 1, batch=batch)
    no_less("tagging", 2, symbols=symbols)
    no_less("tagging", 1, distance=distance)
    no_less("tagging", distance + 1, T=T)
    xs = np.random.default_rng(rng).integers(symbols, size=(T, batch))
    targets = np.zeros((T, batch), dtype=np.int64)
    targets[distance:] += xs[:-distance]
    targets[:-distance] += xs[distance:]
    return Batch(xs, targets % symbols, np.full(batch, T), np.ones((T, batch), dtype=bool))


def tagging_accuracy(T: int, *, sees: str, symbols: int = 3, distance: int = 1) -> float:
    """Share of right tags at best, for a network that `sees` the "past", the "future" or "both".

    With one direction, T − distance tags are guessed, and one in `symbols` is right; at the other
    `distance` steps the missing symbol lies beyond the end.

    Examples
    --------
    >>> tagging_accuracy(10, sees="both"), round(tagging_accuracy(10, sees="past"), 3)
    (1.0, 0.4)
    """
    if sees not in ("past", "future", "both"):
        raise ValueError(f'tagging_accuracy: sees is "past", "future" or "both", got {sees!r}.')
    no_less("tagging_accuracy", distance + 1, T=T)
    return 1.0 if sees == "both" else ((T - distance) / symbols + distance) / T
