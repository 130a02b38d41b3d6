"""Does an observer see every operation, and does what it answers count?"""

import numpy as np
import pytest

from tinygrad_rnn import Primitive, Tensor, detect_anomaly, grad, no_grad, tanh
from tinygrad_rnn.engine.blocks import Observer
from tinygrad_rnn.engine.context import context
from tinygrad_rnn.engine.primitives import add, multiply


class Log(Observer):
    """Writes down what it is told."""

    def __init__(self, name="", log=None):
        self.name, self.log = name, [] if log is None else log
        self.outs, self.flows, self.questions = [], [], []

    def result(self, op, inputs, arrays, options, outside):
        self.log.append(f"{self.name}{op.name}")
        return super().result(op, inputs, arrays, options, outside)

    def recorded(self, out):
        self.outs.append(out)

    def asked(self, question, *operands):
        self.questions.append(question)

    def watcher(self):
        return lambda node, k, g, arrived: self.flows.append((node.op and node.op.name, k))


def test_it_sees_operations_on_tensors_and_what_they_give_and_changes_nothing():
    x = Tensor([1.0, 2.0])
    expected = tanh(x * 2) + x
    with Log() as nothing, (log := Log()):
        y = tanh(x * 2) + x
        _ = add(1.0, 2.0), tanh(np.ones(2))
    assert nothing is None
    assert log.log == ["multiply", "tanh", "add"]
    assert log.outs[-1] is y
    assert [out.op.name for out in log.outs] == log.log
    np.testing.assert_array_equal(y.data, expected.data)
    assert not context.get().observers
    _ = x * 3
    assert len(log.log) == 3


def test_the_innermost_sees_an_operation_first():
    log = []
    with Log("outer ", log), Log("inner ", log):
        _ = Tensor(1.0) * 2
    assert log == ["inner multiply", "outer multiply"]


def test_an_answer_takes_the_place_of_the_operation():
    class Doubled(Observer):
        def result(self, op, inputs, arrays, options, outside):
            return add(inputs[0], inputs[0]) if op is multiply else arrays[0] + 100

    x = Tensor(1.0)
    with (log := Log()), Doubled():
        y = x * 3
    assert (y.op, y.item()) == (add, 101.0)
    assert log.log == []  # an observer that answers by itself asks nobody outside
    assert [out.op for out in log.outs] == [add]


def test_it_may_answer_what_asks_for_values():
    class Fixed(Observer):
        def asked(self, question, *operands):
            return {"item": 7, "if": False, "less": "less", "values": np.ones(3)}.get(question)

    x = Tensor(1.0)
    with Fixed(), (log := Log()):
        assert (x.item(), bool(x), x < 2, x > 0) == (7, False, "less", np.True_)
        assert x.data.shape == (3,)
    assert log.questions == ["item", "if", "less", "greater", "values"]
    assert (x.item(), bool(x), x < 2) == (1, True, np.True_)


@pytest.mark.parametrize("create_graph", [False, True])
def test_its_watcher_is_told_of_each_gradient_and_of_each_sum(create_graph):
    x = Tensor(3.0)
    y = tanh(x) * x
    with (log := Log()):
        found = grad(y, x, create_graph=create_graph)
    assert log.flows == [
        *[("multiply", 0), ("multiply", 1)],
        *[("tanh", None), ("tanh", 0)],
        (None, None),
    ]
    assert found.item() == pytest.approx(float(grad(y, x)))


def test_what_it_raises_comes_out_and_the_context_is_as_before():
    class Refuse(Observer):
        def result(self, op, inputs, arrays, options, outside):
            raise LookupError(op.name)

    before = context.get()
    with pytest.raises(LookupError, match="multiply"), no_grad(), Refuse():
        _ = Tensor(1.0) * 2
    assert context.get() == before


def test_hunting_for_nan_looks_at_what_an_observer_inside_makes_of_it():
    class Spoil(Observer):
        def result(self, op, inputs, arrays, options, outside):
            bad = [np.nan * a for a in arrays]
            return super().result(op, inputs, bad, options, outside)

    with pytest.raises(FloatingPointError, match="sine"), detect_anomaly(), Spoil():
        Primitive("sine", np.sin, 1)(Tensor(1.0))
