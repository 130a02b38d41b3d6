"""Does the loop do its steps, stop when told, and say how far it is?"""

import math
import re
import sys

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


@pytest.mark.parametrize("options", [{}, {"steps": 3, "every": 0}, {"patience": 3}])
def test_a_run_without_end_is_refused(options):
    with pytest.raises(ValueError, match="fit: expected a budget, steps= or seconds=, and every"):
        quiet(Bowl(), **options)


# -- validation -------------------------------------------------------------------------------


def test_validation_stops_what_no_longer_gets_better_and_brings_back_the_best():
    scores = iter([5.0, 4.0, math.nan, 4.5, 4.0, 1.0])
    model, places = Bowl(), []

    def validate():
        places.append(model.w.data.copy())
        return next(scores)

    run = quiet(model, steps=100, validate=validate, every=2, patience=3)
    assert run.step == 10  # two validations that improve, three that do not
    assert [step for step, _ in run.scores] == [2, 4, 6, 8, 10]
    assert run.waited == 3
    np.testing.assert_array_equal(model.w.data, places[1])


def test_a_first_score_that_is_nan_is_no_record():
    scores = iter([math.nan, 2.0, 3.0])
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


def test_a_bar_shows_loss_gradient_and_tokens_per_second(capsys):
    pytest.importorskip("tqdm")
    model = Bowl()
    fit(model, ones, SGD(model.parameters(), lr=0.1), steps=3)
    out, err = capsys.readouterr()
    assert re.search(rf"\| 3/3 steps, {LINE}", err)
    assert not out
    fit(model, ones, SGD(model.parameters(), lr=0.1), seconds=0)
    assert "0/0 s" in capsys.readouterr().err


def test_without_tqdm_there_are_plain_lines_and_how_to_get_a_bar(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)  # importing it raises ImportError
    model = Bowl()
    fit(model, ones, SGD(model.parameters(), lr=0.1), steps=3)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("pip install tqdm")
    assert re.fullmatch(rf"1/3 steps, {LINE}", lines[1])
    assert re.fullmatch(rf"3/3 steps, {LINE}", lines[-1])


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
