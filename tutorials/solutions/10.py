"""Exercises of lesson 10: long lags. Run from the project's folder."""

import numpy as np

from tinygrad_rnn import nn, no_grad, tasks, train

F = np.float32


class Adder(nn.Module):
    """A cell that reads a sequence, and a linear layer that answers at its end."""

    def __init__(self, cell):
        self.cell, self.answer = cell, nn.Linear(cell.hidden_size, 1, rng=0, dtype=F)

    def __call__(self, xs):
        return self.answer(nn.unroll(self.cell, xs)[0][-1])

    def loss(self, xs, targets):
        return nn.mse_loss(self(xs), targets)


def data(n, lag, rng):
    """Inputs and targets of `n` adding problems of `lag` steps."""
    xs, targets, *_ = tasks.adding(n, lag, rng).astype(F)
    return xs, targets


def learn(model, batch, steps):
    """Train on ``batch(step)``."""
    adam = train.Adam(model.parameters(), lr=0.01)
    train.fit(model, batch, adam, steps=steps, clip=1.0, target="auto", progress=False)


def exercise_1():
    """★ The bias of a forget gate that keeps its state for 50 steps. It is 3.89.

    A gate f keeps for 1 / (1 - f) steps, and f is the sigmoid of its bias.
    """
    steps = 50
    # BEGIN SOLUTION
    return np.log(steps - 1)
    # END SOLUTION


def exercise_2():
    """★★ Does an LSTM with chrono for a longest lag of 5 learn to add with T = 50? And for 50?

    Make both cells with rng=0 and 32 units, train them for 600 batches of 32, and return a pair of
    bools: is the error on `unseen` below 1/12?
    """
    unseen = data(500, 50, 99)
    # BEGIN SOLUTION
    found = []
    for longest in (5, 50):
        rng = np.random.default_rng(0)
        cell = nn.start.chrono(nn.LSTMCell(2, 32, rng=0, dtype=F), longest, rng=0)
        model = Adder(cell)
        learn(model, lambda _, rng=rng: data(32, 50, rng), 600)
        found.append(model.loss(*unseen).item() < tasks.adding_baseline(1))
    return tuple(found)
    # END SOLUTION


def exercise_3():
    """★★★ Train one net that adds at any length from 60 to 120.

    Return, for T = 70, 90 and 110, whether at least nine answers of ten are off by less than 0.08.
    Do not train on these three lengths. A program is made for each length that occurs in training,
    so take few of them.
    """

    def share_right(model, lag):
        xs, targets = data(500, lag, 7)
        with no_grad():
            return np.mean(np.abs(model(xs).data - targets) < 0.08)

    # BEGIN SOLUTION
    rng = np.random.default_rng(0)
    model = Adder(nn.start.chrono(nn.GRUCell(2, 32, rng=0, dtype=F), 120, rng=0))
    learn(model, lambda _: data(32, rng.choice([60, 80, 100, 120]), rng), 800)
    return [share_right(model, lag) >= 0.9 for lag in (70, 90, 110)]
    # END SOLUTION
