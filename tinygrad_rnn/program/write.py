"""How is a program written down in NumPy?

A buffer for every sequence, allocated once, and a list of its rows, so that a loop takes no slices;
what is a view of a buffer is made once too. Then one statement per value: for all steps at once, or
in its loop.
"""

from __future__ import annotations

import builtins
import keyword
import math
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.program.families import Step
from tinygrad_rnn.program.graph import Arg, Value
from tinygrad_rnn.program.loops import Component, components, loop_range
from tinygrad_rnn.program.ops import ELEMENTWISE, HELPERS, REDUCTIONS, index_text, shifted
from tinygrad_rnn.program.statement import Operand, liftable, statement

__all__ = ["Program", "write"]

VIEWS = frozenset(("getitem", "transpose", "reshape", "broadcast_to", "stack_t"))
RESERVED = frozenset(("np", "t", "T", "list", "map", "range", "reversed", "step", "out", *HELPERS))


BUILT_IN = frozenset((*keyword.kwlist, *dir(builtins)))


@dataclass
class Place:
    """Where a value is kept: the array's name, its rows' name, and the step of its first row."""

    kind: str  # argument, rows, local, one, view
    name: str
    rows: str | None = None
    base: int = 0
    n: int = 0
    persistent: bool = True  # the same memory at every call
    whole_buffer: bool = True  # contiguous, so that it can be reshaped without a copy


@dataclass
class Program:
    """Source, the constants it is given beside the arguments, and what it consists of."""

    source: str
    constants: dict[str, np.ndarray]
    loops: list[Component]
    values: list[Value]
    buffers: int


