"""Do products and reductions equal NumPy's for every shape they take?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, check_grads, grad

rng = np.random.default_rng(5)

PRODUCTS = [
    ((3,), (3,)),
    ((3,), (3, 2)),
    ((4, 3), (3,)),
    ((4, 3), (3, 2)),
    ((3,), (5, 3, 2)),
    ((5, 4, 3), (3,)),
    ((5, 4, 3), (3, 2)),
    ((4, 3), (5, 3, 2)),
    ((5, 4, 3), (5, 3, 2)),
    ((1, 4, 3), (5, 3, 2)),
    ((5, 4, 3), (1, 3, 2)),
    ((2, 1, 4, 3), (5, 3, 2)),
    ((2, 5, 4, 3), (3, 2)),
    ((2, 1, 4, 3), (1, 5, 3, 2)),
    ((2, 5, 4, 3), (3,)),
    ((3,), (2, 5, 3, 2)),
    ((1, 3), (3, 1)),
    ((1, 1), (1, 1)),
]


@pytest.mark.parametrize(("left", "right"), PRODUCTS)
def test_matmul_equals_numpy_to_second_order(left, right):
    a, b = rng.standard_normal(left), rng.standard_normal(right)
    np.testing.assert_allclose((Tensor(a) @ Tensor(b)).data, a @ b, rtol=1e-13, atol=1e-14)
    check_grads(lambda a, b: a @ b, a, b, order=2)
    check_grads(lambda a: a @ b, a, order=1, entrywise=True)
    check_grads(lambda b: a @ b, b, order=1, entrywise=True)


@pytest.mark.parametrize(("left", "right"), PRODUCTS)
def test_matmul_has_einsums_gradient(left, right):
    a, b = Tensor(rng.standard_normal(left)), Tensor(rng.standard_normal(right))
    y = a @ b
    v = rng.standard_normal(y.shape)
    rows = a.data if a.ndim > 1 else a.data[None]
    columns = b.data if b.ndim > 1 else b.data[:, None]
    wide = v[..., None] if b.ndim == 1 else v
    wide = wide[..., None, :] if a.ndim == 1 else wide
    ga = np.einsum("...ij,...kj->...ik", wide, columns)
    gb = np.einsum("...ji,...jk->...ik", rows, wide)
    ga = ga.sum(axis=tuple(range(ga.ndim - rows.ndim)))
    gb = gb.sum(axis=tuple(range(gb.ndim - columns.ndim)))
    for k, n in enumerate(rows.shape[:-2]):
        ga = ga.sum(axis=k, keepdims=True) if n == 1 else ga
    for k, n in enumerate(columns.shape[:-2]):
        gb = gb.sum(axis=k, keepdims=True) if n == 1 else gb
    for found, expected, x in zip(grad(y, [a, b], v), (ga, gb), (a, b), strict=True):
        np.testing.assert_allclose(found, expected.reshape(x.shape), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("left", "right"), [((4, 3), (4, 3)), ((3,), (4,)), ((2, 4, 3), (5, 3, 2)), ((), (3,))]
)
def test_matmul_refuses_shapes_that_do_not_fit_and_names_them(left, right):
    with pytest.raises((ValueError, TypeError), match="matmul") as error:
        Tensor(np.ones(left)) @ Tensor(np.ones(right))
    assert str(left) in str(error.value)
    assert str(right) in str(error.value)


def axes_of(ndim):
    one = st.integers(-ndim, ndim - 1)
    some = hnp.valid_tuple_axes(ndim, min_size=1)
    return st.one_of(st.none(), one, some)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min"])
@given(data=st.data(), keepdims=st.booleans())
def test_reductions_equal_numpy_over_any_axes(name, data, keepdims):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, max_side=3))
    axis = data.draw(axes_of(len(shape)))
    x = np.random.default_rng(0).standard_normal(shape)
    ours, theirs = getattr(tg, name), getattr(np, name)
    expected = theirs(x, axis=axis, keepdims=keepdims)
    t = Tensor(x)
    y = ours(t, axis=axis, keepdims=keepdims)
    np.testing.assert_allclose(y.data, expected, rtol=1e-13, atol=1e-14)
    assert y.shape == expected.shape
    g = grad(y, t, np.ones(y.shape))
    per_result = {"sum": x.size / y.size}.get(name, 1.0)
    np.testing.assert_allclose(g.sum(), per_result * y.size, rtol=1e-12)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "logsumexp"])
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 2), (-1, 0), (0, 1, 2)])
def test_reductions_are_right_to_second_order(name, axis):
    x = rng.standard_normal((2, 3, 2))
    f = getattr(tg, name)
    check_grads(lambda x: f(x, axis=axis) ** 2, x, order=2)
    check_grads(lambda x: f(x, axis=axis, keepdims=True) * x, x, order=2)


def test_reductions_take_their_options_by_place_as_numpy_does():
    x = np.arange(6.0).reshape(2, 3)
    t = Tensor(x)
    assert np.array_equal(tg.sum(t, 0).data, x.sum(0))
    assert np.array_equal(tg.sum(t, 1, True).data, x.sum(1, keepdims=True))
    assert np.array_equal(tg.max(t, 0).data, x.max(0))
    assert np.array_equal(t.sum(0).data, x.sum(0))
    assert np.array_equal(t.mean(1).data, x.mean(1))
    assert np.array_equal(t.max(-1).data, x.max(-1))
    assert np.array_equal(tg.reshape(t, (3, 2)).data, x.reshape(3, 2))
    assert np.array_equal(tg.clip(t, 1, 4).data, x.clip(1, 4))


def test_mean_and_min_of_float32_stay_float32():
    t = Tensor(np.ones((2, 3), np.float32))
    for y in (tg.mean(t), tg.mean(t, axis=0), tg.min(t), tg.min(t, axis=1)):
        assert y.dtype == np.float32
        assert grad(y, t, np.ones(y.shape)).dtype == np.float32


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, bool])
def test_max_and_min_of_integers_are_numpys_at_the_ends_of_their_range(dtype):
    x = np.array([np.iinfo(dtype).min, 0, 1] if dtype is not bool else [False, True], dtype)
    assert tg.min(Tensor(x)).data == x.min()
    assert tg.max(Tensor(x)).data == x.max()


def test_softmax_rows_add_up_to_one_along_the_axis():
    x = Tensor(rng.standard_normal((3, 4)))
    np.testing.assert_allclose(tg.softmax(x, axis=0).data.sum(axis=0), 1, rtol=1e-14)
    np.testing.assert_allclose(tg.softmax(x).data.sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_allclose(tg.log_softmax(x).data, np.log(tg.softmax(x).data), rtol=1e-12)
    np.testing.assert_allclose(
        tg.logsumexp(x, axis=1).data, np.log(np.exp(x.data).sum(1)), rtol=1e-13
    )


def test_reshape_and_transpose_take_numbers_or_a_tuple():
    t = Tensor(np.arange(24.0).reshape(2, 3, 4))
    assert t.reshape(6, -1).shape == t.reshape((6, -1)).shape == (6, 4)
    assert t.transpose(1, 2, 0).shape == t.transpose((1, 2, 0)).shape == (3, 4, 2)
    assert t.transpose().shape == t.T.shape == (4, 3, 2)
    assert np.array_equal(t.T.data, t.data.T)


def test_astype_brings_the_gradient_back_to_the_dtype_it_came_from():
    x = Tensor(np.ones(3, np.float32))
    y = tg.astype(x, np.float64)
    assert y.dtype == np.float64
    assert grad(y.sum(), x).dtype == np.float32


def test_astype_to_integers_lets_no_gradient_pass():
    x = Tensor([1.7, 2.2])
    y = (x.astype(int) * x).sum()
    assert grad(y, x).tolist() == [1, 2]
    z = x.astype(int).astype(float).sum()
    assert grad(z, x, unused="zero").tolist() == [0, 0]
