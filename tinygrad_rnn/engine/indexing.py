"""Which elements are taken, and where do they go back to?

`getitem` takes slices and elements, `scatter` puts them back and adds up: each is the other's
adjoint. Arrays in an index are inputs of the operation, and all else in it is an option.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from tinygrad_rnn.border import as_array, refuse_foreign
from tinygrad_rnn.engine import messages
from tinygrad_rnn.engine.kinds import ALL, FIRST, MOVE, VIEW
from tinygrad_rnn.engine.operands import as_operand
from tinygrad_rnn.engine.operators import OPS
from tinygrad_rnn.engine.overloads import of_one, parts_of_one
from tinygrad_rnn.engine.primitive import Primitive
from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["Input", "axes_of", "axis_of", "flip", "getitem", "put_back", "scatter", "split", "take"]

Index = tuple[Any, ...]


class Input(int):
    """Stands in an index for "here goes input number k": arrays in it are inputs, not options."""

    def __repr__(self) -> str:
        return f"Input({int(self)})"


def split_index(index: Any) -> tuple[Index, tuple[Any, ...]]:
    """An index as a template of ints, slices, None and Ellipsis, and the arrays that go in it.

    >>> import numpy as np
    >>> split_index((slice(2), np.array([0, 3]), -1))
    ((slice(None, 2, None), Input(1), -1), (array([0, 3]),))
    """
    template: list[Any] = []
    arrays: list[Any] = []
    for part in index if isinstance(index, tuple) else (index,):
        if (
            part is None
            or part is Ellipsis
            or (isinstance(part, (int, slice)) and not isinstance(part, bool))
        ):
            template.append(part)
        elif isinstance(part, np.integer):
            template.append(int(part))
        else:
            if type(part) is not Tensor:
                refuse_foreign(part, "getitem")
            array = as_array(part, "getitem") if type(part) is list else part
            array = array if type(array) is Tensor else np.asarray(array)
            if array.size == 0 and type(part) is list:
                array = array.astype(int)  # NumPy makes floats of []
            if array.dtype.kind not in "iub":
                raise IndexError(messages.not_an_index(part))
            arrays.append(array)
            template.append(Input(len(arrays)))
    return tuple(template), tuple(arrays)


def _filled(index: Index, inputs: tuple[Any, ...]) -> Index:
    """The index with its arrays in place; the very same object if there are none."""
    for part in index:
        if type(part) is Input:
            return tuple(inputs[part] if type(part) is Input else part for part in index)
    return index


def _getitem(x: Any, /, *arrays: Any, index: Index) -> Any:
    """``x[index]``; arrays in the index are inputs, and ``index`` says where they stand."""
    return x[_filled(index, (x, *arrays))] if arrays else x[index]


def _scatter(*inputs: Any, indices: tuple[Index, ...], shape: tuple[int, ...]) -> Any:
    """Zeros of `shape` with input k added at indices[k]: the adjoint of taking slices.

    All slices of one source go back at once. The arrays in the indices are the last inputs.
    """
    y = np.zeros(shape, dtype=inputs[0].dtype)
    for g, index in zip(inputs, indices, strict=False):
        place = _filled(index, inputs)
        if place is index:
            y[index] += g
        else:
            np.add.at(y, place, g)  # an array may name the same place twice
    return y


getitem = Primitive("getitem", _getitem, kind=VIEW, linear=FIRST)
scatter = Primitive("scatter", _scatter, kind=MOVE, linear=ALL)
OPS.update(split_index=split_index)


# -- compositions ---------------------------------------------------------------------------------


@parts_of_one
def split(x: Any, sections: int | Sequence[int], axis: int = -1) -> tuple[Any, ...]:
    """Cut along `axis` into `sections` equal parts, or before each of the given places.

    The parts are slices, so their gradients go back to `x` in one scatter.
    """
    x = as_operand(x, "split")
    cuts = _cuts(x.shape, _sections(sections), axis)
    return tuple([getitem(x, index=index) for index in cuts])


@lru_cache(maxsize=256)  # a cell cuts the same way at every step
def _cuts(shape: tuple[int, ...], sections: int | tuple[int, ...], axis: int) -> list[Index]:
    axis = axis_of("split", axis, shape)
    length = shape[axis]
    if isinstance(sections, int):
        if sections < 1 or length % sections:
            raise ValueError(messages.uneven(axis, length, sections))
        sections = tuple(range(length // sections, length, length // sections))
    around = (slice(None),) * axis
    return [(*around, slice(*ends)) for ends in itertools.pairwise((0, *sections, length))]


def _sections(sections: Any) -> int | tuple[int, ...]:
    """The number of parts, or the places to cut before; an error if it is neither."""
    if isinstance(sections, (int, np.integer)):
        return int(sections)
    try:
        return tuple(operator.index(k) for k in sections)
    except TypeError:
        raise TypeError(messages.not_sections(sections)) from None


@of_one
def flip(x: Any, axis: int = 0) -> Any:
    """Backwards along `axis`."""
    x = as_operand(x, "flip")
    axis = axis_of("flip", axis, x.shape)
    return getitem(x, index=(*(slice(None),) * axis, slice(None, None, -1)))


def axis_of(name: str, axis: int, shape: tuple[int, ...]) -> int:
    """The axis counted from 0; an error if there is none."""
    try:
        axis = operator.index(axis)
    except TypeError:
        raise TypeError(f"{name}: expected one axis as an integer, got {axis!r}.") from None
    if not -len(shape) <= axis < len(shape):
        raise IndexError(f"{name}: axis {axis} does not exist in shape {shape}.")
    return axis % len(shape)


def axes_of(name: str, axis: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Axes counted from 0: one, several in a tuple, or all for None."""
    if axis is None:
        return tuple(range(len(shape)))
    given = axis if isinstance(axis, tuple) else (axis,)
    return tuple(axis_of(name, k, shape) for k in given)


# -- for the rules of both -------------------------------------------------------------------------


def take(g: Any, inputs: tuple[Any, ...], index: Index) -> Any:
    """The slice that a scatter put in place."""
    arrays = [inputs[part] for part in index if type(part) is Input]
    places = itertools.count(1)
    own = tuple(Input(next(places)) if type(part) is Input else part for part in index)
    return getitem(g, *arrays, index=own)


def put_back(uses: list[tuple[Any, Any, dict[str, Any]]], x: Any) -> Any:
    """Scatter the cotangents of all slices of `x` into one array."""
    gs: list[Any] = []
    arrays: list[Any] = []
    indices: list[Index] = []
    for g, (_, *more), options in uses:
        index = options["index"]
        if more:  # its arrays were inputs 1, 2, …; now they come after all the cotangents
            shift = len(uses) + len(arrays) - 1
            index = tuple(Input(p + shift) if type(p) is Input else p for p in index)
            arrays.extend(more)
        indices.append(index)
        gs.append(g)
    return scatter(*gs, *arrays, indices=tuple(indices), shape=x.shape)
