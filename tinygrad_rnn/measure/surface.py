"""What does the loss look like over two of its numbers, and where does a step lead?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.border import as_array
from tinygrad_rnn.engine.backward import grad
from tinygrad_rnn.engine.context import scope
from tinygrad_rnn.engine.primitives import sigmoid
from tinygrad_rnn.engine.tensor import Tensor, named
from tinygrad_rnn.measure.results import Table

__all__ = ["Surface", "loss_surface", "pascanu_wall"]


@dataclass(frozen=True, eq=False, repr=False)
class Surface(Table):
    """A loss over a grid, and its gradient.

    Attributes
    ----------
    a, b
        The values along the axes, (A,) and (B,).
    loss, slope_a, slope_b
        (A, B) each.
    """

    a: np.ndarray
    b: np.ndarray
    loss: np.ndarray
    slope_a: np.ndarray
    slope_b: np.ndarray

    def columns(self) -> dict[str, Any]:
        """One row per point."""
        i, j = np.indices(self.loss.shape).reshape(2, -1)
        return {
            "a": self.a[i],
            "b": self.b[j],
            "loss": self.loss.ravel(),
            "slope_a": self.slope_a.ravel(),
            "slope_b": self.slope_b.ravel(),
        }

    def steepest(self) -> tuple[float, float]:
        """The place (a, b) where the gradient is longest; NaN is left out.

        Raises ValueError if it is NaN everywhere.
        """
        with np.errstate(all="ignore"):
            length = np.hypot(self.slope_a, self.slope_b)
        if np.isnan(length).all():
            raise ValueError("steepest: the gradient is NaN at every point of the surface.")
        i, j = np.unravel_index(np.nanargmax(length), length.shape)
        return float(self.a[i]), float(self.b[j])


def pascanu_wall(w: Any, b: Any, steps: int = 50, start: float = 0.5, target: float = 0.7) -> Any:
    """(σ(x_T) − 0.7)² of the net with one unit x_t = w σ(x_{t−1}) + b, T = 50.

    Figure 6 of Pascanu, Mikolov & Bengio 2013, "On the difficulty of training recurrent neural
    networks": along a curve of (w, b) the loss rises like a wall, because the derivative explodes.

    Parameters
    ----------
    w, b
        Tensors or arrays; any shape, element by element.
    steps, start, target
        T, x_0, and what σ(x_T) should be, in (0, 1).

    Examples
    --------
    >>> float(pascanu_wall(5.0, -3.0).round(4))
    0.4042
    """
    x: Any = start
    for t in range(steps):
        with scope("unit", t=t):
            x = named(x=w * sigmoid(x) + b)
    return (sigmoid(x) - target) ** 2


def loss_surface(loss: Callable[[Any, Any], Any], a: Any, b: Any) -> Surface:
    """The loss and its exact gradient over the grid a × b, by one run and one walk back.

    Parameters
    ----------
    loss
        ``loss(a, b)``, element by element: each element of its result depends on the elements of a
        and b at its own place.
    a, b
        The values along the axes, (A,) and (B,).

    Raises
    ------
    ValueError
        An axis is no vector, or the loss is no Tensor of the shape of the grid.

    Examples
    --------
    >>> found = loss_surface(pascanu_wall, np.linspace(2, 8, 4), np.linspace(-4, 0, 3))
    >>> found.loss.shape, found.slope_a.shape
    ((4, 3), (4, 3))
    """
    a, b = (np.atleast_1d(as_array(x, "loss_surface").astype(float)) for x in (a, b))
    if a.ndim != 1 or b.ndim != 1 or not a.size or not b.size:
        raise ValueError(
            f"loss_surface: expected the values along each axis as a vector, got shapes {a.shape} "
            f"and {b.shape}."
        )
    A, B = (Tensor(grid) for grid in np.meshgrid(a, b, indexing="ij"))
    with np.errstate(all="ignore"):
        y = loss(A, B)
        if not isinstance(y, Tensor) or y.shape != A.shape:
            got = y.shape if isinstance(y, Tensor) else f"{type(y).__name__}, which has no history"
            raise ValueError(
                f"loss_surface: expected a Tensor of the grid's shape {A.shape}, got {got}. The "
                "loss is computed for all points at once: write it element by element."
            )
        slopes = grad(y, [A, B], np.ones(y.shape), unused="zero")
    return Surface(a, b, np.array(y.data), *slopes)
