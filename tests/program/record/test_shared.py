"""What a cell makes of its parameters alone is made once per sequence, and so are its gradients."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, grad, nn
from tinygrad_rnn.nn.cells import orthogonal
from tinygrad_rnn.program.record import sharing


class Made(nn.Module):
    """Elman's network with a matrix that is made of parameters at each step."""

    def __init__(self, make, n=4):
        rng = np.random.default_rng(0)
        self.A = Tensor(rng.standard_normal((n, n)) / n)
        self.W = Tensor(rng.standard_normal((3, n)))
        self.make = make

    def initial_state(self, *batch):
        return np.zeros((*batch, len(self.A)))

    def __call__(self, x, h):
        return tg.named(h=tg.tanh(x @ self.W + h @ self.make(self.A)))


def antisymmetric(A):
    return A - A.T - 0.1 * np.eye(len(A))


def exponential(A):
    W = P = Tensor(np.eye(len(A)))
    for k in range(1, 5):
        P = P @ (A - A.T) * (1 / k)
        W = W + P
    return W


def normed(A):
    u = np.ones(len(A))
    v = A @ u
    return A / tg.sqrt(tg.sum((v / tg.sqrt(tg.sum(v * v)) @ A) ** 2))


def softmaxed(A):
    return tg.softmax(A, axis=0)


MADE = [antisymmetric, exponential, normed, softmaxed]


def loss(cell, xs):
    return tg.mean(tg.stack(nn.unroll(cell, xs)[0]) ** 2)


def operations(make, T):
    step = tg.compile(loss)
    step(Made(make), np.ones((T, 2, 3)))
    last = step._last.full.program
    in_time = {v.name for v in last.values if v.lo is not None and v.shape == (4, 4)}
    return in_time, step.explain().splitlines()[0]


@pytest.mark.parametrize("make", MADE)
def test_nothing_of_it_is_left_in_time(make):
    assert operations(make, 7) == (set(), operations(make, 12)[1])


@pytest.mark.parametrize("target", ["numpy", "c"])
@pytest.mark.parametrize("make", MADE)
def test_it_gives_what_the_function_gives(make, target):
    cell, rng = Made(make), np.random.default_rng(1)
    step = tg.compile(loss, target=target)
    for _ in range(2):
        xs = rng.standard_normal((6, 2, 3))
        value, gradients = step(cell, xs)
        assert not step.reason
        exact = loss(cell, xs)
        np.testing.assert_allclose(value, exact.data, rtol=1e-12)
        for p, g in zip(cell.parameters(), grad(exact, cell.parameters()), strict=True):
            name = next(k for k, q in cell.named_parameters().items() if q is p)
            np.testing.assert_allclose(gradients[name], g, rtol=1e-9, atol=1e-12)


def test_what_a_sequence_has_in_common_with_an_element_of_it_stays_apart():
    """x[0] at each step is one value; that x[t] of step 0 is the same one does not break x[t]."""

    def anchored(A, xs):
        h, hs = np.zeros((2, 4)), []
        for t in range(6):
            with tg.scope("anchored", t=t):
                h = tg.tanh(xs[t] @ A + h * tg.sum(xs[0] @ A))
            hs.append(h)
        return tg.mean(tg.stack(hs))

    step, rng = tg.compile(anchored), np.random.default_rng(0)
    A, xs = Tensor(rng.standard_normal((3, 4))), rng.standard_normal((6, 2, 3))
    value, gradient = step(A, xs)
    assert len(step._last.full.program.loops) == 2
    np.testing.assert_allclose(value, anchored(A, xs).data, rtol=1e-12)
    np.testing.assert_allclose(gradient, grad(anchored(A, xs), A), rtol=1e-9)


def test_what_reads_another_element_at_each_step_is_not_looked_through(monkeypatch):
    """Steps of a long sequence cost one look at the element that they read."""
    looks, frozen = [], sharing.frozen
    monkeypatch.setattr(sharing, "frozen", lambda x: looks.append(1) or frozen(x))
    cell, embed, counts = nn.LSTMCell(3, 4, rng=0), nn.Linear(3, 3, rng=1), []
    for T in (10, 20):
        looks.clear()
        tg.compile(lambda m, xs: loss(m[0], m[1](xs)))([cell, embed], np.ones((T, 2, 3)))
        counts.append(len(looks))
    runs = counts[1] - counts[0]
    assert runs % 10 == 0
    assert runs <= 10 * 3  # the first record, the second on other values, the one as written


