"""What does a primitive's derivative look like on paper?

The engine's own rule is run on symbols, and what it records is written as any other formula is. So
there is no second table of derivatives: only a few formulas read better by hand, and a test
compares them with what the rules compute. `g` is the gradient that arrives at the output y, and ∂a
what goes on to the input a.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_rnn import Tensor, ancestors, grad
from tinygrad_rnn.program import Formula
from viz.record.formula import formula, letter
from viz.record.labels import is_number, number_text

# By primitive what goes on to each input, in the letters a, b, c of the inputs, g and y.
BY_HAND: dict[str, tuple[str, ...]] = {
    "tanh": ("g (1 − y²)",),
    "sigmoid": ("g y (1 − y)",),
    "sqrt": ("g / (2 y)",),
    "log2": ("g / (a log(2))",),
    "log10": ("g / (a log(10))",),
    "erf": ("2 g exp(−a²) / √(π)",),
    "cumsum": ("g, summed from the end",),
    "relu": ("g where a > 0, else 0",),
    "absolute": ("g sign(a)",),
    "clip": ("g where y = a, else 0",),
    "astype": ("g",),
    "power": ("g b a^(b − 1)", "g y log(a)"),
    "maximum": ("g where y = a, half on ties", "g where y = b, half on ties"),
    "minimum": ("g where y = a, half on ties", "g where y = b, half on ties"),
    "where": ("", "g where a, else 0", "0 where a, else g"),
    "cut_gradient": ("0 where b, else g scaled", ""),
    "sum": ("g, repeated",),
    "max": ("g where a = y, else 0, shared on ties",),
    "min": ("g where a = y, else 0, shared on ties",),
    "logsumexp": ("g exp(a − y)",),
    "softmax": ("y (g − Σ(g y))",),
    "log_softmax": ("g − exp(y) Σ(g)",),
    "reshape": ("g, reshaped",),
    "getitem": ("g, put back",),
    "conv": ("g ∗ b turned over", "a ∗ g"),
}
SILENT = ("segment", "stop_gradient")  # run again as a piece; nothing passes


def formulas(node: Tensor) -> tuple[str, ...]:
    """The value of an operation and the gradient of each input: ``y = a × b``, ``∂a = g × b``."""
    inputs = len(node.inputs)
    names = ["x"] if inputs == 1 else list("abcdefh"[:inputs]) if inputs < 7 else []
    names = names or [f"x{k}" for k in range(inputs)]
    names = [number_text(x) if is_number(x) else s for x, s in zip(node.inputs, names, strict=True)]
    y = _symbols(node, names, "y")
    value = formula([y], y, None, _letters([y], y, names), wide=True) if y.op is not None else "x"
    value = value.replace("\n", " ")
    tensors = [k for k, x in enumerate(node.inputs) if type(x) is Tensor]
    found = [(names[k], derivative(node, k, names, "g", "y")) for k in tensors]
    return (f"y = {value}", *(f"∂{name} = {text}" for name, text in found if text))


def derivative(node: Tensor, argument: int, names: Sequence[str], g: str, y: str) -> str:
    """What becomes of the gradient `g` at an operation, on its way to one input; empty if nothing.

    Parameters
    ----------
    names, y
        What its inputs and its value are called.
    """
    assert node.op is not None
    x = node.inputs[argument]
    by_hand = BY_HAND.get(node.op.name)
    if node.op.name in SILENT or type(x) is not Tensor or x.dtype.kind != "f":
        return ""
    if by_hand is not None and np.shape(_value(x)) == _expected(node, x):
        return _renamed(by_hand[argument], names, g, y)
    symbol = _symbols(node, names, y)
    if symbol.op is None:
        return ""
    cotangent = Tensor(np.ones(node.shape, node.dtype), name=g)
    slope = grad(symbol, symbol.inputs[argument], cotangent, create_graph=True, unused="zero")
    members = [n for n in ancestors(slope, known=[symbol]) if n.op is not None and n is not symbol]
    if not members:
        return slope.name or ""
    known = _letters(members, symbol, names)
    return formula(members, slope, None, known, wide=True).replace("\n", " ")


def _expected(node: Tensor, x: Any) -> tuple[int, ...]:
    """The shape of an input that nothing was broadcast to."""
    form = node.op.kind.form if node.op is not None else ""
    return node.shape if form == "elementwise" else np.shape(_value(x))


def _value(x: Any) -> Any:
    return x.data if type(x) is Tensor else x


def _symbols(node: Tensor, names: Sequence[str], y: str) -> Tensor:
    """The operation on leaves of these names, called `y`."""
    assert node.op is not None
    inputs = [
        Tensor(np.ones(x.shape, x.dtype), name=name)
        if not is_number(x) and x.dtype.kind == "f"  # also an array, so that its use is recorded
        else _value(x)
        for x, name in zip(node.inputs, names, strict=True)
    ]
    found = node.op(*inputs, **node.options)
    if type(found) is not Tensor:
        return Tensor(found, name=y)
    found.name = y
    return found


def _letters(
    members: Sequence[Tensor], symbol: Tensor, names: Sequence[str]
) -> dict[tuple[Tensor, int], Formula]:
    """What stands for the inputs of `symbol`, for itself, and for its gradient."""
    own = set(members)
    arrays = {
        id(x): name for x, name in zip(symbol.inputs, names, strict=True) if np.ndim(_value(x))
    }
    found: dict[tuple[Tensor, int], Formula] = {}
    for node in members:
        for k, x in enumerate(node.inputs):
            known = x.name if type(x) is Tensor and x not in own else arrays.get(id(x))
            if known:
                found[node, k] = letter(known)
    return found


def _renamed(text: str, names: Sequence[str], g: str, y: str) -> str:
    """A formula by hand in other letters."""
    letters = dict[str, str](zip("abc", names, strict=False)) | {"g": g, "y": y}
    words, word = list[str](), ""
    for sign in f"{text}\0":
        if sign.isalpha():
            word += sign
            continue
        words += [letters.get(word, word), sign]
        word = ""
    return "".join(words).rstrip("\0")


def kind_of(node: Tensor) -> tuple[Any, ...]:
    """Equal for operations whose formulas differ at most in letters."""
    inputs = (
        (np.shape(_value(x)), str(np.asarray(_value(x)).dtype), type(x) is Tensor)
        if not is_number(x)
        else (x, type(x))
        for x in node.inputs
    )
    return node.op, repr(node.options), *inputs
