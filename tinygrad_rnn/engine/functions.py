"""Which of NumPy's functions are primitives, beside those that every network needs?

Each with its rule, as in `primitives` and `rules`. `floor` and `sign` have none: they are constant
nearly everywhere, so no gradient passes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_rnn.engine.indexing import axis_of, flip
from tinygrad_rnn.engine.kinds import ARITHMETIC, FIRST, FUNCTION, SCAN
from tinygrad_rnn.engine.operands import as_operand
from tinygrad_rnn.engine.operators import OPS
from tinygrad_rnn.engine.overloads import of_one
from tinygrad_rnn.engine.primitive import Primitive
from tinygrad_rnn.engine.primitives import exp, reshape
from tinygrad_rnn.engine.rules import RULES

__all__ = [
    "arctan",
    "cosh",
    "cumsum",
    "erf",
    "floor",
    "log2",
    "log10",
    "mod",
    "sign",
    "sinh",
    "tan",
]

_each_erf = np.vectorize(math.erf, otypes=[float])


def _erf(x: Any, /) -> Any:
    """The error function 2/√π ∫₀ˣ exp(−t²) dt, of each element."""
    dtype = np.asarray(x).dtype
    return _each_erf(x).astype(dtype if dtype.kind == "f" else float)[()]


def _cumsum(x: Any, /, axis: int) -> Any:
    """Sums of the elements up to each, along one axis."""
    return np.add.accumulate(x, axis=axis)


# fmt: off
tan      = Primitive("tan",    np.tan,    1, FUNCTION)
arctan   = Primitive("arctan", np.arctan, 1, FUNCTION)
sinh     = Primitive("sinh",   np.sinh,   1, FUNCTION)
cosh     = Primitive("cosh",   np.cosh,   1, FUNCTION)
log2     = Primitive("log2",   np.log2,   1, FUNCTION)
log10    = Primitive("log10",  np.log10,  1, FUNCTION)
erf      = Primitive("erf",    _erf,      1, FUNCTION)
mod      = Primitive("mod",    np.mod,    2, FUNCTION)
floor    = Primitive("floor",  np.floor,  1, ARITHMETIC)
sign     = Primitive("sign",   np.sign,   1, ARITHMETIC)
cumsum_p = Primitive("cumsum", _cumsum,   kind=SCAN, linear=FIRST)

RULES.update({
    tan:      (lambda g, y, x: g * (y * y + 1),),
    arctan:   (lambda g, y, x: g / (x * x + 1),),
    sinh:     (lambda g, y, x: g * cosh(x),),
    cosh:     (lambda g, y, x: g * sinh(x),),
    log2:     (lambda g, y, x: g / (x * math.log(2)),),
    log10:    (lambda g, y, x: g / (x * math.log(10)),),
    erf:      (lambda g, y, x: g * exp(-(x * x)) * (2 / math.sqrt(math.pi)),),
    mod:      (lambda g, y, a, b: g, lambda g, y, a, b: -g * floor(a / b)),
    cumsum_p: (lambda g, y, x, axis: flip(cumsum_p(flip(g, axis), axis=axis), axis),),
})
# fmt: on
OPS.update({op.name: op for op in [*vars().values()] if isinstance(op, Primitive)})


@of_one
def cumsum(x: Any, axis: int | None = None) -> Any:
    """Sums of the elements up to each, along `axis`; of all in their order without one.

    >>> from tinygrad_rnn import Tensor
    >>> cumsum(Tensor([1.0, 2.0, 3.0]))
    Tensor([1. 3. 6.], op=cumsum)
    """
    x = as_operand(x, "cumsum")
    if axis is None:
        return cumsum_p(reshape(x, shape=-1), axis=0)
    return cumsum_p(x, axis=axis_of("cumsum", axis, x.shape))
