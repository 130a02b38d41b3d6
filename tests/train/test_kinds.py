"""Is fit the loop one would write by hand, whatever a loss reads, draws, counts or changes?

A kind is a small training with one such loss, built anew for each run. It is trained by the loop
below and by `fit`, and all that can be seen afterwards is compared: losses, gradients, parameters,
the state carried on, the exception and its step, what the model holds, what the loss left behind
outside, and where every generator stands. By default all of it is equal to the bit. With
``target="check"`` numbers are equal to rounding, the rest exactly, or fit says in an error of its
own that it cannot vouch for this loss.
"""

import collections
import contextvars
import copy
import dataclasses
import enum
import functools
import io
import itertools
import math
import os
import random
import re
import threading
import time
import types
import uuid
import weakref
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_rnn
from tinygrad_rnn import Tensor, nn, stack
from tinygrad_rnn.train import SGD, clip_grad_norm, fit, information_flow

DEFAULT = {}
CHECK = {"target": "check"}

T, B, STEPS, BAD = 3, 2, 6, 4  # in step BAD comes what is refused
SCALE, CALLS, HIDDEN = 1.0, 0, None  # globals that losses read and rebind


# -- a training, and all that can be seen of it -----------------------------------------------


def drawn(step, T=T, dtype=np.float64):
    rng = np.random.default_rng(step)
    return rng.standard_normal((T, B, 2)).astype(dtype), rng.random((T, B, 2)).astype(dtype)


class Net(nn.Module):
    def __init__(self, cell, **options):
        self.cell = cell(2, 3, rng=0, **options)
        self.read = nn.Linear(3, 2, rng=1, **options)

    def scores(self, x, **options):
        return self.read(stack(nn.unroll(self.cell, x, **options)[0]))

    def mse(self, x, y):
        return nn.mse_loss(self.scores(x), y)


def net(loss, cell=nn.RNNCell, **options):
    return type("Model", (Net,), {"loss": loss})(cell, **options)


class Case:
    """A model, its batches, and what stands around them."""

    def __init__(self, model, batch=drawn, rng=None, late=False):
        self.model, self.rng, self.late = model, rng, late
        self.optimiser = SGD(model.parameters(), lr=0.1)
        self.step, self.asked = -1, []
        self.before = []  # each is called before a step, with a number that changes
        self.seen = {}  # what the loss leaves behind, to be compared after the run
        self._batch = batch

    def batch(self, step):
        self.step = step
        self.asked.append(step)
        for put in self.before:
            put(1.0 + step if not self.late else 1.0 if step < 5 else 3.0)
        return self._batch(step)


def by_hand(case, steps=STEPS):
    model, optimiser, state = case.model, case.optimiser, None
    seen = {"losses": [], "gradients": [], "exception": None, "state": None}
    for step in range(steps):
        try:
            batch = case.batch(step)
            optimiser.zero_grad()
            found = model.loss(*batch) if state is None else model.loss(*batch, state)
            loss, state = found if isinstance(found, tuple) else (found, None)
            loss.backward()
            seen["gradients"].append(gradients(optimiser.parameters))
            clip_grad_norm(optimiser.parameters, math.inf)
            optimiser.step()
            state = nn.detach(state)
        except Exception as error:
            return seen | {"exception": said(error, step), "losses": None}
        seen["losses"].append(loss.item())
    return seen | {"state": state}


def by_fit(case, steps=STEPS, **options):
    seen = {"losses": [], "gradients": [], "exception": None, "state": None}

    def clip(parameters, step):
        assert step == len(seen["gradients"])
        seen["gradients"].append(gradients(parameters))
        return clip_grad_norm(parameters, math.inf)

    try:
        run = fit(
            case.model,
            case.batch,
            case.optimiser,
            steps=steps,
            clip=clip,
            rng=case.rng,
            progress=False,
            **options,
        )
    except Exception as error:
        if refused(error):
            raise Refused(str(error)) from error
        return seen | {"exception": said(error), "losses": None}  # fit gives none then
    return seen | {"losses": run.losses, "state": run.state}


class Refused(Exception):
    """Fit cannot vouch for this loss, and says so."""


class Different(AssertionError):
    """What fit did is not what the loop did; says where, and both values."""


def refused(error):
    """Whether it is a sentence of fit's or compile's own, and not a crash inside them."""
    crash = isinstance(error, (AssertionError, LookupError, AttributeError))
    # these are no answer to a loss that trains by hand
    others = ("fit: expected finite", "fit: target", "fit: model.loss gave", "fit: batch(step)")
    own = str(error).startswith(("fit:", "compile:", "compiled step:"))
    return own and not crash and not str(error).startswith(others)


def gradients(parameters):
    return [None if p.grad is None else np.array(p.grad) for p in parameters]


def said(error, step=None):
    """An exception as data; its step stands in fit's note."""
    notes = list(getattr(error, "__notes__", []))
    if step is None:
        steps = [note for note in notes if re.fullmatch(r"fit: at step \d+", note)]
        assert len(steps) == 1, f"{error!r} has the notes {notes}"
        notes.remove(steps[0])
        step = int(steps[0].split()[-1])
    return {"type": type(error), "text": str(error), "notes": notes, "step": step}


@contextmanager
def alone():
    """Python's and NumPy's own generators at a known place, and everything put back afterwards."""
    environment = dict(os.environ)
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(1)
    np.random.seed(2)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        os.environ.clear()
        os.environ.update(environment)


def observed(build, run):
    with alone():
        case = build()
        seen = run(case)
        seen |= {
            "asked": case.asked,
            "model": case.model,
            "rng": case.rng,
            "lr": case.optimiser.lr,
            "outside": case.seen,
            "random": random.getstate(),
            "numpy.random": np.random.get_state(),  # noqa: NPY002
        }
        return plain(seen)


def plain(x, above=()):
    """The same as numbers, arrays, strings, dicts and lists: nothing that can be compared wrong."""
    if x is None or isinstance(x, (bool, int, float, str, type, np.ndarray, np.generic)):
        return copy.copy(x)
    if id(x) in above:
        return "itself"
    go = functools.partial(plain, above=(*above, id(x)))
    if type(x) is Tensor:
        return {"data": x.data, "grad": x.grad, "leaf": x.op is None}
    if isinstance(x, (np.random.Generator, np.random.RandomState)):
        bits = x.bit_generator if isinstance(x, np.random.Generator) else x._bit_generator
        return go(bits.state)
    if isinstance(x, random.Random):
        return go(x.getstate())
    if isinstance(x, np.random.SeedSequence):
        return x.n_children_spawned
    if isinstance(x, io.StringIO):
        return {"text": x.getvalue(), "at": x.tell()}
    if isinstance(x, dict):
        return {str(key): go(value) for key, value in x.items()}
    if isinstance(x, (set, frozenset)):
        return [type(x).__name__, *sorted(map(repr, x))]
    if isinstance(x, (list, tuple, collections.deque)):
        return [type(x).__name__, *map(go, x)]
    if hasattr(x, "__next__"):
        return [type(x).__name__, *map(go, itertools.islice(x, 3))]
    if isinstance(x, (types.FunctionType, types.MethodType, functools.partial)):
        return getattr(x, "__qualname__", "partial")
    slots = [name for name in getattr(type(x), "__slots__", ()) if not name.startswith("__")]
    inside = {name: getattr(x, name) for name in slots if name != "_found" and hasattr(x, name)}
    inside |= vars(x) if hasattr(x, "__dict__") else {}
    return {"is a": type(x).__name__, **go(inside)}


