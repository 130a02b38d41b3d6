"""Does a run killed at any moment go on to the same bits?"""

import random
import re
import subprocess
import sys
import time
from collections import namedtuple
from typing import Any, NamedTuple

import numpy as np
import pytest

from tinygrad_rnn import Tensor, nn, stack, tree
from tinygrad_rnn.train import SGD, Adam, CheckpointError, RMSprop, fit, load_run, save_run
from tinygrad_rnn.train import checkpoint as files

# Everything that has to be remembered is in it: two moments, momentum of the state carried on,
# dropout and data drawn from the generator, a schedule, and the best model so far.
PROGRAM = """
import sys
import numpy as np
from tinygrad_rnn import nn, stack
from tinygrad_rnn.train import Adam, cosine, fit

rng = np.random.default_rng(0)

class Model(nn.Module):
    def __init__(self):
        self.cell, self.read = nn.LSTMCell(2, 5, rng=rng), nn.Linear(5, 1, rng=rng)

    def loss(self, x, y, state=None):
        hs, state = nn.unroll(self.cell, x, state)
        return nn.mse_loss(self.read(nn.dropout(stack(hs), 0.2, rng)), y), state

def batch(step):
    print(step, flush=True)
    x = rng.standard_normal((4, 3, 2))
    return x, x.sum(axis=-1, keepdims=True)

model = Model()
fit(
    model, batch, Adam(model.parameters()), steps=STEPS, schedule=cosine(0.01, 60), clip=1.0,
    restart=7, validate=lambda: model.loss(*batch(-1))[0], every=EVERY, path=sys.argv[1], rng=rng,
    progress=False, target=TARGET,
)
"""


def command(path, steps=60, every=1, target="eager"):
    program = PROGRAM.replace("STEPS", str(steps)).replace("EVERY", str(every))
    program = program.replace("TARGET", repr(target))
    return [sys.executable, "-W", "error", "-c", program, str(path)]


@pytest.mark.parametrize(
    ("every", "target"),
    [
        (1, "eager"),
        (4, "auto"),
        pytest.param(4, "eager", marks=pytest.mark.slow),
        pytest.param(1, "numpy", marks=pytest.mark.slow),
    ],
)
def test_kill_minus_nine_anywhere_and_resume_gives_the_same_bits(tmp_path, every, target):
    whole, killed = tmp_path / "whole.npz", tmp_path / "killed.npz"
    full = command(whole, every=every, target=target)
    subprocess.run(full, check=True, stdout=subprocess.DEVNULL)
    chance, kills, ways = random.Random(every), 0, command(killed, 60, every, target)
    for _ in range(5):
        with subprocess.Popen(ways, stdout=subprocess.PIPE, text=True) as process:
            for _ in range(chance.randrange(1, 25)):
                if not process.stdout.readline():
                    break
            time.sleep(chance.uniform(0, 0.005))
            process.kill()
            process.stdout.read()
        kills += process.returncode != 0
        if killed.exists():  # whenever there is a file, it is whole
            files.load(killed)
    assert kills >= 3
    subprocess.run(ways, check=True, stdout=subprocess.DEVNULL)
    assert killed.read_bytes() == whole.read_bytes()
    assert {p.name for p in tmp_path.iterdir()} == {"whole.npz", "killed.npz"}


# -- in one process ---------------------------------------------------------------------------


class Model(nn.Module):
    def __init__(self, hidden=3, dtype=float):
        self.cell = nn.LSTMCell(2, hidden, rng=0, dtype=dtype)
        self.frozen = np.ones(2)

    def loss(self, x, state=None):
        hs, state = nn.unroll(self.cell, x, state)
        return nn.mse_loss(stack(hs), np.zeros((*x.shape[:2], self.cell.hidden_size))), state


def trained(path=None, steps=6, make=Adam, generator=np.random.PCG64, **options):
    model, rng = Model(), np.random.Generator(generator(5))
    optimiser = make(model.parameters(), lr=0.1)

    def batch(step):
        return (rng.standard_normal((3, 2, 2)),)

    run = fit(
        model, batch, optimiser, steps=steps, path=path, rng=rng, every=2, progress=False, **options
    )
    return model, optimiser, rng, run


def everything(model, optimiser, rng, run):
    parts = [*model.state_dict().values(), *optimiser.state_dict().values(), run.losses, run.norms]
    parts += [part.data for part in run.state or ()]
    return [np.asarray(part).tobytes() for part in parts] + [str(rng.bit_generator.state)]


BITS = [np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64]


