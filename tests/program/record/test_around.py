"""What becomes of a function that reaches past its arguments, or changes what it reaches?"""

import copy
import inspect
import io
import itertools
import random

import numpy as np
import pytest

from tinygrad_rnn import Tensor, compile, grad, nn, stack, tanh
from tinygrad_rnn.program.record.surroundings import Surroundings

TARGETS = pytest.mark.parametrize("target", ["numpy", "c"])
X = np.random.default_rng(0).standard_normal((6, 2, 3))
Y = np.random.default_rng(1).integers(3, size=(6, 2))


class Model(nn.Module):
    def __init__(self):
        self.cell, self.readout = nn.LSTMCell(3, 4, rng=0), nn.Linear(4, 3, rng=1)

    def loss(self, x, y):
        return nn.cross_entropy(self.readout(stack(nn.unroll(self.cell, x)[0])), y)


# -- parameters that the function holds as well

HELD = {
    "list": lambda m: m.parameters(),
    "tuple": lambda m: tuple(m.parameters()),
    "dict": lambda m: m.named_parameters(),
    "module": lambda m: m,
    "nested": lambda m: {"cell": m.cell.parameters(), "readout": [m.readout.W, m.readout.b]},
}


def flat(grads):
    if isinstance(grads, dict):
        grads = list(grads.values())
    if isinstance(grads, (list, tuple)):
        return [g for part in grads for g in flat(part)]
    return [grads]


@TARGETS
@pytest.mark.parametrize("how", HELD)
def test_parameters_that_are_reached_from_outside_are_arguments_of_the_program(how, target):
    m = Model()
    params = HELD[how](m)
    step = compile(lambda p, x, y: m.loss(x, y), target=target)
    for _ in range(3):
        loss, grads = step(params, X, Y)
        exact = m.loss(X, Y)
        np.testing.assert_allclose(loss, exact.data, rtol=1e-13)
        for g, e in zip(flat(grads), grad(exact, m.parameters()), strict=True):
            assert np.abs(e).max() > 0
            np.testing.assert_allclose(g, e, rtol=0, atol=1e-13)
        for p in m.parameters():
            p.data = 0.9 * p.data + 0.01
    assert not step.reason
    assert step.stats == {"calls": 3, "recorded": 1, "structures": 1, "eager": 0}


@TARGETS
def test_some_of_the_parameters_may_be_given_and_the_others_are_constants(target):
    m = Model()
    step = compile(lambda p, x, y: m.loss(x, y), target=target)
    _, grads = step(m.readout, X, Y)
    expected = grad(m.loss(X, Y), m.readout.parameters())
    for g, e in zip(grads.values(), expected, strict=True):
        np.testing.assert_allclose(g, e, rtol=0, atol=1e-13)
    assert not step.reason


@TARGETS
def test_a_tensor_that_is_an_argument_and_held_is_one(target):
    h = Tensor(np.ones((2, 3)))
    step, p = compile(lambda p, x: (tanh(h * p["w"]) * x).sum(), target=target), {"w": Tensor(2.0)}
    for _ in range(2):
        loss, grads = step(p, h)
        exact = (tanh(h * p["w"]) * h).sum()
        np.testing.assert_allclose(loss, exact.data, rtol=1e-14)
        np.testing.assert_allclose(grads["w"], grad(exact, [p["w"]])[0], rtol=1e-13)
        h.data = h.data * 0.5
    assert not step.reason


def test_a_model_that_holds_its_parameters_twice_is_recorded_with_one_leaf_each():
    m = Model()
    step = compile(lambda p, x, y: p.loss(x, y) + m.loss(x, y))
    _, grads = step(m, X, Y)
    for g, e in zip(grads.values(), grad(m.loss(X, Y), m.parameters()), strict=True):
        np.testing.assert_allclose(g, 2 * e, rtol=0, atol=1e-13)
    assert not step.reason


# -- functions that change what they reach


class Counting(nn.Module):
    def __init__(self):
        self.W, self.n, self.seen = Tensor(np.eye(3)), 0, np.zeros((6, 2, 3))
        self.parts = [nn.Linear(3, 3, rng=0)]


