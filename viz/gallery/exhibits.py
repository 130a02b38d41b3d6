"""Which pictures are worth showing, of which models, and what is to be seen in each?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import viz
from tinygrad_rnn import Tensor, compile, nn, scope, stack, tanh, tasks
from viz.gallery import measured

TEXT = "the value of the name is the object"
LONG = TEXT + " that is returned by the function, and the name of the module is a string"
CIRCUITS = {
    "PeepholeLSTMCell": "The gates see c: i and f the old one, o the new one.",
    "CoupledLSTMCell": "What is forgotten is replaced: one gate less.",
    "ProjectedLSTMCell": "A matrix makes h smaller than c.",
    "MGUCell": "One gate forgets and resets.",
    "MUT1Cell": "The best of ten thousand cells that were searched looks like a GRU.",
    "MemoryBlockCell": "The LSTM of 1997: nothing is ever forgotten, c is only added to.",
}
OTHER = TEXT.replace("name", "game")
PLAYED = 17  # characters, so that every loss can be played alone


@dataclass(frozen=True)
class Exhibit:
    """One picture: where it goes, what it is called, what to see in it, and how to draw it."""

    section: str
    file: str
    title: str
    caption: str
    draw: Callable[[], Any]


def exhibits(models: dict[str, Any]) -> list[Exhibit]:
    """All of them, in the order of the page; nothing is drawn yet.

    Parameters
    ----------
    models
        By name, "RNN", "LSTM" and "GRU": character models with ``embedding``, ``cell``, ``readout``
        and ``losses(xs, y)``, and their ``letters``.
    """
    few = {name: _short(type(model.cell), 4) for name, model in models.items()}
    reads = {name: _reads(model, TEXT)[1] for name, model in models.items()}
    lstm = models["LSTM"]
    _, longer = _reads(lstm, LONG)
    moves = int(
        np.std([h.data[0] for h in nn.unroll(lstm.cell, _inputs(lstm, LONG))[0]], 0).argmax()
    )
    rest = {"at rest": np.zeros(2), "set": np.array([1.0, 0.0]), "reset": np.array([0.0, 1.0])}
    years, numbers = tasks.sunspots()
    every: list[Exhibit] = []

    def section(title: str, *rows: tuple[str, str, str, Callable[[], Any]]) -> None:
        every.extend(Exhibit(title, *row) for row in rows)

    section(
        "Play it",
        (
            "player.html", "A trained LSTM reads, and learns from what it read",
            "Forward fills in the values, backward colours the edges as their gradient arrives.",
            lambda: _played(lstm),
        ),
        (
            "frames.html", "The same for documents: one frame per step and direction",
            "A slider over pictures that were drawn beforehand.",
            lambda: viz.frames(_short(nn.LSTMCell, 3), "gate"),
        ),
    )  # fmt: skip
    section(
        "The cells everyone knows",
        (
            "circuit_lstm.svg", "An LSTM, read from its record",
            "Only a product and a sum happen to c on its way: that is why its gradient survives.",
            lambda: viz.cell(lstm.cell),
        ),
        (
            "circuit_gru.svg", "A GRU",
            "One state, and one gate that says how much of it is replaced.",
            lambda: viz.cell(models["GRU"].cell),
        ),
        (
            "circuit_rnn.svg", "Elman's network",
            "No straight way: each step squashes all that the state holds.",
            lambda: viz.cell(models["RNN"].cell),
        ),
        (
            "steps.html", "An LSTM, part by part",
            "What is kept, what is added, what comes out.",
            lambda: viz.steps(lstm.cell, ["f", "i g", "c", "o h"]),
        ),
        *(
            (f"circuit_{name}.svg", f"nn.{name}", caption, lambda kind=name: _circuit(kind))
            for name, caption in CIRCUITS.items()
        ),
    )  # fmt: skip
    section(
        "The graph",
        (
            "01_gradient.svg", "Unfolded, with the gradient on every edge",
            "Darker and thicker is more: from the loss at the right it thins out towards the past.",
            lambda: viz.gradient_flow(few["LSTM"], "gate"),
        ),
        (
            "02_folded.svg", "Folded",
            "One step of a GRU, drawn once; the dashed arrows lead into the next step.",
            lambda: viz.folded(few["GRU"]),
        ),
        (
            "03_unfolding.svg", "Folded and unfolded",
            "The same parameters at every step: that is why their gradients add up.",
            lambda: viz.unfolding(few["RNN"]),
        ),
        (
            "02_families.svg", "Three cells, folded, on one sheet",
            "The more gates a cell has, the more ways lead through its step.",
            lambda: viz.sheet({name: viz.folded(few[name], "gate") for name in few}),
        ),
        (
            "09_zoom.svg", "One product, number by number",
            "A product of matrices is nothing but multiplications and sums.",
            lambda: viz.zoom(few["RNN"], t=1),
        ),
        (
            "10_forward_backward.svg", "Forward, and mirrored backward",
            "Each arrow back carries the rule of the operation it goes through.",
            lambda: viz.forward_backward(_short(nn.RNNCell, 2)),
        ),
        (
            "11_differences.svg", "RNN → LSTM → GRU",
            "What is new in each is coloured.",
            lambda: viz.differences(few),
        ),
        (
            "15_program.svg", "A training step as a program",
            "What waits for itself stays in a loop, one forward and one backward; all else is done "
            "for all steps at once, and gradients of weights are sums over time.",
            lambda: viz.program(_compiled()),
        ),
        (
            "15_shapes.svg", "One or many, in and out",
            "One cell, five models: only what is read and when an answer is given differs.",
            viz.sequence_shapes,
        ),
    )  # fmt: skip
    section(
        "How the gradient flows",
        (
            "04_matrix.svg", "Who sends how much gradient back to whom",
            "Follow a row to the left: how fast it becomes light is how fast the net forgets.",
            lambda: viz.gradient_matrix(reads),
        ),
        (
            "04_bars.svg", "The same, stacked by distance",
            "Nearly all that arrives comes from losses close by.",
            lambda: viz.gradient_bars(reads),
        ),
        (
            "04_norms.svg", "The norm of the gradient, and its bound",
            "Below 1 the bound says that the gradient must vanish; above 1 it says nothing.",
            _norms,
        ),
        (
            "04_weights.svg", "Which step asks for the change of the weights",
            "One matrix, used at each step: nearly all of its gradient comes from the last steps.",
            lambda: viz.parameter_gradients(reads["LSTM"][-1], lstm.cell.parameters()),
        ),
        (
            "04_activation.svg", "Where the slope is",
            "Shaded, where the trained LSTM works: the further from 0, the less gradient passes.",
            lambda: viz.activation(["tanh", "sigmoid"], reads["LSTM"]),
        ),
        (
            "06_carousel.svg", "The constant error carousel",
            "The more the forget gate is open at the start, the longer the gradient lives; "
            "dotted, what the gates alone account for. Fresh nets, 40 steps.",
            lambda: viz.carousel(_carousels()),
        ),
        (
            "07_spectra.svg", "What one step does to a small change of the state",
            "The largest singular value may lie above 1 and the product still vanish: dashed.",
            lambda: viz.jacobian_spectra({name: losses[-1] for name, losses in reads.items()}),
        ),
        (
            "08_truncation.svg", "Truncated backpropagation",
            "At the orange cuts the gradient stops.",
            lambda: viz.truncation(_truncated()),
        ),
        (
            "08_reach.svg", "How far back the gradient gets",
            "Never past a cut: k1 = k2 = 2.",
            lambda: viz.reach(_truncated()),
        ),
        (
            "12_wall.svg", "Pascanu's wall",
            "At the foot of the wall the gradient is so long that one step leaves the picture; "
            "clipped, it ends in the valley.",
            viz.loss_surface,
        ),
    )  # fmt: skip
    section(
        "What a trained net does",
        (
            "05_gates.svg", "The gates of an LSTM while it reads",
            "Stripes are units that follow words: open or shut at every space.",
            lambda: viz.gate_map(reads["LSTM"][-1], text=TEXT[:-1]),
        ),
        (
            "05_saturation.svg", "Which gates are open or shut, and how often",
            "A forget gate at the top left keeps nearly everything, one below on the right erases.",
            lambda: viz.gate_saturation(longer[-1]),
        ),
        (
            "05_differences.svg", "The same weights, another letter",
            "One letter differs: the gates differ there, and for as long as it is remembered.",
            lambda: viz.gate_differences(
                {text: _reads(lstm, text)[1][-1] for text in (TEXT, OTHER)},
                ["i", "f", "c"], texts=(TEXT[:-1], OTHER[:-1]),
            ),
        ),
        (
            "05_clamped.svg", "A forget gate that is held open",
            "Nothing is forgotten any more, so the cell state runs away.",
            lambda: viz.clamped(reads["LSTM"][-1], "f", 1.0, text=TEXT[:-1]),
        ),
        (
            "13_probe.svg", "How far back can be read from the state?",
            "A linear decoder finds the last letters in h, and not those before.",
            lambda: viz.memory_probe(*measured.probed(models), lags=range(9)),
        ),
        (
            "13_field.svg", "The receptive field of a ConvLSTM",
            "One place at the end: each step back it has seen a ring more.",
            lambda: viz.receptive_field(*measured.field()),
        ),
        (
            "13_trajectory.svg", "The way of the state while it reads",
            "Equal letters lie near each other: the state says first of all what was read last.",
            lambda: viz.trajectories(reads["LSTM"][-1], text=TEXT[:-1]),
        ),
        (
            "13_attractors.svg", "A latch of two units",
            "At rest it stays in one of two states: one bit. One input sets it, the other resets.",
            lambda: viz.attractors(_latch, rest),
        ),
        (
            "14_activation.svg", "A text, coloured by one unit",
            f"Unit {moves}, the one that moves most.",
            lambda: viz.text_activation(longer[-1], text=LONG[:-1], unit=moves),
        ),
        (
            "14_connectivity.svg", "A text, by what moves the last guess",
            "Powers of ten: how far back a letter still counts.",
            lambda: viz.text_connectivity(_guess(lstm), text=LONG, log=True),
        ),
    )  # fmt: skip
    section(
        "Training, measured",
        (
            "16_curves.svg", "Losses over seeds",
            "A sign is to be remembered for 30 steps: the RNN guesses, the LSTM learns.",
            lambda: _curves(viz.learning_curves, smooth=10),
        ),
        (
            "16_seeds.svg", "The same runs at their end",
            "One dot for each seed: a single run could have been any of them.",
            lambda: _curves(viz.seed_spread, last=10),
        ),
        (
            "17_success.svg", "How long may the gap be?",
            "The share of signs remembered right, by their distance; trained on 30 steps.",
            lambda: viz.success_by_length(measured.remembered(), baseline={"chance": 0.5}),
        ),
        (
            "17_bytes.svg", "What the way back costs",
            "Memory grows with T; with checkpoints as its square root.",
            lambda: viz.bytes_by_length(measured.memories(), [25, 50, 100, 200, 400]),
        ),
        (
            "18_batch.svg", "A padded batch",
            "Rows end at different steps; what is hatched must count nowhere.",
            lambda: viz.padded_batch(tasks.reber(6, rng=0), letters="BTPSXVE"),
        ),
        (
            "18_windows.svg", "A series as examples",
            "Each window is one example: what is seen, and what comes next.",
            lambda: viz.windows(numbers[-100:], 16, horizon=3, times=years[-100:]),
        ),
        (
            "18_forecast.svg", "A forecast and how sure it is",
            "The further ahead, the wider the band: beyond a cycle the net can only guess.",
            lambda: viz.forecast(measured.forecasts(numbers), numbers[-60:-22], numbers[-22:],
                times=years[-60:]),
        ),
    )  # fmt: skip
    section(
        "The family, each folded from its own record",
        *((f"cell_{name}.svg", f"nn.{name}", "", draw) for name, draw in _family()),
        (
            "cell_trees.svg", "nn.ChildSumTreeLSTMCell", "On ((a b) c): children first.",
            lambda: viz.unrolled(_tree(), "gate"),
        ),
    )  # fmt: skip
    return every


def _curves(picture: Callable[..., Any], **how: Any) -> Any:
    return picture(measured.runs(), baseline={"guessing": float(np.log(2))}, **how)


def _norms() -> Any:
    losses, matrices = measured.norms()
    return viz.gradient_norms(losses, W=matrices)


def _short(cell: Any, steps: int, size: int = 3) -> Any:
    """A net of four units over a few inputs, and the mean square of its last output."""
    rng = np.random.default_rng(0)
    outputs, _ = nn.unroll(cell(size, 4, rng=rng), rng.standard_normal((steps, 1, size)))
    with scope("loss"):
        return nn.mse_loss(outputs[-1], rng.standard_normal((1, 4)))


def _family() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Each public cell's name, file by file, and how to draw three steps of its first sample."""
    kinds = nn.cells_of(nn).items()
    for name, kind in sorted(kinds, key=lambda item: (item[1].__module__, item[0])):
        yield name, lambda kind=kind: viz.folded(_sampled(kind), "gate")