def differences(a, b, exact, path="", rtol=1e-9):
    """Where two observations differ, and both values."""
    if type(a) is not type(b) or (isinstance(a, list) and len(a) != len(b)):
        return [(path, a, b)]
    if isinstance(a, dict):
        if list(a) != list(b):
            return [(path, list(a), list(b))]
        pairs = [(f"{path}.{key}".strip("."), a[key], b[key]) for key in a]
    elif isinstance(a, list):
        pairs = [(f"{path}[{k}]", x, y) for k, (x, y) in enumerate(zip(a, b, strict=True))]
    elif isinstance(a, (float, np.ndarray, np.generic)):
        x, y = np.asarray(a), np.asarray(b)
        same = x.dtype == y.dtype and x.shape == y.shape
        if same and not exact and x.dtype.kind == "f":
            rtol = rtol if x.dtype == np.float64 else 1e-4
            same = np.allclose(x, y, rtol=rtol, atol=rtol * 1e-2, equal_nan=True)
        else:
            same = same and x.tobytes() == y.tobytes()
        return [] if same else [(path, a, b)]
    else:
        return [] if a == b else [(path, a, b)]
    return [found for p, x, y in pairs for found in differences(x, y, exact, p, rtol)]


def report(wrong):
    """One line for each difference, at most three for each kind of observation."""
    kinds = collections.defaultdict(list)
    for path, a, b in wrong:
        kinds[re.split(r"[.\[]", path)[0]].append(f"{path}: by hand {a!r}, by fit {b!r}")
    lines = [line for found in kinds.values() for line in found[:3]]
    return "\n".join(["", *lines, f"({len(wrong)} differences)"])


def compare(build, run, exact=True, may_refuse=False, rtol=1e-9):
    expected = observed(build, by_hand)
    try:
        found = observed(build, run)
    except Refused:
        if may_refuse:
            return
        raise
    wrong = differences(expected, found, exact, rtol=rtol)
    if wrong:
        raise Different(report(wrong))


# -- kinds: one change of a plain loss, or a loss of its own ----------------------------------

CHANGES = {}  # name: what makes, for a case, ``change(self, loss, x, y) -> loss``
WHOLE = {}  # name: what builds a case
SERVED = set()  # of these a program must be found, or the record run: no refusal


def change(group):
    return lambda make: CHANGES.setdefault(f"{group}: {make.__name__.replace('_', ' ')}", make)


def whole(group, served=False):
    def enter(build):
        name = f"{group}: {build.__name__.replace('_', ' ')}"
        if served:
            SERVED.add(name)
        return WHOLE.setdefault(name, build)

    return enter


def changed(*makes, cell=nn.RNNCell, late=False):
    """A case with these changes of the plain loss, one after the other."""
    changes = []

    def loss(self, x, y):
        found = self.mse(x, y)
        for each in changes:
            found = each(self, found, x, y)
        return found

    case = Case(net(loss, cell), late=late)
    changes += [make(case) for make in makes]
    return case


# -- read: a number from somewhere scales the loss, and changes between steps -----------------


def read(make):
    """`make` gives ``get(model)`` and ``put(number)``."""

    def scaled(case):
        get, put = make(case)
        case.before.append(put)
        return lambda self, loss, x, y: loss * get(self)

    CHANGES[f"read: {make.__name__.replace('_', ' ')}"] = scaled
    return make


@dataclasses.dataclass
class Settings:
    scale: float = 1.0

    @property
    def doubled(self):
        return 2 * self.scale


class Slots:
    __slots__ = ("__weakref__", "scale")

    def __init__(self):
        self.scale = 1.0


class Phase(enum.Enum):
    WARM = 1.0
    LONG = 2.0


CONTEXT = contextvars.ContextVar("scale", default=1.0)


@read
def a_global(case):
    globals()["SCALE"] = 1.0
    return lambda self: SCALE, lambda v: globals().update(SCALE=v)


@read
def a_class_attribute(case):
    class Box:
        scale = 1.0

    return lambda self: Box.scale, lambda v: setattr(Box, "scale", v)


@read
def the_class_of_the_model(case):
    type(case.model).scale = 1.0
    return lambda self: type(self).scale, lambda v: setattr(type(case.model), "scale", v)


@read
def a_closure(case):
    scale = 1.0

    def put(v):
        nonlocal scale
        scale = v

    return lambda self: scale, put


@read
def an_object(case):
    box = types.SimpleNamespace(inner=types.SimpleNamespace(scale=1.0))
    return lambda self: box.inner.scale, lambda v: setattr(box.inner, "scale", v)


@read
def an_object_with_slots(case):
    box = Slots()
    return lambda self: box.scale, lambda v: setattr(box, "scale", v)


@read
def slots_in_the_model(case):
    case.model.box = Slots()
    return lambda self: self.box.scale, lambda v: setattr(case.model.box, "scale", v)


@read
def a_deque_in_the_model(case):
    case.model.recent = collections.deque([1.0], maxlen=3)
    return lambda self: sum(self.recent), lambda v: case.model.recent.append(v)


@read
def a_set(case):
    active = set()
    return lambda self: len(active), lambda v: active.add(v)


@read
def an_array_written_in_place(case):
    scale = np.ones(())
    return lambda self: scale, lambda v: scale.__setitem__((), v)


@read
def an_array_of_weights(case):
    case.model.weights = np.ones(2)
    return lambda self: (self.weights * np.ones(2)).sum(), (
        lambda v: case.model.weights.__setitem__(1, v)
    )


@read
def an_entry_of_a_large_array(case):
    case.model.table = np.ones(150_000)
    return lambda self: self.table[123_457], (lambda v: case.model.table.__setitem__(123_457, v))


@read
def the_learning_rate(case):
    return lambda self: 10 * case.optimiser.lr, (
        lambda v: setattr(case.optimiser, "lr", 0.1 / (1 + v))
    )


@read
def the_environment(case):
    os.environ["SCALE_OF_LOSS"] = "1"
    return lambda self: float(os.environ["SCALE_OF_LOSS"]), (
        lambda v: os.environ.update(SCALE_OF_LOSS=str(v))
    )


@read
def a_default_argument(case):
    box = [1.0]

    def get(self, scale=box):
        return scale[0]

    return get, lambda v: box.__setitem__(0, v)


@read
def defaults_that_are_replaced(case):
    def get(self, scale=1.0):
        return scale

    return get, lambda v: setattr(get, "__defaults__", (v,))


@read
def a_dict(case):
    box = {"scale": 1.0}
    return lambda self: box["scale"], lambda v: box.update(scale=v)


@read
def a_property_of_a_dataclass(case):
    box = Settings()
    return lambda self: box.doubled, lambda v: setattr(box, "scale", v)


@read
def a_dataclass_in_the_model(case):
    case.model.settings = Settings()
    return lambda self: self.settings.scale, lambda v: setattr(case.model.settings, "scale", v)


@read
def a_dataclass_that_is_replaced(case):
    case.model.settings = Settings()
    return lambda self: self.settings.scale, lambda v: setattr(case.model, "settings", Settings(v))


@read
def a_weak_reference(case):
    box = Slots()
    seen = weakref.ref(box)
    return lambda self: seen().scale, lambda v: setattr(box, "scale", v)


@read
def a_partial(case):
    box = [functools.partial(float, 1.0)]
    return lambda self: box[0](), lambda v: box.__setitem__(0, functools.partial(float, v))


