"""Is whatever a function changes around it seen, and nothing else called a change?"""

import argparse
import array
import collections
import dataclasses
import enum
import functools
import itertools
import math
import queue
import random
import sys
import threading
import types
from unittest.mock import Mock

import numpy as np
import pytest

from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.program.record.surroundings import Surroundings, generators_in

RATE = 0.5


class Model:
    shared = 0

    def __init__(self, **held):
        vars(self).update(held)

    def method(self):
        return self

    @property
    def doubled(self):
        return RATE * 2

    @classmethod
    def made(cls):
        return cls()


class Slots:
    __slots__ = ("__hidden", "n", "never")

    def __init__(self):
        self.n, self.__hidden = 0, 0

    def hide(self):
        self.__hidden += 1


@dataclasses.dataclass(slots=True)
class Record:
    n: int = 0
    more: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Config(dict):
    rate: float = 1.0


class Backwards(list):
    def __iter__(self):
        return reversed(self)


class Color(enum.IntEnum):
    RED = 1


class Countdown:
    """An iterator of the user's own."""

    def __init__(self):
        self.n = 9

    def __iter__(self):
        return self

    def __next__(self):
        self.n -= 1
        return self.n


def writes(x, place, value):
    x[place] = value


def counting():
    k = 0
    while True:
        yield k
        k += 1


def large():
    return np.zeros((300, 1000))


