"""How is the state of a random generator saved and restored?

NumPy gives the state of a generator as a dict of integers and small arrays. A loaded state is
checked entry by entry against that of the generator it is for, because some entries are indices
into the generator's memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.engine import tree

__all__ = ["generator_facts", "generator_state"]

_HIGHEST = {"pos": 624, "buffer_pos": 4, "has_uint32": 1, "uinteger": 2**32 - 1}


def generator_facts(rng: np.random.Generator | None) -> Any:
    """The state of `rng` in types that JSON can hold; None for no generator."""
    return None if rng is None else tree.map(_plain, rng.bit_generator.state)


def generator_state(facts: Any, rng: np.random.Generator | None) -> Any:
    """The state in `facts`, in the form of ``rng.bit_generator.state``; `rng` is not changed.

    Raises
    ------
    ValueError
        `facts` is not the state of a generator of that kind.
    """
    if (facts is None) != (rng is None):
        raise ValueError(
            f"it was saved {'without' if facts is None else 'with'} a random generator, and this "
            f"run has {'none' if rng is None else 'one'}"
        )
    if rng is None:
        return None
    state = _shaped(facts, rng.bit_generator.state, "generator")
    type(rng.bit_generator)().state = state  # another generator tries it first
    return state


def _plain(x: Any) -> Any:
    return x.tolist() if isinstance(x, (np.ndarray, np.generic)) else x


def _shaped(given: Any, like: Any, name: str) -> Any:
    """`given` in the types of `like`, if it has its keys, lengths and ranges."""
    if isinstance(like, dict):
        if not isinstance(given, dict) or given.keys() != like.keys():
            raise ValueError(f"{name} is not the state of such a generator")
        return {key: _shaped(given[key], like[key], key) for key in like}
    if isinstance(like, str):
        if given != like:
            raise ValueError(f"{name} is {given!r}, and this run has a {like}")
        return like
    if isinstance(like, np.ndarray):
        if not isinstance(given, list) or len(given) != len(like):
            raise ValueError(f"{name} of the generator does not have {len(like)} entries")
        return np.array([_number(n, name, np.iinfo(like.dtype).max) for n in given], like.dtype)
    return _number(given, name, _HIGHEST.get(name, 2**128 - 1))


def _number(given: Any, name: str, highest: int) -> int:
    if type(given) is not int or not 0 <= given <= highest:
        raise ValueError(f"{name} of the generator is not an integer in 0 … {highest}")
    return given
