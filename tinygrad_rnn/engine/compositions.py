"""Which of NumPy's functions are made of others?

They take NumPy's arguments, and record the primitives that they are made of.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.engine.composite import composite
from tinygrad_rnn.engine.indexing import axes_of, axis_of, getitem, scatter
from tinygrad_rnn.engine.operands import as_operand, sequence, shaped
from tinygrad_rnn.engine.overloads import of_list, of_one
from tinygrad_rnn.engine.primitives import (
    Input,
    absolute,
    astype,
    concatenate,
    max,
    mean,
    min,
    multiply,
    reshape,
    sqrt,
    sum,
    transpose,
    where,
)

__all__ = [
    "diag",
    "hstack",
    "norm",
    "prod",
    "repeat",
    "roll",
    "square",
    "std",
    "tril",
    "triu",
    "var",
    "vstack",
]

# -- elementwise ----------------------------------------------------------------------------------


@of_one
def square(x: Any) -> Any:
    """``x * x``."""
    x = as_operand(x, "square")
    return multiply(x, x)


@of_one
def tril(x: Any, k: int = 0) -> Any:
    """The elements on and below diagonal `k` of the last two axes; 0 above it."""
    return where(_lower("tril", x, k), x, 0)


@of_one
def triu(x: Any, k: int = 0) -> Any:
    """The elements on and above diagonal `k` of the last two axes; 0 below it."""
    return where(_lower("triu", x, k - 1), 0, x)


def _lower(name: str, x: Any, k: int) -> Any:
    """The places on and below diagonal `k` of the last two axes."""
    shape = shaped(as_operand(x, name)).shape
    if len(shape) < 2:
        raise ValueError(f"{name}: expected at least two axes, got shape {shape}.")
    return np.tri(shape[-2], shape[-1], k, bool)


# -- reductions -----------------------------------------------------------------------------------


@of_one
@composite
def prod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Product over `axis` (an int, a tuple, or None for all), by halves.

    Its gradient is that of the multiplications, also where elements are 0.
    """
    x = as_operand(x, "prod")
    shape = shaped(x).shape
    axes = axes_of("prod", axis, shape)
    kept = [k for k in range(len(shape)) if k not in axes]
    n = math.prod(shape[k] for k in axes)
    if kept:
        x = transpose(x, axes=(*axes, *kept))
    x = reshape(x, shape=(n, *(shape[k] for k in kept)))
    if shaped(x).dtype.kind != "f":
        x = astype(x, dtype=np.prod(np.ones(1, shaped(x).dtype)).dtype)  # as wide as NumPy's
    odd = list[Any]()
    while n > 1:
        odd += [x[n - 1]] * (n % 2)
        n //= 2
        x = x[:n] * x[n : 2 * n]
    x = x[0] if n else sum(x, axis=0) + 1  # of nothing, 1
    for last in odd:
        x = x * last
    return reshape(x, shape=[1 if k in axes else m for k, m in enumerate(shape)]) if keepdims else x