@pytest.mark.parametrize("generator", BITS)
@pytest.mark.parametrize("make", [SGD, RMSprop, Adam])
def test_stopping_and_going_on_is_not_stopping(tmp_path, make, generator):
    path = tmp_path / "run.npz"
    options = {"make": make, "generator": generator}
    trained(path, steps=3, **options)
    assert everything(*trained(path, steps=8, **options)) == everything(
        *trained(None, 8, **options)
    )


def test_float32_extended_state_and_nan_survive(tmp_path):
    model, optimiser, rng, run = trained()
    model.frozen[0] = np.nan
    run.state = [Tensor(np.float32([1.5])), (Tensor(2.0), None)]
    run.losses[0] = np.inf
    save_run(tmp_path / "a", run, model, optimiser, rng)
    twin = Model()
    found = load_run(tmp_path / "a", twin, Adam(twin.parameters()), np.random.default_rng())
    assert np.isnan(twin.frozen[0])
    assert found.losses == run.losses
    first, (second, third) = found.state
    assert (first.dtype, first.data, second.item(), third) == (np.float32, 1.5, 2.0, None)
    assert isinstance(found.state, list)
    assert isinstance(found.state[1], tuple)


class State(NamedTuple):
    h: Any
    c: Any


STRUCTURES = {
    "dict": lambda h, c: {"h": h, "c": c},
    "named tuple": State,
    "nested": lambda h, c: {"layers": [State(h, (c, None))]},
}


@pytest.mark.parametrize("target", ["eager", "numpy"])
@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES)
def test_a_state_of_any_structure_is_carried_and_goes_on(tmp_path, structure, target):
    class Carrying(Model):
        def loss(self, x, state):
            h, c = (part for part in tree.leaves(state) if part is not None)
            found, (h, c) = super().loss(x, (h, c))
            return found, structure(h, c)

    def run(path, steps):
        model, first = Carrying(), structure(np.zeros((2, 3)), np.zeros((2, 3)))
        how = {"state": first, "path": path, "progress": False, "target": target}
        found = fit(model, batch, SGD(model.parameters(), lr=0.1), steps=steps, **how)
        assert tree.structure(found.state) == tree.structure(first)
        return [x if x is None else x.data.tobytes() for x in tree.leaves(found.state)]

    def batch(step):
        return (np.random.default_rng(step).standard_normal((3, 2, 2)),)

    run(tmp_path / "run.npz", 3)
    assert run(tmp_path / "run.npz", 6) == run(None, 6)


def test_a_named_tuple_is_not_loaded_as_another(tmp_path):
    model, optimiser, rng, run = trained()
    run.state = State(Tensor(1.0), None)
    save_run(tmp_path / "a", run, model, optimiser, rng, state=run.state)
    parts = model, optimiser, rng
    assert load_run(tmp_path / "a", *parts, state=run.state).state.c is None
    for other in (None, namedtuple("State", "h d")(0, 0)):
        with pytest.raises(CheckpointError, match="named tuple State with the fields h, c"):
            load_run(tmp_path / "a", *parts, state=other)


def test_a_state_nested_too_deep_for_a_file_is_refused(tmp_path):
    model, optimiser, rng, run = trained()
    for _ in range(1000):
        run.state = [run.state]
    with pytest.raises(TypeError, match="nested deeper than 200 levels"):
        save_run(tmp_path / "a", run, model, optimiser, rng)


def test_the_last_step_is_kept_too(tmp_path):
    model, optimiser, rng, run = trained(tmp_path / "a", steps=5)  # written every second step
    twin = Model()
    others = Adam(twin.parameters()), np.random.default_rng()
    found = load_run(tmp_path / "a", twin, *others)
    assert everything(twin, *others, found) == everything(model, optimiser, rng, run)
    assert found.step == 5


def test_a_finished_run_is_only_read(tmp_path):
    path = tmp_path / "run.npz"
    first = everything(*trained(path))
    written = path.stat().st_mtime_ns
    assert everything(*trained(path)) == first
    assert path.stat().st_mtime_ns == written


# -- another optimiser ------------------------------------------------------------------------


