"""Are NaN and infinity in programs what they are in the function as written?"""

import warnings

import numpy as np
import pytest

import tinygrad_rnn as rnn
from tinygrad_rnn import Tensor, compile, grad, nn, scope, stack, where
from tinygrad_rnn.engine.primitives import max as largest
from tinygrad_rnn.engine.primitives import min as smallest
from tinygrad_rnn.engine.primitives import sum as total

SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 2.5, -0.5, 1e30, -1e30])
A, B = (x.ravel() for x in np.meshgrid(SPECIAL, SPECIAL))
ROWS = np.array([
    [1, 2, 3], [np.nan, 1, 2], [1, np.nan, 2], [1, 2, np.nan], [np.inf, 1, 2], [1, np.inf, np.inf],
    [-np.inf, 1, 2], [1, 2, -np.inf], [-np.inf] * 3, [np.inf] * 3, [np.nan] * 3,
    [np.inf, -np.inf, 0], [np.nan, np.inf, -np.inf], [0, -0.0, 0], [-0.0, -0.0, -0.0],
    [-np.inf, -np.inf, 4],
])  # fmt: skip

ONE = {
    name: getattr(rnn, name)
    for name in (
        *("negative", "exp", "log", "log1p", "expm1", "sqrt", "absolute", "sin", "cos", "tanh"),
        *("sigmoid", "relu", "softplus", "tan", "arctan", "sinh", "cosh", "log2", "log10", "erf"),
        *("floor", "sign"),
    )
} | {
    "clip": lambda x: rnn.clip(x, low=-1.0, high=2.0),
    "clip below": lambda x: rnn.clip(x, low=-1.0),
    "clip above": lambda x: rnn.clip(x, high=0.0),
    "clip the gradient": lambda x: rnn.pass_gradient(x * x, limit=0.5),
    "where it is positive": lambda x: where(x > 0, x, 0.0),
    "where it is not": lambda x: where(x <= 0, 1.0, x * x),
    "where it is itself": lambda x: where(x == x, x, 3.0),
    "a square": lambda x: x**2,
    "a cube": lambda x: x**3,
    "a root": lambda x: x**0.5,
    "an inverse": lambda x: x**-1,
    "a power": lambda x: x**1.7,
    "the zeroth power": lambda x: x**0,
    "by zero": lambda x: x / 0.0,
    "one": lambda x: x**1,
    "where it is masked": lambda x: where(x > 0, x, -np.inf),
    "plus infinity": lambda x: x + np.float32(np.inf),
    "at most infinity": lambda x: rnn.minimum(x, np.inf),
    "at least NaN": lambda x: rnn.maximum(x, np.nan),
    "times an array": lambda x: x * np.array([np.inf, 1, np.nan, 0] * 3, x.dtype)[: len(SPECIAL)],
}
TWO = {
    name: getattr(rnn, name)
    for name in ("add", "subtract", "multiply", "divide", "power", "mod", "maximum", "minimum")
} | {
    "the less": lambda a, b: where(a < b, a, b),
    "the less or equal": lambda a, b: where(a <= b, a, b),
    "the greater": lambda a, b: where(a > b, a, b),
    "the greater or equal": lambda a, b: where(a >= b, a, b),
    "equals": lambda a, b: where(a == b, a, b),
    "others": lambda a, b: where(a != b, a, b),
    "both": lambda a, b: where((a > 0) & (b > 0), a, b),
    "one of them": lambda a, b: where((a > 0) | ~(b > 0), a, b),
    "a mask": lambda a, b: a * rnn.astype(b > 0, dtype=np.float32),
}
ROWWISE = {
    "softmax": rnn.softmax,
    "log_softmax": rnn.log_softmax,
    "logsumexp": lambda x: rnn.logsumexp(x, axis=-1),
    "logsumexp, kept": lambda x: rnn.logsumexp(x, axis=-1, keepdims=True),
    "max": lambda x: largest(x, axis=-1),
    "min": lambda x: smallest(x, axis=-1),
    "sum": lambda x: total(x, axis=-1),
    "cumsum": lambda x: rnn.cumsum(x, axis=-1),
    "softmax of columns": lambda x: rnn.softmax(x, axis=0),
    "max of columns": lambda x: largest(x, axis=0),
    "sum of columns": lambda x: total(x, axis=0),
    "exp of log_softmax": lambda x: rnn.exp(rnn.log_softmax(x)),
    "log of softmax": lambda x: rnn.log(rnn.softmax(x)),
    "max of all": lambda x: largest(x),
    "softmax, masked": lambda x: rnn.softmax(x + np.where(np.arange(x.shape[-1]) == 1, -np.inf, 0)),
    "log_softmax, masked": lambda x: rnn.log_softmax(where(x == 2, -np.inf, x)),
    "sum over time": lambda x: rnn.exp(x[0]) + total(x[1:], axis=0),
    "a class of each": lambda x: rnn.log_softmax(x)[np.arange(len(ROWS)), np.arange(len(ROWS)) % 3],
}