@of_one
@composite
def var(x: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    """Mean of the squared distance from the mean over `axis`; divided by n − `ddof`, not n."""
    x = as_operand(x, "var")
    shape = shaped(x).shape
    n = math.prod(shape[k] for k in axes_of("var", axis, shape))
    away = x - mean(x, axis=axis, keepdims=True)
    return sum(away * away, axis=axis, keepdims=keepdims) / builtins.max(n - ddof, 0)


@of_one
@composite
def std(x: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    """The square root of the variance over `axis`; where that is 0 its slope is 0, as `norm`'s."""
    return _root(var(x, axis, ddof=ddof, keepdims=keepdims))


@of_one
@composite
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The Euclidean norm over `axis`, or with `ord` 1 or ``np.inf`` the sum or the largest of |x|.

    Of a matrix, as ``np.linalg.norm`` does, without `ord` the norm of all its elements (Frobenius).
    At 0 the Euclidean norm has slope 0, as `absolute` has.
    """
    x = as_operand(x, "norm")
    shape = shaped(x).shape
    axes = axes_of("norm", axis, shape)
    if ord is not None and len(axes) > 1 and ord != "fro":
        raise ValueError(
            f"norm: of a matrix there is the Frobenius norm alone, got ord={ord!r} over the axes "
            f"{axes} of shape {shape}. Leave ord out, or give one axis."
        )
    if ord in (1, np.inf, -np.inf):
        over = sum if ord == 1 else max if ord == np.inf else min
        return over(absolute(x), axis=axis, keepdims=keepdims)
    if ord not in (None, 2, "fro") or (ord == "fro" and len(axes) != 2):
        raise ValueError(f"norm: ord is None, 1, 2, inf, -inf, or 'fro' of two axes, got {ord!r}.")
    return _root(sum(x * x, axis=axis, keepdims=keepdims))


def _root(squares: Any) -> Any:
    """The square root, with slope 0 at 0."""
    is_zero = squares == 0
    return where(is_zero, 0.0, sqrt(where(is_zero, 1.0, squares)))


# -- shape ----------------------------------------------------------------------------------------


@of_one
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Each element `repeats` times along `axis`; of all elements in their order without one."""
    x = as_operand(x, "repeat")
    if axis is None:
        x, axis = reshape(x, shape=-1), 0
    shape = shaped(x).shape
    axis = axis_of("repeat", axis, shape)
    try:
        places = np.repeat(np.arange(shape[axis]), repeats)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"repeat: expected one number of repeats, or one for each of the {shape[axis]} "
            f"elements of axis {axis}, got {repeats!r}."
        ) from error
    return getitem(x, places, index=(*(slice(None),) * axis, Input(1)))


@of_one
def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """Moved by `shift` along `axis`, one or several; what leaves at the end enters at the front."""
    x = as_operand(x, "roll")
    shape = shaped(x).shape
    if axis is None:
        return reshape(roll(reshape(x, shape=-1), shift, axis=0), shape=shape)
    for by, k in np.broadcast(shift, axis):
        k = axis_of("roll", k, shape)
        cut = -int(by) % (shape[k] or 1)
        if cut:
            before, after = ((*(slice(None),) * k, part) for part in (slice(cut), slice(cut, None)))
            x = concatenate([x[after], x[before]], axis=k)
    return x


@of_one
def diag(x: Any, k: int = 0) -> Any:
    """The diagonal `k` of a matrix; of a vector, the matrix with it there and 0 elsewhere."""
    x = as_operand(x, "diag")
    shape = shaped(x).shape
    if len(shape) == 2:
        rows, columns = np.nonzero(np.eye(shape[0], shape[1], k))
        return getitem(x, rows, columns, index=(Input(1), Input(2)))
    if len(shape) != 1:
        raise ValueError(f"diag: expected one axis or two, got shape {shape}.")
    n = shape[0] + abs(k)
    places = np.nonzero(np.eye(n, k=k))
    return scatter(x, *places, indices=((Input(1), Input(2)),), shape=(n, n))


@of_list
def hstack(xs: Sequence[Any]) -> Any:
    """Join along the second axis; of vectors and numbers along their first."""
    xs = [_at_least("hstack", x, 1) for x in sequence("hstack", xs)]
    return concatenate(xs, axis=0 if shaped(xs[0]).ndim == 1 else 1)


@of_list
def vstack(xs: Sequence[Any]) -> Any:
    """Join along the first axis; vectors and numbers are rows."""
    return concatenate([_at_least("vstack", x, 2) for x in sequence("vstack", xs)])


def _at_least(name: str, x: Any, ndim: int) -> Any:
    """`x` with axes of length 1 before its own, if it has fewer than `ndim`."""
    x = as_operand(x, name)
    shape = shaped(x).shape
    missing = ndim - len(shape)
    return reshape(x, shape=(1,) * missing + shape) if missing > 0 else x
