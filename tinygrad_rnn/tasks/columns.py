"""How is a column of a CSV file read, without ever misreading a number?"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from os import PathLike

import numpy as np

from tinygrad_rnn.tasks.numerals import MISSING, check_points, is_data, marks_of, number_in
from tinygrad_rnn.tasks.text import read_text

__all__ = ["read_column"]

# A spreadsheet writes such a word into a cell that it cannot compute; it begins like a comment.
ERRORS = ("#N/A", "#DIV/0!", "#REF!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!", "#SPILL!", "#CALC!")


def read_column(
    path: str | PathLike[str],
    column: str | int,
    *,
    header: bool = True,
    delimiter: str = ",",
    decimal: str | None = None,
    thousands: str | None = None,
    encoding: str = "utf-8",
) -> np.ndarray:
    r"""One column of a CSV file as float64, shape (rows,).

    Parameters
    ----------
    path
        The file. Blank lines and lines that begin with # are skipped, but names may stand after the
        # right above the first row.
    column
        The name of the column, or its number, counted from 0.
    header
        Whether the first line names the columns; otherwise `column` is a number.
    delimiter, encoding
        The character between cells, and the text encoding.
    decimal, thousands
        The mark before the fraction, a point by default or a comma; and the mark between groups of
        three digits, none by default.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        There is no such file, or it is a folder.
    TypeError
        The column is neither a name nor a number; another argument is of another type.
    ValueError
        The file is empty or not text, has no such column (or two of that name) or no rows; a row is
        too long; a cell is missing or not a finite number; or a point may stand for decimals or for
        thousands. The error names the line.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "table.csv")
    ...     _ = path.write_text("year;spots\n1957;1.190,2\n")
    ...     read_column(path, "spots", delimiter=";", decimal=",", thousands=".")
    array([1190.2])
    """
    if isinstance(column, bool) or not isinstance(column, (str, int, np.integer)):
        raise TypeError(f"read_column: column is a name or a number, got {column!r}.")
    _check_delimiter(delimiter)
    if not isinstance(header, (bool, np.bool_)):
        raise TypeError(f"read_column: header is True or False, got {header!r}.")
    marks = marks_of(decimal, thousands)
    text = read_text(path, encoding=encoding, min_lines=1)
    table = _Table(path, text, delimiter)
    names = table.names(column, header)
    place = _place(path, names, column, header, delimiter)
    cells = []
    for line, row in table.rows():
        if len(_ended(row)) > len(names):
            raise ValueError(
                f"read_column: {path}, line {line}: expected {len(names)} cells, found {len(row)}: "
                f"{', '.join(map(repr, row[:5]))}{', …' * (len(row) > 5)}. If a number has a "
                f"{delimiter!r} in it, put it in quotation marks, or separate the cells by another "
                "delimiter."
            )
        if place >= len(row):
            raise ValueError(
                f"read_column: {path}, line {line}: expected {len(names)} cells, found {len(row)}. "
                f"Column {column!r} is missing there."
            )
        cells.append((f"{path}, line {line}, column {column!r}", row[place]))
    if not cells:
        raise ValueError(f"read_column: {path} has names of columns but no rows below them.")
    numbers = np.array([number_in(cell, where, *marks) for where, cell in cells])
    if decimal is None and thousands is None and delimiter in ";\t":
        check_points(cells)
    return numbers


def _check_delimiter(delimiter: str) -> None:
    """TypeError or ValueError unless `delimiter` can stand between cells."""
    if not isinstance(delimiter, str):
        raise TypeError(f"read_column: delimiter is one character, got {delimiter!r}.")
    if len(delimiter) != 1 or delimiter.isalnum() or delimiter in '\n\r"\0#.+-':
        raise ValueError(
            "read_column: delimiter is one character between cells, such as , ; | or a tab, and "
            f"none that may be part of a number, a comment or a line end; got {delimiter!r}."
        )


class _Table:
    """The rows of a file with their line numbers, without comments and blank lines."""

    def __init__(self, path: str | PathLike[str], text: str, delimiter: str) -> None:
        self.path, self.delimiter = path, delimiter
        self.line, self.comment, self.begins = 0, "", True
        self.lines = iter(text.split("\n"))
        self.parsed = self._parsed()
        self.first = next(self.parsed, None)

    def names(self, column: str | int, header: bool) -> list[str]:
        """The names of the columns; without a header, the cells of the first row, which is kept."""
        if self.first is None:
            return [""]
        cells = self.first[1]
        above = [self._cells(self.comment), self._cells(self.comment.lstrip("# \t"))]
        found = [names for names in above if len(names) == len(_ended(cells)) and column in names]
        if header and isinstance(column, str) and column not in cells and found:
            return found[0]
        if header:
            self.first = None
            return _ended(cells)
        return cells

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The rows without the names of columns."""
        if self.first is not None:
            yield self.first
        yield from self.parsed

    def _parsed(self) -> Iterator[tuple[int, list[str]]]:
        reader = csv.reader(
            self._counted(), delimiter=self.delimiter, skipinitialspace=True, strict=True
        )
        try:
            for row in reader:
                self.begins = True
                if any(cell.strip() for cell in row):
                    yield self.line, [cell.strip() for cell in row]
        except csv.Error as error:
            raise ValueError(
                f"read_column: {self.path}, up to line {self.line}: {error}. Is a quotation mark "
                "opened and never closed?"
            ) from error

    def _counted(self) -> Iterator[str]:
        """The lines without comments, which have a # where a row could begin."""
        for line in self.lines:
            self.line += 1
            start = line.lstrip()
            if self.begins and start.startswith("#") and not start.startswith(ERRORS):
                self.comment = start
            else:
                self.begins = False
                yield line

    def _cells(self, line: str) -> list[str]:
        (row,) = csv.reader([line or '""'], delimiter=self.delimiter, skipinitialspace=True)
        return _ended([cell.strip() for cell in row])


def _ended(row: list[str]) -> list[str]:
    """The cells up to the last one that is not empty."""
    return row[: max((k for k, cell in enumerate(row, 1) if cell), default=0)]


def _place(
    path: str | PathLike[str], names: list[str], column: str | int, header: bool, delimiter: str
) -> int:
    """The index of the column."""
    if isinstance(column, str) and names.count(column) > 1:
        raise ValueError(
            f"read_column: {path} has two columns {column!r}. Pass the number of the one you mean, "
            "counted from 0."
        )
    if isinstance(column, str):
        place = names.index(column) if header and column in names else -1
    else:
        place = int(column)
    if not 0 <= place < len(names):
        others = [mark for mark in ";\t,|" if mark != delimiter and mark in "".join(names[:1])]
        hint = f" Is there another delimiter? Try delimiter={others[0]!r}." if others else ""
        raise ValueError(
            f"read_column: {path} has no column {column!r}; it has {len(names)}: "
            f"{', '.join(map(repr, names))}.{hint}"
        )
    missing = [name.upper() in MISSING for name in names]
    gap = missing[place] and (any(map(is_data, names)) or all(missing))
    if header and not isinstance(column, str) and (is_data(names[place]) or gap):
        raise ValueError(
            f"read_column: {path} begins with numbers, {', '.join(names)}, not with names. If they "
            "belong to the data, pass header=False; else call the column by its name."
        )
    return place