class Writer:
    """Writes one program; see `write`."""

    def __init__(
        self,
        values: list[Value],
        outputs: list[Value],
        leaves: list[Value],
        in_place: bool,
        transposes: bool,
    ) -> None:
        self.values, self.outputs, self.leaves = values, outputs, leaves
        self.components = components(values)
        self.loop_of = {v: c for c in self.components if c.loop for v in c.values}
        self.names: set[str] = set(RESERVED)
        self.places: dict[Value, Place] = {}
        self.setup: list[str] = []
        self.body: list[str] = []
        self.buffers: dict[Any, list[str]] = defaultdict(list)
        self.listed: list[tuple[str, str]] = []
        self.constants: dict[str, np.ndarray] = {}
        self.known: dict[Any, str] = {}
        self.constant_lines: list[str] = []
        self.views: list[str] = []
        self.helpers: set[str] = set()
        self.bytes = self.T = 0
        self.readers: dict[Value, list[tuple[Value, Arg]]] = defaultdict(list)
        for v in values:
            for a in v.operands:
                if isinstance(a.value, Value):
                    self.readers[a.value].append((v, a))
        self.parts = self.assembled() if in_place else {}
        self.transposes = transposes
        self.nested = self.nests() if in_place else {}

    def nests(self) -> dict[Value, Value]:
        """Values written inside the one line that reads them, in its place."""
        found: dict[Value, Value] = {}
        for c in self.components:
            for v in c.values:
                if not _direct(v):
                    continue
                where = {x: k for k, x in enumerate(c.values)}
                inner = [a for a in v.args if self.can_nest(a, v, where, found)]
                if inner and not any(a.value is v for a in v.args):
                    found[inner[0].value] = v
        return found

    def can_nest(self, a: Arg, v: Value, where: dict[Value, int], found: Any) -> bool:
        """Whether an operand can be computed in the place of the value that reads it."""
        u = a.value
        if not isinstance(u, Value) or a.k or a.kind not in ("step", "one"):
            return False
        flat = u.op == "matmul" and all(
            isinstance(b.value, Value) and len(b.value.shape) == 2 and b.value.dtype == u.dtype
            for b in u.args
        )
        if not _direct(u) and not (flat and (u.lo is None or u in self.loop_of)):
            return False
        same = (u.shape, u.dtype, u.lo, u.hi) == (v.shape, v.dtype, v.lo, v.hi)
        lone = len(self.readers[u]) == 1 and not u.init and u not in self.outputs
        if (
            not same
            or not lone
            or u in self.parts
            or self.loop_of.get(u) is not self.loop_of.get(v)
        ):
            return False
        depth, x = 0, u
        while any(found.get(b.value) is x for b in x.args if isinstance(b.value, Value)):
            depth += 1
            x = next(
                b.value for b in x.args if isinstance(b.value, Value) and found.get(b.value) is x
            )
        # what it reads of the step before must still be there when the reader's turn has come
        late = [b for w in _chain(u, found) for b in w.args if b.kind == "step" and b.k]
        return depth < 3 and all(where.get(b.value, len(where)) >= where.get(v, 0) for b in late)

    def turn(self, v: Value) -> Value:
        """The value in whose line this one is computed."""
        while v in self.nested:
            v = self.nested[v]
        return v

    def assembled(self) -> dict[Value, tuple[Value, Any]]:
        """Values that are only put side by side into another: computed right there."""
        found: dict[Value, tuple[Value, Any]] = {}
        for v in self.values:
            if (
                v.op != "scatter"
                or v.lo is None
                or v.init
                or len(v.args) != len(v.options["indices"])
            ):
                continue
            count = np.zeros(v.shape, int)
            for index in v.options["indices"]:
                count[index] += 1
            parts = [a.value for a in v.args if a.kind == "step" and not a.k]
            if (
                count.min(initial=1) != 1
                or count.max(initial=1) != 1
                or len({*parts}) != len(v.args)
            ):
                continue
            if all(self.can_be_part(x, v) for x in parts):
                found.update({x: (v, i) for x, i in zip(parts, v.options["indices"], strict=True)})
        return found

    def can_be_part(self, x: Value, v: Value) -> bool:
        """Whether a value can be computed inside the one it is put into."""
        alone = len(self.readers[x]) == 1 and not x.init and x not in self.outputs
        together = (x.lo, x.hi) == (v.lo, v.hi) and self.loop_of.get(x) is self.loop_of.get(v)
        return alone and together and x.op in ELEMENTWISE

    def is_put_together(self, v: Value) -> bool:
        """Whether its parts have been computed in their places already."""
        first = v.args[0].value if v.args else None
        return isinstance(first, Value) and first in self.parts and self.parts[first][0] is v

    # -- names ------------------------------------------------------------------------------------

    def name(self, wish: str) -> str:
        """An identifier close to the wish that is not taken."""
        wish = re.sub(r"\W", "_", wish, flags=re.ASCII) or "x"
        wish = f"_{wish}" if wish[0].isdigit() or keyword.iskeyword(wish) else wish
        found, k = wish, 1
        while {found, _plural(found)} & (self.names | BUILT_IN):
            k += 1
            found = f"{wish}{k}"
        self.names |= {found, _plural(found)}
        return found

    def constant(self, x: Any, name: str = "k") -> str:
        """A constant as a literal, or the name of an array made from one, or passed in."""
        if isinstance(x, np.ndarray) and x.ndim == 0:
            x = x[()]
        if isinstance(x, (bool, int)):
            return repr(x)
        if isinstance(x, float) and not isinstance(x, np.generic):
            return repr(x) if math.isfinite(x) else f"float('{x}')"
        x = np.asarray(x)
        key = (x.shape, str(x.dtype), x.tobytes())
        if key not in self.known:
            found = self.known[key] = self.name(name)
            dtype = f"np.{x.dtype}"
            flat = x.ravel()
            if x.ndim == 0:
                text = f"np.array({x.item()!r}, {dtype})"
                if not np.isfinite(x):
                    text = f"np.array(float('{x.item()}'), {dtype})"
            elif x.size and np.all(flat == flat[0]) and np.isfinite(flat[0]):
                text = f"np.full({x.shape}, {flat[0].item()!r}, {dtype})"
                if not flat[0]:
                    text = f"np.zeros({x.shape}, {dtype})"
            elif x.dtype.kind in "iuf" and np.array_equal(flat, np.arange(x.size)):
                text = f"np.arange({x.size}, dtype={dtype})"
                text = text if x.ndim == 1 else f"{text}.reshape{x.shape}"
            elif x.ndim == 1 and np.count_nonzero(np.diff(x)) < 8 and np.isfinite(x).all():
                starts = [0, *(np.flatnonzero(x[1:] != x[:-1]) + 1).tolist()]
                counts = np.diff([*starts, x.size]).tolist()
                text = f"np.repeat(np.array({x[starts].tolist()}, {dtype}), {counts})"
            elif x.size <= 64 and np.isfinite(x).all():
                text = f"np.array({x.tolist()}, {dtype})"
            else:
                self.constants[found] = x.copy()
                text = ""
            if text:
                self.constant_lines.append(f"{found} = {text}")
        return self.known[key]

    # -- where values are kept --------------------------------------------------------------------

    def place(self, v: Value) -> None:
        """Decide where a value is kept, and write the line that makes the room for it."""
        loop = self.loop_of.get(v)
        if v.op == "leaf":
            self.places[v] = Place("argument", self.name(v.name or "x"), persistent=False)
            return
        if self.is_view(v):
            self.view(v)
            return
        if v in self.parts:
            self.part(v)
            return
        name = self.name(v.name or v.op)
        if v.lo is None:
            fresh = v in self.outputs
            if not fresh:
                self.buffer(name, v.shape, v.dtype)
            self.places[v] = Place("one", name, persistent=not fresh)
            return
        assert v.hi is not None
        if loop is not None and self.stays_inside(v, loop):
            self.buffer(name, v.shape, v.dtype)
            self.places[v] = Place("local", name)
        else:
            steps = [v.lo, v.hi, *v.init]
            lo, hi = min(steps), max(steps)
            whole = _plural(name)
            self.buffer(whole, (hi - lo + 1, *v.shape), v.dtype)
            rows = None
            if self.in_a_loop(v):
                rows = name
                self.listed.append((name, whole))
            self.places[v] = Place("rows", whole, rows, lo, hi - lo + 1)

    def part(self, v: Value) -> None:
        """A piece of the array it is put into."""
        whole, index = self.parts[v]
        if whole not in self.places:
            self.place(whole)
        target, name = self.places[whole], self.name(v.name or v.op)
        inner = index_text(index, "t", str)
        if target.kind == "local":
            self.views.append(f"{name} = {target.name}[{inner}]")
            self.places[v] = Place("local", name)
            return
        whole_name = _plural(name)
        self.views.append(f"{whole_name} = {target.name}[:, {inner}]")
        rows = None
        if target.rows:
            rows = name
            self.listed.append((name, whole_name))
        self.places[v] = Place("rows", whole_name, rows, target.base, target.n, True, False)

    def buffer(self, name: str, shape: tuple[int, ...], dtype: Any) -> None:
        """Room of its own."""
        self.buffers[shape, str(dtype)].append(name)
        self.bytes += math.prod(shape) * np.dtype(dtype).itemsize

    def in_a_loop(self, v: Value) -> bool:
        """Whether single elements are asked for."""
        return v in self.loop_of or any(
            (user in self.loop_of or not liftable(user)) and a.kind == "step"
            for user, a in self.readers[v]
        )

    def is_view(self, v: Value) -> bool:
        """Whether it is only another look at another value."""
        if self.transposes and v.op == "transpose" and v.lo is None and self.in_products(v):
            return False
        if v.op not in VIEWS or v.init or len(v.args) != 1 or v.args[0].kind in ("const", "consts"):
            return False
        a = v.args[0]
        if v.op == "stack_t":
            return v.options["axis"] == 0 or v not in self.loop_of
        index = v.options.get("index", ())
        if v.lo is not None and a.kind != "step":
            moving = [k for k, p in enumerate(index) if type(p) is Step]
            return a.kind == "one" and len(moving) == 1 and Ellipsis not in index
        if any(type(p) is Step for p in index):
            return False
        if v.op == "reshape" and v.lo is not None:
            return self.places[a.value].whole_buffer and self.places[a.value].kind in (
                "rows",
                "local",
            )
        return True

    def in_products(self, v: Value) -> bool:
        """Whether it is a weight transposed, the right factor of products over time."""
        return (
            len(v.shape) == 2
            and v.args[0].kind == "one"
            and any(
                user.op == "matmul"
                and user.args[1].value is v
                and (user.lo is not None or len(user.shape) > 2)
                for user, _ in self.readers[v]
            )
        )

    def view(self, v: Value) -> None:
        """Write the line that makes a view, once for all calls if its source is a buffer."""
        a = v.args[0]
        source = self.places[a.value]
        name = self.name(v.name or v.op)
        lines = self.views if source.persistent else self.body
        if v.lo is None:
            text = self.arg(a, None)
            lines.append(f"{name} = {_view(v, text, False)}")
            buffer = v.op == "stack_t" and source.whole_buffer and v.options["axis"] == 0
            buffer = buffer or (v.op == "reshape" and source.whole_buffer)
            self.places[v] = Place("view", name, None, 0, 0, source.persistent, buffer)
            return
        if source.kind in ("local",) or (
            source.kind == "view" and a.value.lo is not None and not source.n
        ):
            lines.append(f"{name} = {_view(v, source.name, False)}")
            self.places[v] = Place("view", name, None, 0, 0, source.persistent, v.op == "reshape")
            return
        if a.kind == "one":
            text, base, n = _moving(v, source.name, a.value.shape)
            if text == source.name and not source.persistent:
                self.places[v] = Place("rows", text, None, base, n, False, False)
                return
        else:
            assert a.k is not None
            text, base, n = _view(v, source.name, True, source.n), source.base - a.k, source.n
        whole = _plural(name)
        lines.append(f"{whole} = {text}")
        rows = None
        if source.persistent and self.in_a_loop(v):
            rows = name
            self.listed.append((name, whole))
        self.places[v] = Place("rows", whole, rows, base, n, source.persistent, v.op == "reshape")

    def stays_inside(self, v: Value, loop: Component) -> bool:
        """Whether it is read only in its own loop, in its step or, before it changes, the next."""
        where = {u: k for k, u in enumerate(loop.values)}
        if v in self.outputs or any(t for t in v.init if not _before(t, v, loop)):
            return False
        todo = [(v, 0)]
        while todo:
            u, off = todo.pop()
            for user, a in self.readers[u]:
                if user not in where or a.kind != "step" or (user.init and a in user.init.values()):
                    return False
                k = off + a.k
                if user.op in VIEWS:
                    if k:
                        return False
                    todo.append((user, k))
                elif k == 0:
                    if where[self.turn(user)] < where[v]:
                        return False
                elif (
                    k != -loop.direction
                    or where[self.turn(user)] > where[v]
                    or (user is v and v.op not in ELEMENTWISE)
                ):
                    return False
        return True

    # -- operands ---------------------------------------------------------------------------------

    def arg(self, a: Arg, t: str | None, lifted: Value | None = None) -> str:
        """An operand: of the step called `t`, or of all steps of `lifted`, or a single one."""
        if a.kind == "const":
            return self.constant(a.value)
        if a.kind == "consts":
            name = self.constant(a.value, "ks")
            if lifted is not None:
                assert lifted.lo is not None
                return _cut(name, lifted.lo - a.k, lifted.hi - a.k + 1, len(a.value))
            return f"{name}[{shifted(t or '', -a.k)}]"
        place = self.places[a.value]
        if a.kind == "one":
            return place.name
        if a.kind == "all":
            return _cut(place.name, a.k[0] - place.base, a.k[1] - place.base + 1, place.n)
        if a.kind == "at":
            return f"{place.name}[{a.k - place.base}]"
        if lifted is not None:
            assert lifted.lo is not None
            assert lifted.hi is not None
            lo = lifted.lo + a.k - place.base
            return _cut(place.name, lo, lifted.hi + a.k - place.base + 1, place.n)
        if not place.n:
            return place.name
        return f"{place.rows or place.name}[{shifted(t or '', a.k - place.base)}]"

    def operands(self, v: Value, t: str | None, lifted: bool, out: str) -> list[Operand]:
        """All operands of a value as texts, with what is known of them."""
        found = []
        for a in v.args:
            if v.op == "gates" and a.kind == "const":
                text = ""  # named by the statement
            elif self.nested.get(a.value) is v if isinstance(a.value, Value) else False:
                text = statement(
                    a.value, self.operands(a.value, t, lifted, out), out, lifted, self
                )[0]
            else:
                text = self.arg(a, t, v if lifted else None)
            if isinstance(a.value, Value):
                shape, dtype = a.value.shape, a.value.dtype
                if a.kind == "all":
                    shape = (a.k[1] - a.k[0] + 1, *shape)
            else:
                x = np.asarray(a.value)
                shape, dtype = (x.shape[1:] if a.kind == "consts" else x.shape), x.dtype
            found.append(Operand(text, shape, dtype, lifted and a.kind in ("step", "consts"), a))
        return found

    # -- statements -------------------------------------------------------------------------------

    def component(self, c: Component) -> None:
        """The statements of one component."""
        for v in c.values:
            if v not in self.places and v not in self.nested:
                self.place(v)
        if c.loop:
            self.loop(c)
            return
        v = c.values[0]
        if v in self.nested:
            return
        place = self.places[v]
        if place.kind in ("argument", "view") or self.is_view(v):
            return
        self.start(v)
        if self.is_put_together(v):
            return
        if v.lo is None:
            lines = statement(v, self.operands(v, None, False, place.name), place.name, False, self)
            self.body += lines if place.persistent else _fresh(lines, place.name, v)
        elif liftable(v):
            assert v.hi is not None
            out = _cut(place.name, v.lo - place.base, v.hi - place.base + 1, place.n)
            self.body += statement(v, self.operands(v, None, True, out), out, True, self)
        else:
            self.loop(c)

    def start(self, v: Value) -> None:
        """Initial values of a recurrence."""
        place = self.places[v]
        for t, a in sorted(v.init.items()):
            target = place.name if place.kind == "local" else f"{place.name}[{t - place.base}]"
            if a.kind != "const" or np.any(a.value):
                self.body.append(f"{target}[...] = {self.arg(a, None)}")
            elif self.body and self.body[-1].endswith("[...] = 0") and len(self.body[-1]) < 80:
                self.body[-1] = f"{target}[...] = {self.body[-1]}"
            else:
                self.body.append(f"{target}[...] = 0")

    def loop(self, c: Component) -> None:
        """A loop over time."""
        lo, hi = (c.values[0].lo, c.values[0].hi)
        direction = 1
        if c.loop:
            (lo, hi), direction = loop_range(c), c.direction
            for v in c.values:
                if (
                    v not in self.nested
                    and self.places[v].kind in ("rows", "local")
                    and not self.is_view(v)
                ):
                    self.start(v)
        assert lo is not None
        assert hi is not None
        T = hi + 1
        self.T = self.T or T
        end = "T" if T == self.T else f"T - {self.T - T}" if T < self.T else str(T)
        steps = f"range({end})" if lo == 0 else f"range({lo}, {end})"
        self.body.append(f"for t in {steps}:" if direction == 1 else f"for t in reversed({steps}):")
        count = len(self.body)
        for v in c.values:
            if v in self.nested:
                continue
            place = self.places[v]
            if place.kind == "view" or self.is_view(v) or self.is_put_together(v):
                continue
            out = place.name
            if place.kind == "rows":
                out = f"{place.rows or place.name}[{shifted('t', -place.base)}]"
            lines = statement(v, self.operands(v, "t", False, out), out, False, self)
            self.body += [f"    {line}" for line in lines]
        if len(self.body) == count:
            self.body.append("    pass")


