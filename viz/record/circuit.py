"""Which boxes, circles and wires is one recorded step made of?

What is linear is no element of its own. A box (σ, tanh …) stands for its function and for the
weighted sum in it; a circle (⊗, ⊕) for elementwise arithmetic:

=========================================  ====================================
in the record                              in the circuit
=========================================  ====================================
``f = sigmoid((x @ W + h @ U + b)[:, :4])``  box σ that reads x and h
``c = f * c + i * g``                      ⊗ of f and c, ⊗ of i and g, ⊕ of both
``h = (o * tanh(c)) @ W_r``                box W_r that reads ⊗
``2 * sigmoid(c) - 1``                     box 2σ − 1
``1 - z``                                  circle 1−
=========================================  ====================================

Nothing here knows any cell: elements follow from the kinds of the primitives.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_rnn import Tensor
from tinygrad_rnn.program import Formula, Label, is_number, operation
from viz.record.formula import letter, title
from viz.record.labels import number_text
from viz.record.one_step import OneStep, State

BOX, CIRCLE = "box", "circle"
SIGNS = {"multiply": "×", "add": "+", "subtract": "−", "divide": "÷"}


class _Tight(Label):
    """What stands in a box: ``2σ − 1``."""

    signs = Label.signs._replace(plus=" + ", minus=" − ", scale="", times="")


@dataclass(slots=True, eq=False)
class Element:
    """A box or a circle.

    Attributes
    ----------
    node
        The operation whose value comes out.
    kind, text
        `BOX` or `CIRCLE`, and what is written in it.
    lanes
        Inputs and states that a box reads through weights, or adds.
    operands
        Other values that come in, each by a wire of its own, in the order of the operation.
    weighted
        Of a box: whether it stands for products with weights.
    squashes
        Of a box: whether it stands for a function, and so is no part of a state's straight way.
    """

    node: Tensor
    kind: str
    text: str = ""
    lanes: list[Any] = field(default_factory=list)
    operands: list[Any] = field(default_factory=list)
    weighted: bool = False
    squashes: bool = False

    @property
    def letter(self) -> str:
        """The letter of its value."""
        return self.node.name or ""

    @property
    def gate(self) -> bool:
        """Whether it stands in the row of gates: it reads inputs or states, or applies weights."""
        return self.kind == BOX and (bool(self.lanes) or self.weighted)


class Circuit:
    """The elements of one step, in the order of birth.

    Attributes
    ----------
    step
        The step that was read.
    elements
        By the id of their node.
    carries
        By letter of a state the elements on its way from step to step, if there is such a way
        through elementwise arithmetic alone.
    """

    def __init__(self, step: OneStep) -> None:
        self.step = step
        self.sources = {id(x): letter for letter, x in step.inputs}
        self.sources |= {id(s.enters): s.letter for s in step.states if s.enters is not None}
        self.leaving = {id(s.leaves) for s in step.states if s.leaves is not None}
        self.live = set(self.sources)
        for node in step.nodes:
            # a gate or a state may come from parameters alone
            alone = node.name is not None or id(node) in self.leaving
            if alone or any(id(x) in self.live for x in node.inputs):
                self.live.add(id(node))
        self.readers = Counter(id(x) for node in step.nodes for x in node.inputs)
        self.mixed: dict[int, bool] = {}
        for node in step.nodes:
            self.mixed[id(node)] = self._mixes(node)
        self.elements: dict[int, Element] = {}
        self._read()
        read = {id(x) for e in self.elements.values() for x in (*e.lanes, *e.operands)}
        read |= {id(s.leaves) for s in step.states}  # what goes through unchanged
        unread = [letter for at, letter in self.sources.items() if at not in read]
        step.notes += [f"The cell does not read {letter}." for letter in unread]
        self.carries = {s.letter: path for s in step.states if (path := self._carry(s)) is not None}

    # -- what an operation is ---------------------------------------------------------------------

    def operands_of(self, node: Tensor) -> list[Any]:
        """The inputs of an operation that depend on an input or a state."""
        return [x for x in node.inputs if id(x) in self.live]

    def sort(self, node: Tensor) -> str:
        """How an operation treats its live operands: "sum", "linear", "product" or "function"."""
        op, xs = node.op, self.operands_of(node)
        if op is None or not xs:
            return "function"
        if op.name in ("add", "subtract") and len(xs) == 2:
            return "sum"
        if op.kind.form == "move":
            return "linear"
        if len(xs) > 1:
            return "product"
        place = next(k for k, x in enumerate(node.inputs) if x is xs[0])
        linear = any(place in group or ... in group for group in op.linear)
        view = op.kind.form in ("view", "identity") or op.kind.cost == "nothing"
        return "linear" if linear or view else "function"

    def passes(self, node: Any) -> bool:
        """Whether a value is another only in its form: reshaped, broadcast, of another dtype."""
        if type(node) is not Tensor or node.op is None or self.sort(node) != "linear":
            return False
        form = node.op.kind.form
        return (form in ("view", "elementwise") and node.op.kind.cost == "nothing") and (
            node.op.name != "getitem" and not self.own(node)
        )

    def own(self, node: Any) -> bool:
        """Whether a value has a name to itself: a letter, or that of a state."""
        return id(node) in self.sources or id(node) in self.leaving or bool(node.name)

    def _mixes(self, node: Tensor) -> bool:
        """Whether weights were applied to the value since the last element or source."""
        if node.op is None or self.sort(node) not in ("sum", "linear"):
            return False
        if self.sort(node) == "linear" and (
            node.op.kind.form in ("product", "move", "reduction") or node.op.name == "getitem"
        ):
            return True
        return any(self.mixed.get(id(x), False) and not self.own(x) for x in self.operands_of(node))

    def stops(self, node: Any) -> bool:
        """Whether a weighted sum ends here: at a source, an element, or a value with a name."""
        if self.own(node):
            return True
        sort = self.sort(node)
        return sort in ("function", "product") or (sort == "sum" and not self.mixed[id(node)])

    # -- elements ---------------------------------------------------------------------------------

    def _read(self) -> None:
        needed = set(self.leaving)
        for node in reversed(self.step.nodes):
            if id(node) not in needed or id(node) in self.sources:
                continue
            element = self._element(node)
            self.elements[id(node)] = element
            needed |= {id(x) for x in element.operands}
        self.elements = dict(reversed(self.elements.items()))

    def _element(self, node: Tensor) -> Element:
        sort, xs = self.sort(node), [self.through(x) for x in self.operands_of(node)]
        name = node.op.name if node.op else ""
        if sort == "product":
            if name == "multiply" and xs[0] is xs[1]:
                return Element(node, CIRCLE, "·²", operands=xs[:1])
            sign = SIGNS.get(name) or (node.op.symbol if node.op else "") or name.replace("_", " ")
            return Element(node, CIRCLE if len(sign) == 1 else BOX, sign, operands=xs)
        if sort == "sum" and not self.mixed[id(node)]:
            return Element(node, CIRCLE, SIGNS[name], operands=xs)
        if name == "getitem" and self.own(xs[0]):
            return self._box(node, title(node, None), xs)
        bottom, text = self._scaled(node)
        if self.sort(bottom) == "function":
            box = self._box(node, text, self.operands_of(bottom))
            box.squashes = True
            return box
        if self.mixed[id(node)]:
            return self._box(node, "", [node], weighted=True)
        own = name in ("negative",) or len(text) < 4
        return Element(node, CIRCLE if own else BOX, text, operands=xs)

    def through(self, x: Any) -> Any:
        """The value itself, for one that differs from it in its form alone."""
        while self.passes(x):
            x = self.operands_of(x)[0]
        return x

    def _scaled(self, node: Tensor) -> tuple[Tensor, str]:
        """The function under numbers, ``2σ − 1``, and the text of all; else that of the node."""
        chain, x = [node], node
        while self.sort(x) == "linear" and not self.mixed[id(x)]:
            inner = self.operands_of(x)[0]
            ends = self.own(inner) or inner.op is None or self.readers[id(inner)] > 1
            if ends or self.sort(inner) not in ("linear", "function"):
                break
            x = inner
            chain.append(x)
        if self.sort(x) != "function":
            return node, self._sign(node)
        op = x.op
        text = (op.symbol or op.name.replace("_", " ")) if op else ""
        formula = letter(text)
        for outer in reversed(chain[:-1]):
            formula = operation(outer, [self._operand(y, formula) for y in outer.inputs])
        return x, text if x is node else _Tight().text(formula)

    def _operand(self, x: Any, inner: Formula) -> Formula:
        """An operand around a function: the function, a number or the name of a weight."""
        if id(x) in self.live:
            return inner
        return Formula("number", what=float(x)) if is_number(x) else letter(self.weight_text(x))

    def _sign(self, node: Tensor) -> str:
        """One linear operation by its sign: ``1−``, ``×2``, ``−``, ``cut``."""
        name = node.op.name if node.op else ""
        place = next((k for k, x in enumerate(node.inputs) if id(x) in self.live), 0)
        others = [self.weight_text(x) for k, x in enumerate(node.inputs) if k != place]
        if name in SIGNS and others:
            after = place == 0 or name == "multiply"
            return f"{SIGNS[name]}{others[0]}" if after else f"{others[0]}{SIGNS[name]}"
        word = {"negative": "−", "stop_gradient": "cut", "cut_gradient": "cut"}
        word["pass_gradient"] = "clip ∂"
        return word.get(name, name if node.op and node.op.kind.form != "view" else "")

    def weight_text(self, x: Any) -> str:
        """A number as it is, a parameter by its name."""
        if type(x) is not Tensor and np.ndim(x) == 0:
            return number_text(x)
        return self.step.names.get(id(x)) or getattr(x, "name", None) or "k"

    def _box(self, node: Tensor, text: str, starts: list[Any], weighted: bool = False) -> Element:
        """A box, and what it reads: all that reaches it through weights and sums."""
        element, seen = Element(node, BOX, text, weighted=weighted), set[int]()
        waiting = [
            x for start in starts for x in (self.operands_of(start) if weighted else [start])
        ]
        while waiting:
            x = waiting.pop(0)
            if id(x) in seen:
                continue
            seen.add(id(x))
            if id(x) in self.sources:
                element.lanes.append(x)
            elif self.stops(x):
                element.operands.append(x)
            else:
                waiting += self.operands_of(x)
            element.weighted |= self.mixed.get(id(x), False)
        return element

    def _carry(self, state: State) -> list[Element] | None:
        """The shortest way of a state through elementwise arithmetic; None if there is none."""
        if state.enters is None or state.leaves is None:
            return None
        if state.leaves is state.enters:
            return []
        paths = [[state.leaves]]
        seen = {id(state.leaves)}
        while paths:
            path = paths.pop(0)
            element = self.elements.get(id(path[-1]))
            if element is None or element.gate or element.squashes:
                continue
            for x in element.operands:
                if x is state.enters:
                    return [self.elements[id(node)] for node in reversed(path)]
                if id(x) not in seen:
                    seen.add(id(x))
                    paths.append([*path, x])
        return None
