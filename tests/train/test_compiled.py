"""Is a run by programs the same training, is the promise watched, and is it said what ran?"""

import collections
import contextlib
import random

import numpy as np
import pytest

import tinygrad_rnn
from tinygrad_rnn import Tensor, detect_anomaly, nn, stack
from tinygrad_rnn.engine.tensor import values
from tinygrad_rnn.nn import Module
from tinygrad_rnn.program.backends.c import call
from tinygrad_rnn.train import SGD, Adam, fit, information_flow

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


@pytest.mark.sampled(4)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_twenty_steps_are_those_of_the_record(name, lengths, target):
    same(LAYERS[name], drawn(lengths), target)


@pytest.mark.sampled(3)
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


# -- by default -------------------------------------------------------------------------------


def test_by_default_the_loss_runs_as_written_once_in_each_step():
    calls = []

    class Counted(Carried):
        def loss(self, x, y):
            calls.append(len(x))
            return super().loss(x, y)[0]

    model = Counted(nn.GRUCell)
    run = fit(model, drawn(), SGD(model.parameters(), lr=0.1), steps=7, progress=False)
    assert calls == [T] * 7
    assert run.target == "eager"
    assert run.explain() == "7 steps: 7 eagerly, as written"


def test_what_runs_is_said_at_the_start(capsys):
    trained(LAYERS["GRU"](), drawn(), "eager", steps=2, progress=True)
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("fit: runs eagerly, as written; a loss that depends on nothing but")
    trained(LAYERS["GRU"](), drawn(), "numpy", steps=2, progress=True)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == (
        "fit: runs the program of the loss in NumPy, and at steps 2, 4, 8, … and each checkpoint "
        "also as written"
    )


# -- which shapes have a program --------------------------------------------------------------


def test_every_step_runs_the_program_the_first_as_well():
    run = trained(LAYERS["GRU"](), drawn(times=(2, 3, 4, 3, 3)), "numpy", steps=5)
    assert len(run.signatures) == 3
    assert "eager" not in run.signatures.values()
    # 3 new ones, step 4, and the last
    assert run.counts == {"eager": 0, "c": 0, "numpy": 5, "compared": 5}


def test_every_length_has_a_program():
    times = tuple(range(2, 24))
    run = trained(LAYERS["RNN"](), drawn(times=times), "numpy", steps=44)
    assert len(run.signatures) == 22
    assert run.counts["eager"] == 0
    assert len({*run.signatures.values()}) < 4  # the shortest do not roll up


class Several(Module):
    """A loss of as many parts as the batch has arrays."""

    def __init__(self):
        self.w = Tensor(np.ones(2))

    def loss(self, *xs):
        return sum(((self.w - x) ** 2).sum() for x in xs)


def test_after_sixteen_structures_others_run_eagerly_and_that_is_said(capsys):
    m = Several()
    batches = [(np.ones(2),) * n for n in range(1, 19)]
    optimiser = SGD(m.parameters(), lr=0.01)
    run = fit(m, lambda k: batches[k % 18], optimiser, steps=36, target="numpy")
    assert run.counts["eager"] == 4
    said = [x for x in capsys.readouterr().err.splitlines() if "fit: runs eagerly" in x]
    assert len(said) == 1
    assert "its first 16 programs differ by more than lengths" in said[0]
    assert said[0].removeprefix("fit: ") in run.explain()


def test_every_length_runs_in_c_and_all_long_enough_share_one_library(monkeypatch):
    sources = set()
    library = call.library
    monkeypatch.setattr(call, "library", lambda source: sources.add(source) or library(source))
    run = trained(LAYERS["RNN"](), drawn(times=(5, 6, 7, 8)), "auto", steps=8)
    assert run.counts["c"] == 8
    assert run.target == "c"
    assert len(sources) == 1


# -- what is compared -------------------------------------------------------------------------


class Model(Carried):
    """Another loss each."""

    def __init__(self, change):
        super().__init__(nn.GRUCell)
        self.change, self.rng, self.seen = change, np.random.default_rng(0), 0

    def loss(self, x, y, *rest):
        loss, _ = super().loss(x, y)
        return self.change(self, loss, x, *rest)


def counted_steps(monkeypatch):
    """At which steps the loss was compared."""
    found = []
    difference = tinygrad_rnn.program.CompiledStep.difference
    monkeypatch.setattr(
        tinygrad_rnn.program.CompiledStep,
        "difference",
        lambda *args: found.append(None) or difference(*args),
    )
    return found


