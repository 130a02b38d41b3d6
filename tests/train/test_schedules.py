"""Do learning rates follow their formulas?"""

import math

import pytest

from tinygrad_rnn import Tensor, nn, train
from tinygrad_rnn.train import Plateau, constant, cosine, exponential, staircase, warm_up


def test_constant_stays():
    assert {constant(0.1)(step) for step in (0, 1, 10**6)} == {0.1}


def test_a_staircase_goes_down_at_every_so_many_steps():
    schedule = staircase(8.0, every=3, factor=0.5)
    assert [schedule(step) for step in range(8)] == [8, 8, 8, 4, 4, 4, 2, 2]


def test_exponential_goes_down_at_every_step():
    schedule = exponential(8.0, 0.5)
    assert [schedule(step) for step in range(4)] == [8, 4, 2, 1]


def test_cosine_starts_high_passes_the_middle_and_ends_low_for_good():
    schedule = cosine(3.0, steps=10, low=1.0)
    assert schedule(0) == 3
    assert schedule(5) == pytest.approx(2)
    assert schedule(10) == schedule(1000) == 1
    found = [schedule(step) for step in range(11)]
    assert found == sorted(found, reverse=True)
    assert schedule(2) == pytest.approx(2 + math.cos(0.2 * math.pi))


def test_warm_up_rises_evenly_and_then_leaves_the_schedule_alone():
    schedule = warm_up(staircase(4.0, every=6, factor=0.5), 4)
    assert [schedule(step) for step in range(8)] == [1, 2, 3, 4, 4, 4, 2, 2]


@pytest.mark.parametrize(
    "make",
    [lambda: cosine(1.0, 0), lambda: staircase(1.0, 0), lambda: warm_up(constant(1.0), 0)],
)
def test_no_steps_are_refused(make):
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        make()


WRONG = [
    (lambda: cosine(train.SGD([Tensor(1.0)], 0.1), 100), TypeError, "lr is a number, got <"),
    (lambda: exponential(0.1, -1.0), ValueError, "factor must be positive"),
    (lambda: constant("0.1"), TypeError, "lr is a number, got '0.1'"),
    (lambda: staircase(-0.1, 5), ValueError, "lr must be at least 0"),
    (lambda: staircase(0.1, 2.5), TypeError, "every is a whole number, got 2.5"),
    (lambda: warm_up(0.1, 5), TypeError, r"write warm_up\(constant\(lr\), steps\)"),
    (lambda: Plateau(0.1, factor=1.0), ValueError, r"factor must be in \(0, 1\)"),
    (lambda: Plateau(0.1, patience=-1), ValueError, "patience must be at least 0"),
]


@pytest.mark.parametrize(("make", "kind", "says"), WRONG)
def test_arguments_are_checked_when_they_are_given(make, kind, says):
    with pytest.raises(kind, match=says):
        make()


@pytest.mark.parametrize("patience", [0, 2])
def test_a_plateau_lowers_the_rate_after_too_many_scores_without_a_better_one(patience):
    scores = [3.0, 2.0, 2.0, 2.5, 2.0, 1.0, 1.5, 1.5, 1.5, 1.5, 1.5]
    plateau, waited, best, rate = Plateau(1.0, 0.5, patience, low=0.2), 0, 9.0, 1.0
    for k, score in enumerate(scores):  # as torch counts
        waited = 0 if score < best else waited + 1
        best = min(best, score)
        if waited > patience:
            rate, waited = rate / 2, 0
        assert plateau.rate(scores[: k + 1]) == max(rate, 0.2)
    assert plateau.rate([]) == 1


class Line(nn.Module):
    def __init__(self):
        self.w = Tensor(5.0)

    def loss(self, x):
        return (self.w * x) ** 2


def test_fit_asks_a_plateau_and_goes_on_with_its_rate(tmp_path):
    scores = iter([3.0, 2.0, 2.0, 2.0, 2.0, 2.0])
    rates, model = [], Line()
    optimiser = train.SGD(model.parameters(), 1.0)

    def fit(steps):
        def batch(step):
            rates.append(optimiser.lr)
            return (1e-3,)

        plateau = Plateau(0.4, 0.5, patience=1)
        options = {"every": 1, "progress": False, "path": tmp_path / "run.npz"}
        validate = lambda: next(scores)  # noqa: E731
        return train.fit(
            model, batch, optimiser, steps=steps, schedule=plateau, validate=validate, **options
        )

    fit(3)
    fit(6)
    assert rates == [0.4, 0.4, 0.4, 0.4, 0.2, 0.2]


def test_a_plateau_without_scores_is_refused():
    model = Line()
    with pytest.raises(ValueError, match="no validate= to give any"):
        train.fit(model, lambda step: (1.0,), train.SGD(model, 0.1), steps=1, schedule=Plateau(0.1))