def counts(m, x):
    m.n += 1
    return (x @ m.W).sum() * m.n


def adds(m, x):
    m.last = x @ m.W
    return m.last.sum()


def adds_a_leaf(m, x):
    m.shift = Tensor(np.ones(3))
    return (x @ m.W + m.shift).sum()


def adds_what_was_computed(m, x):
    m.U = Tensor(m.W.data * 2)
    return (x @ m.U).sum() + m.W.sum()


def appends(m, x):
    m.parts.append(x @ m.W)
    return m.parts[-1].sum()


def replaces(m, x):
    m.W = m.W * 0.5
    return (x @ m.W).sum()


def replaces_its_part(m, x):
    m.parts[0] = nn.Linear(3, 3, rng=2)
    return m.parts[0](x @ m.W).sum()


def rebinds(m, x):
    m.W.data = m.W.data * 0.5
    return (x @ m.W).sum()


def writes(m, x):
    m.seen[...] = x.data
    return (x @ m.W + m.seen).sum()


def writes_unread(m, x):
    m.seen[...] = x.data
    return (x @ m.W).sum()


def writes_what_was_computed(m, x):
    m.seen[...] = (x @ m.W).data
    return (x @ m.W).sum()


def writes_a_parameter(m, x):
    m.W.data[0] = 0.0
    return (x @ m.W).sum()


def writes_an_argument(m, x):
    x.data[0] = 0.0
    return (x @ m.W).sum()


def remembers(m, x):
    if not hasattr(m, "scale"):
        m.scale = 2.0
    return (x @ m.W).sum() * m.scale


INSIDE = {
    counts: "the function changes params.n, ",
    adds: "the function changes params.last, ",
    adds_a_leaf: "the function adds the Tensor shift, ",
    adds_what_was_computed: "the function adds the Tensor U, ",
    appends: "the function changes params.parts, ",
    replaces: "the function removes the Tensor W, ",
    replaces_its_part: "the function replaces the Tensor parts.0.W, ",
    rebinds: "the function changes params.W, ",
    writes: "the function changes params.seen, ",
    writes_unread: "the function changes params.seen, ",
    writes_what_was_computed: "the function changes params.seen, ",
    writes_a_parameter: "the function changes params.W, ",
    writes_an_argument: "the function changes x, ",
    remembers: "the function changes params.scale, ",
}


@TARGETS
@pytest.mark.parametrize("f", INSIDE, ids=lambda f: f.__name__)
def test_a_function_that_changes_its_arguments_is_refused_and_run_once(f, target):
    ours, theirs = Counting(), Counting()
    exact = [f(theirs, Tensor(X)).item() for _ in range(2)]
    step = compile(f, target=target)
    assert float(step(ours, X)[0]) == exact[0]
    assert step.reason.startswith(f"not compiled: {INSIDE[f]}which a program would not.")
    assert not step.disturbed
    np.testing.assert_allclose(step(ours, X)[0], exact[1], rtol=1e-14)
    assert step.stats["eager"] == (1 if f is remembers else 2)  # what it remembers is there by now
    np.testing.assert_array_equal(ours.seen, theirs.seen)
    np.testing.assert_array_equal(ours.W.data, theirs.W.data)
    assert ours.n == theirs.n


class Teacher(nn.Module):
    def __init__(self):
        self.U, self.n, self.seen = Tensor(np.eye(3)), 0, np.zeros((6, 2, 3))


def a_module_that_counts(p, x, teacher):
    teacher.n += 1
    return (x @ p["W"]).sum() * teacher.n


def a_module_that_remembers(p, x, teacher):
    teacher.seen[...] = x.data
    return (x @ p["W"]).sum()


def a_module_that_learns(p, x, teacher):
    teacher.U.data = teacher.U.data * 0.5
    return (x @ p["W"] @ teacher.U).sum()


ARGUMENTS = {
    a_module_that_counts: "teacher.n",
    a_module_that_remembers: "teacher.seen",
    a_module_that_learns: "teacher.U",
}


