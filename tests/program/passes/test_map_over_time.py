"""Is a loss over whole sequences the same short program as a loss at every step?"""

import numpy as np
import pytest
from agreeing import agrees

from tinygrad_rnn import compile, log_softmax, nn, stack

V, H, B = 5, 4, 2


class Model(nn.Module):
    def __init__(self):
        self.embedding = nn.Embedding(V, 3, rng=0)
        self.cell = nn.LSTMCell(3, H, rng=1)
        self.readout = nn.Linear(H, V, rng=2)

    def states(self, symbols):
        return nn.unroll(self.cell, self.embedding(symbols))[0]


def all_at_once(m, x, y, mask):
    return nn.cross_entropy(m.readout(stack(m.states(x))), y)


def rows_of_logits(m, x, y, mask):
    return nn.cross_entropy(m.readout(stack(m.states(x))).reshape((-1, V)), y.reshape(-1))


def rows_of_states(m, x, y, mask):
    return nn.cross_entropy(m.readout(stack(m.states(x)).reshape((-1, H))), y.reshape(-1))


def step_by_step(m, x, y, mask):
    hs = m.states(x)
    return sum(nn.cross_entropy(m.readout(h), y[t]) for t, h in enumerate(hs)) / len(hs)


def masked(m, x, y, mask):
    return nn.cross_entropy(m.readout(stack(m.states(x))), y, mask=mask)


def weighted(m, x, y, mask):
    T = len(mask)
    scores = log_softmax(m.readout(stack(m.states(x))))
    picked = scores[np.arange(T)[:, None], np.arange(B), y] * mask
    return -picked.sum() / mask.sum()


def data(T, kind=bool):
    rng = np.random.default_rng(T)
    return *rng.integers(V, size=(2, T, B)), (rng.random((T, B)) < 0.7).astype(kind)


LOSSES = [all_at_once, rows_of_logits, rows_of_states, step_by_step, masked, weighted]


@pytest.mark.parametrize("loss_fn", LOSSES)
def test_nothing_but_the_length_differs_between_lengths(loss_fn):
    m, step = Model(), compile(loss_fn)
    for T in (7, 11, 30):
        agrees(step, loss_fn, m, *data(T, float if loss_fn is weighted else bool))
    assert step.stats == {"calls": 3, "recorded": 3, "structures": 1, "eager": 0}
    assert step.source.count("for t in") == 2


def test_the_gradient_of_an_embedding_is_one_scatter_over_all_steps():
    step = compile(all_at_once)
    step(Model(), *data(9))
    assert step.source.count("np.add.at(") == 1


def test_a_mean_of_losses_weighs_by_one_number():
    # d loss/d logits is (softmax - one-hot)/n: no array of weights, nothing summed over classes
    step = compile(all_at_once)
    step(Model(), *data(9))
    after = step.source.split("# backward in time")[1].split("for t in")[0]
    assert "reduce" not in after
    assert "copy(" not in after
    assert f"{-1 / (9 * B)!r}" in step.source.split("\n\n")[1]