@read
def a_partial_of_a_list(case):
    values = [1.0]
    total = functools.partial(sum, values)
    return lambda self: total(), values.append


@read
def an_enum(case):
    case.model.phase = Phase.WARM
    return lambda self: 2.0 if self.phase is Phase.LONG else 1.0, (
        lambda v: setattr(case.model, "phase", Phase.LONG if v > 2 else Phase.WARM)
    )


@read
def a_context_variable(case):
    CONTEXT.set(1.0)
    return lambda self: CONTEXT.get(), CONTEXT.set


@read
def something_of_the_thread(case):
    local = threading.local()
    local.scale = 1.0
    return lambda self: local.scale, lambda v: setattr(local, "scale", v)


@read
def an_attribute_of_a_function(case):
    def get(self):
        return get.scale

    get.scale = 1.0
    return get, lambda v: setattr(get, "scale", v)


@read
def a_function_that_is_replaced(case):
    box = types.SimpleNamespace(f=math.cos)
    return lambda self: 2 + box.f(1.0), (
        lambda v: setattr(box, "f", math.sin if v > 2 else math.cos)
    )


@read
def an_attribute_of_the_model(case):
    case.model.scale = 1.0
    return lambda self: self.scale, lambda v: setattr(case.model, "scale", v)


@read
def whether_there_is_an_attribute(case):
    return lambda self: 2.0 if hasattr(self, "warm") else 1.0, (
        lambda v: setattr(case.model, "warm", True) if v > 2 else None
    )


@read
def how_long_a_list_is(case):
    case.model.past = [None]
    return lambda self: len(self.past), lambda v: case.model.past.extend([None] * int(v))


@read
def a_tensor_outside(case):
    box = [Tensor(1.0)]
    return lambda self: box[0], lambda v: box.__setitem__(0, Tensor(v))


@read
def the_values_of_a_tensor_outside(case):
    scale = Tensor(1.0)
    return lambda self: scale, lambda v: setattr(scale, "data", np.array(v))


# -- draw: a number or a mask at random -------------------------------------------------------


def draw(make):
    """`make` gives ``number(model)``."""

    def scaled(case):
        number = make(case)
        return lambda self, loss, x, y: loss * number(self)

    CHANGES[f"draw: {make.__name__.replace('_', ' ')}"] = scaled
    return make


def generator(case):
    """That of the run, handed to fit."""
    case.rng = case.rng or np.random.default_rng(3)
    return case.rng


@draw
def from_random(case):
    return lambda self: random.random()


@draw
def a_normal_number_from_random(case):  # of which random keeps every second one
    return lambda self: 2 + random.gauss(0, 1)


@draw
def from_numpy(case):
    return lambda self: np.random.rand()  # noqa: NPY002


@draw
def drawn_and_not_used(case):
    return lambda self: (random.random(), np.random.rand()) and 1.0  # noqa: NPY002


@draw
def a_random_state(case):
    case.seen["it"] = old = np.random.RandomState(3)
    return lambda self: old.rand()


@draw
def a_random_of_pythons(case):
    case.model.dice = random.Random(4)
    return lambda self: self.dice.random()


@draw
def a_generator_in_the_model(case):
    case.model.rng = np.random.default_rng(3)
    return lambda self: self.rng.random()


@draw
def a_generator_in_a_closure(case):
    case.seen["it"] = rng = np.random.default_rng(3)
    return lambda self: rng.random()


@draw
def a_generator_in_an_object(case):
    case.model.deep = types.SimpleNamespace(parts=[{"rng": np.random.default_rng(3)}])
    return lambda self: self.deep.parts[0]["rng"].random()


@draw
def a_generator_with_slots(case):
    case.model.box = Slots()
    case.model.box.scale = np.random.default_rng(3)
    return lambda self: self.box.scale.random()


@draw
def another_kind_of_generator(case):
    case.seen["it"] = rng = np.random.Generator(np.random.SFC64(3))
    return lambda self: int(rng.integers(1, 9, dtype=np.uint32))  # one is kept for the next time


@draw
def the_generator_of_the_run(case):
    rng = generator(case)
    return lambda self: rng.random()


@draw
def a_fresh_generator(case):  # the same number each time
    return lambda self: np.random.default_rng(5).random()


@draw
def a_fresh_generator_of_each_step(case):
    return lambda self: np.random.default_rng(case.step).random()


@draw
def a_spawned_generator(case):
    case.seen["it"] = seeds = np.random.SeedSequence(3)
    return lambda self: np.random.default_rng(seeds.spawn(1)[0]).random()


@draw
def an_iterator(case):
    case.seen["it"] = numbers = iter([0.5 + k for k in range(30)])
    return lambda self: next(numbers)


@draw
def an_iterator_that_ends(case):
    case.seen["it"] = numbers = iter([0.5, 1.5, 2.5, 3.5])
    return lambda self: next(numbers)


@draw
def a_generator_of_pythons(case):
    def numbers():
        k = 1.0
        while True:
            yield k
            k *= 1.1

    case.seen["it"] = endless = numbers()
    return lambda self: next(endless)


@draw
def a_cycle(case):
    case.seen["it"] = numbers = itertools.cycle([1.0, 1.0, 1.0, 2.0])
    return lambda self: next(numbers)


@draw
def lines_of_a_file(case):
    case.seen["it"] = lines = io.StringIO("1\n1\n1\n2\n1\n1\n1\n1\n1\n1\n1\n1\n1\n")
    return lambda self: float(lines.readline())


@draw
def a_coin(case):
    return lambda self: 1.0 if random.random() < 0.9 else 0.5


@draw
def a_coin_of_the_models(case):
    case.model.rng = np.random.default_rng(8)
    return lambda self: 1.0 if self.rng.random() < 0.9 else 0.5


@draw
def a_coin_in_a_closure(case):
    case.seen["it"] = rng = np.random.default_rng(8)
    return lambda self: 1.0 if rng.random() < 0.9 else 0.5


@draw
def a_coin_for_a_layer(case):
    case.seen["it"] = rng = np.random.default_rng(8)
    return lambda self: self.read.b.sum() if rng.random() < 0.9 else self.read.W.sum()


@change("draw")
def a_shuffled_order(case):
    case.seen["it"] = rng = np.random.default_rng(3)
    return lambda self, loss, x, y: loss + self.mse(x[rng.permutation(T)], y)


@change("draw")
def a_list_that_is_shuffled(case):
    case.model.order = [0, 1, 2]

    def shuffled(self, loss, x, y):
        random.shuffle(self.order)
        return loss * (1.0 + self.order[0])

    return shuffled


@change("draw")
def noise_on_a_weight(case):
    rng = generator(case)
    return lambda self, loss, x, y: loss + ((self.read.W + rng.normal(size=(3, 2))) ** 2).mean()


@change("draw")
def dropout_of_the_models(case):
    case.model.rng = np.random.default_rng(3)
    return lambda self, loss, x, y: loss + (nn.dropout(self.read.W, 0.5, self.rng) ** 2).mean()


@change("draw")
def dropout_of_the_run(case):
    rng = generator(case)
    return lambda self, loss, x, y: loss + (nn.dropout(self.read.W, 0.5, rng) ** 2).mean()


def unrolled(around, **options):
    """The squared outputs of a cell with draws, from the run's generator."""

    def make(case):
        rng = generator(case)

        def more(self, loss, x, y):
            outputs, _ = nn.unroll(around(self.cell), x, rng=rng, **options)
            return loss + (stack(outputs) ** 2).mean()

        return more

    return make


