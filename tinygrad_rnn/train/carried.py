"""How is the state that is carried from batch to batch saved?

A state is what the loss returns beside its value: Tensors, arrays, numbers, strings and None, in
tuples, lists and dicts. A file holds no classes: the class of a named tuple is that of one in a
state at hand, e.g. of ``fit(state=)``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.border import as_array
from tinygrad_rnn.engine import tree
from tinygrad_rnn.engine.tensor import Tensor, values

__all__ = ["Classes", "classes_in", "packed", "unpacked"]

_PLAIN = (type(None), bool, int, float, str)
_DEEPEST = 200  # levels, as JSON is read by recursion

Classes = dict[Any, Any]  # of named tuples, by name and fields


def classes_in(state: Any) -> Classes:
    """The classes of named tuples in a state, by name and fields."""
    kinds = [entry[0] for entry in tree.structure(state) if entry is not None]
    return {(kind.__name__, *kind._fields): kind for kind in kinds if hasattr(kind, "_fields")}


def packed(state: Any, parts: list[np.ndarray], classes: Classes) -> Any:
    """A state as JSON; each array is appended to `parts`, and its index stands for it.

    ``["tuple", …]``, ``["list", …]``, ``["dict", [key, value], …]`` and, of one of the `classes`,
    ``["named", ["State", "h", "c"], …]`` hold other states; ``["tensor", 3]``, ``["array", 3]``,
    ``["scalar", 3]`` and ``["plain", value]`` are leaves.

    Raises
    ------
    TypeError
        The state contains an object that a checkpoint cannot hold.
    """
    if any(len(path) > _DEEPEST for path, _ in tree.paths(state, is_leaf=tree.registered)):
        raise TypeError(f"a checkpoint cannot hold a state nested deeper than {_DEEPEST} levels.")
    return _packed(state, parts, classes)


def _packed(state: Any, parts: list[np.ndarray], classes: Classes) -> Any:
    kind = type(state)
    if kind in (tuple, list):
        return [kind.__name__, *(_packed(part, parts, classes) for part in state)]
    if kind is dict and all(type(key) in _PLAIN for key in state):
        return ["dict", *([key, _packed(part, parts, classes)] for key, part in state.items())]
    named = hasattr(kind, "_fields") and (kind.__name__, *kind._fields)
    if named and classes.get(named) is kind:
        return ["named", [*named], *(_packed(part, parts, classes) for part in state)]
    if kind in _PLAIN:
        return ["plain", state]
    for name, of in (("tensor", Tensor), ("array", np.ndarray), ("scalar", np.generic)):
        if isinstance(state, of):
            parts.append(np.asarray(as_array(values(state), "a checkpoint's state")))
            return [name, len(parts) - 1]
    how = " When the run goes on its class must be at hand: pass a first state, fit(state=)."
    raise TypeError(
        f"a checkpoint cannot hold a state with a {kind.__name__} in it. Carry Tensors, arrays, "
        f"numbers and text in tuples, lists and dicts.{how * bool(named)}"
    )


def unpacked(structure: Any, parts: dict[str, np.ndarray], classes: Classes) -> Any:
    """The state that `packed` wrote; takes its arrays out of `parts`. KeyError if one is gone.

    ValueError for a named tuple that is not among the `classes`.
    """
    kind, *inside = structure
    if kind in ("tuple", "list"):
        found = [unpacked(part, parts, classes) for part in inside]
        return tuple(found) if kind == "tuple" else found
    if kind == "dict":
        return {key: unpacked(part, parts, classes) for key, part in inside}
    if kind == "named":
        named, *inside = inside
        if tuple(named) not in classes:
            raise ValueError(
                f"its state has a named tuple {named[0]} with the fields {', '.join(named[1:])}: "
                "pass a state of this class to fit, state="
            )
        return classes[tuple(named)]._make(unpacked(part, parts, classes) for part in inside)
    (what,) = inside
    if kind == "plain" and type(what) in _PLAIN:
        return what
    part = parts.pop(str(what))
    return {"tensor": Tensor, "array": np.array, "scalar": _scalar}[kind](part)


def _scalar(x: Any) -> Any:
    return x[()]
