"""Does the loop do its steps, stop when told, and say how far it is?"""

import math
import re
import signal
import sys
import threading
from typing import NamedTuple

import numpy as np
import pytest

from tinygrad_rnn import Tensor, grad, nn
from tinygrad_rnn.train import (
    SGD,
    Adam,
    add_gradient_noise,
    clip_grad_norm,
    clip_grad_value,
    fit,
    staircase,
)


class Bowl(nn.Module):
    """Lowest at 3."""

    def __init__(self):
        self.w = Tensor([0.0])

    def loss(self, x):
        return ((self.w - 3.0) ** 2).sum() * x.mean()


class Counter(nn.Module):
    """Carries a state, the sum of what it has seen."""

    def __init__(self):
        self.w, self.seen = Tensor([1.0]), []

    def loss(self, x, state=None):
        self.seen.append(None if state is None else state)
        h = self.w * x + (0.0 if state is None else state[0])
        return (h * h).sum(), (h,)


def ones(step):
    return (np.ones((2, 3)),)


def quiet(model, *, lr=0.1, batch=ones, **options):
    return fit(model, batch, SGD(model.parameters(), lr=lr), progress=False, **options)


# -- steps ------------------------------------------------------------------------------------


def test_a_run_is_the_steps_written_out():
    cell, other, rng = nn.RNNCell(2, 3, rng=0), nn.RNNCell(2, 3, rng=0), np.random.default_rng(1)
    xs = rng.standard_normal((5, 4, 2, 2))

    class Model(nn.Module):
        def __init__(self, cell):
            self.cell = cell

        def loss(self, x):
            return nn.mse_loss(nn.unroll(self.cell, x)[0][-1], np.ones((2, 3)))

    run = fit(
        Model(cell),
        lambda step: (xs[step],),
        Adam(cell.parameters(), lr=0.1),
        steps=5,
        schedule=staircase(0.1, 2, 0.5),
        clip=0.5,
        target="eager",
        progress=False,
    )
    optimiser, losses, norms = Adam(other.parameters(), lr=0.1), [], []
    for step in range(5):
        optimiser.lr = 0.1 * 0.5 ** (step // 2)
        loss = Model(other).loss(xs[step])
        optimiser.zero_grad()
        loss.backward()
        norms.append(clip_grad_norm(other.parameters(), 0.5))
        optimiser.step()
        losses.append(loss.item())
    assert (run.step, run.losses, run.norms) == (5, losses, norms)
    for p, q in zip(cell.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)


def test_batches_are_asked_for_by_step():
    asked = []
    quiet(Bowl(), batch=lambda step: (asked.append(step), ones(step))[1], steps=4)
    assert asked == [0, 1, 2, 3]


def test_a_state_is_carried_detached_and_forgotten_on_time():
    model = Counter()
    run = quiet(model, steps=7, restart=3, lr=0.0)
    assert [state is None for state in model.seen] == [True, False, False] * 2 + [True]
    carried = model.seen[2][0]
    assert isinstance(carried, Tensor)
    assert carried.op is None
    np.testing.assert_array_equal(carried.data, np.full((2, 3), 2.0))
    np.testing.assert_array_equal(run.state[0].data, np.ones((2, 3)))
    model = Counter()
    quiet(model, steps=4, lr=0.0)
    assert model.seen[3][0].data[0, 0] == 3


def test_clipping_may_be_any_function_of_parameters_and_step():
    rng, steps = np.random.default_rng(0), []

    def noisy(parameters, step):
        steps.append(step)
        add_gradient_noise(parameters, step, rng, eta=0.01)
        return clip_grad_value(parameters, 0.5)

    model = Bowl()
    run = quiet(model, steps=3, clip=noisy, lr=1.0)
    assert steps == [0, 1, 2]
    assert model.w.data == 1.5  # 0.5 a step, and the norms are those before
    assert all(norm > 2 for norm in run.norms)


def test_a_gradient_that_is_not_finite_stops_the_run_and_names_the_step():
    def batch(step):
        return (np.full((2, 3), np.nan if step == 2 else 1.0),)

    model = Bowl()
    with pytest.raises(ValueError, match="the norm is nan") as caught:
        quiet(model, batch=batch, steps=5)
    assert caught.value.__notes__ == ["fit: at step 2"]
    assert np.isfinite(model.w.data).all()


def test_a_batch_that_is_no_tuple_is_refused():
    with pytest.raises(TypeError, match=r"as a tuple, got a ndarray; of one argument it is \(x,\)"):
        quiet(Bowl(), batch=lambda step: np.ones((2, 3)), steps=1)


def test_a_loss_that_is_not_finite_stops_the_run_before_its_step():
    class Cliff(Bowl):
        def loss(self, x):
            return super().loss(x) + (np.inf if x[0, 0] == 2 else 0.0)

    model = Cliff()
    with pytest.raises(
        ValueError, match=r"got the loss inf and the gradient norm \d.*smaller lear"
    ):
        quiet(model, batch=lambda step: (np.full((2, 3), step),), steps=5, lr=0.0)
    blind = Bowl()  # a clipping function that looks at nothing
    with pytest.raises(ValueError, match=r"got the loss nan and the gradient norm 0\.0"):
        quiet(blind, batch=lambda step: (np.full((2, 3), np.nan),), steps=5, clip=lambda ps, k: 0.0)
    assert blind.w.data == 0


def test_whatever_goes_wrong_in_a_step_has_its_number():
    def batch(step):
        return ones(step) if step < 3 else 1 / 0

    with pytest.raises(ZeroDivisionError) as caught:
        quiet(Bowl(), batch=batch, steps=5)
    assert caught.value.__notes__ == ["fit: at step 3"]
    with pytest.raises(ValueError, match="must be at least 0 and finite, got nan") as caught:
        quiet(Bowl(), schedule=lambda step: 0.1 if step < 2 else math.nan, steps=5)
    assert caught.value.__notes__ == ["fit: at step 2"]


def test_parts_that_do_not_belong_together_are_refused_before_the_first_step():
    bowl = Bowl()
    with pytest.raises(ValueError, match="1 of 1 parameters of the optimiser are not in the model"):
        fit(Bowl(), ones, SGD(bowl.parameters(), lr=0.1), steps=1)
    with pytest.raises(
        TypeError, match=r"fit: batch is .* a tuple\. .* the same data .* lambda step: data"
    ):
        quiet(bowl, batch=ones(0), steps=1)
    with pytest.raises(
        TypeError, match=r"fit: RNNCell has no method loss\. Put it into an nn\.Mod"
    ):
        quiet(nn.RNNCell(1, 1, rng=0), steps=1)
    with pytest.raises(TypeError, match=r"fit: rng is the generator .*, got 3\. Make it once"):
        quiet(bowl, steps=1, rng=3)
    bowl.loss = lambda x: 3.0
    with pytest.raises(TypeError, match=r"model\.loss gave a float, expected a recorded scalar"):
        quiet(bowl, steps=1)


def test_a_batch_may_be_made_of_tensors():
    assert quiet(Bowl(), batch=lambda step: (Tensor(np.ones((2, 3))),), steps=2).step == 2


# -- budget -----------------------------------------------------------------------------------


def test_seconds_are_a_budget_too(monkeypatch):
    now = iter(np.arange(0, 100, 0.5))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(now)))
    run = quiet(Bowl(), seconds=3.0)
    assert run.step == 3  # the clock is asked twice a step
    assert quiet(Bowl(), seconds=50.0, steps=2).step == 2
    assert quiet(Bowl(), seconds=0.0).step == 0