CHANGES["draw: zoneout"] = unrolled(lambda cell: nn.Zoneout(cell, 0.5))
CHANGES["draw: variational dropout"] = unrolled(lambda cell: nn.VariationalDropout(cell, 0.5, 0.5))
CHANGES["draw: random truncation"] = unrolled(lambda cell: cell, truncate=nn.RandomTruncation(0.5))


@change("draw")
def zoneout_with_a_generator_of_the_models(case):
    case.model.rng, case.model.zone = np.random.default_rng(3), nn.Zoneout(case.model.cell, 0.5)

    def more(self, loss, x, y):
        return loss + (nn.unroll(self.zone, x, rng=self.rng)[0][-1] ** 2).mean()

    return more


@change("draw")
def scheduled_sampling(case):
    case.model.rng = np.random.default_rng(3)

    def more(self, loss, x, y):
        def write(a, state):
            state = self.cell(a, state)
            return self.read(state[0] if isinstance(state, tuple) else state), state

        start = self.cell.initial_state(B)
        ys, _ = nn.decode(write, x[0], start, y, teacher=0.5, choose=lambda a: a, rng=self.rng)
        return loss + nn.mse_loss(stack(ys), y)

    return more


# -- count: what is left behind at each call --------------------------------------------------


def count(make):
    """`make` gives ``act(model)``, which counts, and gives the number; once used, once not."""
    name = f"count: {make.__name__.replace('_', ' ')}"

    def used(case):
        act = make(case)
        return lambda self, loss, x, y: loss * (1.0 + act(self))

    def alone(case):
        act = make(case)
        return lambda self, loss, x, y: (act(self), loss)[1]

    CHANGES[name], CHANGES[f"{name}, not used"] = used, alone
    return make


@count
def an_attribute(case):
    case.model.calls = 0

    def act(self):
        self.calls += 1
        return self.calls

    return act


@count
def in_an_object_of_the_models(case):
    case.model.box = types.SimpleNamespace(calls=[0])

    def act(self):
        self.box.calls[0] += 1
        return self.box.calls[0]

    return act


@count
def a_global_number(case):
    globals()["CALLS"] = 0
    case.before.append(lambda _: case.seen.update(calls=CALLS))

    def act(self):
        globals()["CALLS"] += 1
        return CALLS

    return act


@count
def a_list(case):
    case.seen["calls"] = calls = []

    def act(self):
        calls.append(len(calls))
        return len(calls)

    return act


@count
def a_list_of_the_models(case):
    case.model.calls = []

    def act(self):
        self.calls.append(len(self.calls))
        return len(self.calls)

    return act


@count
def a_counter_by_name(case):
    case.seen["calls"] = calls = collections.Counter()

    def act(self):
        calls["loss"] += 1
        return calls["loss"]

    return act


@count
def on_the_class(case):
    kind = type(case.model)
    kind.calls = 0
    case.before.append(lambda _: case.seen.update(calls=kind.calls))

    def act(self):
        type(self).calls += 1
        return type(self).calls

    return act


@count
def with_itertools(case):
    case.seen["calls"] = calls = itertools.count()
    return lambda self: next(calls)


@count
def a_nonlocal(case):
    calls = 0

    def act(self):
        nonlocal calls
        calls += 1
        case.seen["calls"] = calls
        return calls

    return act


@count
def every_third_call(case):
    case.seen["calls"] = calls = [0]

    def act(self):
        calls[0] += 1
        return float(calls[0] % 3 == 0)

    return act


@count
def lines_written(case):
    case.seen["text"] = text = io.StringIO()

    def act(self):
        print("called", file=text)
        return text.tell() / 10

    return act


@count
def in_an_array(case):
    case.seen["calls"] = calls = np.zeros(3)

    def act(self):
        calls[1] += 1
        return calls[1]

    return act


@count
def in_an_array_of_the_models(case):
    case.model.calls = np.zeros(3)

    def act(self):
        self.calls[1] += 1
        return self.calls[1]

    return act


@count
def the_learning_rate_down(case):
    def act(self):
        case.optimiser.lr *= 0.9
        return case.optimiser.lr

    return act


# -- rebind: the loss puts something else in a place ------------------------------------------


@change("rebind")
def a_state_in_an_attribute(case):
    case.model.h = None

    def more(self, loss, x, y):
        outputs, h = nn.unroll(self.cell, x, self.h)
        self.h = nn.detach(h)
        return loss + (outputs[-1] ** 2).mean()

    return more


@change("rebind")
def a_state_as_an_array(case):
    case.model.past = np.zeros((B, 3))

    def more(self, loss, x, y):
        outputs, _ = nn.unroll(self.cell, x)
        past, self.past = self.past, outputs[-1].data
        return loss + ((outputs[-1] - past) ** 2).mean()

    return more


@change("rebind")
def a_state_in_a_global(case):
    globals()["HIDDEN"] = None
    case.before.append(lambda _: case.seen.update(hidden=HIDDEN))

    def more(self, loss, x, y):
        outputs, h = nn.unroll(self.cell, x, HIDDEN)
        globals()["HIDDEN"] = nn.detach(h)
        return loss + (outputs[-1] ** 2).mean()

    return more


@change("rebind")
def a_cell_of_another_class(case):
    def more(self, loss, x, y):
        if case.step == 3:
            kind = type(self.cell)
            call = lambda self, x, state: kind.__call__(self, 2.0 * x, state)  # noqa: E731
            self.cell = copy.copy(self.cell)
            self.cell.__class__ = type("Doubled", (kind,), {"__call__": call})
        return loss

    return more


@change("rebind")
def a_cell_of_another_class_from_outside(case):
    def put(_):
        if case.step == 3:
            model, kind = case.model, type(case.model.cell)
            call = lambda self, x, state: kind.__call__(self, 2.0 * x, state)  # noqa: E731
            model.cell = copy.copy(model.cell)
            model.cell.__class__ = type("Doubled", (kind,), {"__call__": call})

    case.before.append(put)
    return lambda self, loss, x, y: loss


@change("rebind")
def a_parameter(case):
    def more(self, loss, x, y):
        if case.step == 3:
            self.read.W = Tensor(self.read.W.data * 0.5)
        return loss

    return more


@change("rebind")
def a_parameter_that_is_frozen(case):
    def more(self, loss, x, y):
        if case.step == 3:
            self.read.b = self.read.b.data
        return loss

    return more


@change("rebind")
def an_element_of_a_list(case):
    case.model.heads = [nn.Linear(3, 1, rng=4)]
    case.optimiser = SGD(case.model.parameters(), lr=0.1)

    def more(self, loss, x, y):
        if case.step == 3:
            self.heads[0] = nn.Linear(3, 1, rng=5)
        return loss + (self.heads[0](self.read.W.T) ** 2).mean()

    return more


@change("rebind")
def the_loss_itself(case):
    def more(self, loss, x, y):
        if case.step == 2:
            old = self.loss
            self.loss = lambda *batch: old(*batch) * 2.0
        return loss

    return more


@change("rebind")
def the_values_of_a_parameter_in_use(case):  # whose record is then void
    def more(self, loss, x, y):
        if case.step == 3:
            self.read.W.data = self.read.W.data * 0.5
        return loss

    return more


@change("rebind")
def the_values_of_a_parameter_between_steps(case):
    def put(_):
        case.model.read.W.data = np.clip(case.model.read.W.data, -0.3, 0.3)

    case.before.append(put)
    return lambda self, loss, x, y: loss


