"""What is known of an operand, or of an operation, by itself?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_rnn.engine.primitives import Input
from tinygrad_rnn.program.ir.graph import Arg, Value
from tinygrad_rnn.program.ir.sequences import Step

__all__ = [
    "Unwritable",
    "covering",
    "dtype_of",
    "same_but_ones",
    "shape_of",
    "spans",
]


class Unwritable(Exception):
    """A program that has no form in C; the message says what is in the way."""


def shape_of(a: Arg) -> tuple[int, ...]:
    """The shape of an operand: of one step, or of all steps if it reads all."""
    if not isinstance(a.value, Value):
        return np.shape(a.value)[a.kind == "consts" :]
    return (a.k[1] - a.k[0] + 1, *a.value.shape) if a.kind == "all" else a.value.shape


def dtype_of(a: Arg) -> Any:
    """The type of an operand's numbers."""
    return a.value.dtype if isinstance(a.value, Value) else np.asarray(a.value).dtype


def same_but_ones(v: Value) -> bool:
    """True if a new shape only adds or takes away axes of length 1."""
    shape = shape_of(v.args[0])
    return v.args[0].kind != "all" and [n for n in shape if n != 1] == [
        n for n in v.shape if n != 1
    ]


def spans(v: Value) -> Iterable[tuple[Any, ...]]:
    """The index at which each operand of a concatenation or a stack stands."""
    axis, start = v.options["axis"] % len(v.shape), 0
    for a in v.args:
        size = 1 if v.op == "stack" else shape_of(a)[axis]
        part = start if v.op == "stack" else slice(start, start + size)
        yield (*(slice(None),) * axis, part)
        start += size


def covering(v: Value) -> Any:
    """The places of operands side by side that fill a value completely; else None."""
    if v.op not in ("scatter", "concatenate") or v.initial:
        return None
    index = v.options["indices"] if v.op == "scatter" else tuple(spans(v))
    if len(index) != len(v.args) or any(type(p) in (Input, Step) for i in index for p in i):
        return None
    count = np.zeros(v.shape, int)
    for i in index:
        count[i] += 1
    return index if count.min(initial=1) == count.max(initial=1) == 1 else None
