"""What does a function reach beside its arguments, and does it move when the function runs?

To record a function is to run it, more often than whoever wrote it asked for. So random generators
are set back afterwards, and a function that changes anything else it can reach (a global, what a
closure holds, an iterator) is refused by the name of what has changed.
"""

from __future__ import annotations

import argparse
import functools
import io
import itertools
import random
import sys
import types
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn.engine.recorder import Draw
from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["Surroundings", "Ways", "follow", "generators_in"]

Way = tuple[tuple[str, int], ...]  # from an object to one inside: the name and number of each part
Ways = list[Way | None]  # from several objects; None if it is not inside

MOST = 20_000  # objects looked at: a function may reach a whole application
_PLAIN = (type(None), bool, int, float, complex, str, bytes, np.generic)
_FOREIGN = frozenset((*sys.stdlib_module_names, "numpy", "tinygrad_rnn"))
_HOLDERS = (list, tuple, deque, set, frozenset)
_NAMESPACES = (types.SimpleNamespace, argparse.Namespace)  # of the standard library, but open


class Surroundings:
    """What `roots` reach, as it was when this was made.

    Attributes
    ----------
    generators
        The random generators among it.
    """

    def __init__(self, *roots: tuple[str, Any]) -> None:
        self.roots = [*roots, ("random", random.random.__self__)]
        self.roots.append(("numpy.random", np.random.rand.__self__))  # loaded only now
        self.found = list(_reached(self.roots))  # alive: no other object gets an address of these
        self.generators = [(path, x) for path, x in self.found if _state(x) is not None]
        self._drawn = self._states()
        self._seen = {(path, type(x)): _fingerprint(x) for path, x in self.found}

    def drawn_beside(self, draws: Sequence[Draw]) -> str:
        """The generator that has moved otherwise than by `draws`; empty if none has."""
        found = self._states()
        self.set_back()
        for draw in draws:
            getattr(draw.rng, draw.method)(draw.shape)
        for (path, _), now, expected in zip(self.generators, found, self._states(), strict=True):
            if _said(now) != _said(expected):
                return path
        return ""

    def reach(self, x: Any) -> bool:
        """Whether a generator is among what is reached."""
        return any(x is y for _, y in self.generators)

    def ways(self, x: Any) -> Ways:
        """The way to an object from each of the roots."""
        return [_way(root, x) for _, root in self.roots[: -len(_GLOBAL)]]

    def set_back(self) -> None:
        """Put every random generator back to where it was."""
        for (_, x), state in zip(self.generators, self._drawn, strict=True):
            _set_state(x, state)

    def iterator(self) -> str:
        """An iterator or open file among it: what is taken cannot be put back; empty if none is."""
        kinds = (Iterator, io.IOBase)
        return next((path for path, x in self.found if isinstance(x, kinds)), "")

    def changed(self) -> str:
        """What is another now, as ``"counts[0]"``; empty if nothing is."""
        now = {(path, type(x)): _fingerprint(x) for path, x in _reached(self.roots)}
        for key, before in self._seen.items():
            if now.get(key) != before:
                return key[0]
        return next((key[0] for key in now if key not in self._seen), "")

    def _states(self) -> list[Any]:
        return [_state(x) for _, x in self.generators]


def generators_in(*roots: Any) -> list[Any]:
    """The random generators that objects hold."""
    return [x for _, x in _reached([("", root) for root in roots]) if _state(x) is not None]


def follow(root: Any, way: Way) -> Any:
    """What stands at the end of a way from another root; None if there is no such way."""
    x = root
    for name, k in way:
        part = next(itertools.islice(_inside("", x), k, None), None)
        if part is None or part[0] != name:
            return None
        x = part[1]
    return x


def _way(root: Any, x: Any) -> Way | None:
    todo, seen = deque[tuple[Any, Way]]([(root, ())]), set[int]()
    while todo and len(seen) < MOST:
        y, way = todo.popleft()
        if y is x:
            return way
        if not isinstance(y, _PLAIN) and id(y) not in seen:
            seen.add(id(y))
            todo.extend((z, (*way, (name, k))) for k, (name, z) in enumerate(_inside("", y)))
    return None


def _state(x: Any) -> Any:
    """Where a random generator is; None if it is none."""
    if isinstance(x, np.random.Generator):
        return x.bit_generator.state
    if isinstance(x, np.random.RandomState):
        return x.get_state(legacy=False)
    if isinstance(x, random.Random) and not isinstance(x, random.SystemRandom):
        return x.getstate()
    return None


def _said(state: Any) -> Any:
    """A state as what can be compared."""
    if isinstance(state, dict):
        return {key: _said(part) for key, part in state.items()}
    return state.tobytes() if isinstance(state, np.ndarray) else state


def _set_state(x: Any, state: Any) -> None:
    if isinstance(x, np.random.Generator):
        x.bit_generator.state = state
    elif isinstance(x, np.random.RandomState):
        x.set_state(state)
    else:
        x.setstate(state)


