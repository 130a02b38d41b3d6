"""In what form do numbers come out? As arrays with names, and as a CSV file."""

from __future__ import annotations

import csv
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn.files import replacing

__all__ = ["Table", "to_csv"]


class Table(ABC):
    """Base of all results: `columns` in long form, one row per number, and `csv`."""

    @abstractmethod
    def columns(self) -> dict[str, Sequence[Any] | np.ndarray]:
        """Columns of equal length by name."""

    def csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the columns as CSV, whole or not at all; gives the path."""
        return to_csv(path, self.columns())


def to_csv(path: str | os.PathLike[str], columns: Mapping[str, Sequence[Any] | np.ndarray]) -> Path:
    """Write columns as CSV, numbers to the last digit that counts.

    Parameters
    ----------
    path
        The file, a new one or a regular one; no reader sees half of it.
    columns
        Arrays or lists of equal length, by name.

    Raises
    ------
    ValueError
        The columns differ in length.
    OSError
        The file cannot be written.
    """
    path = Path(path)
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"to_csv: expected columns of one length, got {lengths}.")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(np.asarray(c).tolist() for c in columns.values()), strict=True))
    with replacing(path, "to_csv") as file:
        file.write(text.getvalue().encode())
    return path
