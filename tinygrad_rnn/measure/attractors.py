"""Where does a state come to rest, and does it stay there?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.engine.context import no_grad
from tinygrad_rnn.engine.derivatives import jacobian
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.measure.results import Table

__all__ = ["Attractors", "attractors"]


@dataclass(frozen=True, eq=False)
class Attractors(Table):
    """Paths of a state under a constant input, and the points they end in.

    Attributes
    ----------
    paths
        (steps + 1, starts, units).
    points
        Where paths come to rest, each once, (points, units).
    radius
        The spectral radius of ∂h'/∂h there; below 1 a small push dies out, (points,).
    ends
        Which point each path ends in; −1 if it moves on, (starts,).
    """

    paths: np.ndarray
    points: np.ndarray
    radius: np.ndarray
    ends: np.ndarray

    def columns(self) -> dict[str, Any]:
        """One row per start and step, a column per unit."""
        step, start = np.indices(self.paths.shape[:2]).reshape(2, -1)
        flat = self.paths.reshape(-1, self.paths.shape[-1])
        return {
            "start": start,
            "step": step,
            "ends_in": self.ends[start],
            **{f"h{k}": flat[:, k] for k in range(flat.shape[1])},
        }


def attractors(
    cell: Any, x: Any, starts: Any, steps: int = 200, *, tolerance: float = 1e-6
) -> Attractors:
    """Run a cell from many states at once under one input, and see where they end.

    Parameters
    ----------
    cell
        ``h = cell(x, h)`` with one array as its state.
    x
        The input at every step, (features,).
    starts
        States to begin from, (starts, units).
    steps
        How long.
    tolerance
        Paths that move less than this in their last step have come to rest, and points nearer
        than a hundred times that are one.

    Raises
    ------
    ValueError
        `starts` is no table, or the state is no single array.
    """
    h: Any = np.asarray(starts, dtype=float)
    if h.ndim != 2:
        raise ValueError(f"attractors: expected starts (starts, units), got shape {h.shape}.")
    xs = np.broadcast_to(np.asarray(x, dtype=float), (len(h), np.size(x)))
    paths = [h]
    with no_grad():
        for _ in range(steps):
            h = cell(xs, h)
            if isinstance(h, (tuple, list)):
                raise ValueError(
                    "attractors: the state is a tuple; wrap the cell so that it is one array."
                )
            paths.append(np.array(h.data if isinstance(h, Tensor) else h))
    found = np.stack(paths)
    rest = (
        np.abs(found[-1] - found[-2]).max(axis=1) < tolerance if steps else np.zeros(len(h), bool)
    )
    points: list[np.ndarray] = []
    ends = np.full(len(found[0]), -1)
    for k in np.nonzero(rest)[0]:
        near = [n for n, p in enumerate(points) if np.abs(p - found[-1, k]).max() < 100 * tolerance]
        ends[k] = near[0] if near else len(points)
        if not near:
            points.append(found[-1, k])
    radius = np.array([_radius(cell, xs[:1], p) for p in points])
    return Attractors(found, np.array(points).reshape(-1, found.shape[-1]), radius, ends)


def _radius(cell: Any, x: np.ndarray, h: np.ndarray) -> float:
    at = Tensor(h[None])
    J = jacobian(cell(x, at), at)[0, :, 0, :]
    return float(np.abs(np.linalg.eigvals(J)).max())
