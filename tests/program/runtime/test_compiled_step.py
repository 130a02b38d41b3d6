"""What does a compiled step promise beside the right gradients?"""

import subprocess
import sys
from unittest.mock import Mock

import numpy as np
import pytest
from agreeing import agrees
from enrolled import every_sample

from tinygrad_rnn import Tensor, compile, grad, nn, stack, tanh
from tinygrad_rnn.nn.state import output_of
from tinygrad_rnn.program.runtime.pipeline import PASSES, WRITING
from tinygrad_rnn.program.runtime.run import Running
from tinygrad_rnn.program.runtime.step import CompiledStep


class Model(nn.Module):
    def __init__(self, cell=None):
        self.cell = cell or nn.LSTMCell(3, 4, rng=0)
        self.readout = nn.Linear(
            output_of(self.cell, self.cell.initial_state()).shape[-1], 3, rng=1
        )


def loss_fn(m, x, y):
    outputs, _ = nn.unroll(m.cell, x)
    return nn.cross_entropy(m.readout(stack(outputs)), y)


def data(T=7, B=2):
    rng = np.random.default_rng(T)
    return rng.standard_normal((T, B, 3)), rng.integers(3, size=(T, B))


def eager(m, *args):
    loss = loss_fn(m, *args)
    return loss.data, grad(loss, m.parameters())


@pytest.mark.sampled(4)
@every_sample(first=True)
def test_the_source_runs_in_a_file_with_numpy_alone(sample, tmp_path):
    cell, xs, _ = sample()
    m, x = Model(cell), np.concatenate([xs, xs[::-1], -xs])
    y = np.random.default_rng(0).integers(3, size=x.shape[:-1])
    step = compile(loss_fn)
    loss, grads = step(m, x, y)
    arrays = [*(p.data for p in m.parameters()), x, y, *step.constants.values()]
    np.savez(tmp_path / "in.npz", *arrays)
    lines = [
        step.source,
        "found = np.load('in.npz')",
        "results = step(*[found[k] for k in found.files])",
        "np.savez('out.npz', *results)",
        "import sys; assert not any('tinygrad_rnn' in name for name in sys.modules)",
    ]
    (tmp_path / "pasted.py").write_text("\n".join(lines))
    subprocess.run([sys.executable, "-I", "pasted.py"], cwd=tmp_path, check=True)
    with np.load(tmp_path / "out.npz") as found:
        results = [found[k] for k in found.files]
    assert results.pop() == 0  # labels are required to be classes
    for a, b in zip(results, [loss, *grads.values()], strict=True):
        np.testing.assert_array_equal(a, b)
    exact, expected = eager(m, x, y)
    for a, b in zip(results, [exact, *expected], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["loops", *PASSES, *WRITING])
def test_each_pass_can_be_left_out(name):
    m, (x, y) = Model(), data()
    agrees(compile(loss_fn, without=(name,)), loss_fn, m, x, y, least=0)


def test_a_program_without_any_pass_is_right():
    m, (x, y) = Model(nn.GRUCell(3, 4, rng=0)), data()
    agrees(compile(loss_fn, without=(*PASSES, *WRITING)), loss_fn, m, x, y, least=0)


def test_an_unknown_pass_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match=r"no pass 'gate'.*loops.*gates"):
        compile(loss_fn, without=("gate",))


def test_a_signature_is_recorded_once_and_lengths_share_a_structure():
    m, step = Model(), compile(loss_fn)
    for T in (7, 7, 9, 7, 20):
        step(m, *data(T))
    assert step.stats == {"calls": 5, "recorded": 3, "structures": 1, "eager": 0}


@pytest.mark.parametrize("memory", [None, "sqrt"])
@pytest.mark.parametrize("target", ["numpy", "c"])
def test_results_are_copies(target, memory):
    m, (x, y) = Model(), data()
    step = compile(loss_fn, target=target, memory=memory)
    _, first = step(m, x, y)
    before = {k: g.copy() for k, g in first.items()}
    step(m, x + 1, y)
    for k, g in first.items():
        np.testing.assert_array_equal(g, before[k])
        g[...] = 0  # ours to change
    _, again = step(m, x, y)
    np.testing.assert_array_equal(again["cell.W_h"], before["cell.W_h"])


@pytest.mark.parametrize("target", ["numpy", "c"])
def test_a_program_runs_once_at_its_first_call_and_anew_at_each_later_one(target, monkeypatch):
    run = Mock(side_effect=Running._run)
    monkeypatch.setattr(Running, "_run", lambda *args: run(*args))
    m, (x, y) = Model(), data()
    step = compile(loss_fn, target=target)
    agrees(step, loss_fn, m, x, y)
    assert run.call_count == 1
    x[...] += 1  # the same arrays, with other values
    agrees(step, loss_fn, m, x, y)
    assert run.call_count == 2


def test_gradients_come_in_the_structure_of_the_parameters():
    p = {"W": Tensor(np.eye(2)), "more": (Tensor(np.ones(2)), [Tensor(3.0)])}

    def f(p, x):
        return (tanh(x @ p["W"] + p["more"][0]) * p["more"][1][0]).sum()

    x = np.ones((3, 2))
    _, grads = compile(f)(p, x)
    assert type(grads["more"]) is tuple
    assert type(grads["more"][1]) is list
    expected = grad(f(p, x), [p["W"], p["more"][0], p["more"][1][0]])
    found = [grads["W"], grads["more"][0], grads["more"][1][0]]
    for g, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-12)


