"""How much gradient arrives at the state of each step?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.engine.backward import grad
from tinygrad_rnn.engine.norm import norm
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.measure.arguments import letters_of, one_tensor, stacked
from tinygrad_rnn.measure.lanes import lanes
from tinygrad_rnn.measure.results import Table

__all__ = ["StateGradient", "StateGradients", "state_gradients"]


@dataclass(frozen=True, eq=False)
class StateGradient:
    """∂L/∂h_t for one lane and one letter.

    Attributes
    ----------
    lane, letter
        Whose.
    steps
        t of each row, in the order the lane was run, (T,).
    gradients
        (T, *shape of the state).
    norms
        Euclidean, over the batch and all units, (T,).
    reached
        Whether any way leads back from the loss to the state; behind a cut the norm is 0 and this
        is False, a gradient that vanished to an exact 0 is True, (T,).
    """

    lane: str
    letter: str
    steps: np.ndarray
    gradients: np.ndarray
    norms: np.ndarray
    reached: np.ndarray

    def rate(self) -> float:
        """By what factor the norm changes per step back: a line through its logarithm.

        Over the steps with a norm that is neither 0 nor infinite; NaN if there are fewer than two.
        """
        good = np.isfinite(self.norms) & (self.norms > 0)
        back = np.arange(len(self.norms))[::-1][good]
        return (
            float(np.exp(np.polyfit(back, np.log(self.norms[good]), 1)[0]))
            if len(back) > 1
            else float("nan")
        )


@dataclass(frozen=True, eq=False)
class StateGradients(Table):
    """All of them; index by place, or by (lane, letter) or letter."""

    rows: tuple[StateGradient, ...]

    def __getitem__(self, key: Any) -> StateGradient:
        if isinstance(key, int):
            return self.rows[key]
        for row in reversed(self.rows):
            if key in (row.letter, (row.lane, row.letter)):
                return row
        known = ", ".join(f"({row.lane!r}, {row.letter!r})" for row in self.rows)
        raise KeyError(f"no gradient of {key!r}; there are: {known}")

    def __len__(self) -> int:
        return len(self.rows)

    def columns(self) -> dict[str, Any]:
        """One row per lane, letter and step."""
        return {
            "lane": [row.lane for row in self.rows for _ in row.steps],
            "letter": [row.letter for row in self.rows for _ in row.steps],
            "t": np.concatenate([row.steps for row in self.rows]),
            "norm": np.concatenate([row.norms for row in self.rows]),
            "reached": np.concatenate([row.reached for row in self.rows]),
        }


def state_gradients(loss: Tensor, letters: str | Sequence[str] | None = None) -> StateGradients:
    """∂L/∂h_t (and ∂L/∂c_t …) at every step of every layer, by one walk back.

    The derivative is total: that by c_t includes what flows by way of h_t, if h_t was made from it.

    Parameters
    ----------
    loss
        A recorded scalar.
    letters
        Which values; by default those that are handed on from step to step. Any named value will
        do, ``"f"`` too.

    Raises
    ------
    ValueError
        There are no such letters, no time steps, `loss` is no scalar, or a state changes its shape.
    TypeError
        `loss` is no recorded Tensor.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> outputs, _ = nn.unroll(nn.LSTMCell(2, 3, rng=0), np.ones((5, 1, 2)))
    >>> found = state_gradients(outputs[-1].sum())
    >>> [(row.lane, row.letter, row.norms.shape) for row in found.rows]
    [('lstm', 'c', (5,)), ('lstm', 'h', (5,))]
    """
    every = lanes(one_tensor(loss))
    chosen = [
        (lane, letter)
        for lane in every
        for letter in letters_of(letters, lane.states)
        if letter in lane.values
    ]
    if not chosen:
        known = {letter: None for lane in every for letter in lane.values}
        asked = ", ".join(letters_of(letters, ["a state"]))
        raise ValueError(
            f"state_gradients: no step has {asked}; the letters of this record are: "
            f"{', '.join(known) or 'none'}. Name values in the cell: named(h=…)."
        )
    targets = {x: None for lane, letter in chosen for x in lane.of(letter)[1]}
    reached = {loss}
    with np.errstate(all="ignore"):  # infinities and NaN are what is measured
        found = grad(
            loss,
            {x: x for x in targets},
            unused="zero",
            on_edge=lambda node, k, _: reached.add(node.inputs[k]),
        )
    rows = []
    for lane, letter in chosen:
        places, xs = lane.of(letter)
        steps = [lane.steps[k] for k in places]
        gs = [found[x] for x in xs]
        rows.append(
            StateGradient(
                lane.name,
                letter,
                np.array(steps),
                stacked(f"{letter} of {lane.name}", steps, gs),
                np.array([norm(g) for g in gs]),
                np.array([x in reached for x in xs]),
            )
        )
    return StateGradients(tuple(rows))
