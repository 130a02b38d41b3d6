"""In which memory is each value?

Sequences in buffers that are allocated once, with a list of their rows; what never leaves a loop in
one row; views as views, made once too if they are of a buffer.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.program.backends.numpy.fusion import VIEWS, Fusion
from tinygrad_rnn.program.backends.numpy.names import Names, plural
from tinygrad_rnn.program.backends.numpy.views import dims, divided, moving, view_text
from tinygrad_rnn.program.ir.graph import Arg, Value
from tinygrad_rnn.program.ir.ops import ELEMENTWISE, direct, index_text, liftable, shifted
from tinygrad_rnn.program.ir.recurrences import Component, loop_range
from tinygrad_rnn.program.ir.sequences import Step

__all__ = ["Layout", "Place"]


@dataclass
class Place:
    """The memory of a value: the array's name, its rows' name, and the step of its first row."""

    kind: str  # argument, rows, local, one, view
    name: str
    rows: str | None = None
    base: int = 0
    n: int = 0
    persistent: bool = True  # the same memory at every call
    whole_buffer: bool = True  # contiguous, so that it can be reshaped without a copy


class Layout(Names):
    """A place for each value, and the lines that make the room"""

    def __init__(self, fusion: Fusion, transposes: bool, liveness: bool) -> None:
        super().__init__(_longest(fusion), [v.name for v in fusion.values if v.name and _chosen(v)])
        self.fusion, self.transposes, self.liveness = fusion, transposes, liveness
        self.turn = {v: k for k, c in enumerate(fusion.components) for v in c.values}
        self.timed = _timed(fusion)
        self.busy: dict[Any, list[tuple[int, Any, str, Value]]] = defaultdict(list)  # by size
        self.reused = 0
        self.places: dict[Value, Place] = {}
        self.wishes: dict[Value, str] = {}
        self.body: list[str] = []
        self.views: list[str] = []
        self.aliases: list[str] = []
        self.roots: dict[str, str] = {}
        self.shapes: dict[str, str] = {}
        self.buffers: dict[Any, list[str]] = defaultdict(list)
        self.listed: list[tuple[str, str]] = []
        self.bytes = 0
        for v in fusion.outputs[:1]:
            self.wishes[v] = self.called(v, "loss")
        for v in (v for c in fusion.components if c.loop for v in c.values if v.op == "addn"):
            self.wishes[v] = self.called(v, "x")  # the sum, before its terms
        for c in fusion.components:
            for v in c.values if c.loop else ():
                if v.initial and c.direction == -1 and v.name and v not in self.wishes:
                    self.wishes[v] = self.name(f"{v.name}_next")

    def called(self, v: Value, otherwise: str) -> str:
        """An identifier for a value: its own name, or `otherwise`."""
        return self.name(v.name or otherwise, _chosen(v))

    def place(self, v: Value) -> None:
        """Decide where a value is kept, and write the line that makes the room for it."""
        loop = self.fusion.loop_of.get(v)
        if v.op == "leaf":
            self.places[v] = Place("argument", self.called(v, "x"), persistent=False)
            return
        if self.is_view(v):
            self.view(v)
            return
        if v in self.fusion.parts:
            self.part(v)
            return
        if v.lo is None:
            fresh = v in self.fusion.outputs or not v.shape
            name = self.room(v) if not fresh else self.wishes.get(v) or self.called(v, v.op)
            self.places[v] = Place("one", name, persistent=not fresh)
            return
        assert v.hi is not None
        if loop is not None and self.stays_inside(v, loop):
            self.places[v] = Place("local", self.spent(v) or self.room(v, shared=False))
        else:
            steps = [v.lo, v.hi, *v.initial]
            lo, hi = min(steps), max(steps)
            name = self.room(v, hi - lo + 1)
            self.sequence(v, Place("rows", plural(name), name, lo, hi - lo + 1))

    def sequence(self, v: Value, place: Place) -> None:
        """Keep a sequence there, with a list of its rows if single ones are asked for."""
        if place.rows and self.in_a_loop(v):
            if (place.rows, place.name) not in self.listed:
                self.listed.append((place.rows, place.name))
        else:
            place.rows = None
        self.places[v] = place

    def part(self, v: Value) -> None:
        """A view of the array it is a part of."""
        container, index = self.fusion.parts[v]
        if container not in self.places:
            self.place(container)
        target, name = self.places[container], self.called(v, v.op)
        alone = target.kind == "local"
        if container.op == "joined":
            text = divided(container, target.name, "" if alone else self.span(target.n))
        else:
            text = f"{target.name}[{'' if alone else ':, '}{index_text(index, 't', str)}]"
        if alone:
            self.views.append(f"{name} = {text}")
            self.places[v] = Place("local", name, whole_buffer=False)
            return
        whole_name = plural(name)
        self.views.append(f"{whole_name} = {text}")
        rows = name if target.rows else None
        if rows is not None:
            self.listed.append((rows, whole_name))
        self.places[v] = Place("rows", whole_name, rows, target.base, target.n, True, False)

    def room(self, v: Value, rows: int = 0, shared: bool = True) -> str:
        """The name of a new buffer or, if it may be `shared`, of what nobody reads any more."""
        shape, dtype = self.shape(v, self.span(rows) if rows else ""), str(v.dtype)
        size = f"{self.span(rows)} x {math.prod(v.shape)}" if rows else shape
        key = (size, dtype)
        old = self.free(v, key) if self.liveness and shared else None
        if old is not None:
            self.busy[key].remove(old)
            self.reused += 1
        alike = old is not None and (old[3].name, old[3].shape) == (v.name, v.shape)
        alike = alike and old is not None and (old[3].lo is None) == (v.lo is None)
        if alike and v not in self.wishes:
            name = old[2]
        else:
            name = self.wishes.get(v) or self.called(v, v.op)
            called = plural(name) if rows else name
            if old is not None:
                first = plural(old[2]) if old[3].lo is not None else old[2]
                self.roots[called] = self.roots.get(first, first)
                text = f"{called} = {self.roots[called]}"
                same = self.shapes[self.roots[called]] == shape
                self.aliases.append(text if same else f"{text}.reshape{shape}")
            else:
                self.buffers[shape, dtype].append(called)
                self.shapes[called] = shape
                self.bytes += (rows or 1) * math.prod(v.shape) * np.dtype(v.dtype).itemsize
        if self.liveness and shared:
            self.busy[key].append((self.last_use(v), key, name, v))
        return name

    def spent(self, v: Value) -> str:
        """A place in its loop that `v` can take over: of what its line alone reads, and first."""
        first = self.fusion.innermost(v)
        for a in first.args if direct(first) and self.liveness else ():
            u, place = a.value, self.places.get(a.value) if isinstance(a.value, Value) else None
            if place is None or place.kind != "local" or u.initial or v.initial:
                continue
            alone = len(self.fusion.readers[u]) == 1 and not a.k and u.name == v.name
            if alone and (u.shape, u.dtype) == (v.shape, v.dtype):
                return place.name
        return ""

    def free(self, v: Value, key: Any) -> Any:
        """A buffer of this shape that is free when `v` is computed, or becomes free by that."""
        parts = [x for x, w in self.fusion.parts.items() if w[0] is v]
        now = min(self.turn[x] for x in (v, *parts))
        alike = self.busy[key]
        ends = [b for b in alike if b[0] == now and not parts and self.fusion.overwritten(b[3], v)]
        ends += [b for b in alike if b[0] < now]
        return max(ends, key=lambda b: b[3].name == v.name, default=None)

    def leading(self, v: Value) -> str:
        """The first axis of what is computed once, if it is time or all rows of all steps."""
        n, T = (v.shape or (0,))[0], self.T
        if v not in self.timed or not T or n % T or T < 3:
            return ""
        return "T" if n == T else f"T * {n // T}"

    def shape(self, v: Value, rows: str = "") -> str:
        """The shape of a value as it is written, with so many rows if it is a sequence."""
        if not rows and (rows := self.leading(v)):
            return dims(rows, v.shape[1:])
        return dims(rows, v.shape)

    def last_use(self, v: Value) -> int:
        """The turn of the last component that reads a value, itself or by a view of it."""
        last, todo, seen = self.turn[v], [v], {v}
        while todo:
            x = todo.pop()
            if x in self.fusion.outputs:
                return len(self.turn)
            for user, _ in self.fusion.readers[x]:
                last = max(last, self.turn[self.fusion.turn(user)])
                if user.op in VIEWS and user not in seen:
                    seen.add(user)
                    todo.append(user)
        return last

    def in_a_loop(self, v: Value) -> bool:
        """True if single elements are asked for."""
        return v in self.fusion.loop_of or any(
            (user in self.fusion.loop_of or not liftable(user)) and a.kind == "step"
            for user, a in self.fusion.readers[v]
        )

    def is_view(self, v: Value) -> bool:
        """True if it is another value seen differently."""
        if self.transposes and v.op == "transpose" and v.lo is None and self.in_products(v):
            return False
        if (
            v.op not in VIEWS
            or v.initial
            or len(v.args) != 1
            or v.args[0].kind in ("const", "consts")
        ):
            return False
        a = v.args[0]
        if v.op == "divided":
            return v.lo is not None
        if v.op == "stack_t":
            return v.options["axis"] == 0 or v not in self.fusion.loop_of
        index = v.options.get("index", ())
        if v.lo is not None and a.kind != "step":
            moving = [k for k, p in enumerate(index) if type(p) is Step]
            return a.kind == "one" and len(moving) == 1 and Ellipsis not in index
        if any(type(p) is Step for p in index):
            return False
        if v.op == "reshape":  # of what is not contiguous it is a copy, to be made at each call
            source = self.places[a.value]
            if v.lo is None:
                return source.whole_buffer or not source.persistent
            return source.whole_buffer and source.kind in ("rows", "local")
        return True

    def in_products(self, v: Value) -> bool:
        """True if it is a weight transposed, the right factor of products over time."""
        return (
            len(v.shape) == 2
            and v.args[0].kind == "one"
            and any(
                user.op == "matmul"
                and user.args[1].value is v
                and (user.lo is not None or len(user.shape) > 2)
                for user, _ in self.fusion.readers[v]
            )
        )

    def view(self, v: Value) -> None:
        """Write the line that makes a view, once for all calls if its source is a buffer."""
        a = v.args[0]
        source = self.places[a.value]
        name = self.called(v, v.op)
        lines = self.views if source.persistent else self.body
        if v.lo is None:
            text = self.arg(a, None)
            lines.append(f"{name} = {view_text(v, text, False, self.leading(v))}")
            buffer = v.op == "stack_t" and source.whole_buffer and v.options["axis"] == 0
            buffer = buffer or (v.op == "reshape" and source.whole_buffer)
            self.places[v] = Place("view", name, None, 0, 0, source.persistent, buffer)
            return
        if source.kind in ("local",) or (
            source.kind == "view" and a.value.lo is not None and not source.n
        ):
            lines.append(f"{name} = {view_text(v, source.name, False)}")
            self.places[v] = Place("view", name, None, 0, 0, source.persistent, v.op == "reshape")
            return
        if a.kind == "one":
            text, base, n = moving(v, source.name, a.value.shape)
            if text == source.name and not source.persistent:
                self.places[v] = Place("rows", text, None, base, n, False, False)
                return
        else:
            assert a.k is not None
            text = view_text(v, source.name, True, self.span(source.n))
            base, n = source.base - a.k, source.n
        all_rows = plural(name)
        lines.append(f"{all_rows} = {text}")
        rows = None
        if source.persistent and self.in_a_loop(v):
            rows = name
            self.listed.append((name, all_rows))
        self.places[v] = Place(
            "rows", all_rows, rows, base, n, source.persistent, v.op == "reshape"
        )

    def stays_inside(self, v: Value, loop: Component) -> bool:
        """True if it is read only in its own loop, in its step or, before it changes, the next."""
        where = {u: k for k, u in enumerate(loop.values)}
        if v in self.fusion.outputs or any(t for t in v.initial if not _before(t, v, loop)):
            return False
        todo = [(v, 0)]
        while todo:
            u, off = todo.pop()
            for user, a in self.fusion.readers[u]:
                if (
                    user not in where
                    or a.kind != "step"
                    or (user.initial and a in user.initial.values())
                ):
                    return False
                k = off + a.k
                if user.op in VIEWS:
                    if k:
                        return False
                    todo.append((user, k))
                elif k == 0:
                    if where[self.fusion.turn(user)] < where[v]:
                        return False
                elif (
                    k != -loop.direction
                    or where[self.fusion.turn(user)] > where[v]
                    or (user is v and not _read_first(v))
                ):
                    return False
        return True

    def arg(self, a: Arg, t: str | None, lifted: Value | None = None) -> str:
        """An operand: of the step called `t`, or of all steps of `lifted`, or a single one."""
        if a.kind == "const":
            return self.constant(a.value)
        if a.kind == "consts":
            name = self.constant(a.value, "ks", every=True)
            if lifted is not None:
                assert lifted.lo is not None
                return self.cut(name, lifted.lo - a.k, lifted.hi - a.k + 1, len(a.value))
            return f"{name}[{shifted(t or '', -a.k)}]"
        place = self.places[a.value]
        if a.kind == "one":
            return place.name
        if a.kind == "all":
            return self.cut(place.name, a.k[0] - place.base, a.k[1] - place.base + 1, place.n)
        if a.kind == "at":
            return f"{place.name}[{self.row(a.k - place.base, place.n)}]"
        if lifted is not None:
            assert lifted.lo is not None
            assert lifted.hi is not None
            lo = lifted.lo + a.k - place.base
            return self.cut(place.name, lo, lifted.hi + a.k - place.base + 1, place.n)
        if not place.n:
            return place.name
        return f"{place.rows or place.name}[{shifted(t or '', a.k - place.base)}]"


def _read_first(v: Value) -> bool:
    """True if it reads its own value of the step before ahead of overwriting it."""
    own = [k for k, a in enumerate(v.args) if a.value is v]
    if v.op == "addn":  # the first two, then one after the other
        return max(own) < 2
    if v.op in ("where", "clip"):  # of what is chosen from, the last is copied; x is cut first
        return own == [2 if v.op == "where" else 0]
    return v.op in ELEMENTWISE


def _chosen(v: Value) -> bool:
    """True if its name is of the user's choice."""
    return bool(v.name) and (v.named or v.op == "leaf")