def _circuit(name: str) -> Any:
    cell, xs, state = getattr(nn, name).samples(rng=0)[0]
    return viz.cell(cell, x=xs[0], state=state)


def _sampled(kind: Any) -> Any:
    cell, xs, _ = kind.samples(rng=0)[0]
    learns = isinstance(cell, nn.Module) and cell.parameters()
    return _squares(
        cell, xs if learns else Tensor(xs, name="x")
    )  # what learns nothing needs a leaf


def _squares(cell: Any, inputs: Any) -> Any:
    outputs, _ = nn.unroll(cell, inputs)
    with scope("loss"):
        return (outputs[-1] * outputs[-1]).sum()


def _tree() -> Any:
    rng = np.random.default_rng(0)
    a, b, c, ab, root = rng.standard_normal((5, 1, 4))
    cell = nn.ChildSumTreeLSTMCell(4, 4, rng=rng)
    outputs, _ = nn.unroll_tree(cell, [root, [ab, [a], [b]], [c]])
    return (outputs[-1] * outputs[-1]).sum()


def _inputs(model: Any, text: str) -> Tensor:
    """The inputs as a leaf, so that they have gradients; the last character is only guessed."""
    return Tensor(model.embedding.W.data[model.letters.encode(text)[:-1, None]], name="x")