@change("rebind")
def entries_of_the_batch(case):
    def more(self, loss, x, y):
        case.seen["batch"] = y
        y[0] = 0.5
        return loss + ((self.read.b - y) ** 2).mean()

    return more


# -- branch: which way it goes ----------------------------------------------------------------


def branch(make):
    """`make` gives ``yes(model, loss, x, y)``; then the loss is another."""

    def two_ways(case):
        yes = make(case)
        return lambda self, loss, x, y: loss * 3.0 if yes(self, loss, x, y) else loss + 1.0

    CHANGES[f"branch: {make.__name__.replace('_', ' ')}"] = two_ways
    return make


@branch
def on_a_parameter(case):
    first = case.model.read.b.data[0]
    return lambda self, loss, x, y: self.read.b.data[0] > first + 0.1


@branch
def on_a_parameter_that_is_compared(case):
    first = case.model.read.b.data[0]
    return lambda self, loss, x, y: bool((self.read.b > first + 0.1)[0])


@branch
def on_the_loss(case):
    return lambda self, loss, x, y: loss.item() > 0.5


@branch
def on_a_loss_that_is_compared(case):
    return lambda self, loss, x, y: loss > 0.5


@branch
def on_the_batch(case):
    return lambda self, loss, x, y: x[0, 0, 0] > 0


@branch
def on_the_batch_by_numpy(case):
    return lambda self, loss, x, y: np.mean(x) > 0


@branch
def on_what_is_in_the_batch(case):
    return lambda self, loss, x, y: x.max() > 1.8


@branch
def on_the_step_outside(case):
    return lambda self, loss, x, y: case.step >= 4


@branch
def on_a_late_step_outside(case):
    return lambda self, loss, x, y: case.step == 5


@branch
def on_the_shape(case):
    return lambda self, loss, x, y: x.shape[0] == T


@branch
def on_the_dtype(case):
    return lambda self, loss, x, y: x.dtype == np.float64


@branch
def on_the_type(case):
    return lambda self, loss, x, y: isinstance(x, np.ndarray)


@branch
def on_a_gradient_left_over(case):
    return lambda self, loss, x, y: self.read.W.grad is not None


@branch
def on_the_order_of_values(case):
    return lambda self, loss, x, y: np.argsort(x[:, 0, 0])[0] == 0


@branch
def on_a_best_loss(case):
    best = [math.inf]

    def yes(self, loss, x, y):
        better = loss.item() < best[0]
        best[0] = min(best[0], loss.item())
        case.seen["best"] = best[0]
        return better

    return yes


@change("branch")
def as_often_as_a_value_says(case):
    def more(self, loss, x, y):
        for _ in range(int(abs(x[0, 0, 0]) * 3)):
            loss = loss * 1.1
        return loss

    return more


# -- check: what the loss itself refuses, in step BAD -----------------------------------------


@change("check")
def its_own_error_about_the_step(case):
    def more(self, loss, x, y):
        if case.step == BAD:
            raise RuntimeError("the teacher has left")
        return loss

    return more


@change("check")
def its_own_error_at_a_call(case):
    case.seen["calls"] = calls = []

    def more(self, loss, x, y):
        calls.append(len(calls))
        if len(calls) == BAD + 1:
            raise KeyError("no more")
        return loss

    return more


@change("check")
def a_parameter_that_is_large(case):
    def put(_):
        if case.step == BAD:
            case.model.read.b.data = case.model.read.b.data + 100

    def more(self, loss, x, y):
        if abs(self.read.b.data).max() > 50:
            raise AssertionError("the bias has left")  # pytest would add addresses to an assert's
        return loss

    case.before.append(put)
    return more


@change("check")
def an_error_with_a_note(case):
    def more(self, loss, x, y):
        if case.step == BAD:
            error = ValueError("not this one")
            error.add_note("said by the loss")
            raise error
        return loss

    return more


@change("check")
def an_error_that_is_caught(case):
    case.seen["caught"] = caught = []

    def more(self, loss, x, y):
        try:
            if case.step == BAD:
                raise ValueError("not this one")
        except ValueError as error:
            caught.append(str(error))
            return loss * 2.0
        return loss

    return more


def check(name, loss, good, bad):
    """A loss that refuses one of its batches, or does not mind."""

    def build():
        return Case(net(loss), lambda step: tuple(map(np.copy, bad if step == BAD else good)))

    WHOLE[f"check: {name}"] = build


def with_first(array, value):
    return np.concatenate([np.full_like(array.ravel()[:1], value), array.ravel()[1:]]).reshape(
        array.shape
    )


X, Y = drawn(0)
LABELS = np.random.default_rng(0).integers(2, size=(T, B))
TWO, ONE_LEFT = np.array([3, 2]), np.array([[True, False]] * T)


def labelled(self, x, labels, **options):
    return nn.cross_entropy(self.scores(x), labels, **options)


def padded(self, x, labels, lengths):
    return nn.cross_entropy(self.scores(x, lengths=lengths), labels, lengths=lengths)


def masked(self, x, y, mask):
    return nn.mse_loss(self.scores(x), y, mask=mask)


def targets(self, x, y):
    return nn.binary_cross_entropy(self.scores(x), y)


def ignoring(self, x, labels):
    return labelled(self, x, labels, ignore_index=-100)


def looked_up(self, symbols):
    return (self.scores(self.table(symbols)) ** 2).mean()


def embedding(bad):
    def build():
        model = net(looked_up)
        model.table = nn.Embedding(4, 2, rng=3)
        good = LABELS
        return Case(model, lambda step: (with_first(good, bad) if step == BAD else good,))

    return build


def picked(self, x, k):
    return self.scores(x)[k].sum() ** 2


def finite(self, x, y):
    if not np.isfinite(x).all():
        raise ValueError("the batch is not finite")
    return self.mse(x, y)


def positive(self, x, y):
    if y.min() < 0:
        raise ValueError("a negative target")
    return self.mse(x, y)


def bounded(self, x, y):
    if not (abs(x) < 9).all():
        raise AssertionError("an outlier")
    return self.mse(x, y)


def forgiving(self, x, labels):
    try:
        return labelled(self, x, labels)
    except ValueError:
        return (self.scores(x) ** 2).mean()


check("label -1", labelled, (X, LABELS), (X, with_first(LABELS, -1)))
check("label is the number of classes", labelled, (X, LABELS), (X, with_first(LABELS, 2)))
check("all ignored", ignoring, (X, LABELS), (X, np.full_like(LABELS, -100)))
check("one ignored, one -1", ignoring, (X, with_first(LABELS, -100)), (X, with_first(LABELS, -1)))
check("a label that is refused and caught", forgiving, (X, LABELS), (X, with_first(LABELS, -1)))
check("labels that are floats", labelled, (X, LABELS), (X, LABELS * 1.0))
check("labels of another length", labelled, (X, LABELS), (X, LABELS[:-1]))
check("target 7", targets, (X, Y), (X, with_first(Y, 7.0)))
check("target NaN", targets, (X, Y), (X, with_first(Y, np.nan)))
check("lengths beyond the end", padded, (X, LABELS, TWO), (X, LABELS, np.array([9, 2])))
check("negative lengths", padded, (X, LABELS, TWO), (X, LABELS, np.array([3, -2])))
check("lengths all 0", padded, (X, LABELS, TWO), (X, LABELS, np.array([0, 0])))
check("nothing is left by the mask", masked, (X, Y, ONE_LEFT), (X, Y, ONE_LEFT & False))
check("a place beyond the end", picked, (X, np.array(1)), (X, np.array(T)))
check("a place from the end", picked, (X, np.array(1)), (X, np.array(-1)))
check("NaN in the batch", Net.mse, (X, Y), (with_first(X, np.nan), Y))
check("NaN in the target", Net.mse, (X, Y), (X, with_first(Y, np.nan)))
check("infinity in the batch", Net.mse, (X, Y), (X, with_first(Y, np.inf)))
check("NaN that the loss refuses", finite, (X, Y), (with_first(X, np.nan), Y))
check("a sign that the loss refuses", positive, (X, Y), (X, with_first(Y, -3.0)))
check("a size that the loss asserts", bounded, (X, Y), (with_first(X, 30.0), Y))
check("features that do not fit", Net.mse, (X, Y), (X[:, :, :1], Y))
check("a batch of another size", Net.mse, (X, Y), (X[:, :1], Y))
WHOLE["check: symbol -1"], WHOLE["check: symbol beyond the last"] = embedding(-1), embedding(4)


