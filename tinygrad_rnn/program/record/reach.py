"""What can be reached from an object, and by what is it told that a part of it has changed?

The contents of an object are read from its ``__dict__`` and its slots, and compared by identity,
numbers and strings by value, arrays by a checksum. No method of the user's is called, neither
``__eq__`` nor ``__repr__``, and the code of others is left alone: Python's, NumPy's, installed
packages.
"""

from __future__ import annotations

import argparse
import array
import collections
import functools
import gc
import inspect
import itertools
import operator
import queue
import sys
import types
import weakref
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["MOST", "Inside", "Kinds", "Thing", "first_change", "inside_of", "mark_of", "reached"]

MOST = 100_000  # objects looked at: a function may reach a whole application
_PLAIN = frozenset(
    (
        *(type(None), bool, int, float, complex, str, bytes, range, types.CodeType),
        *(kind for kind in np.sctypeDict.values() if kind not in (np.void, np.object_)),
    )
)
_PLAIN_IDS = frozenset(map(id, _PLAIN))  # the hash of a class may be the user's
_FOREIGN = frozenset((*sys.stdlib_module_names, "numpy", "tinygrad_rnn"))
_INSTALLED = frozenset(("site-packages", "dist-packages"))
_METHODS = (types.FunctionType, staticmethod, classmethod, property)
_SEQUENCES = (list, tuple, deque, set, frozenset)
_OPEN = (  # of the standard library, and made to hold what is the user's
    *(types.SimpleNamespace, argparse.Namespace, queue.Queue),
    *(collections.ChainMap, collections.UserDict, collections.UserList),
)


class Inside(NamedTuple):
    """The contents of an object, and the way to each thing, from the way to the object itself.

    That is a key, a name, or a text in which "{}" stands for the way to the object, as `form` says.
    """

    ways: Sequence[Any]
    things: list[Any]
    form: str = "{}"


class Thing(NamedTuple):
    """An object that was reached, from which one, on which way, and what it holds."""

    x: Any
    way: tuple[Thing | None, Any, str]
    inside: list[Inside]

    def path(self, *last: Any) -> str:
        """The way to it, or to what it holds, as in ``"model.counts[0]"``."""
        ways, thing = [last] if last else [], self
        while thing is not None:
            thing, *way = thing.way
            ways.append(tuple(way))
        path = ""
        for way, form in reversed(ways):
            if form == "{}":
                path = way.replace("{}", path)
            else:
                path += f"[{_word(way)}]" if form == "[]" else f".{way}"
        return path


def _word(key: Any) -> str:
    plain = id(type(key)) in _PLAIN_IDS
    return repr(key) if plain else f"<{_NAME(type(key))}>"


def reached(roots: Sequence[tuple[str, Any]], kinds: Kinds) -> Iterator[Thing]:
    """Every object that can be reached, once, the nearest first."""
    todo: deque[Any] = deque([(x, (None, name, "{}")) for name, x in roots])
    seen = set[int]()
    while todo and len(seen) < MOST:
        x, way = todo.popleft()
        if id(x) in seen:
            continue
        seen.add(id(x))
        thing = Thing(x, way, inside_of(x, kinds))
        yield thing
        for ways, things, form in thing.inside:
            if not _PLAIN_IDS.issuperset(map(id, map(type, things))):
                for way, y in zip(ways, things, strict=True):
                    if id(type(y)) not in _PLAIN_IDS:
                        todo.append((y, (thing, way, form)))


def first_change(before: Inside, after: Inside) -> tuple[Any, str] | None:
    """The way to the first thing that is another; of a sequence of another length to the whole."""
    ways, things, form = before
    if len(things) != len(after.things) and type(ways) is range:
        return "{}", "{}"
    same = len(things) == len(after.things) and all(map(operator.is_, things, after.things))
    if same and (type(ways) is range or all(map(operator.is_, ways, after.ways))):
        return None
    for k, (a, b) in enumerate(zip(things, after.things, strict=False)):
        if not _alike(ways[k], after.ways[k]):
            return (ways[k] if len(after.ways) <= len(ways) else after.ways[k]), form
        if not _alike(a, b):
            return ways[k], form
    more, common = max(ways, after.ways, key=len), min(len(ways), len(after.ways))
    return (more[common], form) if len(more) > common else None


def _alike(a: Any, b: Any) -> bool:
    """True if two numbers or strings are equal, or two other things are one object."""
    if a is b:
        return True
    if type(a) is not type(b) or id(type(a)) not in _PLAIN_IDS:
        return False
    if a == b:
        return type(a) is int or str(a) == str(b)  # 0.0 is not -0.0
    return bool(a != a and b != b)  # NaN


