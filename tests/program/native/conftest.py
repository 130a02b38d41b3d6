"""What do the tests of C compile, and what must it give?"""

import numpy as np
import pytest

from tinygrad_rnn import compile, grad, nn, stack


class Model(nn.Module):
    def __init__(self, cell, size):
        self.cell = cell(3, size, rng=0)
        self.readout = nn.Linear(size, 3, rng=1)


def loss_fn(m, x, y):
    outputs, _ = nn.unroll(m.cell, x)
    return nn.cross_entropy(m.readout(stack(outputs)), y)


def in_c(f, p, *args):
    step = compile(f, target="c")
    loss, grads = step(p, *args)
    exact = f(p, *map(np.asarray, args))
    ps = list(p.values()) if isinstance(p, dict) else p.parameters()
    np.testing.assert_allclose(loss, exact.data, rtol=1e-12)
    for g, e in zip(grads.values(), grad(exact, ps), strict=True):
        np.testing.assert_allclose(g, e, rtol=0, atol=1e-12 * max(1, np.abs(e).max()))
    assert step.stats["eager"] == 0
    return step


@pytest.fixture
def language_model():
    """A loss, and a model of a cell and a size for it."""
    return lambda cell, size: (loss_fn, Model(cell, size))


@pytest.fixture
def compiled():
    """A step in C that has given what the record gives."""
    return in_c
