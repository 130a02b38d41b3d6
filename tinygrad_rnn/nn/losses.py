"""How wrong is an output?

Every loss is a mean over the entries that count, or their sum. Entries left out by `lengths`,
`mask` or `ignore_index` are replaced by zeros before anything is computed from them, so no value in
the padding, not even NaN, reaches the loss or a gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.engine.composite import composite
from tinygrad_rnn.engine.indexing import Input, getitem
from tinygrad_rnn.engine.operands import operand
from tinygrad_rnn.engine.overloads import of_one
from tinygrad_rnn.engine.primitives import astype, clip, log_softmax, softplus, sum, where
from tinygrad_rnn.engine.recorder import require
from tinygrad_rnn.engine.tensor import named, values
from tinygrad_rnn.nn.arguments import check_probability, is_number, require_range
from tinygrad_rnn.nn.batches import answers
from tinygrad_rnn.nn.counted import Reduction, anything, check_reduction, counted, paired, reduced

__all__ = ["binary_cross_entropy", "cross_entropy", "huber_loss", "mse_loss", "squared_error"]


@of_one
def mse_loss(
    y: Any,
    target: Any,
    *,
    lengths: Any = None,
    mask: Any = None,
    reduction: Reduction = "mean",
) -> Any:
    """Mean of (y - target)².

    Parameters
    ----------
    y, target
        Arrays or Tensors of one shape; (T, batch, …) with `lengths`. A `Batch` of `tasks` as target
        stands for its targets and, where there is one for each step, its mask.
    lengths
        How many steps of each sequence count: integers in 0 … T of shape (batch,).
    mask
        True where an entry counts: bool of the shape of `y` or of its leading axes, e.g. (T,
        batch).
    reduction
        ``"mean"``, ``"sum"``, or ``"none"`` for the errors themselves, 0 where they do not count.

    Raises
    ------
    ValueError, TypeError
        Shapes differ (broadcasting one against the other would average something else), lengths or
        mask do not fit, or nothing is left to average over.
    """
    check_reduction("mse_loss", reduction)
    y, target, valid = paired("mse_loss", y, target, lengths, mask)
    difference = y - target
    return named(loss=reduced(difference * difference, valid, reduction))


@of_one
def squared_error(y: Any, target: Any, *, lengths: Any = None, mask: Any = None) -> Any:
    """½ Σ (y - target)², the error E of the papers before 2000; its derivative is y - target.

    The sum goes over all entries, the batch too. Parameters and errors are those of `mse_loss`.
    """
    y, target, valid = paired("squared_error", y, target, lengths, mask)
    difference = y - target
    return named(loss=reduced(difference * difference, valid, "sum") * 0.5)


@of_one
def huber_loss(
    y: Any,
    target: Any,
    delta: float = 1.0,
    *,
    lengths: Any = None,
    mask: Any = None,
    reduction: Reduction = "mean",
) -> Any:
    """Mean of d²/2 where |d| ≤ delta and of delta·(|d| - delta/2) beyond, for d = y - target.

    The gradient of an outlier is at most `delta` > 0 (Huber 1964; torch's huber_loss). Parameters
    and errors are those of `mse_loss`.
    """
    if not is_number(delta) or not 0 < delta < np.inf:
        raise ValueError(f"huber_loss: delta must be positive and finite, got {delta!r}.")
    check_reduction("huber_loss", reduction)
    y, target, valid = paired("huber_loss", y, target, lengths, mask)
    difference = y - target
    near = clip(difference, -delta, delta)  # near·(d - near/2) is both formulas in one
    return named(loss=reduced(near * (difference - near * 0.5), valid, reduction))


@of_one
@composite
def binary_cross_entropy(
    logits: Any,
    target: Any,
    *,
    pos_weight: Any = None,
    lengths: Any = None,
    mask: Any = None,
    reduction: Reduction = "mean",
) -> Any:
    """Mean of -t log σ(logits) - (1-t) log(1 - σ(logits)), in nats; exact for large logits, too.

    Parameters
    ----------
    logits
        Scores before the sigmoid, any shape.
    target
        Probabilities t in [0, 1] of the same shape; bool and integers 0 and 1 too.
    pos_weight
        Factor of the first term, so that rare positives count more: a number, or an array that
        broadcasts to `logits`; positive.
    lengths, mask, reduction
        As in `mse_loss`.

    Raises
    ------
    ValueError, TypeError
        A target lies outside [0, 1], or a weight is not positive; otherwise as in `mse_loss`.
    """
    name = "binary_cross_entropy"
    check_reduction(name, reduction)
    logits, target, valid = paired(name, logits, target, lengths, mask)

    def outside() -> str:
        t = np.asarray(values(target))
        return f"{name}: targets are probabilities in [0, 1], got {t.min()} … {t.max()}."

    if target.dtype != bool:
        require_range(target, 0, 1, outside)
    t = astype(target, dtype=values(logits).dtype)
    positive = t * softplus(-logits)
    if pos_weight is not None:
        positive = positive * _weights(name, "pos_weight", pos_weight, values(logits))
    return named(loss=reduced(positive + (1 - t) * softplus(logits), valid, reduction))


@of_one
@composite
def cross_entropy(
    logits: Any,
    labels: Any,
    *,
    weight: Any = None,
    label_smoothing: float = 0.0,
    lengths: Any = None,
    mask: Any = None,
    ignore_index: int | None = None,
    reduction: Reduction = "mean",
) -> Any:
    """Mean of -log softmax(logits)[label], in nats.

    Parameters
    ----------
    logits
        Scores before the softmax, shape (…, classes); (T, batch, …, classes) with `lengths`.
    labels
        The right classes, integers of shape (…) in 0 … classes-1; any integer where left out.
    weight
        Positive factors of the classes, (classes,). The mean is divided by the sum of the factors
        of the labels, as in torch.
    label_smoothing
        ε in [0, 1]: the target is 1 - ε for the label, and ε/classes more for every class.
    lengths, mask, reduction
        As in `mse_loss`, for the shape of the labels.
    ignore_index
        The label that marks entries to leave out; None for none.

    Raises
    ------
    ValueError, TypeError
        Labels are not integers, have another shape, or lie outside the classes; lengths or mask do
        not fit; no label is left.
    """
    check_reduction("cross_entropy", reduction)
    check_probability("cross_entropy", "label_smoothing", label_smoothing, one=True)
    labels, lengths, mask = answers(labels, lengths, mask)
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
    scores, factors = log_softmax(logits, axis=-1), None
    if weight is not None:
        weight = _weights("cross_entropy", "weight", weight, scores, shape[-1])
        scores, factors = scores * weight, getitem(weight, labels, index=(Input(1),))
    errors = scores[(*places, labels)]
    if label_smoothing:
        share = label_smoothing / shape[-1]
        errors = errors * (1 - label_smoothing) + sum(scores, axis=-1) * share
    return named(loss=-reduced(errors, valid, reduction, factors))


def _weights(name: str, what: str, weight: Any, like: Any, *shape: int) -> Any:
    """Factors in the dtype of `like`; ValueError unless they are positive and fit."""
    weight, whole = operand(weight, name), np.shape(values(like))
    found = weight.shape
    ends = zip(found[::-1], whole[::-1], strict=False)
    if found != shape and (
        shape or len(found) > len(whole) or any(n not in (1, m) for n, m in ends)
    ):
        raise ValueError(f"{name}: expected {what} of shape {shape or whole}, got {found}.")
    require(
        weight > 0,
        lambda: (
            f"{name}: {what} must be positive, got {np.min(values(weight))}. A mask or "
            "ignore_index leaves entries out."
        ),
    )
    return astype(weight, dtype=values(like).dtype)
