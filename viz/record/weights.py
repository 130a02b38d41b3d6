"""What are the weights of a circuit called?

W where an input is multiplied, U where a state is, b added; with the gate below for the columns of
a matrix for several gates. Where two would be called the same, each has its whole name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn import Tensor
from tinygrad_rnn.program import Formula, Rich
from viz.record.circuit import Circuit
from viz.record.rich import Pieces, letter, plain


@dataclass(frozen=True, slots=True)
class Weight:
    """What a letter stands for: columns of a leaf, perhaps transposed, and `others` added."""

    leaf: int
    slices: tuple[str, ...]
    turned: bool
    shape: tuple[int, ...]
    name: str
    constant: bool
    others: tuple[Weight, ...] = ()


class Use(NamedTuple):
    """A weight in an equation: of which gate, and what it is multiplied by, if it is a matrix."""

    weight: Weight
    gate: str
    matrix: bool
    partner: Any


def used(f: Formula, gate: str, matrix: bool = False, partner: Any = None) -> Iterator[Use]:
    """The weights of a formula of a gate, in the order in which they are read."""
    if isinstance(f.what, Weight):
        yield Use(f.what, gate if f.what.slices else "", matrix, partner)
    for k, p in enumerate(f.parts):
        product = k > 0 and f.head in ("matmul", "conv")
        yield from used(p, gate, product, f.parts[0].what if product else None)


class Weights:
    """The letters of weights.

    Attributes
    ----------
    names
        The letter of each.
    notes
        Which biases are written as one, in words.
    """

    def __init__(
        self,
        circuit: Circuit,
        uses: Iterable[Use],
        values: Mapping[Pieces, Any],
        taken: Iterable[Pieces],
    ) -> None:
        """Letters that are not `taken`, for weights beside the `values` that formulas read."""
        self.circuit, self.values = circuit, values
        self.inputs = {id(x) for _, x in circuit.step.inputs}
        first = {use.weight: use for use in reversed([*uses])}
        wishes = {weight: self._wish(use) for weight, use in reversed(first.items())}
        wanted, others = [*wishes.values()], {*taken}
        self.names: dict[Weight, Pieces] = {}
        self.notes: list[Pieces] = []
        for weight, wish in wishes.items():
            plainly = wish not in others and (wanted.count(wish) == 1 or weight.others)
            self.names[weight] = free(wish if plainly else whole(first[weight]), others)
            parts = [weight.name, *(other.name for other in weight.others)]
            note: Pieces = (*letter("b"), *plain(" stands for "))
            for k, name in enumerate(parts):
                note += (*plain(" + " * (k > 0)), *letter(name))
            if len(parts) > 1 and all(parts) and note not in self.notes:
                self.notes.append(note)

    def _wish(self, use: Use) -> Pieces:
        """The plain letter, if its name says no more."""
        weight, gate, matrix, partner = use
        if matrix and weight.constant and not (weight.name or weight.slices):
            return letter("E")
        base, _, below = weight.name.partition("_")
        x = self.values.get(partner)
        of = self.circuit.sources.get(id(x)) or getattr(x, "name", None)
        known = {*self.circuit.sources.values(), ""} - ({gate} if gate else set())
        plainly = gate or below in ("", of) or of is None or not matrix
        if base not in ("W", "b", "") or below not in known or not plainly:
            return whole(use)
        if not matrix:
            return letter("b" if weight.name else "k", gate)
        of_input = x is not None and id(x) in self.inputs
        return letter("W" if of_input or below == "" != weight.name else "U", gate)


class Written(Rich):
    """Formulas whose letters are those of values, or stand for weights."""

    def __init__(self, names: Mapping[Weight, Pieces]) -> None:
        self.names = names

    def letter(self, x: Formula) -> Pieces:
        """The letter of a value or of a weight."""
        if not isinstance(x.what, Weight):
            return plain(x.what) if isinstance(x.what, str) else x.what
        return (*self.names[x.what], *plain("ᵀ" * x.what.turned))


def whole(use: Use) -> Pieces:
    """The name that a weight has, with its gate."""
    return letter(use.weight.name or ("U" if use.matrix else "k"), use.gate)


def data(x: Any) -> Any:
    """The array of a Tensor, or what is plain."""
    return x.data if type(x) is Tensor else x


def source(x: Any) -> tuple[Any, tuple[str, ...], bool]:
    """The parameter that a weight is, or is columns of, and whether it is transposed."""
    slices: tuple[str, ...] = ()
    turned = False
    while type(x) is Tensor and x.op is not None:
        inner = [y for y in x.inputs if type(y) is Tensor]
        if not inner or (x.op.name != "getitem" and x.op.kind.form != "view"):
            break
        if x.op.name == "getitem":
            slices = (repr(x.options["index"]), *slices)
        turned ^= x.op.name == "transpose" and x.ndim == 2
        x = inner[0]
    if type(x) is np.ndarray and type(x.base) is np.ndarray:
        back = x.ndim == 2 and x.strides == x.base.strides[::-1] != x.base.strides
        if x.size == x.base.size and x.shape == x.base.shape[:: -1 if back else 1]:
            return x.base, slices, back
    return x, slices, turned


def free(name: Pieces, taken: set[Pieces]) -> Pieces:
    """The name, with primes if another has it already."""
    while name in taken:
        style, text = name[0]
        name = ((style, f"{text}′"), *name[1:])
    taken.add(name)
    return name
