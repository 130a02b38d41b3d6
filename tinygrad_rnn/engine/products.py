"""How does a gradient pass through a product of matrices, vectors and batches of them?"""

from __future__ import annotations

from math import prod
from typing import Any

from tinygrad_rnn.engine.primitives import concatenate, matmul, reshape, sum, transpose

__all__ = ["Uses", "matmul_left", "matmul_right", "one_product"]

Uses = list[tuple[Any, Any, dict[str, Any]]]  # of one source: (cotangent, inputs, options) each


def swap(x: Any) -> Any:
    """The last two axes exchanged."""
    return x.T if x.ndim == 2 else transpose(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def rows(a: Any) -> Any:
    """All leading axes as one; -1 could not say how many where a row is empty."""
    return a if a.ndim == 2 else reshape(a, shape=(prod(a.shape[:-1]), a.shape[-1]))


def matmul_left(g: Any, a: Any, b: Any) -> Any:
    """The cotangent of `a` in a @ b."""
    if b.ndim == 1:  # y = sum_k a[..., k] b[k]
        return g[..., None] * b
    if a.ndim == 1:  # y[..., m] = sum_k a[k] b[..., k, m]
        return matmul(b, g[..., None])[..., 0]
    return matmul(g, swap(b))


def matmul_right(g: Any, a: Any, b: Any) -> Any:
    """The cotangent of `b` in a @ b."""
    if a.ndim == 1:
        return g * a if b.ndim == 1 else a[:, None] * g[..., None, :]
    if b.ndim == 1:
        return sum(g[..., None] * a, axis=tuple(range(a.ndim - 1)))
    if b.ndim == 2 and a.ndim > 2:  # one product over all rows, not one per batch and a sum
        a, g = rows(a), rows(g)
    return matmul(swap(a), g)


def one_product(uses: Uses, b: Any) -> Any:
    """The cotangent of the matrix `b` in all products a @ b: one product of all their rows."""
    rows_a = [rows(a) for _, (a, _), _ in uses]
    rows_g = [rows(g) for g, _, _ in uses]
    return matmul(concatenate(rows_a).T, concatenate(rows_g))
