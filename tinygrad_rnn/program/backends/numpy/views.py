"""How is a view of an array written?"""

from __future__ import annotations

import math

from tinygrad_rnn.program.ir.graph import Value
from tinygrad_rnn.program.ir.ops import index_text
from tinygrad_rnn.program.ir.sequences import Step

__all__ = ["dims", "divided", "folded", "moving", "view_text"]


def dims(rows: str, shape: tuple[int, ...]) -> str:
    """A shape as it is written, with a number of rows before it if that is not empty."""
    parts = [*([rows] if rows else []), *map(str, shape)]
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def folded(text: str, *last: int) -> str:
    """An array with all axes but the last ones made one, however many rows that are."""
    if not math.prod(last):  # nothing says how many rows nothing has
        return f"{text}.reshape(0, {', '.join(map(str, last))})"
    return f"{text}.reshape(-1, {', '.join(map(str, last))})"


def divided(v: Value, text: str, rows: str = "") -> str:
    """An array with its axes divided and put in another order, after `rows` if it is many."""
    shape, axes = v.options["shape"], v.options["axes"]
    if rows:
        axes = (0, *(k + 1 for k in axes))
    text = f"{text}.reshape{dims(rows, shape)}"
    return text if axes == tuple(range(len(axes))) else f"{text}.transpose{axes}"


def view_text(v: Value, text: str, lifted: bool, rows: str = "") -> str:
    """A view of one array, or, lifted, of all `rows` of a sequence at once."""
    source = v.args[0].value.shape
    if v.op == "stack_t":
        text = f"{text}[::-1]" if v.options["sign"] == -1 else text
        axis = v.options["axis"] % len(v.shape)
        return f"np.moveaxis({text}, 0, {axis})" if axis else text
    if v.op == "divided":
        return divided(v, text, rows if lifted else "")
    if v.op == "transpose":
        axes = v.options.get("axes")
        axes = (
            tuple(range(len(source)))[::-1]
            if axes is None
            else tuple(k % len(source) for k in axes)
        )
        if lifted:
            return f"{text}.transpose{(0, *(k + 1 for k in axes))}"
        return f"{text}.T" if axes == (1, 0) else f"{text}.transpose{axes}"
    if v.op == "reshape":
        if v.shape and math.prod(v.shape[1:]) and not lifted:
            return folded(text, *v.shape[1:]) if v.shape[1:] else f"{text}.reshape(-1)"
        shape = dims(rows, v.shape)
        return f"{text}.reshape{shape if shape != '()' else '(())'}"
    if v.op == "broadcast_to":
        if lifted:
            gap = len(v.shape) - len(source)
            text = f"{text}[:{', None' * gap}]" if gap else text
        if rows and not lifted:
            return f"np.broadcast_to({text}, {dims(rows, v.shape[1:])})"
        return f"np.broadcast_to({text}, {dims(rows, v.shape)})"
    inner = index_text(v.options["index"], "t", str)
    if not v.shape and not lifted and Ellipsis not in v.options["index"]:
        inner += ", ..."  # else it were a number, and stay as it was when the view was made
    return f"{text}[:, {inner}]" if lifted else f"{text}[{inner}]"


def moving(v: Value, text: str, shape: tuple[int, ...]) -> tuple[str, int, int]:
    """A view with time first of what is indexed by the step: text, step of row 0, rows."""
    index = v.options["index"]
    k = next(k for k, p in enumerate(index) if type(p) is Step)
    sign, shift = index[k]
    axis = sum(p is not None for p in index[:k])
    n = shape[axis]
    rest = [slice(None) if j == k else p for j, p in enumerate(index)]
    if any(p != slice(None) for p in rest):
        text = f"{text}[{index_text(tuple(rest), 't', str)}]"
    place = sum(type(p) is not int for p in rest[:k])
    text = f"np.moveaxis({text}, {place}, 0)" if place else text
    stride = abs(sign)
    if stride > 1:  # every so many rows, as at every second step
        text = f"{text}[{shift % stride}::{stride}]"
        n, shift = len(range(shift % stride, n, stride)), shift // stride
    if sign < 0:
        return f"{text}[::-1]", shift - n + 1, n
    return text, -shift, n
