"""How long is the gradient at each step, example by example, and how long can it be?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.engine.backward import grad
from tinygrad_rnn.engine.norm import norm
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.measure.arguments import one_tensor, stacked
from tinygrad_rnn.measure.jacobians import growth_bound
from tinygrad_rnn.measure.lanes import one_lane
from tinygrad_rnn.measure.matrix import default_letter
from tinygrad_rnn.measure.results import Table

__all__ = ["GradientNorms", "gradient_norms"]


@dataclass(frozen=True, eq=False, repr=False)
class GradientNorms(Table):
    """‖∂L/∂h_t‖ of each example.

    Attributes
    ----------
    lane, letter, steps
        Whose, and t of each row in the order the lane was run, (T,).
    norms
        Euclidean, over the units, (T, examples).
    bound
        A bound that no norm exceeds, (T, examples); None without one.
    rate
        γ·σ_max, the factor by which the bound grows for each step back; None without a bound.
    """

    lane: str
    letter: str
    steps: np.ndarray
    norms: np.ndarray
    bound: np.ndarray | None
    rate: float | None

    def columns(self) -> dict[str, Any]:
        """One row per step and example."""
        t, example = np.indices(self.norms.shape).reshape(2, -1)
        columns = {"t": self.steps[t], "example": example, "norm": self.norms.ravel()}
        return columns if self.bound is None else columns | {"bound": self.bound.ravel()}


def gradient_norms(
    loss: Tensor,
    letter: str | None = None,
    lane: str | None = None,
    *,
    W: Any = None,
    activation: str = "tanh",
) -> GradientNorms:
    """‖∂L/∂h_t‖ example by example, by one walk back, and a bound that holds for a plain RNN.

    With h' = act(… + h W) a step back multiplies a norm by at most γ·σ_max(W), see `growth_bound`;
    what the loss sends to h_t by another way than h_{t+1} is added at t. So the bound holds for a
    loss of the last step and for one of all steps (Pascanu, Mikolov & Bengio 2013, section 2.1).

    Parameters
    ----------
    loss
        A recorded scalar.
    letter, lane
        Of which state (h by default) of which lane (the top layer by default).
    W, activation
        The recurrent matrix, such as ``cell.W_h``, and the function, for the bound.

    Raises
    ------
    ValueError
        No such letter or lane, a state that changes its shape, or W is no matrix of its width.
    TypeError
        `loss` is no recorded Tensor.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> cell = nn.RNNCell(2, 3, rng=0)
    >>> outputs, _ = nn.unroll(cell, np.ones((5, 4, 2)))
    >>> found = gradient_norms(outputs[-1].sum(), W=cell.W_h)
    >>> found.norms.shape, bool((found.norms <= found.bound).all())
    ((5, 4), True)
    """
    loss = one_tensor(loss)
    found = one_lane(loss, lane)
    letter = letter or default_letter(found)
    indices, states = found.of(letter)
    steps = [found.steps[k] for k in indices]

    def norms(partial: bool) -> np.ndarray:
        with np.errstate(all="ignore"):
            gs = grad(loss, states, unused="zero", partial=partial)
        rows = stacked(f"{letter} of {found.name}", steps, gs)
        rows = rows.reshape(len(rows), -1, rows.shape[-1] if rows.ndim > 1 else 1)
        return np.array([[norm(g) for g in row] for row in rows])

    bound, rate = None, None
    if W is not None:
        rate = growth_bound(W, activation)
        units, width = states[0].shape[-1:], np.shape(W.data if isinstance(W, Tensor) else W)
        if width != units * 2:
            raise ValueError(
                f"gradient_norms: W leads from {letter} to {letter}, so it has shape "
                f"{units * 2}, got {width}."
            )
        bound = norms(partial=True)  # what comes by no later state
        with np.errstate(all="ignore"):
            for k in range(len(bound) - 2, -1, -1):
                bound[k] += rate * bound[k + 1]
    return GradientNorms(found.name, letter, np.array(steps), norms(partial=False), bound, rate)
