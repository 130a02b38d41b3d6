"""How large may a gradient be?"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["clip_grad_norm"]


def clip_grad_norm(parameters: Iterable[Tensor], max_norm: float) -> float:
    """Scale all ``.grad`` so that together they are at most `max_norm` long (Pascanu et al. 2013); the old norm.

    The norm is that of all gradients as one long vector. Parameters without a gradient are passed over.

    Raises
    ------
    ValueError
        `max_norm` is not positive, or the norm is not finite: a scaled NaN would spoil every parameter.
    """
    if not max_norm > 0:
        raise ValueError(f"clip_grad_norm: max_norm must be positive, got {max_norm}.")
    held = [p for p in parameters if p.grad is not None]
    norm = float(np.sqrt(sum(float(np.vdot(p.grad, p.grad)) for p in held)))
    if not np.isfinite(norm):
        raise ValueError(
            f"clip_grad_norm: the norm is {norm}. Run the step inside detect_anomaly() to see where it comes from."
        )
    if norm > max_norm:
        for p in held:
            p.grad = p.grad * (max_norm / norm)
    return norm
