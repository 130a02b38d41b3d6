"""Where does a state come to rest, and does it stay there?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.border import as_array
from tinygrad_rnn.engine.backward import grad
from tinygrad_rnn.engine.blocks import no_grad
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.measure.arguments import is_whole
from tinygrad_rnn.measure.results import Table

__all__ = ["Attractors", "attractors"]


@dataclass(frozen=True, eq=False, repr=False)
class Attractors(Table):
    """Paths of a state under a constant input, and the points where it would stay.

    Attributes
    ----------
    paths
        (steps + 1, starts, units).
    points
        Where paths come to rest, then others with h' = h that were found, (points, units).
    radius
        The spectral radius of ∂h'/∂h there: below 1 a small push dies out, an attractor; above 1
        it grows; NaN where the Jacobian is not finite, (points,).
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
        ``h = cell(x, h)`` with one array as its state, one row per start.
    x
        The input at every step, (features,).
    starts
        States to begin from, (starts, units).
    steps
        How many, 0 or more.
    tolerance
        Paths that move less than this in their last step have come to rest, and points nearer
        than a hundred times that are one; above 0.

    Raises
    ------
    ValueError
        `starts` is no table, x no vector, a number lies outside, or the state is no single array
        of the shape of `starts`.

    Examples
    --------
    >>> from tinygrad_rnn import tanh
    >>> found = attractors(lambda x, h: tanh(2 * h + x), [0.0], [[-0.1], [0.1]])
    >>> found.points.round(3).ravel().tolist(), found.ends.tolist()  # two attract, 0 repels
    ([-0.958, 0.958, 0.0], [0, 1])
    """
    starts, x = as_array(starts, "attractors: starts"), as_array(x, "attractors: x")
    h: Any = np.asarray(starts, dtype=float)
    if h.ndim != 2 or not h.size:
        raise ValueError(f"attractors: expected starts (starts, units), got shape {h.shape}.")
    if np.ndim(x) > 1:
        raise ValueError(f"attractors: expected one input (features,), got shape {np.shape(x)}.")
    if not is_whole(steps) or steps < 0 or not 0 < tolerance < np.inf:
        raise ValueError(
            "attractors: expected a whole number of steps, 0 or more, and a tolerance above 0, got "
            f"{steps} and {tolerance}."
        )
    xs = np.broadcast_to(np.asarray(x, dtype=float), (len(h), np.size(x)))
    paths = [h]
    with no_grad(), np.errstate(all="ignore"):
        for _ in range(steps):
            h = _after(cell, xs, h).data
            paths.append(np.array(h))
        found = np.stack(paths)
        rest = np.zeros(len(h), bool)
        if steps:
            rest = np.abs(found[-1] - found[-2]).max(axis=1) < tolerance
    points: list[np.ndarray] = []
    ends = np.full(len(found[0]), -1)

    def number(p: np.ndarray) -> int:
        near = [n for n, q in enumerate(points) if np.abs(p - q).max() < 100 * tolerance]
        if not near:
            points.append(p)
        return near[0] if near else len(points) - 1

    for k in np.nonzero(rest)[0]:
        ends[k] = number(found[-1, k])
    for p in _fixed(cell, xs, found[0], tolerance):
        number(p)
    radius = np.array([_radius(_slopes(cell, xs[:1], p[None])[1][0]) for p in points])
    return Attractors(found, np.array(points).reshape(-1, found.shape[-1]), radius, ends)


def _after(cell: Any, xs: np.ndarray, h: Any) -> Tensor:
    """The next state, checked."""
    after = cell(xs, h)
    if isinstance(after, (tuple, list, dict)):
        raise ValueError(
            f"attractors: the state is a {type(after).__name__}; wrap the cell so that it is one "
            "array."
        )
    after = after if isinstance(after, Tensor) else Tensor(after)
    if after.shape != h.shape:
        raise ValueError(
            f"attractors: the cell made a state of shape {after.shape} from one of {h.shape}; "
            "expected one row per start, as before."
        )
    return after


def _radius(J: np.ndarray) -> float:
    return float(np.abs(np.linalg.eigvals(J)).max()) if np.isfinite(J).all() else float("nan")


def _fixed(cell: Any, xs: np.ndarray, h: np.ndarray, tolerance: float) -> np.ndarray:
    """Points with h = cell(x, h), stable or not, by Newton's method from every start."""
    inside = np.abs(h).max(axis=0) + 1
    with np.errstate(all="ignore"):
        for _ in range(30):
            after, J = _slopes(cell, xs, h)
            A = np.eye(h.shape[1]) - J
            good = np.isfinite(A).all(axis=(1, 2)) & (np.abs(np.linalg.det(A)) > 1e-12)
            step = np.zeros_like(h)
            step[good] = np.linalg.solve(A[good], (after - h)[good][..., None])[..., 0]
            h = np.clip(h + step, -inside, inside)
        after, _ = _slopes(cell, xs, h)
        return h[np.abs(after - h).max(axis=1) < tolerance]


def _slopes(cell: Any, xs: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The state after each h, and its Jacobian: one walk per unit for all of them."""
    at = Tensor(h)
    after = _after(cell, xs, at)
    rows = []
    for k in range(h.shape[1]):
        cotangent = np.zeros(h.shape)
        cotangent[:, k] = 1
        rows.append(grad(after, at, cotangent, unused="zero"))
    return after.data, np.stack(rows, axis=1)