def _reached(roots: Any) -> Iterator[tuple[str, Any]]:
    """Everything that can be reached, each thing once, with the way there."""
    todo, seen = deque[tuple[str, Any]](roots), set[int]()
    while todo and len(seen) < MOST:
        path, x = todo.popleft()
        if isinstance(x, _PLAIN):
            yield path, x
            continue
        if id(x) in seen:
            continue
        seen.add(id(x))
        yield path, x
        todo.extend(_inside(path, x))


def _inside(path: str, x: Any) -> Iterator[tuple[str, Any]]:
    """What one object holds, each with a name."""
    if isinstance(x, (Tensor, np.ndarray, types.ModuleType)) or _state(x) is not None:
        return
    if isinstance(x, functools.partial):
        yield from ((path, x.func), *((f"{path}({k})", y) for k, y in enumerate(x.args)))
        yield from ((f"{path}({k}=)", y) for k, y in x.keywords.items())
    elif isinstance(x, types.MethodType):
        yield from ((path, x.__self__), (path, x.__func__))
    elif isinstance(x, types.FunctionType):
        yield from _around(path, x)
    elif isinstance(x, dict):
        yield from ((f"{path}[{k!r}]", y) for k, y in list(x.items()))
    elif isinstance(x, _HOLDERS):
        yield from ((f"{path}[{k}]", y) for k, y in enumerate(list(x)))
    elif isinstance(x, type):
        if not _is_foreign(x):
            yield from ((f"{x.__name__}.{k}", y) for k, y in list(vars(x).items()) if k[:2] != "__")
    elif isinstance(x, property):
        yield from ((path, f) for f in (x.fget, x.fset) if f is not None)
    elif isinstance(x, (staticmethod, classmethod)):
        yield path, x.__func__
    elif not _is_closed(type(x)):
        for k, y in list(getattr(x, "__dict__", {}).items()):
            yield f"{path}.{k}", y
        for kind in type(x).__mro__:
            for k in _slots(kind):
                if hasattr(x, k):
                    yield f"{path}.{k}", getattr(x, k)
            yield kind.__name__, kind


def _around(path: str, f: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """What a function has around it: defaults, closure, and the globals that its code names."""
    if _is_foreign(f):
        return
    for k, y in enumerate(f.__defaults__ or ()):
        yield f"{path}'s default {k}", y
    for k, y in (f.__kwdefaults__ or {}).items():
        yield f"{path}'s default {k}", y
    for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not filled yet
            continue
    names, codes = set[str](), [f.__code__]
    while codes:
        code = codes.pop()
        names |= {*code.co_names}
        codes += [c for c in code.co_consts if isinstance(c, types.CodeType)]
    for name in sorted(names & f.__globals__.keys()):
        x = f.__globals__[name]
        if not isinstance(x, types.ModuleType):
            yield name, x
        elif not _is_foreign_name(x.__name__.partition(".")[0]):  # a module of the user's own
            yield from ((f"{name}.{k}", vars(x)[k]) for k in sorted(names & vars(x).keys()))


def _slots(kind: type) -> list[str]:
    if _is_foreign(kind):
        return []
    slots = vars(kind).get("__slots__", ())
    return [k for k in ([slots] if isinstance(slots, str) else slots) if k[:2] != "__"]


def _is_closed(kind: type) -> bool:
    """Whether what its objects hold is nobody's business: those of Python and NumPy."""
    ours = kind.__module__.partition(".")[0] == "tinygrad_rnn"
    return _is_foreign(kind) and not ours and not issubclass(kind, _NAMESPACES)


def _is_foreign(x: Any) -> bool:
    """Whether its code is none of the user's."""
    return _is_foreign_name(str(getattr(x, "__module__", "")).partition(".")[0])


@functools.cache
def _is_foreign_name(package: str) -> bool:
    """Whether a package is of Python, of NumPy or this one, or installed."""
    path = getattr(sys.modules.get(package), "__file__", None) or ""
    installed = {"site-packages", "dist-packages"} & {*Path(path).parts}
    return package in _FOREIGN or bool(installed)


def _fingerprint(x: Any) -> Any:
    """What is equal as long as an object is what it was; of what it holds, only which and where."""
    kind = type(x)
    if isinstance(x, _PLAIN):
        return kind, repr(x)
    if kind is Tensor:
        return kind, id(x), x.serial
    if isinstance(x, np.ndarray):
        if x.dtype.hasobject:
            return kind, id(x), [id(y) for y in x.flat]
        return kind, id(x), x.shape, x.dtype.str, zlib.crc32(x.tobytes())
    if isinstance(x, (dict, *_HOLDERS)):
        return kind, id(x), len(x)
    if isinstance(x, np.random.Generator):  # its state is set back; how often it was spawned is not
        x = getattr(x.bit_generator, "seed_seq", x)
    if isinstance(x, np.random.SeedSequence):
        return kind, id(x), x.n_children_spawned
    return kind, id(x)
