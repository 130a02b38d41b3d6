"""How can a loss keep its own gradient from vanishing through time?

Pascanu's regulariser Ω is small where the error signal neither grows nor shrinks from state to
state. Ω is made of gradients, so its own gradient is a second derivative. The paper takes only part
of that, holding signal and states constant; here the signal is recorded, and the gradient of Ω is
exact.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.engine import tree
from tinygrad_rnn.engine.backward import grad
from tinygrad_rnn.engine.context import Frame
from tinygrad_rnn.engine.indexing import put_back
from tinygrad_rnn.engine.primitives import (
    absolute,
    astype,
    concatenate,
    max,
    sqrt,
    stop_gradient,
    sum,
    where,
)
from tinygrad_rnn.engine.steps import step_frame
from tinygrad_rnn.engine.tensor import Tensor, named

__all__ = ["information_flow"]


def information_flow(loss: Tensor, states: Sequence[Any]) -> Tensor:
    """Ω of Pascanu, Mikolov & Bengio (2013), eq. 9: how far the error signal is from steady.

    ::

        Ω = Σ_k ( |∂E/∂h_{k+1} · ∂h_{k+1}/∂h_k| / |∂E/∂h_{k+1}| - 1 )²

    The norm is that of each example, over all units of its state; Ω is summed over steps and
    averaged over examples. Where no signal arrives (∂E/∂h_{k+1} = 0, e.g. beyond the end of a
    padded sequence) the term is 0. Norms are taken in float64. Terms in which the signal falls
    below the smallest normal number of its dtype count in Ω, but its gradient holds them constant,
    as it would be infinite. A warning says from which step.

    Parameters
    ----------
    loss
        The recorded scalar E. An average over the batch will do: only ratios count.
    states
        The states after each step, as the cell returned them: Tensors h of shape (*batch, hidden),
        or pairs (h, c) whose parts count as one vector. `unroll` returns whole states if the method
        ``output`` of the cell does.

    Returns
    -------
    A recorded scalar ≥ 0: ``(loss + 0.5 * information_flow(loss, states)).backward()``.

    Raises
    ------
    ValueError
        There are fewer than two states, a state was not made inside one step of a scope, or no
        signal passes between them.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> cell = nn.RNNCell(2, 3, rng=0)
    >>> hs, _ = nn.unroll(cell, np.ones((4, 1, 2)))
    >>> omega = information_flow(nn.mse_loss(hs[-1], np.ones((1, 3))), hs)
    >>> grad(omega, cell.W_h).shape
    (3, 3)
    """
    parts = [tree.leaves(s) for s in states]
    if len(parts) < 2:
        raise ValueError(f"information_flow: expected at least two states, got {len(parts)}.")
    frames = [_step_frame(p, k) for k, p in enumerate(parts)]
    place = {node: k for k, p in enumerate(parts) for node in p}
    through: list[dict[Tensor, Any]] = [{} for _ in parts]  # signal through the next step
    around: list[dict[Tensor, Any]] = [{} for _ in parts]  # signal by any other way

    def watch(node: Tensor, argument: int, g: Any) -> None:
        x = node.inputs[argument]
        if x not in place:
            return
        if g.shape != x.shape:  # the gradient of a slice of the state
            g = put_back([(g, node.inputs, node.options)], x)
        k = place[x]
        last = k + 1 == len(frames)
        if _inside(node, frames[k]):
            return  # h made from c in the same step: not between steps
        way = through[k] if not last and _inside(node, frames[k + 1]) else around[k]
        way[x] = way[x] + g if x in way else g

    grad(loss, [node for p in parts for node in p], create_graph=True, unused="zero", on_edge=watch)
    total: Any = 0.0
    faded = None
    for k in range(len(parts) - 1):
        signal = [_both(through[k + 1].get(x), around[k + 1].get(x)) for x in parts[k + 1]]
        before, after = _norm([through[k].get(x) for x in parts[k]]), _norm(signal)
        if before is None or after is None:
            continue
        arrives = after != 0  # NaN is a signal
        term = where(arrives, (before / where(arrives, after, 1.0) - 1.0) ** 2, 0.0)
        smallest = np.finfo(parts[k][0].dtype).tiny
        weak = [(x > 0) & (x < smallest) for x in (before, after)]
        total = total + _mean(where(weak[0] | weak[1], stop_gradient(term), term))
        for step, found in zip((k, k + 1), weak, strict=True):
            if isinstance(found, np.ndarray) and found.any():  # a program does not know its numbers
                faded = frames[step]
    if faded is not None:
        warnings.warn(
            f"information_flow: at {faded.name}, t={faded.t}, and before it the error signal is "
            f"below the smallest normal number of {parts[0][0].dtype}: there the gradient of Ω is "
            "left out, and where the signal is 0, all of the term. Compute in float64, or over "
            "fewer steps.",
            stacklevel=2,
        )
    if not isinstance(total, Tensor):
        raise ValueError(
            "information_flow: no error signal passes from state to state. Does the loss depend on "
            "them? Pass the very Tensors that the steps gave each other."
        )
    return named(omega=astype(total, dtype=loss.dtype))


def _both(a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else a + b


def _norm(signals: list[Any]) -> Any:
    """The norm of each example, over all parts of the state; where it is 0, so is its gradient."""
    wide = [astype(g, dtype=np.float64) for g in signals if g is not None]
    if not wide:
        return None
    largest = stop_gradient(max(concatenate([absolute(g) for g in wide], axis=-1), axis=-1))
    unit = where(largest != 0, largest, 1.0)  # no square is too large or too small
    squares = [sum((g / unit[..., None]) ** 2, axis=-1) for g in wide]
    total = squares[0]
    for s in squares[1:]:
        total = total + s
    return unit * where(largest != 0, sqrt(where(largest != 0, total, 1.0)), 0.0)


def _mean(x: Any) -> Any:
    return sum(x) / x.size


def _step_frame(parts: list[Any], k: int) -> Frame:
    """The innermost frame with a step in which all parts of state `k` were made."""
    found = {step_frame(p) if isinstance(p, Tensor) else None for p in parts}
    frame = found.pop() if len(found) == 1 else None
    if frame is None:
        raise ValueError(
            f"information_flow: state {k} must be a Tensor (or a tuple of such) made inside one "
            'step, as by unroll or within `with scope("rnn", t=t)`.'
        )
    return frame


def _inside(node: Tensor, frame: Frame) -> bool:
    return any(f is frame for f in node.scope)