SETTINGS = {
    "lr": (lambda p: SGD(p, 0.1), lambda p: SGD(p, 0.02), r"lr=0\.02 \(before 0\.1\)"),
    "momentum": (
        lambda p: SGD(p, 0.1),
        lambda p: SGD(p, 0.1, 0.9),
        r"momentum=0\.9 \(before 0\.0\)",
    ),
    "nesterov": (
        lambda p: SGD(p, 0.1, 0.9),
        lambda p: SGD(p, 0.1, 0.9, nesterov=True),
        r"nesterov=True \(before False\)",
    ),
    "betas": (
        lambda p: Adam(p, betas=(0.9, 0.9)),
        lambda p: Adam(p, betas=(0.5, 0.9)),
        r"betas=\[0\.5, 0\.9\] \(before \[0\.9, 0\.9\]\)",
    ),
    "weight_decay and eps": (
        lambda p: Adam(p, eps=1e-8),
        lambda p: Adam(p, eps=1e-3, weight_decay=0.1),
        r"weight_decay=0\.1 \(before 0\.0\), eps=0\.001 \(before 1e-08\)",
    ),
    "alpha and centered": (
        RMSprop,
        lambda p: RMSprop(p, alpha=0.5, centered=True),
        r"alpha=0\.5 \(before 0\.99\), centered=True \(before False\)",
    ),
}


@pytest.mark.parametrize(("before", "now", "line"), SETTINGS.values(), ids=SETTINGS)
def test_settings_of_the_call_are_taken_and_what_differs_is_said(
    tmp_path, capsys, before, now, line
):
    path, batch = tmp_path / "run.npz", lambda step: (np.full((3, 2, 2), 1.0 + step),)

    def run(make, steps, **options):
        model = Model()
        optimiser = make(model.parameters())
        return model, optimiser, fit(model, batch, optimiser, steps=steps, path=path, **options)

    run(before, 2, progress=False)
    model, optimiser, found = run(now, 3)
    said = f"goes on from step 2 with this optimiser's {line}$"
    assert re.search(said, found.explain(), re.M)
    assert re.search(f"^fit: {said}", capsys.readouterr().err, re.M)
    assert optimiser.settings() == now(Model().parameters()).settings() == found.settings
    twin = Model()  # the same by hand
    other = before(twin.parameters())
    halfway = fit(twin, batch, other, steps=2, progress=False)
    changed = now(twin.parameters())
    changed.load_state_dict(other.state_dict() | {"lr": np.array(changed.lr)})
    fit(
        twin, lambda step: batch(step + 2), changed, steps=1, state=halfway.state, progress=False
    )  # fmt: skip
    for name, array in twin.state_dict().items():
        np.testing.assert_array_equal(model.state_dict()[name], array)
    run(now, 4)
    assert "optimiser's" not in capsys.readouterr().err  # said once


def test_a_rate_that_changed_on_the_way_goes_on_where_it_was_and_nothing_is_said(tmp_path, capsys):
    path, rates = tmp_path / "run.npz", []

    def falling(optimiser):
        def validate():
            rates.append(optimiser.lr)
            optimiser.lr /= 2  # on a plateau, say
            return 1.0

        return validate

    for steps in (2, 5):  # by the same program
        model = Model()
        optimiser = SGD(model.parameters(), 0.1)
        run = fit(
            model, lambda step: (np.ones((3, 2, 2)),), optimiser, steps=steps, every=1, path=path,
            validate=falling(optimiser),
        )  # fmt: skip
    assert rates == [0.1, 0.05, 0.025, 0.0125, 0.00625]
    assert "optimiser's" not in capsys.readouterr().err + run.explain()
    fit(
        model, lambda step: (np.ones((3, 2, 2)),), optimiser, steps=6, every=1, path=path,
        validate=falling(optimiser),
    )  # fmt: skip
    assert rates[-1] == 0.003125  # the same optimiser, in the same process
    assert "optimiser's" not in capsys.readouterr().err


# -- what does not fit ------------------------------------------------------------------------


def wrong_arrays(arrays, facts, **changes):
    for name, array in changes.items():
        if array is None:
            del arrays[name]
        else:
            arrays[name] = array
    return arrays, facts


def change(**changes):
    return lambda arrays, facts: wrong_arrays(arrays, facts, **changes)


def fact(**changes):
    return lambda arrays, facts: (arrays, {**facts, **changes})


def generator(**changes):
    def changed(arrays, facts):
        return arrays, {**facts, "generator": {**facts["generator"], **changes}}

    return changed


