"""What can be computed?

Each primitive is one function on arrays: arguments before ``/`` in its signature are inputs
(Tensors, arrays or numbers), those after it options. They come in adjoint pairs (sum and
broadcast_to, getitem and scatter, concatenate and its slices), so the derivative of a graph needs
no new kinds of node.

At kinks and ties the derivative is a choice. Ours: ``relu`` and ``absolute`` have slope 0 at 0;
``maximum``, ``minimum``, ``max`` and ``min`` share the gradient equally among equals; ``clip``
passes it on at its very bounds; ``sqrt`` at 0 is infinite.
"""

from __future__ import annotations

import builtins
import itertools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.border import REAL
from tinygrad_rnn.engine.convolution import conv  # noqa: F401  (all that can be computed is here)
from tinygrad_rnn.engine.indexing import Input, axis_of, flip, getitem, scatter, split  # noqa: F401

from tinygrad_rnn.engine.kinds import (  # isort: skip
    ALL, ARITHMETIC, BOTH, CAST, CHOICE, CHOSEN, EACH, EXTREME, FIRST, FUNCTION, IDENTITY,
    LOGSUMEXP, MOVE, NORMALISATION, PRODUCT, SIGN, SUM, VIEW,
)  # fmt: skip
from tinygrad_rnn.engine.operands import as_operand, sequence
from tinygrad_rnn.engine.operators import OPS
from tinygrad_rnn.engine.overloads import of_list, of_one
from tinygrad_rnn.engine.primitive import Primitive
from tinygrad_rnn.engine.segment import segment  # noqa: F401

# -- elementwise ----------------------------------------------------------------------------------
# Python's operators, not NumPy's functions: the same loops on arrays, and ten times faster on NumPy
# scalars.


# e^x/(1 + e^x) is 1 from these x on, far below the overflow of e^x.
SATURATED: dict[Any, int] = {
    np.dtype(np.float16): 10,
    np.dtype(np.float32): 50,
    np.dtype(np.float64): 50,
}
_TOP_AND_ONE: dict[Any, tuple[Any, Any]] = {  # as arrays, which are faster than numbers
    dtype: (np.array(x, dtype), np.array(1, dtype)) for dtype, x in SATURATED.items()
}


def _sigmoid(x: Any, /) -> Any:
    # Small results keep all their digits: 2e-9 at -20, where 1/2 + tanh(x/2)/2 has none left.
    top, one = _TOP_AND_ONE.get(getattr(x, "dtype", None), (50.0, 1.0))
    y = np.exp(np.minimum(x, top))
    y /= y + one
    return y


def _relu(x: Any, /) -> Any:
    return np.maximum(x, 0)


def _softplus(x: Any, /) -> Any:
    return np.logaddexp(x, 0)


def _where(condition: Any, a: Any, b: Any, /) -> Any:
    return np.where(condition, a, b)[()]


