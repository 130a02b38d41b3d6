"""How are parts of arrays written: elements, slices, and what is put into zeros?"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.engine.primitives import Input
from tinygrad_rnn.program.formula.operands import Operands, shape_at_step
from tinygrad_rnn.program.formula.shapes import filled, is_number, reshaped
from tinygrad_rnn.program.formula.tree import (
    RELATIONS,
    Formula,
    Rows,
    Step,
    call,
    plus,
    scalars,
    subscript,
    times,
)
from tinygrad_rnn.program.ir.graph import Arg, Value
from tinygrad_rnn.program.ir.sequences import Step as Tick

__all__ = ["Indices", "part_of"]

FULL = slice(None)


class Indices(Operands):
    """Formulas of values that read or write parts of arrays."""

    def taken(self, v: Value, xs: list[Formula]) -> Formula:
        """An element: of an array over time that of a step."""
        index, x, shape = v.options["index"], xs[0], shape_at_step(v.args[0])
        compared = self.compared(v)
        if compared is not None:
            return compared
        first = index[0] if index else None
        timed = type(first) is Tick or (type(first) is int and shape[0] - 1 in self.ends)
        if timed and x.step is None and x.head == "letter":
            at = self.tick(first % shape[0] if isinstance(first, int) else first)
            x, index, shape = Formula("letter", what=x.what, step=at), index[1:], shape[1:]
        elif x.head == "all" and type(first) is Tick:
            start = x.what[0].shift if not x.what[0].end else 0
            x = x.parts[0].each(lambda s: s.moved(index_shift(first, start)))
            index, shape = index[1:], shape[1:]
        elif x.head == "index" and x.what == (0,) and type(first) is Tick:
            array, place = x.parts
            if place.head == "letter" and place.step is None:
                at = Formula("letter", what=place.what, step=self.tick(first))
                x, index, shape = call("index", array, at, what=(0,)), index[1:], shape[1:]
        if not scalars(x)[1]:
            return x
        if all((type(p) is slice and p == FULL) or p is None or p is Ellipsis for p in index):
            return reshaped(x, shape, v.shape)
        return self.indexed("index", x, v, index, xs)

    def compared(self, v: Value) -> Formula | None:
        """A comparison with steps, as of lengths, at the step that asks."""
        index, source = v.options["index"], v.args[0].value
        if not isinstance(source, Value) or source.op not in RELATIONS or len(index) != 1:
            return None
        if type(index[0]) is not Tick or index[0].sign != 1:
            return None
        args = [
            Arg("consts", a.value, -index[0].shift)
            if a.kind == "const" and np.ndim(a.value) == len(source.shape)
            else a
            for a in source.args
        ]
        timeless = all(
            a.kind == "consts" or len(shape_at_step(a)) < len(source.shape) for a in args
        )
        return call(source.op, *map(self.read, args)) if timeless else None

    def tick(self, p: Any) -> Step:
        """The step that an integer in an index is, of an array over time."""
        if type(p) is int:
            return self.step(p)
        if p.sign != -1:
            return Step(p.sign, p.shift)
        for hi, name in self.ends.items():
            if abs(p.shift - hi) <= 2:
                return Step(-1, p.shift - hi - 1, name)
        return Step(-1, p.shift)

    def indexed(self, head: str, x: Formula, v: Value, index: Any, xs: list[Formula]) -> Formula:
        """``x[index]``, or what else has a place: with integers counted from 0, as in the program.

        An array that only counts the rows, for the next one to say the column, is a dot.
        """
        arrays, words = list[Formula](), list[Any]()
        counts = self.counts_of(v, index)
        width = max((len(shape_at_step(v.args[p])) for p in index if type(p) is Input), default=0)
        for k, p in enumerate(index):
            if k in counts:
                words.append(Rows(max(shape_at_step(v.args[p]), default=1), width - 1 - k))
            elif type(p) is Input:
                words.append(len(arrays))
                arrays.append(self.places(v.args[p], xs[p]))
            else:
                words.append(Step(p.sign, p.shift) if type(p) is Tick else subscript(p))
        return call(head, x, *arrays, what=tuple(words))

    def places(self, a: Arg, x: Formula) -> Formula:
        """An array in an index, with its axes also where it is one number."""
        if not is_number(x) or not shape_at_step(a):
            return x
        if a.kind != "const":
            return filled(x, shape_at_step(a))
        return self.array(np.asarray(a.value))

    def counts_of(self, v: Value, index: Any) -> set[int]:
        """The arrays of an index, all but the last, that only count the axis they are for."""
        if not index or any(type(p) is not Input for p in index):
            return set()
        width = max(len(shape_at_step(v.args[p])) for p in index)
        if width < len(index) - 1:
            return set()
        found = set[int]()
        for k, p in enumerate(index[:-1]):
            a = v.args[p]
            n = max(shape_at_step(a), default=1)
            counts = np.arange(n).reshape([-1 if j == k else 1 for j in range(width)])
            if a.kind == "const" and np.array_equal(np.asarray(a.value), counts):
                found.add(k)
        return found if len(found) == len(index) - 1 else set()

    def put(self, v: Value, xs: list[Formula]) -> Formula:
        """Zeros, with operands put into their places."""
        if v in self.forward:
            return self.put_separately(v, xs)
        if v.op == "scatter_t":
            (g, y), (first, last) = (x.parts[0] for x in xs), xs[0].what
            one = call("transpose", call("one_hot", y, what=v.shape[0]))
            return self.over(call("matmul", one, g), first, last)
        indices = v.options["indices"]
        columns = [_columns(i, v.shape) for i in indices]
        if None not in columns:
            groups: dict[tuple[int, int], list[int]] = {}
            for k, found in enumerate(columns):
                groups.setdefault(found or (0, 0), []).append(k)
            ends = sorted(groups)
            if [a for a, _ in ends] + [v.shape[-1]] == [0] + [b for _, b in ends]:
                return call("row", *(self.together([v.args[k] for k in groups[e]]) for e in ends))
        (index, *more), g = indices, xs[0]
        if not more and index and all(type(p) is Input for p in index):
            counts = self.counts_of(v, index)
            y = xs[index[-1]]
            rows = (
                len(index) == 1 and len(v.shape) == 2 and len(shape_at_step(v.args[index[0]])) == 1
            )
            one_of_each = len(counts) == 1 and len(index) == 2 and len(v.shape) == 2
            one_of_each = one_of_each and shape_at_step(v.args[0]) == v.shape[:1]
            if g.head == "all" and len(index) == 1 and y.head == "letter":
                here = Formula("letter", what=y.what, step=Step(1, 0))
                one = call("transpose", call("one_hot", here, what=v.shape[0]))
                return self.over(call("matmul", one, g.parts[0]), *g.what)
            one = call("one_hot", y, what=v.shape[0 if rows else -1])
            if rows:
                return call("matmul", call("transpose", one), filled(g, shape_at_step(v.args[0])))
            if one_of_each:
                g = g.parts[0] if g.head == "broadcast" else g
                return times(reshaped(g, shape_at_step(v.args[0]), (v.shape[0], 1)), one)
        return self.put_separately(v, xs)

    def put_separately(self, v: Value, xs: list[Formula]) -> Formula:
        """Each operand in zeros of its own, added up."""
        found = list[Formula]()
        for x, a, index in zip(xs, v.args, v.options["indices"], strict=False):
            f = self.indexed("put", filled(x, shape_at_step(a)), v, index, xs)
            found.append(Formula("put", f.parts, (v.shape, f.what)))
        return plus(*found)


def index_shift(p: Any, first: int) -> int:
    """The distance of the element of a sequence from the step that asks."""
    return p.shift + first


def part_of(v: Value) -> int | None:
    """The number of the part, if it is one of equal parts of the last axis."""
    source = v.args[0].value if v.op == "getitem" and not v.initial else None
    if not isinstance(source, Value) or len(source.shape) != len(v.shape):
        return None
    ends, n = _columns(v.options["index"], source.shape), v.shape[-1] if v.shape else 0
    if ends is None or not n or source.shape[-1] % n or ends[0] % n:
        return None
    return ends[0] // n


def _columns(index: Any, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Begin and end of a slice of the last axis, if all others are taken completely."""
    if not index or any(type(p) not in (slice, type(Ellipsis)) for p in index):
        return None
    if Ellipsis in index:
        k = index.index(Ellipsis)
        full = (FULL,) * (len(shape) - len(index) + 1)
        index = (*index[:k], *full, *index[k + 1 :])
    if len(index) != len(shape) or any(p != FULL for p in index[:-1]) or index[-1] == FULL:
        return None
    start, stop, step = index[-1].indices(shape[-1])
    return (start, stop) if step == 1 else None
