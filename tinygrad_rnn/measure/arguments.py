"""What may be asked of a record, and what is said to anything else?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.engine import tree
from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["check_steps", "is_whole", "letters_of", "one_tensor", "stacked", "tensors"]


def tensors(roots: Any) -> list[Tensor]:
    """One Tensor, or those of a structure (see `tree`), checked."""
    found = tree.leaves(roots, is_leaf=tree.registered)
    if not found:
        raise ValueError("measure: an empty list; pass the loss, or outputs of nn.unroll.")
    for x in found:
        if not isinstance(x, Tensor):
            raise TypeError(
                f"measure: expected a recorded Tensor, or a list of them, got {type(x).__name__}, "
                "which remembers nothing. Pass the loss, or outputs of nn.unroll."
            )
    return found


def one_tensor(loss: Any) -> Tensor:
    """A Tensor, not a list of them: which of several is meant, or their sum, is for the caller."""
    found = tensors(loss)[0]
    if found is not loss:
        raise TypeError(
            f"measure: expected one recorded scalar, got a {type(loss).__name__} of {len(loss)}. "
            "Add them up, tr.sum(tr.stack(losses)), or choose one."
        )
    return found


def check_steps(nodes: Iterable[Tensor]) -> None:
    """A record of checkpointed segments has no steps to look at: they are gone."""
    if any(x.op is not None and x.op.name == "segment" for x in nodes):
        raise ValueError(
            "measure: unrolled with checkpoint=True, which keeps segments of many steps, nothing "
            "inside them. Unroll without it to see the steps; `cost` measures both."
        )


def letters_of(letters: Any, otherwise: Iterable[str]) -> tuple[str, ...]:
    """One letter or several as a tuple; `otherwise` if None."""
    if letters is None:
        return tuple(otherwise)
    found = (letters,) if isinstance(letters, str) else letters
    if not isinstance(found, (list, tuple, set, dict)) or not all(type(x) is str for x in found):
        raise TypeError(
            f'measure: expected a letter such as "h", or a list of letters, got {letters!r}.'
        )
    if not found:
        raise ValueError("measure: an empty list of letters; leave it out for the usual ones.")
    return tuple(found)


def is_whole(x: Any) -> bool:
    """A whole number, Python's or NumPy's, but no truth value."""
    return isinstance(x, (int, np.integer)) and not isinstance(x, bool)


def stacked(what: str, steps: Sequence[int], arrays: Sequence[np.ndarray]) -> np.ndarray:
    """One array over time; all must have one shape."""
    for t, x in zip(steps, arrays, strict=True):
        if x.shape != arrays[0].shape:
            raise ValueError(
                f"measure: {what} has shape {arrays[0].shape} at t = {steps[0]} but {x.shape} at "
                f"t = {t}, so there is no array of all steps. Pad the short sequences, and say how "
                "long they are: nn.unroll(…, lengths=…)."
            )
    return np.stack(arrays)
