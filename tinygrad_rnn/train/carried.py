"""How is the state that is carried from batch to batch saved?

A state is what the loss returns beside its value: Tensors, arrays, numbers, strings and None, in
tuples, lists and dicts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.border import as_array
from tinygrad_rnn.engine.tensor import Tensor, values

__all__ = ["packed", "unpacked"]

_PLAIN = (type(None), bool, int, float, str)


def packed(state: Any, parts: list[np.ndarray]) -> Any:
    """A state as JSON; each array is appended to `parts`, and its index stands for it.

    ``["tuple", …]``, ``["list", …]`` and ``["dict", [key, value], …]`` hold other states;
    ``["tensor", 3]``, ``["array", 3]``, ``["scalar", 3]`` and ``["plain", value]`` are leaves.

    Raises
    ------
    TypeError
        The state contains an object that a checkpoint cannot hold.
    """
    kind = type(state)
    if kind in (tuple, list):
        return [kind.__name__, *(packed(part, parts) for part in state)]
    if kind is dict and all(type(key) in _PLAIN for key in state):
        return ["dict", *([key, packed(part, parts)] for key, part in state.items())]
    if kind in _PLAIN:
        return ["plain", state]
    for name, of in (("tensor", Tensor), ("array", np.ndarray), ("scalar", np.generic)):
        if isinstance(state, of):
            parts.append(np.asarray(as_array(values(state), "a checkpoint's state")))
            return [name, len(parts) - 1]
    raise TypeError(
        f"a checkpoint cannot hold a state with a {kind.__name__} in it. Carry Tensors, arrays, "
        "numbers and text in tuples, lists and dicts."
    )


def unpacked(structure: Any, parts: dict[str, np.ndarray]) -> Any:
    """The state that `packed` wrote; takes its arrays out of `parts`. KeyError if one is gone."""
    kind, *inside = structure
    if kind in ("tuple", "list"):
        found = [unpacked(part, parts) for part in inside]
        return tuple(found) if kind == "tuple" else found
    if kind == "dict":
        return {key: unpacked(part, parts) for key, part in inside}
    (what,) = inside
    if kind == "plain" and type(what) in _PLAIN:
        return what
    part = parts.pop(str(what))
    return {"tensor": Tensor, "array": np.array, "scalar": _scalar}[kind](part)


def _scalar(x: Any) -> Any:
    return x[()]
