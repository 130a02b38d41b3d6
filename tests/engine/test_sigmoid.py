"""Does the sigmoid keep its digits where it is small?"""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn import Tensor, compile, concatenate, grad, log, sigmoid, softplus, stack, tanh

EDGES = [-700.0, -103.9, -88.0, -87.3, -38.0, -20.0, -1.0, -1e-30, 0.0, 1.0, 20.0, 49.9, 50.1, 1e30]


def exact(x):
    """In 40 digits."""
    with localcontext() as c:
        c.prec, c.Emin, c.Emax = 40, -99999, 99999
        return 1 / (1 + (-Decimal(float(x))).exp()) if x < 1e3 else Decimal(1)


def ulps(found, x):
    """How far the sigmoid of `x` is off, in units of the last place, subnormal ones too."""
    right = exact(x)
    unit = np.spacing(found.dtype.type(float(right)))
    return abs(Decimal(float(found)) - right) / Decimal(float(unit))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@given(x=st.one_of(st.floats(-740, 60), st.sampled_from(EDGES)))
def test_five_units_of_the_last_place_down_to_the_subnormal_ones(dtype, x):
    x = min(x, 1e4)
    x = np.array([x], dtype)
    assert ulps(sigmoid(Tensor(x)).data[0], x[0]) <= 5


@pytest.mark.parametrize("target", ["numpy", "c"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_programs_too_where_the_result_is_normal(dtype, target):
    x = np.linspace(np.log(np.finfo(dtype).tiny) + 0.1, 60, 5000).astype(dtype)
    step = compile(lambda p: (sigmoid(p["x"]) * Tensor(np.ones_like(x))).sum(), target=target)
    _, slope = step({"x": Tensor(x)})  # y - y², which is y far to the left
    assert step.stats["eager"] == 0
    far = x < np.log(np.finfo(dtype).eps)
    assert far.sum() > 1000
    assert max(ulps(a, b) for a, b in zip(slope["x"][far], x[far], strict=True)) <= 5


@pytest.mark.parametrize(("order", "size"), [("igio", 256), ("gifg", 3), ("gg", 3), ("if", 3)])
def test_gates_squashed_together_keep_theirs(order, size):
    """In one array of a program there are sigmoids and tanhs, of large and of small numbers."""
    xs = np.linspace(-60, 30, 4 * len(order) * size).reshape(4, len(order), size)
    xs[:, :, ::3] *= 1e-9
    rows = np.ascontiguousarray(xs.reshape(4, 1, -1)).repeat(8, axis=1)

    def loss(p):
        found, h = [], Tensor(np.zeros((8, len(order) * size)))
        for t in range(4):
            a = rows[t] * p["w"] + h * 0.0
            parts = [
                (tanh if s == "g" else sigmoid)(a[:, k * size : (k + 1) * size])
                for k, s in enumerate(order)
            ]
            h = concatenate(parts, axis=-1)
            found.append(h)
        return stack(found)

    p = {"w": Tensor(np.array(1.0))}
    y = loss(p).data.reshape(4, 8, len(order), size)
    for k, s in enumerate(order):
        x = xs[:, k]
        right = np.tanh(x) if s == "g" else [[float(exact(v)) for v in row] for row in x]
        np.testing.assert_allclose(y[:, 0, k], right, rtol=1e-15)
    weights = 1 / np.maximum(np.abs(y), 1e-300).reshape(4, 8, -1)  # all count alike
    for target in ("numpy", "c"):
        step = compile(lambda p: (loss(p) * weights).sum(), target=target)
        value, _ = step(p)
        np.testing.assert_allclose(value, (y.reshape(weights.shape) * weights).sum(), rtol=1e-13)


def slope(f, x):
    x = Tensor(x)
    return grad(f(x).sum(), x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_slopes_far_to_the_left(dtype):
    x = np.array([-80, -38, -20], dtype)
    np.testing.assert_allclose(slope(lambda x: log(sigmoid(x)), x), 1, rtol=1e-6)
    right = np.array([float(exact(v)) for v in x])
    rtol = 5 * np.finfo(dtype).eps
    np.testing.assert_allclose(slope(softplus, x), right, rtol=rtol)
    np.testing.assert_allclose(slope(sigmoid, x), right * (1 - right), rtol=rtol)


def test_the_ends_and_other_numbers():
    x = np.array([-np.inf, np.inf, np.nan])
    with np.errstate(all="raise", under="ignore"):
        for dtype in (np.float16, np.float32, np.float64, np.longdouble):
            np.testing.assert_array_equal(sigmoid(x.astype(dtype)), [0, 1, np.nan])
        assert sigmoid(np.array([0, 1], np.int8)).dtype == np.float64
        assert sigmoid(-20) == sigmoid(-20.0) == sigmoid(np.array(-20.0))
