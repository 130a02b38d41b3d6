"""Has gradient noise the size it claims, and no effect beyond it?"""

import numpy as np
import pytest

from tinygrad_rnn import Tensor
from tinygrad_rnn.train import add_gradient_noise


def with_gradient(*shape, dtype=float):
    p = Tensor(np.zeros(shape), dtype=dtype)
    p.grad = np.full(shape, 2.0, dtype)
    return p


@pytest.mark.parametrize(("step", "eta"), [(0, 0.3), (9, 0.3), (99, 1.0)])
def test_its_variance_falls_with_the_step(step, eta):
    p = with_gradient(100, 200)
    add_gradient_noise([p], step, np.random.default_rng(0), eta=eta)
    noise, variance = p.grad - 2, eta / (1 + step) ** 0.55
    assert abs(noise.mean()) < 5 * np.sqrt(variance / noise.size)
    assert abs(noise.var() - variance) < 5 * variance * np.sqrt(2 / noise.size)


def test_the_same_seed_adds_the_same_and_the_next_step_another():
    drawn = []
    for _ in range(2):
        p, rng = with_gradient(3), np.random.default_rng(0)
        add_gradient_noise([p], 0, rng)
        first = p.grad
        add_gradient_noise([p], 0, rng)
        drawn.append((first, p.grad))
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0][1] - drawn[0][0] != drawn[0][0] - 2).all()


def test_shared_bare_and_float32_parameters_are_treated_as_elsewhere():
    p, bare, old = with_gradient(2, dtype=np.float32), Tensor([1.0]), np.random.default_rng(0)
    gradient = p.grad
    add_gradient_noise([p, bare, p], 0, np.random.default_rng(0), eta=1.0, gamma=0.0)
    np.testing.assert_allclose(p.grad, 2 + old.standard_normal(2), rtol=1e-6)
    assert p.grad.dtype == np.float32
    assert bare.grad is None
    np.testing.assert_array_equal(gradient, [2, 2])


@pytest.mark.parametrize("numbers", [{"step": -1}, {"eta": -0.1}, {"gamma": np.nan}])
def test_numbers_below_zero_are_refused(numbers):
    with pytest.raises(ValueError, match="step, eta and gamma must be at least 0"):
        add_gradient_noise(
            [with_gradient(1)], rng=np.random.default_rng(0), **{"step": 0} | numbers
        )


def test_a_seed_in_place_of_a_generator_is_refused():
    with pytest.raises(TypeError, match="expected a generator, got int; a seed would add the same"):
        add_gradient_noise([with_gradient(1)], 0, 7)
