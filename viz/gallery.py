"""What does every picture look like, on models that have learnt something?

Three small character models (RNN, LSTM, GRU) are trained on the Python documentation for the maps
and curves of what was learnt. Graphs of single nets and cells need no training. All on one page.
"""

from __future__ import annotations

import html
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import viz
from tinygrad_rnn import Tensor, nn, scope, tanh, tasks, train
from viz.drawing import write

CELLS = {"RNN": nn.RNNCell, "LSTM": nn.LSTMCell, "GRU": nn.GRUCell}
FAMILY = (
    "RNNCell", "IRNNCell", "IndRNNCell", "ClockworkCell", "OrthogonalCell",
    "LSTMCell", "PeepholeLSTMCell", "CoupledLSTMCell", "GreffLSTMCell", "LayerNormLSTMCell",
    "MultiplicativeLSTMCell", "MemoryBlockCell", "GRUCell", "LayerNormGRUCell", "MGUCell",
    "SimplifiedMGUCell", "JANETCell", "MUT1Cell", "MUT2Cell", "MUT3Cell",
)  # fmt: skip
HIDDEN, STEPS, BATCH = 32, 24, 16
TEXT = "the value of the name is the object"


def gallery(folder: str | Path, seconds: float = 6.0, progress: bool = True) -> Path:
    """Train the models, write every picture as SVG into `folder`, and one page that shows them.

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
        `seconds` is not positive.
    OSError, NoRenderer
        The folder cannot be written to, or there is no Graphviz.
    """
    if not seconds > 0:
        raise ValueError(f"gallery: seconds must be positive, got {seconds}.")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    models = {name: _trained(name, seconds, progress) for name in CELLS}
    entries = []
    for file, title, drawing in _pictures(models):
        if progress:
            print(f"gallery: {file}", file=sys.stderr)
        path = drawing.save(folder / file)
        entries.append((path.name, title))
    return write(folder / "index.html", _page(entries).encode())


class _Reader(nn.Module):
    """Characters in, scores for the next out."""

    def __init__(self, name: str, characters: int) -> None:
        rng = np.random.default_rng(0)
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


def _trained(name: str, seconds: float, progress: bool) -> tuple[_Reader, tasks.Alphabet]:
    text = tasks.python_documentation().lower()
    letters = tasks.Alphabet(text)
    numbers = letters.encode(text)
    model = _Reader(name, len(letters))
    rng = np.random.default_rng(0)

    def batch(_: int) -> tuple[np.ndarray, np.ndarray]:
        starts = rng.integers(len(numbers) - STEPS - 1, size=BATCH)
        rows = numbers[starts[:, None] + np.arange(STEPS + 1)].T
        return rows[:-1], rows[1:]

    if progress:
        print(f"gallery: training the {name}", file=sys.stderr)
    optimiser = train.Adam(model.parameters(), lr=5e-3)
    train.fit(model, batch, optimiser, seconds=seconds, clip=1.0, progress=progress)
    return model, letters


def _pictures(models: dict[str, tuple[_Reader, tasks.Alphabet]]) -> Iterator[tuple[str, str, Any]]:
    """(file, title, drawing) of each; what is needed for it is recorded just before."""
    few = {name: _short(CELLS[name], 4) for name in CELLS}
    yield "01_gradient.svg", "The unfolded graph; gradient as colour and width", _flow(few["LSTM"])
    yield "02_folded.svg", "The folded graph: one step and its loops", viz.folded(few["GRU"])
    yield "03_unfolding.svg", "Folded and unfolded, one model", viz.unfolding(few["RNN"])

    losses = {name: _reads(*models[name])[1] for name in models}
    matrix = "Who sends how much gradient back to whom"
    yield "04_matrix.svg", matrix, viz.gradient_matrix(losses)
    yield "04_bars.svg", "The same, stacked by distance", viz.gradient_bars(losses)

    lstm, letters = models["LSTM"]
    xs, each = _reads(lstm, letters)
    read = TEXT[:-1]
    gates = "The gates of the LSTM while it reads"
    yield "05_gates.svg", gates, viz.gate_map(each[-1], text=read)
    yield "05_saturation.svg", "How often its gates are shut or open", viz.gate_saturation(each[-1])
    yield "06_carousel.svg", "The constant error carousel", viz.carousel(_carousels())
    last = {name: losses[name][-1] for name in losses}
    yield "07_spectra.svg", "Jacobians step by step", viz.jacobian_spectra(last)
    yield "08_truncation.svg", "Truncation: the cuts in time", viz.truncation(_truncated())
    yield "08_reach.svg", "How far back the gradient gets", viz.reach(_truncated())
    yield "09_zoom.svg", "One product, number by number", viz.zoom(few["RNN"], t=1)
    mirrored = "Forward, and the same graph backward with its rules"
    yield "10_forward_backward.svg", mirrored, viz.forward_backward(_short(nn.RNNCell, 2))
    yield "11_differences.svg", "RNN → LSTM → GRU: what is new", viz.differences(few)
    yield "12_wall.svg", "Pascanu's wall and the clipped step", viz.loss_surface()
    rest = {"at rest": np.zeros(2), "set": np.array([1.0, 0.0]), "reset": np.array([0.0, 1.0])}
    yield "13_attractors.svg", "A latch of two units by hand", viz.attractors(_latch, rest)
    seen = "The text, coloured by one unit"
    yield "14_activation.svg", seen, viz.text_activation(read, each[-1], 3)
    best = lstm.readout(nn.unroll(lstm.cell, xs)[0][-1])
    chosen = best[0, int(best.data[0].argmax())]
    seen = "The text, by what moves the last guess"
    yield "14_connectivity.svg", seen, viz.text_connectivity(read, chosen)

    for name, loss in _family():
        yield f"cell_{name}.svg", f"nn.{name}, folded", viz.folded(loss, "gate")
    yield (
        "cell_trees.svg",
        "A tree-LSTM on ((a b) c): children first",
        viz.unrolled(_tree(), "gate"),
    )


