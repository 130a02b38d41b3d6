"""How are axes of length 1 added and removed, and two axes exchanged?"""

from __future__ import annotations

from typing import Any

from tinygrad_rnn.engine.indexing import axes_of, axis_of
from tinygrad_rnn.engine.operands import as_operand
from tinygrad_rnn.engine.operators import OPS
from tinygrad_rnn.engine.overloads import of_one
from tinygrad_rnn.engine.primitives import reshape, transpose

__all__ = ["expand_dims", "flatten", "squeeze", "swapaxes"]


@of_one
def expand_dims(x: Any, axis: int) -> Any:
    """A new axis of length 1, at place `axis` of the result."""
    x = as_operand(x, "expand_dims")
    shape = [*x.shape]
    place = axis_of("expand_dims", axis, (*shape, 1))
    return reshape(x, shape=(*shape[:place], 1, *shape[place:]))


@of_one
def squeeze(x: Any, axis: int | tuple[int, ...] | None = None) -> Any:
    """Without axes of length 1: all such, or `axis`; ValueError if that is longer."""
    x = as_operand(x, "squeeze")
    shape = x.shape
    if axis is None:
        return reshape(x, shape=tuple(n for n in shape if n != 1))
    gone = {*axes_of("squeeze", axis, shape)}
    if longer := [k for k in gone if shape[k] != 1]:
        raise ValueError(
            f"squeeze: axis {longer[0]} of shape {shape} has length {shape[longer[0]]}; only axes "
            "of length 1 can be left out. To sum over it write sum(x, axis)."
        )
    return reshape(x, shape=tuple(n for k, n in enumerate(shape) if k not in gone))


@of_one
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    x = as_operand(x, "swapaxes")
    shape = x.shape
    a, b = (axis_of("swapaxes", k, shape) for k in (axis1, axis2))
    axes = [*range(len(shape))]
    axes[a], axes[b] = b, a
    return transpose(x, axes=tuple(axes))


@of_one
def flatten(x: Any) -> Any:
    """The same elements along one axis."""
    return reshape(as_operand(x, "flatten"), shape=(-1,))


OPS.update(squeeze=squeeze, swapaxes=swapaxes)
