"""What does a function reach beside its arguments, and does it change when the function runs?

To record a function is to run it, more often than whoever wrote it asked for. So random generators
are set back afterwards, and a function that changes anything else it can reach (a global, what a
closure holds, an iterator) is refused by the name of what has changed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.engine.recorder import Draw
from tinygrad_rnn.program.reach import Kinds, first_change, inside_of, mark_of, reached

__all__ = ["Surroundings", "generators_in"]

_GLOBAL = (("random", random.random.__self__), ("numpy.random", np.random.rand.__self__))


class Surroundings:
    """What `roots` reach, as it was when this was made.

    Attributes
    ----------
    generators
        The random generators among it.
    """

    def __init__(self, *roots: tuple[str, Any]) -> None:
        self._kinds = Kinds()
        self._seen = list(reached((*roots, *_GLOBAL), self._kinds))
        self._marks = [mark_of(thing.x, self._kinds) for thing in self._seen]
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

    def changed(self) -> str:
        """What is another now, as ``"counts[0]"``; empty if nothing is."""
        for thing, mark in zip(self._seen, self._marks, strict=True):
            if mark_of(thing.x, self._kinds) != mark:
                return thing.path()
            now = inside_of(thing.x, self._kinds)
            for before, after in zip(thing.inside, now, strict=True):
                if (way := first_change(before, after)) is not None:
                    return thing.path(*way)
        return ""

    def _states(self) -> list[Any]:
        return [_state(x) for _, x in self.generators]


def generators_in(*roots: Any) -> list[Any]:
    """The random generators that objects hold."""
    found = reached([("", root) for root in roots], Kinds())
    return [thing.x for thing in found if _state(thing.x) is not None]


def _state(x: Any) -> Any:
    """Where a random generator is; None if it is none."""
    kind = type(x)
    if issubclass(kind, np.random.Generator):
        return x.bit_generator.state
    if issubclass(kind, np.random.RandomState):
        return x.get_state(legacy=False)
    if issubclass(kind, random.Random) and not issubclass(kind, random.SystemRandom):
        return x.getstate()
    return None


def _set_state(x: Any, state: Any) -> None:
    if isinstance(x, np.random.Generator):
        x.bit_generator.state = state
    elif isinstance(x, np.random.RandomState):
        x.set_state(state)
    else:
        x.setstate(state)


def _equal(a: Any, b: Any) -> bool:
    """Whether two states of generators are the same."""
    if isinstance(a, dict):
        return all(_equal(a[key], b[key]) for key in a)
    return bool(np.array_equal(a, b)) if isinstance(a, np.ndarray) else a == b
