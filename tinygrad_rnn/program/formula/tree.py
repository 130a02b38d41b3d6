"""What is the mathematics of a value, in the form that one would write by hand?

A `Formula` is a tree. The functions here build it: they put numbers first, like terms together, and
common factors before a bracket.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

__all__ = [
    "RELATIONS", "ZERO", "Formula", "Rows", "Step", "call", "factors", "number", "plus", "scalars",
    "signed", "subscript", "times",
]  # fmt: skip

# fmt: off
LINEAR = frozenset(("sum", "row", "transpose", "rows", "columns", "index", "square", "reshape",
                    "broadcast"))
# fmt: on
EXACT = 2.3e-16  # relative: one ulp of a float64
RELATIONS = {
    "less": "<",
    "less_equal": r"\leq",
    "greater": ">",
    "greater_equal": r"\geq",
    "equal": "=",
    "not_equal": r"\neq",
}


class Step(NamedTuple):
    """The step ``sign * t + shift``, counted from 0; `sign` 0: that step alone; in steps `of` T."""

    sign: int
    shift: int
    end: str = ""  # what `shift` is counted from, if not from 0

    def moved(self, k: int) -> Step:
        """The same where t is ``t + k``."""
        return self._replace(shift=self.shift + self.sign * k)

    def moved_alone(self, k: int) -> Step:
        """The step ``k`` later, of a step alone."""
        return self._replace(shift=self.shift + k)

    def at(self, t: Step) -> Step:
        """The same where t is `t`, one step alone."""
        if not self.sign:
            return self
        end = self.end or t.end
        return Step(0, self.shift + self.sign * t.shift, end if self.sign == 1 else self.end)

    def tex(self) -> str:
        """As it is written below a letter."""
        if abs(self.sign) > 1:
            return f"{self.sign}t{self.shift:+d}" if self.shift else f"{self.sign}t"
        start = {1: self.end + "+t" if self.end else "t", 0: self.end, -1: f"{self.end}-t"}
        text = start[self.sign]
        if self.sign == -1 and self.shift:
            return f"{self.end}{self.shift:+d}-t" if self.end else f"{self.shift}-t"
        return f"{text}{self.shift:+d}" if self.shift and text else text or str(self.shift)


class Rows(NamedTuple):
    """In an index the numbers of `n` rows, with `more` axes, for the next array to say columns."""

    n: int
    more: int


def subscript(p: Any) -> str:
    """A slice, a new axis or an integer in an index."""
    if isinstance(p, slice):
        ends = ["" if e is None else str(e) for e in (p.start, p.stop, p.step)]
        return ":".join(ends[: 2 + (p.step not in (None, 1))])
    return {None: "new", Ellipsis: "..."}.get(p) or str(p)


@dataclass(frozen=True)
class Formula:
    """An operation, by name, on formulas; `what` is the number, the letter, or the option.

    Of an index it is its parts: a text, a `Step`, `Rows`, or the number of one of `parts` but the
    first.
    """

    head: str
    parts: tuple[Formula, ...] = ()
    what: Any = None
    step: Step | None = None

    @property
    def size(self) -> int:
        """The number of letters in it."""
        return sum(p.size for p in self.parts) if self.parts else self.head == "letter"

    @property
    def depth(self) -> int:
        """The number of operations above each other."""
        return 1 + max((p.depth for p in self.parts), default=0)

    def letters(self) -> list[Formula]:
        """The letters in it."""
        return [self] * (self.head == "letter") + [x for p in self.parts for x in p.letters()]

    def vanishes(self, nothing: set[Formula]) -> bool:
        """True if it is 0 where these letters are."""
        if self in nothing:
            return True
        if self.head in ("product", "matmul"):
            return any(p.vanishes(nothing) for p in self.parts)
        return (
            self.head in LINEAR
            and len(self.parts) > 0
            and all(p.vanishes(nothing) for p in self.parts[: 1 if self.head == "index" else None])
        )

    def later(self, k: int) -> Formula:
        """The same where t is ``t + k``."""
        return self.each(lambda s: s.moved(k))

    def each(self, change: Callable[[Step], Step]) -> Formula:
        """The same at other steps."""
        if self.head == "over":  # its t is its own
            return self
        step = self.step and change(self.step)
        return Formula(self.head, tuple(p.each(change) for p in self.parts), self.what, step)


ZERO, ONE, TWO = (Formula("number", what=Fraction(k)) for k in range(3))


def number(x: float, precision: float = EXACT) -> Formula:
    """A number; 1/12 remains 1/12, if that is the same to `precision`, as in the float it is."""
    if x != x or x in (float("inf"), float("-inf")):
        return Formula("number", what=x)
    near = Fraction(x).limit_denominator(10**6)
    return Formula("number", what=near if abs(near - Fraction(x)) <= abs(x) * precision else x)


def call(name: str, *parts: Formula, what: Any = None) -> Formula:
    """A function of something."""
    if name == "matmul":
        (j, a), (k, b) = map(scalars, parts)
        if ZERO in (*j, *k):
            return ZERO
        if a and b and (j or k):
            return times(*j, *k, Formula("matmul", (times(*a), times(*b))))
    if name == "power" and parts[1] in (ONE, TWO):
        return times(*parts[:1] * (1 if parts[1] == ONE else 2))
    if name == "exp" and parts[0].head == "log_softmax":
        return Formula("softmax", parts[0].parts, parts[0].what)
    if name == "transpose" and parts[0].head == "transpose" and parts[0].what is what is None:
        return parts[0].parts[0]
    if name == "transpose" and parts[0].head == "number":
        return parts[0]
    return Formula(name, parts, what)


def factors(x: Formula) -> tuple[Any, list[Formula]]:
    """A term as a number times something."""
    if x.head == "number":
        return x.what, []
    parts = list(x.parts) if x.head == "product" else [x]
    if parts[0].head == "number":
        return parts[0].what, parts[1:]
    return Fraction(1), parts


def scalars(x: Formula) -> tuple[list[Formula], list[Formula]]:
    """The numbers of a term, and the rest of its factors."""
    parts = list(x.parts) if x.head == "product" else [x]
    found = [p for p in parts if p.head in ("number", "inverse")]
    return found, [p for p in parts if p.head not in ("number", "inverse")]


def times(*given: Formula) -> Formula:
    """A product, element by element: the number first, then the factors in their order."""
    value: Any = Fraction(1)
    found: list[Formula] = []
    for x in given:
        k, rest = factors(x)
        value *= k
        found += rest
    for x in list(dict.fromkeys(found)):
        if found.count(x) == 2:
            found[found.index(x)] = Formula("square", (x,))
            found.remove(x)
    if value == 0:
        return ZERO
    found.sort(key=lambda x: x.head != "inverse")
    if value != 1 or not found:
        found.insert(0, Formula("number", what=value))
    return found[0] if len(found) == 1 else Formula("product", tuple(found))


def plus(*given: Formula) -> Formula:
    """A sum; ``x - x²`` is x(1 - x), and a number that all terms have stands before them."""
    terms: list[Formula] = []
    for x in given:
        k, rest = factors(x)
        if len(rest) == 1 and rest[0].head == "sum" and k in (1, -1):
            terms += [times(number(float(k)), p) for p in rest[0].parts]
        elif x != ZERO:
            terms.append(x)
    like: dict[tuple[Formula, ...], Any] = {}
    for k, rest in map(factors, terms):
        like[tuple(rest)] = like.get(tuple(rest), 0) + k
    terms = [times(Formula("number", what=k), *rest) for rest, k in like.items() if k]
    if len(terms) == 2:
        (a, x), (b, y) = map(factors, terms)
        if a == -b and x and y == [Formula("square", (times(*x),))]:
            return times(number(float(a)), *x, Formula("sum", (ONE, times(number(-1), *x))))
    if len(terms) > 1:
        rests = [factors(x)[1] for x in terms]
        common = [x for x in rests[0] if all(x in rest for rest in rests)]
        if common and all(len(rest) > 1 for rest in rests):
            inner = [
                times(number(float(factors(x)[0])), *_without(factors(x)[1], common)) for x in terms
            ]
            return times(*common, plus(*inner))
    numbers = {abs(factors(x)[0]) for x in terms}
    if len(terms) > 1 and len(numbers) == 1 and numbers != {1} and _finite(*numbers):
        (k,) = numbers
        return times(
            Formula("number", what=k),
            plus(*(times(Formula("number", what=1 / k), x) for x in terms)),
        )
    terms.sort(key=lambda x: factors(x)[0] < 0)
    return terms[0] if len(terms) == 1 else Formula("sum", tuple(terms)) if terms else ZERO


def _without(parts: list[Formula], common: list[Formula]) -> list[Formula]:
    rest = list(parts)
    for x in common:
        rest.remove(x)
    return rest


def _finite(x: Any) -> bool:
    return x - x == 0


def signed(x: Formula) -> tuple[bool, Formula]:
    """True for a term that is taken away, False for others; and the term without its sign."""
    if x.head == "negative":
        return True, x.parts[0]
    k = factors(x)[0]
    if not k < 0:  # NaN has no sign
        return False, x
    if x.head == "number":
        return True, Formula("number", what=-k)
    rest = x.parts[1:]
    if k != -1:
        rest = (Formula("number", what=-k), *rest)
    return True, rest[0] if len(rest) == 1 else Formula("product", rest)