def test_a_row_that_is_read_at_each_step_is_one():
    """Of parameters, of an argument, and of what is made of either."""

    def anchored(A, xs):
        rows, h = tg.tanh(A), np.zeros(4)
        for t in range(6):
            with tg.scope("anchored", t=t):
                h = tg.tanh(xs[t] + h * tg.exp(A[2]) * tg.exp(xs[3]) * tg.exp(rows[1]))
        return tg.sum(h)

    step, rng = tg.compile(anchored), np.random.default_rng(0)
    A, xs = Tensor(rng.standard_normal((3, 4))), rng.standard_normal((6, 4))
    value, gradient = step(A, xs)
    assert [v.lo for v in step._last.full.sample.values if v.op == "exp"] == [None] * 3
    np.testing.assert_allclose(value, anchored(A, xs).data, rtol=1e-12)
    np.testing.assert_allclose(gradient, grad(anchored(A, xs), A), rtol=1e-9)


def test_what_differs_at_one_step_stays_in_time():
    def switched(A, xs):
        h = np.zeros((2, 4))
        for t in range(5):
            with tg.scope("switched", t=t):
                h = tg.tanh(xs[t] + h @ (A * (2.0 if t == 2 else 1.0)))
        return tg.sum(h)

    step, rng = tg.compile(switched), np.random.default_rng(0)
    A, xs = Tensor(rng.standard_normal((4, 4))), rng.standard_normal((5, 2, 4))
    value, gradient = step(A, xs)
    np.testing.assert_allclose(value, switched(A, xs).data, rtol=1e-12)
    np.testing.assert_allclose(gradient, grad(switched(A, xs), A), rtol=1e-9)


def test_the_record_of_the_user_is_left_as_it_is():
    cell = Made(antisymmetric)
    xs = np.ones((3, 2, 3))
    outside = loss(cell, xs)
    scopes = [x.scope for x in tg.engine.backward.ancestors(outside)]
    tg.compile(lambda p, xs: loss(p, xs) + outside.detach())(cell, xs)
    assert [x.scope for x in tg.engine.backward.ancestors(outside)] == scopes


@pytest.mark.parametrize(
    "wrap",
    [
        lambda cell: cell,
        lambda cell: nn.Zoneout(cell, 0.1),
        lambda cell: nn.ReadOutCell(cell, 2),
        lambda cell: nn.VariationalDropout(nn.LeakyCell(cell, 0.5), 0.1),
    ],
)
def test_a_cell_that_prepares_itself_gives_what_it_gives_step_by_step(wrap):
    cell = wrap(nn.OrthogonalCell(3, 4, rng=0))
    xs = np.random.default_rng(0).standard_normal((5, 2, 3))
    state = cell.initial_state(2)
    for x in xs:
        state = cell(x, state)
    ends = state, nn.unroll(cell, xs)[1], nn.unroll(cell, xs, checkpoint=True)[1]
    losses = [sum(tg.sum(h * h) for h in (end if type(end) is tuple else (end,))) for end in ends]
    gradients = [grad(x, cell.parameters(), unused="zero") for x in losses]
    for x, gs in zip(losses[1:], gradients[1:], strict=True):
        np.testing.assert_allclose(x.data, losses[0].data, rtol=1e-12)
        for g, exact in zip(gs, gradients[0], strict=True):
            np.testing.assert_allclose(g, exact, rtol=1e-9, atol=1e-12)


def test_the_matrix_of_an_orthogonal_cell_is_made_once():
    cell, calls = nn.OrthogonalCell(3, 4, rng=0), []
    made = orthogonal.householder
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(orthogonal, "householder", lambda *a: calls.append(1) or made(*a))
        nn.unroll(cell, np.ones((9, 2, 3)))
    assert len(calls) == 1