W = np.zeros((3, 12))
TAMPERED = {
    "missing array": (change(**{"model.cell.W_h": None}), "the model has other arrays: missing 'c"),
    "foreign array": (change(**{"model.x": W}), "the model has other arrays: unexpected 'x'"),
    "foreign room": (change(**{"elsewhere.x": W}), "foreign arrays"),
    "other shape": (
        change(**{"model.cell.W_h": W[:2]}),
        r"is float64 of shape \(2, 12\)",
    ),
    "other dtype": (change(**{"model.cell.W_h": W.astype("f4")}), "'cell.W_h' is float32 of shape"),
    "other order": (change(**{"model.cell.W_h": W.astype(">f8")}), "'cell.W_h' is >f8 of shape"),
    "integers": (change(**{"model.cell.W_h": W.astype(int)}), "'cell.W_h' is int64 of shape"),
    "optimiser": (
        change(**{"optimiser.m.0": W}),
        "load_state_dict of Adam: 'm.0' is float64",
    ),
    "time": (change(**{"optimiser.t": np.full(4, -1)}), r"'t' is .* expected at least 0"),
    "losses": (change(**{"run.losses": np.zeros(5)}), "the run has other arrays: 'losses'"),
    "best": (change(**{"best.cell.W_h": W}), "the best model has other arrays: missing"),
    "state": (change(**{"state.7": W}), "unused parts of a state: 7"),
    "no state": (change(**{"state.0": None}), "KeyError"),
    "other optimiser": (fact(optimiser="SGD"), "it is of 'SGD', this is Adam"),
    "step": (fact(step=-1), "expected a step of at least 0, got -1"),
    "huge step": (fact(step=10**18), "'losses' is float64 of shape \\(6,\\)|ValueError"),
    "text for a step": (fact(step="6"), "got '6'"),
    "kind of state": (fact(state=["set", 0]), "KeyError"),
    "end of a state": (fact(state=["plain", [1]]), "KeyError"),
    "one number": (fact(state=3), "TypeError"),
    "counts": (fact(counts={"eager": 6}), "unknown counts of steps"),
    "no settings": (fact(settings=[]), r"expected the settings of an optimiser, got \[\]"),
    "a word for a rate": (fact(settings={"lr": "0.1"}), "expected the settings of an optimiser"),
    "settings with escapes": (fact(settings={"lr": 0.1, "\x1b[2J": 1}), "expected the settings"),
    "reasons": (fact(reasons=[1]), "expected reasons as sentences"),
    "facts": (lambda arrays, facts: (arrays, [1, 2]), "TypeError"),
    "no generator": (fact(generator=None), "it was saved without a random generator, and this run"),
    "other generator": (generator(bit_generator="MT19937"), "'MT19937', and this run has a PCG64"),
    "flag": (generator(has_uint32=7), "has_uint32 of the generator is not an integer in 0 … 1"),
    "bits": (
        generator(state={"state": 2**128, "inc": 1}),
        "state of the generator is not an integer",
    ),
    "half bits": (generator(state={"state": 1}), "state is not the state of such a generator"),
    "float bits": (
        generator(state={"state": 1.5, "inc": 1}),
        "state of the generator is not an int",
    ),
}


@pytest.mark.parametrize(("tamper", "sentence"), TAMPERED.values(), ids=TAMPERED)
def test_what_does_not_fit_is_refused_and_nothing_is_changed(tmp_path, tamper, sentence):
    path = tmp_path / "run.npz"
    trained(path)
    files.save(path, *tamper(*files.load(path)))
    model, optimiser, rng, run = trained(steps=1)
    before, serials = everything(model, optimiser, rng, run), [p.serial for p in model.parameters()]
    with pytest.raises(CheckpointError, match=rf"load checkpoint run\.npz: .*({sentence})"):
        load_run(path, model, optimiser, rng)
    assert everything(model, optimiser, rng, run) == before
    assert [p.serial for p in model.parameters()] == serials
    content = path.read_bytes()
    with pytest.raises(CheckpointError, match="or move the file away to start anew"):
        trained(path)
    assert path.read_bytes() == content


def test_a_place_outside_a_generators_memory_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    model, optimiser, rng, run = trained(generator=np.random.MT19937)
    save_run(path, run, model, optimiser, rng)
    arrays, facts = files.load(path)
    facts["generator"]["state"]["pos"] = 10**6
    files.save(path, arrays, facts)
    with pytest.raises(CheckpointError, match="pos of the generator is not an integer in 0 … 624"):
        load_run(path, model, optimiser, rng)
    facts["generator"]["state"]["key"] = [1, 2]
    files.save(path, arrays, facts)
    with pytest.raises(CheckpointError, match="key of the generator does not have 624 entries"):
        load_run(path, model, optimiser, rng)


@pytest.mark.parametrize("other", [{"hidden": 4}, {"dtype": np.float32}])
def test_another_model_is_refused(tmp_path, other):
    trained(tmp_path / "a")
    model = Model(**other)
    with pytest.raises(CheckpointError, match=r"the model has other arrays: 'cell\.W_h' is"):
        load_run(tmp_path / "a", model, Adam(model.parameters()), np.random.default_rng(0))
