"""Exercises of lesson 5: vanishing and exploding."""

import numpy as np

from tinygrad_rnn import Tensor, measure, named, nn, tanh, tasks


def exercise_1():
    """★ Over how many steps back can a sigmoid net with σ_max(W) = 2 keep a millionth? 19.

    Return the largest k for which the bound (γ σ_max)^k is at least 1e-6. `measure.growth_bound`
    gives γ σ_max for any matrix with that σ_max.
    """
    # BEGIN SOLUTION
    factor = measure.growth_bound(np.diag([0.5, 2.0]), "sigmoid")
    return int(np.floor(np.log(1e-6) / np.log(factor)))
    # END SOLUTION


def exercise_2():
    """★★ The slope per step of an orthogonal start; expect about -0.13.

    Make `nn.many_to_one(1, 16, 1, cell=nn.RNNCell, rng=0)`, start its cell with
    `nn.start.orthogonal(cell, rng=0)`, and read the first 30 steps of
    `tasks.two_sequence(50, 30, rng=7)`. Fit a line through the logarithm of the median norm at each
    step, and return its slope per step back.
    """
    # BEGIN SOLUTION
    net = nn.many_to_one(1, 16, 1, cell=nn.RNNCell, rng=0)
    nn.start.orthogonal(net.cell, rng=0)
    batch = tasks.two_sequence(50, 30, rng=7)
    loss = nn.binary_cross_entropy(net(batch.xs[:30]), batch.targets)
    found = measure.gradient_norms(loss, W=net.cell.W_h)
    return -np.polyfit(found.steps, np.log(np.median(found.norms, axis=1)), 1)[0]
    # END SOLUTION


def exercise_3():
    """★★★ A latch, wired by hand, that is right on all of 200 sequences with T = 1000: 1.0.

    Write a cell of one unit, run it over `tasks.two_sequence(200, 1000, rng=0)` with its lengths,
    and return the share of rows at whose end the sign is right.
    """

    # BEGIN SOLUTION
    def latch(x, h):
        return named(h=tanh(3 * h + x / 2))

    batch = tasks.two_sequence(200, 1000, rng=0)
    _, h = nn.unroll(latch, batch.xs, Tensor(np.zeros((200, 1))), lengths=batch.lengths)
    return float(((h.data > 0) == (batch.targets > 0.5)).mean())
    # END SOLUTION
