"""Is the work linear in the size of the record, and is all of it freed?"""

import contextlib
import gc
import tracemalloc
import weakref
from collections import Counter

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, ancestors, concatenate, grad, nn, tanh
from tinygrad_rnn.engine.rules import RULES, FanIn

DEEP = 100_000


@pytest.fixture
def calls(monkeypatch):
    """How often each primitive's rules are called."""
    counts = Counter()

    def counted(op, rule):
        def wrapper(*args, **options):
            counts[op.name] += 1
            return rule(*args, **options)

        if type(rule) is FanIn:
            return FanIn(counted(op, rule.rule), counted(op, rule.alone))
        return rule and wrapper

    for op, rules in list(RULES.items()):
        many = type(rules) is tuple
        wrapped = tuple(counted(op, r) for r in rules) if many else counted(op, rules)
        monkeypatch.setitem(RULES, op, wrapped)
    return counts


@contextlib.contextmanager
def without_collector():
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def rnn_loss(xs, cell):
    outputs, _ = nn.unroll(cell, xs)
    return sum(h.sum() for h in outputs[1:]) + outputs[0].sum()


# -- deep and long ---------------------------------------------------------------------------------


def test_a_chain_of_100_000_operations_is_recorded_differentiated_and_freed():
    x = Tensor(1.0)
    y = x
    for _ in range(DEEP):
        y = y * 1.00001
    first = weakref.ref(y)
    assert np.isclose(grad(y, x), 1.00001**DEEP, rtol=1e-9)
    y.backward()
    assert np.isclose(x.grad, 1.00001**DEEP, rtol=1e-9)
    with without_collector():
        del y
        assert first() is None


def test_a_deep_chain_has_a_second_derivative():
    x = Tensor(0.5)
    y = x
    for _ in range(20_000):
        y = y + x * x
    g = grad(y, x, create_graph=True)
    assert np.isclose(g.item(), 1 + 20_000)
    assert np.isclose(grad(g, x), 40_000)
    with without_collector():
        middle = weakref.ref(g)
        del g, y
        assert middle() is None


def test_an_rnn_of_20_000_steps_is_recorded_differentiated_and_freed():
    cell = nn.RNNCell(1, 2, rng=0)
    xs = np.random.default_rng(0).standard_normal((20_000, 1))
    h = cell.initial_state()
    outputs, h = nn.unroll(cell, xs, h)
    loss = (h * h).sum()
    inner = weakref.ref(outputs[0])
    gradients = grad(loss, cell.parameters())
    assert all(np.isfinite(g).all() for g in gradients)
    assert np.abs(gradients[0]).max() > 0
    with without_collector():
        del outputs, h, loss
        assert inner() is None


# -- linear ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_nodes_and_rule_calls_grow_linearly_with_the_steps(make, calls):
    cell = make(2, 3, rng=0)

    def work(steps):
        loss = rnn_loss(np.ones((steps, 2)), cell)
        calls.clear()
        grad(loss, cell.parameters())
        return len(ancestors(loss)), sum(calls.values())

    (n10, c10), (n20, c20), (n40, c40) = work(10), work(20), work(40)
    assert n40 - n20 == 2 * (n20 - n10)
    assert c40 - c20 == 2 * (c20 - c10)
    assert n20 - n10 > 0
    assert c20 - c10 > 0


def test_recording_the_gradient_is_linear_too():
    cell = nn.LSTMCell(2, 3, rng=0)

    def nodes(steps):
        loss = rnn_loss(np.ones((steps, 2)), cell)
        return len(ancestors(*grad(loss, cell.parameters(), create_graph=True)))

    n10, n20, n40 = nodes(10), nodes(20), nodes(40)
    assert n40 - n20 == 2 * (n20 - n10)


@pytest.mark.parametrize("create_graph", [False, True])
def test_all_slices_of_one_source_go_back_in_one_scatter(create_graph, monkeypatch):
    scattered = []
    forward = tg.scatter.forward
    monkeypatch.setattr(
        tg.scatter, "forward", lambda *a, **o: scattered.append(o["shape"]) or forward(*a, **o)
    )
    xs = Tensor(np.random.default_rng(0).standard_normal((50, 2, 3)))
    h = 0.0
    for t in range(50):
        h = tanh(xs[t] + h)
    g = grad(h.sum(), xs, create_graph=create_graph)
    assert g.shape == xs.shape
    assert scattered == [xs.shape]