def test_a_run_without_end_is_refused():
    with pytest.raises(ValueError, match="fit: expected a budget, steps=, seconds= or"):
        quiet(Bowl())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": -1}, r"a budget of at least 0, got steps=-1, seconds=None\."),
        ({"seconds": math.nan}, r"a budget of at least 0, got steps=None, seconds=nan\."),
        ({"steps": 3, "every": 0}, r"every is at least 1 step, got 0\."),
        ({"steps": 3, "clip": 0}, r"clip is .* a positive number; got 0\. Leave it out"),
        ({"steps": 3, "clip": -1.0}, r"a positive number; got -1\.0"),
        ({"steps": 3, "clip": math.nan}, "a positive number; got nan"),
        ({"steps": 3, "restart": 0}, "restart is at least 1 step, or None for never; got 0"),
        ({"steps": 3, "patience": 3}, "it needs validate=. Got 3 and no validate"),
        ({"steps": 3, "patience": 0, "validate": float}, "at least 1; .* Got 0"),
        ({"steps": 3, "validate": float}, "would never take place in 3 steps, with every=100"),
    ],
)
def test_what_cannot_be_meant_is_refused(options, message):
    with pytest.raises(ValueError, match=f"fit: .*{message}"):
        quiet(Bowl(), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 2.5}, r"steps is a whole number, got 2\.5"),
        ({"steps": "3"}, "steps is a whole number, got '3'"),
        ({"steps": True}, "steps is a whole number, got True"),
        ({"steps": np.float64(3)}, "steps is a whole number"),
        ({"seconds": "3"}, "seconds is a number, got '3'"),
        ({"steps": 3, "every": 1.5}, r"every is a whole number, got 1\.5"),
        ({"steps": 3, "every": None}, "every is a whole number, got None"),
        ({"steps": 3, "restart": 1.5}, r"restart is a whole number, got 1\.5"),
        ({"steps": 3, "patience": "1"}, "patience is a whole number, got '1'"),
        ({"steps": 3, "clip": None}, "clip is .* or a function, got None. Leave it out"),
        ({"steps": 3, "clip": "1"}, "clip is .* or a function, got '1'"),
        ({"steps": 3, "clip": True}, "clip is .* or a function, got True"),
        ({"steps": 3, "schedule": 0.1}, r"schedule is a function, or None for none; got 0\.1"),
        ({"steps": 3, "validate": 1.0}, r"validate is a function, or None for none; got 1\.0"),
    ],
)
def test_what_is_no_number_or_function_is_refused_before_the_first_step(options, message):
    def batch(step):
        raise AssertionError("a step was taken")

    with pytest.raises(TypeError, match=f"fit: {message}"):
        quiet(Bowl(), batch=batch, **options)


