"""How is each primitive written in NumPy?

For one element, or for all steps at once with time as the first axis. A primitive that cannot be
written for all steps says so, and stays in a loop of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_rnn.engine import functions  # noqa: F401  (enters its own into OPS)
from tinygrad_rnn.engine.kinds import MOVE, PRODUCT, SCAN, VIEW, Kind, Linear
from tinygrad_rnn.engine.operators import OPS
from tinygrad_rnn.engine.primitive import Primitive
from tinygrad_rnn.engine.primitives import Input
from tinygrad_rnn.program.ir.graph import Value
from tinygrad_rnn.program.ir.sequences import Step

__all__ = [
    "ELEMENTWISE",
    "HELPERS",
    "KNOWN",
    "OPERATORS",
    "OVER_TIME",
    "PRIMITIVES",
    "direct",
    "facts",
    "index_text",
    "is_count",
    "liftable",
    "reduced_axes",
    "those",
    "written",
]

PRIMITIVES = {op.name: op for op in OPS.values() if isinstance(op, Primitive)}
# A program's own operations, each with the primitive whose kind it is of.
LIKE = {
    "addn": "add",
    "square": "multiply",
    "copy": "astype",
    "stack_t": "transpose",
    "divided": "getitem",
    "joined": "concatenate",
    "sum_t": "sum",
    "gemm_t": "matmul",
    "scatter_t": "scatter",
}
OVER_TIME = frozenset(("sum_t", "gemm_t", "scatter_t"))  # sums over all steps


def facts(op: str) -> Primitive | None:
    """The primitive of that name, or the one whose kind an operation of a program's own is of."""
    return PRIMITIVES.get(LIKE.get(op, op))


def those(
    *kinds: Kind, form: str = "", cost: str = "", linear: Linear | None = None
) -> frozenset[str]:
    """The operations of one of these kinds, of this form and cost, and linear in just these inputs.

    >>> from tinygrad_rnn.engine.kinds import VIEW
    >>> sorted(those(VIEW))
    ['broadcast_to', 'divided', 'getitem', 'reshape', 'stack_t', 'transpose']
    """
    return frozenset(
        name
        for name in (*PRIMITIVES, *LIKE)
        if (op := facts(name)) is not None
        and (not kinds or op.kind in kinds)
        and form in ("", op.kind.form)
        and cost in ("", op.kind.cost)
        and linear in (None, op.linear)
    )


# fmt: off
# Of a ufunc its own name; of what is no ufunc, or Python's operator, what is said here.
ELEMENTWISE: dict[str, str] = {
    **{name: f"np.{name}" for name in sorted(those(form="elementwise"))},
    "addn": "np.add", "square": "np.square", "astype": "copy", "copy": "copy", "clip": "clip",
    "sigmoid": "sigmoid", "relu": "relu", "softplus": "softplus", "where": "where",
    "erf": "erf",
}
OPERATORS = {
    "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==",
    "not_equal": "!=", "logical_and": "&", "logical_or": "|", "logical_not": "~", "add": "+",
    "subtract": "-", "multiply": "*", "divide": "/", "negative": "-",
}
# fmt: on
REDUCTIONS = {"sum": "np.add.reduce", "max": "np.maximum.reduce", "min": "np.minimum.reduce"}
KNOWN = frozenset(
    (
        *ELEMENTWISE,
        *REDUCTIONS,
        *those(VIEW, MOVE, PRODUCT, SCAN),
        *those(cost="normalise"),
        "leaf",
    )
)


def written(op: Primitive) -> bool:
    """True if programs have a form for a primitive: for this one, not another of its name."""
    return PRIMITIVES.get(op.name) is op and (op.name in KNOWN or op.name in ELEMENTWISE)


