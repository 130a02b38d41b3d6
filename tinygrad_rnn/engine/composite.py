"""How does a record know which operations are one function, such as layer_norm?

Each call of a composite function has a frame of its own in the scope of its operations, with its
arguments. Gradients, programs and measures see the operations; pictures draw the call.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from tinygrad_rnn.engine.context import Frame, context, without
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.engine.tree import leaves

__all__ = ["call_of", "composite"]

ARRAYS, NUMBERS = (Tensor, np.ndarray), (bool, int, float, np.number)
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(slots=True, eq=False)
class Call:
    """The arguments of a call of a `composite` function, and the serial numbers of its results.

    `names` are those of its parameters for the `inputs`.
    """

    inputs: tuple[Any, ...]
    names: tuple[str, ...]
    options: dict[str, Any]
    results: tuple[int, ...] = ()


def composite(f: F) -> F:
    """Record calls of `f` as one function of its name, which pictures draw as one operation.

    Its operations are recorded as ever. Arguments that are Tensors, arrays or numbers are its
    operands, if they are given by place or are arrays; other keywords are options.

    Examples
    --------
    >>> from tinygrad_rnn import Tensor, composite, tanh
    >>> @composite
    ... def lecun_tanh(a):
    ...     return 1.7159 * tanh(a * (2 / 3))
    >>> y = lecun_tanh(Tensor([0.0, 1.0]))
    >>> y.op.name, [str(frame) for frame in y.scope]
    ('multiply', ['lecun_tanh'])
    """
    names = tuple(inspect.signature(f).parameters)

    @functools.wraps(f)
    def called(*args: Any, **options: Any) -> Any:
        now = context.get()
        if not now.recording:
            return f(*args, **options)
        given = [(name, x) for name, x in zip(names, args, strict=False) if _is_operand(x)]
        given += [(key, x) for key, x in options.items() if isinstance(x, ARRAYS)]
        words = {key: x for key, x in options.items() if isinstance(x, (str, *NUMBERS))}
        call = Call(tuple(x for _, x in given), tuple(name for name, _ in given), words)
        frame = Frame(f.__name__, arrays={}, call=call)
        context.set(now.at((*now.scope, frame)))
        try:
            found = f(*args, **options)
        finally:
            now = context.get()
            context.set(now.at(without(now.scope, frame)))
        call.results = tuple(x.serial for x in leaves(found) if type(x) is Tensor)
        return found

    return called  # pyrefly: ignore[bad-return]


def _is_operand(x: Any) -> bool:
    return isinstance(x, (*ARRAYS, *NUMBERS))


def call_of(node: Tensor) -> Frame | None:
    """The outermost call of a composite function around `node`; None if it is of a gradient."""
    if any(frame.of is not None for frame in node.scope):
        return None
    return next((frame for frame in node.scope if frame.call is not None), None)
