"""Recurrent networks by the graph they unroll into: record it, differentiate it, draw it."""

from tinygrad_rnn import interop, nn, train
from tinygrad_rnn.engine.backward import ancestors, grad
from tinygrad_rnn.engine.check import check_grads
from tinygrad_rnn.engine.context import Frame, detect_anomaly, no_grad, scope
from tinygrad_rnn.engine.derivatives import hvp, jacobian, jvp, vjp
from tinygrad_rnn.engine.primitive import Primitive
from tinygrad_rnn.engine.primitives import (
    absolute,
    add,
    astype,
    broadcast_to,
    clip,
    concatenate,
    cos,
    divide,
    exp,
    expm1,
    flip,
    getitem,
    log,
    log1p,
    log_softmax,
    logsumexp,
    matmul,
    max,
    maximum,
    mean,
    min,
    minimum,
    multiply,
    negative,
    power,
    relu,
    reshape,
    scatter,
    sigmoid,
    sin,
    softmax,
    softplus,
    split,
    sqrt,
    stack,
    stop_gradient,
    subtract,
    sum,
    tanh,
    transpose,
    where,
)
from tinygrad_rnn.engine.scalars import scalars
from tinygrad_rnn.engine.tensor import Tensor, named

__version__ = "0.1.0"

# `from tinygrad_rnn import *` leaves Python's own sum, max and min alone; write tinygrad_rnn.sum for ours.
__all__ = [
    name for name in dir() if not name.startswith("_") and name not in {"sum", "max", "min", "engine"}
]
