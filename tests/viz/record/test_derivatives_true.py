"""Is the derivative that a picture writes the one that the engine computes?

Every formula is parsed and evaluated, for every primitive and each of its samples, and compared
with the gradient. Formulas by hand have their words: where, repeated, put back.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from written import evaluated

import tinygrad_rnn as tr
from tinygrad_rnn import Tensor, grad
from tinygrad_rnn.engine.primitives import Input
from tinygrad_rnn.engine.rules import RULES
from viz.record import formulas as writer
from viz.record.formulas import SILENT, derivative, formulas


def samples():
    path = Path(__file__).parents[2] / "engine" / "test_every_primitive.py"
    spec = importlib.util.spec_from_file_location("every_primitive", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SAMPLES


SAMPLES = [
    pytest.param(op, sample, id=f"{op.name}-{k}")
    for op, of_op in samples().items()
    if op in RULES and op.name not in SILENT
    for k, sample in enumerate(of_op)
]


def recorded(op, sample):
    inputs = [
        Tensor(x) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for x in sample.inputs
    ]
    return op(*inputs, **sample.options)


def said(text, values, node, x):
    """The value of a formula with words."""
    text, _, _ = text.partition(", half on ties" if "half" in text else ", shared on ties")
    head, _, word = text.partition(", ")
    if word in ("repeated", "reshaped", "put back", "summed from the end"):
        g = evaluated(head, values)
        if word == "summed from the end":
            axis = node.options["axis"]
            return np.flip(np.cumsum(np.flip(g, axis), axis), axis)
        if word == "reshaped":
            return np.reshape(g, x.shape)
        if word == "repeated":
            axis = node.options.get("axis")
            if axis is not None and not node.options.get("keepdims"):
                g = np.expand_dims(g, axis)
            return np.broadcast_to(g, x.shape)
        back = np.zeros(x.shape)
        index = tuple(
            np.asarray(node.inputs[p]) if type(p) is Input else p for p in node.options["index"]
        )
        np.add.at(back, index, g)
        return back
    if " where " not in text:
        return evaluated(text, values)
    head, _, rest = text.partition(" where ")
    condition, _, other = rest.partition(", else ")
    left, sign, right = condition.partition(" = " if " = " in condition else " > ")
    a = evaluated(left, values)
    true = a if not sign else a == evaluated(right, values) if "=" in sign else a > 0
    return np.where(true, evaluated(head, values), evaluated(other or "0", values))


@pytest.mark.parametrize(("op", "sample"), SAMPLES)
def test_every_derivative_is_that_of_the_engine(op, sample):
    y = recorded(op, sample)
    if type(y) is not Tensor or y.dtype.kind != "f":
        pytest.skip("nothing to differentiate")
    names = list("abcdefhk"[: len(y.inputs)]) if len(y.inputs) <= 8 else None
    if names is None:
        pytest.skip("more inputs than letters")
    rng = np.random.default_rng(0)
    g = np.asarray(rng.uniform(0.5, 1.5, y.shape))
    values = {"g": g, "y": y.data, "π": np.pi}
    for name, x in zip(names, y.inputs, strict=True):
        values[name] = np.asarray(x.data if type(x) is Tensor else x)
    for k, x in enumerate(y.inputs):
        if type(x) is not Tensor or sum(other is x for other in y.inputs) > 1:
            continue
        text = derivative(y, k, names, "g", "y")
        wanted = grad(y, x, g, unused="zero")
        if not text:
            assert not np.any(wanted)
            continue
        if any(sign in text for sign in ("…", "·", "scaled", "conv", "∗")):
            continue  # not all of it is written
        hand = op.name in writer.BY_HAND
        ties = "tie" in text and (np.unique(x.data).size < x.size or len(y.inputs) > 1)
        one_row = op.name in ("softmax", "log_softmax", "logsumexp", "max", "min")
        if hand and (ties or (one_row and not (x.ndim == 1 or y.ndim == 0))):
            continue
        found = np.broadcast_to(said(text, values, y, x), x.shape)
        tolerance = 1e-3 if y.dtype == np.float32 else 1e-9
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance, err_msg=text)


def test_every_primitive_with_a_rule_has_formulas():
    shown = {op.name for op, *_ in (p.values for p in SAMPLES)}
    assert {op.name for op in RULES} - {*SILENT} <= shown
    for name in shown:
        op, sample = next(p.values for p in SAMPLES if p.values[0].name == name)
        y = recorded(op, sample)
        assert len(formulas(y)) == 1 + sum(type(x) is Tensor for x in y.inputs), name


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda a, b: a * b, ("y = a × b", "∂a = g × b", "∂b = g × a")),
        (lambda a, b: a - b, ("y = a − b", "∂a = g", "∂b = −g")),
        (lambda a, b: a @ b, ("y = a @ b", "∂a = g @ bᵀ", "∂b = aᵀ @ g")),
        (lambda a, b: tr.tanh(a), ("y = tanh(x)", "∂x = g (1 − y²)")),
        (lambda a, b: tr.exp(a), ("y = exp(x)", "∂x = g × y")),
        (lambda a, b: a + b[0], ("y = a + b", "∂a = g", "∂b = Σ(g, axis 0)")),
    ],
)
def test_formulas_are_written_as_on_paper(make, wanted):
    a, b = Tensor(np.full((3, 3), 0.5)), Tensor(np.full((3, 3), 0.5))
    assert formulas(make(a, b)) == wanted


def test_another_rule_in_the_engine_is_another_formula(monkeypatch):
    monkeypatch.setitem(RULES, tr.multiply, RULES[tr.multiply][::-1])
    y = Tensor(np.ones(3)) * Tensor(np.ones(3))
    assert formulas(y) == ("y = a × b", "∂a = g × a", "∂b = g × b")


def test_nothing_goes_back_to_the_places_of_an_index():
    y = Tensor(np.ones((2, 3)))[np.arange(2), np.array([0, 2])]
    assert [bool(derivative(y, k, "abc", "g", "y")) for k in range(3)] == [True, False, False]
