"""What is everything called?"""

from __future__ import annotations

import builtins
import keyword
import math
import re
from typing import Any

import numpy as np

from tinygrad_rnn.program.ops import HELPERS

__all__ = ["Names", "plural"]

RESERVED = frozenset(("np", "t", "T", "list", "map", "range", "reversed", "step", "out", *HELPERS))
BUILT_IN = frozenset((*keyword.kwlist, *dir(builtins)))


class Names:
    """Identifiers that are made, not taken, and constants by name."""

    def __init__(self) -> None:
        self.names: set[str] = set(RESERVED)
        self.constants: dict[str, np.ndarray] = {}
        self.known: dict[Any, str] = {}
        self.constant_lines: list[str] = []

    def name(self, wish: str) -> str:
        """An identifier close to the wish that is not taken."""
        wish = re.sub(r"\W", "_", wish, flags=re.ASCII) or "x"
        wish = f"_{wish}" if wish[0].isdigit() or keyword.iskeyword(wish) else wish
        found, k = wish, 1
        while {found, plural(found)} & (self.names | BUILT_IN):
            k += 1
            found = f"{wish}{k}"
        self.names |= {found, plural(found)}
        return found

    def constant(self, x: Any, name: str = "k") -> str:
        """A constant as a literal, or the name of an array made from one, or passed in."""
        if isinstance(x, np.ndarray) and x.ndim == 0:
            x = x[()]
        if isinstance(x, (bool, int)):
            return repr(x)
        if isinstance(x, float) and not isinstance(x, np.generic):
            return repr(x) if math.isfinite(x) else f"float('{x}')"
        x = np.asarray(x)
        key = (x.shape, str(x.dtype), x.tobytes())
        if key not in self.known:
            found = self.known[key] = self.name(name)
            dtype = f"np.{x.dtype}"
            flat = x.ravel()
            if x.ndim == 0:
                text = f"np.array({x.item()!r}, {dtype})"
                if not np.isfinite(x):
                    text = f"np.array(float('{x.item()}'), {dtype})"
            elif x.size and np.all(flat == flat[0]) and np.isfinite(flat[0]):
                text = f"np.full({x.shape}, {flat[0].item()!r}, {dtype})"
                if not flat[0]:
                    text = f"np.zeros({x.shape}, {dtype})"
            elif x.dtype.kind in "iuf" and np.array_equal(flat, np.arange(x.size)):
                text = f"np.arange({x.size}, dtype={dtype})"
                text = text if x.ndim == 1 else f"{text}.reshape{x.shape}"
            elif x.ndim == 1 and np.count_nonzero(np.diff(x)) < 8 and np.isfinite(x).all():
                starts = [0, *(np.flatnonzero(x[1:] != x[:-1]) + 1).tolist()]
                counts = np.diff([*starts, x.size]).tolist()
                text = f"np.repeat(np.array({x[starts].tolist()}, {dtype}), {counts})"
            elif x.size <= 64 and np.isfinite(x).all():
                text = f"np.array({x.tolist()}, {dtype})"
            else:
                self.constants[found] = x.copy()
                text = ""
            if text:
                self.constant_lines.append(f"{found} = {text}")
        return self.known[key]


def plural(name: str) -> str:
    """What a sequence of these is called."""
    return f"{name}_s" if f"{name}s" in BUILT_IN else f"{name}s"
