"""Recurrent networks by the graph they unroll into: record it, differentiate it, draw it."""

from tinygrad_rnn import interop, measure, nn, train
from tinygrad_rnn.engine import tree
from tinygrad_rnn.engine.anomaly import detect_anomaly
from tinygrad_rnn.engine.backward import ancestors, grad
from tinygrad_rnn.engine.blocks import no_grad
from tinygrad_rnn.engine.check import check_grads
from tinygrad_rnn.engine.context import Frame, scope
from tinygrad_rnn.engine.derivatives import hvp, jacobian, jvp, vjp
from tinygrad_rnn.engine.primitive import Primitive
from tinygrad_rnn.engine.primitives import (
    absolute,
    add,
    astype,
    broadcast_to,
    clip,
    concatenate,
    conv,
    cos,
    cut_gradient,
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
    maximum,
    mean,
    minimum,
    multiply,
    negative,
    pass_gradient,
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
    tanh,
    transpose,
    where,
)
from tinygrad_rnn.engine.primitives import (
    max as max,
)
from tinygrad_rnn.engine.primitives import (
    min as min,
)
from tinygrad_rnn.engine.primitives import (
    sum as sum,
)
from tinygrad_rnn.engine.recorder import require
from tinygrad_rnn.engine.scalars import scalars
from tinygrad_rnn.engine.steps import Step, step_frame, steps
from tinygrad_rnn.engine.tensor import Tensor, named
from tinygrad_rnn.program import compile as compile
from tinygrad_rnn.program import equations

__version__ = "0.1.0"

# Not in the list, so that `from tinygrad_rnn import *` leaves Python's own alone: sum, max, min,
# compile.
__all__ = [
    "Frame",
    "Primitive",
    "Step",
    "Tensor",
    "absolute",
    "add",
    "ancestors",
    "astype",
    "broadcast_to",
    "check_grads",
    "clip",
    "concatenate",
    "conv",
    "cos",
    "cut_gradient",
    "detect_anomaly",
    "divide",
    "equations",
    "exp",
    "expm1",
    "flip",
    "getitem",
    "grad",
    "hvp",
    "interop",
    "jacobian",
    "jvp",
    "log",
    "log1p",
    "log_softmax",
    "logsumexp",
    "matmul",
    "maximum",
    "mean",
    "measure",
    "minimum",
    "multiply",
    "named",
    "negative",
    "nn",
    "no_grad",
    "pass_gradient",
    "power",
    "relu",
    "require",
    "reshape",
    "scalars",
    "scatter",
    "scope",
    "sigmoid",
    "sin",
    "softmax",
    "softplus",
    "split",
    "sqrt",
    "stack",
    "step_frame",
    "steps",
    "stop_gradient",
    "subtract",
    "tanh",
    "train",
    "transpose",
    "tree",
    "vjp",
    "where",
]
