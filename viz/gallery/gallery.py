"""How do the pictures of models that have learnt something get onto one page?

Three small character models (RNN, LSTM, GRU) are trained on the Python documentation for the maps
and curves of what was learnt. Graphs of single nets and cells need no training.
"""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn import nn, scope, tasks, train
from viz.charts.figure import Plot
from viz.gallery.exhibits import exhibits
from viz.gallery.nets import Nets
from viz.gallery.page import page
from viz.layout.graphviz import INSTALL, MISSING, NoRenderer, available
from viz.render.drawing import Drawing, the_path, write

CELLS = {"RNN": nn.RNNCell, "LSTM": nn.LSTMCell, "GRU": nn.GRUCell}
HIDDEN, STEPS, BATCH = 32, 24, 16
WIDE = 1.9  # times as wide as high: takes the room of two pictures


def gallery(folder: str | Path, seconds: float = 6.0, progress: bool = True) -> Path:
    """Train the models, write every picture into `folder`, and one page that shows them.

    Pictures are SVG, the player and the frames HTML; the numbers of each plot lie beside it as CSV.
    Each file is written whole or not at all, the page last: after Ctrl-C what is there is whole.

    Parameters
    ----------
    folder
        Where to; made if it is not there.
    seconds
        How long each of the three models is trained.
    progress
        Whether to say on stderr how far it is.

    Returns
    -------
    The path of ``index.html``.

    Raises
    ------
    ValueError
        `seconds` is no positive number.
    OSError, NoRenderer
        The folder cannot be written to, or there is no Graphviz.
    """
    if not 0 < seconds < math.inf:
        raise ValueError(f"gallery: seconds must be positive and finite, got {seconds}.")
    folder = the_path(folder, "out/gallery")
    if not available():
        raise NoRenderer(f"{MISSING} {INSTALL}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise type(error)(
            f"gallery: cannot make the folder {str(folder)!r}: {reason}. Name one that you may "
            "write to, and that is no file."
        ) from error
    nets = Nets({name: _trained(name, seconds, progress) for name in CELLS})
    every = exhibits()
    numbers: dict[str, str] = {}
    wide: set[str] = set()
    for k, exhibit in enumerate(every, start=1):
        if progress:
            print(f"gallery: {k:2} of {len(every)}, {exhibit.file}", file=sys.stderr)
        picture = exhibit.draw(nets)
        path = picture.save(folder / exhibit.file)
        if path.suffix == ".svg" and _ratio(path) > WIDE:
            wide.add(exhibit.file)
        measured = isinstance(picture, Drawing) and picture.parts.numbers is not None
        if isinstance(picture, Plot) or measured:
            numbers[exhibit.file] = picture.csv(folder / f"{Path(exhibit.file).stem}.csv").name
    return write(folder / "index.html", page(every, numbers, wide).encode())


def _ratio(svg: Path) -> float:
    """Width divided by height."""
    box = re.search(r'viewBox="[-.\d]+ [-.\d]+ ([.\d]+) ([.\d]+)"', svg.read_text("utf-8"))
    return float(box[1]) / float(box[2]) if box else 1.0


class _Reader(nn.Module):
    """Characters in, scores for the next out."""

    def __init__(self, name: str, letters: tasks.Alphabet) -> None:
        rng, characters = np.random.default_rng(0), len(letters)
        self.letters = letters
        self.embedding = nn.Embedding(characters, 12, rng=rng)
        self.cell = CELLS[name](12, HIDDEN, rng=rng)
        self.readout = nn.Linear(HIDDEN, characters, rng=rng)

    def loss(self, x: np.ndarray, y: np.ndarray) -> Any:
        """The mean over all steps; x and y are (steps, batch)."""
        losses = self.losses(self.embedding(x), y)
        total = losses[0]
        for loss in losses[1:]:
            total = total + loss
        return total / len(losses)

    def losses(self, xs: Any, y: np.ndarray) -> list[Any]:
        """One for each step."""
        outputs, _ = nn.unroll(self.cell, xs)
        with scope("loss"):
            return [nn.cross_entropy(self.readout(h), y[t]) for t, h in enumerate(outputs)]


def _trained(name: str, seconds: float, progress: bool) -> _Reader:
    text = tasks.python_documentation().lower()
    letters = tasks.Alphabet(text)
    numbers = letters.encode(text)
    model = _Reader(name, letters)
    rng = np.random.default_rng(0)

    def batch(_: int) -> tuple[np.ndarray, np.ndarray]:
        starts = rng.integers(len(numbers) - STEPS - 1, size=BATCH)
        rows = numbers[starts[:, None] + np.arange(STEPS + 1)].T
        return rows[:-1], rows[1:]

    if progress:
        print(f"gallery: training the {name}", file=sys.stderr)
    optimiser = train.Adam(model.parameters(), lr=5e-3)
    train.fit(model, batch, optimiser, seconds=seconds, clip=1.0, progress=progress, target="auto")
    return model
