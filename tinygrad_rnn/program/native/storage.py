"""Where is each value kept, and which are never kept at all?

A view is another value seen differently. An operation on single numbers that nobody needs whole is
a formula, computed where it is read. The rest are arrays: a row for each step, or one or two rows
that take turns if only the loop that makes them reads them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.engine.primitives import Input
from tinygrad_rnn.program.families import Step
from tinygrad_rnn.program.graph import Arg, Value
from tinygrad_rnn.program.loops import components, loop_range
from tinygrad_rnn.program.native.index import Affine, align, contiguous, taken

__all__ = [
    "ELEMENTWISE",
    "TYPES",
    "Storage",
    "Unwritable",
    "apart",
    "dtype_of",
    "identifier",
    "shape_of",
    "spans",
]

# fmt: off
TYPES = {
    "float32": "float", "float64": "double", "bool": "uint8_t", "int64": "int64_t",
    "int32": "int32_t", "int16": "int16_t", "int8": "int8_t", "uint8": "uint8_t",
    "uint16": "uint16_t", "uint32": "uint32_t", "uint64": "uint64_t",
}
ELEMENTWISE = frozenset((
    "add", "addn", "subtract", "multiply", "divide", "power", "square", "negative", "absolute",
    "exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tanh", "sigmoid", "softplus", "relu",
    "maximum", "minimum", "clip", "where", "astype", "copy", "less", "less_equal", "greater",
    "greater_equal", "equal", "not_equal", "logical_and", "logical_or", "logical_not",
))
RESERVED = frozenset((
    "INFINITY", "NAN", "T", "at", "auto", "break", "case", "char", "col", "const", "continue",
    "cos", "count", "data", "default", "do", "double", "else", "enum", "epoch", "exit", "exp",
    "extern", "fabs", "file", "filled", "float", "fmax", "fmin", "for", "gamma", "goto", "if",
    "inline", "inner", "inside", "int", "isfinite", "j0", "j1", "jn", "log", "long", "main",
    "malloc", "memcpy", "need", "pow", "rate", "register", "restrict",
    "result", "return", "room", "row", "short", "signed", "sin", "sizeof", "sqrt", "static",
    "step", "steps", "struct", "switch", "t", "take", "tanh", "top", "total", "typedef",
    "union", "unsigned", "void", "volatile", "while", "words", "wrong", "y0", "y1", "yn",
))
# fmt: on


class Unwritable(Exception):
    """A program that has no form in C; the message says what is in the way."""


@dataclass(frozen=True)
class Place:
    """The array a value is in: rows from step `base`, or the part `index` of the value `whole`."""

    name: str
    base: int = 0
    rows: int = 0  # 0: one for each step; 1: one for all; 2: two that take turns
    whole: Value | None = None
    index: tuple[Any, ...] = ()


class Storage:
    """Decides for all values of a program; says where their elements are."""

    def __init__(self, values: list[Value], outputs: list[Value], leaves: list[Value]) -> None:
        self.values, self.outputs, self.leaves = values, outputs, leaves
        self.components = components(values)
        self.spans = {id(c): loop_range(c) for c in self.components if c.loop}
        self.loop_of = {v: c for c in self.components if c.loop for v in c.values}
        self.T = max((v.hi for v in values if v.hi is not None), default=0) + 1
        self.readers: dict[Value, list[tuple[Value, Arg]]] = {v: [] for v in values}
        for v in values:
            for a in v.operands:
                if isinstance(a.value, Value):
                    self.readers[a.value].append((v, a))
        self.views = {v for v in values if self.is_view(v)}
        self.sink()
        self.kept = {v for v in values if v.op != "leaf" and v not in self.views and self.needed(v)}
        for v in [v for v in self.views if v.op == "reshape" and not same_but_ones(v)]:
            source = v.args[0].value  # a new shape needs elements in one row
            if isinstance(source, Value):
                base = self.in_order_of(source)
                self.views -= {source} if base is None else set()
                self.kept |= {source if base is None else base} - set(leaves)
        self.lay_out()

    def lay_out(self) -> None:
        """Room for all that is kept; again from the start whenever more turns out to be."""
        self.names: set[str] = set(RESERVED)
        self.places = {v: Place(self.fresh(v.name or "x")) for v in self.leaves}
        self.room: list[tuple[str, str, str, str]] = []  # type, name, how many, what
        self.bytes = 0
        self.packings: dict[str, str] = {}
        self.parts = self.assembled()
        self.added = self.accumulated()
        for v in [v for c in self.components for v in c.values]:
            if v in self.kept and v not in self.places:
                self.place(v)

    # ---- what is kept

    def is_view(self, v: Value) -> bool:
        """Whether its elements are elements of another value."""
        if v.init or v in self.outputs or not v.args or v.options.get("part"):
            return False
        if v.op == "getitem":
            return len(v.args) == 1
        same = v.op == "copy" and dtype_of(v.args[0]) == v.dtype
        return same or v.op in ("transpose", "broadcast_to", "stack_t", "reshape")

    def users(self, v: Value) -> Iterable[tuple[Value, int | None]]:
        """Who reads it, through views, and how many steps away (None: not step by step)."""
        todo: list[tuple[Value, int | None]] = [(v, 0)]
        while todo:
            x, k = todo.pop()
            for user, a in self.readers[x]:
                stepwise = a.kind == "step" or (a.kind == "one" and x.lo is None)
                first = any(a is b for b in user.init.values())
                off = k + (a.k or 0) if stepwise and not first and k is not None else None
                if user in self.views:
                    todo.append((user, off))
                else:
                    yield user, off

    def sink(self) -> None:
        """What is computed for all steps and read in one loop alone is computed in that loop."""
        sunk: dict[int, list[Value]] = {id(c): [] for c in self.components}
        for c in reversed(self.components):
            v = c.values[0]
            if c.loop or v.lo is None or v.init or v in self.outputs or v.op not in ELEMENTWISE:
                continue
            users = list(self.users(v))
            loops = {self.loop_of.get(user) for user, _ in users}
            (loop,) = loops if len(loops) == 1 else (None,)
            if loop and all(off == 0 and user.op in ELEMENTWISE for user, off in users):
                self.loop_of[v] = loop
                sunk[id(loop)].append(v)
        self.components = [c for c in self.components if c.loop or c.values[0] not in self.loop_of]
        for c in self.components:
            if c.loop:
                c.values = in_order([*sunk[id(c)], *c.values], self.views)

    def needed(self, v: Value) -> bool:
        """Whether it has to be kept: read whole, at other steps, or elsewhere."""
        if v in self.outputs or v.init or v.op not in ELEMENTWISE:
            return True
        for user, off in self.users(v):
            sums = user.op == "sum_t"
            places = user.op == "scatter" and any(
                a.value is v for a in user.args[len(user.options["indices"]) :]
            )
            nest = user.op in ELEMENTWISE or user.op in ("sum", "max", "min", "scatter") or sums
            if not nest or places or (off != 0 and not sums):
                return True
            if self.loop_of.get(user) is not self.loop_of.get(v):
                return True
        return False

    def in_order_of(self, v: Value) -> Value | None:
        """The value whose elements, in their order, are those of a view; None if not in order."""
        while v in self.views:
            a = v.args[0]
            stacked = v.op == "stack_t" and v.options["axis"] == 0 and v.options["sign"] == 1
            reshaped = v.op == "reshape" and a.kind == ("one" if v.lo is None else "step")
            if not isinstance(a.value, Value) or not (stacked or reshaped):
                return None
            v = a.value
        return v

    def assembled(self) -> dict[Value, Value]:
        """Values that are only put side by side into another: computed right there."""
        found: dict[Value, Value] = {}
        for v in self.values:
            index = covering(v)
            parts = {a.value for a in v.args if self.alone(a, v) and a.value.op in ELEMENTWISE}
            if index is not None and len(parts) == len(v.args):
                for a, i in zip(v.args, index, strict=True):
                    found[a.value] = v
                    self.kept.add(a.value)
                    self.places[a.value] = Place("", whole=v, index=i)
        return found

    def alone(self, a: Arg, v: Value) -> bool:
        """Whether `v` is the only reader of an operand, at the same step and in the same loop."""
        x = a.value
        return (
            isinstance(x, Value)
            and a.kind in ("step", "one")
            and not a.k
            and len(self.readers[x]) == 1
            and not x.init
            and x not in self.outputs
            and (x.lo, x.hi) == (v.lo, v.hi)
            and self.loop_of.get(x) is self.loop_of.get(v)
        )

    def accumulated(self) -> dict[Value, Value]:
        """Sums one term of which is a product read nowhere else: it is added to the others."""
        found: dict[Value, Value] = {}
        for v in self.values:
            if v.op not in ("add", "addn") or v.init or v in self.parts:
                continue
            for a in v.args:
                u = a.value
                if (
                    self.alone(a, v)
                    and u.op == "matmul"
                    and (u.shape, u.dtype) == (v.shape, v.dtype)
                ):
                    found[v] = u
                    self.kept.add(v)
                    self.places[u] = Place("", whole=v, index=(Ellipsis,))
                    break
        return found

    # ---- room

    def fresh(self, wish: str) -> str:
        """An identifier that is made, not taken, and that nothing else has."""
        wish, k = identifier(wish), 1
        found = wish
        while found in self.names:
            k += 1
            found = f"{wish}{k}"
        self.names.add(found)
        return found

    def rows(self, v: Value) -> int:
        """How many rows a value of a loop needs: 1, 2 that take turns, or 0: one for each step."""
        loop = self.loop_of.get(v)
        if loop is None or v in self.outputs:
            return 0
        offsets = set()
        for user, off in self.users(v):
            if off is None or self.loop_of.get(user) is not loop:
                return 0
            offsets.add(off)
        before = v.lo - 1 if loop.direction == 1 else v.hi + 1  # pyrefly: ignore
        if offsets - {0, -loop.direction} or any(t != before for t in v.init):
            return 0
        return 1 if offsets <= {0} and not v.init else 2

    def place(self, v: Value) -> None:
        """Room for a value."""
        name, size = self.fresh(v.name or v.op), math.prod(v.shape)
        kind = TYPES.get(str(v.dtype))
        if kind is None:
            raise Unwritable(f"{v.name or v.op} has the dtype {v.dtype}")
        if v.lo is None or v.hi is None:
            self.places[v] = Place(name)
            if v in self.outputs:
                return
            count, many, what = 1, str(size), self.shape(v.shape)
        else:
            steps = [v.lo, v.hi, *v.init]
            rows = self.rows(v)
            self.places[v] = Place(name, min(steps), rows)
            count = rows or max(steps) - min(steps) + 1
            many = f"({self.moment(count)})*{size}" if not rows else f"{rows * size}"
            what = f"{v.shape}" + (
                "" if rows == 1 else ", two that take turns" if rows else " at each step"
            )
        self.room.append((kind, name, many, what))
        self.bytes += -(-count * size * v.dtype.itemsize // 64) * 64

    def packed(self, factor: str, dtype: Any, size: int) -> tuple[str, bool]:
        """Room for a weight packed for products, and whether that is new."""
        new = factor not in self.packings
        if new:
            self.packings[factor] = self.fresh("packed")
            self.room.append(
                (TYPES[str(dtype)], self.packings[factor], str(size), f"{factor} for times")
            )
            self.bytes += -(-size * dtype.itemsize // 64) * 64
        return self.packings[factor], new

    def moment(self, k: int) -> Affine:
        """A step, or a number of steps, counted from the end if that is nearer."""
        if self.T >= 4 and 2 * k > self.T:
            return Affine((("T", 1),), k - self.T)
        return Affine((), k)

    def dims(self, shape: tuple[int, ...]) -> tuple[Any, ...]:
        """A shape, with T for the length of the longest loop."""
        return tuple("T" if n == self.T >= 4 else n for n in shape)

    def shape(self, shape: tuple[int, ...]) -> str:
        """The same as a comment."""
        sizes = [str(n) for n in self.dims(shape)]
        return f"({', '.join(sizes)}{',' * (len(sizes) == 1)})"

    def root(self, v: Value) -> Value:
        """The value in whose array it is."""
        while (whole := self.places[v].whole) is not None:
            v = whole
        return v

    def address(self, v: Value, t: Affine | None, at: tuple[Affine, ...]) -> tuple[str, Affine]:
        """The array in which the element `at` of step `t` is, and where in it."""
        p = self.places[v]
        if p.whole is not None:
            return self.address(p.whole, t, taken(p.index, p.whole.shape, at, t))
        place = Affine()
        for ix, stride in zip(at, contiguous(v.shape), strict=True):
            place = place.plus(ix.times(stride))
        if v.lo is None or p.rows == 1:
            return p.name, place
        assert t is not None
        row, size = t.plus(-p.base), math.prod(v.shape)
        if p.rows == 2:
            row = Affine.of(f"(({row}) & 1)" if row.terms[1:] or row.add else f"({row} & 1)")
        return p.name, place.plus(row.times(size))

    def source_of(
        self, v: Value, t: Affine | None, at: tuple[Affine, ...]
    ) -> tuple[Arg, Affine | None, tuple[Affine, ...]]:
        """Which element of which operand an element of a view is."""
        a = v.args[0]
        shape = shape_of(a)
        if v.op == "getitem":
            at = taken(v.options["index"], shape, at, t)
        elif v.op == "transpose":
            axes = v.options.get("axes") or tuple(range(len(shape)))[::-1]
            back = {axis % len(shape): ix for axis, ix in zip(axes, at, strict=True)}
            at = tuple(back[k] for k in range(len(shape)))
        elif v.op == "stack_t":
            axis = v.options["axis"] % len(v.shape)
            step = at[axis]
            if v.options["sign"] == -1:
                step = self.moment(shape[0] - 1).plus(step.times(-1))
            at = (step, *at[:axis], *at[axis + 1 :])
        elif v.op == "reshape":
            if not same_but_ones(v):
                raise Unwritable(f"the new shape {v.shape} of {shape} is read element by element")
            wide = iter(ix for ix, n in zip(at, v.shape, strict=True) if n != 1)
            at = tuple(next(wide) if n != 1 else Affine() for n in shape)
        else:
            at = align(at, shape)
        return a, *self.moved(a, t, at)

    def moved(
        self, a: Arg, t: Affine | None, at: tuple[Affine, ...]
    ) -> tuple[Affine | None, tuple[Affine, ...]]:
        """The step an operand is read at, and the place without time."""
        if a.kind == "step":
            assert t is not None
            return t.plus(a.k), at
        if a.kind == "at":
            return self.moment(a.k), at
        if a.kind == "all":
            return at[0].plus(self.moment(a.k[0])), at[1:]
        return t if a.kind == "consts" else None, at

    def find(
        self, v: Value, t: Affine | None, at: tuple[Affine, ...]
    ) -> tuple[Value, Affine | None, str, Affine] | None:
        """Where an element is kept, through views: whose it is, of which step, array and place.

        None if it is kept nowhere: a formula, or constant.
        """
        while v not in self.places:
            if v not in self.views:
                return None
            if v.op == "reshape" and not same_but_ones(v):
                return self.in_row(v, t, at)
            a, t, at = self.source_of(v, t, at)
            if not isinstance(a.value, Value):
                return None
            v = a.value
        return (v, t, *self.address(v, t, at))

    def in_row(
        self, v: Value, t: Affine | None, at: tuple[Affine, ...]
    ) -> tuple[Value, Affine | None, str, Affine]:
        """The same for a new shape of what is kept: only the element's number counts."""
        number = Affine()
        for ix, stride in zip(at, contiguous(v.shape), strict=True):
            number = number.plus(ix.times(stride))
        while v not in self.places:
            a = v.args[0]
            t = self.moment(a.k[0]) if a.kind == "all" else self.moved(a, t, at)[0]
            v = a.value
        p = self.places[v]
        if p.whole is not None or p.rows == 2:
            raise Unwritable(f"a new shape of {v.name or v.op}, which is part of another array")
        name, start = self.address(v, t, tuple(Affine() for _ in v.shape))
        return v, t, name, start.plus(number)


