"""How does a curve or a map reach the reader? As a file, in a notebook, and as its numbers."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import re
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn.measure import Table, Tables
from viz import theme
from viz.layout.graphviz import FORMATS, NoRenderer
from viz.render.drawing import the_path, write
from viz.render.notebook import Shown, png_alone

MISSING = (
    "Curves and maps are drawn by matplotlib, which is not installed. Install it: "
    'pip install "matplotlib>=3.9". The numbers need nothing: .numbers, .csv("numbers.csv").'
)

EDGE = 0.06  # inches around and between panels
SMALLEST = 8.0  # points, of the text of a narrow picture
SIZES = ("size", "linewidth")  # what grows and shrinks with the text
USUAL = 12.0  # points, of the theme's text
FONT_TYPE = {"pdf.fonttype": 42, "ps.fonttype": 42}  # whole fonts, as journals ask for


class Plot(Shown):
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

    def figure(self, width: float | None = None, fontsize: float | None = None) -> Any:
        """The picture as a new matplotlib Figure, to be changed as you like.

        What you have set in matplotlib's rcParams holds here, too.

        Parameters
        ----------
        width
            In inches: 3.3 is a column of a paper. Panels that have no room beside each other go
            below.
        fontsize
            Of the text, in points; by default 12, in a narrow picture less, but not below 8.

        Raises
        ------
        ValueError
            A size is not positive.
        viz.NoRenderer
            If there is no matplotlib.
        """
        with self._drawn(width, fontsize) as figure:
            return figure

    def svg(self, width: float | None = None, fontsize: float | None = None) -> str:
        """The picture as SVG; `width` and `fontsize` as in `figure`."""
        return self._bytes("svg", width, fontsize).decode()

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        width: float | None = None,
        fontsize: float | None = None,
        dpi: float | None = None,
    ) -> Path:
        """Write the picture, whole or not at all, as .svg, .png or .pdf; gives the path.

        A PDF embeds its fonts as Type 42, which journals ask for.

        Parameters
        ----------
        path
            Its ending chooses the format.
        width, fontsize
            As in `figure`.
        dpi
            Pixels per inch of a .png, 160 by default.

        Raises
        ------
        ValueError
            For another ending, or a size that is not positive.
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
        return write(path, self._bytes(form, width, fontsize, dpi))

    def csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the numbers as CSV; those of several panels with a column that says which."""
        if isinstance(self.numbers, Table):
            return self.numbers.csv(path)
        return Tables(self.numbers).csv(path)

    @contextlib.contextmanager
    def _drawn(self, width: float | None, fontsize: float | None) -> Iterator[Any]:
        """A new Figure, in whose style it is also to be written."""
        sizes = {"width": width, "fontsize": fontsize}
        for name, size in sizes.items():
            if size is not None and not positive_number(size):
                raise ValueError(f"a picture's {name} must be a positive number, got {size!r}.")
        if importlib.util.find_spec("matplotlib") is None:
            raise NoRenderer(MISSING)
        from matplotlib.figure import Figure

        usual, high = self.size
        if width is None:
            width = usual
        else:  # text shrinks less than the picture, so a narrow one is higher in proportion
            high *= max(width / usual, (width / usual) ** 0.6)
            if fontsize is None and width < usual:
                fontsize = max(SMALLEST, USUAL * width / usual)
        with _style(fontsize):
            figure = Figure(figsize=(width, high), layout="constrained")
            engine: Any = figure.get_layout_engine()
            engine.set(w_pad=EDGE, h_pad=EDGE)
            self._draw(figure)
            if width < usual:
                _fit_words(figure)
            yield figure

    def _bytes(
        self,
        form: str,
        width: float | None = None,
        fontsize: float | None = None,
        dpi: float | None = None,
    ) -> bytes:
        if dpi is not None and not positive_number(dpi):
            raise ValueError(f"save: dpi must be a positive number, got {dpi!r}.")
        content = io.BytesIO()
        # without a date, so that the same picture gives the same file
        dateless: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
        with self._drawn(width, fontsize) as figure:
            figure.savefig(content, format=form, dpi=dpi, metadata=dateless.get(form))
        return content.getvalue()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """SVG and PNG; without matplotlib how to install it."""
        if importlib.util.find_spec("matplotlib") is None:
            return {"text/plain": f"{MISSING}\n\n{self.numbers}"}
        if png_alone():
            return {"image/png": self._bytes("png", dpi=96), "text/plain": repr(self)}
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


def beside(figure: Any, count: int, each: float = 24.0, **shared: Any) -> list[Any]:
    """Axes beside each other; in a figure too narrow for them, in several rows.

    `each` is the least width of one, in letters of the text. A figure of several rows grows.
    """
    return [ax for (ax,) in stacked(figure, count, (1,), each, **shared)]


def stacked(
    figure: Any, count: int, ratios: tuple[float, ...], each: float, **shared: Any
) -> list[list[Any]]:
    """As `beside`, of several axes below each other, whose heights have these ratios."""
    wide, high = figure.get_size_inches()
    columns = min(count, max(1, int(wide / (each * _letter()))))
    rows = -(-count // columns)
    figure.set_size_inches(wide, high * (1 + 0.75 * (rows - 1)))
    heights = {"height_ratios": ratios * rows}
    grid = figure.subplots(
        rows * len(ratios), columns, squeeze=False, gridspec_kw=heights, **shared
    )
    axes = grid.reshape(rows, len(ratios), columns).swapaxes(1, 2).reshape(-1, len(ratios)).tolist()
    for column in axes[count:]:
        for ax in column:
            ax.remove()
    return axes[:count]


def label_rows(axes: list[Any], text: str) -> None:
    """The label of the vertical axis, once for each row of panels."""
    for ax in axes:
        if ax.get_subplotspec().is_first_col():
            ax.set_ylabel(text)


def legend(figure: Any, where: str = "below", most: int = 4, **how: Any) -> None:
    """A legend above or below all panels, in at most so many columns; no wider than the picture."""
    loc = {"above": "outside upper left", "below": "outside lower center"}[where]
    limit = 0.98 * figure.get_size_inches()[0] * figure.dpi
    columns = most
    made = figure.legend(loc=loc, ncols=columns, **how)
    while (wide := made.get_window_extent().width) > limit and columns > 1:
        columns -= 1
        made.remove()
        made = figure.legend(loc=loc, ncols=columns, **how)
    for text in made.get_texts() if wide > limit else ():
        text.set_text(wrapped(text.get_text(), int(len(text.get_text()) * 0.85 * limit / wide)))


def note(figure: Any, text: str) -> None:
    """A sentence below the picture, in as many lines as it takes."""
    lines = wrapped(text, int(figure.get_size_inches()[0] / _letter()))
    figure.supxlabel(lines, fontsize=scaled(theme.NOTE), color=theme.NOTE_COLOUR)


def positive_number(x: Any) -> bool:
    """A number above 0 and below infinity, and no truth value."""
    return (
        isinstance(x, int | float | np.number) and not isinstance(x, bool) and bool(0 < x < np.inf)
    )


def scaled(length: float) -> float:
    """A length for text of 12 points, for the text of this picture."""
    import matplotlib as mpl

    return length * mpl.rcParams["font.size"] / USUAL


def _letter() -> float:
    """The width of a letter, in inches, about."""
    return scaled(USUAL) * 0.5 / 72


def _fit_words(figure: Any) -> None:
    """In a narrow picture no title or label is wider than its axes: its line breaks."""
    figure.draw_without_rendering()
    for ax in figure.axes:
        room = ax.get_window_extent().width * 1.06
        for text in (ax.title, ax.xaxis.label):
            wide = text.get_window_extent().width
            if text.get_text() and wide > room:
                most = max(len(line) for line in text.get_text().split("\n"))
                text.set_text(wrapped(text.get_text(), max(8, int(most * room / wide))))


def wrapped(text: str, letters: int) -> str:
    """The text in lines of so many letters at most; a formula is not broken."""
    found: list[str] = []
    for line in text.split("\n"):
        parts = re.findall(r"(?:\$[^$]*\$|\S)+", line)
        formulas = [part.replace(" ", "\0") for part in parts]
        found += textwrap.wrap(" ".join(formulas), letters, break_long_words=False) or [""]
    return "\n".join(found).replace("\0", " ")


@contextlib.contextmanager
def _style(fontsize: float | None = None) -> Iterator[None]:
    """Our fonts and widths, but for what the reader has set; extreme numbers are no surprise."""
    import matplotlib as mpl
    from matplotlib import font_manager

    known = {font.name for font in font_manager.fontManager.ttflist}
    family = [name for name in theme.FONTS if name in known] or ["sans-serif"]
    mine = {key for key in mpl.rcParamsDefault if mpl.rcParams[key] != mpl.rcParamsDefault[key]}
    size = fontsize or (mpl.rcParams["font.size"] if "font.size" in mine else USUAL)
    ours: dict[str, Any] = {**theme.PLOT, "font.family": family, **FONT_TYPE}
    ours |= {key: ours[key] * size / USUAL for key in ours if key.endswith(SIZES)}
    settings = {key: value for key, value in ours.items() if key not in mine}
    if fontsize:
        settings |= {key: ours[key] for key in ours if key.endswith(SIZES)}
    with mpl.rc_context(settings), np.errstate(all="ignore"), warnings.catch_warnings():
        # a character that no font here has is drawn as a box, which says enough
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        yield
