"""In what form do numbers come out? As arrays with names, and as a CSV file."""

from __future__ import annotations

import csv
import html
import io
import itertools
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn.files import replacing

__all__ = ["Brief", "Table", "Tables", "brief", "to_csv"]

FEW, LONG, SHOWN = 6, 80, 8  # things and letters in a `repr`, rows in a notebook


def brief(x: Any) -> str:
    """The size of something where all of it would be too long to read: ``array(20, 4)``."""
    if isinstance(x, np.ndarray):
        few = x.ndim < 2 and x.size <= FEW
        return np.array2string(x, precision=4) if few else f"array{x.shape}"
    if isinstance(x, Mapping):
        words = [f"{key}: {brief(value)}" for key, value in itertools.islice(x.items(), FEW)]
        return f"{{{', '.join([*words, *(['…'] * (len(x) > FEW))])}}}"
    if isinstance(x, Sequence) and not isinstance(x, str):
        many = len(x) > FEW
        return f"{len(x)} × {type(x[0]).__name__}" if many else f"[{', '.join(map(brief, x))}]"
    text = repr(x)
    short = isinstance(x, Brief) or (len(text) <= LONG and "\n" not in text)
    return text if short else type(x).__name__


class Brief:
    """Base of what is too long to be read whole: its `repr` says how much there is of what."""

    __slots__ = ()

    def __repr__(self) -> str:
        names = [f.name for f in fields(self)] if is_dataclass(self) else list(vars(self))
        words = [f"{name}={brief(getattr(self, name))}" for name in names]
        return f"{type(self).__name__}({', '.join(words)})"


class Table(Brief, ABC):
    """Base of all results: `columns` in long form, one row per number, and `csv`."""

    @abstractmethod
    def columns(self) -> dict[str, Sequence[Any] | np.ndarray]:
        """Columns of equal length by name."""

    def csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the columns as CSV, whole or not at all; gives the path."""
        return to_csv(path, self.columns())

    def _repr_html_(self) -> str:
        """The first rows, for a notebook."""
        columns = {name: np.asarray(column).tolist() for name, column in self.columns().items()}
        rows = list(zip(*columns.values(), strict=True))
        head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_cell(x))}</td>" for x in row) + "</tr>"
            for row in rows[:SHOWN]
        )
        more = f"<p>… {len(rows) - SHOWN:,} more rows: .columns(), .csv(path)</p>"
        return (
            f"<p><code>{type(self).__name__}</code></p><table><tr>{head}</tr>{body}</table>"
            f"{more if len(rows) > SHOWN else ''}"
        )


class Tables(Table):
    """Several results by title, and as one table with a column, ``panel``, that says which.

    Attributes
    ----------
    each
        The results by title.
    """

    def __init__(self, each: Mapping[str, Table]) -> None:
        self.each = dict(each)

    def columns(self) -> dict[str, Any]:
        """All rows of all; a column that one lacks is empty there."""
        joined: dict[str, list[Any]] = {}
        tables = {title: table.columns() for title, table in self.each.items()}
        names = dict.fromkeys(name for table in tables.values() for name in table)
        for title, table in tables.items():
            length = len(next(iter(table.values())))
            joined.setdefault("panel", []).extend([title] * length)
            for name in names:
                column = table.get(name, [""] * length)
                joined.setdefault(name, []).extend(np.asarray(column).tolist())
        return joined


def _cell(x: Any) -> str:
    return f"{x:.4g}" if isinstance(x, float) else "" if x is None else str(x)


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
