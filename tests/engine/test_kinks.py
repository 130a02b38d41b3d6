"""What is the derivative where there is none, and what happens at the edge of the numbers?"""

import numpy as np
import pytest

from tinygrad_rnn import (
    Tensor,
    absolute,
    clip,
    grad,
    log_softmax,
    logsumexp,
    max,
    maximum,
    min,
    minimum,
    power,
    relu,
    sigmoid,
    softmax,
    softplus,
    sqrt,
)

inf = np.inf


def slope(f, x):
    x = Tensor(np.asarray(x, dtype=float))
    return grad(f(x).sum(), x)


def test_relu_has_slope_0_at_0():
    assert slope(relu, [-1, -0.0, 0.0, 1]).tolist() == [0, 0, 0, 1]


def test_absolute_has_slope_0_at_0():
    assert slope(absolute, [-2, -0.0, 0.0, 3]).tolist() == [-1, 0, 0, 1]


def test_clip_passes_the_gradient_on_at_its_very_bounds():
    x = [-1.5, -1, 0, 2, 2.5]
    assert slope(lambda x: clip(x, low=-1, high=2), x).tolist() == [0, 1, 1, 1, 0]
    assert slope(lambda x: clip(x, low=-1), x).tolist() == [0, 1, 1, 1, 1]
    assert slope(lambda x: clip(x, high=2), x).tolist() == [1, 1, 1, 1, 0]


@pytest.mark.parametrize("pick", [maximum, minimum])
def test_equal_arguments_share_the_gradient(pick):
    a, b = Tensor([1.0, 2.0, 5.0]), Tensor([1.0, 3.0, 4.0])
    ga, gb = grad(pick(a, b), [a, b], np.array([4.0, 4.0, 4.0]))
    first = [2, 0, 4] if pick is maximum else [2, 4, 0]
    assert ga.tolist() == first
    assert gb.tolist() == [4 - g for g in first]


def test_the_same_tensor_twice_in_maximum_gets_the_whole_gradient():
    assert slope(lambda x: maximum(x, x), [1, 2]).tolist() == [1, 1]


@pytest.mark.parametrize("largest", [max, lambda x, **options: -min(-x, **options)])
def test_equal_maxima_share_the_gradient_along_their_axis(largest):
    x = [[1, 3, 3], [2, 2, 2]]
    assert slope(largest, x).tolist() == [[0, 0.5, 0.5], [0, 0, 0]]
    rows = [[0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]]
    assert slope(lambda x: largest(x, axis=1), x).tolist() == rows
    assert slope(lambda x: largest(x, axis=1, keepdims=True), x).tolist() == rows
    assert slope(lambda x: largest(x, axis=0), x).tolist() == [[0, 1, 1], [1, 0, 0]]


def test_the_gradient_of_a_maximum_adds_up_to_one_whatever_the_ties():
    x = np.random.default_rng(0).integers(0, 3, (5, 6)).astype(float)
    assert np.allclose(slope(lambda x: max(x, axis=1), x).sum(axis=1), 1)


def test_power_at_0():
    assert slope(lambda x: x**2, [0.0]) == [0]
    assert slope(lambda x: x**1, [0.0]) == [1]
    assert slope(lambda x: x**0, [0.0]) == [0]
    assert slope(lambda x: x**3.0, [0.0]) == [0]
    assert slope(lambda x: x**0, [inf]) == [0]
    assert slope(lambda x: x ** np.zeros(3), [0.0, 2.0, inf]).tolist() == [0, 0, 0]
    x, n = Tensor(np.zeros(3)), Tensor([0.0, 1.0, 2.0])
    gx, gn = grad(power(x, n).sum(), [x, n])
    assert gx.tolist() == [0, 1, 0]
    assert np.isfinite(gn).all()
    x = Tensor(np.zeros(()))
    slope_of_cube = grad(x**3, x, create_graph=True)
    curvature = grad(slope_of_cube, x, create_graph=True)
    assert (slope_of_cube.item(), curvature.item(), float(grad(curvature, x))) == (0, 0, 6)


def test_power_has_a_mixed_second_derivative_where_the_exponent_is_0():
    x, n = Tensor(2.0), Tensor(0.0)
    assert grad(grad(power(x, n), x, create_graph=True), n) == 0.5


def test_power_of_a_negative_base_has_a_gradient_in_the_base():
    assert slope(lambda x: x**2, [-3.0]) == [-6]
    assert slope(lambda x: x**-1, [-2.0]) == [-0.25]


def test_sqrt_at_0_has_infinite_slope():
    with np.errstate(divide="ignore"):
        assert slope(sqrt, [0.0]) == [inf]


def test_logsumexp_of_nothing_but_minus_infinity_is_minus_infinity():
    x = np.full((2, 3), -inf)
    assert logsumexp(Tensor(x)).item() == -inf
    assert logsumexp(Tensor(x), axis=1).data.tolist() == [-inf, -inf]
    assert logsumexp(Tensor([-inf, 0.0])).item() == 0


@pytest.mark.parametrize("shift", [-1e4, -750.0, 0.0, 750.0, 1e4])
def test_logsumexp_and_its_family_do_not_overflow(shift):
    x = np.array([0.0, 1.0, -2.0])
    expected = np.exp(x) / np.exp(x).sum()
    np.testing.assert_allclose(softmax(Tensor(x + shift)).data, expected, rtol=1e-9)
    np.testing.assert_allclose(slope(logsumexp, x + shift), expected, rtol=1e-9)
    np.testing.assert_allclose(
        log_softmax(Tensor(x + shift)).data, x - np.log(np.exp(x).sum()), rtol=1e-9
    )


def test_log_softmax_is_finite_where_the_log_of_softmax_is_not():
    x = Tensor([0.0, 2000.0])
    y = log_softmax(x)
    assert y.data.tolist() == [-2000, 0]
    assert grad(y[0], x).tolist() == [1, -1]
    assert softmax(x).data.tolist() == [0, 1]
    assert slope(lambda x: softmax(x)[1], [0.0, 2000.0]).tolist() == [0, 0]


def test_a_masked_class_gets_no_probability_and_no_gradient():
    x = Tensor([1.0, -inf, 1.0])
    assert softmax(x).data.tolist() == [0.5, 0, 0.5]
    assert np.allclose(grad(logsumexp(x), x), [0.5, 0, 0.5], rtol=1e-14)
    assert np.allclose(grad(log_softmax(x)[0], x), [0.5, 0, -0.5])


def test_sigmoid_tanh_and_softplus_saturate_without_a_warning():
    x = Tensor([-1000.0, 1000.0])
    assert sigmoid(x).data.tolist() == [0, 1]
    assert softplus(x).data.tolist() == [0, 1000]
    assert x.tanh().data.tolist() == [-1, 1]
    for f in (sigmoid, lambda x: x.tanh()):
        assert slope(f, x.data).tolist() == [0, 0]
    assert slope(softplus, x.data).tolist() == [0, 1]
