"""How is a loss computed without knowing at which step each label belongs?"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.engine.composite import composite
from tinygrad_rnn.engine.context import scope
from tinygrad_rnn.engine.operands import operand
from tinygrad_rnn.engine.overloads import of_one
from tinygrad_rnn.engine.primitives import (
    astype,
    concatenate,
    log_softmax,
    logsumexp,
    mean,
    reshape,
    stack,
    sum,
    where,
)
from tinygrad_rnn.engine.recorder import require
from tinygrad_rnn.engine.tensor import named, values
from tinygrad_rnn.nn.mask import checked_lengths

__all__ = ["ctc_loss"]

_NEVER = -1e30  # log 0 that can be subtracted from itself


@of_one
@composite
def ctc_loss(
    logits: Any, labels: Any, *, lengths: Any = None, label_lengths: Any = None, blank: int = 0
) -> Any:
    """Mean over the batch of -log p(labels), summed over all alignments, in nats.

    An alignment names one class per step; without repetitions, and then without blanks, it spells
    the labels (connectionist temporal classification, Graves et al. 2006, eqs. 5-8). The sum over
    alignments is the forward algorithm in logarithms, and its gradient comes from reverse mode.
    Torch's ``reduction="mean"`` first divides each example by its number of labels; this mean does
    not.

    Parameters
    ----------
    logits
        Scores before the softmax, shape (T, batch, classes).
    labels
        Integers (batch, S) in 0 … classes-1 other than `blank`; any integer beyond their lengths.
    lengths, label_lengths
        How many steps and labels of each example count, shape (batch,); all by default.
    blank
        The class that stands for no label.

    Raises
    ------
    ValueError
        Shapes, lengths or labels do not fit, or there are more labels (and blanks needed between
        equal ones) than steps, so that no alignment spells the labels.
    """
    T, labels, lengths, counts = _checked(logits, labels, lengths, label_lengths, blank)
    batch, S = labels.shape
    kept = where(np.arange(S) < counts[:, None], labels, blank)
    pairs = stack([np.full((batch, S), blank), kept], axis=2)  # blanks around all labels
    wanted = concatenate([reshape(pairs, shape=(batch, 2 * S)), np.full((batch, 1), blank)], axis=1)
    skips = wanted[:, 2:] != wanted[:, :-2]  # from label to label, if they differ (blanks never do)
    skips = concatenate([np.zeros((batch, min(2, 2 * S + 1)), bool), skips], axis=1)

    valid = np.arange(T)[:, None] < lengths
    scores = log_softmax(where(valid[..., None], logits, 0), axis=-1)
    steps, rows = np.ogrid[:T, :batch]
    emitted = scores[(steps[..., None], rows[..., None], wanted)]  # (T, batch, 2S+1)

    alpha = where(np.arange(2 * S + 1) < 2, emitted[0], _NEVER)
    for t in range(1, T):
        with scope("ctc", t=t):
            ways = [alpha, _later(alpha, 1), where(skips, _later(alpha, 2), _NEVER)]
            alpha = where(valid[t][:, None], emitted[t] + logsumexp(stack(ways), axis=0), alpha)
    ends = 2 * counts[:, None] - np.array([0, 1])  # in the last blank or the last label
    last = where(ends >= 0, alpha[(np.arange(batch)[:, None], where(ends >= 0, ends, 0))], _NEVER)
    return named(loss=-mean(logsumexp(last, axis=1)))


def _later(alpha: Any, k: int) -> Any:
    """`alpha` shifted by `k` places; log 0 enters at the front."""
    before = np.full((alpha.shape[0], k), _NEVER, alpha.dtype)
    return concatenate([before, alpha], axis=1)[:, : alpha.shape[1]]


def _checked(
    logits: Any, labels: Any, lengths: Any, counts: Any, blank: int
) -> tuple[int, Any, Any, Any]:
    """The number of steps, and labels and both lengths as arrays or Tensors."""
    shape, labels = operand(logits, "ctc_loss").shape, operand(labels, "ctc_loss")
    if 0 in shape or 0 in labels.shape[:1]:
        raise ValueError(
            f"ctc_loss: there is nothing to average over, logits have shape {shape}, labels "
            f"{labels.shape}."
        )
    if len(shape) != 3 or labels.ndim != 2 or labels.shape[0] != shape[1]:
        raise ValueError(
            "ctc_loss: expected logits (T, batch, classes) and labels (batch, S), got "
            f"{shape} and {labels.shape}."
        )
    T, batch, classes = shape
    lengths = _lengths("lengths", lengths, T, batch)
    counts = _lengths("label_lengths", counts, labels.shape[1], batch)
    counted = np.arange(labels.shape[1]) < counts[:, None]

    def strange() -> str:
        right = values(labels)[values(counted)]
        return (
            f"ctc_loss: labels must be integers in 0 … {classes - 1} without the blank {blank}, "
            f"got {labels.dtype}: {np.unique(right)}."
        )

    require(labels.dtype.kind in "iu", strange)
    require(~counted | ((labels >= 0) & (labels < classes) & (labels != blank)), strange)
    if not 0 <= blank < classes:
        raise ValueError(f"ctc_loss: blank must lie in 0 … {classes - 1}, got {blank}.")
    repeated = sum((labels[:, 1:] == labels[:, :-1]) & counted[:, 1:], axis=1)

    def short() -> str:
        n, m, between = (np.asarray(values(x)) for x in (lengths, counts, repeated))
        k = np.flatnonzero(n < np.maximum(m + between, 1))[0]
        return (
            f"ctc_loss: example {k} has {n[k]} steps, too few for {m[k]} labels and "
            f"{between[k]} blanks between equal ones; at least one step is needed. Leave it out."
        )

    require((lengths >= 1) & (lengths >= counts + repeated), short)
    return T, labels, lengths, counts


def _lengths(what: str, given: Any, top: int, batch: int) -> Any:
    """The number of steps or labels of each example, checked, as int64."""
    given = np.full(batch, top) if given is None else given

    def expected(n: Any) -> str:
        return (
            f"ctc_loss: expected {what} as integers in 0 … {top} of shape ({batch},), "
            f"got {values(n)}."
        )

    def wrong(n: Any) -> Exception:
        return ValueError(expected(n))

    n = checked_lengths("ctc_loss", given, top, (batch,), wrong, expected)
    return n if n.dtype == np.int64 else astype(n, dtype=np.int64)
