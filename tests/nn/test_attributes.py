"""Is a Tensor found wherever a module can hold one, or refused, and never passed over?"""

import collections
import copy
import functools
import pickle
import types
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

from tinygrad_rnn import Tensor, grad, nn, tanh, train


def tensor(*shape, value=1.0):
    return Tensor(np.full(shape, value))


class Plain:
    """A cell that inherits from nothing."""

    def __init__(self):
        self.W, self.U = tensor(3, 4), tensor(4, 4)

    def __call__(self, x, h):
        return tanh(x @ self.W + h @ self.U)


class OfTheClass:
    """The cell of the README: its Tensors are in the class."""

    W, U = tensor(3, 4), tensor(4, 4)

    def __call__(self, x, h):
        return tanh(x @ self.W + h @ self.U)


class Inherited(OfTheClass):
    b = tensor(4)


class Nested(OfTheClass):
    W, U = None, None
    cells = [OfTheClass()]  # noqa: RUF012


class Slotted:
    __slots__ = ("U", "W", "empty")

    def __init__(self):
        self.W, self.U = tensor(3, 4), tensor(4, 4)

    def __call__(self, x, h):
        return tanh(x @ self.W + h @ self.U)


class SlottedModule(nn.Module):
    __slots__ = ("W",)

    def __init__(self):
        self.W, self.b = tensor(3, 4), tensor(4)


class ModuleWithConstants(nn.Module):
    W: Any = tensor(3, 4)
    names = ("a", "b")


@dataclass
class Weights:
    W: Any
    size: int = 4


@dataclass(frozen=True)
class Frozen:
    W: Any
    scale: Any


class Two(NamedTuple):
    W: Any
    b: Any


class Callable_:
    def __init__(self, f):
        self.f = f

    def __call__(self, x):
        return self.f(x)

    def product(self, x):
        return x @ self.f


def product(W, x, b=0.0):
    return x @ W + b


def holding(thing):
    model = nn.Module()
    model.thing = thing
    return model


FOUND = {
    "a cell of any class": (Plain, ["W", "U"]),
    "class attributes": (OfTheClass, ["W", "U"]),
    "class attributes of a base": (Inherited, ["W", "U", "b"]),
    "a cell in a class attribute": (Nested, ["cells.0.W", "cells.0.U"]),
    "slots": (Slotted, ["U", "W"]),
    "slots of a module": (SlottedModule, ["W", "b"]),
    "class attributes of a module": (ModuleWithConstants, ["W"]),
    "a dataclass": (lambda: Weights(tensor(2)), ["W"]),
    "a frozen dataclass": (lambda: Frozen(tensor(2), tensor(1)), ["W", "scale"]),
    "a namedtuple": (lambda: Two(tensor(2), tensor(1)), ["0", "1"]),
    "a deque": (lambda: collections.deque([tensor(2), Plain()]), ["0", "1.W", "1.U"]),
    "a namespace": (lambda: types.SimpleNamespace(a=tensor(2), b=[tensor(1)]), ["a", "b.0"]),
    "a dict of the library": (lambda: collections.UserDict(a=tensor(2)), ["data.a"]),
    "partial": (
        lambda: functools.partial(product, tensor(3, 4), b=tensor(4)),
        ["args.0", "keywords.b"],
    ),
    "a bound method": (lambda: Callable_(tensor(3, 4)).product, ["__self__.f"]),
    "a cell in a cell": (lambda: Callable_([Plain()]), ["f.0.W", "f.0.U"]),
}


def values(model):
    return {path: p.data for path, p in model.named_parameters().items()}


@pytest.mark.parametrize("what", FOUND)
def test_a_tensor_is_found_by_its_path(what):
    make, paths = FOUND[what]
    model = holding(make())
    assert list(model.named_parameters().keys()) == [f"thing.{path}" for path in paths]
    assert list(model.state_dict()) == list(model.named_parameters().keys())
    assert list(model.named_parameters().keys()) == [f"thing.{path}" for path in paths]


