"""Does clipping shorten what is too long, and leave alone what is not?"""

import numpy as np
import pytest

from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.train import clip_grad_norm, clip_grad_norm_each, clip_grad_value


def with_gradients(*gradients):
    parameters = []
    for g in gradients:
        p = Tensor(np.zeros(np.shape(g)), dtype=np.asarray(g).dtype)
        p.grad = np.asarray(g)
        parameters.append(p)
    return parameters


def test_the_norm_is_that_of_one_long_vector():
    parameters = with_gradients([3.0], [[0.0, 4.0]], [12.0])
    assert clip_grad_norm(parameters, 100.0) == 13.0


def test_long_gradients_are_scaled_together_to_the_norm_asked_for():
    gradients = [np.random.default_rng(k).standard_normal((3, k + 1)) for k in range(4)]
    parameters = with_gradients(*gradients)
    norm = clip_grad_norm(parameters, 0.5)
    assert norm > 0.5
    for p, g in zip(parameters, gradients, strict=True):
        np.testing.assert_allclose(p.grad, g * 0.5 / norm, rtol=1e-14)
    assert clip_grad_norm(parameters, 100.0) == pytest.approx(0.5, rel=1e-14)


@pytest.mark.parametrize("max_norm", [5.0, 6.0])
def test_gradients_short_enough_are_left_alone(max_norm):
    parameters = with_gradients([3.0, 4.0])
    before = parameters[0].grad
    assert clip_grad_norm(parameters, max_norm) == 5.0
    assert parameters[0].grad is before


def test_clipping_writes_into_no_old_array():
    gradient = np.array([3.0, 4.0])
    clip_grad_norm(with_gradients(gradient), 1.0)
    np.testing.assert_array_equal(gradient, [3.0, 4.0])


def test_parameters_without_gradient_are_passed_over():
    bare = Tensor([1.0])
    assert clip_grad_norm([bare, *with_gradients([3.0, 4.0])], 1.0) == 5.0
    assert bare.grad is None
    assert clip_grad_norm([bare], 1.0) == 0.0


def test_a_parameter_given_twice_counts_once():
    (p,) = with_gradients([3.0, 4.0])
    assert clip_grad_norm([p, p], 1.0) == 5.0
    np.testing.assert_allclose(p.grad, [0.6, 0.8], rtol=1e-15)


@pytest.mark.parametrize("shape", [(), (3,)])
def test_float32_stays_float32_even_with_a_numpy_bound(shape):
    (p,) = with_gradients(np.full(shape, 9, dtype=np.float32))
    clip_grad_norm([p], np.float64(1.0))
    assert p.grad.dtype == np.float32
    assert p.grad.shape == shape


def test_parameters_may_come_from_a_generator():
    parameters = with_gradients([3.0, 4.0])
    assert clip_grad_norm((p for p in parameters), 1.0) == 5.0
    np.testing.assert_allclose(parameters[0].grad, [0.6, 0.8], rtol=1e-15)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_norm_that_is_not_finite_is_refused_and_nothing_is_scaled(bad):
    parameters = with_gradients([3.0, 4.0], [bad])
    with pytest.raises(ValueError, match=r"the norm is (nan|inf)\. Run .* detect_anomaly"):
        clip_grad_norm(parameters, 1.0)
    np.testing.assert_array_equal(parameters[0].grad, [3.0, 4.0])


@pytest.mark.parametrize("max_norm", [0, -1.0, float("nan")])
def test_a_bound_that_is_not_positive_is_refused(max_norm):
    with pytest.raises(ValueError, match="max_norm must be positive, got"):
        clip_grad_norm(with_gradients([1.0]), max_norm)


def test_no_parameters_are_refused():
    with pytest.raises(ValueError, match=r"there are no parameters \(a used-up generator\?\)"):
        clip_grad_norm([], 1.0)


# -- by layer, by value -----------------------------------------------------------------------


def test_each_group_is_clipped_by_its_own_norm():
    a, b, c = with_gradients([30.0, 40.0], [0.0], [0.3, 0.4])
    assert clip_grad_norm_each([[a, b], [c]], 1.0) == [50.0, 0.5]
    np.testing.assert_allclose(a.grad, [0.6, 0.8], rtol=1e-15)
    np.testing.assert_array_equal(c.grad, [0.3, 0.4])


def test_groups_may_be_single_parameters_and_come_from_generators():
    parameters = with_gradients([3.0, 4.0], [12.0])
    assert clip_grad_norm_each((p for p in parameters), 1.0) == [5.0, 12.0]
    np.testing.assert_allclose(parameters[0].grad, [0.6, 0.8], rtol=1e-15)
    np.testing.assert_allclose(parameters[1].grad, [1.0], rtol=1e-15)
    assert clip_grad_norm_each([(p for p in parameters)], 1.0) == [pytest.approx(2**0.5)]


def test_values_are_cut_one_by_one_and_written_into_no_old_array():
    parameters = with_gradients([3.0, -4.0, 0.5], [[0.1]])
    old = [p.grad for p in parameters]
    assert clip_grad_value(parameters, 1.0) == pytest.approx((9 + 16 + 0.25 + 0.01) ** 0.5)
    np.testing.assert_array_equal(parameters[0].grad, [1.0, -1.0, 0.5])
    assert parameters[1].grad is old[1]
    np.testing.assert_array_equal(old[0], [3.0, -4.0, 0.5])


def test_cut_values_stay_float32_even_with_a_numpy_bound():
    (p,) = with_gradients(np.full(2, 9, dtype=np.float32))
    clip_grad_value([p], np.float64(1.0))
    assert p.grad.dtype == np.float32


@pytest.mark.parametrize("clip", [clip_grad_value, clip_grad_norm_each])
def test_the_others_refuse_the_same(clip):
    good, bad = with_gradients([9.0], [np.nan])
    with pytest.raises(ValueError, match=rf"{clip.__name__}: the norm is nan"):
        clip([good, bad], 1.0)
    assert good.grad == 9
    with pytest.raises(ValueError, match=rf"{clip.__name__}: max_\w+ must be positive, got 0"):
        clip([good], 0)
    with pytest.raises(ValueError, match=rf"{clip.__name__}: there are no"):
        clip([], 1.0)


CLIPS = pytest.mark.parametrize("clip", [clip_grad_norm, clip_grad_value])


@CLIPS
@pytest.mark.parametrize("bound", [None, "1", np.array([1.0, 2.0]), Tensor(1.0), True, 1j])
def test_a_bound_that_is_no_number_is_refused(clip, bound):
    p = Tensor([3.0])
    p.grad = np.array([4.0])
    with pytest.raises(ValueError, match="must be positive, got "):
        clip(p, bound)
    assert p.grad == 4.0


@CLIPS
@pytest.mark.parametrize("given", [nn.RNNCell(2, 3), 3, None, np.ones(3), [1.0], [[Tensor(1.0)]]])
def test_what_has_no_gradient_is_refused(clip, given):
    with pytest.raises(TypeError, match=rf"^{clip.__name__}: expected Tensors"):
        clip(given, 1.0)


@CLIPS
def test_a_finite_gradient_longer_than_any_number_is_told_from_infinity(clip):
    p = Tensor(np.zeros(4))
    p.grad = np.full(4, 1.7e308)
    with pytest.raises(ValueError, match="all entries are finite"):
        clip(p, 1.0)
