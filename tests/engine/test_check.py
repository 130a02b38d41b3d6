"""Does the gradient check find what is wrong, and only that?"""

import re

import numpy as np
import pytest

from tinygrad_rnn import (
    Tensor,
    check_grads,
    exp,
    log,
    matmul,
    nn,
    sigmoid,
    sin,
    sqrt,
    stop_gradient,
    tanh,
    where,
)
from tinygrad_rnn import sum as sum_
from tinygrad_rnn.engine import primitives as p
from tinygrad_rnn.engine.rules import RULES, FanIn

rng = np.random.default_rng(17)
X = rng.uniform(0.5, 1.5, (2, 3))
W = rng.uniform(0.5, 1.5, (3, 2))

FUNCTIONS = {
    p.add: lambda x: x + x,
    p.subtract: lambda x: 3.0 - x,
    p.multiply: lambda x: x * x,
    p.divide: lambda x: 1.0 / x,
    p.power: lambda x: x**3,
    p.negative: lambda x: -x,
    p.exp: p.exp,
    p.log: p.log,
    p.sqrt: p.sqrt,
    p.sin: p.sin,
    p.tanh: p.tanh,
    p.sigmoid: p.sigmoid,
    p.softplus: p.softplus,
    p.matmul: lambda x: x @ W,
    p.sum: lambda x: sum_(x, axis=0),
    p.max: lambda x: p.max(x, axis=0),
    p.logsumexp: lambda x: p.logsumexp(x, axis=1),
    p.softmax: p.softmax,
    p.log_softmax: p.log_softmax,
    p.reshape: lambda x: p.reshape(x, shape=(3, 2)),
    p.transpose: p.transpose,
    p.broadcast_to: lambda x: p.broadcast_to(x, shape=(2, 2, 3)),
    p.where: lambda x: p.where(X > 1, x, 2 * x),
}
every_function = pytest.mark.parametrize(
    ("op", "f"), FUNCTIONS.items(), ids=[op.name for op in FUNCTIONS]
)


def after(rule, wrong):
    """The rule with its result changed by `wrong`."""
    if rule is None:
        return None
    if type(rule) is FanIn:
        return FanIn(after(rule.rule, wrong), after(rule.alone, wrong))
    return lambda *args, **options: wrong(rule(*args, **options))


def spoil(monkeypatch, op, wrong, only=None):
    """Replace each rule of `op` (or that of one input) by what `wrong` makes of its result."""
    rules = [after(r, wrong) if only in (None, k) else r for k, r in enumerate(RULES[op])]
    monkeypatch.setitem(RULES, op, tuple(rules))


def only_second_order(g):
    """The right value, differentiated wrongly by 0.05 %."""
    return g + 0.0005 * (g - stop_gradient(g))


def forget_history(g):
    """The right value, but what is a Tensor becomes a constant."""
    return Tensor(g.data) if isinstance(g, Tensor) else g


@every_function
def test_right_rules_pass(op, f):
    check_grads(f, X, order=2, entrywise=True)


@pytest.mark.parametrize("entrywise", [False, True])
@pytest.mark.parametrize("factor", [1.0005, 0.9995])
@every_function
def test_a_rule_wrong_by_a_twentieth_of_a_percent_is_found(op, f, factor, entrywise, monkeypatch):
    spoil(monkeypatch, op, lambda g: g * factor)
    with pytest.raises(AssertionError, match="derivative of order 1"):
        check_grads(f, X, order=1, entrywise=entrywise)


@pytest.mark.parametrize("wrong", [only_second_order, forget_history])
@pytest.mark.parametrize(
    "op", [p.multiply, p.exp, p.tanh, p.sigmoid, p.softmax, p.divide], ids=lambda op: op.name
)
def test_a_rule_that_is_right_in_value_but_differentiates_wrongly_is_found(op, wrong, monkeypatch):
    spoil(monkeypatch, op, wrong)
    check_grads(FUNCTIONS[op], X, order=1)
    with pytest.raises(AssertionError, match="derivative of order 2"):
        check_grads(FUNCTIONS[op], X, order=2)


def test_a_rule_wrong_for_one_of_its_inputs_is_found(monkeypatch):
    spoil(monkeypatch, matmul, lambda g: g * 1.0005, only=1)
    check_grads(lambda x: x @ W, X, order=1)
    for right in (W, W[:, 0]):
        with pytest.raises(AssertionError, match="order 1"):
            check_grads(lambda x, w: x @ w, X, right, order=1)


def test_a_rule_that_is_wrong_only_for_many_uses_of_one_source_is_found(monkeypatch):
    for op, f in ((p.getitem, lambda x: x[0] * x[1]), (matmul, lambda w: X @ w + 2 * X @ w)):
        rules = [
            rule
            if type(rule) is not FanIn
            else FanIn(lambda uses, x, _r=rule.rule: _r(uses[:1] * len(uses), x), rule.alone)
            for rule in RULES[op]
        ]
        with monkeypatch.context() as patch:
            patch.setitem(RULES, op, tuple(rules))
            with pytest.raises(AssertionError, match="order 1"):
                check_grads(f, X if op is p.getitem else W, order=1)


