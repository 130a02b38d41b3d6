"""What is a batch, and how do rows of unequal length become one?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.border import as_array

__all__ = ["Batch", "Seed", "ending", "no_less", "one_hot", "pad", "within"]

# A seed, or the generator itself: the same seed gives the same arrays, a generator goes on.
# In quotes, because NumPy loads its generators when first asked for them.
Seed: TypeAlias = "int | np.random.Generator"


class Batch(NamedTuple):
    """What every task hands out: arrays, time first.

    Rows shorter than the longest are filled up at their end; what is there counts for nothing.

    Attributes
    ----------
    xs
        Inputs: numbers of shape (T, batch, features), or symbols, integers of shape (T, batch).
    targets
        One answer per step, shape (T, batch) for classes and (T, batch, outputs) for numbers; or
        one per row, shape (batch,) for classes and (batch, outputs) for numbers, due at its end.
    lengths
        How many steps each row really has, integers of shape (batch,).
    mask
        Where an answer is due, booleans of shape (T, batch).
    legal
        For grammars, else None: which symbols may come next, booleans (T, batch, symbols).
    """

    xs: np.ndarray
    targets: np.ndarray
    lengths: np.ndarray
    mask: np.ndarray
    legal: np.ndarray | None = None

    @property
    def per_step(self) -> bool:
        """Is there a target for every step, not one for every row?"""
        return self.targets.ndim == (3 if self.targets.dtype.kind == "f" else 2)

    def astype(self, dtype: DTypeLike) -> Batch:
        """The same with floating-point xs and targets in `dtype`; symbols, classes, masks stay."""
        xs, targets = (
            a.astype(dtype) if a.dtype.kind == "f" else a for a in (self.xs, self.targets)
        )
        return self._replace(xs=xs, targets=targets)

    def pad(self, *, multiple: int) -> Batch:
        """The same with T rounded up to a multiple, so that batches have fewer lengths.

        The new steps are zeros, no row's own, and no answer is due there; `lengths` stay.

        Raises
        ------
        TypeError, ValueError
            `multiple` is no integer, or less than 1.

        Examples
        --------
        >>> from tinygrad_rnn.tasks import copy_memory
        >>> batch = copy_memory(5, 3, rng=0)
        >>> batch.xs.shape, batch.pad(multiple=10).xs.shape
        ((23, 5), (30, 5))
        """
        no_less("Batch.pad", 1, multiple=multiple)
        more = -len(self.mask) % multiple

        def longer(x: np.ndarray) -> np.ndarray:
            return np.concatenate((x, np.zeros((more, *x.shape[1:]), x.dtype)))

        return Batch(
            longer(self.xs),
            longer(self.targets) if self.per_step else self.targets,
            self.lengths,
            longer(self.mask),
            None if self.legal is None else longer(self.legal),
        )

    def take(self, rows: Any) -> Batch:
        """Some of the rows: `rows` is a slice, a mask or an array of integers.

        Examples
        --------
        >>> from tinygrad_rnn.tasks import copy_memory
        >>> copy_memory(5, 3, rng=0).take(slice(0, 2)).xs.shape
        (23, 2)
        """
        return Batch(
            self.xs[:, rows],
            self.targets[:, rows] if self.per_step else self.targets[rows],
            self.lengths[rows],
            self.mask[:, rows],
            None if self.legal is None else self.legal[:, rows],
        )


def one_hot(symbols: np.ndarray, size: int, dtype: DTypeLike = np.float64) -> np.ndarray:
    """A row of the identity for each symbol: from integers (…) in 0 … size-1 to (…, size).

    Examples
    --------
    >>> one_hot(np.array([2, 0]), 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    symbols = as_array(symbols, "one_hot")
    if symbols.dtype.kind not in "iu":
        raise TypeError(f"one_hot: symbols are integers, got dtype {symbols.dtype}.")
    if symbols.size and (symbols.min() < 0 or symbols.max() >= size):
        raise ValueError(
            f"one_hot: symbols must lie in 0 … {size - 1}, got {symbols.min()} … {symbols.max()}. "
            "Pass the size of the whole alphabet."
        )
    return np.eye(size, dtype=dtype)[symbols]


def pad(rows: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of shape (length, …) side by side, zeros at their ends: (T, batch, …), and lengths."""
    rows = [as_array(row, "pad") for row in rows]
    lengths = np.array([len(row) for row in rows])
    padded = np.zeros((lengths.max(), len(rows), *rows[0].shape[1:]), dtype=rows[0].dtype)
    for k, row in enumerate(rows):
        padded[: len(row), k] = row
    return padded, lengths


def within(lengths: np.ndarray) -> np.ndarray:
    """Booleans (T, batch): is this step one of the row's own, not one of the filling?"""
    return np.arange(lengths.max())[:, None] < lengths


def ending(lengths: np.ndarray) -> np.ndarray:
    """Booleans (T, batch): is this the row's last step?"""
    return np.arange(lengths.max())[:, None] == lengths - 1


def no_less(task: str, least: int, **size: int) -> None:
    """Refuse a size that is no integer, or below the least for which the task makes sense."""
    ((name, value),) = size.items()
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{task}: {name} is an integer, got {value!r}.")
    if value < least:
        raise ValueError(f"{task}: {name} = {value} is too small; the smallest allowed is {least}.")
