"""Which inputs does an output depend on, and how much?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.engine.backward import grad
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.measure.lanes import lanes
from tinygrad_rnn.measure.results import Table, norm

__all__ = ["Connectivity", "connectivity", "receptive_field"]


@dataclass(frozen=True, eq=False)
class Connectivity(Table):
    """∂output/∂x_t for every step.

    Attributes
    ----------
    steps
        t of each input, (T,).
    gradients
        (T, *shape of x_t).
    norms
        Euclidean, over batch and features, (T,).
    """

    steps: np.ndarray
    gradients: np.ndarray
    norms: np.ndarray

    @property
    def squared(self) -> np.ndarray:
        """Squared norms, which add up over inputs: the measure of Madsen (Distill 2019)."""
        return self.norms**2

    def columns(self) -> dict[str, Any]:
        """One row per step."""
        return {"t": self.steps, "norm": self.norms}


def connectivity(output: Tensor, letter: str = "x", lane: str | None = None) -> Connectivity:
    """‖∂output/∂x_t‖ at every step, by one walk back (Madsen 2019, "Visualizing memorization").

    Parameters
    ----------
    output
        A recorded scalar, e.g. the chosen logit at one step: ``logits[t, 0, k]``.
    letter
        What the inputs are called; `unroll` calls them x.
    lane
        Which; by default the first (bottom) one whose steps have such inputs.

    Raises
    ------
    ValueError
        The inputs are arrays, which are constants: pass ``Tensor(xs)``, or an embedding.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> outputs, _ = nn.unroll(nn.RNNCell(2, 3, rng=0), Tensor(np.ones((5, 1, 2))))
    >>> connectivity(outputs[3][0, 0]).norms.shape, bool(connectivity(outputs[3][0, 0]).norms[3])
    ((4,), True)
    """
    for which in lanes(output):
        if letter in which.values and lane in (None, which.name):
            places, xs = which.of(letter)
            with np.errstate(all="ignore"):
                gs = grad(output, xs, unused="zero")
            order = np.argsort([which.steps[k] for k in places])
            return Connectivity(
                np.array([which.steps[places[k]] for k in order]),
                np.stack([gs[k] for k in order]),
                np.array([norm(gs[k]) for k in order]),
            )
    raise ValueError(
        f"connectivity: no step of this record has an input {letter!r} that a gradient can reach; "
        "arrays are constants. Unroll over Tensor(xs), or over an embedding of the symbols."
    )


def receptive_field(output: Tensor, x: Tensor) -> np.ndarray:
    """Where the gradient of `output` (summed) with respect to `x` is not 0: bool, of x's shape.

    Raises
    ------
    ValueError
        `output` was not made from `x`.
    """
    with np.errstate(all="ignore"):
        return grad(output, x, np.ones(output.shape, output.dtype)) != 0
