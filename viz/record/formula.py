"""How does a label write what was recorded?

Formulas are made and written by `tinygrad_rnn.program`, as for LaTeX and programs. A label says
which letters stand in them, and is cut into lines.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

from tinygrad_rnn import Tensor, call_of
from tinygrad_rnn.program import GLUE, Formula, Label, Wide, is_number, operation, options

LONGEST = 72  # characters of a formula that still reads as a label
LINE = 26  # characters of it in one line
NARROW = 19  # characters of a label that stays in one line where there is little room

Letters = Mapping[tuple[Tensor, int], Formula]  # by node and number of the argument
Clock = Mapping[tuple[Tensor, int], int]  # see `roles.Roles`
NO_CLOCK: Clock = {}
Inside = Mapping[Tensor, Tensor]  # see `collapse.View`
NO_CALLS: Inside = {}


def letter(text: str) -> Formula:
    """A letter."""
    return Formula("letter", what=text)


DOT, MORE = letter("·"), letter("…")


def text_of(formula: Formula, wide: bool = False) -> str:
    """A formula as text; `wide` with spaces around all signs, as on paper: ``a × b``."""
    return (Wide if wide else Label)().text(formula).replace(GLUE, " ")


def title(
    node: Tensor, name: str | None, drawn: Collection[int] = (), clock: Clock = NO_CLOCK
) -> str:
    """The operation itself, ``@``, ``1 − ·``, ``[:, 0:4]``, ``f = σ``.

    Numbers are written out, except those of the arguments `drawn`, which have a node of their own.
    """
    assert node.op is not None
    arguments = [
        _number(x) if is_number(x) and k not in drawn else DOT for k, x in enumerate(node.inputs)
    ]
    found = _operation(node, arguments, clock)
    if found.head == "index":
        sign = Label().indexed(found)
    elif found.head == "as":
        sign = text_of(found)
    elif all(x is DOT for x in arguments):
        sign = " ".join((node.op.symbol or node.op.name, *options(node)))
    else:
        sign = text_of(found, wide=True)
    return (f"{name} = {sign}" if name else sign).replace(GLUE, " ")


def formula(
    members: Iterable[Tensor],
    root: Tensor,
    name: str | None,
    letters: Letters,
    clock: Clock = NO_CLOCK,
    wide: bool = False,
    inside: Inside = NO_CALLS,
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
    inside
        By operation the result of the function that it is a part of: ``layer_norm(c, g_c)``.
    """
    members = list(members)
    text = (Wide if wide else Label)().text(expression(members, root, letters, clock, inside))
    prefix = f"{name}{GLUE}={GLUE}" if name else ""
    if len(prefix + text) <= LONGEST:
        return _lines(prefix + text)
    steps = list(dict.fromkeys(n.op.symbol or n.op.name for n in members if n.op))
    return _lines(prefix + " → ".join(["…"] * (len(steps) > 5) + steps[-5:]))


def expression(
    members: Iterable[Tensor],
    root: Tensor,
    letters: Letters,
    clock: Clock = NO_CLOCK,
    inside: Inside = NO_CALLS,
    apply: Callable[[Tensor, list[Formula]], Formula] | None = None,
) -> Formula:
    """The formula of `root` in terms of what the members take from elsewhere.

    `apply` writes an operation in another way than it was recorded.
    """
    found: dict[int, Formula] = {}
    sizes: dict[int, int] = {}
    given: dict[int, Formula] = {}  # what is read inside of functions
    for node in members:
        if node in inside:
            frame = call_of(node)
            known = ((x, letters.get((node, k))) for k, x in enumerate(node.inputs))
            given.update((id(x), f) for x, f in known if f is not None and id(x) not in found)
            if inside[node] is node and frame is not None and frame.call is not None:
                parts = [
                    found.get(id(x)) or given.get(id(x)) or _argument(x, name, letters)
                    for x, name in zip(frame.call.inputs, frame.call.names, strict=True)
                ]
                words = tuple(f"{key} {x}" for key, x in frame.call.options.items())
                found[id(node)] = Formula(frame.name, tuple(parts), words)
            continue
        parts = [
            letters.get((node, k)) or found.get(id(x)) or (_number(x) if is_number(x) else DOT)
            for k, x in enumerate(node.inputs)
        ]
        sizes[id(node)] = 1 + sum(sizes.get(id(x), 1) for x in node.inputs)
        # too long to be written, and twice as long at each x*x
        if sizes[id(node)] > LONGEST:
            found[id(node)] = Formula("sum", (MORE,) * LONGEST)
        else:
            found[id(node)] = apply(node, parts) if apply else _operation(node, parts, clock)
    return found[id(root)]


def _operation(node: Tensor, parts: list[Formula], clock: Clock) -> Formula:
    return operation(node, parts, lambda place: clock.get((node, place)))


def narrow(label: str) -> str:
    """A formula that stands in one line, in two where that is possible."""
    if "\n" in label or len(label) < NARROW:
        return label
    glued = label.replace(" = ", f"{GLUE}={GLUE}")
    for sign in "+−,":
        glued = glued.replace(f"{sign} ", f"{sign}{GLUE}")
    lines = textwrap.wrap(glued, len(label) - 4, break_long_words=False, break_on_hyphens=False)
    return "\n".join(_balanced(glued, len(lines))).replace(GLUE, " ")


@lru_cache(maxsize=256)
def _lines(text: str) -> str:
    """The text in as few lines as `LINE` asks for, all about equally long."""
    if max(map(len, text.split(" "))) > LINE:
        text = text.replace(f",{GLUE}", ", ")  # then rather within a list than not at all
    return "\n".join(_balanced(text, -(-len(text) // LINE))).replace(GLUE, " ")


def _balanced(text: str, wanted: int) -> list[str]:
    """A text in no more lines than wanted, all about equally long, if it has the spaces for it."""
    lines = [text]
    for width in range(len(text) // max(wanted, 1), len(text)) if wanted > 1 else ():
        lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
        if len(lines) <= wanted:
            break
    return lines


def _argument(x: Any, name: str, letters: Letters) -> Formula:
    """A value without a letter that a function was given: by its parameter, if that is free."""
    if is_number(x):
        return _number(x)
    return DOT if letter(name) in letters.values() else letter(name)


def _number(x: Any) -> Formula:
    return Formula("number", what=x.item() if hasattr(x, "item") else x)
