"""How is a formula written in LaTeX?"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, ClassVar

from tinygrad_rnn.program.formula.letters import Letter
from tinygrad_rnn.program.formula.tree import (
    RELATIONS,
    Formula,
    Rows,
    Step,
    factors,
    scalars,
    signed,
)
from tinygrad_rnn.program.formula.writer import (
    ATOM,
    FUNCTIONS,
    MATMUL,
    POWER,
    PRODUCT,
    SUM,
    Bound,
    Signs,
    Writer,
)

__all__ = ["Tex"]

TIMES = " \\times "
INF = float("inf")
TALL = frozenset(("quotient", "inverse", "over"))


class Tex(Writer[str]):
    """Writes formulas; `names` are the letters of what stands in them."""

    signs = Signs(" + ", " - ", "-", "\\, ", " \\odot ", "\\, ", "")

    def __init__(self, names: dict[Any, Letter]) -> None:
        self.names = names

    def letter(self, x: Formula) -> str:
        """A letter with its step below it."""
        return self.names[x.what].tex(x.step.tex() if x.step else "")

    def brackets(self, text: str, x: Formula) -> str:
        """Something in brackets as high as it is."""
        return f"\\left({text}\\right)" if self.tall(x) else f"({text})"

    def tall(self, x: Formula) -> bool:
        """True if it is higher than a line: a fraction, or a sum with bounds."""
        if x.head == "number":
            return "\\frac" in self.digits(abs(x.what))
        return x.head in TALL or any(map(self.tall, x.parts))

    def term(self, x: Formula, last: bool, negative: bool = False) -> str:
        """A term; a sum over time ends where the next term begins."""
        text = super().term(x, last, negative)
        return text if last or x.head != "over" else self.brackets(text, x)

    def number(self, k: Any) -> tuple[str, int]:
        """A number in digits."""
        return self.digits(k), ATOM

    def digits(self, x: Any) -> str:
        """A number as a fraction if it is one of small numbers."""
        if not isinstance(x, Fraction):
            return "\\frac{0}{0}" if x != x else "\\infty" if x == INF else _decimal(x)
        p, q = x.numerator, x.denominator
        if q == 1:
            return f"{p}"
        short = _decimal(float(x))
        wide = 4 if q < 1000 else 10 if q < 10_000 else 30
        return f"\\frac{{{p}}}{{{q}}}" if len(short) > wide else short

    def product(self, x: Formula) -> tuple[str, int]:
        """A number, over what it is divided by; then factors, of which one alone has no sign."""
        negative, x = signed(x)
        k = factors(x)[0]
        counts, rest = scalars(x)
        below = "".join(p.what for p in counts if p.head == "inverse")
        if below:
            below = below if k.denominator == 1 else f"{k.denominator}{below}"
            front = [f"\\frac{{{k.numerator}}}{{{below}}}"]
        else:
            front = [self.digits(k)] * (k != 1)
        alone = len(rest) == 1
        words = [self.text(p, PRODUCT if alone else POWER) for p in rest]
        text = self.joined(
            [*front, self.signs.times.join(words)][: len(front) + bool(rest)], "\\, "
        )
        return ("-" if negative else "") + text, SUM if negative else PRODUCT

    def raised(self, base: Formula, exponent: str) -> Bound:
        """Something with an exponent; the functions carry it behind their name."""
        exponent = exponent if len(exponent) == 1 or exponent == "\\top" else f"{{{exponent}}}"
        if base.head in ("tanh", "sigmoid"):
            inner = self.brackets(self.text(base.parts[0]), base.parts[0])
            return Bound(f"{FUNCTIONS[base.head][0]}^{exponent}{inner}", POWER)
        text = self.text(base, ATOM)
        if base.head == "letter" and self.names[base.what].above:
            text = f"({text})"
        return Bound(f"{text}^{exponent}", POWER)

    def indexed(self, x: Formula, words: Any) -> str:
        """The text between the brackets of an index."""
        return ", ".join(
            self.text(x.parts[1 + w])
            if type(w) is int
            else w.tex()
            if type(w) is Step
            else r"\cdot"
            if type(w) is Rows
            else {"...": r"\dots", "new": r"\mathrm{new}"}.get(w, w)
            for w in words
        )

    def broadcast(self, x: Formula, a: Formula) -> Bound:
        """An array of another shape, or of one number."""
        if scalars(a)[1]:
            return Bound(f"\\mathrm{{broadcast}}{_below(x.what[1])}({self.text(a)})", ATOM)
        shape = x.what[1] if len(x.what[1]) > 1 else (1, *x.what[1])
        below = f"_{{{TIMES.join(map(str, shape))}}}" + "[0]" * (shape != x.what[1])
        if a.what in (0, 1):
            return Bound(f"\\mathbf{{{int(a.what)}}}{below}", ATOM)
        return Bound(f"{self.text(a)}\\, \\mathbf{{1}}{below}", PRODUCT)

    def named(self, x: Formula) -> str:
        """The name of a function, with its axes below it."""
        name = FUNCTIONS.get(x.head, ("",))[0] or f"\\mathrm{{{x.head.replace('_', ' ')}}}"
        return name + (_below(x.what) if x.what else "")

    # fmt: off
    forms: ClassVar[dict[str, Callable[..., Any]]] = {
        "index of time": lambda w, x: Bound(x.step.tex(), SUM),
        "inverse":    lambda w, x: f"\\frac{{1}}{{{x.what}}}",
        "quotient":   lambda w, x, a, b: f"\\frac{{{w.text(a)}}}{{{w.text(b)}}}",
        "square":     lambda w, x, a: w.raised(a, "2"),
        "power":      lambda w, x, a, b: w.raised(a, w.text(b)),
        "transpose":  lambda w, x, a: w.raised(a, "\\top") if x.what is None else w.call(x),
        "over":       lambda w, x, a: Bound(f"{_steps(x)} {w.text(a, PRODUCT)}", PRODUCT),
        "all":        lambda w, x, a: _during(w.brackets(w.text(a), a), x),
        "axes":       lambda w, x, a: f"\\mathrm{{sum}}{_below(x.what)}{w.brackets(w.text(a), a)}",
        "rows":       lambda w, x, a: Bound(f"\\mathbf{{1}}^\\top {w.text(a, MATMUL)}", MATMUL),
        "columns":    lambda w, x, a: Bound(f"{w.text(a, MATMUL)}\\, \\mathbf{{1}}", MATMUL),
        "one_hot":    lambda w, x, a: f"\\mathbf{{1}}_{{{w.text(a)}}}",
        "index":      lambda w, x, a, *more: f"{w.text(a, ATOM)}[{w.indexed(x, x.what)}]",
        "put":        lambda w, x, a, *more: f"\\mathrm{{put}}{_below(x.what[0])}"
                                             f"[{w.indexed(x, x.what[1])}]({w.text(a)})",
        "broadcast":  broadcast,
        "as":         lambda w, x, a: f"\\mathrm{{{x.what}}}({w.text(a)})",
        "row":        lambda w, x, *parts: "[" + ",\\; ".join(map(w.text, parts)) + "]",
        "sqrt":       lambda w, x, a: f"\\sqrt{{{w.text(a)}}}",
        "absolute":   lambda w, x, a: f"|{w.text(a)}|",
        "floor":      lambda w, x, a: f"\\lfloor {w.text(a)} \\rfloor",
        "mod":        lambda w, x, a, b: f"({w.text(a, ATOM)} \\bmod {w.text(b, ATOM)})",
        **{head: lambda w, x, a, b: f"\\mathbf{{1}}[{w.text(a)} {RELATIONS[x.head]} {w.text(b)}]"
           for head in RELATIONS},
    }
    # fmt: on


def _decimal(x: float) -> str:
    """A number in as many digits as tell it from all others."""
    digits, _, power = repr(x).removesuffix(".0").partition("e")
    if not power:
        return digits
    tens = f"10^{{{int(power)}}}"
    return tens if digits == "1" else f"{digits} \\cdot {tens}"


def _below(numbers: Any) -> str:
    """Lengths, or axes, below a function."""
    return f"_{{{','.join(map(str, numbers))}}}"


def _steps(x: Formula) -> str:
    first, last = (step.tex() for step in x.what)
    return f"\\sum_{{t={first}}}^{{{last}}}"


def _during(text: str, x: Formula) -> str:
    first, last = (step.tex() for step in x.what)
    return f"{text}_{{t={first},\\dots,{last}}}"
