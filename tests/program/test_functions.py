"""Do NumPy's functions run in programs, in NumPy and in C, alone and in time?"""

import numpy as np
import pytest
from agreeing import agrees
from operations import alone, in_time

import tinygrad_rnn as rnn
from tinygrad_rnn import Tensor, compile

PRIMITIVES = ["more functions", "logarithms", "the error function", "remainders", "steps",
              "sums up to each"]  # fmt: skip
COMPOSITIONS = ["sums up to each of all", "products of rows", "a norm", "repeated and rolled",
                "triangles", "einsum"]  # fmt: skip


def together(made, names):
    """One loss of all of them, so that there is one program to build."""
    losses, params, *args = zip(*(made(name) for name in names), strict=True)

    def loss(p, x, i):
        total = 0.0
        for one in losses:
            total = total + one(p, x, i)
        return total

    return loss, params[0], *(values[0] for values in args)


def in_precision(dtype, params, *args):
    """The same arguments, floats in this precision."""
    params = {name: Tensor(x.data.astype(dtype)) for name, x in params.items()}
    return params, *(x.astype(dtype) if x.dtype.kind == "f" else x for x in args)


@pytest.mark.parametrize("target", ["numpy", "c"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-11), (np.float32, 1e-4)])
def test_a_program_computes_what_the_functions_do(target, dtype, tolerance):
    loss, *args = together(alone, PRIMITIVES + COMPOSITIONS)
    args = in_precision(dtype, *args)
    agrees(compile(loss, target=target), loss, *args, tolerance=tolerance)


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("numpy", PRIMITIVES + COMPOSITIONS),
        ("c", ["remainders", "sums up to each"]),
        pytest.param("c", PRIMITIVES + COMPOSITIONS, marks=pytest.mark.slow),
    ],
)
def test_and_in_time(target, names):
    loss, *args = together(in_time, names)
    agrees(compile(loss, target=target), loss, *args, tolerance=1e-11)


@pytest.mark.parametrize("op", [rnn.floor, rnn.sign, lambda x: x % 3])
def test_of_integers_c_gives_way_to_numpy_and_says_so(op):
    step = compile(lambda p, n: (p * op(n)).sum(), target="c")
    n, p = np.arange(-4, 5), Tensor(np.linspace(0, 1, 9))
    with pytest.warns(UserWarning, match="int64"):
        _, grads = step(p, n)
    np.testing.assert_allclose(grads, op(n))
