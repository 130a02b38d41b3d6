"""What is a batch, and how do rows of unequal length become one?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias, overload

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.border import as_array

__all__ = ["Batch", "Seed", "ending", "no_less", "one_hot", "pad", "within"]

# A seed gives the same arrays at every call, a generator goes on. In quotes, because NumPy loads
# its generators on first use.
Seed: TypeAlias = "int | np.random.Generator"


class Batch(NamedTuple):
    """The arrays of a task, time first.

    Rows shorter than the longest are padded at their end; padding does not count.

    Attributes
    ----------
    xs
        Inputs: numbers of shape (T, batch, features), or symbols, integers of shape (T, batch).
    targets
        One answer per step, shape (T, batch) for classes and (T, batch, outputs) for numbers; or
        one per row, due at its end, shape (batch,) for classes and (batch, outputs) for numbers.
    lengths
        The number of steps of each row without padding, integers of shape (batch,).
    mask
        The steps at which an answer is due, booleans of shape (T, batch).
    legal
        For grammars the symbols that may come next, booleans (T, batch, symbols); otherwise None.
    """

    xs: np.ndarray
    targets: np.ndarray
    lengths: np.ndarray
    mask: np.ndarray
    legal: np.ndarray | None = None

    @property
    def per_step(self) -> bool:
        """True if there is a target for every step, instead of one for every row."""
        return self.targets.ndim == (3 if self.targets.dtype.kind == "f" else 2)

    def astype(self, dtype: DTypeLike) -> Batch:
        """The batch with floating-point xs and targets in `dtype`; integers and masks are kept."""
        xs, targets = (
            a.astype(dtype) if a.dtype.kind == "f" else a for a in (self.xs, self.targets)
        )
        return self._replace(xs=xs, targets=targets)

    def pad(self, *, multiple: int) -> Batch:
        """The batch with T rounded up to a multiple, so that batches have fewer lengths.

        The new steps are zeros and padding of every row; `lengths` do not change.

        Raises
        ------
        TypeError, ValueError
            `multiple` is not an integer, or less than 1.

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
        """A batch of some of the rows: `rows` is a slice, a mask or an array of integers.

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


@overload
def one_hot(symbols: Batch, size: int, dtype: DTypeLike = np.float64) -> Batch: ...
@overload
def one_hot(symbols: Any, size: int, dtype: DTypeLike = np.float64) -> np.ndarray: ...
def one_hot(symbols: Any, size: int, dtype: DTypeLike = np.float64) -> Any:
    """A row of the identity matrix for each symbol: from integers (…) in 0 … size-1 to (…, size).

    Of a `Batch`, its inputs are replaced.

    Raises
    ------
    TypeError, ValueError
        Symbols are not integers, or lie outside 0 … size-1.

    Examples
    --------
    >>> one_hot(np.array([2, 0]), 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    if isinstance(symbols, Batch):
        return symbols._replace(xs=one_hot(symbols.xs, size, dtype))
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
    """Booleans (T, batch): is this step not padding?"""
    return np.arange(lengths.max())[:, None] < lengths


def ending(lengths: np.ndarray) -> np.ndarray:
    """Booleans (T, batch): is this the row's last step?"""
    return np.arange(lengths.max())[:, None] == lengths - 1


def no_less(task: str, least: int, **size: int) -> None:
    """TypeError for a size that is not an integer, ValueError for one below `least`."""
    ((name, value),) = size.items()
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{task}: {name} is an integer, got {value!r}.")
    if value < least:
        raise ValueError(f"{task}: {name} = {value} is too small; the smallest allowed is {least}.")