def _longest(fusion: Fusion) -> int:
    """The steps of the longest loop; if there is none, of the longest sequence."""
    loops = [loop_range(c) for c in fusion.components if c.loop]
    spans = loops or [(v.lo, v.hi) for v in fusion.values if v.lo is not None]
    return max((hi + 1 for _, hi in spans if hi is not None), default=0)


def _timed(fusion: Fusion) -> set[Value]:
    """Values computed once whose first axis is time, as far as one can see."""
    found: set[Value] = set()
    for c in (*fusion.components, *fusion.components):  # a partner may come later
        for v in c.values:
            if v.op == "getitem" and v.lo is not None and v.args[0].kind == "one":
                first = v.options["index"][0]
                if type(first) is Step and abs(first.sign) == 1:
                    found.add(v.args[0].value)
            elif v.op == "stack_t":
                found.add(v)
            elif v.lo is None and v.shape and v.op not in ("transpose", "gemm_t", "sum_t"):
                alike = [a.value for a in v.args[: 1 if v.op == "matmul" else None]]
                alike = [x for x in alike if isinstance(x, Value) and x.lo is None and x.shape]
                if v.op in ELEMENTWISE:
                    alike = [x for x in [v, *alike] if x.shape[0] == v.shape[0]]
                if not found.isdisjoint(alike):
                    found.add(v)
                    found.update(alike if v.op in ELEMENTWISE else ())
            if v in found and v.op == "reshape":
                found.add(v.args[0].value)
    return found


def _before(t: int, v: Value, loop: Component) -> bool:
    return t == (v.lo - 1 if loop.direction == 1 else v.hi + 1)  # pyrefly: ignore
