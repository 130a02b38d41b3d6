"""Do programs write a primitive of the user's own as they are told?"""

import numpy as np
import pytest
from agreeing import agrees

from tinygrad_rnn import (
    Primitive,
    Tensor,
    compile,
    named,
    register_lowering,
    scope,
    sqrt,
    tanh,
    where,
)
from tinygrad_rnn.engine.kinds import FUNCTION, SUM
from tinygrad_rnn.engine.rules import RULES

X = np.random.default_rng(0).uniform(-1, 1, (4, 3))


def softsign():
    return Primitive("mysoftsign", lambda x, /: x / (1 + np.abs(x)), kind=FUNCTION)


@pytest.fixture
def mine(monkeypatch):
    """Three primitives with rules: by an expression, by a ufunc, of two inputs."""
    ops = {
        "softsign": softsign(),
        "arsinh": Primitive("myarsinh", np.arcsinh, 1, FUNCTION),
        "hypot": Primitive("myhypot", np.hypot, 2, FUNCTION),
    }
    ours, theirs, hypot = ops.values()
    monkeypatch.setitem(RULES, ours, (lambda g, y, x: g * (1 - abs(y)) ** 2,))
    monkeypatch.setitem(RULES, theirs, (lambda g, y, x: g / sqrt(x * x + 1),))
    monkeypatch.setitem(RULES, hypot, (lambda g, y, a, b: g * a / y, lambda g, y, a, b: g * b / y))
    register_lowering(ours, numpy="x / (1 + np.abs(x))", c="x / (1 + fabs(x))", latex=r"\varsigma")
    register_lowering(theirs, numpy="np.arcsinh(x)", c="asinh(x)")
    register_lowering(hypot, numpy="np.hypot(x, y)", c="hypot(x, y)")
    return ops


def in_time(ops):
    """A loss of them at each step of a recurrence."""

    def loss(p, xs):
        h, total = Tensor(np.zeros(xs.shape[1:], xs.dtype)), 0.0
        for t in range(len(xs)):
            with scope("cell", t=t):
                h = named(h=ops["softsign"](xs[t] @ p["U"] + h * 0.5))
                total = total + (ops["arsinh"](h) * ops["hypot"](h + 2, p["U"][0])).sum()
        return total

    return loss


@pytest.mark.parametrize("target", ["numpy", "c"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_a_program_computes_what_the_primitive_does(mine, target, dtype, tolerance):
    loss = in_time(mine)
    p, xs = {"U": Tensor(X[:3].astype(dtype))}, np.stack([X, -X, X, X * 2, X]).astype(dtype)
    step = agrees(compile(loss, target=target), loss, p, xs, tolerance=tolerance)
    assert " for t in " in step.source
    assert "np.arcsinh(" in step.source
    assert step.c_source.count("asinh(x)") == 1


def test_texts_for_reading_have_its_name_and_run(mine):
    step = compile(in_time(mine))
    p, xs = {"U": Tensor(X[:3])}, np.stack([X, -X, X])
    loss, grads = step(p, xs)
    assert r"\varsigma(" in step.latex
    assert r"\mathrm{myarsinh}(" in step.latex
    space = {}
    exec(str(step.plain), space)
    found = space["step"](p["U"].data, xs)
    np.testing.assert_allclose(found[0], loss)
    np.testing.assert_allclose(found[1], grads["U"])


def test_without_a_lowering_the_sentence_says_how_to_give_it_one(monkeypatch):
    op = Primitive("unwritten", np.cbrt, 1, FUNCTION)
    monkeypatch.setitem(RULES, op, (lambda g, y, x: g / (3 * y * y),))
    step = compile(lambda x: op(x).sum())
    step(Tensor(X))
    assert "register_lowering(unwritten, numpy=" in step.explain()
    register_lowering(op, numpy="np.cbrt(x)")
    step = compile(lambda x: op(x).sum(), target="c")
    with pytest.warns(UserWarning, match=r"unwritten has no form in C: register_lowering\(…, c=…"):
        step(Tensor(X))
    assert not step.reason


def test_a_primitive_named_like_ours_is_not_taken_for_it(monkeypatch):
    op = Primitive("tanh", lambda x, /: x + 1)
    monkeypatch.setitem(RULES, op, (lambda g, y, x: g,))
    step = compile(lambda x: (op(x) * tanh(x)).sum())
    loss, _ = step(Tensor([1.0, 2.0]))
    np.testing.assert_allclose(loss, 2 * np.tanh(1) + 3 * np.tanh(2))
    assert "no form for your primitive tanh" in step.explain()


def test_made_again_it_is_the_same_and_another_form_needs_another_name(mine):
    again = softsign()
    register_lowering(again, numpy="x / (1 + np.abs(x))", c="x / (1 + fabs(x))", latex=r"\varsigma")
    step = compile(lambda x: (again(where(x > 0, x, 0)) * 0 + x).sum())
    step(Tensor(X))
    assert "mysoftsign" not in (step.reason or "")
    with pytest.raises(ValueError, match=r"another primitive is called mysoftsign.*own"):
        register_lowering(again, numpy="x / (np.abs(x) + 1)")


@pytest.mark.parametrize(
    ("op", "numpy", "message"),
    [
        (Primitive("tanh", np.tanh, 1), "np.tanh(x)", "another primitive is called tanh"),
        (Primitive("wrong", np.sinh, 1), "np.cosh(x)", r"gives .* and wrong gives"),
        (Primitive("wrong", np.sinh, 1), "np.sinh(y)", r"cannot be computed.*'y'.*in x"),
        (Primitive("wrong", np.sinh, 1), "np.sinh(", r"cannot be computed"),
        (Primitive("my sinh", np.sinh, 1), "np.sinh(x)", r"cannot be the name of a function"),
    ],
)
def test_a_form_that_cannot_be_is_refused(op, numpy, message):
    with pytest.raises(ValueError, match=message):
        register_lowering(op, numpy=numpy)


@pytest.mark.parametrize(
    "op",
    [
        Primitive("wrong", lambda x, /, k=1: x * k),
        Primitive("wrong", lambda *xs: xs[0]),
        Primitive("wrong", lambda x, /: np.sum(x), kind=SUM),
    ],
)
def test_what_is_not_elementwise_needs_none(op):
    with pytest.raises(TypeError, match=r"element by element.*function made of primitives"):
        register_lowering(op, numpy="x")
