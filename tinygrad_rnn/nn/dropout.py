"""Which elements are dropped in training?"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.engine.operands import operand
from tinygrad_rnn.engine.overloads import of_one
from tinygrad_rnn.engine.primitives import astype
from tinygrad_rnn.engine.recorder import draw
from tinygrad_rnn.engine.tensor import named
from tinygrad_rnn.nn.arguments import check_generator, check_probability

__all__ = ["drop_mask", "dropout"]


@of_one
def dropout(x: Any, p: float, rng: np.random.Generator | None) -> Any:
    """Zero each element with probability `p`, scale the others by 1/(1-p); x itself without `rng`.

    Pass the generator in training and None in evaluation: there is no hidden mode and no hidden
    generator.

    Raises
    ------
    ValueError
        `p` is not in [0, 1).
    TypeError
        `rng` is not a generator, or `x` holds integers.
    """
    check_probability("dropout", "p", p)
    check_generator("dropout", rng)
    if rng is None or p == 0:
        return x
    x = operand(x, "dropout")
    if x.dtype.kind != "f":
        raise TypeError(
            f"dropout: symbols cannot be scaled, got dtype {x.dtype}. Embed them first."
        )
    return x * drop_mask(rng, x, p)


def drop_mask(rng: np.random.Generator, x: Any, p: float) -> Any:
    """0 where an element of `x` is dropped, 1/(1-p) elsewhere, drawn in the shape of `x`."""
    kept = named(kept=draw(rng, x.shape) >= p)
    mask = named(mask=kept / (1 - p))
    return mask if mask.dtype == x.dtype else astype(mask, dtype=x.dtype)
