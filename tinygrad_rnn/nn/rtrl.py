"""Can a gradient through time be computed without going back in time?

Yes: carry along the Jacobian of the state by the parameters, ``S = ∂s/∂θ``, and update it with the
state: ``S' = (∂s'/∂s) S + ∂s'/∂θ``. This is real-time recurrent learning (Williams & Zipser 1989).
It keeps the record of one step instead of T, at the cost of S, which has as many numbers as the
state times the parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_rnn.engine.backward import grad
from tinygrad_rnn.engine.constants import read_only
from tinygrad_rnn.engine.primitives import concatenate, reshape
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.nn.arguments import check_call
from tinygrad_rnn.nn.runner import Runner, batch_of
from tinygrad_rnn.nn.state import each, parts
from tinygrad_rnn.nn.time import name_of

__all__ = ["rtrl"]


def rtrl(
    cell: Any,
    xs: Any,
    loss: Callable[[Any, int], Any],
    wrt: Any = None,
    state: Any = None,
    *,
    on_step: Callable[[int, float, list[np.ndarray]], None] | None = None,
) -> tuple[float, list[np.ndarray]]:
    """Sum of the losses of all steps and its gradients, by forward accumulation.

    Parameters
    ----------
    cell, xs, state
        As in `unroll`.
    loss
        ``loss(output, t)`` gives the loss of step t, a recorded scalar.
    wrt
        A list of Tensors; leaves; the cell's parameters by default.
    on_step
        Called as ``on_step(t, loss, gradients)`` after each step with the gradients so far, which
        must not be changed: for learning in real time.

    Returns
    -------
    total, gradients
        The sum of the losses, and the same gradients as ``grad`` of that sum on the record that
        `unroll` makes. Each step costs one backward walk over it per number in the state.

    Raises
    ------
    TypeError, ValueError
        `xs` or the cell do not fit, as in `unroll`; `wrt` is not a list of leaves; a loss is not a
        recorded scalar.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> cell, xs = nn.RNNCell(2, 3, rng=0), np.ones((6, 1, 2))
    >>> total, forward = rtrl(cell, xs, lambda h, t: (h * h).sum())
    >>> outputs, _ = nn.unroll(cell, xs)
    >>> backward = grad(sum((h * h).sum() for h in outputs), cell.parameters())
    >>> all(np.allclose(a, b, atol=1e-12) for a, b in zip(forward, backward))
    True
    """
    check_call("rtrl", cell, xs, state)
    if wrt is None and not hasattr(cell, "parameters"):
        raise TypeError(
            "rtrl: the cell has no parameters() of its own; pass wrt=, a list of Tensors."
        )
    θ: list[Tensor] = cell.parameters() if wrt is None else wrt
    if not isinstance(θ, list) or not all(type(p) is Tensor and p.op is None for p in θ):
        raise TypeError(
            "rtrl: expected wrt as a list of leaves, Tensors such as cell.W_h that nothing was "
            "computed for; what is carried forward is the slope by them."
        )
    runner = Runner(cell, cell, xs, 0, None, name_of(cell))
    if state is None:
        state = cell.initial_state(*batch_of(np.asarray(values(values(xs)[0]))))
    S = _slopes(state, θ)
    total, gradients = 0.0, [np.zeros(p.shape, p.dtype) for p in θ]
    for t in range(len(xs)):
        state = each(_alone, state)
        s = [x for x in parts(state) if _moves(x)]
        output, state = runner(t, state)
        here = loss(output, t)
        number = values(here).item()
        slopes = [g.ravel() for g in grad(here, [*θ, *s], unused="zero")]
        by_state = np.concatenate(slopes[len(θ) :])
        for g, direct, S_p in zip(gradients, slopes, S, strict=False):
            g += (direct + by_state @ S_p).reshape(g.shape)
        J = _slopes(state, [*θ, *s])
        J_s = np.concatenate(J[len(θ) :], axis=1)
        S = [J_s @ S_p + J_p for S_p, J_p in zip(S, J, strict=False)]
        total += number
        if on_step is not None:
            on_step(t, number, [read_only(g) for g in gradients])
    return total, gradients


def _slopes(state: Any, wrt: list[Tensor]) -> list[np.ndarray]:
    """The Jacobian of all numbers in a state by each Tensor in `wrt`, (numbers, wrt.size) each."""
    row = concatenate([reshape(x, shape=-1) for x in parts(state) if _moves(x)])
    found = [np.zeros((row.size, p.size), p.dtype) for p in wrt]
    for k in range(row.size if type(row) is Tensor else 0):
        unit = np.zeros(row.size, row.dtype)
        unit[k] = 1
        for J, g in zip(found, grad(row, wrt, unit, unused="zero"), strict=True):
            J[k] = g.ravel()
    return found


def _alone(x: Any) -> Any:
    """The same values as a leaf, without the record of the step before."""
    return Tensor(values(x)) if _moves(x) else x


def _moves(x: Any) -> bool:
    return np.asarray(values(x)).dtype.kind == "f"
