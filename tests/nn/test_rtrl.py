"""Does going forward in time give the gradient that going backward gives?"""

import gc

import numpy as np
import pytest

from tinygrad_rnn import Tensor, grad, nn, tanh


class Own:
    """A cell of one's own with two kinds of state and a counter."""

    def __init__(self):
        self.W = Tensor(normal(3, 4), name="W")
        self.start = Tensor(normal(4, seed=2), name="start")

    def parameters(self):
        return [self.W, self.start]

    def initial_state(self, *batch):
        return tanh(self.start), np.ones((*batch, 4)), 0

    def __call__(self, x, state):
        h, c, steps = state
        c = c * 0.9 + tanh(h)
        return tanh(x @ self.W + h * c), c, steps + 1


CELLS = {
    "rnn": lambda: nn.RNNCell(3, 4, rng=0),
    "relu": lambda: nn.RNNCell(3, 4, "relu", rng=0),
    "lstm": lambda: nn.LSTMCell(3, 4, rng=0),
    "gru": lambda: nn.GRUCell(3, 4, rng=0),
    "gru, reset before": lambda: nn.GRUCell(3, 4, rng=0, reset="before"),
    "learned start": lambda: nn.LearnedState(nn.LSTMCell(3, 4, rng=0)),
    "one's own": Own,
}
every_cell = pytest.mark.parametrize("make", CELLS.values(), ids=CELLS)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@every_cell
def test_forward_accumulation_is_backpropagation_through_time(make):
    cell, xs, targets = make(), normal(8, 2, 3), normal(8, 2, 4, seed=1)

    def loss(h, t):
        return nn.mse_loss(h, targets[t])

    total, forward = nn.rtrl(cell, xs, loss)
    outputs, _ = nn.unroll(cell, xs)
    whole = sum(loss(h, t) for t, h in enumerate(outputs))
    backward = grad(whole, cell.parameters())
    assert abs(total - whole.item()) <= 1e-12
    for a, b in zip(forward, backward, strict=True):
        assert np.linalg.norm(a - b) <= 1e-10 * max(1.0, np.linalg.norm(b))


def test_the_read_out_may_have_parameters_too():
    cell, out, xs = nn.GRUCell(3, 4, rng=0), nn.Linear(4, 2, rng=1), normal(6, 3)

    def loss(h, t):
        return (out(h) ** 2).sum()

    wrt = [*cell.parameters(), *out.parameters()]
    _, forward = nn.rtrl(cell, xs, loss, wrt)
    whole = sum(loss(h, t) for t, h in enumerate(nn.unroll(cell, xs)[0]))
    for a, b in zip(forward, grad(whole, wrt), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_a_first_state_that_is_a_parameter():
    cell, xs, first = nn.RNNCell(3, 4, rng=0), normal(5, 2, 3), Tensor(normal(2, 4))

    def loss(h, t):
        return (h**2).sum()

    _, (forward,) = nn.rtrl(cell, xs, loss, [first], first)
    whole = sum(loss(h, t) for t, h in enumerate(nn.unroll(cell, xs, first)[0]))
    np.testing.assert_allclose(forward, grad(whole, first), rtol=1e-10, atol=1e-12)


def test_gradients_are_known_at_every_step():
    cell, xs = nn.LSTMCell(3, 4, rng=0), normal(5, 2, 3)
    seen = []
    nn.rtrl(
        cell,
        xs,
        lambda h, t: (h**2).sum(),
        on_step=lambda t, loss, gradients: seen.append([g.copy() for g in gradients]),
    )
    for t, found in enumerate(seen):
        outputs, _ = nn.unroll(cell, xs[: t + 1])
        expected = grad(sum((h**2).sum() for h in outputs), cell.parameters())
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_never_more_than_one_step_is_recorded():
    cell = nn.GRUCell(3, 4, rng=0)

    def most(steps):
        counts = []

        def loss(h, t):
            counts.append(sum(1 for x in gc.get_objects() if type(x) is Tensor))
            return (h**2).sum()

        nn.rtrl(cell, normal(steps, 1, 3), loss)
        return max(counts)

    assert most(30) <= most(3)