def write(
    values: list[Value],
    outputs: list[Value],
    leaves: list[Value],
    in_place: bool = True,
    transposes: bool = True,
) -> Program:
    """The program that computes `outputs` from `leaves`."""
    w = Writer(values, outputs, leaves, in_place, transposes)
    for v in leaves:
        w.place(v)
    for c in w.components:
        w.component(c)
    results = [_result(w, v) for v in outputs]
    lines = ["import numpy as np", ""]
    for name in sorted(w.helpers):
        lines += [HELPERS[name], ""]
    lines += [f"T = {w.T}"] if w.T else []
    lines += _joined(w.constant_lines)
    alone = []
    for (shape, dtype), names in w.buffers.items():
        made = f"np.empty({shape}, np.{dtype})"
        if len(names) == 1:
            alone.append(f"{names[0]} = {made}")
        else:
            lines += _wrapped(f"{', '.join(names)} = (", f"{made} for _ in range({len(names)}))")
    lines += _joined(alone)
    lines += _joined(w.views)
    if w.listed:
        left, right = zip(*w.listed, strict=True)
        if len(left) == 1:
            lines.append(f"{left[0]} = list({right[0]})")
        else:
            lines += _wrapped(f"{', '.join(left)} = map(", f"list, ({', '.join(right)}))")
    arguments = ", ".join([w.places[v].name for v in leaves] + list(w.constants))
    lines += ["", *_wrapped("def step(", f"{arguments}):")]
    lines += [f"    {line}" for line in w.body]
    lines += [f"    {line}" for line in _wrapped("return (", f"{', '.join(results)},)")]
    loops = [c for c in w.components if c.loop]
    return Program("\n".join(lines) + "\n", w.constants, loops, values, w.bytes)


