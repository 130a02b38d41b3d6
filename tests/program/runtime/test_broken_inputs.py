"""What becomes of a step whose function, parameters or surroundings are not what one hopes for?"""

import copy
import pickle

import numpy as np
import pytest

from tinygrad_rnn import Tensor, compile, grad, nn, stack, tanh
from tinygrad_rnn.program.backends.c import NoCompiler
from tinygrad_rnn.program.backends.c.build import compiler

X = np.random.default_rng(0).standard_normal((4, 3))


def simple(p, x):
    return tanh(x @ p["W"]).sum()


BAKED = {
    "the largest label": (lambda y: int(y.max()), [0, 2, 1, 0], [0, 1, 1, 0]),
    "the smallest label": (lambda y: int(y.min()), [0, 2, 1, 0], [1, 2, 1, 1]),
    "the sum of lengths": (lambda y: int(y.sum()), [1, 3], [1, 2]),
    "the count of a mask": (lambda y: int(y.sum()), [True, False], [True, True]),
    "where a row is one": (lambda y: y.argmax(-1), np.eye(3)[[0, 1]], np.eye(3)[[2, 1]]),
    "what is not padding": (lambda y: y != 0, np.array([1.0, 0, 2]), np.array([0, 3.0, 2])),
    "a sign": (lambda y: float(y[0] > 0), np.ones(3), -np.ones(3)),
    "a zero": (lambda y: float(y[0]), np.zeros(3), np.ones(3)),
}


@pytest.mark.parametrize("name", BAKED)
def test_what_is_taken_past_the_record_is_found_and_runs_eagerly(name):
    take, *ways = BAKED[name]
    p = {"W": Tensor(X[:3])}

    def loss_fn(p, x, y):
        return (tanh(x @ p["W"]).sum() * np.asarray(take(y.data), float)).sum()

    step = compile(loss_fn)
    for y in map(np.array, ways):
        loss, grads = step(p, X, y)
        exact = loss_fn(p, X, Tensor(y))
        assert loss == exact.data
        np.testing.assert_array_equal(grads["W"], grad(exact, [p["W"]])[0])
    assert "not compiled" in step.reason


def test_one_tensor_in_two_places_of_params_runs_eagerly():
    W = Tensor(X[:3])
    step = compile(lambda p, x: tanh(tanh(x @ p["A"]) @ p["B"]).sum())
    loss, grads = step({"A": W, "B": W}, X)
    exact = tanh(tanh(X @ W) @ W).sum()
    assert loss == exact.data
    np.testing.assert_array_equal(grads["A"], grad(exact, [W])[0])
    assert "two places" in step.reason


@pytest.mark.parametrize("again", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize("target", ["numpy", "c"])
def test_a_step_is_copied_and_pickled(again, target):
    step, p = compile(simple, target=target, without=("common",)), {"W": Tensor(X[:3])}
    loss, _ = step(p, X)
    twin = again(step)
    assert twin.passes == step.passes
    assert twin(p, X)[0] == loss


def test_numbers_that_c_does_not_know_have_no_c_source():
    step = compile(simple)
    step({"W": Tensor(X[:3].astype(np.float16))}, X.astype(np.float16))
    assert step.source
    assert step.c_source == ""


def test_a_cc_that_is_no_command_is_no_compiler(monkeypatch):
    monkeypatch.setenv("CC", "'")
    with pytest.raises(NoCompiler, match="no command"):
        compiler()


def test_equations_of_a_loss_with_lengths_are_written():
    class Model(nn.Module):
        def __init__(self):
            self.cell, self.readout = nn.LSTMCell(3, 4, rng=0), nn.Linear(4, 3, rng=1)

    def loss_fn(m, x, y, lengths):
        outputs, _ = nn.unroll(m.cell, x, lengths=lengths)
        return nn.cross_entropy(m.readout(stack(outputs)), y, lengths=lengths)

    step = compile(loss_fn)
    rng = np.random.default_rng(0)
    step(Model(), rng.standard_normal((7, 3, 3)), rng.integers(3, size=(7, 3)), np.array([0, 7, 3]))
    assert r"\begin{align*}" in step.latex


def test_weights_tied_after_a_program_was_made_are_not_served_by_it():
    def f(p, x):
        return ((x @ p["a"]) * (x @ p["b"])).sum()

    x, a = np.arange(6.0).reshape(2, 3), Tensor(np.eye(3))
    step = compile(f)
    step({"a": a, "b": Tensor(2 * np.eye(3))}, x)
    _, grads = step({"a": a, "b": a}, x)
    for g, e in zip(grads.values(), grad(f({"a": a, "b": a}, x), [a, a]), strict=True):
        np.testing.assert_allclose(g, e)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_data_that_are_not_finite_compile_without_a_warning(bad):
    x = np.array([[1.0, bad], [2.0, 3.0]])
    step = compile(lambda p, x: (x * p["w"]).sum())
    with np.errstate(all="ignore"):
        _, grads = step({"w": Tensor(np.ones(2))}, x)
    np.testing.assert_array_equal(grads["w"], x.sum(axis=0))
    assert step.stats["eager"] == 0


def test_what_c_cannot_write_has_no_file_of_arguments(tmp_path):
    step = compile(lambda p, x: (p["w"] * x.astype(np.float16)).sum())
    with pytest.raises(ValueError, match=r"there is no program in C: .*float16"):
        step.save_arguments(tmp_path / "a.bin", {"w": Tensor(np.ones(3))}, np.arange(3.0))
    assert list(tmp_path.iterdir()) == []
