"""Exercises of lesson 4: a character model."""

from collections import Counter

import numpy as np

from tinygrad_rnn.tasks import python_documentation


def exercise_1():
    """★ Perplexity and bits per character of a loss of 1.5 nats. Expect 4.48 and 2.16."""
    # BEGIN SOLUTION
    perplexity, bits = np.exp(1.5), 1.5 / np.log(2)
    # END SOLUTION
    return [perplexity, bits]


def exercise_2():
    """★★ Nats per character of a model that counts three characters and the next.

    Train on `text[:90_000]`, test on the rest: add 0.1 to each count of the V characters of `text`.
    """
    text = python_documentation()[:100_000]
    V = len(set(text))
    # BEGIN SOLUTION
    train, test = text[:90_000], text[90_000:]
    after = Counter(train[k - 3 : k + 1] for k in range(3, len(train)))
    before = Counter(train[k - 3 : k] for k in range(3, len(train)))
    shares = [
        (after[test[k - 3 : k + 1]] + 0.1) / (before[test[k - 3 : k]] + 0.1 * V)
        for k in range(3, len(test))
    ]
    return -np.log(shares).mean()
    # END SOLUTION


def exercise_3():
    """★★★ Sample with a temperature, but never a character of less than the probability `least`.

    `draw(scores, temperature, least, rng)` gives a number. With scores 0, 1, 2, 3, temperature 1
    and least 0.1, only 2 and 3 are drawn, 3 in 73 % of the cases.
    """
    # BEGIN SOLUTION

    def draw(scores, temperature, least, rng):
        p = np.exp((scores - scores.max()) / temperature)
        p /= p.sum()
        p[p < least] = 0
        return rng.choice(len(p), p=p / p.sum())

    # END SOLUTION
    rng = np.random.default_rng(0)
    found = [draw(np.arange(4.0), 1.0, 0.1, rng) for _ in range(2000)]
    return [set(found) == {2, 3}, bool(0.7 < np.mean(np.array(found) == 3) < 0.76)]
