"""Recurrent networks by the graph they unroll into: record it, differentiate it, draw it."""

from typing import TYPE_CHECKING

from tinygrad_rnn import nn
from tinygrad_rnn.engine import tree
from tinygrad_rnn.engine.anomaly import detect_anomaly
from tinygrad_rnn.engine.axes import expand_dims, flatten, squeeze, swapaxes
from tinygrad_rnn.engine.backward import ancestors, grad
from tinygrad_rnn.engine.blocks import no_grad
from tinygrad_rnn.engine.check import check_grads
from tinygrad_rnn.engine.composite import call_of, composite
from tinygrad_rnn.engine.compositions import (
    diag,
    hstack,
    norm,
    prod,
    repeat,
    roll,
    square,
    std,
    tril,
    triu,
    var,
    vstack,
)
from tinygrad_rnn.engine.context import Frame, scope
from tinygrad_rnn.engine.contractions import dot, einsum, outer, tensordot
from tinygrad_rnn.engine.derivatives import hvp, jacobian, jvp, vjp
from tinygrad_rnn.engine.functions import (
    arctan,
    cosh,
    cumsum,
    erf,
    floor,
    log2,
    log10,
    mod,
    sign,
    sinh,
    tan,
)
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
from tinygrad_rnn.hints import of_package

if TYPE_CHECKING:  # imported when they are first asked for
    from tinygrad_rnn import interop, measure, tasks, train
    from tinygrad_rnn.program import compile as compile
    from tinygrad_rnn.program import equations, register_lowering

__version__ = "0.1.0"

__all__ = [
    "Frame",
    "Primitive",
    "Step",
    "Tensor",
    "absolute",
    "add",
    "ancestors",
    "arctan",
    "astype",
    "broadcast_to",
    "call_of",
    "check_grads",
    "clip",
    "compile",
    "composite",
    "concatenate",
    "conv",
    "cos",
    "cosh",
    "cumsum",
    "cut_gradient",
    "detect_anomaly",
    "diag",
    "divide",
    "dot",
    "einsum",
    "equations",
    "erf",
    "exp",
    "expand_dims",
    "expm1",
    "flatten",
    "flip",
    "floor",
    "getitem",
    "grad",
    "hstack",
    "hvp",
    "interop",
    "jacobian",
    "jvp",
    "log",
    "log1p",
    "log2",
    "log10",
    "log_softmax",
    "logsumexp",
    "matmul",
    "max",
    "maximum",
    "mean",
    "measure",
    "min",
    "minimum",
    "mod",
    "multiply",
    "named",
    "negative",
    "nn",
    "no_grad",
    "norm",
    "outer",
    "pass_gradient",
    "power",
    "prod",
    "register_lowering",
    "relu",
    "repeat",
    "require",
    "reshape",
    "roll",
    "scalars",
    "scatter",
    "scope",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "softmax",
    "softplus",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "step_frame",
    "steps",
    "stop_gradient",
    "subtract",
    "sum",
    "swapaxes",
    "tan",
    "tanh",
    "tasks",
    "tensordot",
    "train",
    "transpose",
    "tree",
    "tril",
    "triu",
    "var",
    "vjp",
    "vstack",
    "where",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = of_package(__name__, __all__)
