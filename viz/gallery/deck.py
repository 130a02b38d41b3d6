"""Which figures does a lecture on recurrent networks need, each the size of a slide?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import viz
from tinygrad_rnn import Tensor, nn
from viz.gallery import small
from viz.render.drawing import the_path

FORMATS = ("svg", "pdf", "png")


def deck(folder: str | Path) -> list[Path]:
    """Write each figure as SVG, PDF and PNG; gives the paths.

    A PNG has 1,920 × 1,080 pixels.

    Parameters
    ----------
    folder
        Where to; made if it is not there.

    Raises
    ------
    OSError, viz.NoRenderer
        The folder cannot be written to, or there is no Graphviz.
    """
    folder = the_path(folder, "slides")
    folder.mkdir(parents=True, exist_ok=True)
    found: list[Path] = []
    for number, (name, draw) in enumerate(_figures().items(), start=1):
        figure = draw()
        found += [figure.save(folder / f"{number:02}_{name}.{form}") for form in FORMATS]
    return found


def _figures() -> dict[str, Callable[[], Any]]:
    """By name, in the order of a lecture."""
    rnn, lstm = _loss(nn.RNNCell, 5), _loss(nn.LSTMCell, 5)
    letters: dict[str, Any] = {"size": "slide"}
    return {
        "unrolled_rnn": lambda: viz.unrolled(rnn, "cell", names={"rnn": "RNN"}, **letters),
        "gradient_rnn": lambda: viz.gradient_flow(rnn, names={"rnn": "RNN"}, **letters),
        "gradient_lstm": lambda: viz.gradient_flow(lstm, names={"lstm": "LSTM"}, **letters),
        "two_nets": lambda: viz.gradient_flow(
            small.far(30), names={"rnn": "RNN", "lstm": "LSTM"}, **letters
        ),
        "answers": lambda: viz.unrolled(small.answering(), **letters),
        "long_rnn": lambda: viz.gradient_flow(
            _loss(nn.RNNCell, 100), names={"rnn": "RNN"}, **letters
        ),
        "lstm_step": lambda: viz.cell(nn.LSTMCell(3, 4, rng=0), size="slide"),
        "gru_step": lambda: viz.cell(nn.GRUCell(3, 4, rng=0), size="slide"),
    }


def _loss(cell: Any, steps: int) -> Tensor:
    rng = np.random.default_rng(0)
    outputs, _ = nn.unroll(cell(3, 4, rng=rng), rng.standard_normal((steps, 2, 3)))
    return nn.mse_loss(outputs[-1], rng.standard_normal((2, 4)))
