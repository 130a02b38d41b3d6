"""Does what random programs have found stay mended?"""

import numpy as np
import pytest

import tinygrad_rnn as rnn
from tinygrad_rnn import Tensor, compile, grad, named, scope, stack, tanh, where
from tinygrad_rnn.engine.primitives import max as largest

rng = np.random.default_rng(0)
X, XS = rng.standard_normal((4, 3)), rng.standard_normal((6, 4, 3))
W, U = rng.standard_normal((4, 3)), rng.standard_normal((3, 3))


def in_time(f):
    """The sum of something made of each state."""

    def loss(p, xs):
        h, total = Tensor(np.zeros((4, 3), p["w"].dtype)), 0.0
        for t in range(len(xs)):
            with scope("cell", t=t):
                h = named(h=tanh(xs[t] @ p["U"] + h * 0.5))
                total = total + f(p["w"], h, xs[t]).sum()
        return total

    return loss


def a_slice_beside(p, x):
    """Written in the pass that makes what it is a slice of, it read what was not there yet."""
    y = x[0] + 2.0 * p["w"]
    z = y[:, ::-1]
    return (y * z).sum(), (y, z)


def rows_of_a_slice(p, xs):
    """A copy of what is not contiguous was made once, not at each call."""
    means = rnn.mean(xs * p["w"], axis=0)
    return (means[:, 1:3].reshape(-1, 8) * 0.3).sum()


def sums_of_singles(p, xs):
    """Two of float32 were added in float32 before what is float64 came in."""
    b = rnn.astype(p["w"], dtype=np.float32)
    return in_time(lambda w, h, x: tanh(h + b[0] + b[1]) * 3)(p, xs)


def constants_in_time(p, xs):
    """Values made of constants alone lost their axis of time."""
    h, found = Tensor(np.zeros((4, 3), xs.dtype)), []
    for t in range(len(xs)):
        with scope("cell", t=t):
            h = tanh(xs[t] + h @ p["U"])
            found.append(Tensor(np.ones((4, 3), xs.dtype)) * 2.0 + h * 0)
    return (stack(found) * xs).sum() + h.sum()


CASES = {
    "the largest of all": lambda p, xs: largest(p["w"] * xs[0]) * 2,
    "a slice beside": a_slice_beside,
    "rows of a slice": rows_of_a_slice,
    "sums of singles": sums_of_singles,
    "constants in time": constants_in_time,
    "products of rows": in_time(lambda w, h, x: (h[0] @ w[1]) * h),
    "products with a vector": in_time(lambda w, h, x: (h @ w[0]) * 0.3),
    "arrays that are added": in_time(lambda w, h, x: h + np.arange(3.0) + np.ones((4, 3)) * w),
    "products of stacks": in_time(lambda w, h, x: ((w + h)[None] * x[:, None]) @ (w + h).T),
    "one of equals": lambda p, xs: where(xs > 0, p["w"], p["w"]).sum(),
    "lookups at constants": lambda p, xs: (p["w"][Tensor(np.array([1, 1])) * 2] * xs[0, :2]).sum(),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("target", ["numpy", "c"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CASES)
def test_a_program_gives_what_the_function_gives(name, dtype, target):
    f, step = CASES[name], compile(CASES[name], target=target)
    for k in range(2):
        p = {"w": Tensor((W + k).astype(dtype)), "U": Tensor((U - k).astype(dtype))}
        xs = XS.astype(dtype) * (1 - k / 2)
        loss, grads = step(p, xs)
        exact = f(p, Tensor(xs))
        if type(exact) is tuple:
            (loss, results), (exact, beside) = loss, exact
            for x, y in zip(results, beside, strict=True):
                np.testing.assert_array_equal(x, y.data)
        close = 1e-12 if dtype == np.float64 and name != "sums of singles" else 1e-4
        np.testing.assert_allclose(loss, exact.data, rtol=close)
        for g, e in zip(grads.values(), grad(exact, [*p.values()], unused="zero"), strict=True):
            np.testing.assert_allclose(g, e, rtol=close, atol=close * max(1, np.abs(e).max()))
    assert step.stats["eager"] == 0, step.reason


def test_rounding_of_a_few_singles_is_no_mistake():
    """One ulp of float32 in a record of float64, which ulps of other operations may cancel."""

    def f(p, x):
        y = rnn.astype(p["w"] * x, dtype=np.float32)
        return (y * y).sum() * 0.3 + (p["w"] * x).sum()

    for seed in range(20):
        step, draw = compile(f, target="c"), np.random.default_rng(seed)
        step({"w": Tensor(draw.standard_normal((4, 2, 4)))}, draw.standard_normal((4, 2, 4)))
        assert step.reason == ""