def test_a_slope_of_the_wrong_sign_a_missing_term_and_a_nan_are_found(monkeypatch):
    for wrong in (lambda g: -g, lambda g: g * 0.0, lambda g: g * np.nan):
        with monkeypatch.context() as patch:
            spoil(patch, exp, wrong)
            with pytest.raises(AssertionError):
                check_grads(exp, X, order=1)


@pytest.mark.parametrize("place", [(0, 0), (1, 2), (0, 1)])
def test_entrywise_names_the_argument_and_the_entry(place, monkeypatch):
    mask = np.ones(X.shape)
    mask[place] = 1.0005
    spoil(monkeypatch, tanh, lambda g: g * mask)
    message = f"argument 1, entry {re.escape(str(place))}"
    with pytest.raises(AssertionError, match=message):
        check_grads(lambda w, x: tanh(x) @ w, W, X, order=1, entrywise=True)


def test_the_message_gives_both_numbers(monkeypatch):
    spoil(monkeypatch, exp, lambda g: g * 2.0)
    with pytest.raises(AssertionError) as error:
        check_grads(lambda x: exp(x).sum(), np.zeros(1), order=1, entrywise=True)
    numbers = re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", str(error.value).partition("entry (0,)")[2])
    numeric, rules = map(float, numbers[:2])
    assert np.isclose(rules, 2 * numeric, rtol=1e-5)


def test_a_dropped_history_in_the_function_itself_is_found():
    with pytest.raises(AssertionError):
        check_grads(lambda x: x * stop_gradient(x), X, order=1)


def test_what_is_no_float_is_passed_on_unchanged():
    seen = []

    def f(x, k, mask):
        seen.append((type(k), mask.dtype))
        return p.where(mask, x, x * k)

    check_grads(f, X, 3, X > 1, order=2)
    assert set(seen) == {(int, np.dtype(bool))}


def test_there_must_be_something_to_move():
    with pytest.raises(TypeError, match="float Tensor or array"):
        check_grads(lambda k: k, 3)


def test_a_gradient_of_nan_is_found_where_the_function_does_not_move():
    def hidden(x):
        return where(x > 0, sqrt(x), 0.0)

    with np.errstate(invalid="ignore"), pytest.raises(AssertionError, match="the rules nan"):
        check_grads(hidden, np.array([-1.0]), order=1)


@pytest.mark.parametrize("y", [3.0, None, [Tensor(1.0)], np.ones(1)], ids=type)
def test_the_function_must_give_a_tensor(y):
    with pytest.raises(TypeError, match=r"check_grads: expected f to give one Tensor"):
        check_grads(lambda x: y, np.ones(1))


def test_tensors_and_arrays_are_both_moved():
    check_grads(lambda a, b: sigmoid(a) * b, Tensor(X), X[:, :1])
    with pytest.raises(AssertionError):
        check_grads(lambda a, b: stop_gradient(a) * b, Tensor(X), X[:, :1], order=1)
    with pytest.raises(AssertionError):
        check_grads(lambda a, b: stop_gradient(a) * b, X[:, :1], Tensor(X), order=1)


def test_the_arguments_are_left_as_they_were():
    x, t = X.copy(), Tensor(X)
    serial = t.serial
    check_grads(lambda a, b: a * b, x, t, order=2, entrywise=True)
    assert np.array_equal(x, X)
    assert (t.serial, t.grad) == (serial, None)


def test_the_same_seed_checks_along_the_same_direction(monkeypatch):
    spoil(monkeypatch, exp, lambda g: g * 1.0005)
    messages = []
    for seed in (0, 0, 1):
        with pytest.raises(AssertionError) as error:
            check_grads(exp, X, order=1, rng=seed)
        messages.append(str(error.value))
    assert messages[0] == messages[1] != messages[2]


SIZES = 10.0 ** np.arange(-12, 13, 3)
SCALED = {
    p.multiply: lambda x: x * x,
    p.divide: lambda x: 1.0 / x,
    p.power: lambda x: x**3,
    p.log: p.log,
    p.sqrt: p.sqrt,
    matmul: lambda x: x @ W,
}
every_scaled = pytest.mark.parametrize(("op", "f"), SCALED.items(), ids=[op.name for op in SCALED])


@every_scaled
@pytest.mark.parametrize("size", SIZES)
def test_right_rules_pass_whatever_the_size_of_numbers_and_gradients(op, f, size):
    check_grads(f, X * size, order=2, entrywise=True)
    check_grads(lambda x: f(x) * size, X, order=2)
    check_grads(lambda x: f(x * size) / size, X / size, order=2)


@every_scaled
@pytest.mark.parametrize("factor", [1.0005, 0.9995, 0.5])
@pytest.mark.parametrize("size", SIZES)
def test_wrong_rules_are_found_whatever_the_size(op, f, size, factor, monkeypatch):
    spoil(monkeypatch, op, lambda g: g * factor)
    for scaled in (f, lambda x: f(x) * size, lambda x: f(x / size)):
        with pytest.raises(AssertionError, match="derivative of order 1"):
            check_grads(scaled, X * size, order=1)


