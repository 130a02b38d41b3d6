"""Do numbers below the smallest normal one become 0 in C, there alone, without a false alarm?"""

import platform

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.program.runtime.compare import first_difference

FLUSHES = platform.machine().lower() in ("x86_64", "amd64", "aarch64", "arm64")
pytestmark = pytest.mark.skipif(not FLUSHES, reason="denormal numbers are kept here")


def product(p, x, y):
    return tg.sum(p * x * y), p * x


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_result_below_the_smallest_normal_number_is_0(dtype):
    tiny = np.finfo(dtype).tiny
    p, halves = Tensor(np.full(3, 2 * tiny)), np.full(3, 0.25, dtype)
    for target, expected in (("numpy", tiny / 2), ("c", 0)):
        step = tg.compile(product, target=target)
        (_, found), _ = step(p, halves, halves)
        assert not step.reason
        assert found.dtype == dtype
        assert (found == expected).all()
        assert (np.full(3, tiny) * halves > 0).all(), "the thread's setting was not restored"


def test_the_printed_file_does_so_too_and_says_it():
    step = tg.compile(product, target="c")
    step(Tensor(np.ones(3)), np.ones(3), np.ones(3))
    assert "flush_denormals();" in step.c_source
    assert "restore_denormals(denormals);" in step.c_source
    assert "are 0 within a step" in step.c_source.partition("*/")[0]


def vanishing(cell, x):
    return tg.mean(nn.unroll(cell, x)[1] ** 2)


def test_gradients_that_vanish_are_compared_as_others_are():
    cell = nn.RNNCell(2, 3, bias=False, rng=0, dtype=np.float32)
    cell.W_h.data = np.float32(0.7) * np.eye(3, dtype=np.float32)
    x = Tensor(np.random.default_rng(0).standard_normal((900, 2, 2)) / 9, dtype=np.float32)
    exact = tg.grad(vanishing(cell, x), x)
    tiny = np.finfo(np.float32).tiny
    assert ((exact != 0) & (abs(exact) < tiny)).any(axis=(1, 2)).sum() > 100
    step = tg.compile(lambda p, cell: vanishing(cell, p["x"]), target="c")
    _, found = step({"x": x}, cell)
    assert not step.reason
    assert not ((found["x"] != 0) & (abs(found["x"]) < tiny)).any()
    np.testing.assert_allclose(found["x"], exact, rtol=1e-4, atol=10 * tiny)


def test_an_infinity_that_flushing_makes_is_told():
    step = tg.compile(lambda p: tg.sum(tg.log(tg.exp(p))), target="c")
    loss, _ = step(Tensor(np.full(3, -88, np.float32)))
    assert np.isfinite(loss)
    assert 'target="numpy" keeps them' in step.reason


def test_what_flushing_changes_is_no_difference_and_more_is_one():
    def compared(found, lost):
        x = np.float32([1e-30])
        moved = lambda _: [x]  # noqa: E731
        return first_difference([("x", x)], [found], 10, moved, lambda: [np.float32([lost])])[0]

    assert compared(np.float32([0]), 0) is None
    assert compared(np.float32([1e-20]), 0) is not None
    assert compared(np.float32([0]), 1e-30) is not None
    assert compared(np.float32([np.inf]), np.inf) is not None
