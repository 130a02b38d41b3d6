"""How does a rolled-up graph look at another length, if it is known at two?

Every integer in it (a first and last step, a place in an array, a length in a shape) lies on the
line through those of the two samples; numbers that differ, such as the count of a mean, are left
open, to be read from the record of the new length.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.program.constants import same_constant
from tinygrad_rnn.program.ir.graph import Arg, Value
from tinygrad_rnn.program.ir.sequences import Step

__all__ = ["Line", "Mismatch", "Open", "Sample", "dims_of", "interpolated", "shorter"]

FEW, PERIOD = 12, 60  # steps of a short sample at least; lengths alike modulo this are cut alike


class Mismatch(Exception):
    """A graph or a record that is not the same at another length."""


class Sample(NamedTuple):
    """A rolled-up graph: the shapes of all its arguments in a row, and where gradients are cut.

    `cuts` and `through` are of the record, as `recognise` says; between two samples `cuts` are
    `Open`.
    """

    dims: tuple[int, ...]
    values: list[Value]
    outputs: list[Value]
    leaves: list[Value]
    cuts: Mapping[Any, Any]
    through: Any = MappingProxyType({})


class Open:
    """A constant that differs between two samples: the operands there, and how many rows it has.

    One for each step has rows.
    """

    def __init__(self, a: Arg, b: Arg, rows: int) -> None:
        self.a, self.b, self.rows = a, b, rows

    def value(self, k: int, like: Open, found: Arg) -> list[Any]:
        """Its value from step `k` on, if it is `like` another that is `found`; else nothing."""
        pairs = (self.a, like.a), (self.b, like.b)
        if any(x.kind != y.kind or x.kind != found.kind for x, y in pairs):
            return []
        if found.kind == "const":
            return [found.value] if all(x == y for x, y in pairs) else []
        ends = [_ends(x, y) for x, y in pairs]
        if None in ends or ends[0] != ends[1]:
            return []
        return [_rows(found, k, self.rows, *ends[0])]


def _rows(a: Arg, k: int, n: int, before: int = 0, after: int = 0) -> Any:
    """The rows of one constant for each step, from step `k` on; some at the ends repeat a row."""
    times = np.clip(np.arange(k, k + n), k + before, k + n - 1 - after)
    return a.value[np.clip(times - a.k, 0, len(a.value) - 1)]


def _ends(x: Arg, y: Arg) -> Any:
    """The rows at either end of one constant for each step that repeat a row; None if it is not y.

    The others are the rows of `y` at the same steps. See `ir.boundaries.padded`.
    """
    n = len(x.value)
    if not n or x.value.shape[1:] != y.value.shape[1:] or x.value.dtype != y.value.dtype:
        return None
    equal = (x.value == _rows(y, x.k, n)).reshape(n, -1).all(axis=1).nonzero()[0]
    if not len(equal):
        return None
    ends = int(equal[0]), int(n - 1 - equal[-1])
    return ends if same_constant(x.value, _rows(y, x.k, n, *ends)) else None


def dims_of(shapes: Any) -> tuple[int, ...]:
    """All shapes in a row."""
    return tuple(n for shape in shapes for n in shape)


class Line:
    """The line through the integers of two samples, at other shapes of the arguments.

    Raises
    ------
    Mismatch
        These shapes, or integers that are asked for, do not lie on it.
    """

    def __init__(self, a: Sample, b: Sample, dims: tuple[int, ...]) -> None:
        away = {(n - u, v - u) for u, v, n in zip(a.dims, b.dims, dims, strict=True)}
        ratios = {Fraction(*pair) for pair in away if pair[1]}
        if len(ratios) != 1 or any(n for n, v in away if not v):
            raise Mismatch("its lengths do not grow together")
        (self.ratio,) = ratios

    def __call__(self, u: Any, v: Any) -> Any:
        """The point on the line through `u` and `v`."""
        kind = type(u)
        if kind is not type(v):
            raise Mismatch(f"{u} in one sample is {v} in the other")
        if kind is int:
            n = u + self.ratio * (v - u)
            if n.denominator != 1:
                raise Mismatch(f"{u} and {v} do not meet a whole number")
            return int(n)
        if kind in (tuple, list) and len(u) == len(v):
            return kind(map(self, u, v))
        if kind is Step:
            return Step(self._same(u.sign, v.sign), self(u.shift, v.shift))
        if kind is slice:
            return slice(self(u.start, v.start), self(u.stop, v.stop), self(u.step, v.step))
        if kind is dict and u.keys() == v.keys():
            return {key: self(u[key], v[key]) for key in u}
        return self._same(u, v)

    @staticmethod
    def _same(u: Any, v: Any) -> Any:
        alike = same_constant(u, v) if isinstance(u, (np.ndarray, np.generic)) else u == v
        if not alike:
            raise Mismatch(f"{u} in one sample is {v} in the other")
        return v


def interpolated(a: Sample, b: Sample, dims: tuple[int, ...]) -> Sample:
    """The graph for arguments of other shapes, with an `Open` where constants differ.

    Raises
    ------
    Mismatch
        The two samples are not one graph at two lengths, or no graph lies there.
    """
    line = Line(a, b, dims)
    place, other = ({v: k for k, v in enumerate(x.values)} for x in (a, b))
    if len(place) != len(other) or _births(a) != _births(b):
        raise Mismatch("one sample has more values than the other")
    new = {v: _at(line, u, v) for u, v in zip(a.values, b.values, strict=True)}

    def read(x: Arg, y: Arg) -> Arg:
        if x.kind != y.kind:
            raise Mismatch(f"an operand is {x.kind} in one sample and {y.kind} in the other")
        k = line(x.k, y.k)
        if isinstance(y.value, Value):
            if not isinstance(x.value, Value) or place[x.value] != other[y.value]:
                raise Mismatch("an operand is another value")
            return Arg(y.kind, new[y.value], k)
        if same_constant(x.value, y.value):
            return Arg(y.kind, y.value, k)
        rows = line(len(x.value), len(y.value)) if y.kind == "consts" else 0
        return Arg(y.kind, Open(x, y, rows), k)

    for u, v in zip(a.values, b.values, strict=True):
        made, times = new[v], zip(sorted(u.initial), sorted(v.initial), strict=True)
        made.args = [read(x, y) for x, y in zip(u.args, v.args, strict=True)]
        made.initial = {
            line(s, t): _filled(line, read(u.initial[s], v.initial[t])) for s, t in times
        }
        if any(isinstance(a.value, Open) for a in made.initial.values()):
            raise Mismatch(f"{v.name or v.op} begins with another constant")
    ends = [[other[v] for v in vs] for vs in (b.outputs, b.leaves)]
    if ends != [[place[v] for v in vs] for vs in (a.outputs, a.leaves)]:
        raise Mismatch("another value is a result")
    outputs, leaves = ([new[v] for v in vs] for vs in (b.outputs, b.leaves))
    cuts = {
        key: Open(x, b.cuts[key], line(len(x.value), len(b.cuts[key].value)))
        for key, x in a.cuts.items()
        if key in b.cuts
    }
    if a.through is None or b.through is None:
        raise Mismatch("it is not known where a sample scales, clips or stops gradients")
    through = line(dict(a.through), dict(b.through))
    return Sample(dims, list(new.values()), outputs, leaves, cuts, through)


def _filled(line: Line, a: Arg) -> Arg:
    """An initial value; if it is one number in both samples, as zeros are, that in its shape."""
    if a.kind != "const" or not isinstance(a.value, Open):
        return a
    x, y = (np.asarray(side.value) for side in (a.value.a, a.value.b))
    number = x.flat[0] if x.size else 0
    if not all(same_constant(z, np.full(z.shape, number, x.dtype)) for z in (x, y)):
        return a
    return Arg("const", np.full(line(x.shape, y.shape), number, x.dtype))


def _births(x: Sample) -> list[int]:
    """In which order its values were born."""
    return sorted(range(len(x.values)), key=lambda k: x.values[k].serial)


def _at(line: Line, u: Value, v: Value) -> Value:
    """A value on the line, as yet without operands."""
    said = [
        (x.op, x.name, x.named, x.dtype, x.lo is None, len(x.args), len(x.initial)) for x in (u, v)
    ]
    if said[0] != said[1]:
        raise Mismatch(f"{u.name or u.op} in one sample is {v.name or v.op} in the other")
    shape, options = line(u.shape, v.shape), line(u.options, v.options)
    made = Value(v.op, [], options, shape, v.dtype, v.name, serial=v.serial)
    made.lo, made.hi, made.named, made.of = line(u.lo, v.lo), line(u.hi, v.hi), v.named, v.of
    return made


def shorter(known: tuple[int, ...], dims: tuple[int, ...], periods: int = 0) -> tuple[int, ...]:
    """Shapes of short arguments on the line from `dims` to those known.

    Lengths keep their remainders modulo `PERIOD`, as sequences cut at every so many steps are of
    another structure where the last part is shorter. They are so many periods longer than can be.

    Raises
    ------
    Mismatch
        They are not longer than that.
    """
    away = [n - m for m, n in zip(known, dims, strict=True)]
    unit = math.gcd(*away) or 1
    sign = 1 if next((n for n in away if n), 0) > 0 else -1
    slope = [sign * n // unit for n in away]
    steps = min(((n - FEW) // k for n, k in zip(dims, slope, strict=True) if k > 0), default=0)
    cut = (steps // PERIOD - periods) * PERIOD
    if cut <= 0 or min(slope) < 0:
        raise Mismatch("its arguments are not long")
    return tuple(n - cut * k for n, k in zip(dims, slope, strict=True))
