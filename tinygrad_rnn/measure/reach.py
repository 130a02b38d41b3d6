"""How far back does a gradient get, where the record is cut?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.engine.backward import ancestors
from tinygrad_rnn.engine.rules import RULES
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.measure.arguments import tensors
from tinygrad_rnn.measure.lanes import lanes, time_of
from tinygrad_rnn.measure.results import Table

__all__ = ["Reach", "reach"]


@dataclass(frozen=True, eq=False, repr=False)
class Reach(Table):
    """The reach of the gradient of a state back through its lane.

    Attributes
    ----------
    lane, letter
        Whose.
    steps
        t of each state, in the order the lane was run, (T,).
    first
        t of the earliest step of the lane that a gradient of this state gets to, (T,).
    back
        How many steps that is back, (T,).
    cuts
        t of the steps with a `stop_gradient` inside.
    """

    lane: str
    letter: str
    steps: np.ndarray
    first: np.ndarray
    back: np.ndarray
    cuts: np.ndarray

    def columns(self) -> dict[str, Any]:
        """One row per step."""
        return {
            "lane": [self.lane] * len(self.steps),
            "letter": [self.letter] * len(self.steps),
            "t": self.steps,
            "first": self.first,
            "back": self.back,
            "cut": np.isin(self.steps, self.cuts),
        }


def reach(roots: Tensor | Sequence[Tensor]) -> tuple[Reach, ...]:
    """For every lane and state, how many steps back its gradient reaches; one look at each node.

    The ways that are there, whatever the size of what flows along them: a gradient that vanishes
    still reaches.

    Parameters
    ----------
    roots
        The loss, or outputs.

    Raises
    ------
    TypeError, ValueError
        `roots` are no Tensors, or nothing behind them belongs to a time step.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> outputs, _ = nn.unroll(nn.RNNCell(2, 3, rng=0), np.ones((6, 1, 2)), truncate=3)
    >>> reach(outputs[-1])[0].back.tolist(), reach(outputs[-1])[0].cuts.tolist()
    ([0, 1, 2, 0, 1, 2], [3])
    """
    every = lanes(roots)
    nodes = ancestors(*tensors(roots))
    found = []
    for lane in every:
        number = {x: k for k, members in enumerate(lane.members) for x in members}
        earliest: dict[Tensor, int] = {}
        cuts: set[int] = set()
        for node in nodes:
            if node.op is None:
                continue
            here = number.get(node)
            if node.op not in RULES or node.dtype.kind != "f":
                t = time_of(node)
                if node.op.name == "stop_gradient" and here is not None and t is not None:
                    cuts.add(t)
                continue
            ways = [earliest[x] for x in node.inputs if type(x) is Tensor and x in earliest]
            if here is not None:
                ways.append(here)
            if ways:
                earliest[node] = min(ways)
        for letter in lane.states:
            indices, xs = lane.of(letter)
            first = [min(earliest.get(x, k), k) for k, x in zip(indices, xs, strict=True)]
            steps = np.array(lane.steps)
            found.append(
                Reach(
                    lane.name,
                    letter,
                    steps[indices],
                    steps[first],
                    np.array(indices) - np.array(first),
                    np.array(sorted(cuts), dtype=int),
                )
            )
    return tuple(found)
