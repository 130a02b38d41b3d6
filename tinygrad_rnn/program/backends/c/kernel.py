"""What does one loop nest compute, and which lines do it?

A kernel asks for elements. An element of an array is read; that of a formula is computed in a line
before, from elements of its own operands at the same place.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from tinygrad_rnn.engine.primitives import Input, clip_bounds
from tinygrad_rnn.program.backends.c.index import Affine, align, contiguous, progression
from tinygrad_rnn.program.backends.c.names import LIBM, TYPES, identifier
from tinygrad_rnn.program.backends.c.operands import Unwritable, dtype_of, shape_of
from tinygrad_rnn.program.backends.c.prelude import pieces
from tinygrad_rnn.program.backends.c.storage import Storage
from tinygrad_rnn.program.ir.graph import Arg, Value

__all__ = ["STEP", "Constants", "Kernel", "axes", "loops", "nested"]

STEP = Affine.of("t")
# fmt: off
INFIX = {
    "add": "+", "addn": "+", "subtract": "-", "multiply": "*", "divide": "/",
    "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==",
    "not_equal": "!=", "logical_and": "&&", "logical_or": "||",
}
COMPARE = frozenset(("less", "less_equal", "greater", "greater_equal", "equal", "not_equal"))
PLAIN = frozenset((0.0, 0.5, 1.0, 2.0, 3.0, -0.5, -1.0, -2.0))
# fmt: on


class Constants:
    """The arrays a program is given beside its arguments."""

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []
        self.names: dict[Any, str] = {}

    def array(self, x: np.ndarray) -> str:
        """The name of an array."""
        x = np.ascontiguousarray(x)
        key = (x.shape, str(x.dtype), x.tobytes())
        if key not in self.names:
            self.names[key] = f"constant{len(self.arrays)}"
            self.arrays.append(x)
        return self.names[key]

    def number(self, x: Any, like: Any) -> str:
        """A number: written out if it is a small one, else an argument, as it may depend on T."""
        like = np.dtype(like)
        value = float(np.asarray(x, like)) if like.kind == "f" else int(x)
        if like.kind != "f":
            return str(value)
        if value in PLAIN or not math.isfinite(value):
            return number(value, like)
        return f"{self.array(np.full(1, value, like))}[0]"

    def place(self, x: Any, at: tuple[Affine, ...]) -> tuple[str, Affine]:
        """The array and place of an element."""
        x, place = np.asarray(x), Affine()
        for ix, stride in zip(at, contiguous(x.shape), strict=True):
            place = place.plus(ix.times(stride))
        return self.array(x), place


class Kernel:
    """Lines, the values they compute, and those they read and write in arrays."""

    def __init__(self, storage: Storage, constants: Constants, values: list[Value]) -> None:
        self.storage, self.constants, self.values = storage, constants, values
        self.before: list[str] = []  # once, before the loop that it is in
        self.lines: list[str] = []
        self.reads: set[Value] = set()
        self.writes = {storage.root(v) for v in values}
        self.elements: dict[str, set[Affine]] = {}  # read of each array
        self.targets: dict[str, set[Affine]] = {}  # written of each array
        self.formulas: set[Value] = set()
        self.known: dict[Any, str] = {}
        self.locals: set[str] = set()
        self.space: Any = None  # its iteration space, if others over the same may join it

    def local(self, wish: str) -> str:
        """A name for a number in these lines."""
        wish, k = identifier(wish), 1
        found = wish
        while found in self.locals or found in self.storage.names:
            k += 1
            found = f"{wish}{k}"
        self.locals.add(found)
        return found

    def target(self, v: Value, t: Affine | None, at: tuple[Affine, ...]) -> str:
        """The element that a result is stored in."""
        name, place = self.storage.address(v, t, at)
        self.targets.setdefault(name, set()).add(place)
        return f"{name}[{place}]"

    def source(
        self, v: Value, t: Affine | None, at: tuple[Affine, ...]
    ) -> tuple[str, Affine] | None:
        """Array and place of an element; None for a formula. It counts as read."""
        found = self.storage.find(v, t, at)
        return found and self.read(*found)

    def read(self, owner: Value, when: Affine | None, name: str, place: Affine) -> Any:
        """Array and place of an element of an array. It counts as read."""
        if when is None or when == STEP or owner not in self.storage.loop_of:
            self.reads.add(self.storage.root(owner))  # rows of other steps are out of the way
        self.elements.setdefault(name, set()).add(place)
        return name, place

    def operand(self, a: Arg, t: Affine | None, at: tuple[Affine, ...], like: Any) -> str | Affine:
        """An element of an operand, broadcast: as text, or as a formula of indices."""
        if isinstance(a.value, Value):
            shape = shape_of(a)
            t, at = self.storage.moved(a, t, align(at, shape))
            return self.element(a.value, t, at, like)
        x = np.asarray(a.value)
        at = align(at, shape_of(a))
        if a.kind == "consts":
            assert t is not None
            at = (t.plus(-a.k), *at)
        places = x.dtype.kind in "iu" and np.dtype(like).kind != "f"  # else a count, as of a mean
        if not places and (x.ndim == 0 or (x.size and np.all(x == x.flat[0]))):
            return self.constants.number(x.flat[0], like)
        line = progression(x, at) if x.dtype.kind in "iu" and x.size else None
        if line is not None:
            return line
        name, place = self.constants.place(x, at)
        return f"{name}[{place}]"

    def element(
        self, v: Value, t: Affine | None, at: tuple[Affine, ...], like: Any
    ) -> str | Affine:
        """An element of a value; if it is a formula, its line goes before."""
        if (v, t, at) in self.known:
            return self.known[v, t, at]
        kept = self.source(v, t, at)
        if kept is not None:
            return f"{kept[0]}[{kept[1]}]"
        if v in self.storage.views:
            a, t, at = self.storage.source_of(v, t, at)
            if isinstance(a.value, Value):
                return self.element(a.value, t, at, like)
            return self.operand(a, t, at, like)
        self.formulas.add(v)
        text = self.formula(v, t, at)
        name = self.known[v, t, at] = self.local(v.name or v.op)
        self.lines.append(f"const {TYPES[str(v.dtype)]} {name} = {text};")
        return name

    def of_sequence(self, a: Arg, t: Affine, at: tuple[Affine, ...], like: Any) -> str | Affine:
        """An element of a sequence read as one array, by its step, not its place."""
        if a.kind == "all":
            return self.element(a.value, t, align(at, a.value.shape), like)
        return self.operand(a, None, (t, *at), like)

    def formula(self, v: Value, t: Affine | None, at: tuple[Affine, ...]) -> str:
        """The expression that computes an element."""
        op, kinds = v.op, [dtype_of(a) for a in v.args]
        like = np.result_type(*kinds) if op in COMPARE else v.dtype
        as_they_are = op in ("logical_and", "logical_or", "logical_not", "astype", "copy")
        xs = []
        for j, (a, kind) in enumerate(zip(v.args, kinds, strict=True)):
            wanted = kind if as_they_are or (op == "where" and j == 0) else like
            x = str(self.operand(a, t, at, wanted))
            cast = isinstance(a.value, Value) and kind != wanted
            xs.append(f"({TYPES[str(wanted)]}){atom(x)}" if cast else atom(x))
        if op in INFIX and not (v.dtype == np.bool_ and op in ("add", "addn", "multiply")):
            return f" {INFIX[op]} ".join(xs)
        if op in ("astype", "copy"):
            if v.dtype == np.bool_ and kinds[0] != np.bool_:
                return f"{xs[0]} != 0"
            return xs[0] if kinds[0] == v.dtype else f"({TYPES[str(v.dtype)]}){xs[0]}"
        if op == "logical_not":
            return f"!{xs[0]}"
        if op == "negative":
            return f"-{xs[0]}"
        if op == "square":
            return f"{xs[0]} * {xs[0]}"
        if op == "where":
            return f"{xs[0]} ? {xs[1]} : {xs[2]}"
        if op == "clip" and v.dtype.kind in "iu":
            low, high = v.options.get("low", -math.inf), v.options.get("high", math.inf)
            x, (low, high), ends = xs[0], clip_bounds(v.dtype, low, high), np.iinfo(v.dtype)
            x = x if low == ends.min else f"({x} < {low} ? {low} : {x})"
            return x if high == ends.max else f"({x} > {high} ? {high} : {x})"
        if v.dtype.kind != "f":
            raise Unwritable(f"{op} of {v.dtype}")
        f, bare = ("f", "f") if v.dtype == np.float32 else ("d", "")
        if op == "clip":
            low, high = (v.options.get(end) for end in ("low", "high"))
            x = xs[0] if low is None else f"max_{f}({xs[0]}, {self.constants.number(low, like)})"
            return x if high is None else f"min_{f}({x}, {self.constants.number(high, like)})"
        if op in ("maximum", "minimum"):
            return f"{op[:3]}_{f}({', '.join(xs)})"
        if op == "power":
            return power(v.args[1], xs, bare)
        if f"{op}_{f}" in pieces():  # exp_f and exp_d in prelude.h …
            return f"{op}_{f}({', '.join(xs)})"
        if op not in LIBM:
            raise Unwritable(
                f"the primitive {op} has no form in C: register_lowering(…, c=…) gives it one"
            )
        return f"{LIBM[op]}{bare}({xs[0]})"

    def looked_up(self, v: Value, t: Affine | None) -> Any:
        """A reader of the arrays in the index of `v`, for `taken`."""

        def place(p: Input, at: tuple[Affine, ...], n: int) -> Affine:
            a = v.args[int(p)]
            if isinstance(a.value, Value):
                return self.checked(str(self.operand(a, t, at, np.dtype(np.int64))), n)
            x = np.asarray(a.value)  # known to be inside when it was recorded
            if x.dtype.kind not in "iu":
                raise Unwritable(f"an index of dtype {x.dtype}")
            a = a._replace(value=np.where(x < 0, x + n, x).astype(np.int64))
            found = self.operand(a, t, at, np.dtype(np.int64))
            return found if isinstance(found, Affine) else Affine.of(found)

        return place

    def checked(self, text: str, n: int) -> Affine:
        """A place that an array says, if there is such a place."""
        name = self.local("place")
        self.lines.append(f"const long {name} = inside({text}, {n}, &wrong);")
        return Affine.of(name)


def number(x: float, like: Any) -> str:
    """A float as C writes it."""
    if not math.isfinite(x):
        return "NAN" if math.isnan(x) else "INFINITY" if x > 0 else "(-INFINITY)"
    text = repr(x) + ("f" if like.itemsize == 4 else "")
    return f"({text})" if x < 0 else text


def power(exponent: Arg, xs: list[str], bare: str) -> str:
    """A power, by products if it is a small one known beforehand."""
    known = exponent.kind == "const" and np.ndim(exponent.value) == 0
    n = float(exponent.value) if known else math.nan
    if n in (1.0, 2.0, 3.0):
        return " * ".join([xs[0]] * int(n))
    if n == -1.0:
        return f"1 / {xs[0]}"
    return f"sqrt{bare}({xs[0]})" if n == 0.5 else f"pow{bare}({', '.join(xs)})"


def atom(text: str) -> str:
    """In brackets unless it needs none."""
    simple = r"[\w.]+(e[+-]?\d+f?)?|\w+\[[^\]]*\]|\w+\([^()]*\)|\([^()]*\)"
    return text if re.fullmatch(simple, text) else f"({text})"


def axes(shape: tuple[int, ...]) -> tuple[Affine, ...]:
    """A variable for each axis; none for those of length 1."""
    return tuple(Affine.of(_axis(j, shape)) if n != 1 else Affine() for j, n in enumerate(shape))


def _axis(j: int, shape: tuple[int, ...]) -> str:
    return ("row", "col")[j - len(shape)] if len(shape) - j <= 2 else f"n{j}"


def loops(shape: tuple[int, ...], chosen: Any = None, simd: str = "") -> list[str]:
    """The heads of loops over the axes of a shape, or over the chosen of them."""
    which = range(len(shape)) if chosen is None else chosen
    heads = [
        f"for (long {_axis(j, shape)} = 0; {_axis(j, shape)} < {shape[j]}; {_axis(j, shape)}++)"
        for j in which
        if shape[j] != 1
    ]
    if heads and simd:
        heads.insert(len(heads) - 1, f"#pragma omp simd{simd if simd != 'simd' else ''}")
    return heads


def nested(heads: list[str], body: list[str]) -> list[str]:
    """Lines inside loops."""
    if not heads:
        return body if len(body) == 1 else ["{", *(f"    {x}" for x in body), "}"]
    lines, depth = list[str](), 0
    for head in heads:
        lines.append("    " * depth + head)
        depth += not head.startswith("#")
    if len(body) == 1:
        return [*lines, "    " * depth + body[0]]
    lines[-1] += " {"
    return [*lines, *("    " * depth + x for x in body), "    " * (depth - 1) + "}"]
