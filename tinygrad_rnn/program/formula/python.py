"""How is a formula written in Python, as a program that runs?"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from tinygrad_rnn.program.formula.shapes import Shapes, is_number
from tinygrad_rnn.program.formula.tree import RELATIONS, Formula, Rows, Step, factors, scalars
from tinygrad_rnn.program.formula.writer import (
    ATOM,
    COMPARISON,
    FUNCTIONS,
    MATMUL,
    POWER,
    PRODUCT,
    SUM,
    Bound,
    Signs,
    Writer,
)
from tinygrad_rnn.program.ir.graph import Value
from tinygrad_rnn.program.ir.ops import ELEMENTWISE, OPERATORS

__all__ = ["HELPERS", "Python", "Unwritten", "heads_of"]

SHORT = 8  # characters of a decimal that stands for a fraction
EXACT = 1 << 53  # integers beyond are floats in the record

# fmt: off
HELPERS: dict[str, str] = {  # what NumPy lacks, for floats of a dtype
    "sigmoid": """def sigmoid(x):
    return 1 / (1 + np.exp(-x))""",
    "softmax": """def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)""",
    "log_softmax": """def log_softmax(x, axis=-1):
    x = x - x.max(axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis, keepdims=True))""",
    "logsumexp": """def logsumexp(x, axis=None):
    top = np.max(x, axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):
        return np.squeeze(top + np.log(np.exp(x - top).sum(axis, keepdims=True)), axis)""",
    "erf": """def erf(x):
    import math
    return np.asarray(np.vectorize(math.erf, otypes=[float])(x){dtype})""",
    "one_hot": """def one_hot(y, n):
    return np.eye(n{dtype})[y]""",
    "put": """def put(x, shape, where):
    y = np.zeros(shape{dtype})
    np.add.at(y, where, x)
    return y""",
}
# fmt: on


class Unwritten(ValueError):
    """An operation has no form as an expression; the message says which."""


def heads_of(x: Formula) -> set[str]:
    """The operations in a formula."""
    todo, found = [x], set[str]()
    while todo:
        x = todo.pop()
        found.add(x.head)
        todo += x.parts
    return found


class Python(Writer[str]):
    """Writes formulas as expressions.

    `read` is the text of a letter at a step, `step` that of a step; `counts` are the names of
    numbers such as N. `dtype` is the last argument of what makes an array, empty for float64.
    """

    signs = Signs(" + ", " - ", "-", " * ", " * ", " @ ", " / ", "**")

    def __init__(
        self,
        read: Callable[[Any, Step | None], str],
        step: Callable[[Step], str],
        counts: dict[str, str],
        shapes: Shapes,
        dtype: str = "",
    ) -> None:
        self.read, self.step, self.counts, self.shapes = read, step, counts, shapes
        self.dtype = dtype

    def letter(self, x: Formula) -> str:
        """A name, at its step."""
        return self.read(x.what, x.step)

    def named(self, x: Formula) -> str:
        """The name of a function."""
        name = FUNCTIONS.get(x.head, ("", "", ""))[2] or ELEMENTWISE.get(x.head, "")
        if not (x.head in FUNCTIONS or name.startswith("np.")):
            raise Unwritten(f"plain: no expression is known for the primitive {x.head}")
        return name

    # -- sums, products, powers ---------------------------------------------------------------

    def term(self, x: Formula, last: bool, negative: bool = False) -> str:
        """A term; what is true is a number first, as true + true is true, and true has no sign."""
        if self.is_bool(x) and not negative:
            return f"1 * {self.text(x, POWER)}"
        return super().term(x, last, negative)

    def negative(self, x: Formula) -> tuple[str, int]:
        """Something with a sign, which what is true has none of."""
        found, binds = super().negative(x)
        k, rest = factors(x)
        bare = k == -1 and len(rest) == 1 and self.is_bool(rest[0])
        return (f"-1 * {self.text(rest[0], POWER)}" if bare else found), binds

    def product(self, x: Formula) -> tuple[str, int]:
        """A number, factors, and what they are divided by."""
        k, rest = factors(x)[0], scalars(x)[1]
        if k < 0:
            return self.negative(x)
        below = [self.counts[p.what] for p in x.parts if p.head == "inverse"]
        front = self.fraction(k, below)
        text = self.factors(front, rest) if front or rest else "1"
        return text + "".join(f" / {n}" for n in below), PRODUCT

    def fraction(self, k: Any, below: list[str]) -> list[str]:
        """The number before a product; what divides it is added to those below it."""
        if k == 1:
            return []
        if isinstance(k, Fraction) and k.denominator != 1 and len(repr(float(k))) > SHORT:
            below.insert(0, str(k.denominator))
            return [] if k.numerator == 1 else [str(k.numerator)]
        return [self.number(k)[0]]

    def power(self, base: Formula, exponent: Formula) -> Bound:
        """A power; of integers NumPy has none with a negative exponent."""
        below = self.text(base, ATOM)
        if base.head == "number" and below.isdigit():
            below += ".0"
        if exponent.head == "number" and isinstance(exponent.what, Fraction) and exponent.what < 0:
            return Bound(f"{below}**({float(exponent.what)!r})", POWER)
        return Bound(f"{below}**{self.text(exponent, ATOM)}", POWER)

    def matmul(self, a: Formula, b: Formula) -> Bound:
        """A product of matrices; of a column and a row all products."""
        row = len(self.shapes.of(b)) == 1
        if row and a.head == "transpose" and len(self.shapes.of(a.parts[0])) == 1:
            return Bound(f"np.outer({self.text(a.parts[0])}, {self.text(b)})", ATOM)
        left = f"1 * {self.text(a, POWER)}" if self.is_bool(a) else self.text(a, MATMUL)
        return Bound(f"{left} @ {self.float(b, ATOM)}{'[None]' * row}", MATMUL)

    def number(self, k: Any) -> tuple[str, int]:
        """A number, as a fraction if it is one of small numbers that no short decimal is."""
        if k - k != 0:
            return ("np.nan" if k != k else "np.inf"), ATOM
        if not isinstance(k, Fraction):
            return repr(float(k)), ATOM
        if k.denominator == 1 and abs(k) < EXACT:
            return str(k.numerator), ATOM
        if k.denominator == 1 or len(repr(float(k))) <= SHORT:
            return repr(float(k)), ATOM
        return f"{k.numerator} / {k.denominator}", PRODUCT

    # -- what is true -------------------------------------------------------------------------

    def is_bool(self, x: Formula) -> bool:
        """True if it is a condition: + would be "or", and - an error."""
        if x.head == "letter":
            return bool(dtype_of(x.what) == np.bool_)
        if x.head == "product":
            return all(map(self.is_bool, x.parts))
        if x.head in ("index", "transpose", "reshape", "broadcast", "all"):
            return self.is_bool(x.parts[0])
        if x.head in ("row", "concatenate", "stack"):
            return all(map(self.is_bool, x.parts))
        return x.head in RELATIONS or x.head == "logical_or" or x.what == "bool"

    def float(self, x: Formula, binds: int = SUM) -> str:
        """The same as a number."""
        if not self.is_bool(x):
            return self.text(x, binds)
        found = f"1.0 * {self.text(x, POWER)}"
        return found if binds <= PRODUCT else f"({found})"

    # -- functions ----------------------------------------------------------------------------

    def call(self, x: Formula) -> str:
        """An elementwise function."""
        logical = x.head.startswith("logical") or x.head == "where"
        parts = [self.text(p, COMPARISON) if logical else self.float(p) for p in x.parts]
        if x.head == "where":
            parts[1:] = map(self.float, x.parts[1:])
        return f"{self.named(x)}({', '.join(parts)})"

    def over(self, x: Formula, function: str) -> str:
        """Of an expression at all steps, from one to another."""
        first, last = x.what
        a, b = self.step(first), self.step(last.moved_alone(1))
        steps = f"range({b})" if a == "0" else f"range({a}, {b})"
        inner = f"{self.text(x.parts[0])} for t in {steps}"
        return f"sum({inner})" if function == "sum" else f"np.array([{inner}])"

    def index(self, word: Any, arrays: tuple[Formula, ...]) -> str:
        """A part of an index."""
        if type(word) is int:
            return self.text(arrays[word])
        if type(word) is Rows:
            return f"np.arange({word.n})" + f"[:{', None' * word.more}]" * (word.more > 0)
        return self.step(word) if type(word) is Step else {"new": "None"}.get(word, word)

    def indices(self, words: Any, arrays: tuple[Formula, ...]) -> str:
        """All parts of an index."""
        return ", ".join(self.index(w, arrays) for w in words)

    def put(self, x: Formula) -> str:
        """Zeros, with something added at some places."""
        shape, words = x.what
        parts = [self.index(w, x.parts[1:]) for w in words]
        where = ", ".join(parts)
        if any(":" in part or part == "..." for part in parts):
            where = f"np.s_[{where}]"
        elif len(parts) != 1:
            where = f"({where})"
        return f"put({self.float(x.parts[0])}, {tuple(shape)}, {where})"

    def transposed(self, x: Formula) -> str:
        """Axes in another order; of one axis a column, and of a column its one axis."""
        (part,), shape = x.parts, self.shapes.of(x.parts[0])
        text = self.text(part, ATOM)
        if x.what == (1, 0):
            return f"{text}.T"
        if x.what is not None:
            return f"{text}.transpose{tuple(x.what)}"
        if len(shape) == 1:
            return f"{text}[:, None]"
        return f"{text}[:, 0]" if shape[1:] == (1,) else f"{text}.T"

    def columns(self, x: Formula) -> str:
        """A sum of columns; it is one, but of a row a number."""
        if len(self.shapes.of(x.parts[0])) == 1:
            return f"{self.text(x.parts[0], ATOM)}.sum()"
        return f"{self.text(x.parts[0], ATOM)}.sum(-1, keepdims=True)"

    def rows(self, x: Formula) -> str:
        """A sum of rows; of all columns too, a number."""
        (part,) = x.parts
        if part.head == "columns":
            return f"{self.text(part.parts[0], ATOM)}.sum()"
        shape = self.shapes.of(part)
        return f"{self.text(part, ATOM)}.sum({0 if len(shape) > 1 else ''})"

    def broadcast(self, x: Formula) -> str:
        """An array of another shape, or of one number."""
        (part,), shape = x.parts, tuple(x.what[1])
        if not is_number(part):
            return f"np.broadcast_to({self.text(part)}, {shape})"
        if part.head == "number" and part.what in (0, 1):
            return f"np.{'ones' if part.what else 'zeros'}({shape}{self.dtype})"
        return f"np.full({shape}, {self.text(part)}{self.dtype})"

    def beside(self, x: Formula, axis: int, function: str = "concatenate") -> str:
        """Arrays side by side; numbers become arrays."""
        if len(x.parts) == 1 and function == "concatenate":
            return self.text(x.parts[0], ATOM)
        parts = ", ".join(self.text(p) for p in x.parts)
        if function == "concatenate" and any(not self.shapes.of(p) for p in x.parts):
            return f"np.hstack([{parts}])"
        return f"np.{function}([{parts}], axis={axis})"

    def reduced(self, x: Formula) -> str:
        """A largest number, or what else takes axes."""
        axes = f", {axes_text(x.what)}" if x.what else ""
        return f"{self.named(x)}({self.text(x.parts[0])}{axes})"

    def related(self, x: Formula, a: Formula, b: Formula) -> Bound:
        """A comparison."""
        return Bound(f"{self.text(a)} {OPERATORS[x.head]} {self.text(b)}", COMPARISON)


def dtype_of(key: Any) -> Any:
    """The dtype of a value, or of a constant, which its key says."""
    if isinstance(key, Value):
        return key.dtype
    return np.dtype(key[2] if key[0] == "each" else key[1])


def axes_text(axes: tuple[int, ...]) -> str:
    """Axes as an argument of NumPy."""
    return str(axes[0] if len(axes) == 1 else tuple(axes))


# fmt: off
FORMS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(RELATIONS, Python.related),
    "index of time": lambda s, x: Bound(s.step(x.step), SUM),
    "inverse":     lambda s, x: Bound(f"1 / {s.counts[x.what]}", PRODUCT),
    "quotient":    lambda s, x, a, b: Bound(
                       f"{s.float(a, PRODUCT)} / {s.float(b, POWER)}", PRODUCT),
    "square":      lambda s, x, a: Bound(f"{s.text(a, ATOM)}**2", POWER),
    "power":       lambda s, x, a, b: s.power(a, b),
    "matmul":      lambda s, x, a, b: s.matmul(a, b),
    "over":        lambda s, x, a: s.over(x, "sum"),
    "all":         lambda s, x, a: s.over(x, "array"),
    "transpose":   lambda s, x, a: s.transposed(x),
    "rows":        lambda s, x, a: s.rows(x),
    "columns":     lambda s, x, a: s.columns(x),
    "axes":        lambda s, x, a: f"{s.text(a, ATOM)}.sum({axes_text(x.what)})",
    "index":       lambda s, x, a, *more: f"{s.text(a, ATOM)}[{s.indices(x.what, more)}]",
    "put":         lambda s, x, *parts: s.put(x),
    "one_hot":     lambda s, x, y: f"one_hot({s.text(y)}, {x.what})",
    "broadcast":   lambda s, x, a: s.broadcast(x),
    "reshape":     lambda s, x, a: f"{s.text(a, ATOM)}.reshape({x.what})",
    "as":          lambda s, x, a: f"np.asarray({s.text(a)}).astype('{x.what}')",
    "row":         lambda s, x, *parts: s.beside(x, -1),
    "concatenate": lambda s, x, *parts: s.beside(x, x.what[0]),
    "stack":       lambda s, x, *parts: s.beside(x, x.what[0], "stack"),
    "relu":        lambda s, x, a: f"np.maximum({s.float(a)}, 0)",
    "softplus":    lambda s, x, a: f"np.logaddexp({s.float(a)}, 0)",
    "cumsum":      lambda s, x, a: f"np.cumsum({s.text(a)}, {x.what[0]})",
    "max":         lambda s, x, a: s.reduced(x),
    "min":         lambda s, x, a: s.reduced(x),
    "logsumexp":   lambda s, x, a: s.reduced(x),
    "softmax":     lambda s, x, a: s.reduced(x),
    "log_softmax": lambda s, x, a: s.reduced(x),
}
# fmt: on
Python.forms = FORMS