@pytest.mark.parametrize("name", ["schedule", "validate", "clip"])
@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (None, "None"),
        ("0.1", "a str"),
        ([0.1], "a list"),
        (True, "a bool"),
        (1j, "a complex"),
        (np.ones(2), "a ndarray"),
        (Tensor(np.ones(2)), "a ndarray"),
        (np.ma.masked, "a MaskedConstant"),
    ],
)
def test_a_function_that_gives_no_number_is_named_with_the_step(name, given, kind):
    model = Bowl()
    with pytest.raises(TypeError, match=f"fit: {name} gave {kind}, expected a number") as caught:
        quiet(model, steps=3, every=1, **{name: lambda *_: given})
    step = int(name == "validate")
    assert caught.value.__notes__ == [f"fit: at step {step}"]
    assert (model.w.data == 0).all() == (step == 0)


@pytest.mark.parametrize("name", ["schedule", "validate", "clip"])
@pytest.mark.parametrize("kind", [float, np.float32, np.array, Tensor, lambda x: np.array([x])])
def test_a_number_may_come_as_a_tensor_or_an_array(name, kind):
    model = Bowl()
    run = quiet(model, steps=2, every=1, **{name: lambda *_: kind(0.5)})
    assert run.step == 2
    assert model.w.dtype == np.float64


def test_a_score_of_nan_is_refused():
    scores, model = iter([5.0, math.nan]), Bowl()
    with pytest.raises(ValueError, match="fit: validate gave NaN, which is not a score") as caught:
        quiet(model, steps=6, validate=lambda: next(scores), every=2)
    assert caught.value.__notes__ == ["fit: at step 4"]


def test_a_checkpoint_that_could_not_be_written_is_refused_before_the_first_step(
    tmp_path, monkeypatch
):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*absent for .*Make it first"):
        quiet(Bowl(), steps=1, path=tmp_path / "absent" / "run.npz")
    with pytest.raises(ValueError, match="'' names no file for the checkpoint"):
        quiet(Bowl(), steps=1, path="")
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(PermissionError, match="cannot be written to, so no checkpoint"):
        quiet(Bowl(), steps=1, path=tmp_path / "run.npz")


