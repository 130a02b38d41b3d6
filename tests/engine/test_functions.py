"""Do NumPy's functions give what NumPy gives, with the right gradients?"""

import inspect
import math

import numpy as np
import pytest

import tinygrad_rnn as rnn
from tinygrad_rnn import Tensor, check_grads, grad

rng = np.random.default_rng(3)
V, W = rng.uniform(0.4, 1.6, 4), rng.uniform(-1.6, -0.4, 4)
M, N, Q = rng.uniform(-1, 1, (3, 4)), rng.uniform(-1, 1, (4, 2)), rng.uniform(-1, 1, (3, 3))
CUBE = rng.uniform(0.5, 1.5, (2, 3, 4))
NUMBER = np.array(0.7)

# Arguments of each function that NumPy has by the same name.
CALLS = {
    "cumsum": [(V,), (M,), (M, 0), (CUBE, -2), (NUMBER,)],
    "prod": [(V,), (M,), (M, 0), (CUBE, (0, 2)), (CUBE, 1, {"keepdims": True}), (V[:3],)],
    "var": [(V,), (M, 0), (CUBE, (0, 2)), (M, {"axis": 1, "ddof": 1, "keepdims": True})],
    "std": [(V,), (M, 0), (CUBE, (0, 2)), (M, {"axis": 1, "ddof": 1, "keepdims": True})],
    "square": [(M,), (NUMBER,)],
    "outer": [(V, W), (M, W), (NUMBER, V)],
    "dot": [(V, W), (M, V), (M, N), (V, N), (NUMBER, M), (CUBE, V), (CUBE, N),
            (M, CUBE.swapaxes(1, 2)), (V, CUBE.swapaxes(1, 2))],
    "tensordot": [(M, N, 1), (V, W, {"axes": 0}), (CUBE, M, {"axes": ((1, 2), (0, 1))}),
                  (CUBE, CUBE, {"axes": ([0, -1], [0, -1])}), (M, M), (CUBE, N, {"axes": (2, 0)})],
    "repeat": [(V, 2), (M, 2), (M, 3, 1), (M, [1, 0, 2], 0), (M, 2, {"axis": -1}), (NUMBER, 3)],
    "roll": [(V, 1), (M, -3), (M, 1, 0), (CUBE, (1, -2), (0, 2)), (CUBE, 7, {"axis": 1}),
             (M, 1, (0, 1))],
    "tril": [(M,), (M, 1), (CUBE, -1)],
    "triu": [(M,), (M, 1), (CUBE, -1)],
    "diag": [(V,), (V, 1), (V, -2), (M,), (M, 1), (M, -1), (N,), (M, 9)],
    "hstack": [([V, W],), ((M, N.T[:1].T[:3]),), ([V, NUMBER],)],
    "vstack": [([V, W],), ([M, V, M],), ([NUMBER, NUMBER],)],
    "mod": [(V, 0.3), (W, V), (-V, -0.3), (V, -0.3), (2, V)],
    "einsum": [("bi,ij->bj", M, N), ("bi,ij", M, N), ("ij,jk,k->i", M, N, N[0]), ("ij->ji", M),
               ("ij->", M), ("ij->j", M), ("ii->i", Q), ("ii", Q), ("iji->j", CUBE[:, :, :2]),
               ("...i,ij->...j", CUBE, N), ("bti,bsi->bts", CUBE, CUBE), ("i,j", V, W),
               ("i,i", V, W), ("i,i->i", V, W), ("b...,b...->...", CUBE, CUBE[:, 0]),
               (",i", NUMBER, V),
               ("ij,ij->", M, M[:1]), ("ij,ij->ij", M, M[:1]), ("... j, j", CUBE, V),
               ("abc,cd,ae->bde", CUBE, N, CUBE[:, 0]), ("ba", M), ("ab,cd->abcd", M, N),
               ("ij,ik,il->jkl", M, M, Q), ("...ij->...ji", CUBE), ("abc,acd->abd", CUBE,
                CUBE.swapaxes(1, 2))],
}  # fmt: skip


def apart(call):
    """The positional arguments and the options of a call."""
    return (call[:-1], call[-1]) if type(call[-1]) is dict else (call, {})


def is_real(x):
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def function(of, call):
    """It as a function of its arrays of floats, also those in a list; and these arrays."""
    args, options = apart(call)
    joins = isinstance(args[0], (list, tuple))
    args = [*args[0], *args[1:]] if joins else [*args]

    def f(*xs):
        left = iter(xs)
        filled = [next(left) if is_real(x) else x for x in args]
        return of(filled, **options) if joins else of(*filled, **options)

    return f, [x for x in args if is_real(x)]


cases = pytest.mark.parametrize(
    ("name", "call"),
    [pytest.param(n, c, id=f"{n}-{k}") for n, calls in CALLS.items() for k, c in enumerate(calls)],
)


@cases
def test_its_value_is_that_of_numpy(name, call):
    f, xs = function(getattr(rnn, name), call)
    exact = function(getattr(np, name), call)[0](*xs)
    for found in (f(*xs), f(*map(Tensor, xs)).data):
        assert np.shape(found) == np.shape(exact)
        np.testing.assert_allclose(found, exact, rtol=1e-13, atol=1e-13)


@cases
def test_its_gradient_is_that_of_central_differences(name, call):
    f, xs = function(getattr(rnn, name), call)
    if np.size(f(*xs)):
        check_grads(f, *xs, order=2)


@cases
def test_float32_stays_float32(name, call):
    f, xs = function(getattr(rnn, name), call)
    assert f(*[Tensor(x.astype(np.float32)) for x in xs]).dtype == np.float32


