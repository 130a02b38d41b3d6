"""Are the exponents right where directions die, and do they converge?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn import measure, nn
from tinygrad_rnn.measure import StepJacobians


def of(matrices):
    """Jacobians of one example."""
    J = np.asarray(matrices, float)[:, None]
    return StepJacobians("net", ("h",), J.shape[-1:], np.arange(len(J) + 1), J)


def test_one_unit_of_two_that_take_turns_lives():
    """Each step is [[0, 1], [1, 0]] and lets one unit pass; the other direction is lost."""
    cell = nn.RNNCell(2, 2, "relu", rng=0)
    cell.W_x.data, cell.W_h.data = np.eye(2), np.array([[0.0, 1.0], [1.0, 0.0]])
    for name in ("b_x", "b_h"):
        getattr(cell, name).data = np.zeros(2)
    xs = np.full((20, 1, 2), -5.0)
    for t in range(20):
        xs[t, 0, (t + 1) % 2] = 1
    hs, _ = nn.unroll(cell, xs)
    assert measure.step_jacobians(hs[-1]).lyapunov().tolist() == [[0, -np.inf]]


@given(
    st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 20), st.sampled_from([1, 0.7, 3.3])
)
def test_as_many_live_as_the_product_has_rank(seed, n, steps, size):
    """Permutations that lose some units: those that are left keep their size."""
    rng = np.random.default_rng(seed)
    J = [np.eye(n)[rng.permutation(n)] * (rng.random(n) < 0.9) for _ in range(steps)]
    J = [*J, *J[:1]]
    rank = np.linalg.matrix_rank(of(J).product()[0])
    found = of(size * np.array(J)).lyapunov()[0]
    np.testing.assert_allclose(found[:rank], np.log(size), atol=1e-14)
    assert np.isneginf(found[rank:]).all()


def test_the_rounding_of_one_step_does_not_live_at_the_next():
    rng = np.random.default_rng(1)
    for _ in range(300):
        size = np.exp(rng.normal())
        J = [np.eye(4)[rng.permutation(4)] * (rng.random(4) < 0.8) for _ in range(16)]
        alive = np.linalg.matrix_rank(of(J).product()[0])
        assert np.isfinite(of(size * np.array(J)).lyapunov()[0]).sum() == alive


@given(st.integers(0, 2**32 - 1), st.permutations([1.5, 0.8, 0.3, 0.0, 0.0]))
def test_what_lives_beside_the_dead_grows_as_fast_as_alone(seed, factors):
    rng = np.random.default_rng(seed)
    basis = np.eye(5) + 0.1 * rng.standard_normal((5, 5))
    J = of([basis @ np.diag(factors) @ np.linalg.inv(basis)] * 80)
    found = J.lyapunov(burn_in=50)[0]
    np.testing.assert_allclose(found[:3], np.log([1.5, 0.8, 0.3]), atol=1e-6)
    assert np.isneginf(found[3:]).all()


def test_the_curve_ends_in_the_exponents_and_a_burn_in_brings_it_there_sooner():
    rng = np.random.default_rng(0)
    basis = rng.standard_normal((3, 3))
    J = of([basis @ np.diag([1.5, 0.9, 0.1]) @ np.linalg.inv(basis)] * 60)
    right = np.log([1.5, 0.9, 0.1])
    curve = J.lyapunov_curve()
    assert curve.shape == (60, 1, 3)
    np.testing.assert_array_equal(curve[-1], J.lyapunov())
    off = np.abs(curve[[0, 10, 59], 0] - right).max(axis=-1)
    assert off[0] > off[1] > off[2]
    np.testing.assert_allclose(J.lyapunov(burn_in=40)[0], right, atol=1e-9)
    assert J.lyapunov_curve(40).shape == (20, 1, 3)


def test_a_direction_that_dies_in_the_burn_in_is_dead():
    J = of([np.diag([0.0, 1.0])] + [np.diag([3.0, 2.0])] * 4)
    np.testing.assert_allclose(J.lyapunov(burn_in=1), [[np.log(2), -np.inf]])


@pytest.mark.parametrize("burn_in", [-1, 5, 1.5, None, True])
def test_a_burn_in_that_leaves_nothing_is_refused(burn_in):
    with pytest.raises(ValueError, match=r"0 ≤ burn_in < 5 of the 5 Jacobians"):
        of([np.eye(2)] * 5).lyapunov(burn_in)


def chain(factor, steps, dtype, units=1):
    cell = nn.RNNCell(units, units, lambda x: x, dtype=dtype, rng=0)
    cell.W_h.data = factor * np.eye(units, dtype=dtype)
    hs, _ = nn.unroll(cell, np.ones((steps, 1, units), dtype))
    return hs


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("factor", [0.5, 1.0, 1.7])
def test_logarithms_of_norms_do_not_vanish_where_norms_do(dtype, factor):
    with np.errstate(over="ignore"):
        hs = chain(factor, 2000, dtype)
        found = measure.state_gradients((hs[-1] * 1e-3).sum())["h"]
    assert found.norms[0] == {0.5: 0, 1.0: pytest.approx(1e-3), 1.7: np.inf}[factor]
    right = np.log(1e-3) + np.arange(2000)[::-1] * np.log(factor)
    np.testing.assert_allclose(found.log_norms, right, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(found.rate(), factor, rtol=1e-6)


@pytest.mark.parametrize("layers", [1, 2])
def test_logarithms_agree_with_norms_where_those_are_normal(layers):
    """With losses at all steps, two layers and an LSTM's two parts of the state."""
    xs = np.random.default_rng(0).standard_normal((5, 2, 3))
    hs, _ = nn.unroll(nn.LSTMCell(3, 4, rng=0), xs)
    if layers == 2:
        hs, _ = nn.unroll(nn.LSTMCell(4, 4, rng=1), hs)
    for letters in (None, "h", ["f", "c"]):
        plain = measure.state_gradients(sum((h * h).sum() for h in hs), letters)
        weak = measure.state_gradients(sum((h * h).sum() for h in hs) * 1e-305, letters)
        for a, b in zip(plain.rows, weak.rows, strict=True):
            with np.errstate(divide="ignore"):  # the first c is 0: so is that of the first f
                right = np.log(a.norms)
            np.testing.assert_allclose(a.log_norms, right, atol=1e-13)
            np.testing.assert_allclose(b.log_norms - np.log(1e-305), a.log_norms, atol=1e-10)


def test_what_is_cut_off_or_exactly_zero_has_the_logarithm_minus_infinity():
    hs = chain(0.0, 4, np.float64)
    found = measure.state_gradients(hs[-1].sum())["h"]
    assert found.log_norms.tolist() == [-np.inf] * 3 + [0]
    assert np.isnan(found.rate())
