"""Is a step recorded without the values of its parameters wherever nobody asks for them?"""

import threading
from unittest.mock import Mock

import numpy as np
import pytest
from enrolled import every_sample

from tinygrad_rnn import Tensor, compile, grad, nn, stack, tanh
from tinygrad_rnn.nn.state import output_of
from tinygrad_rnn.program.record.abstract import AbstractArray
from tinygrad_rnn.program.record.surroundings import Surroundings
from tinygrad_rnn.program.record.trace import Call, Refused, forward, trace, with_values
from tinygrad_rnn.program.runtime.compile import Options, program_for
from tinygrad_rnn.program.runtime.known import Known
from tinygrad_rnn.program.runtime.pipeline import PASSES, WRITING

T, B = 5, 2
X = np.random.default_rng(0).standard_normal((T, B, 4))
Y = np.random.default_rng(0).integers(3, size=(T, B))


class Model(nn.Module):
    def __init__(self, cell):
        self.cell = cell
        self.readout = nn.Linear(output_of(cell, cell.initial_state()).shape[-1], 3, rng=1)


def loss_fn(m, x, y):
    outputs, _ = nn.unroll(m.cell, x)
    return nn.cross_entropy(m.readout(stack(outputs)), y)


def described(record):
    """All that a program is made of."""
    place = {x: k for k, x in enumerate(record.nodes)}
    born = {x.serial: k for x, k in place.items()}

    def operand(x):
        return place[x] if type(x) is Tensor else (type(x), str(np.asarray(x).tolist()))

    nodes = [
        (x.op, [operand(y) for y in x.inputs], str(x.options), x.shape, x.dtype, x.name,
         [(f.name, f.t, born.get(f.of), f.argument) for f in x.scope])
        for x in record.nodes
    ]  # fmt: skip
    return nodes, [place[x] for x in (*record.leaves, *record.outputs)], record.names, record.used


def given(f, params, *args):
    around = Surroundings(("the function", f), ("params", params), ("args", args))
    return Call(f, params, args, [f"x{k}" for k in range(len(args))], around)


def both(f, params, *args):
    call = given(f, params, *args)
    return forward(call), with_values(call)


@every_sample()
def test_the_record_is_the_same_with_and_without_values(sample):
    cell, xs, _ = sample()
    labels = np.random.default_rng(0).integers(3, size=xs.shape[:-1])
    found, exact = both(loss_fn, Model(cell), xs, labels)
    assert found.shapes is not None
    assert exact.shapes is None
    assert described(trace(found)) == described(trace(exact))


NETS = {
    "layers": lambda: nn.LSTM(4, 4, num_layers=2, rng=0),
    "both ways": lambda: nn.GRU(4, 4, bidirectional=True, rng=0),
    "leaky": lambda: nn.Recurrent([nn.LeakyCell(nn.RNNCell(4, 4, rng=k), 0.5) for k in (0, 1)]),
}


@pytest.mark.parametrize("net", NETS)
def test_layers_are_recorded_without_values(net):
    class Net(nn.Module):
        def __init__(self):
            self.net = NETS[net]()

    def f(m, x, lengths):
        outputs, _ = m.net(x, lengths=lengths)
        return (outputs * outputs).mean()

    found, exact = both(f, Net(), X, np.array([5, 3]))
    assert found.shapes is not None
    assert described(trace(found)) == described(trace(exact))


def test_parameters_keep_their_values_and_their_places():
    m = Model(nn.LSTMCell(4, 4, rng=0))
    before = [(p, p.data, p.serial) for p in m.parameters()]
    found = forward(given(loss_fn, m, X, Y))
    for p, data, serial in before:
        assert p.data is data
        assert p.serial == serial
    assert all(type(x.data) is AbstractArray for x in found.leaves[: found.parameters])
    assert m.parameters() == [p for p, _, _ in before]


READING = {
    "a branch": lambda m, x: tanh(x @ m["W"]).sum() * (2.0 if (x @ m["W"]).sum() > 0 else 1.0),
    "item": lambda m, x: tanh(x @ m["W"]).sum() * m["W"].sum().item(),
    "float": lambda m, x: tanh(x @ m["W"]).sum() * float(m["W"].sum()),
    "data": lambda m, x: tanh(x @ m["W"]).sum() * np.abs(m["W"].data).max(),
    "data of a result": lambda m, x: tanh(x @ m["W"]).sum() * (x @ m["W"]).data.max(),
    "numpy": lambda m, x: np.tanh(x @ m["W"]).sum(),
    "a condition as index": lambda m, x: m["W"][m["W"] > 0].sum() * x.sum(),
    "detached": lambda m, x: tanh(x @ m["W"].detach()).sum() * m["W"].sum(),
    "printed": lambda m, x: (repr(m["W"]) and x @ m["W"]).sum(),
    "swallowed": lambda m, x: swallowing(x @ m["W"]).sum(),
    "another array": lambda m, x: (x @ m["W"] + Tensor(m["W"].data[:1, :4])).sum(),
    "no loss": lambda m, x: m["W"] @ m["W"],
    "an error": lambda m, x: (m["W"] @ np.ones(9)).sum(),
}  # fmt: skip


def swallowing(y):
    try:
        return y * float(y.data.max())
    except Exception:
        return y


def only_with_values(monkeypatch):
    import tinygrad_rnn.program.runtime.compile as make

    monkeypatch.setattr(make, "forward", with_values)