@pytest.mark.parametrize("look", [True, False])
@pytest.mark.parametrize("twin_of", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
@pytest.mark.parametrize("what", FOUND)
def test_copies_have_tensors_of_their_own(what, twin_of, look):
    model = holding(FOUND[what][0]())
    if look:
        model.named_parameters()
    twin = twin_of(model)
    assert list(twin.named_parameters().keys()) == list(model.named_parameters().keys())
    assert not {*twin.parameters()} & {*model.parameters()}
    before = model.state_dict()
    twin.load_state_dict({path: value + 2 for path, value in before.items()})
    for path, p in twin.named_parameters().items():
        np.testing.assert_array_equal(p.data, before[path] + 2)
        np.testing.assert_array_equal(model.named_parameters()[path].data, before[path])


@pytest.mark.parametrize("what", FOUND)
def test_a_copy_takes_other_tensors_in_their_place(what):
    """As a program that is recorded does."""
    model = holding(FOUND[what][0]())
    others = {id(p): Tensor(p.data) for p in model.parameters()}
    twin = copy.deepcopy(model, dict(others))
    assert {*twin.parameters()} == {*others.values()}


@pytest.mark.parametrize("cell", [Plain, OfTheClass, Slotted])
def test_a_cell_that_is_no_module_is_trained(cell):
    class Model(nn.Module):
        def __init__(self):
            self.cell, self.read = cell(), nn.Linear(4, 1, rng=0)

        def loss(self, xs):
            outputs, _ = nn.unroll(self.cell, xs, np.zeros((2, 4)))
            return (self.read(outputs[-1]) ** 2).sum()

    model, xs = Model(), np.ones((3, 2, 3))
    before = model.state_dict()
    assert len(before) == 4
    optimiser = train.SGD(model.parameters(), lr=0.01)
    train.fit(model, lambda step: (xs,), optimiser, steps=4, progress=False)
    after = model.state_dict()
    assert all((after[path] != before[path]).any() for path in before)
    model.load_state_dict(before)  # the class of one of them is for other tests too


def test_frozen_values_are_saved_and_loaded_where_they_stand():
    cell, frozen, slotted = Plain(), Frozen(np.zeros(2), tensor(1)), Slotted()
    cell.W, slotted.W = cell.W.data, slotted.W.data
    model = holding([cell, frozen, slotted, collections.deque([np.zeros(1)])])
    assert list(model.named_parameters().keys()) == ["thing.0.U", "thing.1.scale", "thing.2.U"]
    state = {path: value + 1 for path, value in model.state_dict().items()}
    assert len(state) == 7
    model.load_state_dict(state)
    for path, value in model.state_dict().items():
        np.testing.assert_array_equal(value, state[path])


def test_a_class_attribute_that_an_object_has_replaced_is_no_parameter():
    cell = OfTheClass()
    cell.W = cell.W.data
    assert list(holding(cell).named_parameters().keys()) == ["thing.U"]


def test_two_cells_of_one_class_share_its_tensors():
    model = holding([OfTheClass(), OfTheClass()])
    assert list(model.named_parameters().keys()) == ["thing.0.W", "thing.0.U"]
    assert model.shared_parameters() == {"thing.1.W": "thing.0.W", "thing.1.U": "thing.0.U"}


def test_a_state_that_a_cell_keeps_is_no_parameter():
    cell = Plain()
    model = holding(cell)
    cell.last = [cell(np.ones(3), np.ones(4))]
    assert list(model.named_parameters().keys()) == ["thing.W", "thing.U"]


def test_a_recorded_result_that_a_module_keeps_is_no_parameter():
    assert holding(tensor(2) * 0.1).parameters() == []


def test_what_holds_no_parameters_is_left_alone():
    class Vocabulary:
        words = ("a", "b")

        def __init__(self):
            self.table, self.index = np.eye(2), {"a": 0}

    model = holding(Vocabulary())
    model.rng, model.f, model.cls, model.words = np.random.default_rng(0), tanh, Plain, {"a", "b"}
    model.optimiser = train.SGD([tensor(1)], lr=0.1)
    before = dict(vars(model))
    assert model.named_parameters() == {}
    assert model.state_dict() == {}
    assert vars(model) == before


# -- refused ----------------------------------------------------------------------------------

OUTSIDE = tensor(3, 4)
A_CELL = Plain()


def closure():
    W = tensor(3, 4)
    return lambda x: x @ W


def closure_over_a_cell():
    cell = Plain()
    return lambda x: cell(x, x)


def nested_function():
    W = tensor(3, 4)

    def f(x):
        def g(y):
            return y @ W

        return g(x)

    return f


def by_attribute():
    def f(x):
        return x @ f.W

    f.W = tensor(3, 4)
    return f


class Holder:
    def __init__(self, W):
        self.W = W


class SlottedConstants:
    __slots__ = ()
    W = tensor(3, 4)

    def __call__(self, x):
        return x @ self.W


def objects():
    array = np.empty(2, object)
    array[0] = tensor(2)
    return array


REFUSED = {
    "a lambda": (closure, "thing.W"),
    "a lambda around a cell": (closure_over_a_cell, "thing.cell.W"),
    "a function in a function": (nested_function, "thing.W"),
    "a default": (lambda: lambda x, W=OfTheClass.W: x @ W, "thing.W"),
    "a keyword default": (lambda: lambda x, *, W=OfTheClass.W: x @ W, "thing.W"),
    "a global": (lambda: lambda x: x @ OUTSIDE, "thing.OUTSIDE"),
    "a global in a lambda in it": (lambda: lambda x: lambda: x @ OUTSIDE, "thing.OUTSIDE"),
    "a global cell": (lambda: lambda x: A_CELL(x, x), "thing.A_CELL.W"),
    "an attribute of a function": (by_attribute, "thing.W"),
    "partial of a lambda": (lambda: functools.partial(closure(), 1), "thing.func.W"),
    "a cached function": (lambda: functools.lru_cache(closure()), "thing.__wrapped__.W"),
    "a lambda in a list": (lambda: [closure()], "thing.0.W"),
    "a lambda in a cell": (lambda: Callable_(closure()), "thing.f.W"),
    "a set": (lambda: {tensor(3, 4)}, "thing.0"),
    "a frozenset of cells": (lambda: frozenset([Plain()]), "thing.0.W"),
    "values of a dict": (lambda: {"W": tensor(3, 4)}.values(), "thing.W"),
    "a read-only dict": (lambda: types.MappingProxyType({"W": tensor(3, 4)}), "thing.W"),
    "an object that is no cell": (lambda: Holder(tensor(3, 4)), "thing.W"),
    "an object with a module": (lambda: Holder(nn.Linear(3, 4)), "thing.W.W"),
    "a class with slots": (SlottedConstants, "thing.W"),
    "an array of objects": (objects, "thing.0"),
}


@pytest.mark.parametrize("ask", ["named_parameters", "parameters", "state_dict", "zero_grad"])
@pytest.mark.parametrize("what", REFUSED)
def test_a_tensor_that_cannot_be_found_is_refused_by_its_path(what, ask):
    make, path = REFUSED[what]
    with pytest.raises(TypeError, match=r"neither be trained nor saved") as caught:
        getattr(holding(make()), ask)()
    message = str(caught.value)
    assert f"the Tensor {path} (shape " in message
    assert "parameters of Module: " in message
    assert "A constant is an array: tensor.data." in message


def test_the_sentence_says_where_it_is_and_how_to_mend_it():
    with pytest.raises(TypeError, match=r"function closure\..*<lambda> \(line \d+ of test_"):
        holding(closure()).parameters()
    with pytest.raises(TypeError, match=r"in a set, whose elements have no order.*Use a list or"):
        holding({tensor(1)}).parameters()
    with pytest.raises(TypeError, match=r"in a Holder, which is no cell.*Make Holder an nn"):
        holding(Holder(tensor(1))).parameters()
    with pytest.raises(TypeError, match=r"class SlottedConstants, whose objects have slots only"):
        holding(SlottedConstants()).parameters()


@pytest.mark.parametrize("what", ["a lambda", "a set", "an object that is no cell", "a global"])
def test_what_is_added_later_is_refused_when_it_is_looked_for(what):
    model = holding([nn.Linear(2, 2)])
    model.parameters()
    model.thing.append(REFUSED[what][0]())
    with pytest.raises(TypeError, match="neither be trained nor saved"):
        model.parameters()


def test_what_is_put_into_a_set_an_object_or_a_closure_later_is_refused():
    inside, holder, cell = set(), Holder(None), []
    for thing, change in (
        (inside, lambda: inside.add(tensor(1))),
        (holder, lambda: setattr(holder, "W", tensor(1))),
        (lambda: cell, lambda: cell.append(tensor(1))),
    ):
        model = holding([thing, inside or None])
        assert model.parameters() == []
        change()
        with pytest.raises(TypeError, match="neither be trained nor saved"):
            model.parameters()
        inside.clear()


def test_a_tensor_that_is_an_attribute_too_may_be_used_by_a_function_or_be_in_a_set():
    model = nn.Linear(2, 2, rng=0)
    model.f = lambda x: model(x)
    model.both, model.holder = {model.W, model.b}, Holder(model.W)
    assert list(model.named_parameters().keys()) == ["W", "b"]
    assert grad(model.f(np.ones(2)).sum(), model.W).shape == (2, 2)


def test_a_copy_whose_function_uses_the_tensors_of_the_first_is_refused():
    model = nn.Linear(2, 2, rng=0)
    model.f = lambda x: model(x)
    with pytest.raises(TypeError, match=r"a copy of the model would use the same one.*a method"):
        copy.deepcopy(model).parameters()


def test_a_constant_is_an_array():
    W = tensor(2).data
    model = holding([lambda x: x @ W, {3, 4}, Holder(W)])
    assert model.named_parameters() == {}


# -- the quick way ----------------------------------------------------------------------------


@pytest.mark.parametrize("make", [Plain, OfTheClass, Slotted, lambda: Weights(tensor(1))])
def test_what_a_cell_of_another_class_gets_later_is_found(make):
    thing = make()
    model = holding(thing)
    model.parameters()
    thing.W = [tensor(1), tensor(2)]
    assert len(model.parameters()) == len(copy.copy(model).parameters())
    assert "thing.W.1" in model.named_parameters()


def test_a_cell_that_holds_itself_and_its_module_is_looked_into_once():
    cell = Plain()
    model = holding(cell)
    cell.itself, cell.model = cell, model
    assert len(model.parameters()) == 2