def covering(v: Value) -> Any:
    """Where operands are put side by side that fill a value to the last element; else None."""
    if v.op not in ("scatter", "concatenate") or v.init:
        return None
    index = v.options["indices"] if v.op == "scatter" else tuple(spans(v))
    if len(index) != len(v.args) or any(type(p) in (Input, Step) for i in index for p in i):
        return None
    count = np.zeros(v.shape, int)
    for i in index:
        count[i] += 1
    return index if count.min(initial=1) == count.max(initial=1) == 1 else None


def apart(values: list[Value]) -> None:
    """Operands put side by side are formulas of their own, so that each can be written in place."""
    for v in list(values):
        if covering(v) is not None:
            for j, a in enumerate(v.args):
                shape = v.shape if v.op == "stack" else shape_of(a)
                part = Value(
                    "copy", [a], {"part": True}, shape, v.dtype, v.name, v.lo, v.hi, serial=v.serial
                )
                values.append(part)
                v.args[j] = Arg(
                    "one" if v.lo is None else "step", part, None if v.lo is None else 0
                )


def in_order(values: list[Value], views: set[Value]) -> list[Value]:
    """The values of one step, each after what it reads of the same step, itself or by views."""
    inside, done, order = set(values), set[Value](), list[Value]()
    turn = {v: (v.serial, k) for k, v in enumerate(values)}
    todo = sorted(values, key=turn.__getitem__, reverse=True)
    while todo:
        v = todo[-1]
        reads, through = set[Value](), list(v.args)
        for a in through:
            if isinstance(a.value, Value) and a.kind in ("step", "one") and not a.k:
                if a.value in inside:
                    reads.add(a.value)
                elif a.value in views:
                    through += a.value.args
        if missing := sorted(reads - done, key=turn.__getitem__, reverse=True):
            todo += missing
            continue
        todo.pop()
        if v not in done:
            done.add(v)
            order.append(v)
    return order