HELPERS: dict[str, str] = {
    "sigmoid": """def sigmoid(x, top, one, out):  # exp(x) / (1 + exp(x)), which is one from top on
    np.exp(np.minimum(x, top, out=out), out=out)
    out /= out + one""",
    "relu": """def relu(x, out):
    np.maximum(x, 0, out=out)""",
    "softplus": """def softplus(x, out):
    np.logaddexp(x, 0, out=out)""",
    "erf": """def erf(x, out):
    import math
    out[...] = np.vectorize(math.erf, otypes=[float])(x)""",
    "where": """def where(mask, a, b, out):
    np.copyto(out, b, casting="unsafe")
    np.copyto(out, a, where=mask, casting="unsafe")""",
    "copy": """def copy(x, out):
    np.copyto(out, x, casting="unsafe")
    return out""",
    "clip": """def clip(x, low, high, out):
    np.minimum(np.maximum(x, low, out=out), high, out=out)""",
    "softmax": """def softmax(x, axis, out):
    np.subtract(x, np.maximum.reduce(x, axis=axis, keepdims=True), out=out)
    np.exp(out, out=out)
    out /= np.add.reduce(out, axis=axis, keepdims=True)""",
    "log_softmax": """def log_softmax(x, axis, out):
    x = np.subtract(x, np.maximum.reduce(x, axis=axis, keepdims=True), out=out)
    out -= np.log(np.add.reduce(np.exp(x), axis=axis, keepdims=True))""",
    "logsumexp": """def logsumexp(x, axis, out):
    top = np.maximum.reduce(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):
        y = np.log(np.add.reduce(np.exp(x - top), axis=axis, keepdims=True)) + top
    out[...] = y.reshape(out.shape)""",
}


def is_count(v: Value) -> bool:
    """True if it counts the true elements of one array of bool."""
    a = v.args[0] if v.op in ("sum", "sum_t") and v.lo is None and not v.shape else None
    return a is not None and np.dtype(getattr(a.value, "dtype", object)) == bool


def reduced_axes(axis: Any, ndim: int, lifted: bool) -> Any:
    """The axes of a reduction, with time before them if it is lifted."""
    if not lifted:
        return axis
    axes = range(ndim) if axis is None else (axis if isinstance(axis, tuple) else (axis,))
    moved = tuple(k % ndim + 1 for k in axes)
    return moved if axis is None or isinstance(axis, tuple) else moved[0]


def index_text(index: tuple[Any, ...], step: str, array: Callable[[int], str]) -> str:
    """An index as it is written between brackets."""
    parts = []
    for p in index:
        if type(p) is Input:
            parts.append(array(int(p)))
        elif type(p) is Step:
            times = {1: "", -1: "-"}.get(p.sign, f"{p.sign}*")
            parts.append(shifted(f"{times}{step}", p.shift))
        elif isinstance(p, slice):
            ends = ["" if e is None else str(e) for e in (p.start, p.stop)]
            parts.append(":".join(ends) + (f":{p.step}" if p.step not in (None, 1) else ""))
        elif p is Ellipsis:
            parts.append("...")
        else:
            parts.append(str(p))
    return ", ".join(parts)


def shifted(t: str, k: int) -> str:
    """``t + k`` as one writes it."""
    return t if not k else f"{t} + {k}" if k > 0 else f"{t} - {-k}"


def liftable(v: Value) -> bool:
    """True if it can be written for all steps at once."""
    if v.lo is None:
        return False
    kinds = _kinds(v)
    if v.op in ELEMENTWISE or v.op in REDUCTIONS:
        return True
    if v.op in ("gates", "softmax", "log_softmax", "cumsum"):
        return True
    if v.op in ("transpose", "reshape", "broadcast_to"):
        return True
    if v.op == "matmul":
        (ta, na), (tb, nb) = kinds
        if nb == 2 and not tb:
            return True
        return na >= 2 and nb >= 2 and (na == nb or not ta or not tb)
    if v.op == "getitem":
        index = v.options["index"]
        if len(v.args) == 1:
            return not any(type(p) is Step for p in index) and kinds[0][0]
        return all(type(p) is Input for p in index)
    if v.op == "scatter":
        indices = v.options["indices"]
        if all(type(p) is Input for i in indices for p in i):
            return True
        return not any(type(p) is Input for i in indices for p in i)
    if v.op in ("concatenate", "stack"):
        return all(t for t, _ in kinds)
    return False


def direct(v: Value) -> bool:
    """True if it is one call of NumPy that gives back what it wrote."""
    if v.op == "power":  # may be written as a copy
        return False
    return ELEMENTWISE.get(v.op, "").startswith("np.") and (v.op != "addn" or len(v.args) == 2)


def _kinds(v: Value) -> list[tuple[bool, int]]:
    found = []
    for a in v.args:
        if isinstance(a.value, Value):
            found.append((a.kind == "step", len(a.value.shape)))
        else:
            found.append((a.kind == "consts", np.ndim(a.value) - (a.kind == "consts")))
    return found
