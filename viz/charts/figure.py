"""How does a curve or a map reach the reader? As a file, in a notebook, and as its numbers."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn.measure import Table, to_csv
from viz import theme
from viz.layout.graphviz import FORMATS, NoRenderer
from viz.render.drawing import the_path, write

MISSING = (
    "Curves and maps are drawn by matplotlib, which is not installed. Install it: "
    'pip install "tinygrad_rnn[plots]". The numbers need nothing: .numbers, .csv("numbers.csv").'
)


class Plot:
    """A curve or a map: shows itself in a notebook, can be saved, and gives its numbers.

    Attributes
    ----------
    numbers
        What is shown, as measured: one result of `tinygrad_rnn.measure`, or several by the title of
        their panel.
    """

    def __init__(
        self,
        numbers: Any,
        draw: Callable[[Any], None],
        size: tuple[float, float] = (7.0, 4.2),
    ) -> None:
        self.numbers, self.size, self._draw = numbers, size, draw

    def figure(self) -> Any:
        """The picture as a new matplotlib Figure, to be changed as you like.

        Raises
        ------
        viz.NoRenderer
            If there is no matplotlib.
        """
        if importlib.util.find_spec("matplotlib") is None:
            raise NoRenderer(MISSING)
        from matplotlib.figure import Figure

        with _style():
            figure = Figure(figsize=self.size, layout="constrained")
            self._draw(figure)
        return figure

    def svg(self) -> str:
        """The picture as SVG."""
        return self._bytes("svg").decode()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture, whole or not at all, as .svg, .png or .pdf; gives the path.

        Raises
        ------
        ValueError
            For another ending.
        OSError
            If the file cannot be written.
        viz.NoRenderer
            If there is no matplotlib.
        """
        path = the_path(path, "picture.svg")
        form = path.suffix.lower().removeprefix(".")
        if form not in FORMATS:
            raise ValueError(
                f"save: {str(path)!r} ends in {path.suffix or 'nothing'!r}, and the ending chooses "
                "the format. Name it .svg, .png or .pdf; .csv(path) writes the numbers."
            )
        return write(path, self._bytes(form))

    def csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the numbers as CSV; those of several panels with a column that says which."""
        if isinstance(self.numbers, Table):
            return self.numbers.csv(path)
        joined: dict[str, list[Any]] = {}
        tables = {title: table.columns() for title, table in self.numbers.items()}
        names = dict.fromkeys(name for table in tables.values() for name in table)
        for title, table in tables.items():
            length = len(next(iter(table.values())))
            joined.setdefault("panel", []).extend([title] * length)
            for name in names:
                column = table.get(name, [""] * length)
                joined.setdefault(name, []).extend(np.asarray(column).tolist())
        return to_csv(path, joined)

    def _bytes(self, form: str) -> bytes:
        figure, content = self.figure(), io.BytesIO()
        with _style():
            # without a date, so that the same picture gives the same file
            dateless: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
            figure.savefig(content, format=form, metadata=dateless.get(form))
        return content.getvalue()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """SVG and PNG; without matplotlib how to install it."""
        if importlib.util.find_spec("matplotlib") is None:
            return {"text/plain": f"{MISSING}\n\n{self.numbers}"}
        return {
            "image/svg+xml": self.svg(),
            "image/png": self._bytes("png"),
            "text/plain": repr(self),
        }

    def __repr__(self) -> str:
        many = isinstance(self.numbers, Mapping)
        what = ", ".join(self.numbers) if many else type(self.numbers).__name__
        return f"<plot of {what}>"


def panels(x: Any, measure: Callable[[Any], Any], kind: type) -> dict[str, Any]:
    """The measure of each panel, by its title; of a single one without a title.

    `x` is what is to be measured, or measured already (a `kind`), or a dict of such by title.
    """
    every = x if isinstance(x, dict) else {"": x}
    if not every:
        raise ValueError("nothing to draw: the dict of panels is empty. Give it titles and losses.")
    return {title: y if isinstance(y, kind) else measure(y) for title, y in every.items()}


def the_text(name: str, text: Any) -> str:
    """The given text, checked."""
    if not isinstance(text, str):
        raise TypeError(
            f"{name}: expected a text, one character per step, got {type(text).__name__}. "
            'Join words or characters first: "".join(…).'
        )
    return text


def one_of(name: str, what: str, number: Any, count: int) -> int:
    """Which of `count`, counted from 0, checked."""
    if isinstance(number, bool) or not isinstance(number, int | np.integer):
        raise TypeError(f"{name}: {what} must be a whole number, counted from 0, got {number!r}.")
    if not 0 <= number < count:
        raise ValueError(f"{name}: there are {what}s 0 … {count - 1}, not {number}.")
    return int(number)


def two_names(name: str, names: Any) -> tuple[str, str]:
    """The names of two axes, checked."""
    if isinstance(names, str) or len(names) != 2:
        raise ValueError(f'{name}: names must be two, one per axis, ("w", "b"), got {names!r}.')
    return str(names[0]), str(names[1])


def only(numbers: dict[str, Any]) -> Any:
    """The numbers of a single panel as they are; of several by title."""
    return numbers[""] if list(numbers) == [""] else numbers


@contextlib.contextmanager
def _style() -> Iterator[None]:
    """Our fonts and widths, whatever the reader has set; extreme numbers are no surprise here."""
    import matplotlib as mpl
    from matplotlib import font_manager

    known = {font.name for font in font_manager.fontManager.ttflist}
    family = [name for name in theme.FONTS if name in known] or ["sans-serif"]
    settings = {**mpl.rcParamsDefault, **theme.PLOT, "font.family": family}
    with mpl.rc_context(settings), np.errstate(all="ignore"), warnings.catch_warnings():
        # a character that no font here has is drawn as a box, which says enough
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        yield