def _direct(v: Value) -> bool:
    """Whether it is one call of NumPy that gives back what it wrote."""
    if v.op == "power":  # may be written as a copy
        return False
    return ELEMENTWISE.get(v.op, "").startswith("np.") and (v.op != "addn" or len(v.args) == 2)


def _chain(v: Value, found: dict[Value, Value]) -> list[Value]:
    """A value and all that is nested in it."""
    chain, todo = list[Value](), [v]
    while todo:
        x = todo.pop()
        chain.append(x)
        todo += [a.value for a in x.args if isinstance(a.value, Value) and found.get(a.value) is x]
    return chain


def _fresh(lines: list[str], name: str, v: Value) -> list[str]:
    """Lines that compute into an array of their own."""
    tail = f", out={name})"
    plain = v.op in ("gemm_t", "sum_t", "matmul") or v.op in REDUCTIONS or _direct(v)
    once = len(lines) == 1 and lines[0].count(name) == lines[0].count(tail) == 1
    if plain and once and lines[0].startswith("np.") and lines[0].endswith(tail):
        return [f"{name} = {lines[0].removesuffix(tail)})"]
    return [f"{name} = np.empty({v.shape}, np.{v.dtype})", *lines]


def _result(w: Writer, v: Value) -> str:
    place = w.places[v]
    fresh = place.kind == "one" and not place.persistent and w.outputs.count(v) == 1
    return place.name if fresh else f"np.array({place.name})"