# what the closure holds; what changes it; what is said to have changed
KINDS = {
    "entry of a dict": (lambda: {"n": 0}, lambda x: x.update(n=1), "x['n']"),
    "new key": (lambda: {"n": 0}, lambda x: x.update(m=1), "x['m']"),
    "removed key": (lambda: {"n": 0, "m": 1}, lambda x: x.pop("m"), "x['m']"),
    "renamed key": (lambda: {"n": 0}, lambda x: x.update(m=x.pop("n")), "x['n']"),
    "key of an odd type": (lambda: {(1, 2): [0]}, lambda x: x[1, 2].append(1), "x[<tuple>]"),
    "appended": (lambda: [0], lambda x: x.append(1), "x"),
    "entry of a list": (lambda: [0, 0.5], lambda x: writes(x, 1, 0.25), "x[1]"),
    "list in a list": (lambda: [[0], [1]], lambda x: x[1].append(0), "x[1]"),
    "list in a tuple": (lambda: ([0], [1]), lambda x: writes(x[0], 0, 5), "x[0][0]"),
    "sorted": (lambda: [2, 1], lambda x: x.sort(), "x[0]"),
    "int to float": (lambda: [1], lambda x: writes(x, 0, 1.0), "x[0]"),
    "int to bool": (lambda: [1], lambda x: writes(x, 0, True), "x[0]"),
    "sign of zero": (lambda: [0.0], lambda x: writes(x, 0, -0.0), "x[0]"),
    "number to NaN": (lambda: [0.0], lambda x: writes(x, 0, math.nan), "x[0]"),
    "a text": (lambda: ["a"], lambda x: writes(x, 0, "b"), "x[0]"),
    "a long integer": (lambda: [10**5000], lambda x: writes(x, 0, 10**5000 + 1), "x[0]"),
    "a set": (lambda: {1}, lambda x: x.add(2), "x"),
    "another element of a set": (lambda: {1}, lambda x: (x.clear(), x.add(2)), "x[0]"),
    "a deque": (lambda: collections.deque([1], 1), lambda x: x.append(2), "x[0]"),
    "a Counter": (collections.Counter, lambda x: x.update("a"), "x['a']"),
    "a defaultdict": (lambda: collections.defaultdict(list), lambda x: x["a"], "x['a']"),
    "a ChainMap": (lambda: collections.ChainMap({}), lambda x: writes(x, "a", 1), "x.maps[0]['a']"),
    "a Queue": (queue.Queue, lambda x: x.put(1), "x.unfinished_tasks"),
    "a list of one's own class": (
        lambda: Backwards([1, 2]), lambda x: writes(x, 0, 3), "x[0]"),
    "a dict of one's own class": (lambda: Config(), lambda x: writes(x, "a", 1), "x['a']"),
    "its attribute": (lambda: Config(), lambda x: setattr(x, "rate", 2.0), "x.rate"),
    "an attribute": (lambda: Model(n=0), lambda x: setattr(x, "n", 1), "x.n"),
    "a new attribute": (Model, lambda x: setattr(x, "n", 1), "x.n"),
    "a removed attribute": (lambda: Model(n=0), lambda x: delattr(x, "n"), "x.n"),
    "a nested object": (
        lambda: Model(a=Model(b=[Model(n=0)])), lambda x: setattr(x.a.b[0], "n", 1), "x.a.b[0].n"),
    "a class attribute": (Model, lambda x: setattr(Model, "shared", Model.shared + 1),
                          "Model.shared"),
    "a class itself": (lambda: Model, lambda x: setattr(x, "shared", x.shared + 1), "Model.shared"),
    "the class of an object": (Model, lambda x: setattr(x, "__class__", Other), "x"),
    "a slot": (Slots, lambda x: setattr(x, "n", 1), "x.n"),
    "a hidden slot": (Slots, lambda x: x.hide(), "x._Slots__hidden"),
    "a slot set for the first time": (Slots, lambda x: setattr(x, "never", 1), "x.never"),
    "a dataclass": (Record, lambda x: setattr(x, "n", 1), "x.n"),
    "a list in a dataclass": (Record, lambda x: x.more.append(1), "x.more"),
    "a SimpleNamespace": (
        lambda: types.SimpleNamespace(n=0), lambda x: setattr(x, "n", 1), "x.n"),
    "a Namespace": (lambda: argparse.Namespace(n=0), lambda x: setattr(x, "n", 1), "x.n"),
    "an array": (lambda: np.zeros(3), lambda x: writes(x, 1, 1), "x"),
    "one entry of a large array": (large, lambda x: writes(x, (299, 999), 1e-300), "x"),
    "two entries exchanged": (lambda: np.arange(9), lambda x: x.sort(kind="stable") or writes(
        x, [0, 8], [8, 0]), "x"),
    "a part of an array": (lambda: np.zeros((4, 6))[::2], lambda x: writes(x, (1, 2), 1), "x"),
    "a transposed array": (lambda: np.zeros((4, 6)).T, lambda x: writes(x, (1, 2), 1), "x"),
    "an array that is looked at": (lambda: np.zeros(4)[1:], lambda x: writes(x.base, 1, 1), "x"),
    "an array of dates": (
        lambda: np.array(["2020-01-01"], "M8[D]"), lambda x: writes(x, 0, "2021-01-01"), "x"),
    "an array of records": (
        lambda: np.zeros(2, [("a", int)]), lambda x: writes(x["a"], 1, 1), "x"),
    "an array of objects": (
        lambda: np.array([[0], None], object), lambda x: x[0].append(1), "x[0]"),
    "its shape": (lambda: np.zeros(6), lambda x: x.resize((2, 3), refcheck=False), "x"),
    "a bytearray": (lambda: bytearray(3), lambda x: writes(x, 1, 1), "x"),
    "an array.array": (lambda: array.array("d", [0]), lambda x: writes(x, 0, 1), "x"),
    "new data of a Tensor": (lambda: Tensor(1.0), lambda x: setattr(x, "data", 1.0), "x"),
    "data of a Tensor in place": (
        lambda: Tensor(np.zeros(3)), lambda x: writes(x.data, 0, 1), "x"),
    "a gradient": (lambda: Tensor(1.0), lambda x: (x * 2).backward(), "x.grad"),
    "a Tensor of a module": (
        lambda: nn.Linear(2, 3, rng=0), lambda x: setattr(x, "b", Tensor(x.b.data)), "x.b"),
    "data of a module": (
        lambda: nn.Linear(2, 3, rng=0), lambda x: setattr(x.b, "data", x.b.data), "x.b"),
    "an argument of a partial": (
        lambda: functools.partial(max, [0]), lambda x: x.args[0].append(1), "x(0)"),
    "a keyword of a partial": (
        lambda: functools.partial(max, key=[0]), lambda x: x.keywords["key"].append(1), "x(key=)"),
    "a bound method": (lambda: Model(n=0).method, lambda x: setattr(x.__self__, "n", 1), "x.n"),
    "a default": (lambda: lambda y=[]: y, lambda x: x.__defaults__[0].append(1),
                  "x's default 0"),
    "a default by keyword": (lambda: lambda *, y=[]: y, lambda x: x.__kwdefaults__["y"].append(1),
                             "x's default y"),
    "an attribute of a function": (lambda: lambda: 0, lambda x: setattr(x, "n", 1), "x.n"),
    "a cached function": (
        lambda: functools.lru_cache(lambda y=[]: y),
        lambda x: x.__wrapped__.__defaults__[0].append(1), "x.__wrapped__'s default 0"),
    "a generator": (counting, next, "x"),
    "what a generator goes through": (lambda: (y for y in [1, 2]), next, "x"),
    "an iterator": (lambda: iter([1, 2, 3]), next, "x"),
    "an iterator at its end": (lambda: iter([]), lambda x: next(x, 0), "x"),
    "an iterator of a dict": (lambda: iter({1: 2, 3: 4}), next, "x"),
    "an iterator of a range": (lambda: iter(range(4)), next, "x"),
    "reversed": (lambda: reversed([1, 2, 3]), next, "x"),
    "itertools.count": (itertools.count, next, "x"),
    "itertools.repeat": (lambda: itertools.repeat(0, 3), next, "x"),
    "map": (lambda: map(abs, [1, 2]), next, "x[0]"),
    "zip": (lambda: zip([1, 2], [3, 4], strict=True), next, "x[0]"),
    "enumerate": (lambda: enumerate([1, 2]), next, "x"),
    "itertools.chain": (lambda: itertools.chain([1, 2], [3]), next, "x"),
    "itertools.islice": (lambda: itertools.islice(itertools.count(), 9), next, "x"),
    "an iterator of one's own": (Countdown, next, "x.n"),
}  # fmt: skip


