"""Exercises of lesson 1: memory."""

from collections import Counter

import numpy as np

from tinygrad_rnn import nn, tanh
from tinygrad_rnn.tasks import reber_string


def exercise_1():
    """★ Write a cell whose state is the sum of all inputs so far. After 1, 2, 3, 4 it is 10."""
    # BEGIN SOLUTION
    cell = lambda x, h: h + x  # noqa: E731
    # END SOLUTION
    _, state = nn.unroll(cell, np.array([[1.0], [2.0], [3.0], [4.0]]), np.zeros(1))
    return state[0]


def exercise_2():
    """★★ The bound, in nats per letter, for a predictor that sees the last two letters.

    Count it on these 20,000 strings: the entropy of the next letter, given the current letter and
    the one before it ("" before the first).
    """
    rng = np.random.default_rng(0)
    strings = [reber_string(rng) for _ in range(20_000)]
    # BEGIN SOLUTION
    pairs = Counter()
    for string in strings:
        for t in range(len(string) - 1):
            pairs[string[max(t - 1, 0) : t + 1], string[t + 1]] += 1
    seen = Counter()
    for (view, _), n in pairs.items():
        seen[view] += n
    return -sum(n * np.log(n / seen[view]) for (view, _), n in pairs.items()) / seen.total()
    # END SOLUTION


def exercise_3():
    """★★★ Weights with which a state of one number remembers that the input was 1 once.

    Return whether h stays above 0.5 for 100 steps after a single input 1, and below 0.1 without it.
    """
    # BEGIN SOLUTION
    W_x, W_h = np.array([[2.0]]), np.array([[1.5]])  # slope 1.5 at 0: two more fixed points
    # END SOLUTION
    cell = lambda x, h: tanh(x @ W_x + h @ W_h)  # noqa: E731
    once, never = np.zeros((101, 1, 1)), np.zeros((101, 1, 1))
    once[0] = 1.0
    kept, rest = (np.array(nn.unroll(cell, xs, np.zeros((1, 1)))[0]) for xs in (once, never))
    return bool((kept > 0.5).all() and (rest < 0.1).all())