# -- Ctrl-C -----------------------------------------------------------------------------------


@pytest.fixture
def ctrl_c():
    """Python's own answer to Ctrl-C; what a shell runs in the background is told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def pressing(at, times=1):
    def batch(step):
        for _ in range(times * (step == at)):
            signal.raise_signal(signal.SIGINT)
        return ones(step)

    return batch


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_finishes_the_step_keeps_it_and_the_run_goes_on_to_the_same_bits(tmp_path):
    path, model, whole = tmp_path / "run.npz", Bowl(), Bowl()
    with pytest.raises(KeyboardInterrupt, match=r"stopped after 4 steps; .*run\.npz holds it, and"):
        quiet(model, batch=pressing(3), steps=9, path=path)
    resumed = Bowl()
    assert quiet(resumed, steps=9, path=path).losses == quiet(whole, steps=9).losses
    assert resumed.w.data == whole.w.data
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_twice_waits_for_nothing():
    model = Bowl()
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        quiet(model, batch=pressing(0, times=2), steps=9)
    assert model.w.data == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_run_in_another_thread_leaves_ctrl_c_alone():
    runs = []
    thread = threading.Thread(target=lambda: runs.append(quiet(Bowl(), steps=2)))
    thread.start()
    thread.join()
    assert runs[0].step == 2


# -- validation -------------------------------------------------------------------------------


def test_validation_stops_what_no_longer_gets_better_and_brings_back_the_best():
    scores = iter([5.0, 4.0, math.inf, 4.5, 4.0, 1.0])
    model, places = Bowl(), []

    def validate():
        places.append(model.w.data.copy())
        return next(scores)

    run = quiet(model, steps=100, validate=validate, every=2, patience=3)
    assert run.step == 10  # two validations that improve, three that do not
    assert [step for step, _ in run.scores] == [2, 4, 6, 8, 10]
    assert run.waited == 3
    np.testing.assert_array_equal(model.w.data, places[1])


def test_a_first_score_that_is_infinite_is_no_record():
    scores = iter([math.inf, 2.0, 3.0])
    run = quiet(Bowl(), steps=3, validate=lambda: next(scores), every=1)
    assert run.waited == 1
    assert run.best["w"] == pytest.approx(3 - 3 * 0.8**2)


def test_validation_is_not_recorded_and_may_give_a_tensor():
    model, seen = Bowl(), []

    def validate():
        seen.append(model.loss(np.ones((2, 3))))
        return seen[-1]

    run = quiet(model, steps=2, validate=validate, every=1)
    assert all(loss.op is None for loss in seen)
    assert run.scores == [(1, seen[0].item()), (2, seen[1].item())]


def test_training_is_the_same_every_time_and_looking_does_not_change_it():
    def trained(**options):
        rng = np.random.default_rng(3)
        model = Bowl()
        quiet(model, batch=lambda step: (rng.random((2, 3)),), steps=6, **options)
        return model.w.data.item()

    assert trained() == trained() == trained(seconds=1e9)
    assert trained(validate=lambda: 1.0, every=6) == trained()


# -- progress ---------------------------------------------------------------------------------

LINE = r"loss \d+\.\d{3}, \|gradient\| \d+\.\d\d, [\d,]+ tokens/s"


@pytest.fixture
def notebook(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel", sys)  # its being there is all that is looked at
    return capsys


def test_a_bar_shows_loss_gradient_and_tokens_per_second(notebook):
    pytest.importorskip("tqdm")
    model = Bowl()
    fit(model, ones, SGD(model.parameters(), lr=0.1), steps=3)
    out, err = notebook.readouterr()
    assert re.search(rf"\| 3/3 steps, {LINE}", err)
    assert not out
    fit(model, ones, SGD(model.parameters(), lr=0.1), seconds=0)
    assert "0/0 s" in notebook.readouterr().err


def test_without_tqdm_there_are_plain_lines_and_how_to_get_a_bar(notebook, monkeypatch):
    for name in ("tqdm", "tqdm.auto"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it raises ImportError
    model = Bowl()
    fit(model, ones, SGD(model.parameters(), lr=0.1), steps=3)
    lines = notebook.readouterr().err.splitlines()
    assert lines[0].startswith("fit: runs eagerly, as written")
    assert lines[1].endswith("pip install tqdm")
    del lines[0]
    assert re.fullmatch(rf"1/3 steps, {LINE}", lines[1])
    assert re.fullmatch(rf"3/3 steps, {LINE}", lines[-1])


def test_a_log_gets_few_lines_and_no_bar(capsys, monkeypatch):
    now = iter(range(10**6))
    monkeypatch.setattr("time.monotonic", lambda: float(next(now)))  # about a second a step
    model = Bowl()
    fit(model, ones, SGD(model.parameters(), lr=0.0), steps=600)
    err = capsys.readouterr().err
    first, *lines = err.splitlines()
    assert first.startswith("fit: runs eagerly, as written")
    assert "\r" not in err
    assert all(re.fullmatch(rf"\d+/600 steps, {LINE}", line) for line in lines)
    assert lines[-1].startswith("600/600")
    assert 10 < len(lines) < 25  # after 2, 4, 8 … seconds, then every minute


def test_going_on_from_a_checkpoint_is_said(tmp_path, capsys):
    for steps in (2, 4):
        model = Bowl()
        fit(model, ones, SGD(model.parameters(), lr=0.1), steps=steps, path=tmp_path / "run.npz")
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("fit:")]
    going_on = f"fit: {tmp_path / 'run.npz'} exists, the run goes on from step 2"
    assert [line for line in said if "runs eagerly" not in line] == [going_on]


def test_tokens_are_steps_times_sequences(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    now = iter(np.arange(0, 100, 0.5))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(now)))
    model = Bowl()
    fit(model, lambda step: (np.ones((4, 5, 9)),), SGD(model.parameters(), lr=0.0), steps=1)
    assert " 20 tokens/s" in capsys.readouterr().err  # 4·5 in the one second between two looks


def test_no_progress_is_silence(capsys):
    quiet(Bowl(), steps=3)
    assert capsys.readouterr() == ("", "")


def test_a_loop_that_goes_down_ends_where_the_gradient_does():
    model = Bowl()
    run = quiet(model, steps=60)
    assert run.losses[-1] < 1e-8 < run.losses[0]
    assert abs(grad(model.loss(np.ones((2, 3))), model.w)) < 1e-4


def test_the_first_state_is_given_again_at_each_restart():
    seen = []

    class Carrying(nn.Module):
        def __init__(self):
            self.w = Tensor(1.0)

        def loss(self, x, state):
            seen.append(float(state.data if type(state) is Tensor else state))
            return (self.w * x).sum(), self.w * 0.0 + state + 1.0

    model = Carrying()
    optimiser = SGD(model.parameters(), lr=0.0)
    fit(model, lambda step: (np.ones(2),), optimiser, steps=7, state=5.0, restart=3, progress=False)
    assert seen == [5, 6, 7, 5, 6, 7, 5]


class Pair(NamedTuple):
    h: Tensor
    c: Tensor


@pytest.mark.parametrize("state", [Pair(Tensor(1.0), Tensor(2.0)), [{1, 2}]], ids=["named", "set"])
def test_a_state_that_no_checkpoint_can_hold_is_refused_before_the_first_step(state, tmp_path):
    class Carrying(nn.Module):
        def __init__(self):
            self.w = Tensor(2.0)

        def loss(self, x, state=None):
            return (self.w * x).sum(), given

    given, model = state, Carrying()
    optimiser, how = SGD(model.parameters(), lr=0.1), {"steps": 3, "progress": False}
    with pytest.raises(
        TypeError, match=r"a checkpoint cannot hold a state with a (Pair|set) in it"
    ):
        fit(model, lambda step: (np.ones(2),), optimiser, path=tmp_path / "run.npz", **how)
    assert model.w.data == 2
    assert not [*tmp_path.iterdir()]
    fit(model, lambda step: (np.ones(2),), optimiser, **how)
    assert model.w.data != 2