class Other(Model):
    pass


def refer(x):
    def f():
        return x

    return f


@pytest.fixture(autouse=True)
def as_before():
    yield
    Model.shared = 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_is_seen_and_named(kind):
    make, change, way = KINDS[kind]
    x = make()
    around = Surroundings(("f", refer(x)))
    assert around.changed() == ""
    change(x)
    assert around.changed() == (way or "")


UNCHANGED = {
    "read": ({"a": [1, 2]}, lambda x: x["a"][0]),
    "the same number again": ([0.5, 1000], lambda x: (writes(x, 0, 1.0 / 2), writes(x, 1, 10**3))),
    "the same text again": (["ab"], lambda x: writes(x, 0, "".join(["a", "b"]))),
    "NaN again": ([math.nan], lambda x: writes(x, 0, float("nan"))),
    "a NumPy number again": ([np.float64(2)], lambda x: writes(x, 0, np.float64(2))),
    "the same entry again": ({"a": 1}, lambda x: x.update(a=1)),
    "the same attribute": (Model(n=1), lambda x: setattr(x, "n", 1)),
    "the same values": (np.arange(3.0), lambda x: writes(x, slice(None), [0.0, 1.0, 2.0])),
    "there and back": ([1], lambda x: (x.append(2), x.pop())),
    "what Python's objects hold": (Mock(), lambda x: x(1)),
    "a lock": (threading.Lock(), lambda x: x.acquire()),
    "a Tensor that is used": (Tensor([1.0]), lambda x: (x * 2).sum()),
    "a module that is used": (nn.Linear(2, 3, rng=0), lambda x: x(np.ones(2))),
    "the list of its parameters": (nn.Linear(2, 3, rng=0), lambda x: x.named_parameters()),
    "a member of an Enum": (Color, lambda x: x(1)),
}


@pytest.mark.parametrize("kind", UNCHANGED)
def test_what_is_as_it_was_is_not_reported(kind):
    x, use = UNCHANGED[kind]
    around = Surroundings(("f", refer(x)))
    use(x)
    assert around.changed() == ""


