"""Where in a module can a Tensor be?

In its attributes, and inside what they hold: modules, lists, tuples, deques, dicts, dataclasses,
namespaces, cells of any class (objects that can be called), bound methods and `functools.partial`.
There a Tensor has a path, and a copy of the module has a Tensor of its own.

A function uses Tensors too, from around it, from its defaults and from its globals; a set and an
object of another class can hold some. These have no path that lasts, or copies would share them.
They are refused, unless they stand in one of the first places as well: passed over, they would be
left out of training without a word.
"""

from __future__ import annotations

import collections
import dis
import marshal
import types
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import is_dataclass
from functools import lru_cache, partial
from operator import is_
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.engine.tensor import OBJECT, Tensor
from tinygrad_rnn.hints import Keywords

__all__ = [
    "Leaf",
    "Look",
    "ModuleBase",
    "Place",
    "facts",
    "is_fixed",
    "look",
    "replace",
    "unchanged",
]

NOTHING, ARRAY, SEQUENCE, DICT, MODULE, OPEN, CLOSED = range(7)  # what can be done with an object

Leaf = tuple[str, Any, Any, Any]  # path, owner, key, value
Place = tuple[int, Any, list[Any], list[Any]]  # kind, what was looked into, names, values
Reader = Callable[[Any], dict[Any, Any]]

_BASES = (
    "builtins",
    __name__,
    "tinygrad_rnn.nn.module",
    "tinygrad_rnn.hints",
)  # that hold nothing of the user's
_EMPTY = dict[str, Any]()
_VIEWS = (type(_EMPTY.keys()), type(_EMPTY.values()), type(_EMPTY.items()))
_NAMESPACES = (types.SimpleNamespace, collections.UserDict, collections.UserList)
_OTHERS = ("tinygrad_rnn", "numpy")  # whose objects, modules apart, hold no parameters
_NO_CONSTANTS = frozenset(  # class attributes that are no parameters, for speed
    {types.FunctionType, property, classmethod, staticmethod, str, int, float, bool, type(None)}
)


class ModuleBase(Keywords):
    """Base of what is looked into as a module; there is one such class, `nn.Module`."""

    __slots__ = ()


class Look(NamedTuple):
    """The leaves found, the places looked into, and why a Tensor is refused, if one is."""

    leaves: list[Leaf]
    places: list[Place]
    refused: str


def look(module: Any) -> Look:
    """Every Tensor and array in `module`, depth first, in the order of attributes.

    A Tensor in a class attribute becomes an attribute of the object as well, the very same Tensor:
    copies and pickles take along what an object holds, not what its class does.

    A recorded result that is kept, such as the last state, is no parameter, and passed over.
    """
    leaves, places, closed = list[Leaf](), list[Place](), list[tuple[str, Any, str]]()
    todo: list[tuple[str, Any, Any, Any, bool]] = [("", None, None, module, False)]
    seen = set[int]()
    while todo:
        path, owner, key, value, foreign = todo.pop()
        if type(value) is Tensor:
            if value.op is None:
                leaves.append((path, owner, key, value))
            continue
        kind, read = _how(type(value))
        if kind == NOTHING:
            continue
        if kind == ARRAY:
            leaves.append((path, owner, key, value))
            if value.dtype is OBJECT:
                closed.append((path, value, ""))
        elif kind == CLOSED:
            closed.append((path, value, ""))
        elif id(value) not in seen:
            seen.add(id(value))
            prefix = f"{path}." if path else ""
            if kind >= MODULE:
                fixed = _take_over(value)
                closed += [(f"{prefix}{k}", v, type(value).__name__) for k, v in fixed]
            inside = read(value)
            foreign = foreign or (kind == OPEN and not isinstance(value, ModuleBase))
            todo += [(f"{prefix}{k}", value, k, v, foreign) for k, v in reversed(inside.items())]
            places.append((kind, None if value is module else value, [*inside], [*inside.values()]))
    refused = _refusal(module, leaves, places, closed, seen) if closed else ""
    return Look(leaves, places, refused)


def facts(places: list[Place]) -> tuple[Any, ...]:
    """All that the places hold beside parameters: equal as long as a program of them is the same.

    Numbers and words by value, arrays by a checksum, functions by their code, all else by its type.
    """
    return tuple(
        (kind, type(value).__qualname__, tuple(map(str, names)), tuple(map(_fact, values)))
        for kind, value, names, values in places
    )


def _fact(x: Any) -> Any:
    if isinstance(x, (bool, int, float, complex, str, bytes, type(None))):
        return type(x).__name__, repr(x)
    if isinstance(x, (np.ndarray, np.generic)) and not x.dtype.hasobject:
        return x.dtype.str, x.shape, zlib.crc32(x.tobytes())
    if isinstance(x, types.FunctionType):
        return x.__qualname__, zlib.crc32(marshal.dumps(x.__code__))
    kind = type(x)
    return kind.__module__, kind.__qualname__, getattr(x, "name", "") if callable(x) else ""


