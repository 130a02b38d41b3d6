"""How does a decoder look back at the whole input?"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.engine.composite import composite
from tinygrad_rnn.engine.primitives import softmax, sum, where
from tinygrad_rnn.engine.tensor import Tensor, named, values
from tinygrad_rnn.nn.mask import checked_mask

__all__ = ["dot_attention"]


@composite
def dot_attention(query: Any, memory: Any, mask: Any = None) -> tuple[Tensor, Tensor]:
    """The mean of `memory` with weights softmax(memory · query) over time, and these weights.

    Luong et al. 2015, "Effective approaches to attention-based neural machine translation", eq. 7
    with the score *dot*.

    Parameters
    ----------
    query
        (*batch, features).
    memory
        (S, *batch, features), as `stack` of the outputs of `unroll` gives it.
    mask
        Bool (S, *batch), true at the steps that count. If no step counts, the result is 0.

    Returns
    -------
    context, weights
        Shapes (*batch, features) and (S, *batch); the weights of one example sum to 1.

    Raises
    ------
    ValueError
        The shapes or the dtype of the mask do not fit, or `memory` is empty.
    """
    shape, expected = np.shape(values(query)), np.shape(values(memory))
    if len(expected) < 2 or expected[1:] != shape or not expected[0]:
        raise ValueError(
            f"dot_attention: memory must be (S, *query.shape) = (S, {', '.join(map(str, shape))}), "
            f"got {expected}. A read-out can bring query and memory to the same number of features."
        )
    scores = sum(memory * query, axis=-1)
    if mask is None:
        weights = named(attention=softmax(scores, axis=0))
    else:
        mask = checked_mask("dot_attention", mask, expected[:-1])
        # any finite number will do where masked: its weight is set to 0 afterwards
        weights = softmax(where(mask, scores, -1e30), axis=0)
        weights = named(attention=where(mask, weights, 0))
    return named(context=sum(weights[..., None] * memory, axis=0)), weights