@pytest.mark.parametrize("f", ARGUMENTS, ids=lambda f: f.__name__)
def test_a_function_that_changes_a_module_among_the_arguments_is_refused(f):
    p, ours, theirs = {"W": Tensor(np.eye(3))}, Teacher(), Teacher()
    step = compile(f)
    assert float(step(p, X, ours)[0]) == f(p, Tensor(X), theirs).item()
    assert f"the function changes {ARGUMENTS[f]}, which a program would not" in step.reason
    assert (ours.n, ours.U.data[0, 0]) == (theirs.n, theirs.U.data[0, 0])


def test_a_list_among_the_arguments_that_grows_is_refused_and_grows():
    def f(p, x, losses):
        losses.append("loss")
        return (x @ p["W"]).sum()

    step, p, losses = compile(f), {"W": Tensor(np.eye(3))}, list[str]()
    step(p, X, losses)
    assert "the function changes losses, " in step.reason
    assert losses == ["loss"]


def test_a_dict_of_parameters_that_grows_or_shrinks_is_refused():
    def grows(p, x):
        p["h"] = x @ p["W"]
        return p["h"].sum()

    def shrinks(p, x):
        return (x @ p["W"]).sum() * p.pop("b")

    W, b = Tensor(np.eye(3)), Tensor(2.0)
    step = compile(grows)
    step({"W": W, "b": b}, X)
    assert "the function adds the Tensor h, " in step.reason
    step = compile(shrinks)
    step({"W": W, "b": b}, X)
    assert "the function removes the Tensor b, " in step.reason


def outside():
    """Functions that change what is around them, and what that is called."""
    losses, stats, seen, box = [], {}, np.zeros(3), [0]
    other, n = nn.Linear(3, 3, rng=0), 0

    def appending(y):
        losses.append(1.0)
        return y

    def naming(y):
        stats["n"] = len(stats)
        return y

    def writing(y):
        seen[1] += 1.0
        return y

    def rebinding(y):
        nonlocal n
        n += 1
        return y

    def learning(y):
        other.b.data = other.b.data + 1.0
        return y

    def calling(y):
        calling.calls = getattr(calling, "calls", 0) + 1
        return y

    def hiding(y, memory=box):
        memory[0] += 1
        return y

    return {
        appending: "losses", naming: "stats['n']", writing: "seen", rebinding: "n",
        learning: "other.b", calling: "f.calls", hiding: "box[0]",
    }  # fmt: skip


@pytest.mark.parametrize("k", range(len(outside())))
def test_a_function_that_changes_what_is_around_it_is_refused_by_its_name(k):
    f, name = list(outside().items())[k]
    step = compile(lambda p, x: f((x @ p["W"]).sum()))
    step({"W": Tensor(np.eye(3))}, X)
    found = step.reason.removeprefix("not compiled: it changes ").partition(", or what that holds")[
        0
    ]
    assert found in (name, "f's default 0[0]")
    assert step.disturbed
    assert step.stats["eager"] == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: iter(range(1, 9)),
        lambda: itertools.count(1),
        lambda: itertools.cycle((1, 2)),
        lambda: (k for k in range(1, 9)),
        lambda: io.StringIO("1\n2\n3\n4"),
    ],
)
def test_an_iterator_that_can_be_reached_loses_nothing(make):
    numbers, others = make(), make()
    step = compile(lambda p, x: (x @ p["W"]).sum() * float(next(numbers)))
    for _ in range(3):
        loss = step({"W": Tensor(np.eye(3))}, X)[0]
        assert loss == X.sum() * float(next(others))
    assert step.reason.startswith("not compiled: it can reach numbers, an iterator or an open file")
    assert not step.disturbed


def test_what_a_function_draws_is_drawn_once_in_a_call():
    rng = np.random.default_rng(0)
    held = {"rng": rng, "python": random.Random(0)}

    def f(p, x):
        noise = held["rng"].standard_normal(3) * held["python"].random()
        return ((x + noise) @ p["W"]).sum()

    twin = copy.deepcopy(held)
    step, p = compile(f), {"W": Tensor(np.eye(3))}
    found = [float(step(p, X)[0]) for _ in range(3)]
    held = twin
    assert found == [f(p, Tensor(X)).item() for _ in range(3)]
    assert "the function draws from held['rng'], " in step.reason


