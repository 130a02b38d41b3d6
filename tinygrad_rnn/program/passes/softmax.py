"""How often is a softmax cross-entropy to compute exponentials?

Of logits x it reads log_softmax(x) at one class of each row, and exp(log_softmax(x)) at all of them
for the gradient. Both are made of e = exp(x - max x), which log_softmax adds up anyway.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.engine.primitives import Input
from tinygrad_rnn.program.ir.graph import Arg, Value

__all__ = ["exponentials", "one_of_each_row"]


def exponentials(values: list[Value], outputs: list[Value]) -> int:
    """Write exp(log_softmax(x)) as e / Σe with e = exp(x - max x).

    Then log_softmax is x - max x - log Σe, of the same e. A factor is divided by Σe first, which
    has one element for each row.

    >>> from tinygrad_rnn.program.ir.text import graph_from, text_of
    >>> values, outputs = graph_from('''
    ...     l = log_softmax(x, axis=-1)
    ...     p = exp(l)
    ...     g = multiply(p, s)
    ... ''', s=())
    >>> exponentials(values, outputs)
    1
    >>> print(text_of(values, outputs))
    top = max(x, axis=1, keepdims=True)
    exp_x = subtract(x, top)
    exp_x2 = exp(exp_x)
    total = sum(exp_x2, axis=1, keepdims=True)
    scale = divide(s, total)
    g = multiply(exp_x2, scale)
    """
    count = 0
    for v in [v for v in values if v.op == "log_softmax" and not v.initial and v not in outputs]:
        readers = [(user, a) for user in values for a in user.operands if a.value is v]
        exps = [user for user, _ in readers if user.op == "exp" and not user.initial]
        picks = [user for user, a in readers if user.args[0] is a and _picks(user, v)]
        here = all((u.lo, u.hi) == (v.lo, v.hi) and not a.k and a.kind != "at" for u, a in readers)
        if not exps or not here or len(exps) + len(picks) != len(readers) or not _last_axis(v):
            continue
        _divided(values, v, exps, picks)
        count += len(exps)
    return count


def one_of_each_row(index: tuple[Any, ...], args: list[Arg], shape: tuple[int, ...]) -> bool:
    """True if an index takes from each row of an array one element, that its last array says."""
    if len(index) != len(shape) or not all(type(p) is Input for p in index):
        return False
    grid = [args[p] for p in index[:-1]]
    rows = np.ogrid[tuple(slice(n) for n in shape[:-1])]
    return all(a.kind == "const" for a in grid) and all(
        np.array_equal(a.value, x) for a, x in zip(grid, rows, strict=True)
    )


def _picks(user: Value, v: Value) -> bool:
    return (
        user.op == "getitem"
        and not user.initial
        and user.shape == v.shape[:-1]
        and one_of_each_row(user.options["index"], user.args, v.shape)
    )


def _last_axis(v: Value) -> bool:
    return v.options.get("axis", -1) in (-1, len(v.shape) - 1)


def _divided(values: list[Value], v: Value, exps: list[Value], picks: list[Value]) -> None:
    """Write what reads a log_softmax in the parts that this is made of."""
    x, shape, rows = v.args[0], (*v.shape[:-1], 1), v.shape[:-1]
    name = getattr(x.value, "name", None) or "a"

    def made(op: str, *args: Arg, at: Value, shape: Any, name: str, options: Any = None) -> Arg:
        new = Value(op, list(args), options or {}, shape, v.dtype, name, v.lo, v.hi,
                    serial=at.serial)  # fmt: skip
        values.append(new)
        return Arg("one", new) if v.lo is None else Arg("step", new, 0)

    axis = {"axis": len(rows), "keepdims": True}
    top = made("max", x, at=v, shape=shape, name="top", options=axis)
    above = made("subtract", x, top, at=v, shape=v.shape, name=f"exp_{name}")
    e = made("exp", above, at=v, shape=v.shape, name=f"exp_{name}")
    total = made("sum", e, at=v, shape=shape, name="total", options=axis)
    for user in picks:
        flat = {"shape": rows}
        here = made("getitem", x, *user.args[1:], at=user, shape=rows, name=user.name or "a",
                    options=user.options)  # fmt: skip
        tops, totals = (
            made("reshape", a, at=user, shape=rows, name="k", options=flat) for a in (top, total)
        )
        log = made("log", totals, at=user, shape=rows, name="k")
        above = made("subtract", here, tops, at=user, shape=rows, name=user.name or "a")
        user.op, user.args = "subtract", [above, log]
        user.options = dict[str, Any]()
    for user in exps:
        user.op, user.args = "divide", [e, total]
        for p in [p for p in values if p.op == "multiply" and not p.initial]:
            factor = [a for a in p.args if a.value is not user]
            if len(factor) != 1 or _shape(factor[0]) not in ((), (1,) * len(shape), shape):
                continue
            here = all(not a.k and a.kind != "at" for a in p.args)
            if (p.shape, p.lo, p.hi) == (v.shape, v.lo, v.hi) and here:
                scale = made("divide", factor[0], total, at=p, shape=shape, name="scale")
                p.args = [e, scale]


def _shape(a: Arg) -> tuple[int, ...]:
    if isinstance(a.value, Value):
        return a.value.shape
    return np.shape(a.value)[a.kind == "consts" :]
