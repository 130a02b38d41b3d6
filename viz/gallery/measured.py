"""Of which small models do the gallery's charts tell?"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from tinygrad_rnn import Tensor, nn, no_grad, tasks, train

BETWEEN = 30  # steps from a sign to the question for it
SEEDS = 4


class Recall(nn.Module):
    """Reads a sign and then noise, and gives its scores for the sign at the end."""

    def __init__(self, cell: nn.Module) -> None:
        self.cell, self.readout = cell, nn.Linear(12, 2, rng=0)

    def scores(self, xs: np.ndarray) -> Any:
        """Of minus and plus, (batch, 2)."""
        return self.readout(nn.unroll(self.cell, xs)[0][-1])

    def loss(self, xs: np.ndarray, y: np.ndarray) -> Any:
        """In nats."""
        return nn.cross_entropy(self.scores(xs), y)


def _signs(rng: np.random.Generator, steps: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    y = rng.permutation(np.arange(batch) % 2)  # as many of each, so that a guess is half right
    xs = rng.standard_normal((steps, batch, 1))
    xs[0, :, 0] = 4 * y - 2
    return xs, y


@cache
def trained() -> dict[str, list[tuple[Recall, train.Run]]]:
    """By cell: models of some seeds that were trained to remember a sign, and how that went."""
    found: dict[str, list[tuple[Recall, train.Run]]] = {}
    for name in ("RNN", "LSTM"):
        found[name] = []
        for seed in range(SEEDS):
            rng = np.random.default_rng(seed)
            plain = nn.RNNCell(1, 12, rng=rng)
            kept = nn.start.forget_bias(nn.LSTMCell(1, 12, rng=rng), 3.0)
            model = Recall(plain if name == "RNN" else kept)
            run = train.fit(
                model,
                lambda _, rng=rng: _signs(rng, BETWEEN, 16),
                train.Adam(model.parameters(), lr=1e-2),
                steps=100,
                progress=False,
                target="numpy",
            )
            found[name].append((model, run))
    return found


def runs() -> dict[str, list[train.Run]]:
    """The runs of these models, by cell."""
    return {name: [run for _, run in pairs] for name, pairs in trained().items()}


def remembered() -> dict[str, dict[int, np.ndarray]]:
    """By cell and distance, also such as were not trained: which signs all models told right."""
    found: dict[str, dict[int, np.ndarray]] = {}
    for name, pairs in trained().items():
        rng = np.random.default_rng(9)
        found[name] = {}
        for steps in (10, 20, 40, 80, 160):
            xs, y = _signs(rng, steps, 24)
            with no_grad():
                told = [model.scores(xs).data.argmax(axis=-1) == y for model, _ in pairs]
            found[name][steps] = np.concatenate(told)
    return found


def memories() -> dict[str, Callable[[int], Any]]:
    """An LSTM over T steps, by how much of its record is kept."""
    cell, xs = nn.LSTMCell(8, 16, rng=0), np.zeros((400, 1, 8))
    return {
        "all is kept": lambda T: nn.unroll(cell, xs[:T])[0][-1],
        "checkpoints": lambda T: nn.unroll(cell, xs[:T], checkpoint=True)[0][-1],
    }


def sunspots(ahead: int = 22) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Years, numbers of sunspots, and forecasts of the last years of them."""
    years, numbers = tasks.sunspots()
    return years, numbers, _forecasts(numbers, ahead)


def _forecasts(numbers: np.ndarray, ahead: int) -> np.ndarray:
    """Forty forecasts by an echo state network, each with its errors of the past drawn again."""
    rng = np.random.default_rng(0)
    known = numbers[:-ahead] / 100
    cell = nn.EchoStateCell(1, 60, rng=rng)
    with no_grad():
        states, _ = nn.unroll(cell, known[:-1, None, None])
        h = np.concatenate([x.data for x in states])
        h = np.concatenate([h, np.ones((len(h), 1))], axis=1)[30:]
        target = known[31:]
        W = np.linalg.solve(h.T @ h + 1e-2 * np.eye(h.shape[1]), h.T @ target)
        errors = target - h @ W
        x, state = np.full((40, 1), known[-1]), np.repeat(states[-1].data, 40, axis=0)
        paths = []
        for _ in range(ahead):
            state = cell(x, state)
            rows = np.concatenate([state.data, np.ones((40, 1))], axis=1)
            x = np.clip(rows @ W + rng.choice(errors, 40), 0, 3)[:, None]
            paths.append(100 * x[:, 0])
    return np.array(paths).T


def norms() -> tuple[dict[str, Any], dict[str, Any]]:
    """Losses of the last of 40 steps, of plain nets with weights of two sizes; the weights."""
    losses: dict[str, Any] = {}
    matrices: dict[str, Any] = {}
    for name, scale in (("RNN", 1.0), ("RNN, W × 2.5", 2.5)):
        rng = np.random.default_rng(0)
        cell = nn.RNNCell(4, 16, rng=rng)
        cell.W_h.data = scale * cell.W_h.data
        outputs, _ = nn.unroll(cell, rng.standard_normal((40, 24, 4)))
        losses[name], matrices[name] = (outputs[-1] * outputs[-1]).sum(), cell.W_h
    return losses, matrices


def field() -> tuple[dict[str, Any], Tensor]:
    """The middle of the last state of convolutional LSTMs, by kernel; and what they read."""
    xs = Tensor(np.random.default_rng(0).standard_normal((5, 1, 13, 13, 1)))
    cells = {f"kernel {k}": nn.ConvLSTM2dCell(1, 3, k, rng=0) for k in (3, 5)}
    return {name: nn.unroll(cell, xs)[0][-1][0, 6, 6] for name, cell in cells.items()}, xs
