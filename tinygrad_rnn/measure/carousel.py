"""What does the cell state keep on its way through time, and do the gates account for it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.measure.jacobians import step_jacobians
from tinygrad_rnn.measure.lanes import one_lane
from tinygrad_rnn.measure.results import Table

__all__ = ["Carousel", "carousel"]


@dataclass(frozen=True, eq=False, repr=False)
class Carousel(Table):
    """From each c_t to the last, c_T: what the gates let through, and what gets through.

    Attributes
    ----------
    lane, state, gate
        Whose, and the letters.
    steps
        t of each state, (T,).
    gates
        ∏ f_s over the steps s after t: (T, examples, units).
    direct
        The diagonal of ∂c_T/∂c_t with h held constant, the error carousel of the LSTM: (T,
        examples, units). Equal to `gates` if c' = f*c + i*g and the gates see h and x alone.
    total
        The same with all ways after t, those by h too; h_t itself is left as it is.
    mixed
        The largest other element of ∂c_T/∂c_t with h held constant: 0 where units keep to
        themselves, (T, examples).
    """

    lane: str
    state: str
    gate: str
    steps: np.ndarray
    gates: np.ndarray
    direct: np.ndarray
    total: np.ndarray
    mixed: np.ndarray

    def columns(self) -> dict[str, Any]:
        """One row per step, example and unit."""
        t, example, unit = np.indices(self.gates.shape).reshape(3, -1)
        return {
            "t": self.steps[t],
            "example": example,
            "unit": unit,
            "gates": self.gates.ravel(),
            "direct": self.direct.ravel(),
            "total": self.total.ravel(),
        }


def carousel(
    roots: Tensor | Sequence[Tensor], state: str = "c", gate: str = "f", lane: str | None = None
) -> Carousel:
    """∏ f_t beside ∂c_T/∂c_t, with the way by h cut and with it.

    "The inner memory has no activation, so vanishing does not occur": true as far as ∏ f_t stays
    near 1 (Hochreiter & Schmidhuber 1997, section 3; with forget gates Gers et al. 2000).

    Parameters
    ----------
    roots
        The loss, or outputs.
    state, gate
        The letters of what is kept and of what decides it: ``"h"`` and ``"z"`` of a GRU whose z
        keeps.
    lane
        Which, the top layer by default.

    Raises
    ------
    ValueError
        No such letters, `state` is handed on by no step, the gate has not one value for each unit,
        or no such lane.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> outputs, _ = nn.unroll(nn.LSTMCell(2, 3, rng=0), np.ones((6, 1, 2)))
    >>> found = carousel(outputs[-1])
    >>> bool(np.allclose(found.gates, found.direct, rtol=1e-12))
    True
    """
    which = one_lane(roots, lane)
    here = every = step_jacobians(roots, state, lane)
    if len(which.steps) > 1:  # a single step hands nothing on, by no way
        every = step_jacobians(roots, None, lane)
    if state not in every.letters:
        raise ValueError(
            f"carousel: {which.name} does not hand {state!r} on from step to step; its states are: "
            f"{', '.join(every.letters)}. Name one: state=…"
        )
    f = which.array(gate)[: len(every.steps)]
    T, (_, examples, n, _) = len(every.steps), here.matrices.shape
    if f.shape[0] != T or f.size != T * examples * n:
        raise ValueError(
            f"carousel: the gate {gate!r} has shape {f.shape}, expected one value for each of the "
            f"{n} units of {state!r} in {T} steps and {examples} examples. Name another: gate=…"
        )
    f = f.reshape(T, examples, n)
    gates = np.ones((T, examples, n))
    with np.errstate(all="ignore"):
        gates[:-1] = np.cumprod(f[:0:-1], axis=0)[::-1]
    direct, mixed = _diagonals(here.matrices[: T - 1], slice(0, n))
    start = sum(every.sizes[: every.letters.index(state)])
    total, _ = _diagonals(every.matrices, slice(start, start + n))
    return Carousel(which.name, state, gate, every.steps, gates, direct, total, mixed)


def _diagonals(J: np.ndarray, block: slice) -> tuple[np.ndarray, np.ndarray]:
    """Of the products of all later steps, in one block: its diagonal, its largest other element."""
    T, examples, n, _ = J.shape
    P = np.broadcast_to(np.eye(n), (examples, n, n))
    diagonal = np.ones((T + 1, examples, n))[:, :, block]
    other = np.zeros((T + 1, examples))
    with np.errstate(all="ignore"):
        for t in range(T - 1, -1, -1):
            P = P @ J[t]
            inside = P[:, block, block]
            diagonal[t] = np.diagonal(inside, axis1=1, axis2=2)
            off = np.abs(inside) * ~np.eye(inside.shape[-1], dtype=bool)
            other[t] = off.max(axis=(1, 2))
    return diagonal, other
