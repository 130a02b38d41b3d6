"""What would have happened had a gate been held open, or another input been read?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.engine import tree
from tinygrad_rnn.engine.backward import ancestors
from tinygrad_rnn.engine.context import context
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.measure.arguments import tensors
from tinygrad_rnn.measure.gates import Gates, gates
from tinygrad_rnn.measure.lanes import one_lane
from tinygrad_rnn.measure.results import Table

__all__ = ["GateDifferences", "clamped", "gate_differences"]


@dataclass(frozen=True, eq=False, repr=False)
class GateDifferences(Table):
    """The gates of two records of one cell, and their difference.

    Attributes
    ----------
    first, second
        `Gates` of either.
    difference
        second − first by letter, (T, examples, units).
    """

    first: Gates
    second: Gates

    @property
    def steps(self) -> np.ndarray:
        """T of each row, (T,)."""
        return self.first.steps

    @property
    def difference(self) -> dict[str, np.ndarray]:
        """Second − first by letter, (T, examples, units)."""
        return {k: self.second.values[k] - v for k, v in self.first.values.items()}

    def columns(self) -> dict[str, Any]:
        """One row per letter, step, example and unit."""
        columns = self.first.columns()
        first = columns.pop("value")
        second = self.second.columns()["value"]
        difference = np.subtract(second, first)
        return columns | {"first": first, "second": second, "difference": difference}


def gate_differences(
    first: Any,
    second: Any,
    letters: str | Sequence[str] | None = None,
    lane: str | None = None,
) -> GateDifferences:
    """The gates of one cell in two records, side by side.

    Parameters
    ----------
    first, second
        Losses, or outputs, of as many steps and examples: two inputs through the same weights, or
        the same inputs before and after `clamped`.
    letters, lane
        As in `measure.gates`.

    Raises
    ------
    ValueError
        The records differ in their letters, steps or shapes; or as `measure.gates`.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> cell = nn.GRUCell(2, 3, rng=0)
    >>> (a, _), (b, _) = nn.unroll(cell, np.ones((5, 1, 2))), nn.unroll(cell, np.zeros((5, 1, 2)))
    >>> {letter: d.shape for letter, d in gate_differences(a[-1], b[-1]).difference.items()}
    {'r': (5, 1, 3), 'z': (5, 1, 3)}
    """
    found = [gates(x, letters, lane) for x in (first, second)]
    shapes = [{k: v.shape for k, v in g.values.items()} for g in found]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "gate_differences: expected two records with gates of one shape, got "
            f"{shapes[0]} and {shapes[1]}. Unroll one cell over as many steps and examples."
        )
    return GateDifferences(*found)


def clamped(
    roots: Any,
    letter: str,
    value: float,
    *,
    steps: Iterable[int] | None = None,
    units: Iterable[int] | None = None,
    lane: str | None = None,
) -> Any:
    """The record run again with a named value held at a number: a new record, to be measured.

    All else is computed as recorded, so later states and the loss follow from what was changed. A
    value held is a constant: no gradient flows through it.

    Parameters
    ----------
    roots
        The loss, or outputs, in any structure.
    letter, value
        Which named value, such as ``"f"``, and what it is held at.
    steps, units
        At which t, and in which units; all by default.
    lane
        Which, the top layer by default.

    Returns
    -------
    Tensors in the structure of `roots`.

    Raises
    ------
    ValueError
        No such letter, lane, step or unit.

    Examples
    --------
    >>> from tinygrad_rnn import measure, nn
    >>> outputs, (h, c) = nn.unroll(nn.LSTMCell(2, 3, rng=0), np.ones((5, 1, 2)))
    >>> kept = clamped(outputs[-1], "f", 1.0)
    >>> measure.gates(kept, "f").values["f"].min(), bool((kept.data == outputs[-1].data).any())
    (np.float64(1.0), False)
    """
    every = tensors(roots)
    found = one_lane(every, lane)
    places, xs = found.of(letter)
    at = [found.steps[k] for k in places]
    chosen = set(at) if steps is None else set(steps)
    if unknown := chosen - set(at):
        raise ValueError(
            f"clamped: {letter} of {found.name} has no step {sorted(unknown)[0]}; it has "
            f"{min(at)} … {max(at)}."
        )
    width = xs[0].shape[-1] if xs[0].ndim else 1
    columns = list(range(width)) if units is None else list(units)
    if any(not 0 <= k < width for k in columns):
        raise ValueError(f"clamped: {letter} has units 0 … {width - 1}, got {columns}.")
    held = {x for t, x in zip(at, xs, strict=True) if t in chosen}
    whole = units is None
    twins: dict[Tensor, Any] = {}
    token = context.set(context.get())
    try:
        for node in ancestors(*every):
            if node.op is None:
                twins[node] = node
                continue
            context.set(context.get().at(node.scope))
            inputs = [twins[x] if type(x) is Tensor else x for x in node.inputs]
            twins[node] = node.op(*inputs, **node.options)
            if node in held:
                twins[node] = _held(twins[node], value, None if whole else columns)
            twins[node].name = node.name
    finally:
        context.reset(token)
    return tree.rebuild(roots, [twins[x] for x in every])


def _held(x: Tensor, value: float, columns: list[int] | None) -> Tensor:
    """`value` in these columns of x, or in all: an operation, so that it stands in its step."""
    free = np.ones(x.shape[-1:] if x.ndim else (), x.dtype)
    if columns is None:
        free = np.zeros_like(free)
    else:
        free[columns] = 0
    return x * free + (1 - free) * np.asarray(value, x.dtype)
