"""Exercises of lesson 12: are the slides right?"""

import numpy as np

from tinygrad_rnn import measure, nn, no_grad
from tinygrad_rnn.tasks import one_hot
from tinygrad_rnn.train import Adam


def exercise_1():
    """★ After how many steps of a forget gate of 0.99 is a gradient below 1 %? Expect 459."""
    # BEGIN SOLUTION
    return int(np.ceil(np.log(0.01) / np.log(0.99)))
    # END SOLUTION


def exercise_2():
    """★★ The first lag at which a GRU's probe is less than 5 points above a guess of 12.5 %.

    Return two numbers: for `nn.GRUCell(8, 32, rng=1)` as it is, and with 2.0 added to the bias of
    its update gate, the columns 32 to 63 of b_x. (z = 1 keeps the state.)
    """
    letters = np.random.default_rng(0).integers(8, size=(60, 400))
    # BEGIN SOLUTION

    def first(extra):
        cell = nn.GRUCell(8, 32, rng=1)
        bias = cell.b_x.data.copy()
        bias[32:64] += extra
        cell.b_x.data = bias
        outputs, _ = nn.unroll(cell, one_hot(letters, 8))
        scores = measure.memory_probe([h.data for h in outputs], letters, range(30)).scores
        return int(np.argmax(np.asarray(scores) < 0.175))

    return [first(0.0), first(2.0)]
    # END SOLUTION


def exercise_3():
    """★★★ A dense network sees the last four letters at once. Does it name the one 3 steps ago?

    Train a linear layer on windows of four one-hot letters, and return whether it is right in more
    than 99 % of the cases. (It has no memory: whatever is older than its window does not exist.)
    """
    letters = np.random.default_rng(0).integers(8, size=(200, 4))
    # BEGIN SOLUTION
    windows, wanted = one_hot(letters, 8).reshape(200, 32), letters[:, 0]
    layer = nn.Linear(32, 8, rng=0)
    optimiser = Adam(layer.parameters(), lr=0.05)
    for _ in range(100):
        optimiser.zero_grad()
        nn.cross_entropy(layer(windows), wanted).backward()
        optimiser.step()
    fresh = np.random.default_rng(1).integers(8, size=(500, 4))
    with no_grad():
        answers = layer(one_hot(fresh, 8).reshape(500, 32)).data.argmax(axis=1)
    return bool((answers == fresh[:, 0]).mean() > 0.99)
    # END SOLUTION