@whole("check")
def a_batch_that_cannot_be_made():
    def batch(step):
        if step == BAD:
            raise OSError("the disk is full")
        return drawn(step)

    return Case(net(Net.mse), batch)


@whole("check")
def batches_that_end():
    batches = iter([drawn(k) for k in range(BAD)])
    return Case(net(Net.mse), lambda step: next(batches))


# -- remember: what was computed before -------------------------------------------------------


@change("remember")
def a_table_by_length(case):
    case.model.tables = {}

    def more(self, loss, x, y):
        if len(x) not in self.tables:
            self.tables[len(x)] = np.linspace(0, 1, len(x))[:, None, None]
        return loss + self.mse(x + self.tables[len(x)], y)

    return more


@change("remember")
def a_running_mean_in_place(case):
    case.model.running = np.zeros(2)

    def more(self, loss, x, y):
        self.running *= 0.9
        self.running += 0.1 * x.mean(axis=(0, 1))
        return loss + ((self.read.b - self.running) ** 2).sum()

    return more


@change("remember")
def an_average_of_losses(case):
    case.model.average = 0.0

    def more(self, loss, x, y):
        self.average = 0.9 * self.average + 0.1 * loss.item()
        return loss / (1.0 + self.average)

    return more


@change("remember")
def the_last_loss(case):
    case.model.last = 1.0

    def more(self, loss, x, y):
        scale, self.last = self.last, loss.item()
        return loss * scale

    return more


@change("remember")
def the_last_loss_as_a_tensor(case):
    case.seen["last"] = None

    def more(self, loss, x, y):
        last, case.seen["last"] = case.seen["last"], loss.detach()
        return loss if last is None else loss + (loss - last) ** 2

    return more


@change("remember")
def the_best_loss(case):
    case.seen["best"] = math.inf

    def more(self, loss, x, y):
        case.seen["best"] = min(case.seen["best"], float(loss))
        return loss

    return more


@change("remember")
def masks_once_drawn(case):
    case.model.rng, case.model.masks = np.random.default_rng(3), {}

    def more(self, loss, x, y):
        if x.shape not in self.masks:
            self.masks[x.shape] = self.rng.random(x.shape) < 0.5
        return loss + self.mse(x * self.masks[x.shape], y)

    return more


@change("remember")
def a_history_of_arrays(case):
    case.model.past = []

    def more(self, loss, x, y):
        self.past.append(np.array(x))
        return loss + ((self.read.b - self.past[0].mean()) ** 2).sum()

    return more


@change("remember")
def the_batch_before(case):
    case.seen["before"] = None

    def more(self, loss, x, y):
        before, case.seen["before"] = case.seen["before"], x
        return loss if before is None else loss + self.mse(before, y)

    return more


@change("remember")
def outputs_to_look_at(case):
    case.seen["outputs"] = []

    def more(self, loss, x, y):
        case.seen["outputs"].append(self.scores(x).data[-1])
        return loss

    return more