class _Kind(NamedTuple):
    """Facts about a class: the role of its objects, their slots, and its bases to be seen.

    An object of a `closed` class holds nothing but what its role says.
    """

    role: type | None
    closed: bool
    slots: list[tuple[str, Any]]
    bases: Inside


class Kinds(dict[int, _Kind]):
    """Classes by their addresses: their hashes may be the user's, and so may all they say."""

    def of(self, kind: type) -> _Kind:
        """The facts about a class."""
        if id(kind) not in self:
            slots = [
                (name, slot)
                for base in _BASES(kind)
                if _module_of(base).partition(".")[0] not in _FOREIGN
                for name, slot in _NAMESPACE(base).items()
                if type(slot) is types.MemberDescriptorType and name[:2] != "__"
            ]
            bases = [base for base in _BASES(kind) if not _is_outside(_module_of(base))]
            role = next((role for role in _ROLES if issubclass(kind, role)), None)
            if role is None and _is_outside(_module_of(kind)) and issubclass(kind, Iterator):
                role = Iterator
            closed = role is type or _is_closed(kind)
            inside = Inside([_NAME(base) for base in bases], bases)
            self[id(kind)] = _Kind(role, closed, slots, inside)
        return self[id(kind)]


def inside_of(x: Any, kinds: Kinds) -> list[Inside]:
    """The contents of one object; empty if reading them raises an error."""
    role, closed, slots, bases = kinds.of(type(x))
    try:
        inside = [_HELD[role](x)] if role in _HELD else []
        if not closed:
            inside.append(_attributes(x))
            inside += [_named(_set_slots(x, slots), ".")] if slots else []
            inside += [bases] if bases.things else []
        return inside
    except Exception:
        return []


def _keyed(things: list[Any]) -> Inside:
    return Inside(range(len(things)), things, "[]")


def _named(pairs: Any, form: str = "{}") -> Inside:
    pairs = list(pairs)
    return Inside([name for name, _ in pairs], [x for _, x in pairs], form)


