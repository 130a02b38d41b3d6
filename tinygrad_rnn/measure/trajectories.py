"""Which way does a state take through its space, and in which plane is most of it seen?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.measure.gates import by_example
from tinygrad_rnn.measure.lanes import one_lane
from tinygrad_rnn.measure.matrix import default_letter
from tinygrad_rnn.measure.results import Brief, Table

__all__ = ["Plane", "Trajectories", "principal_plane", "trajectories"]


@dataclass(frozen=True, eq=False, repr=False)
class Plane(Brief):
    """The plane, in the space of a state, in which its points vary most.

    Attributes
    ----------
    mean
        The point that the plane goes through, (units,).
    directions
        Orthonormal, the more important first, each with its largest element positive: (2, units);
        (1, 1) of a state of one unit.
    explained
        The share of the variance along each, between 0 and 1, (2,); 0 if nothing varies.
    """

    mean: np.ndarray
    directions: np.ndarray
    explained: np.ndarray

    def project(self, points: np.ndarray) -> np.ndarray:
        """The coordinates of points (…, units) in the plane, (…, 2)."""
        with np.errstate(all="ignore"):
            return (points - self.mean) @ self.directions.T


@dataclass(frozen=True, eq=False, repr=False)
class Trajectories(Table):
    """The states of a lane at all steps, as points.

    Attributes
    ----------
    lane, letter, steps
        Whose, which state, and t of each, (T,).
    states
        (T, examples, units).
    plane
        That of all of them, see `principal_plane`.
    """

    lane: str
    letter: str
    steps: np.ndarray
    states: np.ndarray
    plane: Plane

    def columns(self) -> dict[str, Any]:
        """One row per step and example: the principal components, then every unit."""
        t, example = np.indices(self.states.shape[:2]).reshape(2, -1)
        flat = self.states.reshape(-1, self.states.shape[-1])
        along = self.plane.project(flat)
        return {
            "t": self.steps[t],
            "example": example,
            **{f"component{k + 1}": along[:, k] for k in range(along.shape[1])},
            **{f"{self.letter}{k}": flat[:, k] for k in range(flat.shape[1])},
        }


def trajectories(roots: Any, letter: str | None = None, lane: str | None = None) -> Trajectories:
    """The states h_t of a lane as points, and the plane of their two principal components.

    Parameters
    ----------
    roots
        The loss, or outputs.
    letter, lane
        Which value, the last state by default; of which lane, the top layer by default.

    Raises
    ------
    ValueError
        There is no such letter or lane.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> outputs, _ = nn.unroll(nn.GRUCell(2, 5, rng=0), np.ones((6, 1, 2)))
    >>> found = trajectories(outputs[-1])
    >>> found.states.shape, found.plane.directions.shape, bool(found.plane.explained.sum() > 0.9)
    ((6, 1, 5), (2, 5), True)
    """
    found = one_lane(roots, lane)
    letter = letter or default_letter(found)
    indices, _ = found.of(letter)
    states = by_example(np.asarray(found.array(letter), dtype=float))
    steps = np.array([found.steps[k] for k in indices])
    return Trajectories(found.name, letter, steps, states, principal_plane(states))


def principal_plane(points: np.ndarray) -> Plane:
    """The mean of points (…, units), and the two directions in which they vary most.

    Principal components by the singular values of the centred points; those that are not finite
    are left out.

    Examples
    --------
    >>> principal_plane(np.array([[0.0, 0, 1], [2, 0, 1], [4, 0, 1]])).explained
    array([1., 0.])
    """
    flat = np.asarray(points, dtype=float).reshape(-1, np.shape(points)[-1])
    units = flat.shape[1]
    flat = flat[np.isfinite(flat).all(axis=1)]
    size = np.abs(flat).max(initial=0) or 1.0  # so that squares stay finite
    mean = (flat / size).mean(axis=0) if len(flat) else np.zeros(units)
    # never more rows than units: only the directions are asked for
    _, s, directions = np.linalg.svd(np.linalg.qr(flat / size - mean, mode="r"))
    count = min(2, units)
    variance = np.zeros(units)
    variance[: len(s)] = s**2
    share = variance / (variance.sum() or 1)
    directions = directions[:count]
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    return Plane(mean * size, directions * np.sign(largest), share[:count])
