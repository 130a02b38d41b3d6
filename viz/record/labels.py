"""What is written on a node? Symbols, letters, shapes and short formulas."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any

import numpy as np

from tinygrad_rnn import Tensor, step_frame
from tinygrad_rnn.engine import Input

LONGEST = 72  # characters of a formula that still reads as a label
LINE = 26  # characters of it in one line
NAME = 40  # characters of a name
_GLUE = "\u00a0"  # a space at which no line ends
_BINDING = {"+": 1, "−": 1, "×": 2, "/": 2, "@": 2, "^": 3}


def shape_text(shape: tuple[int, ...]) -> str:
    """``2×4``; nothing for a scalar."""
    return "×".join(map(str, shape))


def is_number(x: Any) -> bool:
    """True if an operand is a plain number, which is written into the label of the operation."""
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
            if slices := _slices(array, x):
                return f"{letter}[{slices}]"
    if array.dtype.kind in "fiu" and array.size:
        if (array == array.flat[0]).all():
            return number_text(array.flat[0])
        if array.dtype.kind in "iu" and (array.ravel() == np.arange(array.size)).all():
            return f"0…{array.size - 1}"
    return ""


def _slices(part: np.ndarray, whole: np.ndarray) -> str:
    """The slices that `part` is of `whole`, ``:, 0:2``; nothing if it is no such view of it."""
    if part.strides != whole.strides or min(part.strides, default=0) <= 0:
        return ""
    rest = part.ctypes.data - whole.ctypes.data
    starts = dict.fromkeys(range(whole.ndim), 0)
    for axis in sorted(starts, key=lambda axis: -whole.strides[axis]):
        starts[axis], rest = divmod(rest, whole.strides[axis])
    ends = [start + size for start, size in zip(starts.values(), part.shape, strict=True)]
    inside = all(0 <= starts[k] < end <= whole.shape[k] for k, end in enumerate(ends))
    if rest or not inside:
        return ""
    return ", ".join(
        ":" if size == whole.shape[k] else f"{starts[k]}:{ends[k]}"
        for k, size in enumerate(part.shape)
    )


def unnamed(array: Any) -> str:
    """The text of a constant without a letter."""
    return {"b": "mask", "i": "index", "u": "index"}.get(np.asarray(array).dtype.kind, "data")


def short(name: str) -> str:
    """A name that fits on a node."""
    return name if len(name) <= NAME else f"{name[: NAME - 1]}…"


def title(node: Tensor, name: str | None, drawn: Collection[int] = ()) -> str:
    """The operation itself, ``@``, ``1 − ·``, ``[:, 0:4]``, ``f = σ``.

    Numbers are written out, except those of the arguments `drawn`, which have a node of their own.
    """
    arguments = [
        _number(x) if is_number(x) and k not in drawn else ("·", 9)
        for k, x in enumerate(node.inputs)
    ]
    sign = _render(node, arguments, bare=True)[0]
    return (f"{name} = {sign}" if name else sign).replace(_GLUE, " ")


def formula(
    members: Iterable[Tensor],
    root: Tensor,
    name: str | None,
    letters: dict[tuple[Tensor, int], str],
) -> str:
    """The formula of a collapsed node, ``c = f×c[t−1] + i×g``; its operations if too long.

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
            arguments.append((text[: LONGEST + 1], binding))  # so that no text doubles at each x*x
        texts[id(node)] = _render(node, arguments)
    text = texts[id(root)][0]
    prefix = f"{name}{_GLUE}={_GLUE}" if name else ""
    if len(prefix + text) <= LONGEST:
        return _lines(prefix + text)
    steps = list(dict.fromkeys(n.op.symbol or n.op.name for n in members if n.op))
    return _lines(prefix + " → ".join(["…"] * (len(steps) > 5) + steps[-5:]))


@lru_cache(maxsize=256)
def _lines(text: str) -> str:
    """The text in as few lines as `LINE` asks for, all about equally long."""
    if max(map(len, text.split(" "))) > LINE:
        text = text.replace(f",{_GLUE}", ", ")  # then rather within a list than not at all
    lines, width = [text], LINE
    if len(text) > LINE:
        wanted = -(-len(text) // LINE)
        for width in range(len(text) // wanted, len(text)):
            lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
            if len(lines) <= wanted:
                break
    return "\n".join(lines).replace(_GLUE, " ")


def _number(x: Any) -> tuple[str, int]:
    return number_text(x), 1 if x < 0 else 9


def _render(node: Tensor, arguments: list[tuple[str, int]], bare: bool = False) -> tuple[str, int]:
    """One operation applied to texts, and how tightly the result binds; `bare`: its sign alone."""
    name = node.op.name if node.op else ""
    sign = node.op.symbol or name if node.op else ""
    if bare and name != "getitem" and all(text == "·" for text, _ in arguments):
        return sign + _options(node), 9
    if name == "getitem":
        arrays = [text for text, _ in arguments[1:]]
        return ("" if bare else _tight(arguments[0], 9)) + _index(node, arrays), 9
    if name == "where" and not bare and is_number(node.inputs[2]) and node.inputs[2] == 0:
        # what a mask leaves out is 0, whatever stood there
        return f"{_tight(arguments[0], 2)}×{_tight(arguments[1], 2)}", 2
    if name == "transpose" and not bare:
        return f"{_tight(arguments[0], 9)}ᵀ", 9
    if name == "multiply" and not bare and node.inputs[0] is node.inputs[1]:
        return f"{_tight(arguments[0], 9)}²", 3
    if sign in _BINDING and len(arguments) == 2:
        binding = _BINDING[sign]
        left, right = _tight(arguments[0], binding), _tight(arguments[1], binding + (sign in "−/"))
        space, glue = (" ", _GLUE) if binding == 1 or bare else ("", "")
        return f"{left}{space}{sign}{glue}{right}", binding
    if sign == "−":
        return f"−{_tight(arguments[0], 2)}", 1
    texts = [text for text, _ in arguments]
    if len(texts) > 1 and len(set(texts)) == 1:
        texts = [f"{texts[0]}{_GLUE}…"]  # the same letter at every step
    if sign == "Σ" and texts[0][-1:] == "²":
        return f"Σ {texts[0]}", 2
    listed = f",{_GLUE}".join([*texts[:4], *["…"] * (len(texts) > 4)])
    return f"{sign}({listed})", 9


def _tight(argument: tuple[str, int], binding: int) -> str:
    text, own = argument
    return text if own >= binding else f"({text})"


def _options(node: Tensor) -> str:
    axis = node.options.get("axis")
    if axis is None or node.op is None or node.op.name not in ("sum", "max", "min"):
        return ""
    return f" axis {str(axis).strip('(),')}"


def _index(node: Tensor, arrays: list[str]) -> str:
    """An index as it is written; the current step as t, so that all steps read alike."""
    source = node.inputs[0]
    step = step_frame(node)
    t = None if step is None else step.t
    from_outside = type(source) is Tensor and t not in [frame.t for frame in source.scope]
    parts = []
    for part in node.options["index"]:
        if isinstance(part, slice):
            ends = ["" if end is None else str(end) for end in (part.start, part.stop, part.step)]
            parts.append(":".join(ends[: 2 + bool(ends[2])]))
        elif isinstance(part, Input):
            parts.append(arrays[part - 1])
        elif isinstance(part, int):
            parts.append("t" if from_outside and part == t else str(part))
        else:
            parts.append("…" if part is Ellipsis else "new" if part is None else "·")
    return f"[{f',{_GLUE}'.join(parts)}]"
