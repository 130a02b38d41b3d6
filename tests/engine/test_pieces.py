"""Does a gradient stop, scale and come together where it is told to?"""

import numpy as np
import pytest

from tinygrad_rnn import Primitive, Tensor, ancestors, grad, pass_gradient, sum, tanh
from tinygrad_rnn.engine.primitives import segment
from tinygrad_rnn.engine.rules import RULES, JointVJP


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


# -- partial derivatives ----------------------------------------------------------------------


def test_a_partial_derivative_holds_the_other_variables_still():
    w = Tensor(3.0)
    h = w * w
    y = h * w
    assert [float(g) for g in grad(y, [w, h])] == [27.0, 3.0]
    assert [float(g) for g in grad(y, [w, h], partial=True)] == [9.0, 3.0]


def test_what_is_known_hides_what_it_was_made_from():
    w, x = Tensor(2.0), Tensor(3.0)
    h = w * w
    y = h * x
    assert set(ancestors(y)) == {w, x, h, y}
    assert set(ancestors(y, known=[h])) == {x, h, y}
    assert set(ancestors(h, y, known=[h])) == {x, h, y}


def test_partial_derivatives_chain_to_the_total_one():
    w, x = Tensor(normal(3, 3)), normal(3)
    h = tanh(x @ w)
    y = sum(tanh(h @ w) * normal(3, seed=1))
    direct, by_h = grad(y, [w, h], partial=True)
    np.testing.assert_allclose(grad(y, w), direct + grad(h, w, by_h), rtol=0, atol=1e-15)


def test_a_partial_derivative_can_be_differentiated_all_the_way():
    w = Tensor(3.0)
    h = w * w
    by_h = grad(h * h * w, h, partial=True, create_graph=True)  # 2 h w = 2 w³
    assert float(grad(by_h, w)) == 54.0


# -- a gradient that is passed on -------------------------------------------------------------


def test_pass_gradient_keeps_the_value_to_the_bit():
    x = normal(4, 5)
    np.testing.assert_array_equal(pass_gradient(Tensor(x), scale=3.0, limit=0.1).data, x)


def test_pass_gradient_scales_then_clips():
    x, g = Tensor(normal(4)), np.array([-3.0, -0.25, 0.25, 3.0])
    np.testing.assert_array_equal(grad(pass_gradient(x, scale=2.0), x, g), 2 * g)
    np.testing.assert_array_equal(grad(pass_gradient(x, limit=1.0), x, g), np.clip(g, -1, 1))
    both = grad(pass_gradient(x, scale=2.0, limit=1.0), x, g)
    np.testing.assert_array_equal(both, [-1, -0.5, 0.5, 1])


def test_what_is_clipped_away_has_no_second_derivative():
    x = Tensor([0.5, 2.0])
    slope = grad(sum(pass_gradient(x, limit=2.0) ** 2), x, create_graph=True)
    np.testing.assert_array_equal(slope.data, [1.0, 2.0])
    np.testing.assert_array_equal(grad(sum(slope), x), [2.0, 0.0])


# -- all gradients in one call ----------------------------------------------------------------


@pytest.fixture
def product():
    """a·b·c by one rule for all three, which counts its calls."""
    calls = []

    def rule(g, y, xs):
        calls.append(g)
        a, b, c = xs
        return g * b * c, g * a * c, g * a * b

    op = Primitive("product", lambda *xs: xs[0] * xs[1] * xs[2])
    RULES[op] = JointVJP(rule)
    yield op, calls
    del RULES[op]


def test_a_rule_for_all_inputs_is_called_once(product):
    op, calls = product
    a, b, c = Tensor(2.0), Tensor(3.0), Tensor(5.0)
    assert [float(g) for g in grad(op(a, b, c), [a, b, c])] == [15, 10, 6]
    assert len(calls) == 1


def test_a_rule_for_all_inputs_broadcasts_and_repeats_as_others(product):
    op, _ = product
    a, b = Tensor(normal(3, 1)), Tensor(normal(4, seed=1))
    w = normal(3, 4, seed=2)
    found = grad(op(a, b, a), [a, b], w)
    expected = grad(a * b * a, [a, b], w)
    for g, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-14)


def test_a_rule_for_all_inputs_can_be_differentiated(product):
    op, _ = product
    a, b = Tensor(2.0), Tensor(3.0)
    slope = grad(op(a, a, b), a, create_graph=True)
    assert [float(g) for g in grad(slope, [a, b])] == [6, 4]
    assert {frame.of for node in slope.inputs for frame in node.scope} != {None}


def test_none_of_such_a_rule_is_no_gradient(product):
    op, _ = product
    RULES[op] = JointVJP(lambda g, y, xs: (None, g, None))
    a, b = Tensor(2.0), Tensor(3.0)
    assert [float(g) for g in grad(op(a, b, a), [a, b], unused="zero")] == [0, 1]


# -- the node of a segment --------------------------------------------------------------------


def test_a_segment_adds_nothing_to_any_value_and_takes_no_memory():
    node = segment(Tensor(1.0), again=lambda g: [g[0]], size=1000, dtype=np.dtype(np.float64))
    assert node.data.strides == (0,)
    values = np.array([0.0, -0.0, np.inf, 1e-310, -3.0])
    found = (values + node[:5]).data
    np.testing.assert_array_equal(found, values)
    np.testing.assert_array_equal(np.signbit(found), np.signbit(values))


def test_a_segment_sends_the_gradients_of_all_its_parts_on_at_once():
    arrived = []
    x = Tensor(1.0)
    node = segment(
        x, again=lambda g: [arrived.append(g) or g.sum()], size=5, dtype=np.dtype(np.float64)
    )
    loss = sum((1.0 + node[:2]) * 3.0) + sum((1.0 + node[3:]) * np.array([4.0, 5.0]))
    assert float(grad(loss, x)) == 15
    np.testing.assert_array_equal(arrived, [[3, 3, 0, 4, 5]])
