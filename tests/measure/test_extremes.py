"""Are the numbers honest where there is little, too much, or nothing to measure?"""

import numpy as np
import pytest

import tinygrad_rnn as tr
from tinygrad_rnn import Tensor, measure, nn


def chain(factor, steps=40):
    """One number, multiplied at each step."""
    h = Tensor(np.ones((1, 1)), name="h0")
    for t in range(steps):
        with tr.scope("step", t=t), np.errstate(all="ignore"):
            h = tr.named(h=h * factor)
    return h.sum()


@pytest.mark.parametrize("cell", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_one_step_of_one_unit_is_measured(cell):
    xs = Tensor(np.ones((1, 1, 1)))
    outputs, _ = nn.unroll(cell(1, 1, rng=0), xs)
    loss = (outputs[0] * outputs[0]).sum()
    assert measure.state_gradients(loss)["h"].norms.shape == (1,)
    assert measure.gradient_matrix([loss]).norms.shape == (1, 1)
    found = measure.step_jacobians(loss)
    assert found.matrices.shape == (0, 1, 1, 1)
    assert found.singular_values().shape == (0, 1, 1)
    assert np.isnan(found.lyapunov()).all()
    assert found.log_norms().tolist() == [[0.0]]
    assert measure.connectivity(loss).norms.shape == (1,)
    assert measure.cost(loss)[0].nodes.shape == (1,)
    assert measure.reach(loss)[0].back.tolist() == [0]


def test_what_explodes_is_infinite_and_its_logarithm_is_right():
    loss = chain(1e20)
    assert measure.state_gradients(loss)["h"].norms[0] == np.inf
    found = measure.step_jacobians(loss)
    np.testing.assert_allclose(found.log_norms()[0], 39 * np.log(1e20))
    np.testing.assert_allclose(found.lyapunov(), np.log(1e20))
    assert found.product()[0, 0, 0] == np.inf


def test_what_vanishes_is_zero_and_its_logarithm_is_right():
    loss = chain(1e-20)
    row = measure.state_gradients(loss)["h"]
    assert row.norms[0] == 0
    assert row.reached.all()
    np.testing.assert_allclose(measure.step_jacobians(loss).log_norms()[0], 39 * np.log(1e-20))
    np.testing.assert_allclose(row.rate(), 1e-20, rtol=0.05)  # the last are subnormal


def test_a_step_that_forgets_all_has_the_logarithm_minus_infinity():
    found = measure.step_jacobians(chain(0.0))
    assert np.isneginf(found.lyapunov()).all()
    assert np.isneginf(found.log_norms()[:-1]).all()


@pytest.mark.parametrize("factor", [np.nan, np.inf])
def test_what_is_not_finite_stays_so(factor):
    found = measure.step_jacobians(chain(factor))
    assert np.isnan(found.singular_values()).all()
    assert np.isnan(found.lyapunov()).all()
    assert np.isnan(found.log_norms()[0]).all()
    assert not np.isfinite(measure.state_gradients(chain(factor))["h"].norms[0])
    assert np.isnan(measure.growth_bound(np.full((2, 2), factor)))


def test_norms_of_huge_and_tiny_gradients_do_not_overflow_on_the_way():
    for size in (1e200, 1e-200):
        h = tr.named(h=Tensor(np.ones(4)))
        with tr.scope("step", t=0):
            h = tr.named(h=h + 0.0)
        found = measure.state_gradients((h * size).sum())["h"].norms
        np.testing.assert_allclose(found, [2 * size])


def test_no_gradient_at_all_is_said():
    with pytest.raises(ValueError, match="no float leaf to differentiate by"):
        measure.parameter_gradients(chain(1.0), [])
    outputs, _ = nn.unroll(nn.RNNCell(1, 2, rng=0), np.ones((3, 1, 1)))
    loss = (tr.stop_gradient(outputs[-1]) * Tensor(1.0)).sum()
    found = measure.state_gradients(loss)["h"]
    assert found.norms.tolist() == [0, 0, 0]
    assert not found.reached.any()
    with pytest.raises(ValueError, match="no step has q; the letters of this record are: h"):
        measure.state_gradients(loss, "q")
    with pytest.raises(ValueError, match="one scalar loss per step"):
        measure.gradient_matrix([outputs[0]])
    with pytest.raises(TypeError, match="a list of losses"):
        measure.gradient_matrix(outputs[0])
    with pytest.raises(KeyError, match=r"no gradient of 'c'; there are: \('rnn', 'h'\)"):
        measure.state_gradients(loss)["c"]


def test_a_state_that_never_rests_ends_nowhere():
    turn = nn.RNNCell(1, 2, activation=lambda a: a, bias=False, rng=0)
    turn.W_h.data = np.array([[0.0, 1.0], [-1.0, 0.0]])
    found = measure.attractors(turn, [0.0], [[1.0, 0.0]])
    assert found.ends.tolist() == [-1]
    np.testing.assert_allclose(found.points, [[0, 0]], atol=1e-12)
    np.testing.assert_allclose(found.radius, 1)
    with pytest.raises(ValueError, match=r"expected starts \(starts, units\)"):
        measure.attractors(turn, [0.0], [1.0, 0.0])
    with pytest.raises(ValueError, match="the state is a tuple"):
        measure.attractors(lambda x, h: (h, h), [0.0], [[1.0, 0.0]])


def test_a_state_that_rests_everywhere_ends_where_it_starts():
    starts = [[0.1, 0.2], [0.3, 0.4]]  # h' = h: no point is the only solution
    found = measure.attractors(lambda x, h: h * 1.0, [0.0], starts)
    np.testing.assert_array_equal(found.points, starts)
    np.testing.assert_array_equal(found.radius, 1)
    assert found.ends.tolist() == [0, 1]


@pytest.mark.parametrize("wrong", [1.0, None, np.ones(3), "loss"])
@pytest.mark.parametrize(
    "number",
    [
        measure.lanes,
        measure.state_gradients,
        measure.step_jacobians,
        measure.gates,
        measure.reach,
        measure.cost,
        measure.parameter_gradients,
        measure.connectivity,
        measure.carousel,
    ],
    ids=lambda f: f.__name__,
)
def test_what_remembers_nothing_is_refused(number, wrong):
    with pytest.raises(TypeError, match=r"which remembers nothing. Pass the loss, or outputs of"):
        number(wrong)
    with pytest.raises((TypeError, ValueError), match="measure: "):
        number([])
