"""Which lines compute one value?"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.engine.primitives import SATURATED, Input, clip_bounds
from tinygrad_rnn.program.backends.numpy.views import dims, divided, folded
from tinygrad_rnn.program.ir.graph import Arg, Value
from tinygrad_rnn.program.ir.ops import (
    ELEMENTWISE,
    HELPERS,
    OPERATORS,
    REDUCTIONS,
    index_text,
    is_count,
    reduced_axes,
)

__all__ = ["Operand", "bare", "expression", "statement"]


class Operand(NamedTuple):
    """The text of an operand, its shape without time, and whether time is its first axis."""

    text: str
    shape: tuple[int, ...]
    dtype: Any
    timed: bool
    arg: Arg

    def beside(self, ndim: int) -> str:
        """As text that broadcasts against elements of `ndim` axes, after the axis of time."""
        gap = ndim - len(self.shape)
        return f"{self.text}[:{', None' * gap}]" if self.timed and gap else self.text


def bare(text: str) -> str:
    """An expression where it needs no parentheses."""
    return text[1:-1] if text[0] == "(" and text[-1] == ")" else text


def expression(v: Value, xs: list[Operand]) -> str:
    """One call of NumPy as an expression, with Python's operator if there is one."""
    texts = [x.beside(len(v.shape)) for x in xs]
    sign = OPERATORS.get(v.op)
    number = not v.shape and v.op == "logical_not"  # of Python's, ~True is -2
    if sign is None or number:
        return f"{ELEMENTWISE[v.op]}({', '.join(map(bare, texts))})"
    return f"({texts[0]} {sign} {texts[1]})" if len(texts) == 2 else f"{sign}{texts[0]}"


def statement(v: Value, xs: list[Operand], out: str, lifted: bool, writer: Any) -> list[str]:
    """The lines that compute `v` into `out`."""
    op, ndim = v.op, len(v.shape)
    if op == "addn":
        first, *rest = [x.beside(ndim) for x in xs]
        if not rest:
            return [f"{out}[...] = {first}"]
        lines = [f"np.add({first}, {rest[0]}, out={out})"]
        return lines + [f"np.add({out}, {x}, out={out})" for x in rest[1:]]
    if op in ELEMENTWISE:
        function = ELEMENTWISE[op]
        texts = [x.beside(ndim) for x in xs]
        if op == "power" and xs[1].arg.kind == "const" and np.ndim(xs[1].arg.value) == 0:
            n_ = float(xs[1].arg.value)
            if n_ in (2.0, 1.0, 0.5):
                function = {2.0: "np.square", 1.0: "copy", 0.5: "np.sqrt"}[n_]
                texts = texts[:1]
        if op == "clip":
            ends = v.options.get("low", -np.inf), v.options.get("high", np.inf)
            make = int if v.dtype.kind in "iu" else float
            texts += [writer.constant(make(x)) for x in clip_bounds(v.dtype, *ends)]
        if op == "sigmoid":
            texts += _top_and_one(v, writer)
        _need(function, writer)
        return [f"{function}({', '.join(texts)}, out={out})"]
    if op in REDUCTIONS:
        if is_count(v):
            return [f"np.count_nonzero({xs[0].text}, out={out})"]
        axis = reduced_axes(v.options.get("axis"), len(xs[0].shape), lifted)
        keep = ", keepdims=True" if v.options.get("keepdims") else ""
        return [f"{REDUCTIONS[op]}({xs[0].text}, axis={axis}{keep}, out={out})"]
    if op in ("softmax", "log_softmax", "logsumexp") and 0 in xs[0].shape:
        return [f"{out}[...] = -np.inf"]  # of nothing; the others are empty
    if op in ("softmax", "log_softmax", "logsumexp"):
        default = None if op == "logsumexp" else -1
        axis = reduced_axes(v.options.get("axis", default), len(xs[0].shape), lifted)
        _need(op, writer)
        return [f"{op}({xs[0].text}, {axis}, out={out})"]
    if op == "cumsum":
        axis = reduced_axes(v.options["axis"], ndim, lifted)
        return [f"np.cumsum({xs[0].text}, axis={axis}, out={out})"]
    if op == "matmul":
        return [_product(v, xs, out, lifted)]
    if op == "gates":
        _need("sigmoid", writer)
        x, rest = xs[0].text, [*_top_and_one(v, writer), f"out={out}"]
        parts = [index_text(index, "t", str) for index in v.options["tanh"]]
        return [
            f"sigmoid({', '.join([x, *rest])})",
            *(f"np.tanh({x}[{part}], out={out}[{part}])" for part in parts),
        ]
    if op == "sum_t" and is_count(v):
        return [f"np.count_nonzero({xs[0].text}, out={out})"]
    if op == "sum_t" and v.options:
        axes, shape = v.options["axis"], xs[0].shape
        if axes == tuple(range(len(axes))) and len(axes) == len(shape) - 1 and v.dtype.kind == "f":
            lo, hi = xs[0].arg.k
            many, rest = writer.span(hi - lo + 1), [str(n) for n in shape[1:-1] if n != 1]
            many = " * ".join([f"({many})" if rest and " " in many else many, *rest])
            ones = writer.array(f"np.ones({many}, np.{v.dtype})", "ones")
            return [f"np.dot({ones}, {folded(xs[0].text, shape[-1])}, out={out})"]
        return [f"np.add.reduce({xs[0].text}, axis={axes}, out={out})"]
    if op == "sum_t":
        return [f"np.add.reduce({xs[0].text}, axis=0, out={out})"]
    if op == "gemm_t":
        a, b = (folded(x.text, x.shape[-1]) for x in xs)
        return [f"np.dot({a}.T, {b}, out={out})"]
    if op == "getitem":
        return [f"{out}[...] = {_taken(v, xs, lifted, writer)}"]
    if op == "scatter":
        return _scattered(v, xs, out, lifted, writer)
    if op == "scatter_t":
        return [f"{out}[...] = 0", f"np.add.at({out}, {xs[1].text}, {xs[0].text})"]
    if op in ("concatenate", "stack"):
        parts = ", ".join(x.text for x in xs)
        axis = v.options["axis"] % ndim + lifted
        return [f"np.{op}(({parts},), axis={axis}, out={out})"]
    if op == "stack_t":
        text = f"{xs[0].text}[::-1]" if v.options["sign"] == -1 else xs[0].text
        axis = v.options["axis"] % ndim
        return [f"{out}[...] = np.moveaxis({text}, 0, {axis})" if axis else f"{out}[...] = {text}"]
    if op == "transpose":
        axes = v.options.get("axes") or tuple(range(ndim))[::-1]
        axes = tuple(k % ndim for k in axes)
        axes = (0, *(k + 1 for k in axes)) if lifted else axes
        return [f"{out}[...] = {xs[0].text}.transpose{axes}"]
    if op == "divided":
        return [f"{out}[...] = {divided(v, xs[0].text)}"]
    if op == "joined":
        shape, back = dims("", v.options["shape"]), np.argsort(v.options["axes"])
        back = tuple(int(k) for k in back)
        return [f"{out}.reshape{shape}[...] = {xs[0].text}.transpose{back}"]
    if op == "reshape":
        shape = dims(writer.span(v.steps) if lifted and xs[0].timed else "", v.shape)
        return [f"{out}[...] = np.reshape({xs[0].text}, {shape})"]
    if op == "broadcast_to":
        return [f"{out}[...] = {xs[0].beside(ndim)}"]
    raise AssertionError(op)


