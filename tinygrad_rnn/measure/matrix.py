"""Who sends how much gradient back to whom? The norms of ∂L_t/∂h_k for the loss of every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.engine.backward import grad
from tinygrad_rnn.engine.norm import norm
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.measure.arguments import tensors
from tinygrad_rnn.measure.lanes import Lane, one_lane, time_of
from tinygrad_rnn.measure.results import Table

__all__ = ["GradientMatrix", "gradient_matrix"]


@dataclass(frozen=True, eq=False, repr=False)
class GradientMatrix(Table):
    """‖∂L_t/∂h_k‖: one row per loss, one column per step.

    Attributes
    ----------
    lane, letter
        Whose states.
    losses, steps
        t of each row: the step it was made in, or else the last of the lane that it reaches; the
        number of the loss if that tells them not apart. k of each column, in the order of the run.
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
        """``[k, d]``: what arrives at the k-th column from the loss d steps of the run later.

        0 where there is none: in a reversed lane d = 1 is the loss at the time before. Losses at a
        time that is none of `steps` have no distance.
        """
        place = {int(t): n for n, t in enumerate(self.steps)}
        found = np.zeros((len(self.steps), len(self.steps)))
        for row, t in zip(self.norms, self.losses, strict=True):
            last = place.get(int(t), -1)
            for k in range(last + 1):
                found[k, last - k] += row[k]
        return found


def gradient_matrix(
    losses: Sequence[Tensor], letter: str | None = None, lane: str | None = None
) -> GradientMatrix:
    """The norm of ∂L_t/∂h_k for all losses and all steps; one walk back per loss.

    The answer has T × T numbers, and the work for L_t is one walk over what it depends on. All
    examples share that walk. The losses do not: a rule gives one cotangent the shape of one input,
    and with an axis of losses in front every rule with an axis (sum, reshape, matmul) would need a
    second form.

    Parameters
    ----------
    losses
        Recorded scalars, one per step.
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
    for row, loss in enumerate(roots):
        arrived = {loss}
        with np.errstate(all="ignore"):  # infinities and NaN are what is measured
            gs = grad(
                loss,
                states,
                unused="zero",
                on_edge=lambda node, k, _, to=arrived: to.add(node.inputs[k]),
            )
        for column, x in enumerate(states):
            if x in arrived:
                reached[row, column] = True
                norms[row, column] = norm(gs[column])
    steps = np.array([found.steps[k] for k in places])
    return GradientMatrix(found.name, letter, _times(roots, steps, reached), steps, norms, reached)


def default_letter(lane: Lane) -> str:
    """The letter h if that is a state, else the last: what the others went into."""
    if not lane.states:
        raise ValueError(
            f"measure: {lane.name} hands no value on from step to step. Say which is meant: "
            "letter=…"
        )
    return "h" if "h" in lane.states else lane.states[-1]


def _times(roots: list[Tensor], steps: np.ndarray, reached: np.ndarray) -> np.ndarray:
    """The step of each loss, if each was made in one or reaches another; else their number."""
    own = [t for t in map(time_of, roots) if t is not None]
    if len(own) == len(roots):
        return np.array(own)
    if reached.any(axis=1).all():
        last = steps[reached.shape[1] - 1 - reached[:, ::-1].argmax(axis=1)]
        if len(set(last.tolist())) == len(roots):
            return last
    return np.arange(len(roots))
