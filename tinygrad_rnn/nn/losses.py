"""How wrong is an output?

Every loss is a mean over the entries that count. Entries left out by `lengths`, `mask` or
`ignore_index` are replaced by zeros before anything is computed from them, so no value in the
padding, not even NaN, reaches the loss or a gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.engine.operands import operand
from tinygrad_rnn.engine.primitives import astype, clip, log_softmax, softplus, where
from tinygrad_rnn.engine.recorder import require
from tinygrad_rnn.engine.tensor import named, values
from tinygrad_rnn.nn.arguments import is_number, require_range
from tinygrad_rnn.nn.counted import anything, average, counted, paired

__all__ = ["binary_cross_entropy", "cross_entropy", "huber_loss", "mse_loss"]


def mse_loss(y: Any, target: Any, *, lengths: Any = None, mask: Any = None) -> Any:
    """Mean of (y - target)².

    Parameters
    ----------
    y, target
        Arrays or Tensors of one shape; (T, batch, …) with `lengths`.
    lengths
        How many steps of each sequence count: integers in 0 … T of shape (batch,).
    mask
        True where an entry counts: bool of the shape of `y` or of its leading axes, e.g. (T,
        batch).

    Raises
    ------
    ValueError, TypeError
        Shapes differ (broadcasting one against the other would average something else), lengths or
        mask do not fit, or nothing is left to average over.
    """
    y, target, valid = paired("mse_loss", y, target, lengths, mask)
    difference = y - target
    return named(loss=average(difference * difference, valid))


def huber_loss(
    y: Any, target: Any, delta: float = 1.0, *, lengths: Any = None, mask: Any = None
) -> Any:
    """Mean of d²/2 where |d| ≤ delta and of delta·(|d| - delta/2) beyond, for d = y - target.

    The gradient of an outlier is at most `delta` > 0 (Huber 1964; torch's huber_loss). Parameters
    and errors are those of `mse_loss`.
    """
    if not is_number(delta) or not 0 < delta < np.inf:
        raise ValueError(f"huber_loss: delta must be positive and finite, got {delta!r}.")
    y, target, valid = paired("huber_loss", y, target, lengths, mask)
    difference = y - target
    near = clip(difference, -delta, delta)  # near·(d - near/2) is both formulas in one
    return named(loss=average(near * (difference - near * 0.5), valid))


def binary_cross_entropy(logits: Any, target: Any, *, lengths: Any = None, mask: Any = None) -> Any:
    """Mean of -t log σ(logits) - (1-t) log(1 - σ(logits)), in nats; exact for large logits, too.

    Parameters
    ----------
    logits
        Scores before the sigmoid, any shape.
    target
        Probabilities t in [0, 1] of the same shape; bool and integers 0 and 1 too.
    lengths, mask
        As in `mse_loss`.

    Raises
    ------
    ValueError, TypeError
        A target lies outside [0, 1]; otherwise as in `mse_loss`.
    """
    name = "binary_cross_entropy"
    logits, target, valid = paired(name, logits, target, lengths, mask)

    def outside() -> str:
        t = np.asarray(values(target))
        return f"{name}: targets are probabilities in [0, 1], got {t.min()} … {t.max()}."

    if target.dtype != bool:
        require_range(target, 0, 1, outside)
    t = astype(target, dtype=values(logits).dtype)
    return named(loss=average(t * softplus(-logits) + (1 - t) * softplus(logits), valid))


def cross_entropy(
    logits: Any,
    labels: Any,
    *,
    lengths: Any = None,
    mask: Any = None,
    ignore_index: int | None = None,
) -> Any:
    """Mean of -log softmax(logits)[label], in nats.

    Parameters
    ----------
    logits
        Scores before the softmax, shape (…, classes); (T, batch, …, classes) with `lengths`.
    labels
        The right classes, integers of shape (…) in 0 … classes-1; any integer where left out.
    lengths, mask
        As in `mse_loss`, for the shape of the labels.
    ignore_index
        The label that marks entries to leave out; None for none.

    Raises
    ------
    ValueError, TypeError
        Labels are not integers, have another shape, or lie outside the classes; lengths or mask do
        not fit; no label is left.
    """
    logits, labels = (operand(x, "cross_entropy") for x in (logits, labels))
    shape, right = np.shape(values(logits)), values(labels)
    if right.dtype.kind not in "iu":
        raise TypeError(
            f"cross_entropy: labels are class numbers (integers), got dtype {right.dtype}."
        )
    if ignore_index is not None and not isinstance(ignore_index, (int, np.integer)):
        raise TypeError(
            f"cross_entropy: ignore_index is a label (an integer) or None, got {ignore_index!r}."
        )
    if not shape or right.shape != shape[:-1]:
        raise ValueError(
            f"cross_entropy: logits {shape} need labels of shape {shape[:-1]}, got {right.shape}."
        )
    if not right.size:
        raise ValueError(
            f"cross_entropy: there is nothing to average over, labels have shape {right.shape}."
        )
    valid = counted("cross_entropy", right.shape, lengths, mask)
    if ignore_index is not None:
        kept = labels != ignore_index
        valid = kept if valid is None else valid & kept

    def outside() -> str:
        counting = right if valid is None else right[values(valid)]
        found = f"{counting.min()} … {counting.max()}" if counting.size else "none"
        return (
            f"cross_entropy: labels must lie in 0 … {shape[-1] - 1} and be at least one, "
            f"got {found}."
        )

    require(right.size > 0 if valid is None else anything(valid), outside)
    if valid is not None:
        labels, logits = where(valid, labels, 0), where(valid[..., None], logits, 0)
    require_range(labels, 0, shape[-1] - 1, outside)
    places = tuple(np.ogrid[tuple(slice(n) for n in shape[:-1])])
    return named(loss=-average(log_softmax(logits, axis=-1)[(*places, labels)], valid))
