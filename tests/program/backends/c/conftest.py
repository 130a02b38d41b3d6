"""What do the tests of C compile, and what must it give?"""

import numpy as np
import pytest
from agreeing import agrees
from building import built_as_users_do

from tinygrad_rnn import compile, nn, stack


class Model(nn.Module):
    def __init__(self, cell, size):
        self.cell = cell(3, size, rng=0)
        self.readout = nn.Linear(size, 3, rng=1)


def loss_fn(m, x, y):
    outputs, _ = nn.unroll(m.cell, x)
    return nn.cross_entropy(m.readout(stack(outputs)), y)


def in_c(f, p, *args):
    step = compile(f, target="c")
    agrees(step, f, p, *map(np.asarray, args))
    assert step.stats["eager"] == 0
    return step


@pytest.fixture(scope="module", autouse=True)
def optimised():
    """What the compiler makes of C is what is tested here."""
    with built_as_users_do():
        yield


@pytest.fixture
def language_model():
    """A loss, and a model of a cell and a size for it."""
    return lambda cell, size: (loss_fn, Model(cell, size))


@pytest.fixture
def compiled():
    """A step in C that has given what the record gives."""
    return in_c
