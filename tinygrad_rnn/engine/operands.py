"""What may an input of a primitive be?

A Tensor, an array of real numbers, a number, nested lists of these; an array of Tensors (`scalars`)
stays itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.border import REAL, as_array
from tinygrad_rnn.engine import messages
from tinygrad_rnn.engine.tensor import OBJECT, Tensor, values

__all__ = [
    "NUMBERS",
    "as_operand",
    "lent_arrays",
    "operand",
    "sequence",
    "shaped",
    "with_arrays",
    "with_axes",
]

NUMBERS = frozenset(
    {float, int, bool, np.float64, np.float32, np.float16, np.int64, np.int32, np.bool_}
)
_PLAIN = frozenset({float, int, bool})


def operand(x: Any, owner: str) -> Any:
    """`x` as an array of real numbers; a Tensor, or an array of Tensors, stays itself."""
    if type(x) is Tensor or _is_scalars(x):
        return x
    return as_array(x, owner)


def as_operand(x: Any, name: str) -> Any:
    """An input of a composition, as one of a primitive; it has a shape and a dtype."""
    if type(x) is Tensor or (type(x) is np.ndarray and x.dtype.kind in REAL):
        return x
    return operand(x, messages.placed(name))


def sequence(name: str, xs: Any) -> Any:
    """A list of operands; an error that names the function if it is none."""
    if isinstance(xs, Tensor) or not isinstance(xs, (list, tuple, np.ndarray)) or not len(xs):
        raise TypeError(
            f"{name}: expected a list of at least one Tensor or array, got {type(xs).__name__}."
        )
    return xs


def shaped(x: Any) -> Any:
    """An array of the shape and the dtype of `x`, a Tensor or plain; its values may be unknown."""
    x = values(x)
    return x if hasattr(x, "dtype") else np.asarray(x)


def with_arrays(name: str, inputs: tuple[Any, ...]) -> list[Any]:
    """The inputs, with an array of ours for each list, rare scalar, or array of another class."""
    known = NUMBERS | {Tensor}
    owner = messages.placed(name)
    return [x if type(x) in known else np.asarray(operand(x, owner)) for x in inputs]


def with_axes(op: Any, error: Exception, inputs: Any, arrays: Any, options: Any) -> list[Any]:
    """The inputs of a call that failed, with an array without axes for each Python number.

    As 2.0 has no shape to be changed or to broadcast, the call may succeed so. Without such a
    number the error is raised, in words of ours.
    """
    if _PLAIN.isdisjoint(map(type, arrays)):
        kind = next((k for k in (IndexError, ValueError) if isinstance(error, k)), TypeError)
        raise kind(messages.not_computed(op, error, arrays, options)) from error
    return [np.asarray(x) if type(x) in _PLAIN else x for x in inputs]


def lent_arrays(inputs: tuple[Any, ...], options: dict[str, Any]) -> list[np.ndarray]:
    """The arrays of an operation that others may write into."""
    found: list[np.ndarray] = []
    for x in (*inputs, *options.values()):
        if type(x) is np.ndarray and x.dtype is not OBJECT:
            found.append(x)
        elif type(x) is Tensor and x.fingerprints and x.op is None:
            found.append(x._data)
    return found


def _is_scalars(x: Any) -> bool:
    return type(x) is np.ndarray and x.dtype is OBJECT and x.size > 0 and type(x.flat[0]) is Tensor
