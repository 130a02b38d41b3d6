"""Is a function recorded as its operations, and as one call?"""

import numpy as np
import pytest

from tinygrad_rnn import Tensor, ancestors, call_of, composite, grad, no_grad, scope, steps, tanh


@composite
def scaled(a, gain, slope=1.0, **how):
    return gain * tanh(a * slope)


def plainly(a, gain, slope=1.0):
    return gain * tanh(a * slope)


def test_a_call_is_recorded_and_its_operations_are_those_of_the_function():
    a, g = Tensor([0.5, 1.0], name="a"), Tensor(2.0, name="g")
    y, z = scaled(a, g, slope=3.0), plainly(a, g, slope=3.0)
    call = call_of(y).call
    assert (call.inputs, call.names, call.options) == ((a, g), ("a", "gain"), {"slope": 3.0})
    assert call.results == (y.serial,)
    assert [x.op for x in ancestors(y)] == [x.op for x in ancestors(z)]
    np.testing.assert_array_equal(y.data, z.data)
    np.testing.assert_array_equal(grad(y.sum(), a), grad(z.sum(), a))


def test_each_call_is_told_from_the_others():
    a = Tensor([0.5, 1.0])
    one, other = scaled(a, 1.0), scaled(a, 1.0)
    assert call_of(one) is not call_of(other)
    assert call_of(one.inputs[1]) is call_of(one)


def test_a_call_is_no_place_in_time():
    h = Tensor([0.5])
    for t in range(3):
        with scope("rnn", t=t):
            h = scaled(h, 2.0)
    found = steps(ancestors(h))
    assert {(step.lane.name, step.t) for step in found.values()} == {("rnn", t) for t in range(3)}


def test_a_gradient_is_in_no_call_and_nothing_is_recorded_without_a_record():
    a = Tensor([0.5, 1.0])
    slope = grad(scaled(a, 2.0).sum(), a, create_graph=True)
    assert all(call_of(x) is None for x in ancestors(slope) if any(f.of for f in x.scope))
    with no_grad():
        assert call_of(scaled(a, 2.0)) is None
    assert scaled(np.ones(2), 1.0).shape == (2,)


def test_an_error_inside_closes_the_call():
    @composite
    def broken(a):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        broken(Tensor([1.0]))
    assert call_of(tanh(Tensor([1.0]))) is None