def _reads(model: Any, text: str) -> tuple[Tensor, list[Any]]:
    """The inputs, and the loss at each character of the text."""
    xs = _inputs(model, text)
    return xs, model.losses(xs, model.letters.encode(text)[1:, None])


def _guess(model: Any) -> Tensor:
    """The score of the character that it expects at the end of the text."""
    scores = model.readout(nn.unroll(model.cell, _inputs(model, LONG))[0][-1])
    return scores[0, int(scores.data[0].argmax())]


def _played(model: Any) -> viz.Player:
    text = TEXT[:PLAYED]
    losses: list[Tensor] = []
    outputs, _ = nn.unroll(model.cell, _inputs(model, text))
    for t, h in enumerate(outputs):
        with scope("loss", t=t):  # so that each is drawn at its step
            losses.append(nn.cross_entropy(model.readout(h), model.letters.encode(text[t + 1])))
    alone = {f"t = {t}, {text[t + 1]!r}": loss for t, loss in enumerate(losses)}
    total = losses[0]
    for loss in losses[1:]:
        total = total + loss
    return viz.play(total / len(losses), losses=alone, labels=text, title=f"LSTM reads {text!r}")


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


def _compiled() -> Any:
    """A training step of an LSTM that guesses the next symbol, compiled."""

    def loss_fn(parts: Any, xs: Any, y: Any) -> Any:
        outputs, _ = nn.unroll(parts["cell"], xs)
        return nn.cross_entropy(parts["readout"](stack(outputs)), y)

    rng = np.random.default_rng(0)
    parts = {"cell": nn.LSTMCell(3, 4, rng=rng), "readout": nn.Linear(4, 3, rng=rng)}
    step = compile(loss_fn)
    step(parts, rng.standard_normal((6, 2, 3)), rng.integers(3, size=(6, 2)))
    return step


def _latch(x: Any, h: Any) -> Any:
    """Two units that hold each other up: set by the first input, reset by the second."""
    weights = np.array([[1.5, 0.5], [0.5, 1.5]])
    return tanh(h @ weights + x @ np.array([[2.0, 2.0], [-2.0, -2.0]]))