def test_bytes_are_linear_in_the_steps_when_the_loop_reads_slices():
    def peak(steps):
        xs = Tensor(np.random.default_rng(0).standard_normal((steps, 4, 8)))
        tracemalloc.start()
        try:
            h = 0.0
            for t in range(steps):
                h = tanh(xs[t] + h * 0.5)
            grad(h.sum(), xs)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(20)
    assert peak(400) < 2.5 * peak(200)


def test_bytes_are_linear_when_outputs_are_stacked_and_sliced_again():
    def peak(steps):
        xs = Tensor(np.ones((steps, 4, 8)))
        tracemalloc.start()
        try:
            ys = tg.stack([tanh(xs[t]) for t in range(steps)])
            grad(sum((ys[t] * ys[t]).sum() for t in range(steps)), xs)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(20)
    assert peak(400) < 2.5 * peak(200)


def test_the_gradients_of_a_long_chain_are_not_kept_while_walking():
    size = 20_000

    def extra(steps):
        x = Tensor(np.ones(size))
        y = x
        for _ in range(steps):
            y = y * 1.01
        loss = y.sum()
        tracemalloc.start()
        try:
            grad(loss, x)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    extra(5)
    assert extra(60) < 10 * 8 * size


# -- freed -----------------------------------------------------------------------------------------


def watched_graph():
    """A loss, its parameter, and weak references to everything recorded."""
    x = Tensor(np.ones((3, 2)), name="x")
    h = tanh(x[0] * x[1])
    loss = (concatenate([h, x[2]]) ** 2).sum()
    return loss, x, [weakref.ref(n) for n in ancestors(loss) if n is not x]


def alive(references):
    return [r() for r in references if r() is not None]


def test_deleting_the_loss_frees_the_graph_without_the_collector():
    with without_collector():
        loss, _, references = watched_graph()
        assert len(alive(references)) == len(references) > 5
        del loss
        assert not alive(references)


def test_nothing_holds_the_graph_after_grad():
    with without_collector():
        loss, x, references = watched_graph()
        g = grad(loss, x)
        grad(loss, [x], on_edge=lambda *_: None)
        del loss
        assert not alive(references)
        assert g.shape == x.shape


def test_nothing_holds_the_graph_after_backward():
    with without_collector():
        loss, x, references = watched_graph()
        loss.backward()
        del loss
        assert not alive(references)
        assert x.grad.shape == x.shape


def test_nothing_holds_the_graph_after_create_graph():
    with without_collector():
        loss, x, references = watched_graph()
        g = grad(loss, x, create_graph=True)
        references += [weakref.ref(n) for n in ancestors(g) if n is not x]
        grad(g.sum(), x)
        del loss, g
        assert not alive(references)


def test_nothing_holds_the_graph_after_products_with_derivatives():
    with without_collector():
        loss, x, references = watched_graph()
        v = np.ones(x.shape)
        tg.hvp(loss, x, v)
        tg.jvp(loss, x, v)
        tg.jacobian(loss, x)
        del loss
        assert not alive(references)


def test_nothing_holds_the_graph_after_an_error_in_the_walk(monkeypatch):
    def broken(*_):
        raise ArithmeticError("a rule that fails")

    with without_collector():
        loss, x, references = watched_graph()
        monkeypatch.setitem(RULES, tanh, (broken,))
        for create_graph in (False, True):
            with contextlib.suppress(ArithmeticError):
                grad(loss, x, create_graph=create_graph)
        with contextlib.suppress(ValueError):
            grad(loss, Tensor(1.0))
        del loss
        assert not alive(references)


def test_nothing_holds_the_graph_after_an_error_in_forward():
    with without_collector():
        loss, x, references = watched_graph()
        with contextlib.suppress(ValueError):
            loss + x @ np.ones((7, 7))
        with contextlib.suppress(IndexError):
            (x * loss)[99]
        with contextlib.suppress(FloatingPointError), tg.detect_anomaly():
            loss * np.inf
        del loss
        assert not alive(references)


def test_a_failed_backward_leaves_grad_as_it_was(monkeypatch):
    loss, x, _ = watched_graph()
    loss.backward()
    before = x.grad.copy()

    def broken(*_):
        raise ArithmeticError("a rule that fails")

    monkeypatch.setitem(RULES, tanh, (broken,))
    with pytest.raises(ArithmeticError):
        loss.backward()
    assert np.array_equal(x.grad, before)


def test_training_steps_leave_nothing_behind():
    cell = nn.LSTMCell(2, 3, rng=0)
    optimiser = tg.train.SGD(cell.parameters(), lr=0.1)
    xs = np.ones((5, 2))

    def step():
        loss = rnn_loss(xs, cell)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return weakref.ref(loss)

    with without_collector():
        assert [step()() for _ in range(3)] == [None] * 3
        assert gc.collect() == 0
