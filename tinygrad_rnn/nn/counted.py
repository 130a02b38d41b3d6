"""What counts in a loss?

Some steps of a padded batch don't: `lengths` or a `mask` say which.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from tinygrad_rnn.engine.operands import operand
from tinygrad_rnn.engine.primitives import astype, broadcast_to, maximum, mean, sum, where
from tinygrad_rnn.engine.recorder import recorder, require
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.nn.batches import answers
from tinygrad_rnn.nn.mask import checked_lengths, checked_mask

__all__ = ["Reduction", "anything", "check_reduction", "counted", "paired", "reduced"]

Reduction = Literal["mean", "sum", "none"]


def paired(name: str, y: Any, target: Any, lengths: Any, mask: Any) -> tuple[Any, Any, Any]:
    """`y` and `target` of one shape, zeros where they do not count, and where they do."""
    target, lengths, mask = answers(target, lengths, mask)
    y, target = (operand(a, name) for a in (y, target))
    shape, expected = y.shape, target.shape
    if shape != expected:
        raise ValueError(
            f"{name}: y has shape {shape}, the target {expected}; expected equal shapes."
        )
    if 0 in shape:
        raise ValueError(f"{name}: there is nothing to average over, y has shape {shape}.")
    valid = counted(name, shape, lengths, mask)
    if valid is None:
        return y, target, None
    require(
        anything(valid), f"{name}: there is nothing to average over, all of {shape} is left out."
    )
    return where(valid, y, 0), where(valid, target, 0), valid


def counted(name: str, shape: tuple[int, ...], lengths: Any, mask: Any) -> Any:
    """The places that count, as bool of `shape`; None for all. A Tensor, an argument, stays one."""
    valid = None
    if lengths is not None:

        def wrong(n: Any) -> Exception:
            return ValueError(
                f"{name}: expected lengths as integers of shape (batch,) beside (T, batch, …), "
                f"got {n.dtype} of shape {n.shape} beside {shape}."
            )

        batch = shape[1:2] or (-1,)  # without an axis of examples no lengths fit
        lengths = checked_lengths(name, lengths, shape[0] if shape else 0, batch, wrong)
        valid = _spread(np.arange(shape[0])[:, None] < lengths, shape)
    if mask is not None:
        mask = checked_mask(name, mask, shape, axes=0)
        mask = _spread(mask, shape)
        valid = mask if valid is None else valid & mask
    return valid


def _spread(mask: Any, shape: tuple[int, ...]) -> Any:
    """A mask of the leading axes, for all of the others."""
    return broadcast_to(mask[(..., *(None,) * (len(shape) - mask.ndim))], shape=shape)


def check_reduction(name: str, reduction: Any) -> None:
    """ValueError unless it is one of three words."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f'{name}: reduction is "mean", "sum" or "none", got {reduction!r}.')


def reduced(errors: Any, valid: Any, reduction: Reduction, weights: Any = None) -> Any:
    """Their mean where they count, divided by the sum of `weights` if there are any; or their sum.

    Without reduction, 0 where they do not count.
    """
    if valid is not None:
        errors = where(valid, errors, 0)
    if reduction == "none":
        return errors
    if reduction == "sum":
        return sum(errors)
    if weights is not None:
        total = sum(weights if valid is None else where(valid, weights, 0))
        if type(total) is Tensor:
            total = maximum(total, np.finfo(total.dtype).tiny)
        return sum(errors) / total
    if valid is None:
        return mean(errors)
    count = astype(sum(valid), dtype=values(errors).dtype)
    if type(count) is Tensor:  # a program divides before it says that nothing is left
        count = maximum(count, 1)
    return sum(errors) / count


def anything(valid: Any) -> Any:
    """True if anything counts: a bool, in the record of a program a Tensor."""
    if type(valid) is Tensor and recorder() is not None:
        return sum(valid) > 0
    return bool(values(valid).any())
