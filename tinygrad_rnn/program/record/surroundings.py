"""What does a function reach beside its arguments, and does it change when the function runs?

To record a function is to run it, more often than whoever wrote it asked for. So random generators
are set back afterwards, and a function that changes anything else it can reach (a global, what a
closure holds, an iterator) is refused by the name of what has changed.
"""

from __future__ import annotations

import io
import itertools
import random
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.engine.recorder import Draw
from tinygrad_rnn.program.record.reach import MOST, Kinds, first_change, inside_of, mark_of, reached

__all__ = ["Surroundings", "Ways", "follow", "generators_in"]

Way = tuple[tuple[Any, int], ...]  # from an object to one inside: the name and number of each part
Ways = list[Way | None]  # from several objects; None if it is not inside


class Surroundings:
    """The objects that `roots` reach, as they were when this was made.

    Attributes
    ----------
    generators
        The random generators among it.
    complete
        Whether it is all that they reach, and not only the first `MOST` objects.
    """

    def __init__(self, *roots: tuple[str, Any]) -> None:
        self._kinds, self.roots = Kinds(), roots
        public = ("random", random.random.__self__), ("numpy.random", np.random.rand.__self__)
        self._seen = list(reached((*roots, *public), self._kinds))
        self.complete = len(self._seen) < MOST
        self._marks = [self._mark(thing.x) for thing in self._seen]
        self.generators = [(x.path(), x.x) for x in self._seen if _state(x.x) is not None]
        self._drawn = self._states()

    def drawn_beside(self, draws: Sequence[Draw]) -> str:
        """The generator that has moved otherwise than by `draws`; empty if none has."""
        found = self._states()
        self.set_back()
        for draw in draws:
            getattr(draw.rng, draw.method)(draw.shape)
        for (path, _), now, expected in zip(self.generators, found, self._states(), strict=True):
            if not _equal(now, expected):
                return path
        return ""

    def set_back(self) -> None:
        """Put every random generator back to where it was."""
        for (_, x), state in zip(self.generators, self._drawn, strict=True):
            _set_state(x, state)

    def reach(self, x: Any) -> bool:
        """True if a generator is among what is reached."""
        return any(x is y for _, y in self.generators)

    def ways(self, x: Any) -> Ways:
        """The way to an object from each of the roots."""
        return [_way(root, x) for _, root in self.roots]

    def iterator(self) -> str:
        """An iterator or open file among it: what is taken cannot be put back; empty if none is."""
        kinds = (Iterator, io.IOBase)
        return next((thing.path() for thing in self._seen if issubclass(type(thing.x), kinds)), "")

    def changed(self) -> str:
        """The way to the first thing that has changed, as ``"counts[0]"``; empty if none has."""
        for thing, mark in zip(self._seen, self._marks, strict=True):
            if self._mark(thing.x) != mark:
                return thing.path()
            now = inside_of(thing.x, self._kinds)
            for before, after in zip(thing.inside, now, strict=True):
                if (way := first_change(before, after)) is not None:
                    return thing.path(*way)
        return ""

    def _mark(self, x: Any) -> Any:
        return mark_of(x, self._kinds), _spawned(x)

    def _states(self) -> list[Any]:
        return [_state(x) for _, x in self.generators]


def generators_in(*roots: Any) -> list[Any]:
    """The random generators that objects hold."""
    found = reached([("", root) for root in roots], Kinds())
    return [thing.x for thing in found if _state(thing.x) is not None]


def follow(root: Any, way: Way) -> Any:
    """The object at the end of a way from another root; None if there is no such way."""
    x, kinds = root, Kinds()
    for name, k in way:
        part = next(itertools.islice(_parts(x, kinds), k, None), None)
        if part is None or type(part[0]) is not type(name) or part[0] != name:
            return None
        x = part[1]
    return x


def _way(root: Any, x: Any) -> Way | None:
    todo, seen, kinds = deque[tuple[Any, Way]]([(root, ())]), set[int](), Kinds()
    while todo and len(seen) < MOST:
        y, way = todo.popleft()
        if y is x:
            return way
        if id(y) not in seen:
            seen.add(id(y))
            todo.extend((z, (*way, (name, k))) for k, (name, z) in enumerate(_parts(y, kinds)))
    return None


def _parts(x: Any, kinds: Kinds) -> Iterator[tuple[Any, Any]]:
    for inside in inside_of(x, kinds):
        yield from zip(inside.ways, inside.things, strict=True)


def _spawned(x: Any) -> Any:
    """The number of seeds that were spawned, which cannot be set back."""
    seeds = getattr(x.bit_generator, "seed_seq", None) if type(x) is np.random.Generator else x
    return seeds.n_children_spawned if type(seeds) is np.random.SeedSequence else None


def _state(x: Any) -> Any:
    """The state of a random generator; None if it is none."""
    kind = type(x)
    if issubclass(kind, np.random.Generator):
        return x.bit_generator.state
    if issubclass(kind, np.random.BitGenerator):
        return x.state
    if issubclass(kind, np.random.RandomState):
        return x.get_state(legacy=False)
    if issubclass(kind, random.Random) and not issubclass(kind, random.SystemRandom):
        return x.getstate()
    return None


def _set_state(x: Any, state: Any) -> None:
    if isinstance(x, np.random.Generator):
        x.bit_generator.state = state
    elif isinstance(x, np.random.BitGenerator):
        x.state = state
    elif isinstance(x, np.random.RandomState):
        x.set_state(state)
    else:
        x.setstate(state)


def _equal(a: Any, b: Any) -> bool:
    """True if two states of generators are the same."""
    if isinstance(a, dict):
        return all(_equal(a[key], b[key]) for key in a)
    return bool(np.array_equal(a, b)) if isinstance(a, np.ndarray) else a == b
