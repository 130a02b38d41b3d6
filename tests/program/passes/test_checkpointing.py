"""Does a step divided in time give the same gradients in less memory?"""

import numpy as np
import pytest
from agreeing import agrees

from tinygrad_rnn import Tensor, compile, grad, nn, stack, tanh
from tinygrad_rnn.engine.backward import ancestors
from tinygrad_rnn.program.passes.checkpointing import segment_length
from tinygrad_rnn.program.record.replay import replayed
from tinygrad_rnn.program.record.trace import forward
from tinygrad_rnn.program.runtime import compile as make
from tinygrad_rnn.program.runtime import known

T, B, V, H = 23, 2, 5, 4
TARGETS = ["numpy", "c"]


class Model(nn.Module):
    def __init__(self, cell):
        self.cell = cell(V, H, rng=0)
        self.readout = nn.Linear(H, V, rng=1)


def at_once(m, x, y):
    outputs, _ = nn.unroll(m.cell, x)
    return nn.cross_entropy(m.readout(stack(outputs)), y)


def each_step(m, x, y):
    outputs, _ = nn.unroll(m.cell, x)
    total = 0.0
    for t, h in enumerate(outputs):
        total = total + nn.cross_entropy(m.readout(h), y[t])
    return total / len(outputs)


def last_step(m, x, y):
    outputs, _ = nn.unroll(m.cell, x)
    return nn.cross_entropy(m.readout(outputs[-1]), y[-1])


def data(steps=T):
    rng = np.random.default_rng(0)
    return rng.standard_normal((steps, B, V)), rng.integers(V, size=(steps, B))


@pytest.mark.sampled(3)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("loss_fn", [at_once, each_step, last_step])
@pytest.mark.parametrize("cell", [nn.RNNCell, nn.LSTMCell])
def test_gradients_are_those_of_the_whole(cell, loss_fn, target):
    m, step = Model(cell), compile(loss_fn, target=target, memory="sqrt")
    agrees(step, loss_fn, m, *data(), least=1e-3)
    assert step.outline.piece == 5
    assert "divided in time: segments of 5 steps, 11 states at one time" in step.explain()


@pytest.mark.parametrize("steps", [5, 16, 17, 24, 25, 26])
def test_any_length_can_be_divided(steps):
    m, step = Model(nn.GRUCell), compile(at_once, memory="sqrt")
    agrees(step, at_once, m, *data(steps), least=1e-3)
    assert "not divided" not in step.explain()


def test_a_stack_is_divided_too():
    class Two(nn.Module):
        def __init__(self):
            self.lower, self.upper = nn.GRUCell(V, H, rng=0), nn.LSTMCell(H, H, rng=1)

    def loss_fn(m, x, y):
        below, _ = nn.unroll(m.lower, x)
        above, _ = nn.unroll(m.upper, below)
        return (stack(above) ** 2).mean()

    m, step = Two(), compile(loss_fn, memory="sqrt")
    agrees(step, loss_fn, m, *data(), least=1e-3)
    assert "not divided" not in step.explain()


def test_two_directions_run_whole_and_say_so():
    class Both(nn.Module):
        def __init__(self):
            self.there, self.back = nn.RNNCell(V, H, rng=0), nn.RNNCell(V, H, rng=1)

    def loss_fn(m, x, y):
        a, _ = nn.unroll(m.there, x)
        b, _ = nn.unroll(m.back, x, reverse=True)
        return ((stack(a) + stack(b)) ** 2).mean()

    m, step = Both(), compile(loss_fn, memory="sqrt")
    agrees(step, loss_fn, m, *data(), least=1e-3)
    assert "not divided in time: " in step.explain()
    assert step.outline.piece is step.outline.states is None


@pytest.mark.parametrize("steps", [16, 100, 400])
def test_the_states_that_exist_grow_with_the_root_of_time(steps):
    m, step = Model(nn.LSTMCell), compile(at_once, memory="sqrt")
    step(m, *data(steps))
    assert step.outline.states < 3 * np.sqrt(steps)


def test_a_budget_is_kept_and_used():
    m, (x, y) = Model(nn.LSTMCell), data(400)
    least = compile(at_once, memory="sqrt")
    least(m, x, y)
    few = compile(at_once, memory=60_000)
    agrees(few, at_once, m, x, y, least=1e-3)
    assert least.outline.piece < few.outline.piece < 400


