"""Which number is in a cell of a CSV file?"""

from __future__ import annotations

import math
import re

__all__ = ["MISSING", "check_points", "is_data", "marks_of", "number_in"]

MISSING = {"", "-", "--", ".", "?", "NA", "N/A", "NAN", "NULL", "NONE"}  # no value
ALIKE = {" ": " \u00a0\u2009\u202f", "'": "'\u2019"}  # other spellings of a thousands mark


def is_data(cell: str) -> bool:
    """True if a cell looks like a number, a date or an amount: digits without letters."""
    plain = re.sub(r"(?<=\d)[eE](?=[+-]?\d)", "", cell)
    return any(c.isdigit() for c in plain) and not any(c.isalpha() for c in plain)


def marks_of(decimal: str | None, thousands: str | None) -> tuple[str, str]:
    """The checked decimal and thousands marks; the second is empty for none."""
    point = decimal if decimal is not None else "," if thousands == "." else "."
    if point not in (".", ","):
        raise ValueError(f"read_column: decimal is a point or a comma, got {decimal!r}.")
    if thousands is None:
        return point, ""
    if not isinstance(thousands, str):
        raise TypeError(f"read_column: thousands is one character, got {thousands!r}.")
    if len(thousands) != 1 or thousands.isalnum() or thousands in f"+-{point}":
        raise ValueError(
            "read_column: thousands is one character that is not a digit, letter or sign, nor the "
            f"decimal mark {point!r}; got {thousands!r}."
        )
    return point, thousands


def number_in(cell: str, where: str, decimal: str, thousands: str) -> float:
    """The finite number in a cell; otherwise a ValueError that says how to fix the cell."""
    number = _float(cell, decimal, thousands)
    if not math.isfinite(number):
        found = cell if len(cell) <= 40 else f"{cell[:37]}..."
        how = "" if cell else " Fill the gap, or leave the line out."
        if "," in cell and decimal == ".":
            how = (
                ' Write decimals with a point, or pass decimal="," for 1,5, thousands="," for '
                '1,234, or both decimal="," and thousands="." for 1.234,5.'
            )
        elif any(mark in cell for mark in ".," if mark != decimal):
            how = f" The decimal mark is {decimal!r}, the mark of thousands {thousands!r}."
            if not thousands:
                how = f" The decimal mark is {decimal!r}; if the other stands between thousands, "
                how += "pass it as thousands=."
        raise ValueError(f"read_column: {where}: expected a finite number, found {found!r}.{how}")
    return number


def _float(cell: str, decimal: str, thousands: str) -> float:
    """The number in a cell, or NaN; unlike in Python, 1_000 is not a number."""
    if thousands:
        mark = re.escape(ALIKE.get(thousands, thousands))
        if not re.fullmatch(rf"[+-]?([1-9]\d{{0,2}}([{mark}]\d{{3}})+|\d*)(?!\d)[^{mark}]*", cell):
            return math.nan
        cell = re.sub(f"[{mark}]", "", cell)
    if "_" in cell or (decimal != "." and "." in cell):
        return math.nan
    try:
        return float(cell.replace(decimal, "."))
    except ValueError:
        return math.nan


def check_points(cells: list[tuple[str, str]]) -> None:
    """ValueError if every point could also separate thousands, as files with semicolons may."""
    pointed = [(where, cell) for where, cell in cells if "." in cell]
    if pointed and all(re.fullmatch(r"[+-]?[1-9]\d{0,2}\.\d{3}", cell) for _, cell in pointed):
        where, cell = pointed[0]
        raise ValueError(
            f"read_column: {where}: {cell!r} is {float(cell)} with a decimal point and "
            f"{cell.replace('.', '')} with a point for thousands, and no cell of the column says "
            'which. Pass decimal="." or thousands=".".'
        )
