"""Who sends how much gradient back to whom? The norms of ∂L_t/∂h_k for the loss of every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.engine.backward import ancestors, grad
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.measure.lanes import Lane, one_lane, step_of, tensors
from tinygrad_rnn.measure.results import Table, norm

__all__ = ["GradientMatrix", "gradient_matrix"]


@dataclass(frozen=True, eq=False)
class GradientMatrix(Table):
    """‖∂L_t/∂h_k‖: one row per loss, one column per step.

    Attributes
    ----------
    lane, letter
        Whose states.
    losses, steps
        t of each row and k of each column.
    norms
        Euclidean over batch and units, (losses, steps); 0 where nothing arrives.
    reached
        Whether a way leads back from L_t to h_k, (losses, steps).
    """

    lane: str
    letter: str
    losses: np.ndarray
    steps: np.ndarray
    norms: np.ndarray
    reached: np.ndarray

    def columns(self) -> dict[str, Any]:
        """One row per pair of steps that a gradient can pass between."""
        t, k = np.nonzero(self.reached)
        return {"t": self.losses[t], "k": self.steps[k], "norm": self.norms[t, k]}

    def by_distance(self) -> np.ndarray:
        """``[k, d]``: what arrives at step k from the loss d steps later; 0 where there is none."""
        place = {int(t): n for n, t in enumerate(self.losses)}
        found = np.zeros((len(self.steps), len(self.steps)))
        for column, k in enumerate(self.steps):
            for d in range(len(self.steps)):
                row = place.get(int(k) + d)
                if row is not None:
                    found[column, d] = self.norms[row, column]
        return found


def gradient_matrix(
    losses: Sequence[Tensor], letter: str | None = None, lane: str | None = None
) -> GradientMatrix:
    """The norm of ∂L_t/∂h_k for all losses and all steps; at most one walk back per loss.

    Parameters
    ----------
    losses
        Recorded scalars, one per step. The answer has T × T numbers; the work for L_t is one walk
        over what it depends on.
    letter, lane
        Which value, ``"h"`` by default: the last of the states; and of which lane: the top layer.

    Raises
    ------
    TypeError, ValueError
        A loss is no recorded scalar; there is no such letter or lane.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> outputs, _ = nn.unroll(nn.RNNCell(2, 3, rng=0), np.ones((4, 1, 2)))
    >>> gradient_matrix([(h * h).sum() for h in outputs]).reached.astype(int)
    array([[1, 0, 0, 0],
           [1, 1, 0, 0],
           [1, 1, 1, 0],
           [1, 1, 1, 1]])
    """
    if isinstance(losses, Tensor):
        raise TypeError(
            f"gradient_matrix: expected a list of losses, one per step, got one Tensor of shape "
            f"{losses.shape}. Keep the scalars apart: [loss(h) for h in outputs]."
        )
    roots = tensors(losses)
    if any(x.size != 1 for x in roots):
        shapes = ", ".join(str(x.shape) for x in roots[:4])
        raise ValueError(
            f"gradient_matrix: expected one scalar loss per step, got {shapes}. Reduce each first: "
            "sum, mean."
        )
    found = one_lane(roots, lane)
    letter = letter or default_letter(found)
    places, states = found.of(letter)
    norms = np.zeros((len(roots), len(states)))
    reached = np.zeros(norms.shape, bool)
    for t, loss in enumerate(roots):
        behind = set(ancestors(loss))
        columns = [k for k, x in enumerate(states) if x in behind]
        if not columns:
            continue
        arrived = {loss}
        with np.errstate(all="ignore"):  # infinities and NaN are what is measured
            gs = grad(
                loss,
                [states[k] for k in columns],
                unused="zero",
                on_edge=lambda node, k, _, to=arrived: to.add(node.inputs[k]),
            )
        norms[t, columns] = [norm(g) for g in gs]
        reached[t, columns] = [states[k] in arrived for k in columns]
    steps = np.array([found.steps[k] for k in places])
    return GradientMatrix(found.name, letter, _times(roots), steps, norms, reached)


def default_letter(lane: Lane) -> str:
    """The letter h if that is a state, else the last: what the others went into."""
    if not lane.states:
        raise ValueError(
            f"measure: {lane.name} hands no value on from step to step. Say which is meant: "
            "letter=…"
        )
    return "h" if "h" in lane.states else lane.states[-1]


def _times(roots: list[Tensor]) -> np.ndarray:
    """The step of each loss, if each was made in one; else their number."""
    frames = [frame for frame in map(step_of, roots) if frame is not None]
    if len(frames) == len(roots):
        return np.array([frame.t for frame in frames])
    return np.arange(len(roots))
