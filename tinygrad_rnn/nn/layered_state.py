"""How do the states of many layers and directions form one state?

Each part gets one more axis in front, over all layers and directions, as in torch. If the states
differ in size, they form a list.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import numpy as np

from tinygrad_rnn.engine.blocks import no_grad
from tinygrad_rnn.engine.operands import shaped
from tinygrad_rnn.engine.primitives import stack
from tinygrad_rnn.engine.tensor import values
from tinygrad_rnn.nn.runner import batch_of
from tinygrad_rnn.nn.state import each, parts

__all__ = ["check_states", "nth", "together"]


def check_states(owner: str, cells: list[Any], xs: Any, state: Any) -> None:
    """Refuse a state for other layers or another batch: NumPy would broadcast a row of it."""
    many = {len(state)} if type(state) is list else {np.shape(values(x))[:1] for x in parts(state)}
    if many - {len(cells), (len(cells),)}:
        raise ValueError(
            f"{owner}: expected a state whose parts are (layers · directions, batch, …) = "
            f"({len(cells)}, …), or a list of {len(cells)} states; got {_shapes(state)}. Pass what "
            "the layer returned for the batch before."
        )
    batch = batch_of(shaped(values(xs)[0]))
    for k, cell in enumerate(cells):
        if not hasattr(cell, "initial_state"):
            continue
        with no_grad():
            expected, found = cell.initial_state(*batch), nth(state, k)
        if found is not None and _shapes(found) != _shapes(expected):
            raise ValueError(
                f"{owner}: expected the state of cell {k} in the shapes {_shapes(expected)} for a "
                f"batch of {batch}, got {_shapes(found)}. Pass what the layer returned for the "
                "batch before."
            )


def _shapes(state: Any) -> Any:
    """The shapes of all parts of a state, in its structure."""

    def shape(x: Any) -> tuple[int, ...]:
        return np.shape(values(x))

    return each(shape, state)


def nth(state: Any, k: int) -> Any:
    """The first state of one direction of one layer."""
    if state is None or type(state) is list:
        return state and state[k]
    return each(itemgetter(k), state)


def together(finals: list[Any]) -> Any:
    """The final states as one, part by part, if their shapes are equal."""
    shapes = {tuple(np.shape(values(x)) for x in parts(final)) for final in finals}

    def stacked(*xs: Any) -> Any:
        return stack(xs)

    return each(stacked, *finals) if len(shapes) == 1 else finals
