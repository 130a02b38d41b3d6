"""How are names, numbers, shapes and arrays written?"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn import Tensor
from tinygrad_rnn.program import is_number as is_number
from tinygrad_rnn.program import number_text as number_text

NAME = 40  # characters of a name


def shape_text(shape: tuple[int, ...]) -> str:
    """``2×4``; nothing for a scalar."""
    return "×".join(map(str, shape))


def array_name(array: np.ndarray, node: Tensor) -> str:
    """The letter of a constant in the frames around the node; else its value if it has only one."""
    found = array_letter(array, node)
    return "".join(found) if found else value_text(array)


def array_letter(array: np.ndarray, node: Tensor) -> tuple[str, str] | None:
    """The letter of a constant in the frames around the node, and its part of it, ``[:, 0:2]``."""
    for frame in reversed(node.scope):
        for letter, x in frame.arrays.items():
            if x is array:
                return letter, ""
            if (
                x.ctypes.data == array.ctypes.data
                and x.shape == array.shape[::-1]
                and x.strides == array.strides[::-1]
            ):
                return letter, "ᵀ"
            if slices := _slices(array, x):
                return letter, f"[{slices}]"
    return None


def value_text(array: np.ndarray) -> str:
    """The value of an array that has only one, or counts from 0; else nothing."""
    if array.dtype.kind in "fiu" and array.size:
        if (array == array.flat[0]).all():
            return number_text(array.flat[0])
        if array.dtype.kind in "iu" and (array.ravel() == np.arange(array.size)).all():
            return f"0…{array.size - 1}"
    return ""


def _slices(part: np.ndarray, whole: np.ndarray) -> str:
    """The slices that `part` is of `whole`, ``:, 0:2``; nothing if it is no such view of it."""
    if part.strides != whole.strides or min(part.strides, default=0) <= 0:
        return ""
    rest = part.ctypes.data - whole.ctypes.data
    starts = dict.fromkeys(range(whole.ndim), 0)
    for axis in sorted(starts, key=lambda axis: -whole.strides[axis]):
        starts[axis], rest = divmod(rest, whole.strides[axis])
    ends = [start + size for start, size in zip(starts.values(), part.shape, strict=True)]
    inside = all(0 <= starts[k] < end <= whole.shape[k] for k, end in enumerate(ends))
    if rest or not inside:
        return ""
    return ", ".join(
        ":" if size == whole.shape[k] else f"{starts[k]}:{ends[k]}"
        for k, size in enumerate(part.shape)
    )


def unnamed(array: Any) -> str:
    """The text of a constant without a letter."""
    return {"b": "mask", "i": "index", "u": "index"}.get(np.asarray(array).dtype.kind, "data")


def short(name: str) -> str:
    """A name that fits on a node."""
    return name if len(name) <= NAME else f"{name[: NAME - 1]}…"