@pytest.mark.parametrize("name", [n for n in CALLS if n not in ("einsum", "mod")])
def test_its_parameters_come_in_the_order_of_numpys(name):
    theirs = [*inspect.signature(getattr(np, name)).parameters]
    ours = inspect.signature(getattr(rnn, name)).parameters.values()
    by_place = [p.name for p in ours if p.kind is p.POSITIONAL_OR_KEYWORD]
    options = {p.name for p in ours} - {*by_place}
    assert by_place[1:] == [x for x in theirs if x not in ("dtype", "out")][1 : len(by_place)]
    assert options <= {*theirs}


@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize("ord", [None, 1, np.inf, -np.inf, 2])
def test_norm_is_that_of_linalg(axis, ord):
    for x in (V, M) if axis is not None else (V,):
        exact = np.linalg.norm(x, ord, axis)
        np.testing.assert_allclose(rnn.norm(Tensor(x), ord, axis).data, exact, rtol=1e-14)
        check_grads(lambda x: rnn.norm(x, ord, axis, keepdims=True), x, order=2)
    for ord in (None, "fro"):
        np.testing.assert_allclose(rnn.norm(M, ord), np.linalg.norm(M, ord), rtol=1e-14)


def test_norm_has_slope_0_at_0_as_absolute_has():
    x = Tensor([[0.0, 0.0], [3.0, 4.0]])
    np.testing.assert_allclose(grad(rnn.norm(x, axis=1).sum(), x), [[0, 0], [0.6, 0.8]])


def test_a_standard_deviation_of_equal_numbers_has_slope_0():
    x = Tensor([[3.0, 3.0], [1.0, 3.0]])
    np.testing.assert_allclose(grad(rnn.std(x, axis=1).sum(), x), [[0, 0], [-0.5, 0.5]])


def test_a_product_with_zeros_has_the_gradient_of_the_others():
    x = Tensor([[2.0, 0.0, 3.0], [0.0, 0.0, 5.0]])
    np.testing.assert_array_equal(grad(rnn.prod(x, axis=1).sum(), x), [[0, 6, 0], [0, 0, 0]])


def test_a_product_of_nothing_is_1_and_counts_are_as_wide_as_numpys():
    assert rnn.prod(Tensor(np.zeros((2, 0))), axis=1).data.tolist() == [1, 1]
    small = np.array([100, 100], np.int8)
    assert rnn.prod(Tensor(small)).item() == np.prod(small) == 10_000
    assert rnn.cumsum(np.array([True, True])).tolist() == [1, 2]


def test_percent_is_mod_on_either_side():
    x = Tensor([5.5, -5.5])
    assert (x % 2).data.tolist() == [1.5, 0.5]
    assert (7 % x).data.tolist() == [1.5, -4.0]
    assert (x % 2).op.name == "mod"


@pytest.mark.parametrize("f", [rnn.floor, rnn.sign])
def test_no_gradient_passes_through_steps_and_that_is_said(f):
    x = Tensor([0.5, -1.5])
    np.testing.assert_array_equal(grad((f(x) * x).sum(), x), f(x).data)
    with pytest.raises(ValueError, match="without a rule"):
        grad(f(x).sum(), x)


def test_erf_is_pythons():
    x = np.linspace(-6, 6, 41)
    y = rnn.erf(Tensor(x)).data
    np.testing.assert_array_equal(y, [math.erf(a) for a in x])


def test_einsum_of_matrices_is_one_product():
    y = rnn.einsum("bi,ij->bj", Tensor(M), N)
    assert (y.op.name, y.inputs[0].op) == ("matmul", None)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: rnn.einsum("ij,jk", x), r"2 terms for 1 operands.*one"),
        (lambda x: rnn.einsum("ijk", x), r"'ijk'.*shape \(3, 4\).*one letter for each axis"),
        (lambda x: rnn.einsum("ij->ik", x), r"'ik'.*names letters of the operands"),
        (lambda x: rnn.einsum("i.,", x, x), r"'i.'.*one letter"),
        (lambda x: rnn.einsum("...i->i", x), r"missing after the arrow"),
        (lambda x: rnn.einsum("ii", x), r"'i'.*lengths \[3, 4\]"),
        (lambda x: rnn.einsum("ij,ij", x, x[:2]), r"'i' has length 3 in one operand, 2 in another"),
        (lambda x: rnn.tensordot(x, x, 1), r"axes \[1\] of \(3, 4\).*lengths are \[4\] and \[3\]"),
        (lambda x: rnn.norm(x, 2), r"of a matrix.*Frobenius.*ord=2"),
        (lambda x: rnn.norm(x, 3, axis=0), r"ord is None, 1, 2, inf.*got 3"),
        (lambda x: rnn.repeat(x, [1, 2], axis=0), r"repeat: .*3 elements of axis 0.*\[1, 2\]"),
        (lambda x: rnn.diag(x[None]), r"diag: expected one axis or two.*\(1, 3, 4\)"),
        (lambda x: rnn.tril(x[0]), r"tril: expected at least two axes.*\(4,\)"),
        (lambda x: rnn.cumsum(x, 2), r"cumsum: axis 2 does not exist"),
        (lambda x: rnn.var(x, 5), r"var: axis 5 does not exist"),
    ],
)
def test_a_wrong_argument_is_named(call, message):
    for x in (M, Tensor(M)):
        with pytest.raises((ValueError, TypeError, IndexError), match=message):
            call(x)


def test_a_tensor_is_no_list_to_join():
    with pytest.raises(TypeError, match=r"hstack: expected a list.*got Tensor"):
        rnn.hstack(Tensor(M))
