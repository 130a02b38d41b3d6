"""Which layers go before and after a cell?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine.operands import operand
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.nn.arguments import check_dtype, check_flags, check_sizes, require_range
from tinygrad_rnn.nn.cells.base import affine
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.nn.start import uniform

__all__ = ["Embedding", "Linear", "TiedLinear"]


class Linear(Module):
    """y = x W + b on the last axis; starts from U[-1/√in, 1/√in) as torch.nn.Linear does.

    `W` has shape (in, out), `b` (out,).

    Raises
    ------
    ValueError, TypeError
        A size is not a whole number of at least 1, or `dtype` is not a float type.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        check_sizes("Linear", in_features=in_features, out_features=out_features)
        check_dtype("Linear", dtype)
        check_flags("Linear", bias=bias)
        self.in_features, self.out_features = in_features, out_features
        rng, bound = np.random.default_rng(rng), in_features**-0.5
        self.W = uniform((in_features, out_features), bound, rng, dtype)
        self.b = uniform((out_features,), bound, rng, dtype) if bias else None

    def __call__(self, x: Any) -> Tensor:
        """From (…, in) to (…, out)."""
        return affine(x, self.W, self.b)


class Embedding(Module):
    """A learned row for each of `num_embeddings` symbols; starts from N(0, 1) as in torch.

    Called with integers of shape (…) it returns rows of shape (…, embedding_dim).

    Raises
    ------
    ValueError, TypeError
        As in `Linear`; in a call, symbols are not integers.
    IndexError
        In a call, a symbol is negative or too large.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        check_sizes("Embedding", num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        check_dtype("Embedding", dtype)
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        start = np.random.default_rng(rng).standard_normal((num_embeddings, embedding_dim))
        self.W = Tensor(start, dtype=dtype)

    def __call__(self, symbols: Any) -> Tensor:
        """The rows of `symbols`; an IndexError for a symbol that is negative or too large."""
        symbols = operand(symbols, "Embedding")
        found = values(symbols)
        if found.dtype.kind not in "iu":
            raise TypeError(f"Embedding: symbols are integers, got dtype {found.dtype}.")

        def outside() -> str:
            return (
                f"Embedding: symbols must lie in 0 … {self.num_embeddings - 1}, "
                f"got {found.min()} … {found.max()}. A negative one would count from the end."
            )

        require_range(symbols, 0, self.num_embeddings - 1, outside, IndexError)
        return self.W[symbols]


class TiedLinear(Module):
    """Scores of symbols by the weights of their embedding: y = x W^T + b (Press & Wolf 2017).

    `W` is the embedding's, one parameter in two places; `b` (symbols,) starts at 0.

    Raises
    ------
    TypeError
        `embedding` is not an `Embedding`.
    """

    def __init__(self, embedding: Embedding, *, bias: bool = True) -> None:
        if not isinstance(embedding, Embedding):
            raise TypeError(
                f"TiedLinear: expected the Embedding whose weights it shares, got a "
                f"{type(embedding).__name__}."
            )
        check_flags("TiedLinear", bias=bias)
        self.W = embedding.W
        self.b = Tensor(np.zeros(self.W.shape[0], self.W.dtype)) if bias else None

    def __call__(self, x: Any) -> Tensor:
        """From (…, embedding_dim) to (…, num_embeddings)."""
        y = x @ self.W.T
        return y if self.b is None else y + self.b