def _top_and_one(v: Value, writer: Any) -> list[str]:
    """From where on a sigmoid is one, and a one: arrays, which are faster than numbers."""
    return [
        writer.array(f"np.array({n}, np.{v.dtype})", name)
        for n, name in ((SATURATED.get(v.dtype, 50), "top"), (1, "unit"))
    ]


def _need(function: str, writer: Any) -> None:
    if function in HELPERS:
        writer.helpers.add(function)


def _product(v: Value, xs: list[Operand], out: str, lifted: bool) -> str:
    a, b = xs
    if lifted and len(b.shape) == 2 and not b.timed and a.timed:
        if len(a.shape) > 1:
            left = folded(a.text, a.shape[-1])
            return f"np.dot({left}, {b.text}, out={folded(out, b.shape[-1])})"
        return f"np.dot({a.text}, {b.text}, out={out})"
    plain = len(b.shape) == 2 and len(a.shape) <= 2 and a.dtype == b.dtype == v.dtype
    if plain and not lifted and len(a.shape) >= 1:
        return f"np.dot({a.text}, {b.text}, out={out})"
    if not lifted and len(b.shape) == 2 and len(a.shape) > 2:
        left = folded(a.text, a.shape[-1])
        return f"np.dot({left}, {b.text}, out={folded(out, b.shape[-1])})"
    left, right = (x.beside(len(v.shape)) if len(x.shape) > 1 else x.text for x in xs)
    return f"np.matmul({left}, {right}, out={out})"


def _places(parts: tuple[Any, ...], xs: list[Operand], n: int, lifted: bool) -> str:
    """An index of arrays alone, with the axis of time before it if it is lifted."""
    ndim = max(len(xs[p].shape) for p in parts)
    return (
        ", ".join(xs[p].beside(ndim) for p in parts)
        if lifted
        else ", ".join(xs[p].text for p in parts)
    )