@pytest.mark.parametrize(
    ("target", "every", "path", "expected"),
    [
        ("numpy", 100, False, [1, 2, 4, 8, 16]),
        ("numpy", 5, False, [1, 2, 4, 8, 16]),
        ("numpy", 5, True, [1, 2, 4, 5, 8, 10, 15, 16, 20]),
        ("check", 100, False, list(range(1, 21))),
    ],
)
def test_steps_2_4_8_and_those_before_a_checkpoint_are_compared(
    target, every, path, expected, monkeypatch, tmp_path
):
    monkeypatch.setenv("CC", "there-is-no-such-compiler")
    compared = []
    found = counted_steps(monkeypatch)
    options = {"path": tmp_path / "run.npz"} if path else {}

    def clip(parameters, step):
        if found:
            compared.append(step + 1)
            found.clear()
        return 0.0

    trained(LAYERS["RNN"](), drawn(), target, steps=20, every=every, clip=clip, **options)
    assert compared == expected


SCALE = {"it": 1.0}


@pytest.mark.parametrize("target", TARGETS)
def test_a_difference_is_an_error_that_names_the_result_and_both_values(target):
    model = Model(lambda m, loss, x: loss * SCALE["it"])
    batch = drawn()

    def annealed(step):
        SCALE["it"] = 1.0 if step < 5 else 0.5
        return batch(step)

    with pytest.raises(ValueError, match="the program of the loss does something else") as caught:
        trained(model, annealed, target, steps=20)
    text = str(caught.value)
    assert caught.value.__notes__ == ["fit: at step 7"]  # the eighth
    for part in ("the loss is", "in the program and", "as written", "a global", 'target="eager"'):
        assert part in text
    given, wanted = (float(text.split(a)[1].split()[0]) for a in ("the loss is ", "program and "))
    np.testing.assert_allclose(given, 2 * wanted, rtol=1e-12)


def test_parameters_are_those_before_the_step_that_differs():
    kept = {}
    model = Model(lambda m, loss, x: loss * SCALE["it"])

    def annealed(step):
        SCALE["it"] = 1.0 if step < 3 else 0.5
        kept.update(values=[p.data for p in model.parameters()])
        return drawn()(step)

    with pytest.raises(ValueError, match="does something else"):
        trained(model, annealed, "numpy")
    for p, before in zip(model.parameters(), kept["values"], strict=True):
        assert p.data is before


def test_a_gradient_that_differs_alone_is_named():

    class Sneaky(Carried):
        def loss(self, x, y):
            loss, _ = super().loss(x, y)
            cut = tinygrad_rnn.stop_gradient(self.read.W.sum())
            return loss + SCALE["it"] * (self.read.W.sum() - cut)

    model = Sneaky(nn.RNNCell)

    def annealed(step):
        SCALE["it"] = 0.0 if step < 3 else 1.0
        return drawn()(step)

    with pytest.raises(ValueError, match=r"the gradient of read\.W at \[0, 0\] is"):
        trained(model, annealed, "numpy")


def test_a_net_that_explodes_is_reported_once_and_goes_on(capsys):
    class Exploding(nn.Module):
        def __init__(self):
            Q = np.linalg.qr(np.random.default_rng(0).standard_normal((16, 16)))[0]
            self.cell = nn.RNNCell(2, 16, rng=0, dtype=np.float32)
            self.cell.W_h = Tensor((2 * Q).astype(np.float32))

        def loss(self, x):
            return (nn.unroll(self.cell, x)[0][-1] ** 2).sum()

    x = np.random.default_rng(1).standard_normal((200, 2, 2)).astype(np.float32)
    model = Exploding()
    optimiser = SGD(model.parameters(), lr=0.0)
    run = fit(model, lambda step: (x,), optimiser, steps=9, target="check")
    said = [x for x in capsys.readouterr().err.splitlines() if "chaotic" in x]
    assert len(said) == 1
    assert "the gradient of cell.W_h" in said[0]
    assert run.counts["eager"] == 0
    assert "chaotic" in run.explain()