def test_a_nonlocal_name_is_seen():
    n = 0

    def f():
        nonlocal n
        n += 1

    around = Surroundings(("f", f))
    f()
    assert around.changed() == "n"


def test_two_of_one_name_are_told_apart():
    def counter():
        n = 0

        def count():
            nonlocal n
            n += 1

        return count

    first, second = counter(), counter()
    for count in (first, second):
        around = Surroundings(("f", lambda: (first, second)))
        assert around.changed() == ""
        count()
        assert around.changed() == "n"


def in_module(source, name="a_module_of_the_user"):
    module = types.ModuleType(name)
    exec(source, vars(module))
    return module


def test_a_global_is_seen():
    m = in_module("n = 0\ndef f():\n    global n, new\n    n += 1\n")
    around = Surroundings(("f", m.f))
    m.f()
    assert around.changed() == "n"
    m = in_module("def f():\n    global new\n    new = 1\n")
    around = Surroundings(("f", m.f))
    m.f()
    assert around.changed() == "new"


def test_a_global_of_a_function_inside_and_of_one_that_is_called_is_seen():
    m = in_module(
        "seen = []\nn = 0\n"
        "def log(x):\n    seen.append(x)\n"
        "def f():\n    def g():\n        global n\n        n += 1\n    return g, log\n"
    )
    around = Surroundings(("f", m.f))
    m.f()[0]()
    assert around.changed() == "n"
    around = Surroundings(("f", m.f))
    m.f()[1](1)
    assert around.changed() == "seen"


def test_a_global_that_the_function_does_not_name_is_its_own_business():
    m = in_module("n = 0\nused = 1\ndef f():\n    return used\n")
    around = Surroundings(("f", m.f))
    m.n = 1
    assert around.changed() == ""


def test_a_module_of_the_users_own_is_seen():
    config, package = in_module("rate = 0.5\nother = 1"), in_module("", "a_package_of_the_user")
    package.config = config
    f = eval("lambda: config.rate", {"config": config})
    around = Surroundings(("f", f))
    config.other = 2
    assert around.changed() == ""
    config.rate = 0.25
    assert around.changed() == "config.rate"
    f = eval("lambda: package.config.rate", {"package": package})
    around = Surroundings(("f", f))
    config.rate = 0.125
    assert around.changed() == "package.config.rate"


def test_modules_of_others_are_not_searched():
    f = eval(
        "lambda: (sys.flags, np.random, pytest.fail)", {"sys": sys, "np": np, "pytest": pytest}
    )
    assert Surroundings(("f", f)).changed() == ""
    assert len(Surroundings(("f", f))._seen) < 40


def test_a_method_and_its_globals_are_seen():
    a = in_module("n = [0]\nclass A:\n    def __call__(self):\n        n[0] += 1\n").A()
    around = Surroundings(("the function", a))
    a()
    assert around.changed() == "n[0]"


def test_what_is_inside_tinygrad_rnn_is_not_searched_but_its_modules_are():
    class Net(nn.Module):
        def __init__(self):
            self.cell, self.counts = nn.LSTMCell(2, 3, rng=0), [0]

    net = Net()
    around = Surroundings(("params", net))
    net.cell.forget = 1
    assert around.changed() == "params.cell.forget"
    around = Surroundings(("params", net))
    net.counts[0] += 1
    assert around.changed() == "params.counts[0]"


# -- random generators

GENERATORS = {
    "Generator": lambda: np.random.default_rng(0),
    "MT19937": lambda: np.random.Generator(np.random.MT19937(0)),
    "Philox": lambda: np.random.Generator(np.random.Philox(0)),
    "RandomState": lambda: np.random.RandomState(0),
    "random.Random": lambda: random.Random(0),
}


@pytest.mark.parametrize("kind", GENERATORS)
def test_a_generator_that_has_moved_is_named_and_set_back(kind):
    rng = GENERATORS[kind]()
    around = Surroundings(("f", refer({"rng": [rng]})))
    assert around.drawn_beside([]) == ""
    first = rng.random()
    assert rng.random() != first
    assert around.changed() == ""  # set back, and so no change
    assert around.drawn_beside([]) == "x['rng'][0]"
    assert rng.random() == first
    around.set_back()
    assert rng.random() == first


