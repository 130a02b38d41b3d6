"""What comes out of nothing, of NaN, of integers, of plain numbers and of a list of Tensors?"""

import warnings

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, compile, grad, nn

BOTH = pytest.mark.parametrize("target", ["eager", "numpy", "c"])


def value_and_gradients(loss, p, target):
    """Of a loss of a dict of parameters, whichever way it is computed; nothing may warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if target == "eager":
            y = loss(p)
            return y.data, grad(y, p, unused="zero")
        step = compile(loss, target=target)
        found = step(p)
        assert step.stats["eager"] == 0, step.reason
        return found


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_of_an_empty_axis_softmax_is_empty_and_logsumexp_minus_infinity(axis):
    x = Tensor(np.ones((2, 0)) if axis else np.ones((0, 2)))
    for f in (tg.softmax, tg.log_softmax):
        assert f(x, axis=axis).shape == x.shape
        assert grad(f(x, axis=axis).sum(), x).shape == x.shape
    for keepdims in (False, True):
        y = tg.logsumexp(x, axis=axis, keepdims=keepdims)
        assert y.data.ravel().tolist() == [-np.inf] * 2
        assert grad(y.sum(), x).shape == x.shape
    assert tg.logsumexp(x).item() == -np.inf
    with pytest.raises(IndexError, match="axis=5"):
        tg.softmax(x, axis=5)


@BOTH
def test_programs_of_empty_axes(target):
    def loss(p):
        empty = tg.softmax(p["e"]).sum() + tg.log_softmax(p["e"]).sum()
        return tg.where(tg.logsumexp(p["e"], axis=-1) < 0, p["w"], 0.0).sum() + empty

    p = {"e": Tensor(np.ones((2, 0))), "w": Tensor(np.array([2.0, 3.0]))}
    y, g = value_and_gradients(loss, p, target)
    assert y == 5
    assert g["w"].tolist() == [1, 1]


@BOTH
@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize("axis", [None, 0])
def test_nan_goes_through_a_reduction_and_its_gradient_to_where_it_came_from(name, axis, target):
    x = np.array([[1.0, 7.0], [np.nan, 5.0], [3.0, 6.0]])
    y, g = value_and_gradients(
        lambda p: getattr(tg, name)(p["x"] * 1.0, axis=axis).sum(), {"x": Tensor(x)}, target
    )
    assert np.isnan(y)
    other = [0.0, 0.0, 0.0] if axis is None else [1, 0, 0] if name == "max" else [0, 1, 0]
    assert g["x"].T.tolist() == [[0, 1, 0], other]


@BOTH
@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_nan_goes_through_the_larger_and_the_smaller_of_two(name, target):
    p = {"a": Tensor(np.array([np.nan, 1.0, np.nan])), "b": Tensor(np.array([1.0, np.nan, np.nan]))}
    y, g = value_and_gradients(lambda p: getattr(tg, name)(p["a"] * 1.0, p["b"]).sum(), p, target)
    assert np.isnan(y)
    assert g["a"].tolist() == [1, 0, 0.5]
    assert g["b"].tolist() == [0, 1, 0.5]


def test_the_smallest_is_a_method_too():
    x = Tensor(np.array([[3.0, 1.0], [1.0, 2.0]]))
    assert x.min().item() == 1
    assert x.min(axis=0, keepdims=True).data.tolist() == [[1, 1]]
    assert grad(x.min(), x).tolist() == [[0, 0.5], [0.5, 0]]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64])
def test_integers_stay_integers_when_clipped(dtype):
    x = np.array([1, 5, 9], dtype)
    for bounds in ((2, 6), (2.0, 6.0), (2, np.inf), (-np.inf, 6), (-300, 300), (2, 10**30)):
        y = tg.clip(Tensor(x), *bounds)
        assert y.dtype == dtype
        assert y.data.tolist() == [min(max(v, bounds[0]), bounds[1]) for v in x.tolist()]
    assert tg.clip(3, 0, 2) == 2
    assert tg.clip(Tensor(x), 0.5, 6.5).data.tolist() == [1, 5, 6.5]  # a fraction needs a float


@BOTH
def test_integers_clipped_in_programs(target):
    def loss(p):
        return (tg.clip(p["w"].astype(int), 0, 2) * p["w"]).sum()

    y, g = value_and_gradients(loss, {"w": Tensor(np.array([1.5, -2.0, 7.0]))}, target)
    assert y == 15.5
    assert g["w"].tolist() == [1, 0, 2]


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_slopes_of_negative_powers_at_zero():
    """x^n and ln x grow without bound to the left of them."""
    x, n = Tensor(np.zeros(4)), Tensor(np.array([-2.0, -1.0, 0.0, 2.0]))
    assert grad((x**n).sum(), x).tolist() == [-np.inf, -np.inf, 0, 0]
    assert grad((x**n).sum(), n).tolist() == [-np.inf, -np.inf, 0, 0]
    assert grad(Tensor(0.0) ** -1, x := Tensor(0.0), unused="zero") == 0
    assert grad(x**-1, x) == -np.inf


@pytest.mark.parametrize("lengths", [[], np.zeros(0, int)], ids=["list", "array"])
def test_no_examples_have_no_lengths(lengths):
    outputs, _ = nn.unroll(nn.LSTMCell(2, 3, rng=0), np.ones((3, 0, 2)), lengths=lengths)
    assert [h.shape for h in outputs] == [(0, 3)] * 3
    assert nn.GRU(2, 3, rng=0)(np.ones((3, 0, 2)), lengths=lengths)[0].shape == (3, 0, 3)


X = np.arange(6.0).reshape(2, 3)


def test_numbers_and_lists_are_operands_of_whatever_changes_shapes():
    assert tg.reshape(3.0, (1, 1)).tolist() == [[3]]
    assert tg.broadcast_to(2.0, (2,)).tolist() == tg.broadcast_to(2, (2,)).tolist() == [2, 2]
    assert tg.transpose(3.0) == 3
    assert tg.mean([1.0, 2.0]) == 1.5
    assert tg.flip([1.0, 2.0]).tolist() == [2, 1]
    assert [part.tolist() for part in tg.split([1.0, 2.0], 2)] == [[1], [2]]


FOREIGN = [[Tensor(X), Tensor(X)], None, "text", np.ma.masked_array(X, X > 1), X + 1j, iter([X])]


@pytest.mark.parametrize("x", FOREIGN, ids=lambda x: type(x).__name__)
@pytest.mark.parametrize(
    ("name", "f"),
    [
        ("mean", tg.mean),
        ("flip", tg.flip),
        ("split", lambda x: tg.split(x, 2)),
        ("concatenate", lambda x: tg.concatenate([X, x])),
        ("stack", lambda x: tg.stack([X, x])),
    ],
)
def test_compositions_meet_what_is_foreign_as_primitives_do(name, f, x):
    said = []
    for way in (tg.tanh, f):
        with tg.scope("cell", t=3), pytest.raises(TypeError, match=" at cell · t = 3: ") as error:
            way(x)
        said.append(str(error.value))
    assert said[1] == said[0].replace("tanh", name, 1)


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda: Tensor(X) @ 2.0, ValueError, r"matmul: got shapes \(2, 3\) and \(\).* with \*\."),
        (lambda: 2.0 @ Tensor(X), ValueError, r"matmul: got shapes \(\) and \(2, 3\).* with \*\."),
        (lambda: tg.mean(X, axis=7), IndexError, r"mean: axis 7 does not exist in shape \(2, 3\)"),
        (lambda: tg.mean(X, axis="a"), TypeError, "mean: expected one axis as an integer, got 'a'"),
        (lambda: tg.flip(3.0), IndexError, r"flip: axis 0 does not exist in shape \(\)"),
        (lambda: tg.split(3.0, 1), IndexError, r"split: axis -1 does not exist in shape \(\)"),
        (lambda: tg.split(X, 1.5), TypeError, "split: expected a number of equal parts.* got 1.5"),
        (lambda: tg.split(X, ["a"]), TypeError, r"split: expected .* places .* got \['a'\]"),
        (lambda: tg.broadcast_to(2.0, -1), ValueError, r"broadcast_to: got shape \(\)"),
        (
            lambda: tg.reshape(3.0, (2,)),
            ValueError,
            r"reshape: got shape \(\).* number of elements",
        ),
    ],
)
def test_what_cannot_be_done_has_a_sentence(f, error, message):
    with pytest.raises(error, match=message):
        f()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)])
def test_nothing_keeps_its_dtype(dtype, shape):
    x = Tensor(np.zeros(shape, dtype))
    for f in (tg.softmax, tg.log_softmax, tg.logsumexp):
        assert f(x, axis=0).dtype == f(x.data, axis=0).dtype == dtype
