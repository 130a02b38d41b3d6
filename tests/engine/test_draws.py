"""What does `draw` give, eagerly and in a record that becomes a program?"""

import numpy as np
import pytest

from tinygrad_rnn import Tensor, grad, no_grad, scope
from tinygrad_rnn.engine.primitives import cut_gradient
from tinygrad_rnn.engine.recorder import Recorder, draw
from tinygrad_rnn.program.record.abstract import AbstractArray, Shapes


def recorded(f, *, shapes=None, other=False):
    recorder = Recorder(shapes, other)
    with recorder:
        found = f()
    return found, recorder.finish(), recorder


@pytest.mark.parametrize("method", ["random", "standard_normal", "standard_exponential"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3)])
def test_eagerly_it_is_what_the_generator_gives(method, shape):
    mine, exact = np.random.default_rng(0), np.random.default_rng(0)
    for _ in range(3):
        np.testing.assert_array_equal(draw(mine, shape, method), getattr(exact, method)(shape))
    assert mine.bit_generator.state == exact.bit_generator.state


def test_in_a_record_it_is_a_tensor_of_the_same_values():
    mine, exact = np.random.default_rng(0), np.random.default_rng(0)
    x, leaves, recorder = recorded(lambda: draw(mine, (2, 3)))
    np.testing.assert_array_equal(x.data, exact.random((2, 3)))
    assert leaves == [x]
    assert x.op is None
    assert x.name == "u"
    assert [(d.rng, d.method, d.shape, d.k) for d in recorder.draws] == [
        (mine, "random", (2, 3), None)
    ]
    assert mine.bit_generator.state == exact.bit_generator.state


def at_each_step(rng, T=40):
    found = []
    for t in range(T):
        with scope("cell", t=t):
            found.append((draw(rng, (2,)), draw(rng, (2,)), draw(rng, (3,), "standard_normal")))
    return found


def test_draws_of_all_steps_are_one_sequence():
    exact = np.random.default_rng(0)
    found, (u, v, z), recorder = recorded(lambda: at_each_step(np.random.default_rng(0)))
    assert (u.shape, v.shape, z.shape) == ((40, 2), (40, 2), (40, 3))
    assert (u.name, v.name, z.name) == ("u", "u", "z")
    for t, parts in enumerate(found):
        shapes = [((2,), "random"), ((2,), "random"), ((3,), "standard_normal")]
        for x, leaf, (shape, method) in zip(parts, (u, v, z), shapes, strict=True):
            np.testing.assert_array_equal(x.data, getattr(exact, method)(shape))
            np.testing.assert_array_equal(leaf.data[t], x.data)
            assert x.inputs[0] is leaf
            assert x.options["index"] == (t,)
    assert [d.k for d in recorder.draws] == [t for t in range(40) for _ in range(3)]


def test_without_values_the_shapes_are_the_same():
    found, leaves, _ = recorded(lambda: at_each_step(np.random.default_rng(0)), shapes=Shapes())
    assert [leaf.shape for leaf in leaves] == [(40, 2), (40, 2), (40, 3)]
    assert all(type(leaf.data) is AbstractArray for leaf in leaves)
    assert [x.shape for x in found[7]] == [(2,), (2,), (3,)]


def test_a_generator_that_was_set_back_gives_the_same_tensor():
    rng = np.random.default_rng(0)

    def f():
        before = rng.bit_generator.state
        first = [draw(rng, (2,)), draw(rng, (2,))]
        after = rng.bit_generator.state
        rng.bit_generator.state = before
        again = [draw(rng, (2,)), draw(rng, (2,))]
        assert rng.bit_generator.state == after
        return first, again, draw(rng, (2,))

    (first, again, new), _, recorder = recorded(f)
    assert [id(x) for x in first] == [id(x) for x in again]
    assert new not in {*first}
    assert len(recorder.draws) == 3


def test_two_generators_in_one_state_give_two_tensors():
    (a, b), _, _ = recorded(lambda: [draw(np.random.default_rng(0), (2,)) for _ in range(2)])
    assert a is not b
    np.testing.assert_array_equal(a.data, b.data)


def test_on_other_values_something_else_is_drawn_and_the_generator_moves_as_ever():
    mine, exact = np.random.default_rng(0), np.random.default_rng(0)
    x, _, _ = recorded(lambda: draw(mine, (2, 3)), other=True)
    assert not np.array_equal(x.data, exact.random((2, 3)))
    assert mine.bit_generator.state == exact.bit_generator.state


def test_unrecorded_it_is_a_tensor_as_well():
    def f():
        with no_grad():
            return draw(np.random.default_rng(0), (2,))

    x, _, _ = recorded(f)
    assert type(x) is Tensor
    np.testing.assert_array_equal(x.data, np.random.default_rng(0).random(2))


def test_cut_gradient_lets_values_pass_and_cuts_or_scales_what_flows_back():
    x, g = Tensor([1.0, -2.0, np.inf]), np.array([3.0, np.inf, np.nan])
    y = cut_gradient(x, np.True_, scale=2.0)
    np.testing.assert_array_equal(y.data, x.data)
    np.testing.assert_array_equal(grad(y, x, g), np.zeros(3))
    np.testing.assert_array_equal(grad(cut_gradient(x, np.False_, scale=2.0), x, g), 2 * g)
    some = np.array([True, False, False])
    np.testing.assert_array_equal(grad(cut_gradient(x, some), x, g), np.where(some, 0, g))
