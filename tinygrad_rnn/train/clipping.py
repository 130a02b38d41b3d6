"""How large may a gradient be?"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["clip_grad_norm"]


def clip_grad_norm(parameters: Iterable[Tensor], max_norm: float) -> float:
    """Scale all ``.grad`` so that together they are at most `max_norm` long; gives the old norm.

    The norm is that of all gradients as one long vector (Pascanu et al. 2013). Parameters without a
    gradient are passed over, a shared one counts once. Torch divides by norm + 1e-6, so that its
    clipped gradients are that little bit shorter.

    Raises
    ------
    ValueError
        There are no parameters, `max_norm` is not positive, or the norm is not finite: a scaled NaN
        would spoil every parameter.
    """
    if not max_norm > 0:
        raise ValueError(f"clip_grad_norm: max_norm must be positive, got {max_norm}.")
    held = dict.fromkeys(parameters)
    if not held:
        raise ValueError("clip_grad_norm: there are no parameters (a used-up generator?).")
    clipped = [p for p in held if p.grad is not None]
    norm = float(np.sqrt(sum(float(np.vdot(p.grad, p.grad)) for p in clipped)))
    if not np.isfinite(norm):
        raise ValueError(
            f"clip_grad_norm: the norm is {norm}. "
            "Run the step inside detect_anomaly() to see where it comes from."
        )
    if norm > max_norm:
        for p in clipped:
            p.grad = p.grad * (float(max_norm) / norm)
    return norm