def _joined(lines: list[str]) -> list[str]:
    """Assignments that do not read each other, several on a line."""
    found: list[str] = []
    left: list[str] = []
    right: list[str] = []
    for line in lines:
        name, text = line.split(" = ", 1)
        long = sum(map(len, [*left, *right])) + 2 * len(left) + len(name) + len(text) > 96
        if left and (long or any(re.search(rf"\b{x}\b", text) for x in left)):
            found.append(f"{', '.join(left)} = {', '.join(right)}")
            left.clear()
            right.clear()
        left.append(name)
        right.append(text)
    return [*found, f"{', '.join(left)} = {', '.join(right)}"] if left else found


def _plural(name: str) -> str:
    """What a sequence of these is called."""
    return f"{name}_s" if f"{name}s" in BUILT_IN else f"{name}s"


def _wrapped(head: str, tail: str) -> list[str]:
    """A long bracket on two lines or more."""
    if len(head) + len(tail) <= 98:
        return [head + tail]
    return [head, f"    {tail}"]


def _before(t: int, v: Value, loop: Component) -> bool:
    return t == (v.lo - 1 if loop.direction == 1 else v.hi + 1)  # pyrefly: ignore


def _cut(name: str, lo: int, hi: int, n: int) -> str:
    if lo == 0 and hi == n:
        return name
    if lo < 0 or hi > n:
        raise AssertionError(f"{name}[{lo}:{hi}] of {n}")
    return f"{name}[{lo or ''}:{hi if hi != n else ''}]"


