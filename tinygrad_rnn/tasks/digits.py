"""Can a network read a handwritten digit row by row?"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.tasks.batch import Batch, ending

__all__ = ["digits", "digits_baseline"]


def digits() -> Batch:
    """scikit-learn's 1797 images of 8 × 8 pixels, each a sequence of 8 rows from the top.

    Returns
    -------
    Batch
        xs (8, 1797, 8): darkness from 0 to 1. targets (1797,): 0 … 9, due at the last row.
        `Batch.take` picks some of them; the order is the data set's, by writers.

    Raises
    ------
    ModuleNotFoundError
        scikit-learn is not installed; the error says how to install it.

    Notes
    -----
    Alpaydin and Kaynak 1998, "Optical recognition of handwritten digits", UCI repository.
    """
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "digits: the images come with scikit-learn, which is not installed. "
            'Install it: pip install "scikit-learn>=1.5"',
            name=error.name,
        ) from error
    found: Any = load_digits()
    xs = np.asarray(found.images, dtype=np.float64).transpose(1, 0, 2) / 16
    targets = np.asarray(found.target, dtype=np.int64)
    lengths = np.full(len(targets), len(xs))
    return Batch(np.ascontiguousarray(xs), targets, lengths, ending(lengths))


def digits_baseline() -> float:
    """Share of right answers from always answering 3, the most frequent digit: 183 of 1797."""
    return 183 / 1797
