"""Exercises of lesson 6: cutting time."""

import numpy as np

from tinygrad_rnn import ancestors, grad, measure, nn, stack

LAG, T = 6, 40


class Echo(nn.Module):
    """The lesson's network: at each step, say which bit came LAG steps ago."""

    def __init__(self, rng, truncate=None):
        self.cell = nn.start.orthogonal(nn.RNNCell(1, 32, rng=rng), rng=rng)
        self.readout, self.truncate = nn.Linear(32, 1, rng=rng), truncate

    def loss(self, xs, rng=None):
        outputs, _ = nn.unroll(self.cell, xs, truncate=self.truncate, rng=rng)
        return nn.binary_cross_entropy(self.readout(stack(outputs[LAG:])), xs[:-LAG])


def bits(rng):
    return (rng.random((T, 20, 1)) < 0.5).astype(float)


def flat(gradients):
    return np.concatenate([g.ravel() for g in gradients])


def exercise_1():
    """★ How many steps are run in all for T = 40 with k1 = 6 and k2 = 12? 78.

    Unroll an `nn.RNNCell` with that truncation, and count the operations named tanh among the
    ancestors of all outputs: ``node.op.name``, for each node that has an ``op``.
    """
    # BEGIN SOLUTION
    outputs, _ = nn.unroll(nn.RNNCell(1, 4, rng=0), np.ones((T, 1, 1)), truncate=(6, 12))
    return sum(node.op is not None and node.op.name == "tanh" for node in ancestors(*outputs))
    # END SOLUTION


def exercise_2():
    """★★ The share of the 34 answers whose bit is within reach for k = 20.

    The answers are given at the steps 6 to 39, each about the bit 6 steps before. The array `back`
    of `measure.reach(outputs)[0]` says for each step how many steps back its gradient gets.
    """
    # BEGIN SOLUTION
    outputs, _ = nn.unroll(nn.RNNCell(1, 4, rng=0), np.ones((T, 1, 1)), truncate=20)
    return float((measure.reach(outputs)[0].back[LAG:] >= LAG).mean())
    # END SOLUTION


def exercise_3():
    """★★★ The standard deviation of the share of the full gradient for p = 1/20.

    Take 200 draws from ``np.random.default_rng(1)``, after ``xs = bits(rng)`` from the same
    generator, of the network ``Echo(np.random.default_rng(0), nn.RandomTruncation(1 / 20))``.
    """
    # BEGIN SOLUTION
    rng = np.random.default_rng(1)
    xs = bits(rng)
    whole = Echo(np.random.default_rng(0))
    full = flat(grad(whole.loss(xs), whole.cell.parameters()))
    model = Echo(np.random.default_rng(0), nn.RandomTruncation(1 / 20))
    draws = [flat(grad(model.loss(xs, rng), model.cell.parameters())) for _ in range(200)]
    return float(np.std([g @ full / (full @ full) for g in draws]))
    # END SOLUTION
