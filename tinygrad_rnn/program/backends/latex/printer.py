"""How is a formula written in LaTeX, with no more brackets than it needs?"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from typing import Any, NamedTuple

from tinygrad_rnn.program.backends.latex.formula import RELATIONS, Formula, factors, scalars

__all__ = ["Letter", "Printer"]

TIMES = " \\times "
SUM, PRODUCT, MATMUL, ATOM = range(4)  # how tightly something binds
GREEK = frozenset(
    ("alpha", "beta", "gamma", "delta", "epsilon", "theta", "kappa", "lambda", "mu", "rho", "sigma",
     "tau", "phi", "psi", "omega", "zeta", "eta", "xi", "nu", "ell")
)  # fmt: skip
OURS = frozenset("tTNL")  # steps, their number, how many are averaged, the loss
# fmt: off
FUNCTIONS = {
    "tanh": r"\tanh", "sigmoid": r"\sigma", "exp": r"\exp", "log": r"\log", "sin": r"\sin",
    "cos": r"\cos", "softmax": r"\mathrm{softmax}", "log_softmax": r"\log\mathrm{softmax}",
    "maximum": r"\max", "minimum": r"\min", "max": r"\max", "min": r"\min",
}
# fmt: on


class Letter(NamedTuple):
    """A name as it is written: ``W_h``; what tells it from others above it; a bar for gradients.

    Upright is what is the notation's own otherwise, such as a user's t.
    """

    base: str
    below: str = ""
    above: tuple[str, ...] = ()
    bar: bool = False
    upright: bool = False

    @staticmethod
    def of(name: str, computed: bool = False) -> Letter:
        """The letter of a name of any characters, of which letters and digits are written."""
        base, *below = [w for w in map(_plain, name.split("_")) if w] or ["x"]
        base = "ell" if name == "loss" and computed else base
        return Letter(base, " ".join(below), upright=base in OURS)

    @property
    def timely(self) -> bool:
        """Whether what is below it could be taken for a step."""
        return re.fullmatch(r"[\dtT][\dtT ]*", self.below) is not None

    @property
    def without(self) -> Letter:
        """The same with nothing below it."""
        return self._replace(below="")

    @property
    def above_it(self) -> Letter:
        """The same with what is below it as a label."""
        return self.without.labelled(self.below)

    def labelled(self, label: str) -> Letter:
        """The same with one label more."""
        return self._replace(above=(*self.above, label))

    def tex(self, step: str = "") -> str:
        """With the step below it."""
        base = self.base
        if base in GREEK:
            base = f"\\{base}"
        elif len(base) > 1 or not base.isalpha() or self.upright:
            base = f"\\mathrm{{{base}}}"
        if self.bar:
            base = f"\\bar{{{base}}}" if base[0] == "\\" else f"\\bar {base}"
        under = ",".join(w for w in (self.below, step) if w)
        labels = [x if x.isdigit() else Letter.of(x).tex() for x in self.above]
        over = f"^{{({','.join(labels)})}}" if labels else ""
        return f"{base}{_braced('_', under)}{over}"


def _plain(word: str) -> str:
    """The letters and digits of a word in ASCII; one Greek letter by its name."""
    name = unicodedata.name(word, "") if len(word) == 1 else ""
    if name.startswith("GREEK SMALL LETTER ") and name.split()[-1].lower() in GREEK:
        return name.split()[-1].lower()
    return re.sub("[^A-Za-z0-9]", "", unicodedata.normalize("NFKD", word))


class Printer:
    """Writes formulas; `names` are the letters of what stands in them."""

    def __init__(self, names: dict[Any, Letter]) -> None:
        self.names = names

    def tex(self, x: Formula, binds: int = SUM) -> str:
        """A formula, in brackets if it binds more loosely than is asked for."""
        text, own = self.bare(x)
        return text if own >= binds else f"({text})"

    def bare(self, x: Formula) -> tuple[str, int]:
        """A formula without brackets, and how tightly it binds."""
        parts = x.parts
        if x.head == "number":
            return self.number(x.what), ATOM if x.what == x.what and x.what >= 0 else SUM
        if x.head == "letter":
            return self.names[x.what].tex(x.step.tex() if x.step else ""), ATOM
        if x.head == "index of time":
            return x.step.tex() if x.step else "", SUM
        if x.head == "sum":
            terms = [f"({self.tex(p)})" if p.head == "over" else self.tex(p) for p in parts[:-1]]
            terms.append(self.tex(parts[-1]))
            return terms[0] + "".join(_signed(t) for t in terms[1:]), SUM
        if x.head == "product":
            return self.product(list(parts))
        if x.head == "matmul":
            left = self.tex(parts[0], MATMUL)
            return f"{left}\\, {self.tex(parts[1], ATOM)}", MATMUL
        if x.head in ("square", "power"):
            return self.power(parts[0], "2" if x.head == "square" else self.tex(parts[1])), ATOM
        if x.head == "transpose" and x.what is None:
            return self.power(parts[0], "\\top"), ATOM
        if x.head == "inverse":
            return f"\\frac{{1}}{{{x.what}}}", ATOM
        if x.head == "axes":
            axes = ",".join(str(k) for k in x.what)
            return f"\\mathrm{{sum}}_{{{axes}}}({self.tex(parts[0])})", ATOM
        if x.head == "quotient":
            return f"\\frac{{{self.tex(parts[0])}}}{{{self.tex(parts[1])}}}", ATOM
        if x.head == "over":
            first, last = (step.tex() for step in x.what)
            return f"\\sum_{{t={first}}}^{{{last}}} {self.tex(parts[0], PRODUCT)}", PRODUCT
        if x.head == "all":
            first, last = (step.tex() for step in x.what)
            return f"({self.tex(parts[0])})_{{t={first},\\dots,{last}}}", ATOM
        return self.named(x)

    def named(self, x: Formula) -> tuple[str, int]:
        """A formula with a notation of its own, or a function."""
        parts = [self.tex(p) for p in x.parts]
        if x.head == "rows":
            return f"\\mathbf{{1}}^\\top {self.tex(x.parts[0], MATMUL)}", MATMUL
        if x.head == "columns":
            return f"{self.tex(x.parts[0], MATMUL)}\\, \\mathbf{{1}}", MATMUL
        if x.head in RELATIONS:
            return f"\\mathbf{{1}}[{parts[0]} {RELATIONS[x.head]} {parts[1]}]", ATOM
        if x.head == "one_hot":
            return f"\\mathbf{{1}}_{{{parts[0]}}}", ATOM
        if x.head in ("index", "put"):
            words = x.what if x.head == "index" else x.what[1]
            found = [w if type(w) is str else parts[1 + w] for w in words]
            if x.head == "put":
                return f"\\mathrm{{put}}{_shape(x.what[0])}[{', '.join(found)}]({parts[0]})", ATOM
            return f"{self.tex(x.parts[0], ATOM)}[{', '.join(found)}]", ATOM
        if x.head == "broadcast" and not scalars(x.parts[0])[1]:
            shape = x.what[1] if len(x.what[1]) > 1 else (1, *x.what[1])
            below = f"_{{{TIMES.join(map(str, shape))}}}" + "[0]" * (shape != x.what[1])
            if x.parts[0].what in (0, 1):
                return f"\\mathbf{{{int(x.parts[0].what)}}}{below}", ATOM
            return f"{parts[0]}\\, \\mathbf{{1}}{below}", PRODUCT
        if x.head == "broadcast":
            return f"\\mathrm{{broadcast}}{_shape(x.what[1])}({parts[0]})", ATOM
        if x.head == "as":
            return f"\\mathrm{{{x.what}}}({parts[0]})", ATOM
        if x.head == "batched":
            return f"\\mathrm{{matmul}}({', '.join(parts)})", ATOM
        if x.head == "row":
            return "[" + ",\\; ".join(parts) + "]", ATOM
        if x.head == "sqrt":
            return f"\\sqrt{{{parts[0]}}}", ATOM
        if x.head == "absolute":
            return f"|{parts[0]}|", ATOM
        name = FUNCTIONS.get(x.head, f"\\mathrm{{{x.head.replace('_', ' ')}}}")
        return f"{name}{_shape(x.what) if x.what else ''}({', '.join(parts)})", ATOM

    def product(self, parts: list[Formula]) -> tuple[str, int]:
        """Factors with the sign for products element by element between them."""
        k, _ = factors(parts[0])
        counts, rest = scalars(Formula("product", tuple(parts)))
        text = " \\odot ".join(self.tex(p, ATOM if len(rest) > 1 else PRODUCT) for p in rest)
        below = "".join(x.what for x in counts if x.head == "inverse")
        if below:
            below = below if k.denominator == 1 else f"{k.denominator}{below}"
            front = f"\\frac{{{abs(k.numerator)}}}{{{below}}}"
        else:
            front = "" if abs(k) == 1 else self.number(abs(k))
        words = [w for w in (front, text) if w]
        return ("-" if k < 0 else "") + "\\, ".join(words), SUM if k < 0 else PRODUCT

    def power(self, base: Formula, exponent: str) -> str:
        """Something with an exponent; the functions carry it behind their name."""
        if base.head in ("tanh", "sigmoid"):
            return f"{FUNCTIONS[base.head]}^{_group(exponent)}({self.tex(base.parts[0])})"
        text = self.tex(base, ATOM)
        if "^" in text and not text.endswith(")"):
            text = f"({text})"
        return f"{text}^{_group(exponent)}"

    def number(self, x: Any) -> str:
        """A number as a fraction if it is one of small numbers."""
        if not isinstance(x, Fraction):
            if x != x:
                return "\\frac{0}{0}"
            return ("-" if x < 0 else "") + "\\infty" if x in (INF, -INF) else _decimal(x)
        sign, p, q = "-" if x < 0 else "", abs(x.numerator), x.denominator
        if q == 1:
            return f"{sign}{p}"
        short = _decimal(float(abs(x)))
        wide = 4 if q < 1000 else 10 if q < 10_000 else 30
        return f"{sign}\\frac{{{p}}}{{{q}}}" if len(short) > wide else f"{sign}{short}"


INF = float("inf")


def _decimal(x: float) -> str:
    """A number in as many digits as tell it from all others."""
    digits, _, power = repr(x).removesuffix(".0").partition("e")
    if not power:
        return digits
    sign, digits = ("-", digits[1:]) if digits[0] == "-" else ("", digits)
    tens = f"10^{{{int(power)}}}"
    return sign + (tens if digits == "1" else f"{digits} \\cdot {tens}")


def _shape(numbers: Any) -> str:
    """Lengths, or axes, below a function."""
    return f"_{{{','.join(map(str, numbers))}}}"


def _signed(term: str) -> str:
    return f" - {term[1:]}" if term[0] == "-" else f" + {term}"


def _group(text: str) -> str:
    return text if len(text) == 1 or text == "\\top" else f"{{{text}}}"


def _braced(mark: str, text: str) -> str:
    return f"{mark}{text}" if len(text) == 1 else f"{mark}{{{text}}}" if text else ""
