"""How is a cell explained part by part? The same circuit again and again, one part in colour."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from viz.exhibit import CELLS, Exhibit
from viz.graphs.cell import one_step
from viz.layout.graphviz import INSTALL, MISSING, NoRenderer, available, draw
from viz.player.frames import Frames, slim
from viz.record.equations import Equation
from viz.record.rich import text_of
from viz.render.circuit import CircuitDrawing
from viz.render.drawing import the_path, write
from viz.render.pdf import joined
from viz.render.svg import svg


class Steps(Frames):
    """A circuit at several moments of its explanation.

    Attributes
    ----------
    svgs, captions
        The pictures as SVG, and the equations that are lit in each.
    """

    def __init__(self, dots: list[str], captions: list[str]) -> None:
        self._dots = dots
        super().__init__([slim(svg(dot)) for dot in dots], captions)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a page with a slider (.html), one document (.pdf), or numbered files (.svg, .png).

        Returns
        -------
        The path written; of several, the last.

        Raises
        ------
        TypeError, ValueError
            For what is no path; for another ending; for a PDF whose pages cannot be joined.
        OSError
            If a file cannot be written.
        """
        path = the_path(path, "steps.pdf")
        if path.suffix.lower() == ".pdf":
            return write(path, joined([draw(dot, "pdf") for dot in self._dots]))
        return super().save(path)

    def _contents(self, form: str) -> list[bytes] | None:
        return [draw(dot, form) for dot in self._dots] if form == "png" else super()._contents(form)


def steps(
    cell: Any,
    parts: Sequence[str] | None = None,
    *,
    x: Any = None,
    state: Any = None,
) -> Steps:
    """A circuit explained part by part: the same places, one part in colour, all else pale.

    Parameters
    ----------
    cell, x, state
        As in `viz.cell`.
    parts
        What each picture lights: letters, several with spaces between: ``["f", "i g", "c", "o
        h"]``. By default each letter alone, in the order in which they are computed.

    Returns
    -------
    Frames. ``.save("lstm.html")`` writes a page with a slider, ``.save("lstm.pdf")`` a document
    with a page for each, as slides include them, ``.save("lstm.svg")`` (or .png) numbered files.

    Raises
    ------
    TypeError, ValueError
        As `viz.cell`; `parts` is no list of texts, or names a letter that the cell does not have.
    viz.NoRenderer
        There is neither Graphviz on PATH nor pygraphviz.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> steps(nn.LSTMCell(3, 4, rng=0), ["f", "i g", "c", "o h"])
    <4 frames>
    """
    picture = CircuitDrawing(one_step(cell, x, state))
    known = dict(zip(picture.letters, picture.formulas.lines, strict=True))
    wanted = _wanted(list(known) if parts is None else parts, known)
    if not available():
        raise NoRenderer(f"{MISSING} {INSTALL}")
    dots, captions = list[str](), list[str]()
    for lines in wanted:
        now = {at for line in lines for at in line.members}
        dots.append(picture.frame(now, lines)[0])
        captions.append("    ".join(f"{text_of(x.left)} = {text_of(x.right)}" for x in lines))
    return Steps(dots, captions)


def _wanted(parts: Any, known: dict[str, Equation]) -> list[list[Equation]]:
    """The equations of each picture, checked."""
    if isinstance(parts, str) or not isinstance(parts, Sequence) or not parts:
        raise TypeError(f'steps: expected a list of letters, such as ["f", "i g"], got {parts!r}.')
    found = []
    for part in parts:
        letters = part.split() if isinstance(part, str) else []
        missing = [one for one in letters if one not in known]
        if missing or not letters:
            raise ValueError(
                f"steps: {missing[0] if missing else part!r} is no letter of this cell; it has "
                f"{', '.join(known)}."
            )
        found.append([known[one] for one in letters])
    return found


EXHIBITS = (
    Exhibit(
        steps, CELLS, "13_steps.html", "An LSTM, part by part",
        "What is kept, what is added, what comes out.",
        lambda nets: steps(nets.lstm.cell, ["f", "i g", "c", "o h"]),
    ),
)  # fmt: skip