def _short(cell: Any, steps: int, size: int = 3) -> Any:
    """A net of four units over a few inputs, and the mean square of its last output."""
    rng = np.random.default_rng(0)
    outputs, _ = nn.unroll(cell(size, 4, rng=rng), rng.standard_normal((steps, 1, size)))
    with scope("loss"):
        return nn.mse_loss(outputs[-1], rng.standard_normal((1, 4)))


def _family() -> Iterator[tuple[str, Any]]:
    """Each cell's name, and a loss behind three steps of it with four units."""
    rng = np.random.default_rng(0)
    for name in FAMILY:
        yield name, _short(getattr(nn, name), 3, size=4)
    # cells that two sizes are not enough for; the echo state needs inputs that are recorded
    xs, space = Tensor(rng.standard_normal((3, 1, 4)), name="x"), rng.standard_normal((3, 1, 5, 2))
    for cell, inputs in (
        (nn.JordanCell(4, 4, 2, rng=rng), xs.data),
        (nn.LeakyCell(nn.RNNCell(4, 4, rng=rng), 0.5), xs.data),
        (nn.ProjectedLSTMCell(4, 4, 2, rng=rng), xs.data),
        (nn.TwoInputCell((2, 2), 4, rng=rng), xs.data),
        (nn.EchoStateCell(4, 4, rng=rng), xs),
        (nn.ConvLSTM1dCell(2, 2, rng=rng), space),
        (nn.ConvLSTM2dCell(2, 2, rng=rng), space[:, :, None]),
    ):
        outputs, _ = nn.unroll(cell, inputs)
        with scope("loss"):
            yield type(cell).__name__, (outputs[-1] * outputs[-1]).sum()


def _tree() -> Any:
    rng = np.random.default_rng(0)
    a, b, c, ab, root = rng.standard_normal((5, 1, 4))
    cell = nn.ChildSumTreeLSTMCell(4, 4, rng=rng)
    outputs, _ = nn.unroll_tree(cell, [root, [ab, [a], [b]], [c]])
    return (outputs[-1] * outputs[-1]).sum()


def _flow(loss: Any) -> Any:
    return viz.gradient_flow(loss, "gate")


def _reads(model: _Reader, letters: tasks.Alphabet) -> tuple[Any, list[Any]]:
    """The inputs as a leaf, so that they have gradients, and the loss at each character of TEXT."""
    numbers = letters.encode(TEXT)[:, None]
    xs = Tensor(model.embedding.W.data[numbers[:-1]], name="x")
    return xs, model.losses(xs, numbers[1:])


def _carousels() -> dict[str, Any]:
    """Losses at the last of 40 steps, for LSTMs that differ in the bias of their forget gate."""
    losses = {}
    for bias in (0.0, 2.0, 4.0):
        rng = np.random.default_rng(0)
        cell = nn.start.forget_bias(nn.LSTMCell(4, 16, rng=rng), bias)
        outputs, _ = nn.unroll(cell, rng.standard_normal((40, 1, 4)))
        losses[f"forget bias {bias:g}"] = (outputs[-1] * outputs[-1]).sum()
    rng = np.random.default_rng(0)
    outputs, _ = nn.unroll(nn.RNNCell(4, 16, rng=rng), rng.standard_normal((40, 1, 4)))
    return losses | {"RNN": (outputs[-1] * outputs[-1]).sum()}


def _truncated() -> Any:
    rng = np.random.default_rng(0)
    cell, xs = nn.RNNCell(3, 4, rng=rng), rng.standard_normal((6, 1, 3))
    outputs, _ = nn.unroll(cell, xs, truncate=2)
    total = (outputs[0] * outputs[0]).sum()
    for h in outputs[1:]:
        total = total + (h * h).sum()
    return total


def _latch(x: Any, h: Any) -> Any:
    """Two units that hold each other up: set by the first input, reset by the second."""
    weights = np.array([[1.5, 0.5], [0.5, 1.5]])
    return tanh(h @ weights + x @ np.array([[2.0, 2.0], [-2.0, -2.0]]))


def _page(entries: list[tuple[str, str]]) -> str:
    figures = "\n".join(
        f'<figure><a href="{file}"><img src="{file}" alt="{html.escape(title)}"></a>'
        f"<figcaption>{html.escape(title)}</figcaption></figure>"
        for file, title in entries
    )
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Pictures of recurrent networks</title>
<style>
  body {{ font: 16px Helvetica, Arial, sans-serif; margin: 2rem auto; max-width: 1200px; }}
  figure {{ margin: 0 0 3rem; }} img {{ max-width: 100%; background: #ffffff; }}
  figcaption {{ color: #444444; margin-top: .5rem; }}
</style>
<h1>Pictures of recurrent networks</h1>
<p>Every picture is drawn from what was recorded. Click one to see it in full size.</p>
{figures}
</html>
"""
