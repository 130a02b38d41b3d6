"""Does a requirement raise what it says, only then, and is it kept while a program is recorded?"""

import numpy as np
import pytest

import tinygrad_rnn
from tinygrad_rnn import Tensor, require
from tinygrad_rnn.engine.context import context
from tinygrad_rnn.engine.recorder import Recorder, Unrecorded
from tinygrad_rnn.engine.tensor import next_serial
from tinygrad_rnn.program.record.abstract import Shapes
from tinygrad_rnn.program.record.trace import recording

TRUE = {
    "bool": lambda: True,
    "NumPy's bool": lambda: np.bool_(True),
    "array": lambda: np.array([True, True]),
    "without elements": lambda: np.zeros((0, 3), bool),
    "Tensor of bool": lambda: Tensor([[True], [True]]),
    "compared": lambda: Tensor([1.0, 2.0]) > 0,
}
FALSE = {
    "bool": lambda: False,
    "NumPy's bool": lambda: np.bool_(False),
    "array": lambda: np.array([True, False]),
    "Tensor of bool": lambda: Tensor([[True], [False]]),
    "compared": lambda: Tensor([1.0, np.nan]) > 0,
}


def never():
    raise AssertionError("nobody asked for the message")


@pytest.mark.parametrize("name", TRUE)
def test_what_holds_is_silent_and_makes_no_message(name):
    require(TRUE[name](), never)


@pytest.mark.parametrize("name", FALSE)
def test_what_does_not_hold_is_raised(name):
    with pytest.raises(ValueError, match=r"^x is small$"):
        require(FALSE[name](), "x is small")
    with pytest.raises(KeyError, match="'x is 3'"):
        require(FALSE[name](), lambda: f"x is {1 + 2}", KeyError)


@pytest.mark.parametrize("strange", [1, 1.0, None, [True], np.ones(2), Tensor([1.0]), "yes"])
def test_what_is_no_condition_is_refused(strange):
    with pytest.raises(TypeError, match=r"require: expected a condition.*Compare, as in"):
        require(strange, never)


def test_nothing_is_recorded_outside_of_a_program():
    x = Tensor([1.0, 2.0])
    before = next_serial()
    require(x > 0, never)
    require(tinygrad_rnn.sum(x.data > 0) == 2, never)
    assert next_serial() == before + 1


def test_in_a_record_a_condition_on_tensors_is_kept_and_checked():
    recorder = Recorder()
    with recording(recorder):
        x = Tensor([1.0, 2.0])
        require(x > 0, never)
        require(np.array([True]), never)
        with pytest.raises(ValueError, match="below 2"):
            require(x < 2, "below 2")
    assert [c.op.name for c in recorder.requirements] == ["greater", "less"]
    assert all(type(c) is Tensor and c.dtype == bool for c in recorder.requirements)


@pytest.mark.parametrize("how", ["no values", "other values"])
def test_in_a_record_what_is_not_known_is_kept_unchecked(how):
    shapes = Shapes()
    recorder = Recorder(shapes if how == "no values" else None, how == "other values")
    x = Tensor([1.0, 2.0])
    with recording(recorder):
        require((shapes.leaf(x) if how == "no values" else x) < 0, never)
    assert len(recorder.requirements) == 1
    assert not context.get().observers


def test_in_a_record_an_array_is_checked_at_once_and_must_not_depend_on_values():
    recorder = Recorder()
    with recording(recorder), pytest.raises(ValueError, match="small"):
        require(np.array([False]), "small")
    with recording(Recorder(other=True)), pytest.raises(Unrecorded, match="Compare Tensors"):
        require(np.array([False]), "small")
    assert not recorder.requirements