def _each(n: int, ndim: int, writer: Any) -> str:
    """Every step, to stand before an index of arrays of `ndim` axes."""
    return writer.array(
        f"np.arange({writer.span(n)})" + (f"[:{', None' * ndim}]" if ndim else ""), "each"
    )


def _taken(v: Value, xs: list[Operand], lifted: bool, writer: Any) -> str:
    index = v.options["index"]
    if not lifted:
        return f"{xs[0].text}[{index_text(index, 't', lambda k: xs[k].text)}]"
    if len(xs) == 1:
        return f"{xs[0].text}[:, {index_text(index, 't', str)}]"
    places = _places(index, xs, v.steps, True)
    if xs[0].timed:
        ndim = max(len(xs[p].shape) for p in index)
        places = f"{_each(v.steps, ndim, writer)}, {places}"
    return f"{xs[0].text}[{places}]"


def _scattered(v: Value, xs: list[Operand], out: str, lifted: bool, writer: Any) -> list[str]:
    """Zeros with operands added at their places, or simply put there if no two can meet."""
    indices = v.options["indices"]
    alone, count = _apart(indices, xs, v.shape)
    lines = [f"{out}[...] = 0"][: not (alone and count == math.prod(v.shape))]
    for x, i in zip(xs, indices, strict=False):
        text = x.text
        if lifted and any(type(p) is Input for p in i):
            ndim = max(len(xs[p].shape) for p in i)
            places = f"{_each(v.steps, ndim, writer)}, {_places(i, xs, v.steps, True)}"
            text = x.beside(ndim + len(v.shape) - len(i))
        else:
            places = (":, " if lifted else "") + index_text(i, "t", lambda k: xs[k].text)
        if alone or _apart((i,), xs, v.shape)[0]:
            lines.append(f"{out}[{places}] {'=' if alone else '+='} {text}")
        else:
            cut = any(isinstance(p, slice) for p in i)
            where = f"np.s_[{places}]" if cut else f"({places},)"
            lines.append(f"np.add.at({out}, {where}, {text})")
    return lines


def _apart(indices: Any, xs: list[Operand], shape: tuple[int, ...]) -> tuple[bool, int]:
    """True if no two elements put at these places can meet; and the number of elements.

    An array that is given may say anything, so that only the other axes tell places apart:
    ``[[0, 1], j]`` writes into two rows, whatever j is; ``[i]`` and ``[j]`` may be the same row.
    """
    if any(
        type(p) is Input and xs[p].shape == () and xs[p].dtype == bool for i in indices for p in i
    ):
        return False, 0  # t[True] is an axis more, t[False] is nothing
    writers = [_axes(i, xs, len(shape)) for i in indices]
    given = {k for parts in writers for k, p in enumerate(parts) if p is None or type(p) is Operand}
    full = {k for k in range(len(shape)) if all(_is_full(parts[k]) for parts in writers)}
    told = [k for k in range(len(shape)) if k not in given | full]
    wide = tuple(1 if k in full else n for k, n in enumerate(shape))
    found = list[np.ndarray]()
    for parts in writers:
        at = tuple(np.zeros(p.shape, int) if type(p) is Operand else p for p in parts)
        number = np.zeros(np.broadcast_to(np.int8(0), wide)[at].shape, int)
        for k in told:
            steps = np.arange(wide[k]).reshape(-1, *(1,) * (len(wide) - 1 - k))
            number = number * wide[k] + np.broadcast_to(steps, wide)[at]
        found.append(number.ravel())
    places = np.concatenate(found)
    count = places.size * math.prod(shape[k] for k in full)
    return len(np.unique(places)) == places.size, count


def _axes(index: tuple[Any, ...], xs: list[Operand], ndim: int) -> list[Any]:
    """The part of an index for each axis; of an array unknown beforehand the operand."""
    found = list[Any]()
    for p in index:
        if type(p) is not Input:
            found += [p] if p is not None else []
        elif xs[p].arg.kind != "const":
            found.append(xs[p])
        else:
            x = np.asarray(xs[p].arg.value)
            found += x.nonzero() if x.dtype == bool else [x]
    if Ellipsis not in [p for p in found if type(p) in (int, slice, type(Ellipsis))]:
        found.append(Ellipsis)
    k = next(k for k, p in enumerate(found) if p is Ellipsis)
    return [*found[:k], *[slice(None)] * (ndim - len(found) + 1), *found[k + 1 :]]


def _is_full(part: Any) -> bool:
    return isinstance(part, slice) and part == slice(None)
