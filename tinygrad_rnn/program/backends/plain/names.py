"""What is everything called in a program for a reader?

As in the equations: arguments by their own names, values by the letters of the cell, gradients by
the letter of what they are gradients of, and with ``_next`` where they come from the next step.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_rnn.program.backends.plain.lines import Lines
from tinygrad_rnn.program.formula.letters import Letter
from tinygrad_rnn.program.ir.graph import Value

__all__ = ["Names", "identifier", "names_of", "written"]

SMALL = 64  # numbers of a constant that is written out
BUILT_IN = frozenset((*keyword.kwlist, *dir(builtins), "np", "t", "step"))


class Names:
    """Identifiers: the letters of the equations, each once."""

    def __init__(self, taken: Iterable[str]) -> None:
        self.taken = {*BUILT_IN, *taken}

    def name(self, wish: str) -> str:
        """An identifier close to the wish."""
        wish = re.sub(r"\W", "_", wish, flags=re.ASCII) or "x"
        wish = f"_{wish}" if wish[0].isdigit() else wish
        found, k = wish, 1
        while found in self.taken:
            k += 1
            found = f"{wish}{k}"
        self.taken.add(found)
        return found


def names_of(
    e: Lines, lines: Iterable[Value], carried: set[Value], unique: Names
) -> dict[Any, str]:
    """The names of arguments, of the values of lines, and of the parts of these."""
    text = {v: unique.name(v.name or "x") for v in e.leaves}
    text[e.outputs[0]] = unique.name("loss")
    here = [*dict.fromkeys(lines), *(p for p in e.parts if p in e.names)]
    for v in here:
        if v in e.forward and v not in text:
            text[v] = unique.name(identifier(e.names[v]))
    leaf_of = {v: leaf for leaf, v in reversed(e.parameters.items())}
    of = {v: u for u, v in e.gradient_of.items()}
    for v in here:
        u = leaf_of.get(v) or of.get(v)
        if v not in text and u in text:
            text[v] = unique.name(f"d{text[u]}")
    for v in here:
        if v not in text:
            wish = v.name or identifier(e.names[v])
            text[v] = unique.name(f"{wish}_next" if v in carried else wish)
    return text


def identifier(x: Letter) -> str:
    """A letter as one word."""
    words = [x.base, *x.below.split(), *(w for label in x.above for w in label.split())]
    return ("d" if x.bar else "") + "_".join(words)


def written(x: np.ndarray) -> str:
    """A constant in a few words, or number by number; nothing if it is large."""
    if x.size > SMALL or not np.isfinite(x).all():
        return ""
    dtype = "" if x.dtype in (np.float64, np.int64, np.bool_) else f", np.{x.dtype}"
    if x.ndim == 1 and x.dtype == np.int64 and np.array_equal(x, np.arange(x.size)):
        return f"np.arange({x.size})"
    return f"np.array({x.tolist()}{dtype})"