def unchanged(module: Any, places: list[Place]) -> bool:
    """True if all is as it was, object by object: Tensors have an ``==`` of their own.

    If each place holds the same objects, the parameters are the same: to see that takes a quarter
    of the time to look for them, which every call of a compiled step does. The module itself is not
    mentioned among the places: it would hold itself, and be garbage late.

    A class attribute that is new since the last look is not seen.
    """
    for kind, value, names, values in places:
        if kind == SEQUENCE:
            if len(value) != len(values) or not all(map(is_, value, values)):
                return False
            continue
        if kind == MODULE:
            inside = vars(module if value is None else value)
        elif kind == DICT:
            inside = value
        else:
            value = module if value is None else value
            inside = _how(type(value))[1](value)
        if len(inside) != len(names) or not all(map(is_, inside, names)):
            return False
        if not all(map(is_, inside.values(), values)):
            return False
    return True


def replace(owner: Any, key: Any, array: np.ndarray) -> None:
    """Put another array at a place where `look` found one."""
    if isinstance(owner, ModuleBase):
        setattr(owner, key, array)
    elif _how(type(owner))[0] != OPEN:
        owner[key] = array
    elif key in getattr(owner, "__dict__", ()):
        vars(owner)[key] = array  # also of what is frozen, as a dataclass can be
    else:
        object.__setattr__(owner, key, array)


def is_fixed(owner: Any) -> bool:
    """True if nothing that it holds can be replaced."""
    return isinstance(owner, (tuple, types.MethodType))


# -- what can be looked into, and how ---------------------------------------------------------


@lru_cache(maxsize=512)
def _how(cls: type) -> tuple[int, Reader]:
    """The way to look into objects of a class, by attribute, key or index, and a reader for it."""
    if issubclass(cls, (list, tuple, collections.deque)):
        return SEQUENCE, lambda value: dict(enumerate(value))
    if issubclass(cls, dict):
        return DICT, lambda value: value
    if issubclass(cls, np.ndarray):
        return ARRAY, lambda value: dict(enumerate(value.flat))
    if issubclass(cls, ModuleBase):
        return (OPEN, _attributes) if _slots(cls) else (MODULE, vars)
    if issubclass(cls, partial):
        return OPEN, lambda f: {"func": f.func, "args": f.args, "keywords": f.keywords, **vars(f)}
    if cls is types.MethodType:
        return OPEN, lambda f: {"__self__": f.__self__, "__func__": f.__func__}
    if cls is types.FunctionType:
        return CLOSED, _used
    if issubclass(cls, (set, frozenset)):
        return CLOSED, lambda value: dict(enumerate(value))
    if cls is types.MappingProxyType:
        return CLOSED, lambda value: dict(value)
    if cls in _VIEWS:
        return CLOSED, lambda value: dict(value.mapping)
    return _how_of_an_object(cls)


def _how_of_an_object(cls: type) -> tuple[int, Reader]:
    """The same, of a class that is none of Python's own."""
    classes = _classes(cls)
    others = any(c.__module__.split(".")[0] in _OTHERS for c in classes)
    if others or not classes or issubclass(cls, type):
        return NOTHING, vars
    called = any("__call__" in vars(c) for c in classes)
    if called or is_dataclass(cls) or issubclass(cls, _NAMESPACES):
        return OPEN, _attributes
    return CLOSED, _held


@lru_cache(maxsize=512)
def _classes(cls: type) -> list[type]:
    """The class and its bases, without Python's own and without Module."""
    return [c for c in cls.__mro__ if c.__module__ not in _BASES]


@lru_cache(maxsize=512)
def _slots(cls: type) -> dict[str, Any]:
    """The slots that a class and its bases declare."""
    return {
        name: slot
        for c in reversed(_classes(cls))
        for name, slot in vars(c).items()
        if type(slot) is types.MemberDescriptorType and not name.startswith("__")
    }


def _attributes(value: Any) -> dict[str, Any]:
    """The attributes of an object, in its slots and otherwise."""
    found = dict[str, Any]()
    for name, slot in _slots(type(value)).items():
        with suppress(AttributeError):  # it is empty
            found[name] = slot.__get__(value)
    return {**found, **getattr(value, "__dict__", {})}


def _held(value: Any) -> dict[str, Any]:
    """Tensors and modules among the attributes of an object; no deeper, as it may be large."""
    found = {**dict(_constants(type(value))), **_attributes(value)}
    return {name: x for name, x in found.items() if isinstance(x, (Tensor, ModuleBase))}


def _used(f: Any) -> dict[str, Any]:
    """The objects a function takes from around it, its defaults, its attributes and globals."""
    code, found = f.__code__, dict[str, Any]()
    for name, cell in zip(code.co_freevars, f.__closure__ or (), strict=True):
        with suppress(ValueError):  # it is empty
            found[name] = cell.cell_contents
    if f.__defaults__:
        last = code.co_argcount
        names = code.co_varnames[last - len(f.__defaults__) : last]
        found |= zip(names, f.__defaults__, strict=True)
    found |= {**(f.__kwdefaults__ or {}), **vars(f)}
    for name in _globals(code):
        x = f.__globals__.get(name)
        if type(x) is Tensor or _how(type(x))[0] in (MODULE, OPEN):
            found[name] = x
    return found


