"""Do learning rates follow their formulas?"""

import math

import pytest

from tinygrad_rnn.train import constant, cosine, exponential, staircase, warm_up


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
    with pytest.raises(ValueError, match="at least 1 step"):
        make()