def identifier(wish: str) -> str:
    """A C identifier close to the wish."""
    wish = re.sub(r"\W", "_", wish, flags=re.ASCII)
    wish = wish if wish[:1].isalpha() else f"x{wish}"
    ours = wish in RESERVED or wish in TYPES.values() or wish.endswith(("_f", "_d"))
    return f"{wish}_" if ours else wish


def shape_of(a: Arg) -> tuple[int, ...]:
    """The shape of an operand: of one step, or of all of a whole sequence."""
    if not isinstance(a.value, Value):
        return np.shape(a.value)[a.kind == "consts" :]
    return (a.k[1] - a.k[0] + 1, *a.value.shape) if a.kind == "all" else a.value.shape


def dtype_of(a: Arg) -> Any:
    """The type of an operand's numbers."""
    return a.value.dtype if isinstance(a.value, Value) else np.asarray(a.value).dtype


def same_but_ones(v: Value) -> bool:
    """Whether a new shape only adds or takes away axes of length 1."""
    shape = shape_of(v.args[0])
    return v.args[0].kind != "all" and [n for n in shape if n != 1] == [
        n for n in v.shape if n != 1
    ]


def spans(v: Value) -> Iterable[tuple[Any, ...]]:
    """The index at which each operand of a concatenation or a stack stands."""
    axis, start = v.options["axis"] % len(v.shape), 0
    for a in v.args:
        size = 1 if v.op == "stack" else shape_of(a)[axis]
        part = start if v.op == "stack" else slice(start, start + size)
        yield (*(slice(None),) * axis, part)
        start += size
