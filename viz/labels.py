"""What is written on a node? Symbols, letters, shapes and short formulas."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_rnn import Tensor

LONGEST = 44  # characters of a formula that still reads as a label
SYMBOLS = {"add": "+", "subtract": "−", "multiply": "×", "divide": "/", "matmul": "@", "power": "^", "negative": "−",
           "sigmoid": "σ", "sum": "Σ", "sqrt": "√"}  # fmt: skip
_BINDING = {"+": 1, "−": 1, "×": 2, "/": 2, "@": 2, "^": 3}


def shape_text(shape: tuple[int, ...]) -> str:
    """``2×4``; nothing for a scalar."""
    return "×".join(map(str, shape))


def is_number(x: Any) -> bool:
    """Whether an operand is a plain number, which is written into the label of the operation."""
    return type(x) is not Tensor and np.ndim(x) == 0


def number_text(x: Any) -> str:
    """A number as short as it stays true to four digits."""
    return f"{x.item() if hasattr(x, 'item') else x:.4g}".replace("-", "−")


def array_name(array: np.ndarray, node: Tensor) -> str:
    """The letter of a constant, by identity in the frames around the node; its value if it has only one; else nothing."""
    for frame in reversed(node.scope):
        for letter, x in frame.arrays.items():
            if x is array:
                return letter
            if x.ctypes.data == array.ctypes.data and x.shape == array.shape[::-1] and x.strides == array.strides[::-1]:
                return f"{letter}ᵀ"
    if array.dtype.kind == "f" and array.size and (array == array.flat[0]).all():
        return number_text(array.flat[0])
    return ""


def symbol(node: Tensor) -> str:
    """The operation itself: ``@``, ``1 − ·``, ``[:, 0:4]``, ``tanh``."""
    return _render(node, ["·" for _ in node.inputs], bare=True)[0]


def title(node: Tensor) -> str:
    """``f = σ``, or the bare operation where there is no name."""
    return f"{node.name} = {symbol(node)}" if node.name else symbol(node)


def formula(members: Iterable[Tensor], root: Tensor, letters: dict[int, str]) -> str:
    """What a collapsed node computes, ``c = f×c[t−1] + i×g``; its last operation alone where that gets too long.

    Parameters
    ----------
    members
        The collapsed operations in the order of birth; `root` is the last.
    letters
        What to call inputs from elsewhere, by `id`.
    """
    texts: dict[int, tuple[str, int]] = {}
    for node in members:
        arguments = []
        for x in node.inputs:
            text, binding = texts.get(id(x)) or (letters.get(id(x)) or (number_text(x) if is_number(x) else "·"), 9)
            arguments.append((text[: LONGEST + 1], binding))
        texts[id(node)] = _render(node, arguments)
    text = texts[id(root)][0]
    prefix = f"{root.name} = " if root.name else ""
    if len(prefix + text) <= LONGEST:
        return prefix + text
    counts = dict.fromkeys(SYMBOLS.get(node.op.name, node.op.name) for node in texts_order(members) if node.op)
    return prefix + " ".join(list(counts)[:6])


def texts_order(members: Iterable[Tensor]) -> list[Tensor]:
    """The members from the last operation to the first, as a formula is read."""
    return list(members)[::-1]


def _render(node: Tensor, arguments: list[Any], bare: bool = False) -> tuple[str, int]:
    """One operation applied to texts, and how tightly the result binds. `bare` leaves single inputs out."""
    name = node.op.name if node.op else ""
    sign = SYMBOLS.get(name, name)
    if bare:
        arguments = [(number_text(x), 9) if is_number(x) else ("·", 9) for x in node.inputs]
        if all(text == "·" for text, _ in arguments) and name != "getitem":
            return sign + _options(node), 9
    if name == "getitem":
        return ("" if bare else _tight(arguments[0], 9)) + _index(node), 9
    if sign in _BINDING and len(arguments) == 2:
        binding = _BINDING[sign]
        left, right = _tight(arguments[0], binding), _tight(arguments[1], binding + (sign in "−/"))
        space = " " if binding == 1 or bare else ""
        return f"{left}{space}{sign}{space}{right}", binding
    if sign == "−":
        return f"−{_tight(arguments[0], 2)}", 1
    return f"{sign}({', '.join(text for text, _ in arguments[:4])}{', …' * (len(arguments) > 4)})", 9


def _tight(argument: tuple[str, int], binding: int) -> str:
    text, own = argument
    return text if own >= binding else f"({text})"


def _options(node: Tensor) -> str:
    axis = node.options.get("axis")
    return "" if axis is None or not node.op or node.op.name not in ("sum", "max") else f" axis {axis}".replace(",)", ")")


def _index(node: Tensor) -> str:
    """An index as it is written; the current step as t, so that all steps read alike."""
    source = node.inputs[0]
    t = next((frame.t for frame in reversed(node.scope) if frame.t is not None), None)
    from_outside = type(source) is Tensor and t not in [frame.t for frame in source.scope]
    parts = []
    for part in node.options["index"]:
        if isinstance(part, slice):
            ends = ["" if end is None else str(end) for end in (part.start, part.stop, part.step)]
            parts.append(":".join(ends[: 2 + bool(ends[2])]))
        elif type(part) is int:
            parts.append("t" if from_outside and part == t else str(part))
        else:
            parts.append("…" if part is Ellipsis else "new" if part is None else "·")
    return f"[{', '.join(parts)}]"
