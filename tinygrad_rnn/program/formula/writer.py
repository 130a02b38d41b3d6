"""How is a formula written, with no more brackets than it needs?

One walk over the tree serves LaTeX, the labels of pictures and Python. A language says its signs,
the names of functions, and how it writes what only it has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from tinygrad_rnn.program.formula.tree import Formula, scalars, signed

__all__ = [
    "ATOM",
    "COMPARISON",
    "FUNCTIONS",
    "MATMUL",
    "POWER",
    "PRODUCT",
    "SUM",
    "Bound",
    "Signs",
    "Writer",
]

T = TypeVar("T", str, tuple[tuple[str, str], ...])  # text, or pairs of style and text
COMPARISON, SUM, PRODUCT, MATMUL, POWER, ATOM = range(6)  # how tightly something binds

# The names of functions in LaTeX, pictures and Python; empty: as the record calls them.
# fmt: off
FUNCTIONS: dict[str, tuple[str, str, str]] = {
    "tanh":        (r"\tanh",                 "",       "np.tanh"),
    "exp":         (r"\exp",                  "",       "np.exp"),
    "log":         (r"\log",                  "",       "np.log"),
    "sin":         (r"\sin",                  "",       "np.sin"),
    "cos":         (r"\cos",                  "",       "np.cos"),
    "tan":         (r"\tan",                  "",       "np.tan"),
    "arctan":      (r"\arctan",               "",       "np.arctan"),
    "sinh":        (r"\sinh",                 "",       "np.sinh"),
    "cosh":        (r"\cosh",                 "",       "np.cosh"),
    "log2":        (r"\log_2",                "",       "np.log2"),
    "log10":       (r"\log_{10}",             "",       "np.log10"),
    "erf":         (r"\mathrm{erf}",          "",       "erf"),
    "sqrt":        (r"\sqrt",                 "√",      "np.sqrt"),
    "absolute":    ("",                       "",       "np.abs"),
    "sigmoid":     (r"\sigma",                "σ",      "sigmoid"),
    "maximum":     (r"\max",                  "",       "np.maximum"),
    "minimum":     (r"\min",                  "",       "np.minimum"),
    "max":         (r"\max",                  "",       "np.max"),
    "min":         (r"\min",                  "",       "np.min"),
    "total":       (r"\mathrm{sum}",          "Σ",      "np.sum"),
    "stop_gradient": ("",                     "cut",    ""),
    "where":       (r"\mathrm{where}",        "",       "np.where"),
    "softmax":     (r"\mathrm{softmax}",      "",       "softmax"),
    "log_softmax": (r"\log\mathrm{softmax}",  "",       "log_softmax"),
    "logsumexp":   (r"\mathrm{logsumexp}",    "",       "logsumexp"),
    "batched":     (r"\mathrm{matmul}",       "matmul", "np.matmul"),
}
# fmt: on


class Bound(NamedTuple):
    """A text, and how tightly it binds; a form that gives text alone gives an `ATOM`."""

    text: Any
    binds: int


class Signs(NamedTuple):
    """The signs between operands; `scale` stands between a number and its factor."""

    plus: str
    minus: str
    negative: str
    scale: str
    times: str
    matmul: str
    over: str
    power: str = "^"
    comma: str = ", "


class Writer(Generic[T]):
    """Writes formulas in one language, whose signs and forms a subclass says."""

    signs: ClassVar[Signs]
    forms: ClassVar[dict[str, Callable[..., Any]]] = {}

    def plain(self, text: str) -> T:
        """Text that is upright and no letter; of a language of plain text the text itself."""
        found: Any = text
        return found

    def letter(self, x: Formula) -> T:
        """A letter, at its step."""
        raise NotImplementedError

    def number(self, k: Any) -> tuple[T, int]:
        """A number that is not negative, and how tightly it binds."""
        raise NotImplementedError

    def named(self, x: Formula) -> T:
        """The name of a function."""
        raise NotImplementedError

    # -- what all languages share -----------------------------------------------------------------

    def text(self, x: Formula, binds: int = SUM) -> T:
        """A formula, in brackets if it binds more loosely than is asked for."""
        found, own = self.bare(x)
        return found if own >= binds else self.brackets(found, x)

    def brackets(self, text: T, x: Formula) -> T:
        """Something in brackets."""
        return self.plain("(") + text + self.plain(")")

    def bare(self, x: Formula) -> tuple[T, int]:
        """A formula without brackets, and how tightly it binds."""
        own = self.forms.get(x.head)
        if own is not None:
            found = own(self, x, *x.parts)
            return found if isinstance(found, Bound) else (found, ATOM)
        shared = SHARED.get(x.head)
        return shared(self, x, *x.parts) if shared else (self.call(x), ATOM)

    def sum(self, x: Formula) -> tuple[T, int]:
        """Terms, each with its sign."""
        return self.joined(self.terms(x), ""), SUM

    def terms(self, x: Formula) -> list[T]:
        """The terms of a sum, each with its sign; the first only if it is negative."""
        found = list[T]()
        for k, part in enumerate(x.parts):
            negative, part = signed(part)
            first = self.signs.negative if negative else ""
            sign = (self.signs.minus if negative else self.signs.plus) if k else first
            found.append(self.plain(sign) + self.term(part, k + 1 == len(x.parts), negative))
        return found

    def term(self, x: Formula, last: bool, negative: bool = False) -> T:
        """A term of a sum, of which a sum that is taken away needs brackets."""
        return self.text(x, PRODUCT if negative else SUM)

    def negative(self, x: Formula) -> tuple[T, int]:
        """Something with a sign."""
        _, x = signed(x)
        return self.plain(self.signs.negative) + self.text(x, PRODUCT), SUM

    def product(self, x: Formula) -> tuple[T, int]:
        """A number, then factors."""
        if signed(x)[0]:
            return self.negative(x)
        numbers, rest = scalars(x)
        front = [self.number(p.what)[0] for p in numbers]
        return self.factors(front, rest), PRODUCT

    def factors(self, front: list[T], rest: list[Formula]) -> T:
        """Numbers, and what they multiply."""
        alone = len(rest) == 1 and not front
        found = self.joined(
            [self.text(p, PRODUCT if alone else POWER) for p in rest], self.signs.times
        )
        return self.joined([*front, *([found] if rest else [])], self.signs.scale)

    def joined(self, texts: list[T], sign: str) -> T:
        """Texts with a sign between them."""
        found: Any = self.plain("")
        for k, text in enumerate(texts):
            found += self.plain(sign) + text if k else text
        return found

    def call(self, x: Formula) -> T:
        """A function of its operands."""
        inner = self.joined([self.text(p) for p in x.parts], self.signs.comma)
        return self.named(x) + self.brackets(inner, x)


def _number(w: Writer[T], x: Formula) -> tuple[T, int]:
    return w.negative(x) if signed(x)[0] else w.number(x.what)


def _two(sign: str, binds: int, left: int, right: int) -> Callable[..., Any]:
    """Two operands with a sign between them, and how tightly each has to bind."""

    def write(w: Writer[T], x: Formula, a: Formula, b: Formula) -> tuple[T, int]:
        text = w.text(a, left) + w.plain(getattr(w.signs, sign)) + w.text(b, right)
        return text, binds

    return write


# fmt: off
# The one table of what binds how tightly.            sign      binds    left     right
SHARED: dict[str, Callable[..., Any]] = {
    "matmul":   _two("matmul", MATMUL,  MATMUL,  POWER),
    "quotient": _two("over",   PRODUCT, PRODUCT, POWER),
    "power":    _two("power",  POWER,   ATOM,    ATOM),
    "sum":      lambda w, x, *parts: w.sum(x),
    "product":  lambda w, x, *parts: w.product(x),
    "negative": lambda w, x, a:      w.negative(x),
    "number":   _number,
    "letter":   lambda w, x:         (w.letter(x), ATOM),
}
# fmt: on