@pytest.mark.parametrize("size", [1e-6, 1e-3, 1.0])
def test_a_small_gradient_beside_a_large_result_is_judged(size, monkeypatch):
    check_grads(lambda x: tanh(x) * size + 1.0, X)
    spoil(monkeypatch, tanh, lambda g: g * 1.0005)
    with pytest.raises(AssertionError):
        check_grads(lambda x: tanh(x) * size + 1.0, X)


def test_a_large_number_on_the_way_is_no_wrong_rule():
    check_grads(lambda x: (tanh(x) + 1e8) - 1e8, X, order=1)


def test_what_rounding_hides_is_said():
    with pytest.warns(UserWarning, match="rounding hides differences up to .* of the gradient"):
        check_grads(lambda x: tanh(x) * 1e-13 + 1.0, X, order=1)


def test_a_gradient_of_zero_is_right_if_nothing_moves():
    found = check_grads(lambda x, w: (p.softmax(x).sum() + w).sum(), X, W)
    assert set(found) == {"argument 0", "argument 1"}


class Cut(nn.Module):
    """A cell whose state is a constant to the gradient."""

    def __init__(self, dtype=np.float64):
        self.W, self.U = Tensor(W[:2] * 0.1, dtype), Tensor(W[1:] * 0.1, dtype)
        self.frozen = np.ones(2)
        self.cut = True

    def loss(self, xs):
        h = Tensor(np.zeros((1, 2)))
        for x in xs:
            h = tanh(x @ self.W + (stop_gradient(h) if self.cut else h) @ self.U)
        return (h * h).sum()


def test_a_module_is_checked_by_its_parameters_and_left_as_it_was():
    cell, xs = Cut(), rng.standard_normal((4, 1, 2))
    cell.cut = False
    before = cell.W.data
    found = check_grads(lambda m, xs: m.loss(xs), cell, xs)
    assert list(found) == ["argument 0, W", "argument 0, U", "argument 1"]
    assert max(found.values()) < 1e-6
    assert cell.W.data is before
    cell.cut = True
    with pytest.raises(AssertionError, match="order 1, argument 0, W, along"):
        check_grads(lambda m: m.loss(xs), cell)


def test_a_module_in_float32_is_checked_in_float64():
    cell = Cut(np.float32)
    cell.cut = False
    assert max(check_grads(lambda m: m.loss(X[:, None, :2]), cell).values()) < 1e-6


def test_structures_are_opened():
    given = {"a": [Tensor(X), 2.5], "b": (X, "text", None)}
    found = check_grads(lambda g: g["a"][0] * g["a"][1] * g["b"][0], given)
    assert list(found) == ["argument 0['a'][0]", "argument 0['b'][0]"]
    with pytest.raises(AssertionError, match=re.escape("argument 0['b'][0]")):
        check_grads(lambda g: g["a"][0] * stop_gradient(g["b"][0]), given)


def test_what_f_does_not_depend_on_is_refused():
    cell = Cut()
    cell.cut = False
    with pytest.raises(ValueError, match="does not depend on argument 0: nothing would be checked"):
        check_grads(lambda *ps: cell.loss(X[:, None, :2]), cell.W, cell.U)
    with pytest.raises(ValueError, match="does not depend on argument 0, U"):
        check_grads(lambda m: (m.W * m.W).sum(), cell)
    with pytest.raises(AssertionError, match="argument 0"):  # it does, but not in the record
        check_grads(lambda x: Tensor(x.data) * Tensor(1.0), X)
    check_grads(lambda x, w: (x * 2.0).sum() + (w * w).sum(), X, W)  # linear: no second one


FAR = [10.0**k for k in range(4, 13)]


@pytest.mark.parametrize("far", FAR)
@pytest.mark.parametrize("f", [lambda x, far: sin(x), lambda x, far: tanh(x - far)])
def test_numbers_that_are_large_beside_the_way_on_which_f_changes(f, far):
    x = np.array([far, far + 1])
    assert check_grads(lambda x: f(x, far), x, order=1)["argument 0"] < 1e-6
    with pytest.raises(AssertionError, match="derivative of order 1"):
        check_grads(lambda x: f(x, far) + 5e-4 * (f(x, far) - stop_gradient(f(x, far))), x, order=1)


def test_numbers_of_several_sizes_near_the_end_of_a_domain():
    check_grads(log, np.array([1e-8, 1.0]), order=1)


@pytest.mark.parametrize("order", [0, -1, 1.5, True, None])
def test_an_order_that_checks_nothing_is_refused(order):
    with pytest.raises(ValueError, match="order counts derivatives from 1"):
        check_grads(tanh, 0.3, order=order)


@pytest.mark.parametrize("rtol", [np.nan, np.inf, 0, -1, "1e-6", None])
def test_a_tolerance_that_judges_nothing_is_refused(rtol):
    with pytest.raises(ValueError, match="rtol must lie between 0 and 1"):
        check_grads(tanh, 0.3, rtol=rtol)


def test_an_array_without_entries_is_no_check():
    with pytest.raises(TypeError, match="nothing can be moved"):
        check_grads(tanh, np.zeros((0, 3)))
