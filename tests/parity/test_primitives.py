"""Are our primitives torch's functions, and where do we choose another slope at a kink?"""

import numpy as np
import pytest
import torch

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, grad

POINTS = np.concatenate([np.linspace(-4, 4, 33) + 0.01, [-700.0, -40.0, 40.0, 700.0]])
BETWEEN = np.linspace(-4, 4, 33) + 0.01
POSITIVE = np.geomspace(1e-3, 1e3, 25)
TABLE = np.random.default_rng(0).standard_normal((3, 4, 5))

ELEMENTWISE = {
    "exp": (tg.exp, torch.exp, BETWEEN),
    "log": (tg.log, torch.log, POSITIVE),
    "log1p": (tg.log1p, torch.log1p, POSITIVE),
    "expm1": (tg.expm1, torch.expm1, BETWEEN),
    "sqrt": (tg.sqrt, torch.sqrt, POSITIVE),
    "absolute": (tg.absolute, torch.abs, POINTS),
    "sin": (tg.sin, torch.sin, BETWEEN),
    "cos": (tg.cos, torch.cos, BETWEEN),
    "tan": (tg.tan, torch.tan, BETWEEN),
    "arctan": (tg.arctan, torch.arctan, POINTS),
    "sinh": (tg.sinh, torch.sinh, BETWEEN),
    "cosh": (tg.cosh, torch.cosh, BETWEEN),
    "log2": (tg.log2, torch.log2, POSITIVE),
    "log10": (tg.log10, torch.log10, POSITIVE),
    "erf": (tg.erf, torch.erf, POINTS),
    "mod": (lambda x: x % 0.7, lambda x: torch.remainder(x, 0.7), BETWEEN),
    "tanh": (tg.tanh, torch.tanh, POINTS),
    "sigmoid": (tg.sigmoid, torch.sigmoid, POINTS),
    "relu": (tg.relu, torch.relu, POINTS),
    # torch's own goes over to x itself above its threshold of 20: 2e-9 off there
    "softplus": (
        tg.softplus,
        lambda x: torch.nn.functional.softplus(x, threshold=1000),
        BETWEEN,
    ),
    "power": (lambda x: x**3, lambda x: x**3, BETWEEN),
    "root": (lambda x: x**0.3, lambda x: x**0.3, POSITIVE),
    "base": (lambda x: 2.0**x, lambda x: 2.0**x, BETWEEN),
    "reciprocal": (lambda x: 1 / x, lambda x: 1 / x, POSITIVE),
    "clip": (lambda x: tg.clip(x, -1, 2), lambda x: torch.clip(x, -1, 2), POINTS),
}

REDUCTIONS = {
    "sum": (tg.sum, torch.sum),
    "mean": (tg.mean, torch.mean),
    "max": (tg.max, torch.amax),
    "min": (tg.min, torch.amin),
    "logsumexp": (tg.logsumexp, torch.logsumexp),
}


FUNCTIONS = {
    "cumsum": (lambda x: tg.cumsum(x, 1), lambda x: torch.cumsum(x, 1)),
    "prod": (lambda x: tg.prod(x, 1), lambda x: torch.prod(x, 1)),
    "var": (lambda x: tg.var(x, 1, ddof=1), lambda x: torch.var(x, 1)),
    "std": (lambda x: tg.std(x, 1), lambda x: torch.std(x, 1, correction=0)),
    "norm": (lambda x: tg.norm(x, axis=2), lambda x: torch.linalg.vector_norm(x, dim=2)),
    "largest": (
        lambda x: tg.norm(x, np.inf, 2),
        lambda x: torch.linalg.vector_norm(x, torch.inf, 2),
    ),
    "einsum": (
        lambda x: tg.einsum("bti,bsi->bts", x, x),
        lambda x: torch.einsum("bti,bsi->bts", x, x),
    ),
    "tensordot": (lambda x: tg.tensordot(x, x, ((0, 2), (0, 2))),
                  lambda x: torch.tensordot(x, x, ((0, 2), (0, 2)))),
    "repeat": (lambda x: tg.repeat(x, 3, 1), lambda x: torch.repeat_interleave(x, 3, 1)),
    "roll": (lambda x: tg.roll(x, 2, 1), lambda x: torch.roll(x, 2, 1)),
    "tril": (lambda x: tg.tril(x, 1), lambda x: torch.tril(x, 1)),
    "diag": (lambda x: tg.diag(x[0], 1), lambda x: torch.diag(x[0], 1)),
}  # fmt: skip