@change("remember")
def what_a_cached_function_gave(case):
    case.seen["asked"] = asked = []

    @functools.lru_cache
    def weight(k):
        asked.append(k)
        return 1.0 + k

    return lambda self, loss, x, y: loss * weight(case.step // 2)


@change("remember")
def a_target_network(case):  # a slow copy of a weight
    case.model.slow = case.model.read.W.data.copy()

    def more(self, loss, x, y):
        self.slow = 0.9 * self.slow + 0.1 * self.read.W.data
        return loss + ((self.read.W - self.slow) ** 2).sum()

    return more


# -- plain: nothing but parameters, batch and what is carried ---------------------------------


def carried(cell, keep=lambda state: state):
    def loss(self, x, y, state=None):
        outputs, state = nn.unroll(self.cell, x, state)
        return nn.mse_loss(self.read(stack(outputs)), y), keep(state)

    return lambda: Case(net(loss, cell))


for cell in (nn.RNNCell, nn.LSTMCell, nn.GRUCell):
    for what, build in (
        ("a loss", functools.partial(lambda cell: Case(net(Net.mse, cell)), cell)),
        ("carried on", carried(cell)),
        ("carried on, detached", carried(cell, nn.detach)),
    ):
        WHOLE[f"plain: {what}, {cell.__name__}"] = build
        SERVED.add(f"plain: {what}, {cell.__name__}")


@whole("plain", served=True)
def a_state_forgotten_now_and_then():
    def loss(self, x, y, keep, state=None):
        outputs, state = nn.unroll(self.cell, x, state)
        return nn.mse_loss(self.read(stack(outputs)), y), state if keep else None

    return Case(net(loss), lambda step: (*drawn(step), step % 3 > 0))


@whole("plain", served=True)
def a_state_now_and_then():
    def loss(self, x, y, state=None):
        outputs, after = nn.unroll(self.cell, x, state)
        found = nn.mse_loss(self.read(stack(outputs)), y)
        return (found, after) if len(x) == T else found

    return Case(net(loss), lambda step: drawn(step, T if step % 3 else T + 1))


@whole("plain", served=True)
def a_state_with_nothing_in_a_place():
    def loss(self, x, y, state=(None, None)):
        outputs, h = nn.unroll(self.cell, x, state[0])
        return nn.mse_loss(self.read(stack(outputs)), y), (h, None)

    return Case(net(loss))


@whole("plain", served=True)
def a_state_as_a_list():
    def loss(self, x, y, state=None):
        outputs, h = nn.unroll(self.cell, x, state[0] if state else None)
        return nn.mse_loss(self.read(stack(outputs)), y), [h, (h * 2.0, h)]

    return Case(net(loss))


@whole("plain", served=True)
def two_losses_in_turn():
    def loss(self, x, y, which):
        return self.mse(x, y) if which == "squared" else abs(self.scores(x) - y).mean()

    return Case(net(loss), lambda step: (*drawn(step), ("squared", "absolute")[step % 2]))


@whole("count")
def two_losses_in_turn_by_a_counter():
    def loss(self, x, y):
        self.calls += 1
        return self.mse(x, y) if self.calls % 2 else abs(self.scores(x) - y).mean()

    case = Case(net(loss))
    case.model.calls = 0
    return case


@whole("plain", served=True)
def a_gradient_in_the_loss():
    def loss(self, x, y):
        outputs, _ = nn.unroll(self.cell, x)
        found = nn.mse_loss(self.read(outputs[-1]), y[-1])
        return found + 0.5 * information_flow(found, outputs)

    return Case(net(loss))


@whole("plain", served=True)
def a_gradient_of_a_gradient():
    def loss(self, x, y):
        found = self.mse(x, y)
        return found + (tinygrad_rnn.grad(found, self.read.W, create_graph=True) ** 2).sum()

    return Case(net(loss))


@whole("plain", served=True)
def symbols():
    return embedding(1)()


@whole("plain", served=True)
def labels():
    return Case(net(labelled), lambda step: (drawn(step)[0], (drawn(step)[1] > 0.5)[..., 0] * 1))


@whole("plain", served=True)
def lengths_within_the_batch():
    def batch(step):
        return drawn(step)[0], LABELS, np.array([1 + step % T, T])

    return Case(net(padded), batch)


@whole("plain", served=True)
def a_mask():
    return Case(net(masked), lambda step: (*drawn(step), drawn(step)[0][..., 0] > -9))


@whole("plain", served=True)
def single_precision():
    return Case(net(Net.mse, dtype=np.float32), lambda step: drawn(step, dtype=np.float32))


@whole("plain", served=True)
def both_precisions():
    return Case(
        net(Net.mse), lambda step: drawn(step, dtype=(np.float64, np.float32)[step // 2 % 2])
    )


@whole("plain", served=True)
def another_length_each_time():
    return Case(net(Net.mse), lambda step: drawn(step, T=2 + step % 3))


@whole("plain", served=True)
def lengths_that_come_back():
    return Case(net(Net.mse), lambda step: drawn(step, T=T + step // 2 % 2))


@whole("plain", served=True)
def a_weight_in_the_batch():
    def loss(self, x, y, weight):
        return self.mse(x, y) * weight

    return Case(net(loss), lambda step: (*drawn(step), 1.0 + step))


@whole("plain", served=True)
def a_whole_number_in_the_batch():
    def loss(self, x, y, power):
        return self.mse(x, y) * power

    return Case(net(loss), lambda step: (*drawn(step), 1 + step // 2))


@whole("plain", served=True)
def a_batch_of_tensors():
    return Case(net(Net.mse), lambda step: tuple(map(Tensor, drawn(step))))


@whole("plain", served=True)
def a_batch_from_the_generator_of_the_run():
    rng = np.random.default_rng(3)
    return Case(net(Net.mse), lambda step: (rng.normal(size=(T, B, 2)), Y), rng=rng)


@whole("plain")
def a_batch_in_a_dict():
    def loss(self, batch):
        return self.mse(batch["x"], batch["y"])

    return Case(net(loss), lambda step: (dict(zip("xy", drawn(step), strict=True)),))


@whole("plain")
def a_batch_with_an_object():
    def loss(self, x, y, settings):
        return self.mse(x, y) * settings.scale

    return Case(net(loss), lambda step: (*drawn(step), Settings(1.0 + step)))


@whole("plain")
def sequences_of_their_own_lengths():
    def loss(self, xs, y):
        ends = stack([nn.unroll(self.cell, x)[0][-1] for x in xs])
        return nn.mse_loss(self.read(ends), y)

    def batch(step):
        x, y = drawn(step)
        return [x[:2, 0], x[:, 1]], y[0]

    return Case(net(loss), batch)


@whole("plain")
def sequences_of_tensors():
    def loss(self, xs, y):
        ends = stack([nn.unroll(self.cell, x)[0][-1] for x in xs])
        return nn.mse_loss(self.read(ends), y)

    def batch(step):
        x, y = drawn(step)
        return [Tensor(x[:2, 0]), Tensor(x[:, 1])], y[0]

    return Case(net(loss), batch)


@whole("count")
def what_is_looked_up_in_a_sequence_of_its_own_class():
    looked_up = []

    class Lazy:
        def __init__(self, x):
            self.x = x

        def __len__(self):
            return len(self.x)

        def __getitem__(self, k):
            looked_up.append(k)
            return self.x[k]

    def loss(self, xs, y):
        return self.mse(np.stack([xs[k] for k in range(len(xs))]), y)

    def batch(step):
        x, y = drawn(step)
        return Lazy(x), y

    case = Case(net(loss), batch)
    case.seen["it"] = looked_up
    return case


@whole("plain")
def no_batch():
    def loss(self):
        return self.mse(X, Y)

    return Case(net(loss), lambda step: ())


@whole("plain", served=True)
def the_same_batch_each_time():
    return Case(net(Net.mse), lambda step: (X, Y))


@whole("read")
def one_batch_written_in_place():
    x, y = drawn(0)

    def batch(step):
        x[...] = drawn(step)[0]
        return x, y

    return Case(net(Net.mse), batch)


@whole("rebind")
def the_batch_by_the_loss():
    kept = []

    def loss(self, x, y):
        kept.append(x)
        x *= 0.5
        return self.mse(x, y)

    case = Case(net(loss))
    case.seen["batches"] = kept
    return case


@whole("rebind")
def the_values_of_a_parameter_before_its_use():
    def loss(self, x, y):
        self.read.W.data = np.clip(self.read.W.data, -0.3, 0.3)
        return self.mse(x, y)

    return Case(net(loss))


@whole("branch")
def on_a_state_that_is_none():
    def loss(self, x, y, state=None):
        if state is None:
            self.starts += 1
        outputs, state = nn.unroll(self.cell, x, state)
        return nn.mse_loss(self.read(stack(outputs)), y), state

    case = Case(net(loss))
    case.model.starts = 0
    return case


@whole("branch")
def on_how_long_the_batch_is():
    def loss(self, x, y):
        return self.mse(x, y) * (2.0 if len(x) > T else 1.0)

    return Case(net(loss), lambda step: drawn(step, T=T + step % 2))


@whole("branch")
def on_the_values_of_a_state():
    def loss(self, x, y, state=None):
        if state is not None and state.data[0, 0] > 0:
            state = None
        outputs, state = nn.unroll(self.cell, x, state)
        return nn.mse_loss(self.read(stack(outputs)), y), state

    return Case(net(loss))


# States that are more than Tensors, or in other structures than tuples and lists.


@whole("state")
def a_number_of_steps_in_the_state():
    def loss(self, x, y, state=(None, 0)):
        h, steps = state
        outputs, h = nn.unroll(self.cell, x, h)
        scale = [1.0, 2.0, 3.0][steps % 3]
        return nn.mse_loss(self.read(stack(outputs)), y) * scale, (h, steps + 1)

    return Case(net(loss))


@whole("state")
def an_array():
    def loss(self, x, y, state=None):
        outputs, h = nn.unroll(self.cell, x, state)
        return nn.mse_loss(self.read(stack(outputs)), y), h.data

    return Case(net(loss))


@whole("state")
def a_dict_of_states():
    def loss(self, x, y, state=None):
        outputs, h = nn.unroll(self.cell, x, state["h"] if state else None)
        return nn.mse_loss(self.read(stack(outputs)), y), {"h": h}

    return Case(net(loss))


Pair = collections.namedtuple("Pair", "h past")


@whole("state")
def named_parts():
    def loss(self, x, y, state=None):
        outputs, h = nn.unroll(self.cell, x, state.h if state else None)
        return nn.mse_loss(self.read(stack(outputs)), y), Pair(h, h)

    return Case(net(loss))


KINDS = {name: functools.partial(changed, make) for name, make in CHANGES.items()} | WHOLE
LATE = {
    name: functools.partial(changed, CHANGES[name], late=True)
    for name in CHANGES
    if name.startswith("read")
}
KINDS |= {f"{name}, late": build for name, build in LATE.items()}


# -- the properties ---------------------------------------------------------------------------


# Today the eager loop of fit is another one here.
ALL = list(KINDS)


@pytest.fixture
def in_numpy(monkeypatch):
    """No C, which takes longer to build than all this to run."""
    monkeypatch.setenv("CC", "there-is-no-such-compiler")


@pytest.mark.parametrize("name", ALL)
def test_by_default_fit_is_the_loop_by_hand_to_the_bit(name):
    compare(KINDS[name], functools.partial(by_fit, **DEFAULT))


@pytest.mark.sampled(4)
@pytest.mark.usefixtures("in_numpy")
@pytest.mark.parametrize("name", ALL)
def test_what_is_checked_is_the_loop_by_hand_or_refused(name):
    check = functools.partial(by_fit, **CHECK)
    rtol = 1e-4 if "single precision" in name else 1e-9
    compare(KINDS[name], check, exact=False, may_refuse=name not in SERVED, rtol=rtol)


@pytest.mark.parametrize("name", ["plain: a loss, RNNCell", "plain: carried on, LSTMCell"])
def test_what_is_checked_in_c_is_the_loop_by_hand(name):
    compare(KINDS[name], functools.partial(by_fit, **CHECK), exact=False)


@pytest.mark.parametrize(
    "name", ["read: a global", "draw: a coin", "count: a list", "check: label -1"]
)
def test_what_is_checked_in_c_is_refused_rather_than_wrong(name):
    compare(KINDS[name], functools.partial(by_fit, **CHECK), exact=False, may_refuse=True)


EXAMPLES = pytest.mark.parametrize("examples", [15, pytest.param(40, marks=pytest.mark.slow)])


def together(examples, run, **options):
    """Compare two or three kinds at once, drawn so many times."""

    @settings(max_examples=examples, derandomize=True, database=None)
    @given(
        names=st.lists(st.sampled_from(sorted(CHANGES)), min_size=2, max_size=3, unique=True),
        cell=st.sampled_from([nn.RNNCell, nn.LSTMCell, nn.GRUCell]),
        late=st.booleans(),
    )
    def drawn(names, cell, late):
        build = functools.partial(changed, *map(CHANGES.get, names), cell=cell, late=late)
        compare(build, run, **options)

    drawn()


@EXAMPLES
def test_by_default_kinds_together_are_the_loop_by_hand_to_the_bit(examples):
    together(examples, functools.partial(by_fit, **DEFAULT))


@pytest.mark.usefixtures("in_numpy")
@EXAMPLES
def test_kinds_together_that_are_checked_are_the_loop_by_hand_or_refused(examples):
    together(examples, functools.partial(by_fit, **CHECK), exact=False, may_refuse=True)


# What no second run can repeat is asked at every step all the same. No learning rate: but for the
# number all losses are equal.
UNREPEATABLE = {
    "a fresh generator": lambda: np.random.default_rng().random(),
    "the system's own generator": random.SystemRandom().random,
    "a clock": time.perf_counter,
    "an identifier": lambda: uuid.uuid4().int / 2**128,
}


@pytest.mark.usefixtures("in_numpy")
@pytest.mark.parametrize("options", [DEFAULT, CHECK], ids=["default", "check"])
@pytest.mark.parametrize("name", UNREPEATABLE)
def test_what_cannot_be_repeated_is_asked_at_every_step(name, options):
    number = UNREPEATABLE[name]
    case = Case(net(lambda self, x, y: self.mse(x, y) * number()), lambda step: (X, Y))
    case.optimiser.lr = 0.0
    try:
        found = by_fit(case, **options)
    except Refused:
        assert options is not DEFAULT
        return
    assert found["exception"] is None
    assert len(set(found["losses"])) == STEPS


# -- whether these tests can fail -------------------------------------------------------------


def by_program(case):
    """Record once and believe it, which is wrong for every loss that is not plain."""
    step = tinygrad_rnn.compile(lambda model, *batch: model.loss(*batch))
    seen = {"losses": [], "gradients": [], "exception": None, "state": None}
    for k in range(STEPS):
        batch = case.batch(k)
        case.optimiser.zero_grad()
        loss, found = step(case.model, *batch)
        for name, p in case.model.named_parameters().items():
            p.grad = found[name]
        seen["gradients"].append(gradients(case.optimiser.parameters))
        case.optimiser.step()
        seen["losses"].append(float(loss))
    return seen


def tampered(change):
    def run(case):
        found = by_hand(case)
        change(case, found)
        return found

    return run


def asked_twice(case):
    kind = type(case.model)
    loss = kind.loss
    kind.loss = lambda self, *batch: (loss(self, *batch), loss(self, *batch))[1]
    return by_hand(case)


def test_the_comparison_holds_for_a_program_of_a_plain_loss():
    compare(KINDS["plain: a loss, RNNCell"], by_program, exact=False)


WRONG = [
    ("read: a global", by_program, "losses[2]"),
    ("read: an entry of a large array, late", by_program, "losses[6]"),
    ("draw: from random", asked_twice, "random[2]"),
    ("draw: from numpy", asked_twice, "numpy.random"),
    ("draw: a coin in a closure", asked_twice, "outside.it"),
    ("count: a list, not used", by_program, "outside.calls"),
    ("count: an attribute, not used", asked_twice, "model.calls"),
    ("rebind: a state in a global", by_program, "losses["),
    ("branch: on a late step outside", by_program, "losses[6]"),
    ("count: a nonlocal, not used", asked_twice, "outside.calls: by hand 6, by fit 12"),
    ("draw: the generator of the run", asked_twice, "rng.state"),
    (
        "check: target 7",
        tampered(lambda _, found: found["exception"].update(step=3)),
        "exception.step",
    ),
    (
        "check: target 7",
        tampered(lambda _, found: found["exception"].update(text="")),
        "exception.text",
    ),
    ("plain: a loss, GRUCell", tampered(lambda case, _: case.asked.append(6)), "asked"),
    (
        "plain: carried on, GRUCell",
        tampered(lambda _, found: found["losses"].__setitem__(3, found["losses"][3] * (1 + 1e-8))),
        "losses[4]",
    ),
    (
        "plain: carried on, LSTMCell",
        tampered(lambda _, found: setattr(found["state"][1], "data", found["state"][0].data)),
        "state[2].data",
    ),
]


@pytest.mark.parametrize(("name", "run", "where"), WRONG)
def test_what_is_wrong_is_noticed_and_said(name, run, where):
    with pytest.raises(Different) as caught:
        compare(KINDS[name], run, exact=False, may_refuse=True)
    assert f"\n{where}" in str(caught.value)


def test_one_bit_is_noticed_by_default():
    def bit(case, found):
        found["losses"][5] = math.nextafter(found["losses"][5], 9.0)

    compare(KINDS["plain: a loss, RNNCell"], tampered(bit), exact=False)
    with pytest.raises(Different, match=r"losses\[6\]: by hand"):
        compare(KINDS["plain: a loss, RNNCell"], tampered(bit))


@pytest.mark.parametrize(
    "error",
    [
        AssertionError("fit: never"),
        KeyError("fit: never"),
        AttributeError("compile: never"),
        ValueError("zip() argument 2 is shorter"),
        ValueError("fit: target is one of these"),
        ValueError("fit: expected finite numbers, got the loss nan"),
    ],
)
def test_a_crash_is_no_refusal(error):
    assert not refused(error)
    assert refused(ValueError("fit: losses[3] of the program is not that of an eager run"))