def _set_slots(x: Any, slots: list[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    for name, slot in slots:
        with suppress(AttributeError):  # not set
            yield name, slot.__get__(x)


def _attributes(x: Any) -> Inside:
    try:
        held = object.__getattribute__(x, "__dict__")
    except AttributeError:
        return Inside([], [], ".")
    return Inside(list(held), list(held.values()), ".")


def _of_array(x: Any) -> Inside:
    return _keyed(list(x.flat) if x.dtype.hasobject else [])


def _of_partial(x: Any) -> Inside:
    ways = [f"{{}}({k})" for k in range(len(x.args))] + [f"{{}}({k}=)" for k in x.keywords]
    return Inside(["{}", *ways], [x.func, *x.args, *x.keywords.values()])


def _of_class(x: Any) -> Inside:
    held = list[tuple[str, Any]](() if _is_outside(_module_of(x)) else _NAMESPACE(x).items())
    ours = [(k, y) for k, y in held if k[:2] != "__" or type(y) in _METHODS]
    return _named((f"{_NAME(x)}.{k}", y) for k, y in ours)


def _of_iterator(x: Any) -> Inside:
    """The iterables of map, zip or cycle."""
    things = [y for y in gc.get_referents(x) if type(y) not in _PLAIN]
    return Inside(["{}"] * len(things), things)


def _of_function(f: types.FunctionType) -> Inside:
    held = _attributes(f)
    own = [(f"{{}}.{name}", x) for name, x in zip(held.ways, held.things, strict=True)]
    return _named([*_around(f), *own])


def _around(f: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """The surroundings of a function: defaults, closure, and the globals that its code names."""
    if _is_outside(str(f.__module__)):
        return
    for k, y in enumerate(f.__defaults__ or ()):
        yield f"{{}}'s default {k}", y
    for k, y in (f.__kwdefaults__ or {}).items():
        yield f"{{}}'s default {k}", y
    for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
        with suppress(ValueError):  # not filled yet
            yield name, cell.cell_contents
    names, codes = set[str](), [f.__code__]
    while codes:
        code = codes.pop()
        names |= {*code.co_names}
        codes += [c for c in code.co_consts if isinstance(c, types.CodeType)]
    yield from _globals(names, f.__globals__, "", set())


def _globals(
    names: set[str], space: dict[str, Any], way: str, modules: set[int]
) -> Iterator[tuple[str, Any]]:
    """Globals called one of `names` in a module, and in the user's own modules therein."""
    for name in sorted(names & space.keys()):
        x = space[name]
        if not issubclass(type(x), types.ModuleType):
            yield f"{way}{name}", x
        elif id(x) not in modules and not _is_outside(x.__name__):
            modules.add(id(x))
            yield from _globals(names, vars(x), f"{way}{name}.", modules)


def _is_closed(kind: type) -> bool:
    """True if its objects are not looked into: those of Python, NumPy and programs."""
    if any(base is other for base in _BASES(kind) for other in _OPEN):
        return False
    package, _, module = _module_of(kind).partition(".")
    if package == "tinygrad_rnn":
        return module.startswith("program")
    return package in _FOREIGN


def _module_of(kind: type) -> str:
    """The module that a class says it is from."""
    return str(type.__dict__["__module__"].__get__(kind))


@functools.lru_cache(maxsize=1024)
def _is_outside(module: str) -> bool:
    """True if a module is of Python, NumPy, this package, or installed."""
    top = module.partition(".")[0]
    file = getattr(sys.modules.get(top), "__file__", None)
    return top in _FOREIGN or not _INSTALLED.isdisjoint(Path(file or "").parts)


def mark_of(x: Any, kinds: Kinds) -> Any:
    """A mark of an object beside its contents: equal as long as it does not change."""
    role = kinds.of(type(x)).role
    return _MARKS[role](x) if role in _MARKS else id(type(x))


def _checksum(x: Any) -> Any:
    """A number that another value of any one element changes; files are not read."""
    if x.dtype.hasobject or (isinstance(x, np.memmap) and not x.flags.writeable):
        return x.shape
    together = x.T if x.flags.f_contiguous else x
    try:
        found = zlib.crc32(together)
    except (ValueError, BufferError):  # in pieces, or of a dtype that has no buffer
        found = zlib.crc32(np.ndarray.tobytes(x))
    return x.shape, x.dtype.str, found


def _of_tensor(x: Any) -> Any:
    known = issubclass(type(x._data), np.ndarray)  # isinstance would ask for its class
    return x.serial, _checksum(x._data) if known else None


def _position(x: Any) -> Any:
    """The position of an iterator of Python's own, as far as it says."""
    if type(x) is itertools.count:
        return repr(x)
    hint: Callable[[], int] | None = getattr(x, "__length_hint__", None)
    return None if hint is None else hint()


def _checked(x: Any) -> Any:
    return len(x), zlib.crc32(x)


def _elements(kind: Any) -> Callable[[Any], Inside]:
    """Of an object of `kind`, whose own class may iterate in a way of its own."""
    return lambda x: _keyed(list(kind.__iter__(x)))


# Of a class, though its metaclass is the user's
_NAME, _BASES, _NAMESPACE = (type.__dict__[k].__get__ for k in ("__name__", "__mro__", "__dict__"))

# The contents of objects, and what they are beside these. Of other classes attributes are seen.
_HELD: dict[Any, Callable[[Any], Inside]] = {
    Tensor: lambda x: Inside(["grad"], [x.grad], "."),
    np.ndarray: _of_array,
    dict: lambda x: Inside(list(dict.keys(x)), list(dict.values(x)), "[]"),
    types.FunctionType: _of_function,
    types.MethodType: lambda x: Inside(["{}", "{}"], [x.__self__, x.__func__]),
    types.BuiltinMethodType: lambda x: Inside(["{}"], [x.__self__]),
    types.MethodWrapperType: lambda x: Inside(["{}"], [x.__self__]),
    memoryview: lambda x: Inside(["{}"], [x.obj]),
    weakref.ref: lambda x: Inside(["{}"], [weakref.ref.__call__(x)]),
    types.GeneratorType: lambda x: _named(inspect.getgeneratorlocals(x).items()),
    functools.partial: _of_partial,
    type: _of_class,
    property: lambda x: _named(("{}", f) for f in (x.fget, x.fset) if f is not None),
    staticmethod: lambda x: Inside(["{}"], [x.__func__]),
    classmethod: lambda x: Inside(["{}"], [x.__func__]),
    functools.cached_property: lambda x: Inside(["{}"], [x.func]),
    type(functools.lru_cache(abs)): _attributes,
    Iterator: _of_iterator,
    **{kind: _elements(kind) for kind in _SEQUENCES},
}
_MARKS: dict[Any, Callable[[Any], Any]] = {
    Tensor: _of_tensor,
    np.ndarray: _checksum,
    bytearray: _checked,
    array.array: _checked,
    types.GeneratorType: lambda x: x.gi_frame and x.gi_frame.f_lasti,
    Iterator: _position,
}
_ROLES = tuple(role for role in (*_HELD, *_MARKS) if role is not Iterator)
