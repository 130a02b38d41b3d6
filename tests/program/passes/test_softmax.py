"""Has a softmax cross-entropy one exponential of each logit, and is it as exact as before?"""

import numpy as np
import pytest
from agreeing import agrees

from tinygrad_rnn import Tensor, compile, exp, log_softmax, nn, stack, tanh, where

T, B, V, H = 7, 3, 5, 4


def parameters(scale=1.0):
    rng = np.random.default_rng(0)
    shapes = {"W": (H, V), "U": (H, H)}
    p = {k: Tensor(rng.standard_normal(s) * (scale if k == "W" else 1)) for k, s in shapes.items()}
    return p, rng.standard_normal((T, B, H)), rng.integers(V - 1, size=(T, B))


def logits(p, x):
    h, found = Tensor(np.zeros(x.shape[1:])), []
    for t in range(len(x)):
        h = tanh(x[t] + h @ p["U"])
        found.append(h @ p["W"])
    return stack(found)


def at_once(p, x, y):
    return nn.cross_entropy(logits(p, x), y)


def at_each_step(p, x, y):
    z = logits(p, x)
    return sum(nn.cross_entropy(z[t], y[t]) for t in range(len(x))) * 0.25


def at_the_end(p, x, y):
    return nn.cross_entropy(logits(p, x)[-1], y[-1])


def one_row(p, x, y):
    return nn.cross_entropy(logits(p, x)[:, 0], y[:, 0])


def some_left_out(p, x, y):
    return nn.cross_entropy(logits(p, x), y, mask=np.add.outer(np.arange(T), np.arange(B)) % 3 > 0)


def of_different_weight(p, x, y):
    weight = np.linspace(0.5, 2, T * B).reshape(T, B, 1)
    return -(log_softmax(logits(p, x)) * weight * (y[..., None] == np.arange(V))).sum()


def classes_ruled_out(p, x, y):
    return nn.cross_entropy(where(np.arange(V) < 4, logits(p, x), -np.inf), y)


def log_softmax_read_otherwise(p, x, y):
    z = logits(p, x)
    a = log_softmax(z)
    return nn.cross_entropy(z, y) - (exp(a) * a).mean()


FUNCTIONS = [
    at_once, at_each_step, at_the_end, one_row, some_left_out, of_different_weight,
    classes_ruled_out, log_softmax_read_otherwise,
]  # fmt: skip


@pytest.mark.sampled(4)
@pytest.mark.parametrize("f", FUNCTIONS)
@pytest.mark.parametrize("target", ["numpy", "c"])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_agrees_with_the_eager_engine(f, target, scale):
    p, x, y = parameters(scale)
    step = agrees(compile(f, target=target), f, p, x, y)
    assert step.stats["eager"] == 0


@pytest.mark.parametrize("f", [at_once, at_each_step, at_the_end, one_row, some_left_out])
def test_there_is_one_exponential_of_each_logit(f):
    p, x, y = parameters()
    for without, count in ((), 1), (("softmax",), 2):
        step = compile(f, target="c", without=without)
        step(p, x, y)
        assert step._last.native.written.text.count(" exp_d(") == count


def test_how_often_is_said_where_it_is_done():
    p, x, y = parameters()
    for target, said in ("c", "1"), ("numpy", "in C:"):
        step = compile(at_once, target=target)
        step(p, x, y)
        assert f"\nsoftmax: {said} exponentials" in step.explain()


def test_log_softmax_that_is_read_otherwise_stays():
    p, x, y = parameters()
    step = compile(log_softmax_read_otherwise, target="c")
    step(p, x, y)
    assert "\nsoftmax: 0 exponentials" in step.explain()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_the_largest_of_what_is_not_finite_is_that_of_numpy(bad):
    def f(p, x, y):
        return (tanh(x * p["w"]).max(axis=-1) + (x * p["w"]).max(axis=-1)).sum()

    x = np.random.default_rng(0).standard_normal((4, 3, 20)).astype(np.float32)
    x[2, 1, 7] = bad
    p = {"w": Tensor(np.float32(1.0))}
    with np.errstate(all="ignore"):
        loss, _ = compile(f, target="c")(p, x, None)
        np.testing.assert_array_equal(loss, f(p, x, None).data)