def compare(f, g, *arrays, tolerance=1e-12):
    """Values and gradients, weighted at random, of ours and theirs."""
    mine, others = (
        [Tensor(a) for a in arrays],
        [torch.tensor(a, requires_grad=True) for a in arrays],
    )
    y, expected = f(*mine), g(*others)
    close = {"rtol": tolerance, "atol": tolerance}
    np.testing.assert_allclose(y.data, expected.detach().numpy(), **close)
    weights = np.asarray(np.random.default_rng(1).standard_normal(y.shape))
    slopes = grad(y, mine, weights)
    for k, slope in enumerate(torch.autograd.grad(expected, others, torch.tensor(weights))):
        np.testing.assert_allclose(slopes[k], slope.numpy(), **close, err_msg=f"argument {k}")


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise(name):
    f, g, points = ELEMENTWISE[name]
    compare(f, g, points)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_numpy(name):
    compare(*FUNCTIONS[name], TABLE)


def test_norm_has_torchs_slope_at_0():
    compare(lambda x: tg.norm(x), torch.linalg.vector_norm, np.zeros(3))


@pytest.mark.parametrize("keepdims", [True, False])
@pytest.mark.parametrize("axis", [0, 1, -1, (0, 2)])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name, axis, keepdims):
    f, g = REDUCTIONS[name]
    compare(
        lambda x: f(x, axis=axis, keepdims=keepdims),
        lambda x: g(x, dim=axis, keepdim=keepdims),
        TABLE,
    )


@pytest.mark.parametrize("scale", [1.0, 500.0])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_normalisations_far_from_zero_too(name, axis, scale):
    f, g = getattr(tg, name), getattr(torch, name)
    compare(lambda x: f(x, axis=axis), lambda x: g(x, dim=axis), TABLE * scale)


@pytest.mark.parametrize(
    "shapes",
    [
        [(3,), (3,)],
        [(3,), (3, 4)],
        [(2, 3), (3,)],
        [(2, 3), (3, 4)],
        [(5, 2, 3), (3, 4)],
        [(5, 2, 3), (5, 3, 4)],
        [(6, 1, 2, 3), (5, 3, 4)],
    ],
)
def test_matmul(shapes):
    rng = np.random.default_rng(2)
    compare(tg.matmul, torch.matmul, *(rng.standard_normal(shape) for shape in shapes))


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "maximum", "minimum"])
def test_two_operands_with_broadcasting(name):
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((4, 1, 3)), rng.standard_normal((5, 3)) + 3
    compare(getattr(tg, name), getattr(torch, name), a, b)


def slope_at(f, x):
    return float(grad(f(t := Tensor(x)), t))


def torchs_slope_at(f, x):
    return float(torch.autograd.grad(f(t := torch.tensor(x, requires_grad=True)), t)[0])


@pytest.mark.parametrize(
    ("name", "x", "slope"),
    [("relu", 0.0, 0.0), ("absolute", 0.0, 0.0), ("clip", -1.0, 1.0), ("clip", 2.0, 1.0)],
)
def test_at_these_kinks_we_choose_as_torch_does(name, x, slope):
    f, g, _ = ELEMENTWISE[name]
    assert slope_at(f, x) == torchs_slope_at(g, x) == slope


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_equal_operands_share_the_gradient_as_in_torch(name):
    same = np.array([1.0, 2.0])
    compare(getattr(tg, name), getattr(torch, name), same, same)


@pytest.mark.parametrize("name", ["max", "min"])
def test_equal_largest_elements_share_the_gradient_as_in_torch(name):
    f, g = REDUCTIONS[name]
    ties = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    compare(lambda x: f(x, axis=1), lambda x: g(x, dim=1), ties)


def test_sqrt_at_zero_is_infinitely_steep_as_in_torch():
    with np.errstate(divide="ignore"):
        assert slope_at(tg.sqrt, 0.0) == torchs_slope_at(torch.sqrt, 0.0) == np.inf


@pytest.mark.parametrize("n", [0, 1, 2])
def test_powers_at_zero_are_torchs(n):
    assert slope_at(lambda x: x**n, 0.0) == torchs_slope_at(lambda x: x**n, 0.0)
