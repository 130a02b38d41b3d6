"""How wrong is it?"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.engine.primitives import log_softmax, mean
from tinygrad_rnn.engine.tensor import named, values

__all__ = ["cross_entropy", "mse_loss"]


def mse_loss(y: Any, target: Any) -> Any:
    """Mean of the squared differences; `target` has the shape of `y`.

    Raises
    ------
    ValueError
        If the shapes differ: broadcasting one against the other would average something else. If
        there is no element to average over.
    """
    shape, expected = np.shape(values(y)), np.shape(values(target))
    if shape != expected:
        raise ValueError(
            f"mse_loss: y has shape {shape}, the target {expected}; expected equal shapes."
        )
    if 0 in shape:
        raise ValueError(f"mse_loss: there is nothing to average over, y has shape {shape}.")
    difference = y - target
    return named(loss=mean(difference * difference))


def cross_entropy(logits: Any, labels: Any) -> Any:
    """Mean of -log softmax(logits)[label], in nats.

    Parameters
    ----------
    logits
        Scores before the softmax, shape (…, classes).
    labels
        The right classes, integers of shape (…) in 0 … classes-1.

    Raises
    ------
    ValueError, TypeError
        If labels are no integers, have another shape, or lie outside the classes.
    """
    shape, right = np.shape(values(logits)), np.asarray(values(labels))
    if right.dtype.kind not in "iu":
        raise TypeError(
            f"cross_entropy: labels are class numbers (integers), got dtype {right.dtype}."
        )
    if right.shape != shape[:-1]:
        raise ValueError(
            f"cross_entropy: logits {shape} need labels of shape {shape[:-1]}, got {right.shape}."
        )
    if right.size == 0 or right.min() < 0 or right.max() >= shape[-1]:
        found = f"{right.min()} … {right.max()}" if right.size else "none"
        raise ValueError(
            f"cross_entropy: labels must lie in 0 … {shape[-1] - 1} and be at least one, "
            f"got {found}."
        )
    places = tuple(np.ogrid[tuple(slice(n) for n in right.shape)])
    return named(loss=-mean(log_softmax(logits, axis=-1)[(*places, labels)]))
