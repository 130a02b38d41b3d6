"""Are derivatives of derivatives, and products with them, right at any depth?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, check_grads, grad, hvp, jacobian, jvp, nn, tanh, vjp

rng = np.random.default_rng(13)
M = rng.standard_normal((3, 3))


def nth_derivative(f, x, n):
    y = f(x)
    for _ in range(n):
        y = grad(y, x, create_graph=True)
    return y.item()


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_the_nth_derivative_of_known_functions(n):
    x0 = 0.7
    x = Tensor(x0)
    assert np.isclose(nth_derivative(tg.exp, x, n), np.exp(x0), rtol=1e-14)
    assert np.isclose(nth_derivative(tg.sin, x, n), np.sin(x0 + n * np.pi / 2), rtol=1e-13)
    falling = float(np.prod([7 - k for k in range(n)]))
    assert np.isclose(nth_derivative(lambda x: x**7, x, n), falling * x0 ** (7 - n), rtol=1e-12)
    rising = float(np.prod([-1 - k for k in range(n)]))
    assert np.isclose(nth_derivative(lambda x: 1 / x, x, n), rising * x0 ** (-1 - n), rtol=1e-12)
    logs = (-1.0) ** (n - 1) * float(np.prod(np.arange(1.0, n)))
    assert np.isclose(nth_derivative(tg.log, x, n), logs / x0**n, rtol=1e-12)


def test_the_first_four_derivatives_of_tanh():
    x = Tensor(0.4)
    t = np.tanh(0.4)
    s = 1 - t * t
    expected = [s, -2 * t * s, s * (6 * t * t - 2), s * t * (16 - 24 * t * t)]
    found = [nth_derivative(tanh, x, n) for n in (1, 2, 3, 4)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_checker_agrees_to_third_and_fourth_order():
    check_grads(lambda x, w: tanh(x @ w) * x, M, M[::-1].copy(), order=3)
    check_grads(lambda x: tg.softmax(x * x)[0], M, order=3)
    check_grads(lambda x: tg.exp(tg.sin(x)), np.array([0.3, -0.8]), order=4)


def test_mixed_derivatives_commute():
    a, b = Tensor(0.3), Tensor(-0.8)
    y = tanh(a * b) * tg.exp(a)
    ab = grad(grad(y, a, create_graph=True), b)
    ba = grad(grad(y, b, create_graph=True), a)
    assert np.isclose(ab, ba, rtol=1e-13)


def test_a_gradient_penalty_trains_through_the_gradient():
    w, x = Tensor(rng.standard_normal(3)), Tensor(rng.standard_normal(3))

    def penalty(w):
        y = tanh((w * x).sum())
        g = grad(y, x, create_graph=True)
        return (g * g).sum()

    check_grads(penalty, w.data, order=2)


def test_the_jacobian_of_a_linear_map_is_its_matrix():
    x = Tensor(rng.standard_normal(3))
    assert np.array_equal(jacobian(M @ x, x), M)


def test_a_jacobian_has_the_axes_of_both():
    x = Tensor(rng.standard_normal((2, 3)))
    y = x.T * 2
    J = jacobian(y, x)
    assert J.shape == (3, 2, 2, 3)
    assert np.array_equal(J, 2 * np.einsum("il,jk->ijkl", np.eye(3), np.eye(2)))
    assert jacobian(x.sum(), x).shape == (2, 3)
    assert jacobian(x * 2, Tensor(1.0)).tolist() == np.zeros((2, 3)).tolist()


def test_a_jacobian_equals_central_differences():
    x0 = rng.standard_normal(4)
    f = lambda x: tg.softmax(tanh(x) * x)  # noqa: E731
    x = Tensor(x0)
    eps = 1e-6
    columns = [(f(x0 + eps * e) - f(x0 - eps * e)) / (2 * eps) for e in np.eye(4)]
    np.testing.assert_allclose(jacobian(f(x), x), np.stack(columns, 1), rtol=1e-7, atol=1e-10)


def test_vjp_and_jvp_are_rows_and_columns_of_the_jacobian():
    x = Tensor(rng.standard_normal((2, 3)))
    y = tg.sin(x) @ M
    u, v = rng.standard_normal((2, 3)), rng.standard_normal((2, 3))
    J = jacobian(y, x).reshape(6, 6)
    np.testing.assert_allclose(vjp(y, x, u).ravel(), u.ravel() @ J, rtol=1e-12)
    np.testing.assert_allclose(jvp(y, x, v).ravel(), J @ v.ravel(), rtol=1e-12)
    assert jvp(y, x, v).shape == y.shape


def test_vjp_and_jvp_of_several_tensors():
    a, b = Tensor(rng.standard_normal(3)), Tensor(rng.standard_normal((3, 3)))
    y = tanh(b @ a)
    u, va, vb = rng.standard_normal(3), rng.standard_normal(3), rng.standard_normal((3, 3))
    rows = vjp(y, {"a": a, "b": b}, u)
    column = jvp(y, [a, b], [va, vb])
    assert np.isclose(u @ column, rows["a"] @ va + np.sum(rows["b"] * vb), rtol=1e-12)


def test_jvp_is_the_central_difference_along_its_tangent():
    x0, v = rng.standard_normal((2, 3))
    f = lambda x: tg.logsumexp(x) * tanh(x)  # noqa: E731
    x = Tensor(x0)
    eps = 1e-6
    expected = (f(x0 + eps * v) - f(x0 - eps * v)) / (2 * eps)
    np.testing.assert_allclose(jvp(f(x), x, v), expected, rtol=1e-8, atol=1e-9)


@given(seed=st.integers(0, 2**32 - 1))
def test_forward_and_reverse_products_agree(seed):
    rng = np.random.default_rng(seed)
    x = Tensor(rng.standard_normal((2, 3)))
    y = tanh(x @ M) / (1 + x * x)
    u, v = rng.standard_normal((2, *y.shape))
    np.testing.assert_allclose(
        np.sum(u * jvp(y, x, v)), np.sum(vjp(y, x, u) * v), rtol=1e-10, atol=1e-12
    )


def test_the_hessian_of_a_quadratic_form():
    x, v = Tensor(rng.standard_normal(3)), rng.standard_normal(3)
    y = (x * (M @ x)).sum()
    np.testing.assert_allclose(hvp(y, x, v), (M + M.T) @ v, rtol=1e-13)


def test_what_is_not_one_tensor_is_refused_by_name():
    x = Tensor(M)
    y = tanh(x)
    for call in (
        lambda: jacobian(y, [x]),
        lambda: jacobian(3.0, x),
        lambda: jvp(3.0, x, M),
        lambda: hvp(y.sum(), [[x]], [[M]]),
    ):
        with pytest.raises(TypeError, match=r"^(jacobian|jvp|hvp).*expected one Tensor, got"):
            call()


def test_the_jacobian_of_nothing_has_its_shape():
    x = Tensor(M)
    assert jacobian(tanh(x)[:0], x).shape == (0, 3, 3, 3)


def test_a_vector_may_be_a_tensor():
    x = Tensor(M)
    y = (x * x * x).sum()
    assert np.array_equal(hvp(y, x, Tensor(M)), hvp(y, x, M))


def test_hvp_of_several_tensors_has_their_structure():
    a, b = Tensor(2.0), Tensor(3.0)
    y = a * a * b
    assert hvp(y, [a, b], [1.0, 0.0]) == [6, 4]
    assert hvp(y, [a, b], [0.0, 1.0]) == [4, 0]
    assert hvp(y, (a, b), (0.0, 1.0)) == (4, 0)


def test_products_keep_float32():
    x = Tensor(np.ones(3, np.float32))
    y = tanh(x) * x
    v = np.ones(3)
    for product in (vjp(y, x, v), jvp(y, x, v), hvp(y.sum(), x, v), jacobian(y, x)):
        assert product.dtype == np.float32


@pytest.mark.parametrize("product", [jvp, hvp])
def test_a_vector_of_the_wrong_shape_is_refused(product):
    x, y = Tensor(np.ones(3)), Tensor(np.ones(2))
    loss = (x * x).sum() * (y * y).sum()
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        product(loss, x, np.ones(2))
    with pytest.raises(ValueError, match="one array for each Tensor"):
        product(loss, [x, y], [np.ones(3)])


@pytest.mark.parametrize("make", [nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_hvp_through_an_unrolled_cell_is_the_difference_of_gradients(make):
    cell = make(3, 4, rng=0)
    xs = rng.standard_normal((8, 2, 3))
    parameters = cell.parameters()
    start = [p.data for p in parameters]
    vector = [rng.standard_normal(p.shape) for p in parameters]

    def gradient(step):
        for p, s, v in zip(parameters, start, vector, strict=True):
            p.data = s + step * v
        outputs, _ = nn.unroll(cell, xs)
        loss = sum((h * h).sum() for h in outputs)
        return loss, np.concatenate([g.ravel() for g in grad(loss, parameters)])

    loss, _ = gradient(0.0)
    exact = np.concatenate([g.ravel() for g in hvp(loss, parameters, vector)])
    eps = 1e-5
    ends = [gradient(k * eps)[1] for k in (-2, -1, 1, 2)]
    numeric = (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * eps)
    assert np.linalg.norm(exact - numeric) <= 1e-8 * np.linalg.norm(exact)
    plain = (ends[2] - ends[1]) / (2 * eps)
    assert np.linalg.norm(exact - plain) <= 1e-6 * np.linalg.norm(exact)


def test_the_hessian_of_an_unrolled_net_is_symmetric():
    cell = nn.LSTMCell(2, 2, rng=1)
    outputs, _ = nn.unroll(cell, rng.standard_normal((4, 2)))
    loss = (outputs[-1] * outputs[0]).sum()
    g = grad(loss, cell.W_h, create_graph=True)
    H = jacobian(g, cell.W_h).reshape(cell.W_h.size, -1)
    np.testing.assert_allclose(H, H.T, rtol=1e-10, atol=1e-14)
    assert np.abs(H).max() > 1e-4


def test_a_recorded_gradient_carries_the_scope_of_what_it_differentiates():
    x = Tensor([0.5, 0.25])
    with tg.scope("cell", t=3):
        y = tanh(x)
    with tg.scope("loss"):
        loss = (y * y).sum()
    g = grad(loss, x, create_graph=True)
    backward = [n for n in tg.ancestors(g) if n.scope and n.scope[-1].of is not None]
    of_tanh = [n for n in backward if n.scope[-1].of == y.serial]
    assert of_tanh
    for node in of_tanh:
        assert [str(f) for f in node.scope[:-1]] == ["cell · t = 3"]
        assert node.scope[-1].name == "backward"
        assert node.scope[-1].argument in (0, None)
    assert {n.scope[0].name for n in backward} == {"cell", "loss"}
    assert tanh(x).scope == ()
