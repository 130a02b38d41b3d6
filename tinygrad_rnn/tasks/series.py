"""How is a series of measurements read, cut into questions, and what must a forecast beat?"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from importlib.resources import as_file, files
from itertools import chain
from os import PathLike

import numpy as np

from tinygrad_rnn.tasks.batch import Batch, ending, no_less
from tinygrad_rnn.tasks.text import read_text

__all__ = ["persistence", "read_column", "split", "sunspots", "windows"]


def sunspots() -> tuple[np.ndarray, np.ndarray]:
    """The mean number of sunspots of each year from 1700 to 2008: years (309,), numbers (309,).

    The international sunspot number of the World Data Center SILSO as it was before its revision
    in 2015, in the public domain; the file beside this one names the way it came.

    Examples
    --------
    >>> years, numbers = sunspots()
    >>> int(years[numbers.argmax()]), float(numbers.max())
    (1957, 190.2)
    """
    with as_file(files("tinygrad_rnn.tasks") / "data" / "sunspots.csv") as path:
        return read_column(path, "year").astype(np.int64), read_column(path, "sunspots")


def read_column(
    path: str | PathLike[str],
    column: str | int,
    *,
    header: bool = True,
    delimiter: str = ",",
    encoding: str = "utf-8",
) -> np.ndarray:
    """One column of a CSV file as float64, shape (rows,).

    Parameters
    ----------
    path
        The file. Blank lines and lines that begin with # are passed over.
    column
        The name of the column, or its number, counted from 0.
    header
        Whether the first line names the columns; if not, `column` is a number.
    delimiter, encoding
        What separates the cells, and how the file is written.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        There is no such file, or it is a folder.
    ValueError
        It is no text or empty, has no such column (or two of that name) or no rows, or a cell is
        missing or not a finite number: says in which line.
    """
    if len(delimiter) != 1:
        raise ValueError(f"read_column: delimiter is one character, got {delimiter!r}.")
    rows = _rows(path, read_text(path, encoding=encoding, min_lines=1), delimiter)
    first = next(rows, (0, [""]))
    names = first[1]
    if not header:
        rows = chain([first], rows)
    elif isinstance(column, int) and all(math.isfinite(_float(name)) for name in names):
        raise ValueError(
            f"read_column: {path} begins with numbers, {', '.join(names)}, not with names. If they "
            "belong to the data, pass header=False; else call the column by its name."
        )
    if isinstance(column, str) and names.count(column) > 1:
        raise ValueError(
            f"read_column: {path} has two columns {column!r}. Pass the number of the one you mean, "
            "counted from 0."
        )
    place = column if isinstance(column, int) else _place(names if header else [], column)
    if not 0 <= place < len(names):
        others = [mark for mark in ";\t,|" if mark != delimiter and mark in names[0]]
        hint = f" Is there another delimiter? Try delimiter={others[0]!r}." if others else ""
        raise ValueError(
            f"read_column: {path} has no column {column!r}; it has {len(names)}: "
            f"{', '.join(map(repr, names))}.{hint}"
        )
    numbers = []
    for line, row in rows:
        if place >= len(row):
            raise ValueError(
                f"read_column: {path}, line {line}: expected {len(names)} cells, found {len(row)}. "
                f"Column {column!r} is missing there."
            )
        numbers.append(_number(row[place], f"{path}, line {line}, column {column!r}"))
    if not numbers:
        raise ValueError(f"read_column: {path} has names of columns but no rows below them.")
    return np.array(numbers)


def split(values: np.ndarray, train: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """The first part to learn from and the rest to test on, in the order of time.

    Shuffling first would let a network see the years on both sides of those it is asked about.
    """
    cut = round(len(values) * train)
    if not 0 < cut < len(values):
        raise ValueError(
            f"split: {train} of {len(values)} values leaves {cut} and {len(values) - cut}; "
            "expected at least one on each side."
        )
    return values[:cut], values[cut:]


def windows(values: np.ndarray, steps: int, *, horizon: int = 1) -> Batch:
    """Every stretch of `steps` values, and the `horizon` values that follow it.

    Parameters
    ----------
    values
        Numbers of shape (N,), N ≥ steps + horizon.
    steps, horizon
        How many values are seen, and how many are asked for.

    Returns
    -------
    Batch
        xs (steps, windows, 1) and targets (windows, horizon), windows = N − steps − horizon + 1, in
        the order of time. Split the series before cutting it, so that no window looks across.

    Examples
    --------
    >>> batch = windows(np.arange(5.0), 3)
    >>> batch.xs[:, 1, 0], batch.targets[1]
    (array([1., 2., 3.]), array([4.]))
    """
    no_less("windows", 1, steps=steps)
    no_less("windows", 1, horizon=horizon)
    _long_enough("windows", values, steps + horizon)
    views = np.lib.stride_tricks.sliding_window_view(np.asarray(values, float), steps + horizon)
    lengths = np.full(len(views), steps)
    return Batch(
        views[:, :steps].T[:, :, None].copy(), views[:, steps:].copy(), lengths, ending(lengths)
    )


def persistence(values: np.ndarray, *, horizon: int = 1) -> float:
    """Mean squared error of "as it was `horizon` steps ago": what every forecast has to beat.

    For a random walk nothing beats it: `horizon` times the variance of a step.
    """
    no_less("persistence", 1, horizon=horizon)
    _long_enough("persistence", values, 1 + horizon)
    values = np.asarray(values, float)
    return float(np.mean((values[horizon:] - values[:-horizon]) ** 2))


def _long_enough(task: str, values: np.ndarray, least: int) -> None:
    kind = getattr(values, "dtype", np.asarray(values).dtype)
    if kind.kind not in "fiub":
        raise TypeError(
            f"{task}: expected real numbers, got {kind}. Pass values.astype(float) if that is what "
            "they mean."
        )
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(
            f"{task}: got a masked array, of which nothing here knows the mask. Fill the gaps, or "
            "cut the series at them."
        )
    if np.ndim(values) != 1 or len(values) < least:
        raise ValueError(
            f"{task}: expected one series of at least {least} values, got shape {np.shape(values)}."
        )


def _rows(path: str | PathLike[str], text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(text.split("\n"), delimiter=delimiter, skipinitialspace=True)
    try:
        for row in reader:
            if any(cell.strip() for cell in row) and not row[0].startswith("#"):
                yield reader.line_num, [cell.strip() for cell in row]
    except csv.Error as error:
        raise ValueError(
            f"read_column: {path}, up to line {reader.line_num}: {error}. Is a quotation mark "
            "opened and never closed?"
        ) from error


def _place(names: list[str], column: str) -> int:
    return names.index(column) if column in names else -1


def _float(cell: str) -> float:
    """The number in a cell, NaN for none; 1_000, which Python would read, is none."""
    try:
        return math.nan if "_" in cell else float(cell)
    except ValueError:
        return math.nan


def _number(cell: str, where: str) -> float:
    number = _float(cell)
    if not math.isfinite(number):
        found = cell if len(cell) <= 40 else f"{cell[:37]}..."
        how = "" if cell else " Fill the gap, or leave the line out."
        if "," in cell:
            how = " Write decimals with a point, and thousands without comma."
        raise ValueError(f"read_column: {where}: expected a finite number, found {found!r}.{how}")
    return number