@pytest.mark.parametrize(
    ("cell", "dtype"),
    [
        (nn.RNNCell, np.float32),
        (nn.LSTMCell, np.float64),
        pytest.param(nn.RNNCell, np.float64, marks=pytest.mark.slow),
        pytest.param(nn.LSTMCell, np.float32, marks=pytest.mark.slow),
        pytest.param(nn.GRUCell, np.float32, marks=pytest.mark.slow),
        pytest.param(nn.GRUCell, np.float64, marks=pytest.mark.slow),
    ],
)
def test_rounding_is_no_difference(cell, dtype):
    class Long(nn.Module):
        def __init__(self):
            self.cell, self.read = (
                cell(2, 12, rng=0, dtype=dtype),
                nn.Linear(12, 2, rng=1, dtype=dtype),
            )

        def loss(self, x, y):
            return nn.cross_entropy(self.read(stack(nn.unroll(self.cell, x)[0])), y)

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((100, 4, 2)).astype(dtype), rng.integers(2, size=(100, 4))
    for target in TARGETS:
        run = trained(Long(), lambda step: (x, y), target, steps=16)
        assert run.counts["compared"] == 5
        assert not run.reasons


# -- what cannot run as a program -------------------------------------------------------------


def counted(model, loss, _):
    model.seen += 1
    return loss / model.seen


def branched(_, loss, x):
    return loss if x[0, 0, 0] > 0 else loss * 2.0


def tree(_, loss, _x, node):
    return loss * node.weight


def coin(_, loss, _x):
    return loss * 2.0 if random.random() < 0.5 else loss


class Node:
    weight = 2.0


@pytest.mark.parametrize(
    ("change", "more", "why"),
    [
        (counted, (), "the function changes params.seen"),
        (branched, (), "return loss if x[0, 0, 0] > 0 else loss * 2.0`"),
        (tree, (Node(),), "a batch or state with a Node in it cannot be compiled"),
        (coin, (), "the function draws from random"),
    ],
)
def test_what_cannot_be_compiled_runs_eagerly_and_one_line_says_why(change, more, why, capsys):
    batch = lambda step: (*drawn()(step), *more)  # noqa: E731
    random.seed(0)
    run = trained(Model(change), batch, "auto", progress=True)
    said = [x for x in capsys.readouterr().err.splitlines() if "fit: runs eagerly" in x]
    assert len(said) == 1
    assert why in said[0]
    assert why in run.explain()
    assert run.target == "eager"
    random.seed(0)
    exact = trained(Model(change), batch, "eager")
    assert exact.losses == run.losses  # to the same bits: looking at it has changed nothing


@pytest.mark.parametrize("steps", [150, 21])
def test_the_end_of_a_run_is_compared_before_it_is_kept(steps, tmp_path):
    def annealed(step):
        SCALE["it"] = 1.0 if step < steps - 3 else 5.0
        return drawn()(step)

    model, path = Model(lambda m, loss, x: loss * SCALE["it"]), tmp_path / "run.npz"
    with pytest.raises(ValueError, match="does something else"):
        trained(model, annealed, "numpy", steps=steps, path=path, every=100)
    assert path.exists() == (steps > 100)


def test_which_value_goes_where_may_not_depend_on_values():
    class Chosen(Carried):
        def loss(self, x, y):
            first, second = self.read(x[0, :, :1] * np.ones(4)), self.read(x[0, :, 1:] * np.ones(4))
            return nn.cross_entropy(first if float(values(x).sum()) > 0 else second, y[0])

    exact = trained(Chosen(nn.RNNCell), drawn(), "eager")
    assert trained(Chosen(nn.RNNCell), drawn(), "check").losses == exact.losses


def test_a_bound_method_of_an_iterator_loses_nothing():
    for take in (iter([1.0] * 30).__next__, collections.deque([1.0] * 30).popleft):
        taken = lambda _, loss, _x, take=take: loss * take()  # noqa: E731
        with contextlib.suppress(ValueError):  # what changes and is no iterator is named
            run = trained(Model(taken), drawn(), "numpy", steps=20)
            assert run.counts["eager"] == 20


def test_a_result_that_the_model_keeps_is_no_parameter():
    class Keeps(Carried):
        def loss(self, x, y):
            self.last = nn.unroll(self.cell, x)[0][-1]
            return nn.cross_entropy(self.read(self.last), y[-1])

    model = Keeps(nn.RNNCell)
    run = trained(model, drawn(), "eager", every=5, validate=lambda: 0.0)
    assert run.best.keys() == model.state_dict().keys()
    assert "last" not in model.named_parameters()


