"""How many seconds until a network knows what can be known?

Each starts anew from three seeds and is asked every fifty steps, on data it never trains on. It has
learnt when it is one per cent from the optimum of those very strings (Reber), or below a fiftieth
of what an answer without memory costs. A seed that does not get there in its steps fails.
"""

import time

import numpy as np
import pytest
from measure import machine, table

from tinygrad_rnn import nn, no_grad, tasks
from tinygrad_rnn.train import Adam, fit


class Model(nn.Module):
    """An LSTM and a read-out: symbols in and classes out, or numbers in and numbers out."""

    def __init__(self, net, symbols):
        self.net, self.symbols = net, symbols

    def loss(self, xs, targets, lengths, mask, legal=None):
        y = self.net(tasks.one_hot(xs, self.symbols) if self.symbols else xs, lengths=lengths)
        if not self.symbols:
            return nn.mse_loss(y, targets)
        return nn.cross_entropy(y, targets, mask=mask if targets.ndim == 2 else None)


def embedded_reber(count, rng):
    return tasks.embedded_reber(count, rng)


def adding(count, rng):
    return tasks.adding(count, 100, rng)


def temporal_order(count, rng):
    return tasks.temporal_order(count, 100, rng)


def remembering(net, rng):
    """Chrono start: without it temporal order stays at chance for more than 1,500 steps."""
    nn.start.chrono(net.cell, t_max=100, rng=rng)
    return net


def optimum(batch):
    """Nats per letter of who knows the grammar, for these strings: all arrows are alike."""
    return np.log(batch.legal.sum(axis=-1)[batch.mask]).mean()


CASES = {
    "embedded Reber": (
        embedded_reber,
        lambda rng: Model(nn.many_to_many(7, 16, 7, cell=nn.LSTMCell, rng=rng), 7),
        lambda held_out: 1.01 * optimum(held_out),
    ),
    "adding, T = 100": (
        adding,
        lambda rng: Model(remembering(nn.many_to_one(2, 32, 1, cell=nn.LSTMCell, rng=rng), rng), 0),
        lambda held_out: tasks.adding_baseline() / 50,
    ),
    "temporal order, T = 100": (
        temporal_order,
        lambda rng: Model(remembering(nn.many_to_one(8, 20, 4, cell=nn.LSTMCell, rng=rng), rng), 8),
        lambda held_out: tasks.temporal_order_baseline() / 50,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_seconds_until_it_is_learnt(name, show):
    draw, make, learnt = CASES[name]
    held_out = draw(200, 1000)
    goal, rows = learnt(held_out), []
    for seed in range(3):
        rng, before = np.random.default_rng(seed), time.process_time()
        model = make(rng)
        optimiser, score, steps = Adam(model.parameters(), lr=0.01), np.inf, 0
        while score > goal and steps < 5000:
            run = fit(
                model,
                lambda _, rng=rng: draw(20, rng),
                optimiser,
                steps=50,
                clip=1.0,
                progress=False,
            )
            with no_grad():
                score, steps = model.loss(*held_out).item(), steps + run.step
        rows.append([f"{name}, seed {seed}", time.process_time() - before, str(steps), score, goal])
    show(machine(), table(["batches of 20", "seconds", "steps", "score", "goal"], rows))
    assert all(score <= goal for *_, score, _ in rows)
