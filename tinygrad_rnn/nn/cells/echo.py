"""What can a network do without learning its recurrence?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine.primitives import tanh
from tinygrad_rnn.engine.tensor import Tensor, named
from tinygrad_rnn.nn.arguments import is_number
from tinygrad_rnn.nn.cells.base import SizedCell
from tinygrad_rnn.nn.samples import Sample, sampled

__all__ = ["EchoStateCell"]


class EchoStateCell(SizedCell):
    """The reservoir of an echo state network: h' = tanh(x W_x + h W_h + b)  (Jaeger 2001).

    W_x, W_h and b are arrays: nothing here learns, and a sequence of arrays is not recorded. Only a
    read-out learns, ``ReadOutCell(EchoStateCell(…), outputs, shortcut=True)``. For leaky units use
    ``LeakyCell(EchoStateCell(…), alpha)``.

    Parameters
    ----------
    input_size, hidden_size
        Features of x, units of the reservoir.
    radius
        The largest absolute eigenvalue of W_h, which is drawn from U[-1, 1) and scaled; below 1 the
        echo of an input dies out.
    density
        The fraction of W_h that is not 0.
    scale
        W_x and b start from U[-scale, scale).
    rng, dtype
        As in `GatedCell`; the radius is exact up to rounding.

    Raises
    ------
    ValueError
        `radius`, `scale` or `density` is out of range, or a sparse W_h has no eigenvalue but 0;
        otherwise as in `GatedCell`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        radius: float = 0.9,
        density: float = 1.0,
        scale: float = 1.0,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__(input_size, hidden_size, dtype)
        if not all(is_number(a) and 0 < a < np.inf for a in (radius, scale)) or (
            not is_number(density) or not 0 <= density <= 1
        ):
            raise ValueError(
                "EchoStateCell: expected a positive radius and scale and a density in [0, 1], got "
                f"{radius!r}, {scale!r} and {density!r}."
            )
        rng = np.random.default_rng(rng)
        W = rng.uniform(-1, 1, (hidden_size, hidden_size))
        W *= rng.random(W.shape) < density
        found = np.abs(np.linalg.eigvals(W)).max()
        if found < 1e-6:
            raise ValueError(
                f"EchoStateCell: with density {density} the {hidden_size} units drew no loop, so "
                "no scale gives the radius. Raise the density, or draw with another rng."
            )
        self.radius = radius
        self.W_h = (W * (radius / found)).astype(dtype)
        self.W_x = rng.uniform(-scale, scale, (input_size, hidden_size)).astype(dtype)
        self.b = rng.uniform(-scale, scale, hidden_size).astype(dtype)

    def __call__(self, x: Any, h: Any) -> Tensor:
        """The next h from x (*batch, input_size) and h (*batch, hidden_size)."""
        self._check(x, h=h)
        return named(h=tanh(x @ self.W_x + h @ self.W_h + self.b))

    @classmethod
    def samples(cls, **how: Any) -> list[Sample]:
        """One; the bias cannot be left out."""
        return [sampled(cls(3, 4, **{k: x for k, x in how.items() if k != "bias"}))]