def _logical(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f` of bool alone: of integers, & and | would work bit by bit."""

    def of_bool(*xs: Any) -> Any:
        if any(np.asarray(x).dtype != bool for x in xs):
            raise TypeError("&, | and ~ join conditions; expected bool")
        return f(*xs)

    return of_bool


# fmt: off
add           = Primitive("add",           operator.add,            2, ARITHMETIC, BOTH, "+")
subtract      = Primitive("subtract",      operator.sub,            2, ARITHMETIC, BOTH, "−")
multiply      = Primitive("multiply",      operator.mul,            2, ARITHMETIC, EACH, "×")
divide        = Primitive("divide",        operator.truediv,        2, FUNCTION,   FIRST, "/")
power         = Primitive("power",         operator.pow,            2, FUNCTION,   symbol="^")
negative      = Primitive("negative",      operator.neg,            1, SIGN,       FIRST, "−")
exp           = Primitive("exp",           np.exp,                  1, FUNCTION)
log           = Primitive("log",           np.log,                  1, FUNCTION)
log1p         = Primitive("log1p",         np.log1p,                1, FUNCTION)
expm1         = Primitive("expm1",         np.expm1,                1, FUNCTION)
sqrt          = Primitive("sqrt",          np.sqrt,                 1, FUNCTION,   symbol="√")
absolute      = Primitive("absolute",      operator.abs,            1, CHOICE)
sin           = Primitive("sin",           np.sin,                  1, FUNCTION)
cos           = Primitive("cos",           np.cos,                  1, FUNCTION)
tanh          = Primitive("tanh",          np.tanh,                 1, FUNCTION)
sigmoid       = Primitive("sigmoid",       _sigmoid,                1, FUNCTION,   symbol="σ")
relu          = Primitive("relu",          _relu,                   1, CHOICE)
softplus      = Primitive("softplus",      _softplus,               1, FUNCTION)
maximum       = Primitive("maximum",       np.maximum,              2, CHOICE)
minimum       = Primitive("minimum",       np.minimum,              2, CHOICE)
where         = Primitive("where",         _where,                  3, CHOICE,     CHOSEN)
stop_gradient = Primitive("stop_gradient", operator.pos,            1, IDENTITY,   FIRST)

# without a derivative; recorded only where the record becomes a program
less          = Primitive("less",          operator.lt,             2, CHOICE)
less_equal    = Primitive("less_equal",    operator.le,             2, CHOICE)
greater       = Primitive("greater",       operator.gt,             2, CHOICE)
greater_equal = Primitive("greater_equal", operator.ge,             2, CHOICE)
equal         = Primitive("equal",         operator.eq,             2, CHOICE)
not_equal     = Primitive("not_equal",     operator.ne,             2, CHOICE)
logical_and   = Primitive("logical_and",   _logical(operator.and_), 2, CHOICE)
logical_or    = Primitive("logical_or",    _logical(operator.or_),  2, CHOICE)
logical_not   = Primitive("logical_not",   _logical(operator.invert), 1, CHOICE)
# fmt: on


def _pass_gradient(x: Any, /, scale: float = 1.0, limit: float = np.inf) -> Any:
    """`x` itself; the gradient that flows back is scaled, then clipped to [-limit, limit]."""
    return +x


def _cut_gradient(x: Any, cut: Any, /, scale: float = 1.0) -> Any:
    """`x` itself; where `cut` is true no gradient flows back, elsewhere it is scaled."""
    return +x


def _clip(x: Any, /, low: Any = -np.inf, high: Any = np.inf) -> Any:
    """`x` kept inside [low, high]; the bounds are plain numbers.

    Integers stay integers if no bound is a fraction.
    """
    low, high = clip_bounds(getattr(x, "dtype", np.result_type(type(x))), low, high)
    return np.minimum(np.maximum(x, low), high)


def clip_bounds(dtype: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """The bounds; for a dtype of integers as integers in its range, unless one is a fraction."""
    if dtype.kind not in "iu" or any(math.isfinite(b) and b != int(b) for b in (low, high)):
        return low, high
    least, most = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)

    def within(b: Any) -> Any:
        return b if math.isnan(b) else int(builtins.min(builtins.max(b, least), most))

    return within(low), within(high)


def _astype(x: Any, /, dtype: Any) -> Any:
    """Another dtype; to integers it is a cut: no gradient passes."""
    if np.dtype(dtype).kind not in REAL:
        raise TypeError(f"{np.dtype(dtype)} holds no real numbers")
    return np.asarray(x).astype(dtype)[()]


# -- products and reductions ----------------------------------------------------------------------


def _matmul(a: Any, b: Any, /) -> Any:
    if b.ndim != 2 or a.ndim < 2 or not a.size:
        return np.matmul(a, b)
    # dot is matmul's GEMM at half its overhead; one for all rows, not one per leading index; and
    # BLAS is up to 1.8 times faster when its large factor is not the transposed one
    rows = a if a.ndim == 2 else a.reshape(-1, a.shape[-1])
    y = b.T.dot(rows.T).T if b.strides[0] < b.strides[1] else rows.dot(b)
    return y if a.ndim == 2 else y.reshape(*a.shape[:-1], b.shape[1])


def _of_axes(x: Any, axis: Any) -> Any:
    """`axis`, refused for a number: ``max(-5, 0)`` means Python's own, and NumPy would say -5."""
    if not x.ndim and axis is not None and np.size(axis):
        raise ValueError("a number has no axes; Python's own sum, max, min are builtins.max, …")
    return axis


def _sum(x: Any, /, axis: Any = None, keepdims: bool = False) -> Any:
    """Sum over `axis` (an int, a tuple, or None for all)."""
    return np.add.reduce(x, axis=_of_axes(x, axis), keepdims=keepdims)


def _max(x: Any, /, axis: Any = None, keepdims: bool = False) -> Any:
    """Largest element over `axis`; equals share the gradient."""
    return np.maximum.reduce(x, axis=_of_axes(x, axis), keepdims=keepdims)


def _min(x: Any, /, axis: Any = None, keepdims: bool = False) -> Any:
    """Smallest element over `axis`; equals share the gradient."""
    return np.minimum.reduce(x, axis=_of_axes(x, axis), keepdims=keepdims)


def _logsumexp(x: Any, /, axis: Any = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) over `axis`, without overflow; -inf of an empty axis."""
    top = np.maximum.reduce(x, axis=axis, keepdims=True) if x.size else x.dtype.type(0)
    top = np.where(np.isfinite(top), top, 0)  # all -inf: log(0), not inf - inf
    with np.errstate(divide="ignore"):
        y = np.log(np.add.reduce(np.exp(x - top), axis=axis, keepdims=True)) + top
    return y if keepdims else np.squeeze(y, axis=axis)[()]


def _softmax(x: Any, /, axis: int = -1) -> Any:
    """exp(x) / sum(exp(x)) over `axis`, without overflow; of an empty axis, empty."""
    y = np.exp(x - np.maximum.reduce(x, axis=axis, keepdims=True) if x.size else x)
    return y / np.add.reduce(y, axis=axis, keepdims=True)


def _log_softmax(x: Any, /, axis: int = -1) -> Any:
    """Over `axis`, x - logsumexp(x); finite where log(softmax(x)) is not."""
    if not x.size:
        return _softmax(x, axis)
    x = x - np.maximum.reduce(x, axis=axis, keepdims=True)
    return x - np.log(np.add.reduce(np.exp(x), axis=axis, keepdims=True))


# -- shape ----------------------------------------------------------------------------------------


def _reshape(x: Any, /, shape: Any) -> Any:
    """The same elements in another shape; one length may be -1."""
    return x.reshape(shape)


def _transpose(x: Any, /, axes: Any = None) -> Any:
    """Axes in another order, reversed by default."""
    return x.transpose(axes) if axes is not None else x.T


def _broadcast_to(x: Any, /, shape: Any) -> Any:
    """`x` repeated to `shape`, by NumPy's rules of broadcasting."""
    y = np.empty(shape, dtype=x.dtype)
    y[...] = x
    return y[()]


def _concatenate(*xs: Any, axis: int, starts: tuple[int, ...]) -> Any:
    """Joined along `axis`; the rule needs `starts`, where each begins."""
    return np.concatenate(xs, axis=axis)


def _stack(*xs: Any, axis: int) -> Any:
    return np.stack(xs, axis=axis)


# fmt: off
clip          = Primitive("clip",          _clip,          kind=CHOICE)
pass_gradient = Primitive("pass_gradient", _pass_gradient, kind=IDENTITY, linear=FIRST)
cut_gradient  = Primitive("cut_gradient",  _cut_gradient,  kind=IDENTITY, linear=FIRST)
astype        = Primitive("astype",        _astype,        kind=CAST, linear=FIRST)
matmul        = Primitive("matmul",        _matmul,        kind=PRODUCT, linear=EACH, symbol="@")
sum           = Primitive("sum",           _sum,           kind=SUM, linear=FIRST, symbol="Σ")
max           = Primitive("max",           _max,           kind=EXTREME)
min           = Primitive("min",           _min,           kind=EXTREME)
logsumexp     = Primitive("logsumexp",     _logsumexp,     kind=LOGSUMEXP)
softmax       = Primitive("softmax",       _softmax,       kind=NORMALISATION)
log_softmax   = Primitive("log_softmax",   _log_softmax,   kind=NORMALISATION)
reshape       = Primitive("reshape",       _reshape,       kind=VIEW, linear=FIRST)
transpose     = Primitive("transpose",     _transpose,     kind=VIEW, linear=FIRST)
broadcast_to  = Primitive("broadcast_to",  _broadcast_to,  kind=VIEW, linear=FIRST)
concatenate_p = Primitive("concatenate",   _concatenate,   kind=MOVE, linear=ALL)
stack_p       = Primitive("stack",         _stack,         kind=MOVE, linear=ALL)
# fmt: on


# -- compositions ---------------------------------------------------------------------------------


@of_one
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Mean over `axis` (an int, a tuple, or None for all): a sum, divided."""
    x = as_operand(x, "mean")
    shape = x.shape
    given = axis if isinstance(axis, tuple) else (axis,)
    axes = range(len(shape)) if axis is None else [axis_of("mean", k, shape) for k in given]
    return sum(x, axis=axis, keepdims=keepdims) / math.prod(shape[k] for k in axes)


@of_list
def concatenate(xs: Sequence[Any], axis: int = 0) -> Any:
    """Join along an axis they have; all other lengths are equal."""
    xs = [as_operand(x, "concatenate") for x in sequence("concatenate", xs)]
    shapes = [x.shape for x in xs]
    for shape in {len(shape): shape for shape in shapes}.values():
        axis_of("concatenate", axis, shape)
    lengths = [shape[axis] for shape in shapes]
    return concatenate_p(*xs, axis=axis, starts=tuple(itertools.accumulate(lengths, initial=0)))


@of_list
def stack(xs: Sequence[Any], axis: int = 0) -> Any:
    """Join along a new axis; all shapes are equal."""
    return stack_p(*sequence("stack", xs), axis=axis)


OPS.update({op.name: op for op in [*vars().values()] if isinstance(op, Primitive)}, mean=mean)
