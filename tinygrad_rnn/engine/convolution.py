"""How is a kernel moved over space, and its gradient?

The gradients of a convolution are convolutions: with the kernel turned over, and with the gradient
as the kernel. So `conv` is closed under derivatives, like every other primitive here.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from tinygrad_rnn.engine import messages
from tinygrad_rnn.engine.kinds import CONVOLUTION, EACH
from tinygrad_rnn.engine.primitive import Primitive

__all__ = ["conv", "conv_left", "conv_right", "margins"]


def margins(padding: Any, kernel: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """The zeros before and after each axis of a convolution; a negative number cuts places off."""
    if isinstance(padding, str) and padding in ("same", "valid"):
        return tuple(((k - 1) // 2, k // 2) if padding == "same" else (0, 0) for k in kernel)
    if isinstance(padding, str) or [len(pair) for pair in padding] != [2] * len(kernel):
        raise ValueError(messages.other_padding(padding, len(kernel)))
    return padding


def _conv(x: Any, w: Any, /, padding: Any = "same") -> Any:
    """``y[s] = sum(x[s + k - before] @ w[k])`` over all places k of a kernel: a convolution.

    As in torch and Keras the kernel is not turned over. `x` has shape (*batch, *space, in), `w`
    (*kernel, in, out) with as many axes of space, the result (*batch, *space, out). `padding` puts
    zeros around: "same" keeps the lengths, "valid" puts none, or a pair for each axis.
    """
    kernel = w.shape[:-2]
    if not kernel or x.ndim <= len(kernel) or x.shape[-1] != w.shape[-2]:
        raise ValueError("x is (*batch, *space, in) and the kernel (*kernel, in, out)")
    x = _framed(x, margins(padding, kernel))
    first = x.ndim - 1 - len(kernel)
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel, tuple(range(first, x.ndim - 1)))
    rows = np.moveaxis(windows, x.ndim - 1, -1)  # (*batch, *space, *kernel, in)
    places = rows.shape[: x.ndim - 1]
    rows = rows.reshape(prod(places), prod(w.shape[:-1]))
    return rows.dot(w.reshape(rows.shape[1], w.shape[-1])).reshape(*places, w.shape[-1])


def _framed(x: Any, margins: tuple[tuple[int, int], ...]) -> Any:
    """`x` with zeros before and after its axes of space, or, where negative, with less of them."""
    shape, take, put = list(x.shape), [slice(None)] * x.ndim, [slice(None)] * x.ndim
    for axis, (before, after) in enumerate(margins, start=x.ndim - 1 - len(margins)):
        n = shape[axis]
        shape[axis] = length = max(n + before + after, 0)
        take[axis] = slice(max(-before, 0), max(n + min(after, 0), 0))
        put[axis] = slice(max(before, 0), max(length - max(after, 0), 0))
    y = np.zeros(shape, dtype=x.dtype)
    y[tuple(put)] = x[tuple(take)]
    return y


conv = Primitive("conv", _conv, kind=CONVOLUTION, linear=EACH)


def conv_left(g: Any, w: Any, padding: Any) -> Any:
    """The cotangent of `x` in conv(x, w): a convolution with the kernel turned over."""
    kernel = w.shape[:-2]
    n = len(kernel)
    ends = zip(kernel, margins(padding, kernel), strict=True)
    turned = w[(slice(None, None, -1),) * n].transpose(*range(n), n + 1, n)
    return conv(g, turned, padding=tuple((k - 1 - a, k - 1 - b) for k, (a, b) in ends))


def conv_right(g: Any, x: Any, w: Any, padding: Any) -> Any:
    """The cotangent of `w` in conv(x, w): a convolution over the same places, with g as kernel."""
    n = w.ndim - 2
    x = x.reshape(prod(x.shape[: -n - 1]), *x.shape[-n - 1 :])  # one axis of examples …
    g = g.reshape(x.shape[0], *g.shape[-n - 1 :])
    space = range(1, n + 1)
    x = x.transpose(n + 1, *space, 0)  # … over which the sum goes now
    g = g.transpose(*space, 0, n + 1)
    return conv(x, g, padding=margins(padding, w.shape[:-2])).transpose(*space, 0, n + 1)
