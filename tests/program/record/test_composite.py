"""Is a program of a composite function that of its operations?"""

import numpy as np
import pytest

from tinygrad_rnn import Tensor, compile, composite, measure, named, nn, tanh


def scaled(a, gain):
    return gain * tanh(a * 0.5)


def loss_of(f):
    def loss(p, xs):
        def cell(x, h):
            return named(h=f(x @ p["W"] + h @ p["U"], p["g"]))

        outputs, _ = nn.unroll(cell, xs, np.zeros((2, 3)))
        return nn.mse_loss(outputs[-1], np.ones((2, 3)))

    return loss


@pytest.fixture
def parameters():
    rng = np.random.default_rng(0)
    p = {name: Tensor(rng.standard_normal((3, 3)), name=name) for name in "WU"}
    return p | {"g": Tensor(np.ones(3), name="g")}


def test_its_texts_are_those_of_the_operations(parameters):
    xs = np.random.default_rng(1).standard_normal((6, 2, 3))
    steps = [compile(loss_of(f)) for f in (scaled, composite(scaled))]
    values = [step(parameters, xs) for step in steps]
    assert not any(step.reason for step in steps)
    assert len({step.source for step in steps}) == 1
    assert len({step.latex for step in steps}) == len({step.plain for step in steps}) == 1
    np.testing.assert_array_equal(values[0][0], values[1][0])


def test_its_measures_are_those_of_the_operations(parameters):
    xs = np.random.default_rng(1).standard_normal((6, 2, 3))
    plain, whole = (loss_of(f)(parameters, xs) for f in (scaled, composite(scaled)))
    for one, other in zip(measure.lanes(plain), measure.lanes(whole), strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(one.array("h"), other.array("h"))
    gradients = [measure.gradient_norms(loss).norms for loss in (plain, whole)]
    np.testing.assert_array_equal(*gradients)
