"""Which formulas compute exactly what a value is, in its shape and its dtype?

In mathematics a conversion to another float, or the axes of a number, go without saying. A program
that runs says them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.program.formula.notation import Notation
from tinygrad_rnn.program.formula.shapes import filled, is_number
from tinygrad_rnn.program.formula.tree import Formula, call
from tinygrad_rnn.program.ir.graph import Arg, Value

__all__ = ["Exact"]


class Exact(Notation):
    """Formulas of values, with the shapes and conversions that mathematics leaves out."""

    def line(self, v: Value, gradient: bool) -> Formula:
        """The right side of a value's line."""
        return filled(self.formula(v), v.shape)

    def simplified(self, v: Value) -> Formula:
        """The formula of a value; the transpose of a column is a matrix of one row."""
        if v.op == "transpose" and len(v.shape) == 2:
            x, axes = self.read(v.args[0]), v.options.get("axes") or (1, 0)
            if tuple(k % 2 for k in axes) == (0, 1) or is_number(x):
                return x
            twice = x.head == "transpose" and x.what == (1, 0)
            return x.parts[0] if twice else call("transpose", x, what=(1, 0))
        return super().simplified(v)

    def converted(self, x: Formula, old: Any, new: Any) -> Formula:
        """Another dtype; what is true becomes 1 by itself."""
        if old == new or x.head == "number" or (old == np.bool_ and new != np.bool_):
            return super().converted(x, old, new)
        if new == np.bool_:
            return super().converted(x, old, new)
        return call("as", x, what=str(new))

    def places(self, a: Arg, x: Formula) -> Formula:
        """An array in an index, of integers or of what is true."""
        found = super().places(a, x)
        dtype = a.value.dtype if isinstance(a.value, Value) else np.asarray(a.value).dtype
        plain = found.head == "letter" or dtype != np.bool_
        return found if plain else call("as", found, what="bool")
