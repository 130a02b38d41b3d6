"""Which steps of which example count?"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.engine.primitives import where
from tinygrad_rnn.engine.tensor import operand, values
from tinygrad_rnn.nn.arguments import as_lengths, require_range

__all__ = ["masked", "the_mask"]


def masked(m: Any, new: Any, old: Any) -> Any:
    """`new` where `m` (*batch) says so, else `old`; what all examples share stays `new`.

    What is put aside can be anything, NaN too: neither it nor its gradient shows through.
    """
    shape = np.shape(values(new))
    if len(shape) < m.ndim:  # a step counter, say
        return new
    return where(m.reshape(*m.shape, *(1,) * (len(shape) - m.ndim)), new, old)


def the_mask(lengths: Any, mask: Any, T: int, batch: tuple[int, ...]) -> Any:
    """Bool (T, *batch): a checked `mask`, or what `lengths` (*batch) say.

    The last axes of the batch may be missing: one length for all places of a picture. What is a
    Tensor stays one, an argument of the record.

    Raises
    ------
    TypeError, ValueError
        Both are given, or one of another dtype, shape or range.
    """
    if lengths is not None and mask is not None:
        raise ValueError("unroll: lengths and mask say the same in two ways; pass one of them.")
    if mask is not None:
        mask = operand(mask, "unroll")
        if mask.shape != (T, *batch)[: max(1, mask.ndim)] or mask.dtype != bool:
            raise ValueError(
                f"unroll: expected mask as bool {(T, *batch)}, true where an input is valid, got "
                f"{mask.dtype} {mask.shape}. Time comes first."
            )
        return mask
    lengths = as_lengths(lengths, "unroll")
    if lengths.dtype.kind not in "iu":
        raise TypeError(f"unroll: lengths count steps (integers), got dtype {lengths.dtype}.")
    if lengths.shape != batch[: lengths.ndim]:
        raise ValueError(
            f"unroll: expected one length for each example, shape {batch}, got {lengths.shape}."
        )

    def outside() -> str:
        n = values(lengths)
        return (
            f"unroll: lengths must lie in 0 … {T}, the steps there are, got {n.min()} … {n.max()}."
        )

    require_range(lengths, 0, T, outside)
    return np.arange(T).reshape(T, *(1,) * lengths.ndim) < lengths
