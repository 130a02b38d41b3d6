"""How is what was recorded written as a formula?

The one writer of labels and of derivatives. What it writes has one meaning: brackets stand wherever
the order of operations asks for them, and every option that is not the usual one is written.

======================  ===========================================================
``r×(h@U)``             a product element by element and one of matrices: brackets
``a − (b + c)``         what is taken away; sums and products alone go left to right
``softmax(o, axis 0)``  an option that is not the usual one
``x[:, ::2]``           a slice, with its step
``Σ x²``                the sum of the squares of all elements
``·``                   a value without a letter
======================  ===========================================================
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from tinygrad_rnn import Tensor
from tinygrad_rnn.engine import Input
from viz.record.labels import is_number, number_text, shape_text

LONGEST = 72  # characters of a formula that still reads as a label
LINE = 26  # characters of it in one line
_GLUE = "\u00a0"  # a space at which no line ends

Text = tuple[str, int]  # a formula, and how tightly it binds
Letters = Mapping[tuple[Tensor, int], Text]  # by node and number of the argument
Clock = Mapping[tuple[Tensor, int], int]  # see `roles.Roles`
NEGATIVE, SUM, PRODUCT, MATMUL, POWER, ATOM = range(6)
NO_CLOCK: Clock = {}


def title(
    node: Tensor, name: str | None, drawn: Collection[int] = (), clock: Clock = NO_CLOCK
) -> str:
    """The operation itself, ``@``, ``1 − ·``, ``[:, 0:4]``, ``f = σ``.

    Numbers are written out, except those of the arguments `drawn`, which have a node of their own.
    """
    arguments = [
        _number(x) if is_number(x) and k not in drawn else ("·", ATOM)
        for k, x in enumerate(node.inputs)
    ]
    sign = _written(node, arguments, clock, bare=True)[0]
    return (f"{name} = {sign}" if name else sign).replace(_GLUE, " ")


def formula(
    members: Iterable[Tensor],
    root: Tensor,
    name: str | None,
    letters: Letters,
    clock: Clock = NO_CLOCK,
    wide: bool = False,
) -> str:
    """The formula of a collapsed node, ``c = f×c[t−1] + i×g``; its operations if too long.

    Parameters
    ----------
    members
        The collapsed operations in the order of birth; `root` is the last.
    letters
        What to call inputs from elsewhere.
    clock
        By operation and place in its index, how far after the step it reads.
    wide
        With spaces around all signs, as on paper: ``a × b``.
    """
    members = list(members)
    text, _ = expression(members, root, letters, clock, wide)
    prefix = f"{name}{_GLUE}={_GLUE}" if name else ""
    if len(prefix + text) <= LONGEST:
        return _lines(prefix + text)
    steps = list(dict.fromkeys(n.op.symbol or n.op.name for n in members if n.op))
    return _lines(prefix + " → ".join(["…"] * (len(steps) > 5) + steps[-5:]))


def expression(
    members: Iterable[Tensor],
    root: Tensor,
    letters: Letters,
    clock: Clock = NO_CLOCK,
    wide: bool = False,
) -> Text:
    """What `root` is in terms of what the members take from elsewhere; `wide`: ``a × b``."""
    texts: dict[int, Text] = {}
    for node in members:
        arguments: list[Text] = []
        for k, x in enumerate(node.inputs):
            other = _number(x) if is_number(x) else ("·", ATOM)
            text, binding = letters.get((node, k)) or texts.get(id(x), other)
            arguments.append((text[: LONGEST + 1], binding))  # so that no text doubles at each x*x
        texts[id(node)] = _written(node, arguments, clock, wide=wide)
    return texts[id(root)]


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


def _number(x: Any) -> Text:
    return number_text(x), NEGATIVE if x < 0 else ATOM


# -- one operation --------------------------------------------------------------------------------


def _written(
    node: Tensor, arguments: list[Text], clock: Clock, bare: bool = False, wide: bool = False
) -> Text:
    """One operation applied to texts; `bare`: its sign alone."""
    assert node.op is not None
    name, sign = node.op.name, node.op.symbol or node.op.name
    own = _OWN.get(name)
    if bare and name not in ("getitem", "astype") and all(text == "·" for text, _ in arguments):
        return " ".join((sign, *(word.replace(_GLUE, " ") for word in _options(node)))), ATOM
    if name == "getitem":
        arrays = [text for text, _ in arguments[1:]]
        return ("" if bare else _tight(arguments[0], ATOM)) + _index(node, arrays, clock), ATOM
    if own is not None and not bare and (found := own(node, arguments)):
        return found
    if name in _BINARY and len(arguments) == 2:
        binding, left, right = _BINARY[name]
        a, b = left(arguments[0]), right(arguments[1])
        space, glue = (" ", _GLUE) if binding == SUM or bare or wide else ("", "")
        return f"{a}{space}{sign}{glue}{b}", binding
    if name == "negative":
        return f"−{_tight(arguments[0], PRODUCT)}", NEGATIVE
    texts = [text for text, _ in arguments]
    if len(texts) > 2 and len(set(texts)) == 1:
        texts = [f"{texts[0]}{_GLUE}…"]  # the same letter at every step
    elif len(texts) > 4:
        texts = [*texts[:4], "…"]
    words = _options(node)
    if sign == "Σ" and arguments[0][1] == POWER and not words:
        return f"Σ {texts[0]}", PRODUCT
    if name == "astype":
        sign, words = words[0], words[1:]
    return f"{sign}({f',{_GLUE}'.join([*texts, *words])})", ATOM


def _tight(argument: Text, binding: int) -> str:
    text, own = argument
    return text if own >= binding else f"({text})"


def _factor(argument: Text) -> str:
    """A factor of a product element by element, which no product of matrices runs into."""
    text, own = argument
    return f"({text})" if own == MATMUL else _tight(argument, PRODUCT)


# By operation: how tightly it binds, its left and its right operand.
_BINARY: dict[str, tuple[int, Callable[[Text], str], Callable[[Text], str]]] = {
    "add": (SUM, lambda a: a[0], lambda b: _tight(b, SUM)),
    "subtract": (SUM, lambda a: a[0], lambda b: _tight(b, PRODUCT)),
    "multiply": (PRODUCT, _factor, _factor),
    "divide": (PRODUCT, _factor, lambda b: _tight(b, POWER)),
    "matmul": (MATMUL, lambda a: _tight(a, MATMUL), lambda b: _tight(b, POWER)),
    "power": (POWER, lambda a: _tight(a, ATOM), lambda b: _tight(b, ATOM)),
}


def _masked(node: Tensor, arguments: list[Text]) -> Text | None:
    """A masked value as a product: 0 where the mask leaves it out."""
    condition, _, other = node.inputs
    if not is_number(other) or other != 0 or _dtype(condition).kind != "b":
        return None
    return f"{_factor(arguments[0])}×{_factor(arguments[1])}", PRODUCT


def _turned(node: Tensor, arguments: list[Text]) -> Text | None:
    axes = node.options.get("axes")
    if axes is not None and [k % len(axes) for k in axes] != [*range(len(axes))][::-1]:
        return None
    return f"{_tight(arguments[0], ATOM)}ᵀ", ATOM


def _squared(node: Tensor, arguments: list[Text]) -> Text | None:
    if node.inputs[0] is not node.inputs[1]:
        return None
    return f"{_tight(arguments[0], ATOM)}²", POWER


# Operations that are written in a way of their own, where what they are given allows it.
_OWN: dict[str, Callable[[Tensor, list[Text]], Text | None]] = {
    "where": _masked,
    "transpose": _turned,
    "multiply": _squared,
}


def _dtype(x: Any) -> Any:
    return x.dtype if type(x) is Tensor else np.asarray(x).dtype


# -- options --------------------------------------------------------------------------------------

# What the texts of the arguments, or the number below the label, say already.
_SAID = {"concatenate": {"starts"}, "segment": {"again", "size", "dtype"}, "getitem": {"index"}}


def _options(node: Tensor) -> list[str]:
    """The options that are not as usual, in words: ``axis 1``, ``keepdims``."""
    assert node.op is not None
    name, words = node.op.name, list[str]()
    usual = _usual(node.op.forward) if node.options else {}
    for key, value in node.options.items():
        if key in _SAID.get(name, ()) or (key in usual and _equal(usual[key], value)):
            continue
        last = key == "axis" and isinstance(value, int) and value % max(1, node.ndim)
        if name in ("softmax", "log_softmax") and last == node.ndim - 1:
            continue
        words.append(_option(key, value))
    return words


def _option(key: str, value: Any) -> str:
    """One option in words, without a comma."""
    if key == "shape":
        return shape_text(value) or "1"
    if key == "dtype":
        return str(np.dtype(value))
    if key == "indices":
        places = [_places(index) for index in value[:4]]
        return _GLUE.join(["at", *places, *["…"] * (len(value) > 4)])
    if value is True or value is False:
        return key if value else f"no{_GLUE}{key}"
    if isinstance(value, tuple):
        return _GLUE.join([key, *map(_value, value)])
    return f"{key}{_GLUE}{_value(value)}"


def _value(x: Any) -> str:
    return number_text(x) if isinstance(x, (int, float, np.number)) else str(x)


@lru_cache(maxsize=256)
def _usual(forward: Callable[..., Any]) -> dict[str, Any]:
    """The options of a primitive that need not be given; also the axis of what joins."""
    try:
        parameters = inspect.signature(forward).parameters.values()
    except (TypeError, ValueError):  # a function of NumPy that does not say
        return {}
    found = {p.name: p.default for p in parameters if p.default is not p.empty}
    joins = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    return {"axis": 0, **found} if joins else found


def _equal(a: Any, b: Any) -> bool:
    return type(a) is type(b) and a == b


def _places(index: Any) -> str:
    return f"[{','.join(_place(part) for part in index)}]"


def _place(part: Any, arrays: list[str] | None = None) -> str:
    """One part of an index as it is written."""
    if isinstance(part, slice):
        ends = ["" if end is None else str(end) for end in (part.start, part.stop, part.step)]
        return ":".join(ends[: 2 + bool(ends[2])])
    if isinstance(part, Input):
        return arrays[part - 1] if arrays else "·"
    if isinstance(part, int):
        return str(part)
    return "..." if part is Ellipsis else "new"


def _index(node: Tensor, arrays: list[str], clock: Clock) -> str:
    """An index as it is written; what follows the step as t, so that all steps read alike."""
    parts = []
    for place, part in enumerate(node.options["index"]):
        away = clock.get((node, place))
        if away is None:
            parts.append(_place(part, arrays))
        else:
            parts.append(f"t{'+' if away > 0 else '−'}{abs(away)}" if away else "t")
    return f"[{f',{_GLUE}'.join(parts)}]"
