"""Who computes a product, where BLAS has more threads than one, and is it the same product?"""

import ctypes
from collections import Counter

import numpy as np
import pytest

from tinygrad_rnn import Tensor, compile, nn, stack, tanh
from tinygrad_rnn.program.backends.c import build, call
from tinygrad_rnn.program.openblas import functions

T, V, H = 4, 3, 104  # with 24 rows, a product of 4 H gates is just large enough


class Model(nn.Module):
    def __init__(self):
        self.cell = nn.LSTMCell(V, H, rng=0)
        self.readout = nn.Linear(H, V, rng=1)


def loss_fn(m, x, y):
    return nn.cross_entropy(m.readout(stack(nn.unroll(m.cell, x)[0])), y)


def data(rows):
    rng = np.random.default_rng(rows)
    return rng.standard_normal((T, rows, V)), rng.integers(V, size=(T, rows))


def same(found, expected):
    """The loss and all gradients."""
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-12)
    for a, b in zip(found[1].values(), expected[1].values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12 * np.abs(b).max())


@pytest.fixture
def blas(monkeypatch):
    """NumPy's BLAS, which counts its calls by m, n and k, and says it has so many threads."""
    found, bits = functions(["cblas_dgemm"])
    if not found:
        pytest.skip("NumPy keeps its BLAS to itself")
    (gemm,) = found
    size, real = (ctypes.c_int64 if bits == 64 else ctypes.c_int32), ctypes.c_double
    at, number = ctypes.c_void_p, ctypes.c_int
    kinds = [number] * 3 + [size] * 3 + [real, at, size, at, size, real, at, size]
    gemm.argtypes, gemm.restype = kinds, None
    calls, answers = Counter(), [1]  # in turn

    def counting(*given):
        calls[given[3:6]] += 1
        gemm(*given)

    def count():
        answers.append(answers.pop(0))
        return answers[-1]

    kept = ctypes.CFUNCTYPE(None, *kinds)(counting), ctypes.CFUNCTYPE(number)(count)
    ours, threads = map(build.address, kept)
    monkeypatch.setattr(call, "blas", lambda: (ours, ours, bits))
    monkeypatch.setattr(call, "threads", lambda: threads)
    yield calls, answers
    del kept


def run(blas, step, m, args, *answers):
    calls, now = blas
    calls.clear()
    now[:] = answers
    return step(m, *args), Counter(calls)


def test_large_products_are_for_blas_where_it_has_threads(blas):
    step, m, args = compile(loss_fn, target="c"), Model(), data(24)
    step(m, *args)  # recorded
    alone, few = run(blas, step, m, args, 1)
    shared, more = run(blas, step, m, args, 2)
    assert more - few == {(24, 4 * H, H): T, (24, H, 4 * H): T}
    same(shared, alone)
    same(alone, compile(loss_fn, target="numpy")(m, *args))


def test_small_ones_are_not(blas):
    step, m, args = compile(loss_fn, target="c"), Model(), data(23)
    step(m, *args)
    _, few = run(blas, step, m, args, 1)
    _, more = run(blas, step, m, args, 8)
    assert more == few


@pytest.mark.parametrize("answers", [(1, 2), (2, 1)])
def test_their_number_may_change_at_any_moment(blas, answers):
    """What is packed for one way of computing it is not computed in the other."""
    step, m, args = compile(loss_fn, target="c"), Model(), data(24)
    step(m, *args)
    alone, few = run(blas, step, m, args, 1)
    found, more = run(blas, step, m, args, *answers)
    assert (more - few).total() == T  # one of the two products
    same(found, alone)


def test_two_threads_compute_what_one_does():
    found, _ = functions(["openblas_get_num_threads", "openblas_set_num_threads"])
    if not found:
        pytest.skip("NumPy's BLAS is another one")
    count, choose = found
    before = count()
    step, m, args = compile(loss_fn, target="c"), Model(), data(24)
    results = []
    try:
        for threads in (1, 1, 2):
            choose(threads)
            results.append(step(m, *args))
    finally:
        choose(before)
    same(results[1], results[2])


def test_a_file_whose_products_are_all_packed_builds():
    """No weight is a parameter, so that there is none whose gradient is a product."""

    def of_a_state(p, x, W):
        h = p["h"]
        for x_t in x:
            h = tanh(x_t + h @ W)
        return h.sum()

    rng = np.random.default_rng(0)
    p = {"h": Tensor(rng.standard_normal((4, 8)))}
    step = compile(of_a_state, target="c")
    step(p, rng.standard_normal((6, 4, 8)), rng.standard_normal((8, 8)))
    text = step.c_source
    assert "times_d(4, 8, 8" in text
    assert "product_d" not in text
    build.library(text.replace("int main(", "int trains("))
