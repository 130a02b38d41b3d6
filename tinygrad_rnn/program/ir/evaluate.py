"""What is the result of an operation on constants?"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.program.ir.ops import PRIMITIVES

__all__ = ["FOLDED", "computed"]

FOLDED = frozenset((*PRIMITIVES, "addn", "copy", "square", "stack_t", "sum_t"))


def computed(op: str, args: list[Any], options: dict[str, Any]) -> Any:
    """The result of an operation on constants, also of operations that only passes make."""
    if op == "copy":
        return args[0]
    if op == "square":
        return np.square(args[0])
    if op == "addn":
        return sum(args[1:], start=args[0])
    if op == "stack_t":
        return np.moveaxis(args[0][:: options["sign"]], 0, options["axis"])
    if op == "sum_t":
        return np.add.reduce(args[0], axis=options.get("axis", 0))
    primitive = PRIMITIVES[op]
    if primitive.options:  # which asks for arrays
        args = [np.asarray(x) for x in args]
    return primitive.forward(*args, **options)
