"""Can a network count, as aⁿbⁿ and aⁿbⁿcⁿ require?"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_rnn.tasks.batch import Batch, Seed, no_less, one_hot, pad, within

__all__ = ["an_bn", "an_bn_cn", "counting_entropy", "counting_symbols"]


def counting_symbols(letters: int) -> str:
    """The symbol of each number: S for the start, the letters, and T for the end.

    Examples
    --------
    >>> counting_symbols(2), counting_symbols(3)
    ('SabT', 'SabcT')
    """
    return "S" + "abcdefgh"[:letters] + "T"


def an_bn(batch: int, rng: Seed, *, n: tuple[int, int] = (1, 10)) -> Batch:
    """Strings S aⁿ bⁿ T: predict each next symbol.

    Parameters
    ----------
    batch
        Rows.
    rng
        A seed or a generator.
    n
        The least and the greatest n, at least 1; n is uniform between them.

    Returns
    -------
    Batch
        xs (T, batch), T = 2 n + 1 of the longest: S aⁿ bⁿ as numbers in "SabT". targets (T, batch):
        aⁿ bⁿ T. legal (T, batch, 4): after S an a; after an a either a or b; after a b it is
        certain. Padded with 0 and False.

    Notes
    -----
    Gers and Schmidhuber 2001, "LSTM recurrent networks learn simple context-free and
    context-sensitive languages": train on n = 1 … 10, test far beyond. A string counts as right if
    at every step exactly the legal successors are predicted.

    Examples
    --------
    >>> xs, targets, *_ = an_bn(1, rng=0, n=(2, 2))
    >>> xs[:, 0], targets[:, 0]
    (array([0, 1, 1, 2, 2]), array([1, 1, 2, 2, 3]))
    """
    return _counting("an_bn", batch, rng, n, letters=2)


def an_bn_cn(batch: int, rng: Seed, *, n: tuple[int, int] = (1, 10)) -> Batch:
    """Strings S aⁿ bⁿ cⁿ T, as in `an_bn`: T = 3 n + 1, numbers in "SabcT", legal (T, batch, 5)."""
    return _counting("an_bn_cn", batch, rng, n, letters=3)


def counting_entropy(letters: int = 2, *, n: tuple[int, int] = (1, 10)) -> float:
    """Nats per symbol at best, by counting: only n is unknown, ln(choices of n) nats per string.

    Examples
    --------
    >>> counting_entropy() == math.log(10) / 12  # 2 · 5.5 + 1 symbols on average
    True
    """
    least, greatest = _range("counting_entropy", n)
    return math.log(greatest - least + 1) / (letters * (least + greatest) / 2 + 1)


def _counting(task: str, batch: int, rng: Seed, n: tuple[int, int], *, letters: int) -> Batch:
    no_less(task, 1, batch=batch)
    least, greatest = _range(task, n)
    S, a, b, T = 0, 1, 2, letters + 1
    ns = np.random.default_rng(rng).integers(least, greatest + 1, size=batch)
    rows = [np.array([S, *np.repeat(np.arange(a, T), k), T]) for k in ns]
    xs, lengths = pad([row[:-1] for row in rows])
    targets, _ = pad([row[1:] for row in rows])
    legal = one_hot(targets, T + 1, bool)
    legal[xs == a, a] = legal[xs == a, b] = True
    mask = within(lengths)
    return Batch(xs, targets, lengths, mask, legal & mask[:, :, None])


def _range(task: str, n: tuple[int, int]) -> tuple[int, int]:
    if not isinstance(n, (tuple, list)) or len(n) != 2:
        raise TypeError(f"{task}: n is a pair, the least and the greatest; got {n!r}.")
    no_less(task, 1, least_n=n[0])
    no_less(task, n[0], greatest_n=n[1])
    return n[0], n[1]
