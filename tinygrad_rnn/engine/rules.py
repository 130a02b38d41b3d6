"""The calculus: how does a gradient pass through each primitive?

One lambda per input. ``g`` is the cotangent (the gradient of the loss with respect to the output
``y``); the lambda gives the cotangent of its input, before broadcasting is undone, which happens in
one place, in `backward`.

Rules are written in our own primitives. Fed arrays they compute; fed Tensors they record, so the
derivative of a gradient needs nothing more. ``None`` marks an input without a derivative; a
primitive that is missing here (`stop_gradient`, comparisons) lets nothing pass. A primitive with
any number of inputs has one rule, told the input's number ``k``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from math import inf
from typing import Any, NamedTuple

from tinygrad_rnn.engine import messages
from tinygrad_rnn.engine.convolution import conv, conv_left, conv_right
from tinygrad_rnn.engine.indexing import getitem, put_back, scatter, take
from tinygrad_rnn.engine.operation import Operation
from tinygrad_rnn.engine.operators import OPS
from tinygrad_rnn.engine.primitive import Primitive

from tinygrad_rnn.engine.primitives import (  # isort: skip
    absolute, add, astype, broadcast_to, clip, concatenate_p, cos, cut_gradient, divide, exp,
    expm1, log, log1p, log_softmax, logsumexp, matmul, max, maximum, min, minimum, multiply,
    negative, pass_gradient, power, relu, reshape, segment, sigmoid, sin, softmax, softplus, sqrt,
    stack_p, subtract, sum, tanh, transpose, where,
)  # fmt: skip
from tinygrad_rnn.engine.products import Uses, matmul_left, matmul_right, one_product

__all__ = ["RULES", "FanIn", "JointVJP", "one_each"]


class FanIn(NamedTuple):
    """A rule that is told all uses of one source at once, ``(uses, x)``, for speed and memory.

    T slices of one sequence go back in one scatter, T products with one matrix in one product.
    Uses that are recorded or watched stay apart, and so do those of a source that is no matrix:
    each goes back by the rule `alone`. Without one, they always go back together.
    """

    rule: Callable[[Uses, Any], Any]
    alone: Any = None

    def __call__(self, *args: Any, **options: Any) -> Any:
        """The cotangent from one use, as of any other rule."""
        return self.alone(*args, **options)


class JointVJP(NamedTuple):
    """A rule that gives the cotangents of all inputs in one call, ``(g, y, inputs, **options)``.

    For a primitive whose derivative is one computation and not one per input.
    """

    rule: Callable[..., tuple[Any, ...]]


# fmt: off
RULES: dict[Operation, tuple[Callable[..., Any] | FanIn | None, ...] | JointVJP | Callable[..., Any]] = {
    # elementwise
    add:         (lambda g, y, a, b: g,                                lambda g, y, a, b: g),
    subtract:    (lambda g, y, a, b: g,                                lambda g, y, a, b: -g),
    multiply:    (lambda g, y, a, b: g * b,                            lambda g, y, a, b: g * a),
    divide:      (lambda g, y, a, b: g / b,                            lambda g, y, a, b: -g * y / b),
    power:       (lambda g, y, x, n: g * power_slope(x, n),            lambda g, y, x, n: g * y * log(where((x == 0) & (n >= 0), 1, x))),
    negative:    (lambda g, y, x: -g,),
    exp:         (lambda g, y, x: g * y,),
    log:         (lambda g, y, x: g / x,),
    log1p:       (lambda g, y, x: g / (x + 1),),
    expm1:       (lambda g, y, x: g * (y + 1),),
    sqrt:        (lambda g, y, x: g / (y + y),),
    sin:         (lambda g, y, x: g * cos(x),),
    cos:         (lambda g, y, x: -g * sin(x),),
    tanh:        (lambda g, y, x: g - g * y * y,),
    sigmoid:     (lambda g, y, x: g * (y - y * y),),
    softplus:    (lambda g, y, x: g * sigmoid(x),),
    relu:        (lambda g, y, x: where(x > 0, g, 0),),
    absolute:    (lambda g, y, x: where(x > 0, g, where(x < 0, -g, 0)),),
    clip:        (lambda g, y, x, low=-inf, high=inf: where((x >= low) & (x <= high), g, 0),),
    maximum:     (lambda g, y, a, b: share(g, same(a, y), same(b, y)), lambda g, y, a, b: share(g, same(b, y), same(a, y))),
    minimum:     (lambda g, y, a, b: share(g, same(a, y), same(b, y)), lambda g, y, a, b: share(g, same(b, y), same(a, y))),
    where:       (None, lambda g, y, c, a, b: where(c, g, 0),          lambda g, y, c, a, b: where(c, 0, g)),
    astype:      (lambda g, y, x, dtype: g,),
    pass_gradient: (lambda g, y, x, scale=1.0, limit=inf: clip(g * scale, low=-limit, high=limit),),
    cut_gradient:  (lambda g, y, x, cut, scale=1.0: where(cut, 0, g * scale), None),

    # products and reductions
    matmul:      (lambda g, y, a, b: matmul_left(g, a, b),             FanIn(lambda uses, b: one_product(uses, b), lambda g, y, a, b: matmul_right(g, a, b))),
    conv:        (lambda g, y, x, w, padding="same": conv_left(g, w, padding), lambda g, y, x, w, padding="same": conv_right(g, x, w, padding)),
    sum:         (lambda g, y, x, axis=None, keepdims=False: spread(g, x, axis, keepdims),),
    max:         (lambda g, y, x, axis=None, keepdims=False: among_equals(spread(g, x, axis, keepdims), same(x, spread(y, x, axis, keepdims)), axis),),
    min:         (lambda g, y, x, axis=None, keepdims=False: among_equals(spread(g, x, axis, keepdims), same(x, spread(y, x, axis, keepdims)), axis),),
    logsumexp:   (lambda g, y, x, axis=None, keepdims=False: spread(g, x, axis, keepdims) * exp(x - spread(y, x, axis, keepdims)),),
    softmax:     (lambda g, y, x, axis=-1: y * (g - sum(g * y, axis=axis, keepdims=True)),),
    log_softmax: (lambda g, y, x, axis=-1: g - exp(y) * sum(g, axis=axis, keepdims=True),),

    # shape
    broadcast_to:  (lambda g, y, x, shape: g,),
    reshape:       (lambda g, y, x, shape: reshape(g, shape=x.shape),),
    transpose:     (lambda g, y, x, axes=None: transpose(g, axes=inverse(axes)),),
    stack_p:       lambda k, g, y, xs, axis: getitem(g, index=along(axis, y, k)),
    concatenate_p: lambda k, g, y, xs, axis, starts: getitem(g, index=along(axis, y, slice(starts[k], starts[k + 1]))),
    scatter:       lambda k, g, y, inputs, indices, shape: take(g, inputs, indices[k]),
    getitem:       (FanIn(lambda uses, x: put_back(uses, x)),),

    # a piece of time, computed once more
    segment:       JointVJP(lambda g, y, xs, again, size, dtype: again(g)),
}
# fmt: on


def one_each(rules: Any, g: Any, y: Any, inputs: Any, options: dict[str, Any]) -> Any:
    """The rules of a primitive with any number of inputs, one for each of them."""
    if type(rules) is JointVJP:
        return [_constant(gx) for gx in rules.rule(g, y, inputs, **options)]
    # all inputs as one argument: unpacked for each rule, they would cost their number squared
    return [functools.partial(rules, k) for k in range(len(inputs))]


def _constant(gx: Any) -> Any:
    """A rule that gives a cotangent already computed."""

    def rule(*_: Any, **__: Any) -> Any:
        return gx

    return None if gx is None else rule


def power_slope(x: Any, n: Any) -> Any:
    """The slope n x^(n-1); 0 where n is 0, also at x = 0."""
    if isinstance(n, (int, float)) and n:
        return n * power(x, n - 1)
    return n * power(where((n == 0) & (x == 0), 1, x), n - 1)


def same(x: Any, y: Any) -> Any:
    """A mask of the places at which `x` is the extreme `y`; NaN comes from NaN."""
    return (x == y) | (x != x)


def share(g: Any, mine: Any, other: Any) -> Any:
    """The gradient of a maximum or minimum: to the operand that is it, half to each of equals."""
    return where(mine, where(other, g * 0.5, g), 0)


def spread(g: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """A reduction over `axis`, repeated to the shape of `x`."""
    if not keepdims and x.ndim:
        axes = (
            range(x.ndim)
            if axis is None
            else [k % x.ndim for k in (axis if isinstance(axis, tuple) else (axis,))]
        )
        g = reshape(g, shape=tuple(1 if k in axes else n for k, n in enumerate(x.shape)))
    return broadcast_to(g, shape=x.shape)


def among_equals(g: Any, equal: Any, axis: Any) -> Any:
    """The gradient of a largest or smallest element, shared by all that equal it."""
    return where(equal, g / sum(equal, axis=axis, keepdims=True), 0)


def inverse(axes: Any) -> Any:
    """The permutation that undoes `axes`."""
    return (
        None if axes is None else tuple(sorted(range(len(axes)), key=lambda k: axes[k] % len(axes)))
    )


def along(axis: int, y: Any, part: Any) -> tuple[Any, ...]:
    """The index that takes `part` of one axis and all of the others."""
    return (*(slice(None),) * (axis % y.ndim), part)


def find(name: str) -> Primitive:
    """The engine's own primitive of this name, else the first of yours that has a rule."""
    for op in (OPS.get(name), *RULES):
        if isinstance(op, Primitive) and op.name == name:
            return op
    raise LookupError(messages.not_found(name))


OPS["find"] = find
