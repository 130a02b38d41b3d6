"""How is a view of an array written?"""

from __future__ import annotations

from tinygrad_rnn.program.families import Step
from tinygrad_rnn.program.graph import Value
from tinygrad_rnn.program.ops import index_text

__all__ = ["cut", "moving", "view_text"]


def cut(name: str, lo: int, hi: int, n: int) -> str:
    """Rows lo … hi of an array of n rows; its name alone if these are all."""
    if lo == 0 and hi == n:
        return name
    if lo < 0 or hi > n:
        raise AssertionError(f"{name}[{lo}:{hi}] of {n}")
    return f"{name}[{lo or ''}:{hi if hi != n else ''}]"


def view_text(v: Value, text: str, lifted: bool, n: int = 0) -> str:
    """A view of one array, or, lifted, of all n rows of a sequence at once."""
    source = v.args[0].value.shape
    if v.op == "stack_t":
        text = f"{text}[::-1]" if v.options["sign"] == -1 else text
        axis = v.options["axis"] % len(v.shape)
        return f"np.moveaxis({text}, 0, {axis})" if axis else text
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
        return f"{text}.reshape{(n, *v.shape)}" if lifted else f"{text}.reshape{v.shape}"
    if v.op == "broadcast_to":
        if lifted:
            gap = len(v.shape) - len(source)
            text = f"{text}[:{', None' * gap}]" if gap else text
            return f"np.broadcast_to({text}, {(n, *v.shape)})"
        return f"np.broadcast_to({text}, {v.shape})"
    inner = index_text(v.options["index"], "t", str)
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
    if sign == -1:
        return f"{text}[::-1]", shift - n + 1, n
    return text, -shift, n
