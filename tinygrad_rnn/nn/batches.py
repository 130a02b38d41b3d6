"""Which parts of a `Batch` of tasks does a function take that is given the whole?"""

from __future__ import annotations

from typing import Any

__all__ = ["answers", "inputs"]

_PARTS = ("xs", "targets", "lengths", "mask")  # tasks are another package, and nn knows none


def inputs(xs: Any, lengths: Any, mask: Any) -> tuple[Any, Any, Any]:
    """The inputs of a batch and their lengths; anything else as it is."""
    if not _is_batch(xs):
        return xs, lengths, mask
    return xs.xs, xs.lengths if lengths is None and mask is None else lengths, mask


def answers(target: Any, lengths: Any, mask: Any) -> tuple[Any, Any, Any]:
    """The targets of a batch, and where they are due if each step has one; else as it is."""
    if not _is_batch(target):
        return target, lengths, mask
    due = target.per_step and lengths is None and mask is None
    return target.targets, lengths, target.mask if due else mask


def _is_batch(x: Any) -> bool:
    return getattr(type(x), "_fields", ())[:4] == _PARTS
