"""Where is each materialised value, and which element does a view read?

Arrays have a row for each step, or one or two rows that take turns if only the loop that makes them
reads them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tinygrad_rnn.program.backends.c.index import Affine, align, contiguous, taken
from tinygrad_rnn.program.backends.c.materialise import Materialised
from tinygrad_rnn.program.backends.c.names import RESERVED, TYPES, identifier
from tinygrad_rnn.program.backends.c.operands import Unwritable, same_but_ones, shape_of
from tinygrad_rnn.program.ir.graph import Arg, Value

__all__ = ["Array", "Storage"]

MANY = 24  # products outside of loops, from which none of these is inlined


@dataclass(frozen=True)
class Place:
    """The array a value is in: rows from step `base`, or the part `index` of the value `container`.

    With `strides` it stands in another's room: those of its axes, and before them that of time.
    """

    name: str
    base: int = 0
    rows: int = 0  # 0: one for each step; 1: one for all; 2: two that take turns
    container: Value | None = None
    index: tuple[Any, ...] = ()
    strides: tuple[int, ...] = ()


@dataclass(frozen=True)
class Array:
    """Room for an array: `many` elements of a type in C, and a comment."""

    name: str
    kind: str
    many: Affine
    what: str
    itemsize: int


class Storage(Materialised):
    """Says for all values of a program where their elements are."""

    def __init__(self, values: list[Value], outputs: list[Value], leaves: list[Value]) -> None:
        super().__init__(values, outputs, leaves)
        alone = [c.values[0].op for c in self.components if not c.loop]
        self.many = sum(op in ("matmul", "gemm_t") for op in alone) > MANY
        self.lay_out()

    def lay_out(self) -> None:
        """Room for all materialised values; from the start again whenever there are more."""
        self.names: set[str] = set(RESERVED)
        self.tried: dict[str, int] = {}  # the last number behind a wish
        self.places = {v: Place(self.fresh(v.name or "x")) for v in self.leaves}
        self.room: list[Array] = []
        self.packings: dict[str, str] = {}
        self.coalesced: dict[str, tuple[Array, Affine, str]] = {}
        self.rowwise: set[Value] = set()  # read as rows of numbers, whatever the shape
        self.put_together()
        for v, container in self.parts.items():
            self.places[v] = Place("", container=container[0], index=container[1])
        for v, u in self.added.items():
            self.places[u] = Place("", container=v, index=(Ellipsis,))
        for v in [v for c in self.components for v in c.values]:
            if v in self.materialised and v not in self.places:
                self.place(v)

    def fresh(self, wish: str) -> str:
        """An identifier that nothing else has."""
        wish = identifier(wish)
        found, k = wish, self.tried.get(wish, 1)
        while found in self.names:
            k += 1
            found = f"{wish}{k}"
        self.tried[wish] = k
        self.names.add(found)
        return found

    def place(self, v: Value) -> None:
        """Room for a value."""
        name, size = self.fresh(v.name or v.op), math.prod(v.shape)
        if v.lo is None or v.hi is None:
            self.places[v] = Place(name)
            if v not in self.outputs:
                count = v.shape[0] if "T" in self.long(v.shape) else 1
                self.array(name, v.dtype, count, size // count, self.shape(v.shape))
            return
        steps = [v.lo, v.hi, *v.initial]
        rows = self.rows(v)
        self.places[v] = Place(name, min(steps), rows)
        what = ("at each step", "of one step", "of two steps, in turn")[rows]
        count = rows or max(steps) - min(steps) + 1
        self.array(name, v.dtype, count, size, f"{self.shape(v.shape)} {what}")

    def array(self, name: str, dtype: Any, count: int, size: int, what: str) -> None:
        """Room for so many times `size` elements."""
        kind = TYPES[str(dtype)]
        self.room.append(Array(name, kind, self.moment(count).times(size), what, dtype.itemsize))

    def coalesce(self, v: Value, owner: Array, start: Affine, strides: tuple[int, ...]) -> None:
        """Put a value into an array, instead of room of its own."""
        (own,) = (x for x in self.room if x.name == self.places[v].name)
        self.room.remove(own)
        self.coalesced[own.name] = owner, start, own.what
        self.places[v] = Place(own.name, strides=strides)

    def packed(self, factor: str, dtype: Any, size: int) -> tuple[str, bool]:
        """Room for a weight packed for products, and whether that is new."""
        new = factor not in self.packings
        if new:
            name = self.packings[factor] = self.fresh("packed")
            self.array(name, dtype, 1, size, f"{factor.split(',')[0]} for times")
        return self.packings[factor], new

    def unpack(self) -> None:
        """Forget packed weights, to write all kernels once more."""
        packed = set(self.packings.values())
        self.room = [x for x in self.room if x.name not in packed]
        self.packings.clear()
        self.names -= packed

    def moment(self, k: int) -> Affine:
        """A step, or a number of steps, counted from the end if that is nearer."""
        if self.T >= 4 and 2 * k > self.T:
            return Affine((("T", 1),), k - self.T)
        return Affine((), k)

    def dims(self, shape: tuple[int, ...]) -> tuple[Any, ...]:
        """A shape, with T for the length of the longest loop."""
        return tuple("T" if n == self.T >= 4 else n for n in shape)

    def long(self, shape: tuple[int, ...]) -> tuple[Any, ...]:
        """A shape, with T for its first axis alone, so that one text serves all lengths.

        Rows have their length in the text, for the C compiler to unroll. An axis that is only by
        chance as long as the loop makes a text of its own.
        """
        return (*self.dims(shape[:1]), *shape[1:]) if len(shape) > 1 else shape

    def shape(self, shape: tuple[int, ...]) -> str:
        """The same as `dims` as a comment."""
        sizes = [str(n) for n in self.dims(shape)]
        return f"({', '.join(sizes)}{',' * (len(sizes) == 1)})"

    def root(self, v: Value) -> Value:
        """The value in whose array it is."""
        while (container := self.places[v].container) is not None:
            v = container
        return v

    def address(self, v: Value, t: Affine | None, at: tuple[Affine, ...]) -> tuple[str, Affine]:
        """The array in which the element `at` of step `t` is, and where in it."""
        p = self.places[v]
        if p.container is not None:
            return self.address(p.container, t, taken(p.index, p.container.shape, at, t))
        place = Affine()
        if p.strides:
            assert t is not None
            at = (t, *at)
        for ix, stride in zip(at, p.strides or contiguous(v.shape), strict=True):
            place = place.plus(ix.times(stride))
        if v.lo is None or p.rows == 1 or p.strides:
            return p.name, place
        assert t is not None
        row, size = t.plus(-p.base), math.prod(v.shape)
        if p.rows == 2:
            row = Affine.of(f"(({row}) & 1)" if row.terms[1:] or row.add else f"({row} & 1)")
        return p.name, place.plus(row.times(size))

    def source_of(
        self, v: Value, t: Affine | None, at: tuple[Affine, ...]
    ) -> tuple[Arg, Affine | None, tuple[Affine, ...]]:
        """The operand of a view, and its element that an element of the view is."""
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
        """The value, step, array and place of an element, through views.

        None if it is in no array: a formula, or constant.
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
        """The same for a new shape of an array: only the element's number counts."""
        number = Affine()
        for ix, stride in zip(at, contiguous(v.shape), strict=True):
            number = number.plus(ix.times(stride))
        while True:  # at least once: a new shape may be kept itself, as an output is
            a = v.args[0]
            t = self.moment(a.k[0]) if a.kind == "all" else self.moved(a, t, at)[0]
            v = a.value
            if v in self.places:
                break
        p = self.places[v]
        self.rowwise.add(v)
        if p.container is not None or p.rows == 2:
            raise Unwritable(f"a new shape of {v.name or v.op}, which is part of another array")
        name, start = self.address(v, t, tuple(Affine() for _ in v.shape))
        return v, t, name, start.plus(number)