def test_the_generators_of_python_and_numpy_are_watched_whoever_draws():
    for draw, name in ((random.random, "random"), (np.random.rand, "numpy.random")):
        around = Surroundings()
        first = draw()
        assert around.drawn_beside([]) == name
        assert draw() == first
        around.set_back()


def test_a_generator_that_asks_the_system_is_left_alone():
    rng = random.SystemRandom()
    around = Surroundings(("f", refer(rng)))
    rng.random()
    assert around.drawn_beside([]) == ""
    assert around.changed() == ""


def test_generators_are_found_wherever_they_are():
    a, b = np.random.default_rng(0), random.Random(0)
    held = Model(dropout=nn.LSTMCell(2, 3, rng=0), parts=[{"a": a}], f=lambda: b)
    assert {id(a), id(b)} == {id(x) for x in generators_in(held)}


# -- what must do no harm


def test_cycles_end():
    x = []
    x.append(x)
    y = {"x": x}
    x.append(y)
    y["y"] = y
    around = Surroundings(("f", refer(x)))
    y["z"] = 1
    assert around.changed() == "x[1]['z']"


def test_a_long_chain_is_named():
    end = x = []
    for _ in range(5000):
        x = [x]
    around = Surroundings(("f", refer(x)))
    end.append(1)
    assert around.changed() == "x" + "[0]" * 5000


def test_of_a_hundred_thousand_objects_the_last_is_seen():
    x = [Model(k=k) if k % 2 else [k] for k in range(99_000)]
    around = Surroundings(("f", refer(x)))
    assert around.changed() == ""
    x[-1].k = 0
    assert around.changed() == "x[98999].k"


CALLED = []


class Hostile:
    """Everything that one may be asked, and that nobody may ask."""

    __slots__ = ("__dict__", "slot")

    def _refuse(self, *_, **__):
        CALLED.append("something")
        raise RuntimeError("asked")

    __eq__ = __ne__ = __len__ = __iter__ = __bool__ = __repr__ = __str__ = __getitem__ = _refuse
    __getattr__ = __getattribute__ = __setattr__ = __contains__ = __call__ = __format__ = _refuse
    __length_hint__ = __next__ = __index__ = __float__ = __reduce__ = __array__ = _refuse
    __deepcopy__ = __hash__ = __sizeof__ = __dir__ = __reduce_ex__ = _refuse
    prop = property(_refuse)
    __class__ = property(_refuse)


def test_nothing_of_the_users_is_called():
    class Meta(type):
        def __eq__(cls, other):
            CALLED.append("a class")
            raise RuntimeError("asked")

        __hash__ = __getattribute__ = __getattr__ = __iter__ = __instancecheck__ = __eq__

    class Odd(metaclass=Meta):
        pass

    CALLED.clear()
    x = [Hostile(), {"h": Hostile()}, (Hostile(), 1), {0: Odd}, Odd()]
    object.__getattribute__(x[0], "__dict__")["n"] = 0
    around = Surroundings(("f", refer(x)))
    assert around.changed() == ""
    object.__getattribute__(x[0], "__dict__")["n"] = 1
    assert around.changed() == "x[0].n"
    x[2] = (Hostile(), 2)
    del object.__getattribute__(x[0], "__dict__")["n"]
    assert around.changed() != ""
    assert CALLED == []


def test_an_object_that_is_replaced_is_a_change_though_it_is_equal():
    x = [[1]]
    around = Surroundings(("f", refer(x)))
    x[0] = [1]
    assert around.changed() == "x[0]"


def test_a_file_that_is_mapped_to_be_read_is_not_read(tmp_path):
    np.zeros(1000).tofile(tmp_path / "data")
    x = np.memmap(tmp_path / "data", mode="r")
    assert Surroundings(("f", refer(x))).changed() == ""
    x = np.memmap(tmp_path / "data", mode="r+")
    around = Surroundings(("f", refer(x)))
    x[7] = 1
    assert around.changed() == "x"
