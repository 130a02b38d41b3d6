"""Does what was once wrong stay right?"""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, detect_anomaly, grad, scope, tanh

A = np.ones((2, 3))


def test_the_same_target_twice_gives_arrays_of_their_own():
    a = Tensor([1.0, 2.0])
    first, second = grad((a * a).sum(), [a, a])
    first *= 0
    assert second.tolist() == [2, 4]


def test_an_unknown_wish_for_unused_tensors_is_refused():
    x = Tensor(1.0)
    with pytest.raises(ValueError, match="unused"):
        grad(x * x, Tensor(1.0), unused="zeros")


def test_a_sum_over_100_000_terms_of_one_tensor():
    x = Tensor(2.0)
    terms = [x * 1.0 for _ in range(100_000)]
    y = tg.stack(terms).sum()
    assert grad(y, x) == 100_000


@pytest.mark.parametrize(
    "x",
    [np.ones(3, complex), np.array(["a", "b", "c"]), [[1.0], [1.0, 2.0]]],
    ids=["complex", "strings", "ragged"],
)
@pytest.mark.parametrize(
    "call", [lambda t, x: t + x, lambda t, x: tg.where(A[0] > 0, t, x), lambda t, x: tanh(x)]
)
def test_operands_that_hold_no_real_numbers_are_refused_by_primitive_and_scope(call, x):
    with scope("rnn", t=2), pytest.raises((TypeError, ValueError), match=r"^\w+ at rnn · t = 2: "):
        call(Tensor(A[0]), x)


@pytest.mark.parametrize("name", ["sum", "mean", "max"])
def test_numpys_reductions_tell_the_two_ways_out(name):
    with pytest.raises(TypeError, match=r"record.*tinygrad_rnn.*t\.data"):
        getattr(np, name)(Tensor(A))


def test_an_overflow_in_the_gradient_of_a_matrix_is_found():
    w = Tensor(np.full((1, 1), 1e-200))
    y = (np.full((1, 1), 1e200) @ w).sum() * 1e200
    with (
        np.errstate(all="ignore"),
        detect_anomaly(),
        pytest.raises(FloatingPointError, match="matmul"),
    ):
        grad(y, w)


@pytest.mark.parametrize(
    ("left", "right"), [((2, 0), (0, 3)), ((2, 3), (3, 0)), ((5, 2, 0), (0, 3))]
)
@pytest.mark.parametrize("create_graph", [False, True])
def test_matmul_with_an_axis_of_length_0_has_a_gradient(left, right, create_graph):
    a, b = Tensor(np.ones(left)), Tensor(np.ones(right))
    ga, gb = grad((a @ b).sum(), [a, b], create_graph=create_graph)
    assert (ga.shape, gb.shape) == (left, right)


@pytest.mark.parametrize("name", ["sum", "max", "logsumexp"])
def test_an_axis_may_be_a_numpy_integer(name):
    x = Tensor(np.arange(6.0).reshape(2, 3))
    f = getattr(tg, name)
    v = np.ones(2)
    assert np.array_equal(grad(f(x, axis=np.int64(1)), x, v), grad(f(x, axis=1), x, v))


@pytest.mark.parametrize(
    "f",
    [
        tg.flip,
        lambda x, axis: tg.split(x, 1, axis=axis),
        lambda x, axis: tg.concatenate([x, x], axis=axis),
        lambda x, axis: tg.stack([x, x], axis=axis),
    ],
    ids=["flip", "split", "concatenate", "stack"],
)
@pytest.mark.parametrize("axis", [7, -7])
def test_an_axis_that_is_not_there_is_refused_by_name(f, axis, request):
    with pytest.raises((IndexError, ValueError), match=r"^(flip|split|concatenate|stack)"):
        f(Tensor(A), axis=axis)


@pytest.mark.parametrize(
    "call",
    [lambda t: t @ 2.0, lambda t: tg.concatenate([tg.sum(t), tg.sum(t)]), lambda t: tg.split(t, 0)],
    ids=["matmul", "concatenate", "split"],
)
def test_operands_without_axes_are_refused_by_name(call):
    with pytest.raises((TypeError, ValueError, IndexError), match=r"^(matmul|concatenate|split)"):
        call(Tensor(A))


@pytest.mark.parametrize("dtype", [complex, object, str])
def test_astype_refuses_what_a_tensor_cannot_hold(dtype):
    with pytest.raises((TypeError, ValueError), match="astype"):
        tg.astype(Tensor(A), dtype)


def test_a_number_is_formatted_like_a_number():
    assert f"{Tensor(1.2345):.2f}" == "1.23"
