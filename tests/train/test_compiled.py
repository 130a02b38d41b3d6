"""Is a compiled run the same training, and does what has no program run eagerly, and say so?"""

import numpy as np
import pytest

from tinygrad_rnn import Tensor, detect_anomaly, nn, stack
from tinygrad_rnn.program.native import call
from tinygrad_rnn.train import SGD, Adam, fit, information_flow
from tinygrad_rnn.train.compiled import held

TARGETS = ["numpy", "c"]
T, B = 6, 3


class Net(nn.Module):
    """A layer, a stack, or both directions, and a read-out; lengths if there are some."""

    def __init__(self, layer, width=4):
        self.layer, self.read = layer, nn.Linear(width, 2, rng=1)

    def loss(self, x, y, lengths=None):
        outputs, _ = self.layer(x, lengths=lengths)
        return nn.cross_entropy(self.read(outputs), y, lengths=lengths)


class Carried(nn.Module):
    def __init__(self, cell):
        self.cell, self.read = cell(2, 4, rng=0), nn.Linear(4, 2, rng=1)
        self.idle = nn.Linear(2, 2, rng=2)  # no loss depends on it

    def loss(self, x, y, state=None):
        outputs, state = nn.unroll(self.cell, x, state)
        return nn.cross_entropy(self.read(stack(outputs)), y), state


def drawn(lengths=False, times=(T,)):
    def batch(step):
        rng, n = np.random.default_rng(step), times[step % len(times)]
        x, y = rng.standard_normal((n, B, 2)), rng.integers(2, size=(n, B))
        return (x, y, rng.integers(1, n + 1, size=B)) if lengths else (x, y)

    return batch


def trained(model, batch, target, steps=20, **options):
    optimiser = Adam(model.parameters(), lr=0.05, weight_decay=0.1)
    options = {"clip": 1.0, "progress": False} | options
    return fit(model, batch, optimiser, steps=steps, target=target, **options)


def same(make, batch, target, **options):
    eager, compiled = make(), make()
    a, b = trained(eager, batch, "eager", **options), trained(compiled, batch, target, **options)
    assert (a.target, b.target) == ("eager", target)
    np.testing.assert_allclose(b.losses, a.losses, rtol=0, atol=1e-9)
    np.testing.assert_allclose(b.norms, a.norms, rtol=0, atol=1e-9)
    for p, q in zip(eager.parameters(), compiled.parameters(), strict=True):
        np.testing.assert_allclose(q.data, p.data, rtol=0, atol=1e-8)
    return b


# -- the same training ------------------------------------------------------------------------

