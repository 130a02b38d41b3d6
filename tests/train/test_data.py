"""Does `fit` take its batches from a list or an iterator, stop by a rule, and call back?"""

import itertools

import numpy as np
import pytest

from tinygrad_rnn import Tensor, nn, tasks, train


class Line(nn.Module):
    def __init__(self):
        self.w = Tensor(5.0)
        self.seen = []

    def loss(self, x, y):
        self.seen.append(float(x))
        return (self.w * x - y) ** 2


BATCHES = [(1.0, 2.0), (2.0, 4.0), (0.5, 1.0)]


def fit(model, **options):
    optimiser = train.SGD(model, 0.05)
    return train.fit(model, optimiser=optimiser, progress=False, **options)


def once():
    return iter(BATCHES)


class Loader:
    """What has no length, as a loader that reads files, and begins anew for each epoch."""

    def __iter__(self):
        return iter(BATCHES)


@pytest.mark.parametrize(
    ("data", "epochs"), [(BATCHES, 1), (BATCHES, 2), (once(), 1), (Loader(), 2)]
)
def test_each_epoch_has_every_batch_in_order(data, epochs):
    model = Line()
    assert fit(model, data=data, epochs=epochs).step == 3 * epochs
    assert model.seen == [1.0, 2.0, 0.5] * epochs


@pytest.mark.parametrize("data", [BATCHES, Loader()])
def test_without_epochs_data_begins_again_until_the_budget_is_used_up(data):
    model = Line()
    assert fit(model, data=data, steps=7).step == 7
    assert model.seen == [1.0, 2.0, 0.5] * 2 + [1.0]


def test_the_budget_that_is_first_used_up_ends_the_run():
    assert fit(Line(), data=BATCHES, epochs=5, steps=4).step == 4
    assert fit(Line(), data=Loader(), epochs=1, steps=40).step == 3


@pytest.mark.parametrize("make", [lambda: BATCHES, once, Loader])
def test_a_resumed_run_passes_over_the_batches_it_has_had(make, tmp_path):
    whole, halves = Line(), Line()
    fit(whole, data=make(), epochs=1)
    for steps in (2, 9):
        fit(halves, data=make(), epochs=1, steps=steps, path=tmp_path / "run.npz")
    assert halves.seen == whole.seen
    assert halves.w.data == whole.w.data


def test_one_batch_of_a_task_is_data():
    class Net(nn.Module):
        def __init__(self):
            self.net = nn.many_to_one(2, 4, 1, rng=0)

        def loss(self, xs, targets, lengths, *_):
            return nn.mse_loss(self.net(xs, lengths=lengths), targets)

    model = Net()
    assert fit(model, data=tasks.adding(6, 4, rng=0), epochs=3).step == 3


def test_a_rule_of_success_ends_the_run_and_holds_when_it_goes_on(tmp_path):
    model, path = Line(), tmp_path / "run.npz"
    rule = lambda run: run.losses[-1] < 1e-3  # noqa: E731
    first = fit(model, data=BATCHES, steps=500, until=rule, path=path)
    assert rule(first)
    assert not any(loss < 1e-3 for loss in first.losses[:-1])
    assert fit(model, data=BATCHES, steps=500, until=rule, path=path).step == first.step


def test_a_callback_sees_every_step_and_its_validation():
    seen = []
    run = fit(
        Line(),
        data=BATCHES,
        epochs=2,
        callback=lambda run: seen.append((run.step, run.losses[-1], len(run.scores))),
        validate=lambda: 1.0,
        every=2,
    )
    assert seen == [(k + 1, loss, (k + 1) // 2) for k, loss in enumerate(run.losses)]


WRONG = [
    ({}, TypeError, "either batch=.*got neither"),
    ({"data": BATCHES, "batch": lambda step: BATCHES[0], "steps": 1}, TypeError, "got both"),
    ({"batch": BATCHES, "steps": 1}, TypeError, "write data=batches, epochs=1"),
    ({"batch": lambda step: BATCHES[0], "epochs": 1}, ValueError, "has no end. Say steps="),
    ({"data": BATCHES}, ValueError, "expected a budget"),
    ({"data": [], "epochs": 1}, ValueError, "holds no batch"),
    ({"data": iter(()), "epochs": 1}, ValueError, "holds no batch"),
    ({"data": once(), "epochs": 2}, ValueError, "used up only once"),
    ({"data": np.ones(3), "epochs": 1}, TypeError, r"data=\[\(xs, targets\)\]"),
    ({"data": BATCHES, "epochs": 1.5}, ValueError, "whole number"),
    ({"data": BATCHES, "epochs": "2"}, TypeError, "whole number"),
    ({"data": BATCHES, "epochs": 1, "until": 3}, TypeError, "until is a function"),
    ({"data": BATCHES, "epochs": 1, "until": lambda run: 1}, TypeError, "expected True or False"),
    ({"data": BATCHES, "epochs": 1, "callback": []}, TypeError, "callback is a function"),
]


@pytest.mark.parametrize(("options", "kind", "says"), WRONG)
def test_what_gives_no_batches_is_refused(options, kind, says):
    with pytest.raises(kind, match=says):
        fit(Line(), **options)


def test_what_is_no_optimiser_is_refused():
    with pytest.raises(TypeError, match=r"optimiser=train\.Adam\(model\.parameters\(\)\)"):
        train.fit(Line(), data=BATCHES, epochs=1)


def test_batches_may_be_lists_as_those_of_other_libraries():
    model = Line()
    assert fit(model, data=[list(batch) for batch in BATCHES], epochs=1).step == 3
    assert fit(model, data=(list(batch) for batch in BATCHES), epochs=1).step == 3
    assert model.seen == [1.0, 2.0, 0.5] * 2


def test_an_endless_iterator_is_read_for_as_many_steps_as_are_asked_for():
    model = Line()
    assert fit(model, data=itertools.cycle(BATCHES), steps=4).step == 4
    assert model.seen == [1.0, 2.0, 0.5, 1.0]
