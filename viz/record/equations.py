"""Which equations does a circuit stand for?

One for each value with a letter, written from the record: ``f = σ(x_t W_f + h_{t−1} U_f + b_f)``.
A matrix for several gates is split up: its columns that go into f are ``W_f``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_rnn import Tensor
from tinygrad_rnn.program import Formula, columns, operation
from viz.record.circuit import BOX, Circuit, Element
from viz.record.formula import expression
from viz.record.labels import array_name, is_number
from viz.record.rich import Pieces, letter, plain, text_of
from viz.record.weights import Use, Weight, Weights, Written, data, free, source, used

LONGEST = 84  # characters of a right side
SILENT = ("reshape", "broadcast_to", "astype", "pass_gradient")  # which letters do not say


@dataclass(slots=True, eq=False)
class Equation:
    """A letter, the formula for it, and the operations that it stands for.

    `short` if the formula is too long to be read, and only what it is a function of is said.
    """

    of: Tensor
    left: Pieces
    right: Pieces
    members: set[int]
    short: bool = False


class Equations:
    """The equations of a circuit, in the order in which they are computed.

    Attributes
    ----------
    lines
        The equations.
    notes
        What is merged or left out in them, in words.
    weights
        What the weights of a box without a function are called, by the id of its node.
    """

    def __init__(self, circuit: Circuit) -> None:
        self.circuit, self.step = circuit, circuit.step
        self._inputs = {id(x) for _, x in self.step.inputs}
        self._more: set[int] = set()  # values that have a letter, so that no formula is too long
        self._write()
        while fresh := self._in_long_ones():
            self._more |= fresh
            self._write()

    def _write(self) -> None:
        """Write all equations."""
        self._letters = self._all_letters()
        self._values: dict[Pieces, Any] = {}  # what the letters of values stand for
        self._formulas: dict[int, Formula] = {}
        self._shapes: dict[int, tuple[int, ...]] = {}  # of formulas, by their id
        self._uses: list[Use] = []
        roots = [
            node
            for node in self.step.nodes
            if id(node) in self._letters and id(node) not in self.circuit.sources
        ]
        built = [(root, *self._built(root)) for root in roots]
        weights = Weights(self.circuit, self._uses, self._values, self._letters.values())
        self._names, self.notes = weights.names, weights.notes
        self.lines = [self._equation(*one) for one in built]
        for state in self.step.states:  # what goes out under a second letter
            left = letter(state.letter, "t")
            if state.leaves is not None and left != self._letters.get(id(state.leaves)):
                right = self.name(state.leaves)
                self.lines.append(Equation(state.leaves, left, right, {id(state.leaves)}))
        elements = [e for e in self.circuit.elements.values() if e.kind == BOX and not e.text]
        self.weights = {id(e.node): self._weight_of(e) for e in elements}

    def _in_long_ones(self) -> set[int]:
        """Values without a letter that are read in formulas too long to be written out."""
        found: set[int] = set()
        for line in self.lines:
            if line.short:
                element = self.circuit.elements[id(line.of)]
                found |= {id(x) for x in element.operands if not self.name(x)}
        return found

    def name(self, x: Any) -> Pieces:
        """What a value is called: ``h_{t−1}`` coming in, ``h_t`` going out, ``f`` inside."""
        if id(x) in self.circuit.sources:
            known = self.circuit.sources[id(x)]
            return letter(known, "t" if id(x) in self._inputs else "t−1")
        return self._letters.get(id(x), ())

    def inside(self, x: Any) -> bool:
        """Whether a value has a letter and is computed here."""
        return id(x) in self._letters and id(x) not in self.circuit.sources

    # -- letters ----------------------------------------------------------------------------------

    def _all_letters(self) -> dict[int, Pieces]:
        """Letters of states and of named values; a₁, a₂ … of what else needs one.

        Gates do if nothing has a name, and parts of formulas that would be too long.
        """
        out = {id(s.leaves): s.letter for s in self.step.states if s.leaves is not None}
        found = {at: letter(name, "t") for at, name in out.items()}
        taken = set(found.values())
        inner = [e for e in self.circuit.elements.values() if id(e.node) not in found]
        for element in inner:
            if element.letter:
                found[id(element.node)] = free(letter(element.letter), taken)
        gates = [id(e.node) for e in inner if e.gate and not any(e.letter for e in inner)]
        more = self._more.union(gates if len(gates) > 1 else ())
        unnamed = [id(e.node) for e in inner if id(e.node) in more]
        for k, at in enumerate(unnamed, start=1):
            found[at] = free(letter(f"a_{k}"), taken)
        return found

    # -- one equation -----------------------------------------------------------------------------

    def _built(self, root: Tensor) -> tuple[Formula, list[Tensor]]:
        """The formula of `root`, and the operations in it."""
        found, waiting = {id(root): root}, [root]
        while waiting:
            for x in waiting.pop().inputs:
                known = id(x) in found or id(x) not in self.circuit.live or bool(self.name(x))
                if not known:
                    found[id(x)] = x
                    waiting.append(x)
        members = sorted(found.values(), key=lambda node: node.serial)
        uses = [(n, k, x) for n in members for k, x in enumerate(n.inputs) if id(x) not in found]
        letters = {(n, k): self._given(x, n) for n, k, x in uses}
        formula = self._merged(expression(members, root, letters, apply=self._applied))
        gate = _gate(text_of(self._letters[id(root)]))
        self._uses += used(formula, gate)
        return formula, members

    def _equation(self, root: Tensor, formula: Formula, members: list[Tensor]) -> Equation:
        right = Written(self._names).text(formula)
        long = len(text_of(right)) > LONGEST
        right = self._short(members) if long else right
        return Equation(root, self._letters[id(root)], right, {id(x) for x in members}, long)

    def _applied(self, node: Tensor, parts: list[Formula]) -> Formula:
        """One operation; columns of a sum or a product are those of its weights."""
        name, found = node.op.name if node.op else "", None
        if name in SILENT:
            found = parts[0]
        elif name == "getitem" and _columns(node.options["index"]):
            index = repr(node.options["index"])
            found = columns(parts[0], self._shape, lambda f: self._sliced(f, index, node))
        found = found or operation(node, parts)
        self._formulas[id(node)] = found
        self._shapes.setdefault(id(found), node.shape)  # silent: as it was before
        return found

    def _sliced(self, f: Formula, index: str, node: Tensor) -> Formula:
        """Columns of a letter: of a weight a letter again."""
        if not isinstance(f.what, Weight):
            return operation(node, [f])
        shape = (*f.what.shape[:-1], node.shape[-1])
        return Formula("letter", what=replace(f.what, slices=(*f.what.slices, index), shape=shape))

    def _given(self, x: Any, node: Tensor) -> Formula:
        """An operand that the equation refers to: a value by its letter, a weight, a number."""
        if known := self.name(x):
            self._values[known] = x
            return Formula("letter", what=known)
        if is_number(x):
            return Formula("number", what=float(x))
        op = node.op.name if node.op else ""
        if type(x) is np.ndarray and op != "matmul" and id(x) not in self.step.names:
            text = array_name(x, node)
            if text and not text[0].isalpha() and x.size and (x == x.flat[0]).all():
                return Formula("number", what=float(x.flat[0]))  # the same number everywhere
        leaf, slices, turned = source(x)
        name = self.step.names.get(id(leaf)) or getattr(leaf, "name", None) or ""
        constant = type(leaf) is np.ndarray
        shape = np.shape(data(x))
        return Formula("letter", what=Weight(id(leaf), slices, turned, shape, name, constant))

    def _shape(self, f: Formula) -> tuple[int, ...]:
        """The shape of a formula, as far as it has columns."""
        if f.head == "letter":
            known = f.what
            return known.shape if isinstance(known, Weight) else np.shape(data(self._values[known]))
        if id(f) in self._shapes:
            return self._shapes[id(f)]
        parts = [*map(self._shape, f.parts)]
        if f.head == "matmul":
            return (*parts[0][:-1], *parts[1][-1:])
        return np.broadcast_shapes(*parts)

    def _merged(self, f: Formula) -> Formula:
        """The same with the biases of each sum at its end, as one letter."""
        parts = tuple(map(self._merged, f.parts))
        if f.head == "sum":
            biases = [p for p in parts if isinstance(p.what, Weight)]
            rest = [p for p in parts if p not in biases]
            if len(biases) > 1 and rest:
                first, *others = (p.what for p in biases)
                biases = [Formula("letter", what=replace(first, others=tuple(others)))]
            parts = (*rest, *biases)
        return Formula(f.head, parts, f.what)

    def _weight_of(self, element: Element) -> Pieces:
        """What the weights of a box without a function are called; W, if for several gates."""
        f = self._formulas.get(id(element.node), Formula("sum"))
        products = [p for p in (f.parts if f.head == "sum" else (f,)) if p.head == "matmul"]
        if len(products) != 1 or len(element.lanes) + len(element.operands) != 1:
            return plain("Σ")
        weight = products[0].parts[1].what
        names = [name for key, name in self._names.items() if key.leaf == weight.leaf]
        if weight in self._names or len(names) < 2:
            return self._names.get(weight) or (names[0] if names else plain("Σ"))
        return names[0][:1]

    def _short(self, members: list[Tensor]) -> Pieces:
        """A formula too long to be read: of what it is a function."""
        own = {id(node) for node in members}
        read = {id(x): x for node in members for x in node.inputs if id(x) not in own}
        names = [self.name(x) for x in read.values() if self.name(x)]
        found = plain("function of ")
        for k, name in enumerate(names):
            found += (*(plain(", ") if k else ()), *name)
        return found


def _columns(index: tuple[Any, ...]) -> bool:
    """Whether an index takes columns, of all rows."""
    rows = all(part is Ellipsis or part == slice(None) for part in index[:-1])
    return bool(index) and rows and isinstance(index[-1], slice)


def _gate(name: str) -> str:
    """What stands below a weight for the value of this name: ``f`` of f, ``h`` of h_t, 1 of a_1."""
    base, _, below = name.partition("_")
    return below if below.isdigit() else base
