r"""What are the formulas of a cell, gate by gate?

A cell computes its gates as one product and takes it apart. Its formulas are those of each gate:
instead of ``a_t = x_t W_x + b_x`` and ``f_t = \sigma(a_t^{(f)})`` they say
``f_t = \sigma(x_t W_{x f} + b_{x f})``. `Gates` does that wherever the parts of a formula are
formulas of parts; a norm over all gates stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from tinygrad_rnn.program.formula.equations import LARGEST, Equation, Equations
from tinygrad_rnn.program.formula.letters import Letter
from tinygrad_rnn.program.formula.tree import RELATIONS, Formula
from tinygrad_rnn.program.ir.graph import Value
from tinygrad_rnn.program.ir.ops import ELEMENTWISE

__all__ = ["Gates", "columns"]

ARITHMETIC = frozenset(("sum", "negative", "product", "square", "quotient", "power"))


def columns(
    f: Formula,
    shape_of: Callable[[Formula], tuple[int, ...]],
    letter: Callable[[Formula], Formula | None],
) -> Formula | None:
    """Columns of a formula, as a formula of columns of its letters; None if it is none.

    So ``(x @ W + b)[:, 0:4]`` is ``x W_i + b_i``. `letter` gives the columns of a letter.
    """
    if f.head in ("number", "inverse", "index of time"):
        return f
    shape = shape_of(f)
    if not shape or shape[-1] == 1:
        return f
    if f.head == "letter":
        return letter(f)
    if f.head == "matmul":
        parts = [f.parts[0], columns(f.parts[1], shape_of, letter)]
    elif f.head in ARITHMETIC or f.head in ELEMENTWISE or f.head in RELATIONS:
        parts = [columns(p, shape_of, letter) for p in f.parts]
    else:
        return None
    known = [p for p in parts if p is not None]
    return Formula(f.head, tuple(known), f.what, f.step) if len(known) == len(parts) else None


class Part(NamedTuple):
    """Columns of a parameter: those of gate `k` of `many`."""

    of: Value
    k: int
    many: int


class Gates:
    """The equations of a cell, without its loss, each gate with columns of its own.

    Attributes
    ----------
    equations
        The equations, in their order.
    names
        The letters of all that stands in them.
    """

    def __init__(self, e: Equations) -> None:
        self.e, self.names = e, dict[Any, Letter](e.names)
        lines = {q.value: q for q in e.equations if q.value is not e.outputs[0]}
        self.found: dict[Value, Formula] = {}
        for p, (source, k) in e.parts.items():
            if source.op == "leaf" and p in self.names:
                many = source.shape[-1] // p.shape[-1]
                self.names[p] = self.called(source, self.label(p, k))
                self.names[Part(source, k, many)] = self.names[p]
        for p, (source, k) in e.parts.items():
            f = lines[source].formula if source in lines else None
            many = source.shape[-1] // p.shape[-1]
            part = None if f is None else self.part(f, k, many, self.label(p, k))
            if part is not None:
                self.found[p] = part
        packed = {source for source, _ in e.parts.values()}
        direct = {x.what for q in lines.values() for x in q.formula.letters()}
        gone = {v for v in packed & lines.keys() if v not in direct and self.taken_apart(v)}
        count = Counter(x.what for q in lines.values() for x in q.formula.letters())
        alone = {p for p in self.found if count[p] > 1 or self.found[p].size > LARGEST}
        self.equations = list[Equation]()
        for v, q in lines.items():
            if v in gone:
                self.equations += [
                    Equation(p, self.found[p])
                    for p, (source, _) in e.parts.items()
                    if source is v and p in alone
                ]
            else:
                apart = {p for p, (source, _) in e.parts.items() if source in gone} - alone
                self.equations.append(replace(q, formula=self.inlined(q.formula, apart)))

    def columns(self) -> Iterator[tuple[Any, Value, int, int]]:
        """The columns that stand in the equations: the key of their letter, of what, which."""
        lines = {q.value for q in self.equations}
        shown = dict.fromkeys(x.what for q in self.equations for x in q.formula.letters())
        for key in shown:
            if isinstance(key, Part):
                yield key, key.of, key.k, key.many
            elif key in self.e.parts:
                source, k = self.e.parts[key]
                if source in lines or source.op == "leaf":
                    yield key, source, k, source.shape[-1] // key.shape[-1]

    def taken_apart(self, v: Value) -> bool:
        """True if all parts that are read have formulas of their own."""
        return all(p in self.found for p, (source, _) in self.e.parts.items() if source is v)

    def inlined(self, f: Formula, apart: set[Value]) -> Formula:
        """A formula with parts written where they are read."""
        if f.head == "letter" and f.what in apart:
            inner = self.found[f.what]
            return inner.later(f.step.shift) if f.step is not None else inner
        parts = tuple(self.inlined(p, apart) for p in f.parts)
        if f.head == "sum":  # of sums is one sum
            parts = tuple(x for p in parts for x in (p.parts if p.head == "sum" else (p,)))
        return Formula(f.head, parts, f.what, f.step)

    def part(self, f: Formula, k: int, many: int, label: str) -> Formula | None:
        """The columns of gate `k` of a formula; None if they are no formula of such columns."""
        shape_of = self.e.notation.shapes.of
        return columns(f, shape_of, lambda x: self.letter(x, k, many, label))

    def letter(self, f: Formula, k: int, many: int, label: str) -> Formula | None:
        """The columns of one letter."""
        v = f.what
        for p, (source, place) in self.e.parts.items():
            if source is v and place == k and source.shape[-1] // p.shape[-1] == many:
                return replace(f, what=p)
        if not isinstance(v, Value) or v.op != "leaf" or f.step is not None:
            return None
        key = Part(v, k, many)
        if key not in self.names:
            self.names[key] = self.called(v, label)
        return replace(f, what=key)

    def label(self, p: Value, k: int) -> str:
        """The gate that a part is, or its number."""
        above = self.e.names[p].above if p in self.e.names else ()
        return above[-1] if above else str(k + 1)

    def called(self, v: Value, label: str) -> Letter:
        """The letter of columns: W_{x f} are those of W_x for the gate f."""
        whole = self.names[v]
        gate = label if label.isdigit() else Letter.of(label).tex()
        found = whole._replace(below=" ".join(w for w in (whole.below, gate) if w))
        taken = {letter.tex() for letter in self.names.values()}
        return found if found.tex() not in taken else whole.labelled(label)
