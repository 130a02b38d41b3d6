"""Which equations does a circuit stand for?

One for each value with a letter, written from the record: ``f = σ(x_t W_f + h_{t−1} U_f + b_f)``.
A matrix for several gates is split up: its columns that go into f are ``W_f``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn import Tensor
from viz.record.circuit import BOX, Circuit
from viz.record.formula import title
from viz.record.labels import array_name, number_text
from viz.record.rich import Rich, letter, plain, text_of

SUM, PRODUCT, MATRIX, ATOM = 1, 2, 3, 9  # how tightly a text binds
LONGEST = 84  # characters of a right side


@dataclass(slots=True, eq=False)
class Equation:
    """A letter, the formula for it, and the operations that it stands for.

    `short` if the formula is too long to be read, and only what it is a function of is said.
    """

    of: Tensor
    left: Rich
    right: Rich
    members: set[int]
    short: bool = False


@dataclass(slots=True)
class _Term:
    """A part of a sum: its sign, its text, how tightly that binds; the parameter of a bias."""

    sign: str
    text: Rich
    binding: int
    bias: Any = None


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
        circuit = self.circuit
        self.notes: list[Rich] = []
        self.weights: dict[int, Rich] = {}
        self._slices: dict[str, str] = {}
        self._pushed: set[int] = set()
        self._names: dict[Any, Rich] = {}
        self._letters = self._all_letters()
        self.lines = [
            self._equation(node)
            for node in self.step.nodes
            if id(node) in self._letters and id(node) not in circuit.sources
        ]
        for state in self.step.states:  # what goes out under a second letter
            left = letter(state.letter, "t")
            if state.leaves is not None and left != self._letters.get(id(state.leaves)):
                right = self.name(state.leaves)
                self.lines.append(Equation(state.leaves, left, right, {id(state.leaves)}))
        for element in circuit.elements.values():
            if element.kind == BOX and not element.text and id(element.node) not in self.weights:
                self.weights[id(element.node)] = plain("Σ")

    def _in_long_ones(self) -> set[int]:
        """Values without a letter that are read in formulas too long to be written out."""
        found: set[int] = set()
        for line in self.lines:
            if line.short:
                element = self.circuit.elements[id(line.of)]
                found |= {id(x) for x in element.operands if not self.name(x)}
        return found

    def name(self, x: Any) -> Rich:
        """What a value is called: ``h_{t−1}`` coming in, ``h_t`` going out, ``f`` inside."""
        if id(x) in self.circuit.sources:
            known = self.circuit.sources[id(x)]
            return letter(known, "t" if id(x) in self._inputs else "t−1")
        return self._letters.get(id(x), ())

    def inside(self, x: Any) -> bool:
        """Whether a value has a letter and is computed here."""
        return id(x) in self._letters and id(x) not in self.circuit.sources

    # -- letters ----------------------------------------------------------------------------------

    def _all_letters(self) -> dict[int, Rich]:
        """Letters of states and of named values; a₁, a₂ … of what else needs one.

        Gates do if nothing has a name, and parts of formulas that would be too long.
        """
        out = {id(s.leaves): s.letter for s in self.step.states if s.leaves is not None}
        found = {at: letter(name, "t") for at, name in out.items()}
        taken = set(found.values())
        inner = [e for e in self.circuit.elements.values() if id(e.node) not in found]
        for element in inner:
            if element.letter:
                found[id(element.node)] = _free(letter(element.letter), taken)
        gates = [id(e.node) for e in inner if e.gate and not any(e.letter for e in inner)]
        more = self._more.union(gates if len(gates) > 1 else ())
        unnamed = [id(e.node) for e in inner if id(e.node) in more]
        for k, at in enumerate(unnamed, start=1):
            found[at] = _free(letter(f"a_{k}"), taken)
        return found

    # -- one equation -----------------------------------------------------------------------------

    def _equation(self, root: Tensor) -> Equation:
        members, packed = self._members(root)
        gate = _gate(text_of(self._letters[id(root)]))
        texts: dict[int, list[_Term]] = {}
        for node in members:
            parts = [
                texts[id(x)] if id(x) in texts else [self._given(x, node, packed, gate)]
                for x in node.inputs
            ]
            texts[id(node)] = self._apply(node, parts)
            self._weigh(node, texts[id(node)])
        right = self._joined(texts[id(root)])
        long = len(text_of(right)) > LONGEST
        right = self._short(members) if long else right
        own = {id(node) for node in members}
        return Equation(root, self._letters[id(root)], right, own, long)

    def _members(self, root: Tensor) -> tuple[list[Tensor], dict[int, tuple[str, ...]]]:
        """The operations written out in the equation of `root`, and which slices they end up in."""
        found, waiting = {id(root): root}, [root]
        while waiting:
            for x in waiting.pop().inputs:
                known = id(x) in found or id(x) not in self.circuit.live or bool(self.name(x))
                if not known:
                    found[id(x)] = x
                    waiting.append(x)
        members = sorted(found.values(), key=lambda node: node.serial)
        self._pushed = _pushed(members)
        packed: dict[int, tuple[str, ...]] = {}
        for node in reversed(members):
            here = packed.get(id(node), ())
            if self._silent(node) and node.op and node.op.name == "getitem":
                here = (*here, repr(node.options["index"]))
                self._slices[here[-1]] = title(node, None)
            product = node.op is not None and node.op.kind.form == "product"
            for k, x in enumerate(node.inputs):  # columns of a product are columns of its weights
                packed.setdefault(id(x), () if product and k == 0 else here)
        return members, packed

    def _given(self, x: Any, node: Tensor, packed: dict[int, tuple[str, ...]], gate: str) -> _Term:
        """An operand that the equation refers to: a value by its letter, a weight, a number."""
        product = node.op is not None and node.op.kind.form == "product"
        if known := self.name(x):
            later = () if product and x is node.inputs[0] else packed.get(id(node), ())
            part = "".join(self._slices[index] for index in reversed(later))
            return _Term("+", (*known, *plain(part)), ATOM)
        if type(x) is not Tensor and np.ndim(x) == 0:
            text = number_text(x)
            return _Term("+", plain(text), SUM if text.startswith("−") else ATOM)
        op = node.op.name if node.op else ""
        if type(x) is np.ndarray and op != "matmul" and id(x) not in self.step.names:
            text = array_name(x, node)
            if text and not text[0].isalpha():  # the same number everywhere
                return _Term("+", plain(text), SUM if text.startswith("−") else ATOM)
        matrix = op in ("matmul", "conv") and x is not node.inputs[0]
        bias = op in ("add", "subtract")
        leaf, slices = self._leaf(x)
        later = packed.get(id(x) if op in ("matmul", "conv") else id(node), ())
        slices = (*slices[::-1], *later[::-1])  # in the order of application
        name = self.step.names.get(id(leaf)) or getattr(leaf, "name", None) or ""
        partner = next((y for y in node.inputs if id(y) in self.circuit.live), None)
        turned = "ᵀ" in slices
        slices = tuple(part for part in slices if part != "ᵀ")
        key = (id(leaf), slices)
        if not name and matrix and not slices and type(leaf) is np.ndarray:
            name = "E"  # a constant matrix
        text = self._weight(key, name, gate if slices else "", matrix, partner)
        text = (*text, *plain("ᵀ")) if turned else text
        return _Term("+", text, ATOM, (key, name) if bias else None)

    def _leaf(self, x: Any) -> tuple[Any, tuple[str, ...]]:
        """The parameter that a weight is, or is a part of; else the weight itself."""
        slices: tuple[str, ...] = ()
        while type(x) is Tensor and x.op is not None:
            inner = [y for y in x.inputs if type(y) is Tensor]
            if not inner:
                break
            if x.op.name == "getitem":
                slices += (repr(x.options["index"]),)
            elif x.op.kind.form != "view":
                break
            x = inner[0]
        if type(x) is np.ndarray and type(x.base) is np.ndarray:
            turned = x.ndim == 2 and x.strides == x.base.strides[::-1] != x.base.strides
            if x.size == x.base.size and x.shape == x.base.shape[:: -1 if turned else 1]:
                return x.base, (*slices, *("ᵀ",) * turned)
        return x, slices

    def _weight(self, key: Any, name: str, gate: str, matrix: bool, partner: Any) -> Rich:
        """The letter of a weight: W where an input is multiplied, U where a state is, b added."""
        if key in self._names:
            return self._names[key]
        base, _, below = name.partition("_")
        of = self.circuit.sources.get(id(partner)) or getattr(partner, "name", None)
        known = {*self.circuit.sources.values(), ""} - ({gate} if gate else set())
        plainly = gate or below in ("", of) or of is None or not matrix
        if base in ("W", "b", "") and below in known and plainly:
            of_input = partner is not None and id(partner) in self._inputs
            base = ("W" if of_input or below == "" != name else "U") if matrix else "b"
            if not name and not matrix:
                base = "k"
            found = letter(base, gate)
        else:
            found = letter(name or ("U" if matrix else "k"), gate)
        found = _free(found, {*self._names.values(), *self._letters.values()})
        self._names[key] = found
        return found

    def _weigh(self, node: Tensor, terms: list[_Term]) -> None:
        """Note what the weights of a box without a function are called."""
        element = self.circuit.elements.get(id(node))
        if element is None or element.kind != BOX or element.text:
            return
        products = [t.text for t in terms if t.binding == MATRIX]
        if len(products) == 1 and len(element.lanes) + len(element.operands) == 1:
            last: Rich = ()
            for style, text in reversed(products[0]):
                if text == " ":
                    break
                last = ((style, text), *last)
            known = self.weights.setdefault(id(node), last)
            if known != last:  # of all gates at once
                self.weights[id(node)] = known[:1]

    # -- operations -------------------------------------------------------------------------------

    def _apply(self, node: Tensor, parts: list[list[_Term]]) -> list[_Term]:
        """One operation, applied to texts."""
        name = node.op.name if node.op else ""
        if name in ("add", "subtract"):
            left, right = parts
            if name == "subtract":
                swap = {"+": "−", "−": "+"}
                right = [_Term(swap[t.sign], t.text, t.binding, t.bias) for t in right]
            return left + right
        if name == "negative":
            return [_Term("−", self._tight(parts[0], PRODUCT), PRODUCT)]
        if name == "multiply":
            if node.inputs[0] is node.inputs[1]:
                return [_Term("+", (*self._tight(parts[0], ATOM), *plain("²")), ATOM)]
            numbers = [type(x) is not Tensor and np.ndim(x) == 0 for x in node.inputs]
            if any(numbers):
                a, b = parts if numbers[0] else parts[::-1]
                return [_Term("+", (*self._tight(a, ATOM), *plain(" "), *self._dot(b)), PRODUCT)]
            a, b = (self._dot(part) for part in parts)
            return [_Term("+", (*a, *plain(" ⊙ "), *b), PRODUCT)]
        if name == "matmul":
            a, b = self._tight(parts[0], MATRIX), self._tight(parts[1], ATOM)
            return [_Term("+", (*a, ("u", " "), *b), MATRIX)]
        if name == "divide":
            a, b = self._tight(parts[0], MATRIX), self._tight(parts[1], ATOM)
            return [_Term("+", (*a, *plain(" / "), *b), PRODUCT)]
        if self._silent(node):
            return parts[0]
        if name == "getitem":
            return [_Term("+", (*self._tight(parts[0], ATOM), *plain(title(node, None))), ATOM)]
        if name == "transpose":
            return [_Term("+", (*self._tight(parts[0], ATOM), *plain("ᵀ")), ATOM)]
        listed: Rich = ()
        for k, part in enumerate(parts):
            listed += (*(plain(", ") if k else ()), *self._joined(part))
        if name == "concatenate":
            return [_Term("+", (*plain("["), *listed, *plain("]")), ATOM)]
        word = {"stop_gradient": "cut", "cut_gradient": "cut", "sum": "Σ"}.get(name)
        word = word or (node.op.symbol if node.op else "") or name
        options = {k: v for k, v in node.options.items() if v is not None and name != "sum"}
        if options and not (name in ("softmax", "log_softmax") and options == {"axis": -1}):
            listed += plain("".join(f", {k}={v}" for k, v in options.items()))
        return [_Term("+", (*plain(f"{word}("), *listed, *plain(")")), ATOM)]

    def _silent(self, node: Tensor) -> bool:
        """Whether an operation changes nothing that the letters do not say."""
        op = node.op
        if op is None:
            return False
        if op.name == "getitem":  # a weight's columns, which bear the letter of the gate
            return id(node) in self._pushed
        return op.name in ("reshape", "broadcast_to", "astype", "pass_gradient")

    def _dot(self, terms: list[_Term]) -> Rich:
        """A factor of an elementwise product; one that is a product of matrices in brackets."""
        plain_product = len(terms) == 1 and terms[0].binding == PRODUCT and terms[0].sign == "+"
        return self._joined(terms) if plain_product else self._tight(terms, ATOM)

    def _tight(self, terms: list[_Term], binding: int) -> Rich:
        text = self._joined(terms)
        loose = len(terms) > 1 or terms[0].binding < binding or terms[0].sign == "−"
        return (*plain("("), *text, *plain(")")) if loose else text

    def _joined(self, terms: list[_Term]) -> Rich:
        """A sum; its biases at the end, as one letter."""
        biases = [t for t in terms if t.bias is not None and t.sign == "+"]
        others = [t for t in terms if t not in biases]
        if len(biases) > 1 and others:
            key = tuple(t.bias[0] for t in biases)
            if key not in self._names:
                self._names[key] = biases[0].text
                self._note([t.bias[1] for t in biases])
            biases = [_Term("+", self._names[key], ATOM)]
        found: Rich = ()
        for k, term in enumerate([*others, *biases]):
            if k:
                found += plain(f" {term.sign} ")
            elif term.sign == "−":
                found += plain("−")
            loose = term.sign == "−" and term.binding == SUM
            found += (*plain("("), *term.text, *plain(")")) if loose else term.text
        return found

    def _note(self, names: list[str]) -> None:
        """Say once which biases are written as one."""
        if all(names):
            note = (*letter("b"), *plain(" stands for "))
            for k, name in enumerate(names):
                note += (*(plain(" + ") if k else ()), *letter(name))
            if note not in self.notes:
                self.notes.append(note)

    def _short(self, members: list[Tensor]) -> Rich:
        """A formula too long to be read: of what it is a function."""
        own = {id(node) for node in members}
        read = {id(x): x for node in members for x in node.inputs if id(x) not in own}
        names = [self.name(x) for x in read.values() if self.name(x)]
        found: Rich = plain("function of ")
        for k, name in enumerate(names):
            found += (*(plain(", ") if k else ()), *name)
        return found


def _pushed(members: list[Tensor]) -> set[int]:
    """The columns of a sum or a product that are written as columns of its operands.

    So ``(x @ W + b)[:, 0:4]`` is ``x W_i + b_i``. What is reduced, joined or broadcast along the
    columns in between stays as it is.
    """
    own = {id(node) for node in members}
    found: set[int] = set()
    through: set[int] = set()
    for node in members:
        form = node.op.kind.form if node.op else ""
        parts = [x for x in node.inputs if np.ndim(getattr(x, "data", x))]
        inner = [x for x in parts if id(x) in own]
        if form == "product":
            inner = [x for x in inner if x is not node.inputs[0]]
            wide = True
        else:
            wide = all(np.shape(getattr(x, "data", x))[-1] == node.shape[-1:][0] for x in parts)
        passes = all(id(x) in through for x in inner)
        if node.op and node.op.name == "getitem":
            if passes and inner and _columns(node.options["index"]):
                found.add(id(node))
                through.add(id(node))
        elif form in ("elementwise", "product") and passes and wide:
            through.add(id(node))
    return found


def _columns(index: tuple[Any, ...]) -> bool:
    """Whether an index takes columns, of all rows."""
    rows = all(part is Ellipsis or part == slice(None) for part in index[:-1])
    return bool(index) and rows and isinstance(index[-1], slice)


def _gate(name: str) -> str:
    """What stands below a weight for the value of this name: ``f`` of f, ``h`` of h_t, 1 of a_1."""
    base, _, below = name.partition("_")
    return below if below.isdigit() else base


def _free(name: Rich, taken: set[Rich]) -> Rich:
    """The name, with primes if another has it already."""
    while name in taken:
        style, text = name[0]
        name = ((style, f"{text}′"), *name[1:])
    taken.add(name)
    return name
