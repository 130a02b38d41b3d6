"""Does what a function gives beside its loss come out of the program too?"""

import numpy as np
import pytest

from tinygrad_rnn import Tensor, compile, grad, nn, stack
from tinygrad_rnn.train import SGD


class Model(nn.Module):
    def __init__(self):
        self.cell, self.read = nn.LSTMCell(3, 4, rng=0), nn.Linear(4, 3, rng=1)
        self.idle = nn.Linear(2, 2, rng=0)


def loss_fn(m, x, y, state):
    outputs, state = nn.unroll(m.cell, x, state)
    return nn.cross_entropy(m.read(stack(outputs)), y), state


@pytest.mark.parametrize("target", ["numpy", "c"])
def test_a_state_goes_in_and_comes_out(target):
    m, step, rng, state = Model(), compile(loss_fn, target=target), np.random.default_rng(0), None
    optimiser = SGD(m.parameters(), lr=0.1)
    for _ in range(4):
        x, y = rng.standard_normal((7, 2, 3)), rng.integers(3, size=(7, 2))
        (loss, after), grads = step(m, x, y, state)
        exact, expected = loss_fn(m, x, y, state)
        np.testing.assert_allclose(loss, exact.data, rtol=1e-12)
        assert type(after) is tuple
        for a, b in zip(after, expected, strict=True):
            assert type(a) is np.ndarray
            np.testing.assert_allclose(a, b.data, rtol=0, atol=1e-14)
        for g, e in zip(grads.values(), grad(exact, m.parameters(), unused="zero"), strict=True):
            np.testing.assert_allclose(g, e, rtol=0, atol=1e-12)
        for p, g in zip(m.parameters(), grads.values(), strict=True):
            p.grad = g
        optimiser.step()
        state = after
    assert step.stats == {"calls": 4, "recorded": 2, "structures": 2, "eager": 0}, step.reason


def test_a_pair_of_what_cannot_be_compiled_is_a_pair_too():
    def drawn(m, x, y):
        loss, state = loss_fn(m, x, y, None)
        return loss * np.random.default_rng().uniform(), state

    m, rng = Model(), np.random.default_rng(0)
    step = compile(drawn)
    (loss, (h, c)), grads = step(m, rng.standard_normal((2, 2, 3)), rng.integers(3, size=(2, 2)))
    assert (loss.shape, h.shape, c.shape) == ((), (2, 4), (2, 4))
    assert grads["idle.W"].shape == (2, 2)
    assert step.stats["eager"] == 1


def test_arguments_in_other_places_are_another_signature():
    m, x = Model(), np.ones((2, 1, 3))

    def f(m, a, b):
        return (m.cell.W_x.sum() * (1.0 if b is None else 2.0)) * (a if b is None else b).sum()

    step = compile(f)
    assert step(m, None, x)[0] == pytest.approx(2 * step(m, x, None)[0])


def test_what_is_no_pair_comes_as_it_is_without_a_program():
    x = Tensor(np.array([1.0, 2.0]))
    step = compile(lambda p: ((p["x"] * p["x"]).sum(), p["x"], [p["x"] + 1]))
    (loss, same, (more,)), grads = step({"x": x})
    assert loss == 5
    np.testing.assert_array_equal(same, x.data)
    np.testing.assert_array_equal(more, x.data + 1)
    np.testing.assert_array_equal(grads["x"], 2 * x.data)
    assert "does not give one scalar" in step.reason


def test_a_function_that_only_a_complete_record_takes_is_compiled():
    step = compile(lambda p, x: (x * p["a"]).sum() + (x > 0).astype(float).exp().sum())
    x = np.array([1.0, -2.0, 3.0])
    loss, grads = step({"a": Tensor(2.0)}, x)
    np.testing.assert_allclose(loss, 4 + 2 * np.e + 1, rtol=1e-15)
    assert grads["a"] == 2
    assert not step.reason


@pytest.mark.parametrize("target", ["numpy", "c"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_list_of_states_is_a_list_of_arrays(n, target):
    def loss_fn(p, x, states):
        states = [(x @ p["W"] + h).tanh() for h in states]
        return sum((h * h).sum() for h in states), {"states": states, "none": None, "x": [x]}

    step, rng = compile(loss_fn, target=target), np.random.default_rng(0)
    p, states = {"W": Tensor(rng.standard_normal((3, 3)))}, [np.zeros((2, 3))] * n
    for _ in range(3):
        x = rng.standard_normal((2, 3))
        exact = loss_fn(p, Tensor(x), states)[1]["states"]
        (_, aux), _ = step(p, x, states)
        assert [type(aux[name]) for name in ("states", "none", "x")] == [list, type(None), list]
        for h, e in zip(aux["states"], exact, strict=True):
            np.testing.assert_allclose(h, e.data, rtol=1e-12)
        np.testing.assert_array_equal(aux["x"][0], x)
        states = aux["states"]
    assert step.stats["eager"] == 0


@pytest.mark.parametrize("target", ["numpy", "c"])
def test_bytes_in_another_order_run_eagerly(target):
    other = np.dtype(float).newbyteorder("S")
    x, W = np.arange(6.0).reshape(2, 3), Tensor(np.arange(9.0).reshape(3, 3).astype(other))
    step = compile(lambda p, x: (x @ p["W"]).sum(), target=target)
    assert step({"W": W}, x)[0] == (x @ W.data).sum()
    assert "W (" in step.reason
    assert "astype" in step.reason