def _view(v: Value, text: str, lifted: bool, n: int = 0) -> str:
    source = v.args[0].value.shape
    if v.op == "stack_t":
        text = f"{text}[::-1]" if v.options["sign"] == -1 else text
        axis = v.options["axis"] % len(v.shape)
        return f"np.moveaxis({text}, 0, {axis})" if axis else text
    if v.op == "transpose":
        axes = v.options.get("axes")
        axes = (
            tuple(range(len(source)))[::-1]
            if axes is None
            else tuple(k % len(source) for k in axes)
        )
        if lifted:
            return f"{text}.transpose{(0, *(k + 1 for k in axes))}"
        return f"{text}.T" if axes == (1, 0) else f"{text}.transpose{axes}"
    if v.op == "reshape":
        return f"{text}.reshape{(n, *v.shape)}" if lifted else f"{text}.reshape{v.shape}"
    if v.op == "broadcast_to":
        if lifted:
            gap = len(v.shape) - len(source)
            text = f"{text}[:{', None' * gap}]" if gap else text
            return f"np.broadcast_to({text}, {(n, *v.shape)})"
        return f"np.broadcast_to({text}, {v.shape})"
    inner = index_text(v.options["index"], "t", str)
    return f"{text}[:, {inner}]" if lifted else f"{text}[{inner}]"


def _moving(v: Value, text: str, shape: tuple[int, ...]) -> tuple[str, int, int]:
    """A view with time first of what is indexed by the step: text, step of row 0, rows."""
    index = v.options["index"]
    k = next(k for k, p in enumerate(index) if type(p) is Step)
    sign, shift = index[k]
    axis = sum(p is not None for p in index[:k])
    n = shape[axis]
    rest = [slice(None) if j == k else p for j, p in enumerate(index)]
    if any(p != slice(None) for p in rest):
        text = f"{text}[{index_text(tuple(rest), 't', str)}]"
    place = sum(type(p) is not int for p in rest[:k])
    text = f"np.moveaxis({text}, {place}, 0)" if place else text
    if sign == -1:
        return f"{text}[::-1]", shift - n + 1, n
    return text, -shift, n
