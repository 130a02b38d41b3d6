"""Which steps of which example count?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_rnn.engine.operands import operand
from tinygrad_rnn.engine.primitives import where
from tinygrad_rnn.engine.tensor import values
from tinygrad_rnn.nn.arguments import require_range

__all__ = ["checked_lengths", "checked_mask", "masked", "the_mask"]


def masked(m: Any, new: Any, old: Any) -> Any:
    """`new` where `m` (*batch) says so, else `old`; what all examples share stays `new`.

    The values put aside can be anything, NaN too: neither they nor their gradients show through.
    """
    shape = np.shape(values(new))
    if len(shape) < m.ndim:  # a step counter, say
        return new
    return where(m.reshape(*m.shape, *(1,) * (len(shape) - m.ndim)), new, old)


def checked_lengths(
    owner: str,
    lengths: Any,
    top: int,
    shape: tuple[int, ...],
    wrong: Callable[[Any], Exception],
    outside: Callable[[Any], str] | None = None,
    *,
    leading: bool = False,
) -> Any:
    """`lengths`, checked: integers in 0 … `top`, the steps of each example that count.

    An array, or a Tensor as it is: an argument of the record.

    Parameters
    ----------
    shape, leading
        The shape that is expected; if `leading`, its first axes are enough.
    wrong, outside
        The error for another dtype or shape, and the sentence for a length out of range, as
        functions of the lengths.
    """
    nobody = isinstance(lengths, (list, tuple)) and not lengths  # integers of no examples, too
    lengths = operand(np.zeros(0, int) if nobody else lengths, owner)
    fitting = shape[: lengths.ndim] if leading else shape
    if lengths.dtype.kind not in "iu" or lengths.shape != fitting:
        raise wrong(lengths)

    def sentence() -> str:
        n = values(lengths)
        if outside is not None:
            return outside(n)
        return f"{owner}: lengths must lie in 0 … {top}, got {n.min()} … {n.max()}."

    require_range(lengths, 0, top, sentence)
    return lengths


def checked_mask(
    owner: str, mask: Any, shape: tuple[int, ...], *, axes: int | None = None, hint: str = ""
) -> Any:
    """`mask`, checked: bool of `shape`, an array, or a Tensor as it is.

    Parameters
    ----------
    axes
        The least number of leading axes that are enough; None for all.
    hint
        A sentence that follows that of the error.

    Raises
    ------
    ValueError
        It has another dtype or shape.
    """
    mask = operand(mask, owner)
    fitting = shape if axes is None else shape[: max(axes, mask.ndim)]
    if mask.dtype != bool or mask.shape != fitting:
        or_less = " or its leading axes" * (axes is not None)
        raise ValueError(
            f"{owner}: expected mask as bool {shape}{or_less}, true at the steps that "
            f"count, got {mask.dtype} {mask.shape}.{hint}"
        )
    return mask


def the_mask(lengths: Any, mask: Any, T: int, batch: tuple[int, ...]) -> Any:
    """Bool (T, *batch): a checked `mask`, or the one that `lengths` (*batch) give.

    The last axes of the batch may be missing: one length for all places of a picture. A Tensor
    stays one, an argument of the record.

    Raises
    ------
    TypeError, ValueError
        Both are given, or one of another dtype, shape or range.
    """
    if lengths is not None and mask is not None:
        raise ValueError("unroll: lengths and mask say the same in two ways; pass one of them.")
    if mask is not None:
        return checked_mask("unroll", mask, (T, *batch), axes=1, hint=" Time comes first.")

    def wrong(n: Any) -> Exception:
        if n.dtype.kind not in "iu":
            return TypeError(f"unroll: lengths count steps (integers), got dtype {n.dtype}.")
        return ValueError(
            f"unroll: expected one length for each example, shape {batch}, got {n.shape}."
        )

    lengths = checked_lengths("unroll", lengths, T, batch, wrong, leading=True)
    return np.arange(T).reshape(T, *(1,) * lengths.ndim) < lengths
