"""What does one recorded operation say, as a formula of its operands?

Nothing is simplified: a label says what was computed, in the order in which it was. Options that
are not the usual ones belong to the formula.

======================  ===========================================================
``r×(h@U)``             a product element by element and one of matrices: brackets
``a − (b + c)``         what is taken away; sums and products alone go left to right
``softmax(o, axis 0)``  an option that is not the usual one
``x[:, ::2]``           a slice, with its step
``Σ x²``                the sum of the squares of all elements
======================  ===========================================================
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from tinygrad_rnn.engine.primitives import Input
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.program.formula.text import number_text
from tinygrad_rnn.program.formula.tree import Formula, subscript

__all__ = ["is_number", "operation", "options"]

Parts = Sequence[Formula]
At = Callable[[int], "int | None"]


def is_number(x: Any) -> bool:
    """True if an operand is a plain number, which stands in the formula."""
    return type(x) is not Tensor and np.ndim(x) == 0


def operation(node: Tensor, parts: Parts, at: At = lambda place: None) -> Formula:
    """One operation applied to formulas.

    Parameters
    ----------
    at
        How far after its step the operation reads at a place of its index; None if it reads the
        same element at all steps.
    """
    assert node.op is not None
    name, parts = node.op.name, tuple(parts)
    if name == "getitem":
        return Formula("index", parts, tuple(_word(node, k, at) for k in range(len(_index(node)))))
    own = OWN.get(name)
    found = own(node, parts) if own is not None else None
    return found or Formula(NAMES.get(name, name), parts, tuple(options(node)))


def _masked(node: Tensor, parts: Parts) -> Formula | None:
    """A masked value as a product: 0 where the mask leaves it out."""
    condition, _, other = node.inputs
    if not is_number(other) or other != 0 or np.asarray(values(condition)).dtype.kind != "b":
        return None
    return Formula("product", tuple(parts[:2]))


def _turned(node: Tensor, parts: Parts) -> Formula | None:
    axes = node.options.get("axes")
    reverse = axes is None or [k % len(axes) for k in axes] == [*range(len(axes))][::-1]
    return Formula("transpose", tuple(parts)) if reverse else None


def _joined(node: Tensor, parts: Parts) -> Formula | None:
    last = node.options.get("axis", 0) in (-1, node.ndim - 1)
    return Formula("row", tuple(parts)) if last else None


def _multiplied(node: Tensor, parts: Parts) -> Formula:
    """A square, or one product of all factors, its number first."""
    a, b = node.inputs
    if a is b:
        return Formula("square", tuple(parts[:1]))
    flat = [x for p in parts for x in (p.parts if p.head == "product" else (p,))]
    numbers = [x for x in flat if x.head == "number"]
    if len(numbers) > 1:
        return Formula("product", tuple(parts))
    return Formula("product", (*numbers, *(x for x in flat if x.head != "number")))


def _added(*parts: Formula) -> Formula:
    """One sum of all terms."""
    return Formula("sum", tuple(x for p in parts for x in (p.parts if p.head == "sum" else (p,))))


def _astype(node: Tensor, parts: Parts) -> Formula:
    return Formula("as", tuple(parts), options(node)[0])


# fmt: off
NAMES = {"sum": "total"}
OWN: dict[str, Callable[[Tensor, Parts], Formula | None]] = {
    "add":         lambda node, parts: _added(*parts),
    "subtract":    lambda node, parts: _added(parts[0], Formula("negative", (parts[1],))),
    "negative":    lambda node, parts: Formula("negative", tuple(parts)),
    "divide":      lambda node, parts: Formula("quotient", tuple(parts)),
    "power":       lambda node, parts: Formula("power", tuple(parts)),
    "matmul":      lambda node, parts: Formula("matmul", tuple(parts)),
    "multiply":    _multiplied,
    "where":       _masked,
    "transpose":   _turned,
    "concatenate": _joined,
    "astype":      _astype,
}
# fmt: on


# -- options --------------------------------------------------------------------------------------

# Options that the texts of the operands, or the number below the label, say already.
_SAID = {"concatenate": {"starts"}, "segment": {"again", "size", "dtype"}, "getitem": {"index"}}


def options(node: Tensor) -> list[str]:
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
        return "×".join(map(str, value)) or "1"
    if key == "dtype":
        return str(np.dtype(value))
    if key == "indices":
        places = [
            f"[{','.join('·' if isinstance(p, Input) else subscript(p) for p in index)}]"
            for index in value[:4]
        ]
        return " ".join(["at", *places, *["…"] * (len(value) > 4)])
    if value is True or value is False:
        return key if value else f"no {key}"
    if isinstance(value, tuple):
        return " ".join([key, *map(_value, value)])
    return f"{key} {_value(value)}"


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


def _index(node: Tensor) -> tuple[Any, ...]:
    found: tuple[Any, ...] = node.options["index"]
    return found


def _word(node: Tensor, place: int, at: At) -> Any:
    """A part of an index: a text, or the number of the array that it is.

    A part that follows the step is t, so that all steps read alike.
    """
    part, away = _index(node)[place], at(place)
    if away is None:
        return int(part) - 1 if isinstance(part, Input) else subscript(part)
    return f"t{'+' if away > 0 else '−'}{abs(away)}" if away else "t"
