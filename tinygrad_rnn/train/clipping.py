"""How large may a gradient be?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_rnn.engine.norm import norm as length
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.nn.arguments import is_number

__all__ = ["clip_grad_norm", "clip_grad_norm_each", "clip_grad_value"]


def clip_grad_norm(parameters: Tensor | Iterable[Tensor], max_norm: float) -> float:
    """Scale all ``.grad`` so that their joint norm is at most `max_norm`; returns the old norm.

    The norm is that of all gradients as one long vector (Pascanu et al. 2013), in float64, so that
    a float32 gradient of 1e22 is clipped too. Parameters without a gradient are skipped, and a
    shared one counts once. Torch divides by norm + 1e-6, so its clipped gradients are slightly
    shorter.

    Raises
    ------
    ValueError
        There are no parameters, `max_norm` is not a positive number, or the norm is not finite: a
        scaled NaN would spoil every parameter.
    TypeError
        `parameters` is neither a Tensor nor an iterable of Tensors, e.g. it is a module.
    """
    clipped, norm = _measured("clip_grad_norm", parameters, max_norm)
    if norm > max_norm:
        for p in clipped:
            unit = np.divide(p.grad, norm, dtype=np.float64)  # neither factor leaves the range
            p.grad = (unit * max_norm).astype(p.dtype)
    return norm


def clip_grad_norm_each(
    groups: Iterable[Tensor | Iterable[Tensor]], max_norm: float
) -> list[float]:
    """Clip each group by its own norm, so that one exploding layer does not silence the others.

    Parameters
    ----------
    groups
        Tensors, each clipped separately, or lists of Tensors, each clipped together, e.g. by layer:
        ``[layer.parameters() for layer in layers]``.
    max_norm
        The largest norm of each group.

    Returns
    -------
    The old norm of each group.

    Raises
    ------
    TypeError, ValueError
        As in `clip_grad_norm`, or there are no groups; nothing is scaled.
    """
    listed = [[group] if isinstance(group, Tensor) else list(group) for group in _each(groups)]
    if not listed:
        raise ValueError("clip_grad_norm_each: there are no groups (a used-up generator?).")
    norms = [_measured("clip_grad_norm_each", group, max_norm)[1] for group in listed]
    for group in listed:
        clip_grad_norm(group, max_norm)
    return norms


def clip_grad_value(parameters: Tensor | Iterable[Tensor], max_value: float) -> float:
    """Clip each entry of every ``.grad`` to [-max_value, max_value]; returns the norm before.

    This changes the direction of the gradient, `clip_grad_norm` does not. It raises the same
    errors.
    """
    clipped, norm = _measured("clip_grad_value", parameters, max_value)
    for p in clipped:
        if np.abs(p.grad).max(initial=0) > max_value:
            p.grad = np.clip(p.grad, -max_value, max_value).astype(p.dtype)
    return norm


def _each(parameters: Any) -> Iterable[Any]:
    """One Tensor is a parameter, not the row of its entries."""
    return [parameters] if isinstance(parameters, Tensor) else parameters


def _measured(
    name: str, parameters: Tensor | Iterable[Tensor], bound: float
) -> tuple[list[Tensor], float]:
    """The parameters that have a gradient, each once, and the joint norm of the gradients."""
    what = "max_value" if name.endswith("value") else "max_norm"
    if not is_number(bound) or not bound > 0:
        raise ValueError(f"{name}: {what} must be positive, got {bound}.")
    if hasattr(parameters, "parameters") or not isinstance(parameters, (Tensor, Iterable)):
        raise TypeError(
            f"{name}: expected Tensors, got a {type(parameters).__name__}. Pass the parameters of "
            "a module, module.parameters()."
        )
    given = [*_each(parameters)]
    for p in given:
        if not isinstance(p, Tensor):
            raise TypeError(
                f"{name}: expected Tensors, whose .grad is clipped, found a {type(p).__name__}."
            )
    held = dict.fromkeys(given)
    if not held:
        raise ValueError(f"{name}: there are no parameters (a used-up generator?).")
    found = [p for p in held if p.grad is not None]
    norm = length(*(p.grad for p in found))
    if not np.isfinite(norm) and all(np.isfinite(p.grad).all() for p in found):
        raise ValueError(
            f"{name}: all entries are finite, but their joint norm is beyond the range "
            "of float64. Scale the loss down."
        )
    if not np.isfinite(norm):
        raise ValueError(
            f"{name}: the norm is {norm}. "
            "Run the step inside detect_anomaly() to see where it comes from."
        )
    return found, norm