@lru_cache(maxsize=512)
def _globals(code: types.CodeType) -> tuple[str, ...]:
    """The globals that are read by a function and by those that are defined in it."""
    found, todo = dict[str, None](), [code]
    while todo:
        code = todo.pop()
        todo += [x for x in code.co_consts if isinstance(x, types.CodeType)]
        for line in dis.get_instructions(code):
            if line.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                found[line.argval] = None
    return tuple(found)


# -- class attributes -------------------------------------------------------------------------


def _take_over(value: Any) -> list[tuple[str, Any]]:
    """Copy class attributes that hold Tensors into the object; gives those that have no room."""
    fixed = list[tuple[str, Any]]()
    for name, x in _constants(type(value)):
        own = getattr(value, "__dict__", None)
        if own is None:
            fixed.append((name, x))
        elif name not in own and _holds_tensor(x):
            own[name] = x
    return fixed


def _constants(cls: type) -> Iterator[tuple[str, Any]]:
    """Class attributes that may hold Tensors, of bases first."""
    for c in reversed(_classes(cls)):
        for name, x in vars(c).items():
            kind = type(x)
            if kind in _NO_CONSTANTS or name.startswith("__"):
                continue
            if kind in (tuple, list) and _NO_CONSTANTS.issuperset(map(type, x)):
                continue
            if kind is not Tensor and (
                hasattr(kind, "__get__") or _how(kind)[0] in (NOTHING, ARRAY)
            ):
                continue
            if next(vars(d)[name] for d in cls.__mro__ if name in vars(d)) is x:
                yield name, x


def _holds_tensor(x: Any) -> bool:
    """True if a Tensor is in it, at any depth, class attributes included."""
    todo, seen = [x], set[int]()
    while todo:
        x = todo.pop()
        if type(x) is Tensor:
            return True
        kind, read = _how(type(x))
        if kind not in (NOTHING, ARRAY) and id(x) not in seen:
            seen.add(id(x))
            todo += read(x).values()
            todo += [y for _, y in _constants(type(x))] if kind >= MODULE else []
    return False


# -- what is refused --------------------------------------------------------------------------


def _refusal(
    module: Any,
    leaves: list[Leaf],
    places: list[Place],
    closed: list[tuple[str, Any, str]],
    seen: set[int],
) -> str:
    """The sentence about the first Tensor that is in `closed` only; these are looked into too."""
    known = {id(value) for *_, value in leaves}
    todo = [(path, x, x, slotted) for path, x, slotted in reversed(closed)]
    while todo:
        path, x, at, slotted = todo.pop()
        if type(x) is Tensor:
            if id(x) not in known and x.op is None and x.dtype.kind == "f":
                return _sentence(module, path, x, at, slotted)
            continue
        kind, read = _how(type(x))
        if kind == NOTHING or (kind == ARRAY and x.dtype is not OBJECT) or id(x) in seen:
            continue
        seen.add(id(x))
        inside = read(x)
        if inside or getattr(x, "__closure__", True):  # most functions use nothing, and never will
            places.append((kind, x, [*inside], [*inside.values()]))
        if kind >= MODULE:
            inside = {**dict(_constants(type(x))), **inside}
        todo += [(f"{path}.{k}", v, at, slotted) for k, v in reversed(inside.items())]
    return ""


def _sentence(module: Any, path: str, x: Tensor, at: Any, slotted: str) -> str:
    cls = type(at)
    if slotted:
        why = f"in the class {slotted}, whose objects have slots only and cannot hold it themselves"
        how = "Make it an attribute of the object, in __init__"
    elif cls is types.FunctionType:
        code = at.__code__
        place = f"line {code.co_firstlineno} of {Path(code.co_filename).name}"
        why = f"used by the function {at.__qualname__} ({place}), and a copy of the model would "
        why += "use the same one"
        how = "Make it an attribute of the model and the function a method, or use "
        how += "functools.partial(function, tensor)"
    elif issubclass(cls, (set, frozenset)):
        why = "in a set, whose elements have no order and so no names"
        how = "Use a list or a dict"
    elif issubclass(cls, np.ndarray):
        why = "in an array of objects"
        how = "Use a list, or one Tensor with axes"
    elif cls in (*_VIEWS, types.MappingProxyType):
        why = f"in a {cls.__name__}, which cannot be copied"
        how = "Use a list or a dict"
    else:
        why = f"in a {cls.__name__}, which is no cell: it cannot be called"
        how = f"Make {cls.__name__} an nn.Module or a dataclass"
    return (
        f"the parameters of {type(module).__name__}: the Tensor {path} (shape {x.shape}) is {why}. "
        f"It would neither be trained nor saved. {how}. A constant is an array: tensor.data."
    )
