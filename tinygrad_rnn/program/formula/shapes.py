"""Which shape has what a formula says, as it is written?

A formula is simplified, and what gave a shape may be gone: ``where(m, x, x)`` is x, however many
rows m has. So the shape is worked out of the formula itself, to see what it still has to be spread
to.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_rnn.program.formula.tree import Formula, Rows, Step, call, scalars

__all__ = ["Shapes", "along", "filled", "is_number", "reshaped", "spread", "turned"]

Shape = tuple[int, ...]
SLICE = re.compile(r"-?\d*:-?\d*(:-?\d*)?")


def is_number(x: Formula) -> bool:
    """True if it is a number, though one with a letter such as N in it."""
    return not scalars(x)[1]


def along(axis: Any, ndim: int) -> list[int]:
    """The axes that an option names, counted from 0."""
    axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return sorted(int(k) % ndim for k in axes)


def filled(x: Formula, shape: tuple[int, ...]) -> Formula:
    """A number as an array of the shape that it has in the record."""
    known = not is_number(x) or not shape
    return x if known else Formula("broadcast", (x,), ((), shape))


def spread(x: Formula, old: tuple[int, ...], new: tuple[int, ...]) -> Formula:
    """Something of one shape repeated to another; a number is one in every shape."""
    if old == new or is_number(x):
        return x
    if x.head == "broadcast":
        return Formula("broadcast", x.parts, (x.what[0], new))
    return Formula("broadcast", (x,), (old, new))


def turned(x: Formula, axes: tuple[int, ...]) -> Formula:
    """Axes in another order."""
    axes = tuple(k % len(axes) for k in axes)
    if axes == tuple(range(len(axes))) or is_number(x):
        return x
    return call("transpose", x, what=None if len(axes) == 2 else axes)


def reshaped(x: Formula, old: tuple[int, ...], new: tuple[int, ...]) -> Formula:
    """The same elements in another shape: a row as a column, and back, is its transpose."""
    if old == new or is_number(x):
        return x
    if new == (*old, 1) and len(old) == 1:
        return call("transpose", x)
    if len(old) == 2 and old[1] == 1 and new in ((old[0],), (1, old[0])):
        return spread(call("transpose", x), old[:1], new)
    ones = len(new) - len(old)
    if new == (*(1,) * ones, *old):
        return spread(x, old, new)
    if old == (*(1,) * -ones, *new):
        return call("index", x, what=("0",) * -ones)
    return call("reshape", x, what=new)


class Shapes:
    """Shapes of formulas whose letters have those that `letter` says."""

    def __init__(self, letter: Callable[[Formula], Shape], ends: dict[int, str]) -> None:
        self.letter = letter
        self.lengths = {name: hi + 1 for hi, name in ends.items()}

    def of(self, x: Formula) -> Shape:
        """The shape of a formula."""
        found = OWN.get(x.head)
        if x.head == "letter":
            return self.letter(x)
        if found is not None:
            return tuple(int(n) for n in found(self, x, *map(self.of, x.parts)))
        if x.head in ("max", "min", "logsumexp"):
            return _without(self.of(x.parts[0]), x.what)
        return np.broadcast_shapes(*map(self.of, x.parts))  # element by element

    def steps(self, first: Step, last: Step) -> int:
        """The number of steps from one to another."""
        a, b = (x.shift + self.lengths.get(x.end, 0) for x in (first, last))
        return b - a + 1


def _without(shape: Shape, axes: Any) -> Shape:
    return () if axes is None else tuple(n for k, n in enumerate(shape) if k not in axes)


def _transposed(shape: Shape, axes: Any) -> Shape:
    if axes is not None:
        return tuple(shape[k] for k in axes)
    if len(shape) == 1:
        return (*shape, 1)
    return shape[:1] if shape[1:] == (1,) else shape[::-1]


def _indexed(x: Formula, shape: Shape, *arrays: Shape) -> Shape:
    parts = list[Any]()
    for word in x.what:
        if type(word) is int:
            parts.append(np.zeros(arrays[word], int))
        elif type(word) is Rows:
            return arrays[-1]  # one of each row
        elif type(word) is str and SLICE.fullmatch(word):
            parts.append(slice(*(int(n) if n else None for n in word.split(":"))))
        else:
            parts.append({"...": ..., "new": None}.get(word, 0))
    return np.broadcast_to(np.int8(0), shape)[tuple(parts)].shape


def _joined(shapes: tuple[Shape, ...], axis: int) -> Shape:
    shapes = tuple(shape or (1,) for shape in shapes)
    first, axis = shapes[0], axis % len(shapes[0])
    return (*first[:axis], sum(shape[axis] for shape in shapes), *first[axis + 1 :])


# fmt: off
OWN: dict[str, Callable[..., Any]] = {
    "number":         lambda s, x: (),
    "inverse":        lambda s, x: (),
    "index of time":  lambda s, x: (),
    "broadcast":      lambda s, x, a: x.what[1],
    "reshape":        lambda s, x, a: x.what,
    "transpose":      lambda s, x, a: _transposed(a, x.what),
    "matmul":         lambda s, x, a, b: (*a[:-1], b[-1]),
    "batched":        lambda s, x, a, b: np.matmul(np.zeros(a), np.zeros(b)).shape,
    "rows":           lambda s, x, a: () if x.parts[0].head == "columns" else a[1:],
    "columns":        lambda s, x, a: (*a[:-1], 1) if len(a) > 1 else (),
    "axes":           lambda s, x, a: _without(a, x.what),
    "over":           lambda s, x, a: a,
    "all":            lambda s, x, a: (s.steps(*x.what), *a),
    "index":          lambda s, x, a, *more: _indexed(x, a, *more),
    "put":            lambda s, x, *parts: x.what[0],
    "one_hot":        lambda s, x, y: (*y, x.what),
    "row":            lambda s, x, *parts: _joined(parts, -1),
    "concatenate":    lambda s, x, *parts: _joined(parts, x.what[0]),
    "stack":          lambda s, x, a, *more: (*a[: x.what[0]], 1 + len(more), *a[x.what[0] :]),
}
# fmt: on
