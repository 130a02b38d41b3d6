"""Which nets are small enough to be seen through? Untrained ones, of a few steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn import Tensor, compile, grad, nn, scope, stack, tanh

LATCHED = {"at rest": np.zeros(2), "set": np.array([1.0, 0.0]), "reset": np.array([0.0, 1.0])}


def short(cell: Any, steps: int, size: int = 3) -> Any:
    """A net of four units over a few inputs, and the mean square of its last output."""
    rng = np.random.default_rng(0)
    outputs, _ = nn.unroll(cell(size, 4, rng=rng), rng.standard_normal((steps, 1, size)))
    with scope("loss"):
        return nn.mse_loss(outputs[-1], rng.standard_normal((1, 4)))


def two_steps() -> Any:
    """An RNN of two steps."""
    return short(nn.RNNCell, 2)


def far(steps: int = 7) -> dict[str, Tensor]:
    """The loss of an RNN and of an LSTM, its forget gate open, at the last step."""
    losses = {}
    for name, cell in (("RNN", nn.RNNCell), ("LSTM, its forget gate open", nn.LSTMCell)):
        net: Any = cell(3, 16, rng=0)
        if cell is nn.LSTMCell:
            nn.start.forget_bias(net, 3.0)
        outputs, _ = nn.unroll(net, np.random.default_rng(1).standard_normal((steps, 1, 3)))
        losses[name] = nn.mse_loss(outputs[-1], np.zeros((1, 16)))
    return losses


def answering(steps: int = 5) -> Tensor:
    """An RNN that answers at each step; the sum of its losses."""
    rng = np.random.default_rng(0)
    outputs, _ = nn.unroll(nn.RNNCell(3, 4, rng=rng), rng.standard_normal((steps, 1, 3)))
    head, losses = nn.Linear(4, 3, rng=rng), list[Tensor]()
    for t, h in enumerate(outputs):
        with scope("read out", t=t):
            y = head(h)
        losses.append(nn.cross_entropy(y, np.array([t % 3])))
    return stack(losses).sum()


def sampled(kind: Any) -> Any:
    """The sum of squares of the last output of a cell's first sample."""
    cell, xs, _ = kind.samples(rng=0)[0]
    learns = isinstance(cell, nn.Module) and cell.parameters()
    # what learns nothing needs a leaf
    outputs, _ = nn.unroll(cell, xs if learns else Tensor(xs, name="x"))
    with scope("loss"):
        return (outputs[-1] * outputs[-1]).sum()


def tree() -> Any:
    """A Tree-LSTM on ((a b) c)."""
    rng = np.random.default_rng(0)
    a, b, c, ab, root = rng.standard_normal((5, 1, 4))
    cell = nn.ChildSumTreeLSTMCell(4, 4, rng=rng)
    outputs, _ = nn.unroll_tree(cell, [root, [ab, [a], [b]], [c]])
    return (outputs[-1] * outputs[-1]).sum()


def carousels() -> dict[str, Any]:
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


def truncated() -> Any:
    """Six steps, cut after every second."""
    rng = np.random.default_rng(0)
    cell, xs = nn.RNNCell(3, 4, rng=rng), rng.standard_normal((6, 1, 3))
    outputs, _ = nn.unroll(cell, xs, truncate=2)
    total = (outputs[0] * outputs[0]).sum()
    for h in outputs[1:]:
        total = total + (h * h).sum()
    return total


def compiled() -> Any:
    """A training step of an LSTM that guesses the next symbol, compiled."""

    def loss_fn(parts: Any, xs: Any, y: Any) -> Any:
        outputs, _ = nn.unroll(parts["cell"], xs)
        return nn.cross_entropy(parts["readout"](stack(outputs)), y)

    rng = np.random.default_rng(0)
    parts = {"cell": nn.LSTMCell(3, 4, rng=rng), "readout": nn.Linear(4, 3, rng=rng)}
    step = compile(loss_fn)
    step(parts, rng.standard_normal((6, 2, 3)), rng.integers(3, size=(6, 2)))
    return step


def latch(x: Any, h: Any) -> Any:
    """Two units that hold each other up: set by the first input, reset by the second."""
    weights = np.array([[1.5, 0.5], [0.5, 1.5]])
    return tanh(h @ weights + x @ np.array([[2.0, 2.0], [-2.0, -2.0]]))


def circuit(name: str) -> tuple[Any, Any, Any]:
    """The first sample of a cell by its name: the cell, an input, a state."""
    cell, xs, state = getattr(nn, name).samples(rng=0)[0]
    return cell, xs[0], state


def derivative() -> Tensor:
    """The derivative of tanh(x²), recorded."""
    x = Tensor(0.5, name="x")
    return grad(tanh(x * x), x, create_graph=True)