def test_what_is_printed_is_what_runs():
    m, (x, y) = Model(nn.LSTMCell), data()
    step = compile(at_once, memory="sqrt")
    loss, grads = step(m, x, y)
    names = {}
    exec(step.source, names)
    *found, broken = names["step"](*(p.data for p in m.parameters()), x, y)
    assert broken == 0
    for a, b in zip(found, [loss, *grads.values()], strict=True):
        np.testing.assert_array_equal(a, b)
    assert "for s in reversed(range(0, T, N)):" in step.source


def test_too_small_a_budget_says_what_is_needed():
    with pytest.raises(ValueError, match=r"too few for 23 steps: at least [\d,]+ are needed"):
        compile(at_once, memory=100)(Model(nn.LSTMCell), *data())


@pytest.mark.parametrize("memory", ["log", 0, -5, 2.5, True])
def test_other_words_for_memory_are_refused(memory):
    with pytest.raises(ValueError, match="memory must be"):
        compile(at_once, memory=memory)


@pytest.mark.parametrize("steps", [1, 2, 9, 10, 10_000])
def test_a_piece_has_about_the_root_of_all_steps(steps):
    n = segment_length(steps, "sqrt", 1, 0, 1)
    assert n - 1 < np.sqrt(steps) <= n


def plain_loop(m, x, y):
    h = np.zeros((B, H))
    for t in range(len(x)):
        h = tanh(x[t] @ m.readout.W.T + h * m.readout.W[:, 0])
    return (h * h).sum()


def dropped(m, x, y):
    outputs, _ = nn.unroll(m.cell, x)
    return nn.cross_entropy(m.readout(nn.dropout(stack(outputs), 0.3, rng=RNG)), y)


RNG = np.random.default_rng(5)


@pytest.fixture
def differentiated(monkeypatch):
    """How many nodes the records have that are differentiated, or recorded with values."""
    counts = []

    def counted(real):
        def called(*args):
            found = real(*args)
            counts.append(len(found.nodes))
            return found

        return called

    for module, name in ((make, "trace"), (known, "trace"), (make, "with_values")):
        monkeypatch.setattr(module, name, counted(getattr(module, name)))
    return counts


@pytest.mark.sampled(4)
@pytest.mark.parametrize("memory", ["sqrt", 100_000])
@pytest.mark.parametrize("loss_fn", [at_once, each_step, last_step, dropped])
def test_the_first_call_differentiates_but_short_records(loss_fn, memory, differentiated):
    steps = 300
    m, (x, y) = Model(nn.LSTMCell), data(steps)
    step = compile(loss_fn, memory=memory)
    RNG.bit_generator.state = np.random.default_rng(5).bit_generator.state
    loss, grads = step(m, x, y)
    RNG.bit_generator.state = np.random.default_rng(5).bit_generator.state
    exact = loss_fn(m, x, y)
    np.testing.assert_allclose(loss, exact.data, rtol=1e-12)
    for g, e in zip(grads.values(), grad(exact, m.parameters(), unused="zero"), strict=True):
        np.testing.assert_allclose(g, e, rtol=0, atol=1e-12 * max(np.abs(e).max(), 1e-3))
    whole = len(ancestors(*grad(exact, m.parameters(), create_graph=True, unused="zero")))
    assert max(differentiated) < 0.7 * whole
    assert "recorded whole" not in step.explain()


def test_what_is_another_program_at_short_lengths_is_recorded_whole_and_says_so():
    def loss_fn(p, x):
        h = np.zeros(3)
        for t in range(len(x)):
            h = tanh(h * p["w"] + x[t]) if len(x) > 250 else h * p["w"] + x[t]
        return (h * h).sum()

    step, x = compile(loss_fn, memory="sqrt"), np.random.default_rng(0).standard_normal((300, 3))
    p = {"w": Tensor(np.full(3, 0.9))}
    _, grads = step(p, x)
    np.testing.assert_allclose(grads["w"], grad(loss_fn(p, x), p)["w"], rtol=1e-10)
    assert "recorded whole, with its gradients, at the first call: " in step.explain()


@pytest.mark.parametrize("loss_fn", [at_once, each_step, last_step, plain_loop])
def test_a_record_replayed_piece_by_piece_gives_what_the_engine_gives(loss_fn):
    m, args = Model(nn.LSTMCell), data(40)
    record = forward(compile(loss_fn)._call(m, args))
    loss, *grads = replayed(record, [*(p.data for p in m.parameters()), *args])
    exact = loss_fn(m, *args)
    np.testing.assert_allclose(loss, exact.data, rtol=1e-14)
    for g, e in zip(grads, grad(exact, m.parameters(), unused="zero"), strict=True):
        np.testing.assert_allclose(g, e, rtol=0, atol=1e-13 * max(np.abs(e).max(), 1e-3))
