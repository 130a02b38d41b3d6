"""What is written on a node? Symbols, letters, shapes and short formulas."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from tinygrad_rnn import Tensor

LONGEST = 44  # characters of a formula that still reads as a label
# fmt: off
SYMBOLS = {
    "add": "+", "subtract": "−", "negative": "−", "multiply": "×", "divide": "/", "matmul": "@",
    "power": "^", "sqrt": "√", "sum": "Σ", "sigmoid": "σ",
}
# fmt: on
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
    """The letter of a constant in the frames around the node; else its value if it has only one."""
    for frame in reversed(node.scope):
        for letter, x in frame.arrays.items():
            if x is array:
                return letter
            if (
                x.ctypes.data == array.ctypes.data
                and x.shape == array.shape[::-1]
                and x.strides == array.strides[::-1]
            ):
                return f"{letter}ᵀ"
    if array.dtype.kind == "f" and array.size and (array == array.flat[0]).all():
        return number_text(array.flat[0])
    return ""


def title(node: Tensor, name: str | None, drawn: Collection[int] = ()) -> str:
    """The operation itself, ``@``, ``1 − ·``, ``[:, 0:4]``, ``f = σ``.

    Numbers are written out, except those of the arguments `drawn`, which have a node of their own.
    """
    arguments = [
        _number(x) if is_number(x) and k not in drawn else ("·", 9)
        for k, x in enumerate(node.inputs)
    ]
    sign = _render(node, arguments, bare=True)[0]
    return f"{name} = {sign}" if name else sign


def formula(
    members: Iterable[Tensor],
    root: Tensor,
    name: str | None,
    letters: dict[tuple[Tensor, int], str],
) -> str:
    """What a collapsed node computes, ``c = f×c[t−1] + i×g``; its operations if too long.

    Parameters
    ----------
    members
        The collapsed operations in the order of birth; `root` is the last.
    letters
        What to call inputs from elsewhere, by node and number of the argument.
    """
    texts: dict[int, tuple[str, int]] = {}
    for node in members:
        arguments = []
        for k, x in enumerate(node.inputs):
            letter = letters.get((node, k))
            other = (letter or "·", 9) if letter or not is_number(x) else _number(x)
            text, binding = texts.get(id(x), other)
            arguments.append((text[: LONGEST + 1], binding))
        texts[id(node)] = _render(node, arguments)
    text = texts[id(root)][0]
    prefix = f"{name} = " if name else ""
    if len(prefix + text) <= LONGEST:
        return prefix + text
    steps = list(dict.fromkeys(SYMBOLS.get(n.op.name, n.op.name) for n in members if n.op))
    return prefix + " → ".join(["…"] * (len(steps) > 5) + steps[-5:])


def _number(x: Any) -> tuple[str, int]:
    return number_text(x), 1 if x < 0 else 9


def _render(node: Tensor, arguments: list[tuple[str, int]], bare: bool = False) -> tuple[str, int]:
    """One operation applied to texts, and how tightly the result binds; `bare`: its sign alone."""
    name = node.op.name if node.op else ""
    sign = SYMBOLS.get(name, name)
    if bare and name != "getitem" and all(text == "·" for text, _ in arguments):
        return sign + _options(node), 9
    if name == "getitem":
        return ("" if bare else _tight(arguments[0], 9)) + _index(node), 9
    if name == "transpose" and not bare:
        return f"{_tight(arguments[0], 9)}ᵀ", 9
    if name == "multiply" and not bare and node.inputs[0] is node.inputs[1]:
        return f"{_tight(arguments[0], 9)}²", 3
    if sign in _BINDING and len(arguments) == 2:
        binding = _BINDING[sign]
        left, right = _tight(arguments[0], binding), _tight(arguments[1], binding + (sign in "−/"))
        space = " " if binding == 1 or bare else ""
        return f"{left}{space}{sign}{space}{right}", binding
    if sign == "−":
        return f"−{_tight(arguments[0], 2)}", 1
    texts = [text for text, _ in arguments]
    if len(texts) > 1 and len(set(texts)) == 1:
        texts = [f"{texts[0]} …"]  # the same letter at every step
    if sign == "Σ" and texts[0][-1:] == "²":
        return f"Σ {texts[0]}", 2
    return f"{sign}({', '.join(texts[:4])}{', …' * (len(texts) > 4)})", 9


def _tight(argument: tuple[str, int], binding: int) -> str:
    text, own = argument
    return text if own >= binding else f"({text})"


def _options(node: Tensor) -> str:
    axis = node.options.get("axis")
    if axis is None or node.op is None or node.op.name not in ("sum", "max"):
        return ""
    return f" axis {str(axis).strip('(),')}"


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