def test_numpys_and_pythons_own_generators_are_where_they_were():
    p = {"W": Tensor(np.eye(3))}
    for draw, name in ((np.random.rand, "numpy.random"), (random.random, "random")):
        around = Surroundings()
        once = draw()
        around.set_back()
        step = compile(lambda p, x, draw=draw: (x @ p["W"]).sum() * draw())
        np.testing.assert_allclose(step(p, X)[0], X.sum() * once)
        assert f"the function draws from {name}, " in step.reason


# -- what a refusal says


def branches(p, x):
    y = (x @ p["W"]).sum()
    if y > 0:
        return y
    return -y


def takes_a_number(p, x):
    y = (x @ p["W"]).sum()
    return y * float(y)


def takes_an_item(p, x):
    y = (x @ p["W"]).sum()
    return y * y.item()


def takes_an_array(p, x):
    y = x @ p["W"]
    return (y * y.data.max()).sum()


def is_made_sure_of(p, x):
    assert x.data.sum() == X.sum()
    return (x @ p["W"]).sum()


LINES = {
    branches: "if y > 0:",
    takes_a_number: "return y * float(y)",
    takes_an_item: "return y * y.item()",
    takes_an_array: "return (y * y.data.max()).sum()",
    is_made_sure_of: "assert x.data.sum() == X.sum()",
}


@pytest.mark.filterwarnings("ignore:float.*leaves the record")
@pytest.mark.parametrize("f", LINES, ids=lambda f: f.__name__)
def test_a_refusal_says_the_line_that_asked_for_a_value(f):
    step, p = compile(f), {"W": Tensor(np.eye(3))}
    np.testing.assert_allclose(step(p, X)[0], f(p, Tensor(X)).data)
    lines, first = inspect.getsourcelines(f)
    number = first + [line.strip() for line in lines].index(LINES[f])
    assert f" (test_around.py, line {number}: `{LINES[f]}`)" in step.reason
    assert step.reason.count("test_around.py") == 1


def test_an_error_of_the_function_is_its_own():
    class Mine(Exception):
        pass

    def f(p, x):
        raise Mine("no")

    def g(p, x):
        return (x @ p["V"]).sum()

    with pytest.raises(Mine, match="no"):
        compile(f)({"W": Tensor(1.0)}, X)
    with pytest.raises(KeyError):
        compile(g)({"W": Tensor(1.0)}, X)
    with pytest.raises(IndexError, match="index 9 is out of bounds"):
        compile(lambda p, x: p["W"][9])({"W": Tensor(np.ones(3))}, X)


@TARGETS
def test_an_index_outside_raises_the_functions_own_error_and_the_next_call_runs(target):
    def f(p, k):
        return (p["w"][k] ** 2).sum()

    step, p = compile(f, target=target), {"w": Tensor(np.arange(5.0))}
    assert step(p, np.array([0, 2]))[0] == 4
    with pytest.raises(IndexError) as ours:
        step(p, np.array([0, 7]))
    with pytest.raises(IndexError) as theirs:
        f(p, Tensor(np.array([0, 7])))
    assert str(ours.value) == str(theirs.value)
    assert step(p, np.array([0, 3]))[0] == 9
    assert step.stats["eager"] == 1
    assert step.stats["recorded"] == 1


# -- a model that becomes another


@TARGETS
def test_a_part_that_is_replaced_is_used_from_then_on(target):
    m, step = Model(), compile(lambda m, x, y: m.loss(x, y), target=target)
    step(m, X, Y)
    m.readout = nn.Linear(4, 3, rng=7)
    loss, grads = step(m, X, Y)
    exact = m.loss(X, Y)
    np.testing.assert_allclose(loss, exact.data, rtol=1e-13)
    for g, e in zip(grads.values(), grad(exact, m.parameters()), strict=True):
        np.testing.assert_allclose(g, e, rtol=0, atol=1e-13)
    m.cell = nn.GRUCell(3, 4, rng=0)  # of other parameters
    np.testing.assert_allclose(step(m, X, Y)[0], m.loss(X, Y).data, rtol=1e-13)
    assert not step.reason
