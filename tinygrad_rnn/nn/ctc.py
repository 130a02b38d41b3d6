"""How wrong is it, when nobody says at which step each label belongs?"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.engine.context import scope
from tinygrad_rnn.engine.primitives import concatenate, log_softmax, logsumexp, mean, stack, where
from tinygrad_rnn.engine.tensor import named, values

__all__ = ["ctc_loss"]

_NEVER = -1e30  # log 0 that can be subtracted from itself


def ctc_loss(
    logits: Any, labels: Any, *, lengths: Any = None, label_lengths: Any = None, blank: int = 0
) -> Any:
    """Mean over the batch of -log p(labels), summed over all alignments, in nats.

    An alignment names one class per step; without its repetitions, and then without its blanks, it
    reads as the labels (connectionist temporal classification, Graves et al. 2006, eqs. 5-8). The
    sum over alignments is the forward algorithm in logarithms; its gradient is whatever reverse
    mode makes of it. Torch's ``reduction="mean"`` divides each example by its number of labels
    first; this does not.

    Parameters
    ----------
    logits
        Scores before the softmax, shape (T, batch, classes).
    labels
        Integers (batch, S) in 0 … classes-1, none of them `blank`; anything beyond their lengths.
    lengths, label_lengths
        How many steps and labels of each example count, shape (batch,); all by default.
    blank
        The class that stands for no label.

    Raises
    ------
    ValueError
        If shapes, lengths or labels do not fit, or if there are more labels (and blanks needed
        between equal ones) than steps, so that nothing reads as the labels.
    """
    T, labels, lengths, counts = _checked(logits, labels, lengths, label_lengths, blank)
    batch, S = labels.shape
    wanted = np.full((batch, 2 * S + 1), blank)  # blanks around all labels
    wanted[:, 1::2] = np.where(np.arange(S) < counts[:, None], labels, blank)
    skips = np.zeros(wanted.shape, bool)  # from label to label, where they differ (blanks never do)
    skips[:, 2:] = wanted[:, 2:] != wanted[:, :-2]

    valid = np.arange(T)[:, None] < lengths
    scores = log_softmax(where(valid[..., None], logits, 0), axis=-1)
    steps, rows = np.ogrid[:T, :batch]
    emitted = scores[(steps[..., None], rows[..., None], wanted)]  # (T, batch, 2S+1)

    alpha = where(np.arange(2 * S + 1) < 2, emitted[0], _NEVER)
    for t in range(1, T):
        with scope("ctc", t=t):
            ways = [alpha, _later(alpha, 1), where(skips, _later(alpha, 2), _NEVER)]
            alpha = where(valid[t][:, None], emitted[t] + logsumexp(stack(ways), axis=0), alpha)
    ends = 2 * counts[:, None] - np.array([0, 1])  # in the last blank, or in the last label
    last = where(ends >= 0, alpha[(np.arange(batch)[:, None], np.maximum(ends, 0))], _NEVER)
    return named(loss=-mean(logsumexp(last, axis=1)))


def _later(alpha: Any, k: int) -> Any:
    """What stood `k` places before: no alignment comes from before the first."""
    before = np.full((alpha.shape[0], k), _NEVER, alpha.dtype)
    return concatenate([before, alpha], axis=1)[:, : alpha.shape[1]]


def _checked(
    logits: Any, labels: Any, lengths: Any, counts: Any, blank: int
) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    shape, labels = np.shape(values(logits)), np.asarray(values(labels))
    if len(shape) != 3 or labels.ndim != 2 or labels.shape[0] != shape[1] or 0 in shape:
        raise ValueError(
            "ctc_loss: expected logits (T, batch, classes) and labels (batch, S), got "
            f"{shape} and {labels.shape}."
        )
    T, batch, classes = shape
    found = []
    for what, given, top in (("lengths", lengths, T), ("label_lengths", counts, labels.shape[1])):
        n = np.full(batch, top) if given is None else np.asarray(values(given))
        if n.shape != (batch,) or n.dtype.kind not in "iu" or n.min() < 0 or n.max() > top:
            raise ValueError(
                f"ctc_loss: expected {what} as integers in 0 … {top} of shape ({batch},), got {n}."
            )
        found.append(n.astype(int))
    counted = np.arange(labels.shape[1]) < found[1][:, None]
    right = labels[counted]
    if labels.dtype.kind not in "iu" or ((right < 0) | (right >= classes) | (right == blank)).any():
        raise ValueError(
            f"ctc_loss: labels must be integers in 0 … {classes - 1} without the blank {blank}, "
            f"got {labels.dtype}: {np.unique(right)}."
        )
    if not 0 <= blank < classes:
        raise ValueError(f"ctc_loss: blank must lie in 0 … {classes - 1}, got {blank}.")
    repeated = ((labels[:, 1:] == labels[:, :-1]) & counted[:, 1:]).sum(axis=1)
    short = np.flatnonzero(found[0] < np.maximum(found[1] + repeated, 1))
    if short.size:
        k = short[0]
        raise ValueError(
            f"ctc_loss: example {k} has {found[0][k]} steps, too few for {found[1][k]} labels and "
            f"{repeated[k]} blanks between equal ones; at least one step is needed. Leave it out."
        )
    return T, labels, found[0], found[1]