def test_float32_stays_float32():
    m, (x, y) = Model(), data()
    m.cell = nn.LSTMCell(3, 4, rng=0, dtype=np.float32)
    m.readout = nn.Linear(4, 3, rng=1, dtype=np.float32)
    loss, grads = compile(loss_fn)(m, x.astype(np.float32), y)
    assert {loss.dtype, *(g.dtype for g in grads.values())} == {np.dtype(np.float32)}


def test_random_draws_are_refused_and_run_eagerly():
    rng, m = np.random.default_rng(0), Model()

    def noisy(m, x, y):
        outputs, _ = nn.unroll(m.cell, x)
        kept = 2.0 * (rng.random(4) < 0.5)
        return nn.cross_entropy(m.readout(stack(outputs) * kept), y)

    step = compile(noisy)
    losses = {float(step(m, *data())[0]) for _ in range(3)}
    assert len(losses) == 3
    assert step.stats["eager"] == 3
    assert "the function draws from rng, and what is drawn would be the same" in step.explain()


def test_what_depends_on_values_is_refused_and_run_eagerly():
    def f(p, lengths):
        return (p["w"] * (np.arange(4) < np.asarray(lengths)[:, None])).sum()

    step = compile(f)
    for n in (1, 3):
        loss, grads = step({"w": Tensor(np.ones(4))}, np.array([n, n]))
        assert loss == 2 * n
        assert grads["w"].sum() == 2 * n
    assert "not compiled" in step.explain()


def test_lengths_inside_the_function_are_constants_of_the_program():
    m, (x, y) = Model(), data()

    def f(m, x, y):
        outputs, _ = nn.unroll(m.cell, x, lengths=[7, 4])
        return nn.cross_entropy(m.readout(stack(outputs)), y, lengths=[7, 4])

    step = agrees(compile(f), f, m, x, y, least=0)
    assert step.stats["eager"] == 0


def test_a_function_of_no_recurrence_is_straight_line_code():
    step = compile(lambda p, x: (tanh(x @ p[0]) ** 2).mean())
    step([Tensor(np.eye(3))], np.ones((2, 3)))
    assert "for t" not in step.source


def test_explain_counts_what_each_pass_did():
    step = compile(loss_fn)
    assert "call it first" in step.explain()
    step(Model(), *data())
    told = step.explain()
    for name in PASSES:
        assert f"\n{name}: " in told
    assert "gates: 4 " in told
    assert "loop backward in time" in told


def test_arrays_from_outside_are_named_constants_and_copies():
    weights = np.random.default_rng(0).standard_normal(100)
    step = compile(lambda p, x: (p["a"] * x * weights).sum())
    p, x = {"a": Tensor(2.0)}, np.ones(100)
    first, _ = step(p, x)
    (kept,) = step.constants.values()
    np.testing.assert_array_equal(kept, weights)
    weights[...] = 0
    assert step(p, x)[0] == first


def test_the_function_itself_runs_only_while_it_is_recorded():
    runs, p, x = Mock(), {"a": Tensor(2.0)}, np.ones(3)

    def f(p, x):
        runs()
        return (p["a"] * x).sum()

    step = compile(f)
    step(p, x)
    recorded = runs.call_count
    step(p, 2 * x)
    assert runs.call_count == recorded
    step(p, np.ones(4))
    assert runs.call_count > recorded
    assert not step.reason


def test_a_new_program_at_every_call_is_warned_of():
    step = compile(lambda p, x: (p["a"] * x).sum())
    for n in range(1, 20):  # these differ by a length alone
        step({"a": Tensor(2.0)}, np.ones(n))
    step = compile(lambda p, x: (p["a"] * sum(x)).sum())
    for n in range(1, 16):
        step({"a": Tensor(2.0)}, [np.ones(2)] * n)
    with pytest.warns(UserWarning, match="16 different programs"):
        step({"a": Tensor(2.0)}, [np.ones(2)] * 16)


def test_parameters_that_are_no_tensors_are_refused():
    with pytest.raises(TypeError, match="hold Tensors alone, got ndarray"):
        compile(loss_fn)([np.ones(3)], 1.0)


def test_another_thread_may_call_between_any_two_lines_of_a_call():
    """The other calls are made by the tracer, at each line of the first."""
    step, p = compile(lambda p, x: (x * p["w"]).sum()), {"w": Tensor(2.0)}
    short, long = np.ones(3), np.ones(5)
    before, between = sys.gettrace(), []

    def line(frame, event, _):
        sys.settrace(before)
        between.extend(step(p, x)[0] == 2 * len(x) for x in (short, long, short))
        sys.settrace(call)
        return line

    def call(frame, event, _):
        return line if frame.f_globals.get("__name__") == CompiledStep.__module__ else None

    for x in (short, long, short, long):
        sys.settrace(call)
        try:
            loss, _ = step(p, x)
        finally:
            sys.settrace(before)
        assert loss == 2 * len(x)
    assert len(between) > 100
    assert all(between)
