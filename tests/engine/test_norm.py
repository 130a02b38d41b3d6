"""Is a gradient as long as it is, however large or small?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tinygrad_rnn.engine.norm import norm
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.train import clip_grad_norm, clip_grad_norm_each, clip_grad_value

ONES = arrays(np.float64, st.integers(0, 5), elements=st.floats(-1, 1, width=32))


@given(st.lists(ONES, max_size=3), st.integers(-1000, 1000))
def test_it_grows_with_what_it_measures(gs, power):
    """By a power of two, and no digit changes."""
    gs = [np.where(abs(g) < 1e-6, 0, g) for g in gs]
    np.testing.assert_allclose(
        norm(*(np.ldexp(g, power) for g in gs)),
        np.ldexp(np.sqrt(np.square(np.concatenate([[0.0], *gs])).sum()), power),
        rtol=1e-14,
    )


def test_nan_infinity_and_nothing():
    assert norm() == norm([]) == norm([0.0], 0.0) == 0
    assert norm([1.0], [np.inf]) == norm([-np.inf, 1e200]) == np.inf
    assert np.isnan([norm([1e200, np.nan]), norm([np.nan], [0.0])]).all()
    assert norm(np.float32([3e30, 4e30])) == pytest.approx(5e30)


def with_gradient(g):
    p = Tensor(np.zeros_like(g))
    p.grad = g
    return p


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e-30, 1.0, 1e22, 1e38])
@pytest.mark.parametrize("longest", [1e-30, 1.0, 1e20])
def test_what_is_finite_is_clipped_to_the_length(dtype, size, longest):
    p, q = (with_gradient(np.array([3, -4], dtype) * dtype(size / 5)) for _ in "pq")
    before = np.sqrt(2) * size
    assert clip_grad_norm([p, q], longest) == pytest.approx(before, rel=1e-6)
    assert norm(p.grad, q.grad) == pytest.approx(min(longest, before), rel=1e-6)
    assert p.grad.dtype == dtype
    np.testing.assert_allclose(p.grad[0] / p.grad[1], -0.75, rtol=1e-6)


def test_one_tensor_stands_for_itself():
    for clip in (
        lambda p: clip_grad_norm(p, 1.0),
        lambda p: clip_grad_norm_each(p, 1.0)[0],
        lambda p: clip_grad_norm_each([p], 1.0)[0],
    ):
        p = with_gradient(np.array([30.0, 40.0]))
        assert clip(p) == 50
        np.testing.assert_allclose(p.grad, [0.6, 0.8])
    assert clip_grad_value(p, 0.7) == pytest.approx(1.0)
    np.testing.assert_allclose(p.grad, [0.6, 0.7])