def test_single_and_double_precision_in_one_net_are_compared_by_the_coarser():
    class Mixed(nn.Module):
        def __init__(self, seed):
            self.cell = nn.IRNNCell(3, 4, rng=seed, dtype=np.float32)

        def loss(self, x, y):
            outputs, _ = nn.unroll(self.cell, x, np.zeros((3, 4)))
            return nn.mse_loss(outputs[-1], y)

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((100, 3, 3)), rng.standard_normal((3, 4))
    for seed in range(3):
        model = Mixed(seed)
        batch = lambda k: (x.astype(np.float32), y.astype(np.float32))  # noqa: E731
        optimiser = SGD(model.parameters(), lr=0.0)
        fit(model, batch, optimiser, steps=2, progress=False, target="check")


@pytest.mark.parametrize("state", [[1, 2], [True, False], [0.5, 0.25]])
def test_a_state_of_numbers_is_carried_as_it_is(state):
    class Numbers(Carried):
        def loss(self, x, y, given=None):
            assert given is None or given == state
            return super().loss(x, y)[0], state

    assert trained(Numbers(nn.RNNCell), drawn(), "check", steps=3).state == state


def test_a_loss_with_more_beside_it_is_refused_in_words():
    class Three(Carried):
        def loss(self, x, y):
            return (super().loss(x, y)[0], 1, 2)

    with pytest.raises(TypeError, match=r"model\.loss gave a tuple"):
        trained(Three(nn.RNNCell), drawn(), "eager")


CALLS = [0]


def test_a_loss_that_changes_what_is_outside_is_an_error_that_names_it():
    def outside(_, loss, _x):
        CALLS[0] += 1
        return loss

    with pytest.raises(ValueError, match=r"fit: the loss cannot run as a program: .*CALLS\[0\]"):
        trained(Model(outside), drawn(), "numpy")


def test_an_iterator_loses_nothing():
    items = iter(range(100))

    def taken(_, loss, _x):
        return loss * float(next(items))

    run = trained(Model(taken), drawn(), "numpy", steps=5)
    assert run.counts["eager"] == 5
    assert "items, an iterator" in run.explain()
    assert next(items) == 5


def test_what_draws_from_the_runs_generator_draws_as_before():
    def run(target):
        rng = np.random.default_rng(3)

        class Dropped(Carried):
            def loss(self, x, y, state=None):
                loss, state = super().loss(nn.dropout(Tensor(x), 0.5, rng), y, state)
                return loss, state

        losses = trained(Dropped(nn.RNNCell), drawn(), target, rng=rng).losses
        return losses, rng.bit_generator.state

    (found, state), (exact, expected) = run("auto"), run("eager")
    np.testing.assert_allclose(found, exact, rtol=1e-12)
    assert state == expected


def test_a_long_record_that_does_not_repeat_is_not_compiled(capsys):
    class Long(nn.Module):
        def __init__(self):
            self.w = Tensor(np.ones(3))

        def loss(self, x):
            h = self.w
            for k in range(1600):
                h = (h * x).sum() + self.w if k % 7 % 3 else (h + x) * self.w
                h = h * (0.1 + k / 1e5)
            return h.sum()

    model = Long()
    optimiser = SGD(model.parameters(), lr=0.0)
    run = fit(model, lambda step: (np.ones(3),), optimiser, steps=3, target="auto")
    assert run.target == "eager"
    assert "too much of its record does not repeat" in capsys.readouterr().err


def test_anomalies_are_looked_for_in_the_record():
    with detect_anomaly():
        run = trained(LAYERS["GRU"](), drawn(), "numpy")
    assert run.target == "eager"
    assert "inside detect_anomaly()" in run.explain()


def test_without_a_compiler_it_is_numpy(monkeypatch, capsys):
    monkeypatch.setenv("CC", "there-is-no-such-compiler")
    assert trained(LAYERS["GRU"](), drawn(), "auto", progress=True).target == "numpy"
    assert "the program of the loss in NumPy" in capsys.readouterr().err
    fresh = Net(nn.GRU(2, 7, rng=0), width=7)  # not built before, by any test
    assert trained(fresh, drawn(), "c", progress=True).target == "numpy"
    assert "fit: runs NumPy instead of C: CC=there-is-no" in capsys.readouterr().err


def test_an_unknown_target_is_refused():
    with pytest.raises(
        ValueError, match="target is one of eager, auto, c, numpy, check, got 'fast"
    ):
        trained(LAYERS["GRU"](), drawn(), "fast")