def same(found, expected, dtype, what):
    found, expected = np.asarray(found), np.asarray(expected)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype), what
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(found, expected, rtol=32 * eps, atol=32 * eps, err_msg=what)


def agree(ops, given, target, dtype, f):
    """First with numbers as usual, then with what is not finite; each on arrays of its own."""
    step, rng = compile(f(ops), target=target), np.random.default_rng(0)
    for xs in ([rng.uniform(0.1, 0.9, x.shape) for x in given], given):
        p = [tuple(Tensor(np.asarray(x, dtype)) for x in xs) for _ in ops]
        weights = np.linspace(0.5, 2, xs[0].size).astype(dtype)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (loss, results), grads = step(p, weights)
            exact, aux = f(ops)(p, Tensor(weights))
            gradients = grad(exact, [x for xs in p for x in xs], unused="zero")
        same(loss, exact.data, dtype, "loss")
        gradients = iter(gradients)
        for name, y, gs in zip(ops, results, grads, strict=True):
            same(y, aux[[*ops].index(name)].data, dtype, name)
            for g in gs:
                same(g, next(gradients), dtype, f"the gradient of {name}")
    assert step.stats["eager"] == 0, step.reason


def at_once(ops):
    def f(p, w):
        results = [op(*xs) for op, xs in zip(ops.values(), p, strict=True)]
        loss = 0.0
        for y in results:
            loss = loss + (y * w[: y.size].reshape(y.shape)).sum()
        return loss, results

    return f


def step_by_step(ops):
    def f(p, w):
        h, steps = Tensor(np.zeros((), w.dtype)), []
        for t in range(len(SPECIAL)):
            with scope("cell", t=t):
                here = slice(len(SPECIAL) * t, len(SPECIAL) * (t + 1))
                found = [op(*(x[here] for x in xs)) for op, xs in zip(ops.values(), p, strict=True)]
                for y in found:
                    h = h + (y * w[here]).sum()
                steps.append(found)
        return h, [stack(ys).reshape(-1) for ys in zip(*steps, strict=True)]

    return f


LONG = np.concatenate([np.ones((len(ROWS), 15)), ROWS], axis=1)
GROUPS = {
    "of one": (ONE, [SPECIAL]),
    "of two": (TWO, [A, B]),
    "of rows": (ROWWISE, [ROWS]),
    "of long rows": (ROWWISE, [LONG]),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("target", ["numpy", "c"])
@pytest.mark.parametrize("group", GROUPS)
def test_operations_give_what_they_give_eagerly(group, target, dtype):
    agree(*GROUPS[group], target, dtype, at_once)


@pytest.mark.parametrize("target", ["numpy", "c"])
def test_so_do_those_in_a_loop(target):
    agree(TWO, [A, B], target, np.float64, step_by_step)


@pytest.mark.parametrize("target", ["numpy", "c"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_cross_entropy_over_time(bad, target):
    class Model(nn.Module):
        def __init__(self):
            self.cell, self.readout = nn.GRUCell(3, 4, rng=0), nn.Linear(4, 3, rng=1)

    def f(m, x, y, penalty):
        logits = m.readout(stack(nn.unroll(m.cell, x)[0])) + penalty
        return nn.cross_entropy(logits, y)

    m, step, rng = Model(), compile(f, target=target), np.random.default_rng(0)
    x, y = rng.standard_normal((5, 2, 3)), rng.integers(2, size=(5, 2))
    for at in (0, 2):
        penalty = np.zeros(3)
        penalty[at] = bad
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loss, grads = step(m, x, y, penalty)
            exact = f(m, Tensor(x), Tensor(y), Tensor(penalty))
            gradients = grad(exact, m.parameters())
        same(loss, exact.data, np.float64, "loss")
        for g, e in zip(grads.values(), gradients, strict=True):
            np.testing.assert_allclose(g, e, rtol=1e-10, atol=1e-12)
    assert step.stats["eager"] == 0, step.reason
