"""Are the gates open or shut, and how near to its bounds is the state?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.engine.kinds import VIEW
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.measure.arguments import letters_of
from tinygrad_rnn.measure.lanes import Lane, one_lane
from tinygrad_rnn.measure.matrix import default_letter
from tinygrad_rnn.measure.results import Table

__all__ = ["Gates", "Saturation", "gates", "saturation"]


@dataclass(frozen=True, eq=False, repr=False)
class Gates(Table):
    """The values of all gates of a lane.

    Attributes
    ----------
    lane, steps
        Whose, and t of each step, (T,).
    values
        By letter, (T, examples, units), between 0 and 1; NaN at a step without it.
    """

    lane: str
    steps: np.ndarray
    values: dict[str, np.ndarray]

    def saturated(self, low: float = 0.1, high: float = 0.9) -> dict[str, np.ndarray]:
        """By letter, the fractions of its values below `low` and above `high`: (units, 2).

        Over steps and examples (Karpathy, Johnson & Li 2015, "Visualizing and understanding
        recurrent networks", section 4.2). NaN is left out; a unit of nothing else has NaN.
        """
        found = {}
        for letter, v in self.values.items():
            count = (~np.isnan(v)).sum(axis=(0, 1)).astype(float)
            count[count == 0] = np.nan
            ends = (v < low).sum(axis=(0, 1)), (v > high).sum(axis=(0, 1))
            found[letter] = np.stack(ends, axis=-1) / count[:, None]
        return found

    def columns(self) -> dict[str, Any]:
        """One row per letter, step, example and unit."""
        found: dict[str, list[Any]] = {k: [] for k in ("gate", "t", "example", "unit", "value")}
        for letter, v in self.values.items():
            t, example, unit = np.indices(v.shape).reshape(3, -1)
            for key, column in zip(
                found, ([letter] * v.size, self.steps[t], example, unit, v.ravel()), strict=True
            ):
                found[key].extend(np.asarray(column).tolist())
        return found


@dataclass(frozen=True, eq=False, repr=False)
class Saturation(Table):
    """1 − |h_t|: how far the units of a tanh are from where their slope is 0.

    Attributes
    ----------
    lane, letter, steps
        Whose, which value, and t of each step, (T,).
    distance
        (T, examples, units); the slope of tanh there is distance·(2 − distance).
    """

    lane: str
    letter: str
    steps: np.ndarray
    distance: np.ndarray

    def columns(self) -> dict[str, Any]:
        """One row per step, example and unit."""
        t, example, unit = np.indices(self.distance.shape).reshape(3, -1)
        return {
            "t": self.steps[t],
            "example": example,
            "unit": unit,
            "distance": self.distance.ravel(),
        }


def gates(
    roots: Tensor | Sequence[Tensor],
    letters: str | Sequence[str] | None = None,
    lane: str | None = None,
) -> Gates:
    """The values of the gates: by default all named values that a sigmoid made, or parts of such.

    Parameters
    ----------
    roots
        The loss, or outputs.
    letters
        Which named values, one or a list.
    lane
        Which, the top layer by default.

    Raises
    ------
    ValueError
        The cell has no gates, or none of these letters.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> outputs, _ = nn.unroll(nn.GRUCell(2, 3, rng=0), np.ones((5, 1, 2)))
    >>> {letter: v.shape for letter, v in gates(outputs[-1]).values.items()}
    {'r': (5, 1, 3), 'z': (5, 1, 3)}
    """
    found = one_lane(roots, lane)
    wanted = letters_of(letters, _sigmoids(found))
    if not wanted:
        raise ValueError(
            f"gates: {found.name} has no named value that a sigmoid made; its letters are: "
            f"{', '.join(found.values) or 'none'}. Say which to show: letters=…"
        )
    return Gates(
        found.name,
        np.array(found.steps),
        {letter: _every_step(found, letter) for letter in wanted},
    )


def saturation(
    roots: Tensor | Sequence[Tensor], letter: str | None = None, lane: str | None = None
) -> Saturation:
    """1 − |h_t| at every step that has it.

    Parameters
    ----------
    roots
        The loss, or outputs.
    letter
        Which named value; ``"h"`` by default, or the last of the states.
    lane
        Which, the top layer by default.

    Raises
    ------
    ValueError
        No such letter, no such lane, or a state that changes its shape.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> outputs, _ = nn.unroll(nn.RNNCell(2, 3, rng=0), np.ones((5, 1, 2)))
    >>> saturation(outputs[-1]).distance.shape
    (5, 1, 3)
    """
    found = one_lane(roots, lane)
    letter = letter or default_letter(found)
    indices, _ = found.of(letter)
    steps = np.array([found.steps[k] for k in indices])
    return Saturation(found.name, letter, steps, 1 - np.abs(by_example(found.array(letter))))


def by_example(v: np.ndarray) -> np.ndarray:
    """(T, *batch, units) as (T, examples, units)."""
    return v.reshape(len(v), -1, v.shape[-1] if v.ndim > 1 else 1)


def _every_step(lane: Lane, letter: str) -> np.ndarray:
    """(T, examples, units), NaN where a step does not have the letter."""
    indices, _ = lane.of(letter)
    found = by_example(lane.array(letter))
    if len(indices) == len(lane.steps):
        return found
    every = np.full((len(lane.steps), *found.shape[1:]), np.nan)
    every[indices] = found
    return every


def _sigmoids(lane: Lane) -> list[str]:
    made = {
        letter: {_maker(x) for x in xs if x is not None and x.op is not None}
        for letter, xs in lane.values.items()
    }
    return [letter for letter, ops in made.items() if ops == {"sigmoid"}]


def _maker(x: Tensor) -> str:
    """The operation that computed the value: cells take the sigmoid of all gates at once."""
    while x.op is not None and x.op.kind is VIEW:
        x = x.inputs[0]
    return x.op.name if x.op is not None else ""