# -- what would not be trained ----------------------------------------------------------------


@pytest.mark.parametrize("target", ["eager", "numpy"])
def test_a_tensor_outside_of_the_model_is_named(target):
    outside = Tensor(np.zeros(2), name="bias")

    class Biased(Carried):
        def loss(self, x, y):
            outputs, _ = nn.unroll(self.cell, x)
            return nn.cross_entropy(self.read(stack(outputs)) + outside, y)

    with pytest.raises(ValueError, match=r"fit: the loss depends on bias .*not a parameter"):
        trained(Biased(nn.RNNCell), drawn(), target)


def test_what_the_optimiser_does_not_have_is_named_in_one_line(capsys):
    model = Carried(nn.RNNCell)
    fit(model, drawn(), SGD(model.cell.parameters(), lr=0.1), steps=1)
    said = [x for x in capsys.readouterr().err.splitlines() if "not trained" in x]
    assert len(said) == 1
    assert "read.W, read.b, idle.W, idle.b" in said[0]


# -- going on ---------------------------------------------------------------------------------


@pytest.mark.sampled(4)
@pytest.mark.parametrize("target", [*TARGETS, "auto"])
@pytest.mark.parametrize("stop", [1, 2, 5, 8])
def test_going_on_is_not_stopping_whatever_has_a_program_by_then(stop, target, tmp_path):
    path, batch = tmp_path / "run.npz", drawn(times=(4, 4, 5))
    trained(Carried(nn.GRUCell), batch, target, steps=stop, path=path, every=100)
    model, whole = Carried(nn.GRUCell), Carried(nn.GRUCell)
    found = trained(model, batch, target, steps=12, path=path, every=100)
    expected = trained(whole, batch, target, steps=12)
    assert found.losses == expected.losses
    assert found.signatures == expected.signatures
    way = "numpy" if target == "numpy" else "c"
    assert found.counts[way] == expected.counts[way] == 12
    for p, q in zip(model.parameters(), whole.parameters(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)


def test_any_state_of_numbers_and_arrays_is_carried_over_a_checkpoint(tmp_path):
    class Odd(nn.Module):
        def __init__(self):
            self.w = Tensor(2.0)

        def loss(self, x, state=None):
            state = state or {"n": 0, "h": [np.ones(2), np.float32(3)], "words": ("a", None, True)}
            assert type(state["n"]) is int
            assert type(state["h"][0]) is np.ndarray
            state = state | {"n": state["n"] + 1, "last": self.w * 1.0}
            return (self.w * x).sum() * state["n"], state

    path = tmp_path / "run.npz"
    for steps in (2, 5):
        model = Odd()
        optimiser = SGD(model.parameters(), lr=0.1)
        run = fit(model, lambda k: (np.ones(2),), optimiser, steps=steps, path=path, progress=False)
    assert run.state["n"] == 5
    assert type(run.state["last"]) is Tensor
    assert run.state["last"].op is None
    assert run.state["words"] == ("a", None, True)
    assert type(run.state["h"][1]) is np.float32


class Forgetting(nn.Module):
    """A loss on the last step alone, of a state that halves or so at each."""

    def __init__(self, keeps=0.8, dtype=np.float32):
        self.cell = nn.RNNCell(2, 3, bias=False, rng=0, dtype=dtype)
        self.cell.W_h.data = keeps * np.eye(3, dtype=dtype)

    def loss(self, x):
        return tinygrad_rnn.mean(nn.unroll(self.cell, x)[1] ** 2)


@pytest.mark.parametrize("target", ["eager", *TARGETS])
def test_a_gradient_that_is_denormal_is_named_once(target, capfd):
    def batch(step):
        return (np.random.default_rng(step).standard_normal((450, 2, 2)).astype(np.float32) / 9,)

    def said(model):
        run = fit(model, batch, SGD(model.parameters(), lr=0.0), steps=9, target=target)
        lines = capfd.readouterr().err.splitlines()
        named = [line for line in lines if "denormal" in line]
        assert [line.removeprefix("fit: ") for line in named] == [
            line for line in run.reasons if "denormal" in line
        ]
        return named

    assert len(said(Forgetting())) == (target != "c")
    assert not said(Forgetting(keeps=1.0))
    assert not said(Forgetting(dtype=np.float64))