def outcome(f):
    step, p = compile(f), {"W": Tensor(np.random.default_rng(1).standard_normal((4, 4)))}
    try:
        with np.errstate(all="ignore"):
            loss, grads = step(p, X[0])
    except (TypeError, ValueError) as error:
        return step.reason.partition(" (test_recording.py, line ")[0], type(error), str(error)
    reason, _, _ = step.reason.partition(" (test_recording.py, line ")
    return reason.removesuffix("."), loss, grads["W"].tolist(), step.source


@pytest.mark.filterwarnings("ignore:float.*leaves the record")
@pytest.mark.parametrize("how", READING)
def test_who_asks_for_values_gets_them_and_the_same_answer(how, monkeypatch):
    found = outcome(READING[how])
    only_with_values(monkeypatch)
    assert outcome(READING[how]) == found


def test_a_closure_that_holds_the_model_is_seen():
    m = Model(nn.RNNCell(4, 4, rng=0))

    def f(_, x, y):
        return loss_fn(m, x, y)

    step = compile(f)
    for _ in range(2):
        loss, grads = step(m, X, Y)
        exact = loss_fn(m, X, Y)
        np.testing.assert_allclose(loss, exact.data, rtol=1e-14)
        for g, e in zip(grads.values(), grad(exact, m.parameters()), strict=True):
            np.testing.assert_allclose(g, e, rtol=0, atol=1e-13)
        for p in m.parameters():
            p.data = 0.9 * p.data
    assert not step.reason


def test_a_generator_inside_the_model_is_seen():
    class Noisy(nn.Module):
        def __init__(self):
            self.rng, self.readout = [np.random.default_rng(0)], nn.Linear(4, 3, rng=1)

    def f(m, x):
        return (m.readout(nn.dropout(x, 0.5, m.rng[0])) ** 2).mean()

    m, exact = Noisy(), Noisy()
    step = compile(f)
    losses = [float(step(m, X)[0]) for _ in range(3)]
    np.testing.assert_allclose(losses, [f(exact, X).item() for _ in range(3)], rtol=1e-12)
    assert len(set(losses)) == 3
    assert step.stats["eager"] == 0


def test_the_first_results_are_those_of_the_program():
    for target in ("numpy", "c"):
        m = Model(nn.LSTMCell(4, 4, rng=0))
        step = compile(loss_fn, target=target)
        first, again = step(m, X, Y), step(m, X, Y)
        assert first[0] == again[0]
        for a, b in zip(first[1].values(), again[1].values(), strict=True):
            assert a is not b
            np.testing.assert_array_equal(a, b)


def test_a_program_that_gives_another_result_is_refused():
    runs = Mock()

    def f(p, x):  # what it gives is not what it records, and that no second record shows
        runs()
        return ((x @ p["W"]) * (2.0 if runs.call_count == 3 else 1.0)).sum()

    step = compile(f)
    step({"W": Tensor(np.ones((4, 4)))}, X[0])
    assert "gives another result than the function: " in step.reason


def test_two_threads_may_record_one_model_at_once():
    m, found = Model(nn.LSTMCell(4, 4, rng=0)), []
    exact = loss_fn(m, X, Y).item()

    def run():
        step = compile(loss_fn)
        found.extend(float(step(m, X[:n], Y[:n])[0]) for n in (5, 4, 3))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 9
    np.testing.assert_allclose(sorted(found)[::3], sorted(set(np.round(found, 14))), rtol=1e-12)
    assert any(np.isclose(x, exact, rtol=1e-12) for x in found)


def test_a_sentence_stands_in_place_of_a_program_that_there_is_none_of():
    options = Options(frozenset({*PASSES, *WRITING, "loops"}), "numpy", None, None)
    call = given(lambda p: p["W"], {"W": Tensor(np.ones(2))})
    with pytest.raises(Refused, match=r"^the function does not give one scalar Tensor$"):
        program_for(call, [np.ones(2)], options, Known(), None)


def told(x, yes):
    return 2.0 if yes else x


TYPES = {
    "is it an array": lambda m, x: told(3.0, isinstance(m["W"].data, np.ndarray)),
    "is it this type": lambda m, x: told(3.0, type(m["W"].data) is np.ndarray),
    "are they one": lambda m, x: told(3.0, m["W"].data is not m["U"].data),
    "its memory": lambda m, x: told(3.0, hasattr(m["W"].data, "__array_interface__")),
}


@pytest.mark.parametrize("how", TYPES)
def test_who_asks_what_an_array_is_gets_the_answer_that_holds_with_values(how):
    p = {name: Tensor(np.ones((4, 4))) for name in "WU"}
    step = compile(lambda m, x: (x @ m["W"] @ m["U"] * TYPES[how](m, x)).sum())
    np.testing.assert_allclose(step(p, X[0])[0], 2 * (X[0] @ p["W"] @ p["U"]).sum().data)
    assert not step.reason


def test_what_a_function_makes_sure_of_is_no_error_of_its_own():
    def loss_fn(p, x):
        assert x.data.sum() == X[0].sum()
        return (x * p).sum()

    step, p = compile(loss_fn), Tensor(2.0)
    np.testing.assert_allclose(step(p, X[0])[0], 2 * X[0].sum())
    assert "on other values of its arguments" in step.reason
    assert "AssertionError" in step.reason


def test_who_cuts_with_detach_is_told_how_a_program_does():
    step = compile(lambda p, x: (tanh(x * p).detach() * p).sum())
    step(Tensor(2.0), X[0])
    assert "stop_gradient" in step.reason
