"""Can a network repeat ten symbols after T empty steps?"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_rnn.tasks.batch import Batch, Seed, no_less

__all__ = ["copy_memory", "copy_memory_baseline"]


def copy_memory(batch: int, T: int, rng: Seed, *, symbols: int = 8, items: int = 10) -> Batch:
    """Read `items` symbols, wait, and repeat them after a signal.

    Parameters
    ----------
    batch, T
        Rows, and steps from the last item to the signal; T ≥ 1.
    rng
        A seed or a generator.
    symbols, items
        The number of different symbols, and the number to remember; at least 1.

    Returns
    -------
    Batch
        xs (T + 2 items, batch): symbols 0 … symbols-1, the blank `symbols` and the signal
        `symbols` + 1. targets, of the same shape: blanks, and at the last `items` steps the items.

    Notes
    -----
    Hochreiter and Schmidhuber 1997 in spirit; this form by Arjovsky, Shah and Bengio 2016.

    Examples
    --------
    >>> xs, targets, *_ = copy_memory(1, 3, rng=0, symbols=2, items=2)
    >>> xs[:, 0], targets[:, 0]
    (array([1, 1, 2, 2, 3, 2, 2]), array([2, 2, 2, 2, 2, 1, 1]))
    """
    for name, size in (("batch", batch), ("T", T), ("symbols", symbols), ("items", items)):
        no_less("copy_memory", 1, **{name: size})
    rng = np.random.default_rng(rng)
    xs = np.full((T + 2 * items, batch), symbols)
    targets = xs.copy()
    xs[:items] = targets[-items:] = rng.integers(symbols, size=(items, batch))
    xs[items + T - 1] = symbols + 1
    return Batch(xs, targets, np.full(batch, len(xs)), np.ones(xs.shape, dtype=bool))


def copy_memory_baseline(T: int, *, symbols: int = 8, items: int = 10) -> float:
    """Nats per step without memory: blanks are certain, symbols are guessed: 10 ln 8 / (T + 20).

    Examples
    --------
    >>> [round(copy_memory_baseline(T), 5) for T in (100, 200, 300, 500, 1000)]
    [0.17329, 0.09452, 0.06498, 0.03999, 0.02039]
    """
    return items * math.log(symbols) / (T + 2 * items)
