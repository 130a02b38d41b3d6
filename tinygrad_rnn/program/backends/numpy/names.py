"""What is everything called, numbers and lengths too?

A length of time is called ``T``, and what the record had as a number of its own (the count that a
mean divides by) has a name too. Both are said in the header: the rest of a program is the same
text for sequences of every length.
"""

from __future__ import annotations

import builtins
import keyword
import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_rnn.program.ir.ops import HELPERS

__all__ = ["Names", "plural"]

RESERVED = {"np", "t", "T", "list", "map", "range", "reversed", "step", "out", *HELPERS}
BUILT_IN = frozenset((*keyword.kwlist, *dir(builtins)))
PLAIN = frozenset((0, 1, -1, 2, -2, 0.5, -0.5))  # numbers that stay where they are


class Names:
    """Identifiers that are made, not taken; lengths and constants by name.

    `letters` are names that the user has chosen: nothing else is called so.
    """

    def __init__(self, T: int = 0, letters: Iterable[str] = ()) -> None:
        self.names: set[str] = set(RESERVED)
        self.letters = {x for letter in letters for x in (letter, plural(letter))}
        self.tried: dict[tuple[str, bool], int] = {}  # the last number behind a wish
        self.constants: dict[str, np.ndarray] = {}
        self.T = T
        self.numbers: dict[str, Any] = {}
        self.known: dict[Any, str] = {}
        self.lengths = {T: "T"} if T else dict[int, str]()
        self.header = [f"T = {T}"] if T else list[str]()
        self.made: list[str] = []

    def name(self, wish: str, chosen: bool = False) -> str:
        """An identifier close to the wish that is not taken; no letter, unless it is `chosen`."""
        wish = re.sub(r"\W", "_", wish, flags=re.ASCII) or "x"
        wish = f"_{wish}" if wish[0].isdigit() or keyword.iskeyword(wish) else wish
        taken = (self.names, BUILT_IN) if chosen else (self.names, BUILT_IN, self.letters)
        found, k = wish, self.tried.get((wish, chosen), 1)
        while any(x in names for x in (found, plural(found)) for names in taken):
            k += 1
            found = f"{wish}{k}"
        self.tried[wish, chosen] = k
        self.names |= {found, plural(found)}
        return found

    def span(self, n: int) -> str:
        """A number of steps: ``T``, or ``T + 1``, or a length with a name of its own."""
        near = min(self.lengths, key=lambda T: abs(T - n), default=None)
        if near is None or abs(near - n) > 2:
            self.lengths[n] = self.name("T")
            self.header.append(f"{self.lengths[n]} = {n}")
            near = n
        return self.lengths[near] + (f" {'+-'[n < near]} {abs(n - near)}" if n != near else "")

    def cut(self, name: str, lo: int, hi: int, n: int) -> str:
        """Rows lo … hi of an array of n rows; its name alone if these are all."""
        if lo == 0 and hi == n:
            return name
        if lo < 0 or hi > n:
            raise AssertionError(f"{name}[{lo}:{hi}] of {n}")
        start = "" if not lo else self.row(lo, n)
        return f"{name}[{start}:{self.span(hi) if hi != n else ''}]"

    def row(self, k: int, n: int) -> str:
        """The place of row k of n steps, counted from the end that is nearer."""
        return str(k) if 2 * k < n else str(k - n)

    def array(self, lines: str, wish: str) -> str:
        """The name of an array that only the program's own lengths make."""
        if lines not in self.known:
            self.known[lines] = self.name(wish)
            self.made.append(f"{self.known[lines]} = {lines}")
        return self.known[lines]

    def constant(self, x: Any, name: str = "k", every: bool = False) -> str:
        """A constant as a literal, or its name: said in the header, or passed in if it is large.

        With `every`, it has a row for each step.
        """
        if isinstance(x, np.ndarray) and x.ndim == 0:
            x = x[()]
        weak = isinstance(x, (bool, int, float)) and not isinstance(x, np.generic)
        if weak and (isinstance(x, bool) or x in PLAIN or not math.isfinite(x)):
            return repr(x) if math.isfinite(x) else f"float('{x}')"
        array = np.asarray(x)
        key = (weak, array.shape, str(array.dtype), array.tobytes())
        if key not in self.known:
            integer = weak and isinstance(x, int)
            found = self.known[key] = self.name("n" if integer and name == "k" else name)
            text = repr(x) if weak else _text(array)
            timed = every or (array.ndim and not self.lengths.keys().isdisjoint(array.shape[:1]))
            if text and ((array.size <= 64 and not timed) or text[:8] != "np.array"):
                self.header.append(f"{found} = {text}")
                self.numbers[found] = x
            else:
                self.constants[found] = array.copy()
        return self.known[key]


def _text(x: np.ndarray) -> str:
    """An array in a few words, or number by number; nothing if one is not finite."""
    dtype, flat = f"np.{x.dtype}", x.ravel()
    if x.ndim == 0:
        return f"{dtype}({x[()]})" if np.isfinite(x) else f"{dtype}('{x[()]}')"
    if x.size and np.all(flat == flat[0]) and np.isfinite(flat[0]):
        if not flat[0]:
            return f"np.zeros({x.shape}, {dtype})"
        return f"np.full({x.shape}, {flat[0].item()!r}, {dtype})"
    if x.dtype.kind in "iuf" and np.array_equal(flat, np.arange(x.size)):
        text = f"np.arange({x.size}, dtype={dtype})"
        return text if x.ndim == 1 else f"{text}.reshape{x.shape}"
    if not np.isfinite(x).all():
        return ""
    if x.ndim == 1 and np.count_nonzero(np.diff(x)) < 8:
        starts = [0, *(np.flatnonzero(x[1:] != x[:-1]) + 1).tolist()]
        counts = np.diff([*starts, x.size]).tolist()
        return f"np.repeat(np.array({x[starts].tolist()}, {dtype}), {counts})"
    return f"np.array({x.tolist()}, {dtype})" if x.size <= 64 else ""


def plural(name: str) -> str:
    """The name of a sequence of these."""
    return f"{name}_s" if f"{name}s" in BUILT_IN else f"{name}s"