LAYERS = {
    "RNN": lambda: Net(nn.RNN(2, 4, rng=0)),
    "LSTM": lambda: Net(nn.LSTM(2, 4, rng=0)),
    "GRU": lambda: Net(nn.GRU(2, 4, rng=0)),
    "stacked": lambda: Net(nn.LSTM(2, 4, num_layers=2, rng=0)),
    "bidirectional": lambda: Net(nn.GRU(2, 4, bidirectional=True, rng=0), width=8),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_twenty_steps_are_those_of_the_record(name, lengths, target):
    same(LAYERS[name], drawn(lengths), target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("cell", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_a_state_is_carried_through_the_program(cell, target):
    run = same(lambda: Carried(cell), drawn(), target, restart=7)
    for part in run.state if isinstance(run.state, tuple) else (run.state,):
        assert type(part) is Tensor
        assert part.op is None


def test_what_the_loss_does_not_reach_stays_where_it_is():
    model = Carried(nn.LSTMCell)
    before = model.idle.W.data
    assert trained(model, drawn(), "numpy").target == "numpy"
    assert model.idle.W.data is before
    assert model.idle.W.grad is None


@pytest.mark.parametrize("target", TARGETS)
def test_a_loss_with_a_gradient_in_it_is_compiled_too(target):
    class Flowing(Carried):
        def loss(self, x, y):
            outputs, _ = nn.unroll(self.cell, x)
            loss = nn.cross_entropy(self.read(outputs[-1]), y[-1])
            return loss + 0.5 * information_flow(loss, outputs)

    same(lambda: Flowing(nn.RNNCell), drawn(), target)


def test_a_batch_of_tensors_is_an_argument_too():
    batch = lambda step: tuple(map(Tensor, drawn()(step)[:1])) + drawn()(step)[1:]  # noqa: E731
    same(LAYERS["GRU"], batch, "numpy")


# -- which shapes are compiled ----------------------------------------------------------------


def test_what_comes_once_is_not_compiled():
    run = trained(LAYERS["GRU"](), drawn(times=(2, 3, 4, 3, 3)), "numpy", steps=5)
    assert sorted(run.signatures.values()) == ["numpy", "once", "once"]


def test_after_sixteen_lengths_others_run_eagerly_and_that_is_said(capsys):
    times = tuple(range(2, 20))
    run = trained(LAYERS["RNN"](), drawn(times=times), "numpy", steps=36, progress=True)
    assert list(run.signatures.values()) == ["numpy"] * 16 + ["once"] * 2
    said = [x for x in capsys.readouterr().err.splitlines() if "fit:" in x]
    assert len(said) == 1
    assert "runs eagerly: shapes beyond the first 16; pad sequences to fewer lengths" in said[0]


def test_every_length_runs_in_c_and_all_long_enough_share_one_library(monkeypatch):
    sources = set()
    library = call.library
    monkeypatch.setattr(call, "library", lambda source: sources.add(source) or library(source))
    run = trained(LAYERS["RNN"](), drawn(times=(5, 6, 7, 8)), "auto", steps=8)
    assert list(run.signatures.values()) == ["c"] * 4
    assert run.target == "c"
    assert len(sources) == 1


def test_shapes_that_come_once_are_said_too(capsys):
    run = trained(LAYERS["RNN"](), drawn(times=range(2, 50)), "numpy", steps=45, progress=True)
    assert set(run.signatures.values()) == {"once"}
    assert capsys.readouterr().err.count("fit: runs eagerly: most shapes come only once") == 1


def test_a_changed_model_is_another_program():
    class Scaled(Carried):
        scale = 1.0

        def loss(self, x, y, state=None):
            loss, _ = super().loss(x, y)
            return loss * self.scale

    def annealed(model):
        def batch(step):
            model.scale = 1.0 if step < 10 else 0.5
            return drawn()(step)

        return batch

    models = [Scaled(nn.GRUCell), Scaled(nn.GRUCell)]
    a, b = (
        trained(m, annealed(m), target)
        for m, target in zip(models, ["eager", "numpy"], strict=True)
    )
    np.testing.assert_allclose(b.losses, a.losses, rtol=0, atol=1e-9)
    assert list(b.signatures.values()) == ["numpy", "numpy"]


# -- what has no program ----------------------------------------------------------------------


class Model(Carried):
    """Another loss each."""

    def __init__(self, change):
        super().__init__(nn.GRUCell)
        self.change, self.rng, self.seen = change, np.random.default_rng(0), 0

    def loss(self, x, y, *rest):
        loss, _ = super().loss(x, y)
        return self.change(self, loss, x, *rest)


def dropped(model, loss, _):
    return nn.dropout(loss * 1.0, 0.5, model.rng)


def counted(model, loss, _):
    model.seen += 1
    return loss / model.seen


def branched(_, loss, x):
    return loss if x[0, 0, 0] > 0 else loss * 2.0


def tree(_, loss, _x, node):
    return loss * node.weight


class Node:
    weight = 2.0


@pytest.mark.parametrize(
    ("change", "more", "why"),
    [
        (dropped, (), "the loss changes what the model holds"),
        (counted, (), "the loss changes what the model holds"),
        (branched, (), "`if t:` depends on a value"),
        (tree, (Node(),), "a batch with a Node in it cannot be compiled"),
    ],
)
def test_what_cannot_be_compiled_runs_eagerly_and_one_line_says_why(change, more, why, capsys):
    batch = lambda step: (*drawn()(step), *more)  # noqa: E731
    run = trained(Model(change), batch, "auto", progress=True)
    said = [x for x in capsys.readouterr().err.splitlines() if "fit:" in x]
    assert len(said) == 1
    assert "fit: runs eagerly: " in said[0]
    assert why in said[0]
    assert run.target == "eager"
    exact = trained(Model(change), batch, "eager")
    assert exact.losses == run.losses  # to the same bits: looking at it has changed nothing


def test_what_draws_from_the_runs_generator_draws_as_before():
    def run(target):
        rng = np.random.default_rng(3)

        class Dropped(Carried):
            def loss(self, x, y, state=None):
                loss, state = super().loss(nn.dropout(Tensor(x), 0.5, rng), y, state)
                return loss, state

        return trained(Dropped(nn.RNNCell), drawn(), target, rng=rng).losses

    assert run("auto") == run("eager")


def test_a_long_record_that_does_not_repeat_is_not_compiled(capsys):
    class Long(nn.Module):
        def __init__(self):
            self.w = Tensor(np.ones(3))

        def loss(self, x):
            h = self.w
            for k in range(400):
                h = (h * x).sum() + self.w if k % 7 % 3 else (h + x) * self.w
                h = h * (0.1 + k / 1e5)
            return h.sum()

    model = Long()
    run = fit(model, lambda step: (np.ones(3),), SGD(model.parameters(), lr=0.0), steps=3)
    assert run.target == "eager"
    assert "too much of its record does not repeat" in capsys.readouterr().err


def test_anomalies_are_looked_for_in_the_record():
    with detect_anomaly():
        assert trained(LAYERS["GRU"](), drawn(), "numpy").target == "eager"


def test_without_a_compiler_it_is_numpy(monkeypatch, capsys):
    monkeypatch.setenv("CC", "there-is-no-such-compiler")
    assert trained(LAYERS["GRU"](), drawn(), "auto", progress=True).target == "numpy"
    assert "fit:" not in capsys.readouterr().err
    fresh = Net(nn.GRU(2, 7, rng=0), width=7)  # not built before, by any test
    assert trained(fresh, drawn(), "c", progress=True).target == "numpy"
    assert "fit: runs NumPy instead of C: CC=there-is-no" in capsys.readouterr().err


def test_an_unknown_target_is_refused():
    with pytest.raises(ValueError, match="target is one of auto, c, numpy, eager, got 'fast'"):
        trained(LAYERS["GRU"](), drawn(), "fast")


# -- going on ---------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [*TARGETS, "auto"])
@pytest.mark.parametrize("stop", [1, 2, 5, 8])
def test_going_on_is_not_stopping_whatever_is_compiled_by_then(stop, target, tmp_path):
    path, batch = tmp_path / "run.npz", drawn(times=(4, 4, 5))
    trained(Carried(nn.GRUCell), batch, target, steps=stop, path=path, every=100)
    model, whole = Carried(nn.GRUCell), Carried(nn.GRUCell)
    found = trained(model, batch, target, steps=12, path=path, every=100)
    expected = trained(whole, batch, target, steps=12)
    assert found.losses == expected.losses
    assert found.signatures == expected.signatures
    for p, q in zip(model.parameters(), whole.parameters(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)


# -- what a model holds -----------------------------------------------------------------------


def test_whatever_a_model_holds_beside_its_parameters_is_in_the_digest():
    def make():
        model = Model(dropped)
        model.table, model.parts = (
            np.arange(6.0).reshape(2, 3).T,
            [nn.RNNCell(1, 1, rng=0), {"a": 1}],
        )
        return model

    model = make()
    before = held(model)
    assert held(make()) == before
    model.cell.W_h.data = model.cell.W_h.data + 1  # a parameter is an argument
    assert held(model) == before
    changes = [
        lambda m: m.table.__setitem__((0, 0), 9.0),
        lambda m: m.parts[1].update(a=2),
        lambda m: m.parts.append(None),
        lambda m: m.rng.random(),
        lambda m: setattr(m, "change", counted),
        lambda m: setattr(m, "seen", 1),
        lambda m: setattr(m.parts[0], "W_h", m.parts[0].W_h.data),  # frozen
    ]
    for change in changes:
        other = make()
        change(other)
        assert held(other) != before
