"""What happens to every single number?

The record is run again, through its own primitives, on arrays of scalars.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np

from tinygrad_rnn import Frame, Tensor, ancestors, scalars, scope


def replay(roots: list[Tensor]) -> list[Tensor]:
    """The record behind `roots` as one of Tensors without axes, in the same scopes.

    Raises
    ------
    TypeError
        By the first primitive that has no meaning on scalars, such as softmax.
    """
    twins: dict[Tensor, Any] = {}
    frames: dict[Frame, scope] = {}
    constants: dict[int, Any] = {}
    for node in ancestors(*roots):
        if node.op is None:
            twins[node] = scalars(node)
            continue
        inputs = [
            twins[x] if type(x) is Tensor else _constant(x, node, constants) for x in node.inputs
        ]
        with ExitStack() as stack:
            for frame in node.scope:
                if frame.call is not None:  # whose operands are other numbers
                    continue
                if frame not in frames:
                    frames[frame] = scope(frame.name, frame.t)
                stack.enter_context(frames[frame])
            twin = node.op(*inputs, **node.options)
        twins[node] = twin
        if node.name:
            for index in np.ndindex(node.shape if isinstance(twin, np.ndarray) else (0,)):
                element = twin[index]
                if type(element) is Tensor and element.name is None:
                    element.name = f"{node.name}[{','.join(map(str, index))}]"
            if type(twin) is Tensor and twin.name is None:
                twin.name = node.name
    return [x for root in roots for x in _elements(twins[root]) if type(x) is Tensor]


def _elements(twin: Any) -> list[Any]:
    return twin.ravel().tolist() if isinstance(twin, np.ndarray) else [twin]


def _constant(x: Any, node: Tensor, constants: dict[int, Any]) -> Any:
    """A constant by its letter: leaves named ``x[0,1]``; without a letter plain numbers."""
    letter = next(
        (name for frame in node.scope for name, array in frame.arrays.items() if array is x), None
    )
    if letter is None:
        return x
    if id(x) not in constants:
        constants[id(x)] = scalars(Tensor(x, name=letter))
    return constants[id(x)]
