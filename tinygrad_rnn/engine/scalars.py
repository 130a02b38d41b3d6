"""How does a cell run on single numbers?

NumPy applies ``+``, ``*``, ``@`` to arrays of objects by calling the objects. So a cell whose
parameters are object arrays of Tensors without axes runs unchanged and records every single
multiplication, through the same primitives: there is no second engine. NumPy's own slices,
transpose and stack work on objects as they are.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from tinygrad_rnn.border import as_array
from tinygrad_rnn.engine import tree
from tinygrad_rnn.engine.kinds import CHOICE
from tinygrad_rnn.engine.operators import OPS
from tinygrad_rnn.engine.primitive import Primitive
from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["scalars"]


def scalars(x: Any) -> Any:
    """A Tensor or array as an array of Tensors without axes; a module as a copy with such.

    Parameters
    ----------
    x
        A Tensor, an array of floats, or anything that holds Tensors: a cell, a module with cells in
        it, a list, tuple or dict of these.

    Returns
    -------
    For a leaf or an array, an object array of its shape, whose elements are leaves named
    ``W[0,1]``; for a recorded Tensor its elements as recorded slices. For anything else a deep copy
    in which every Tensor was replaced so, a shared one by one array. Gradients are asked for by
    element.

    Raises
    ------
    TypeError
        `x` holds no Tensor.

    Examples
    --------
    >>> from tinygrad_rnn import Tensor, grad
    >>> w = scalars(Tensor([[1.0, 2.0]], name="w"))
    >>> y = (w @ scalars(np.array([3.0, 4.0])))[0]
    >>> y.item(), float(grad(y, w[0, 1]))
    (11.0, 4.0)
    """
    if isinstance(x, Tensor):
        return _elements(x.data, x.name) if x.op is None else _slices(x)
    if isinstance(x, (np.ndarray, np.generic)):
        return _elements(as_array(x, "scalars"), None)
    twins: dict[int, Any] = {}  # by id, as deepcopy asks for what is copied already
    seen: set[int] = set()
    todo = [x]
    while todo:
        holder = todo.pop()
        if id(holder) in seen:
            continue
        seen.add(id(holder))
        if isinstance(holder, Tensor):
            twins[id(holder)] = scalars(holder)
        elif _has_parameters(holder) or (holder is x and hasattr(x, "__dict__")):
            todo.append(vars(holder))
        else:
            todo += tree.leaves(holder, is_leaf=_has_parameters)
    if not twins:
        raise TypeError(
            f"scalars: expected a Tensor, a float array or an object with Tensors as attributes; "
            f"this {type(x).__name__} holds none."
        )
    return copy.deepcopy(x, twins)


def _has_parameters(x: Any) -> bool:
    return hasattr(type(x), "parameters")


def apply(primitive: Primitive, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Run a primitive on object arrays: element by element, or by NumPy, which asks the elements.

    Raises
    ------
    TypeError
        For primitives that choose or normalise over elements, which have no meaning on objects.
    """
    # NumPy would hand the operation back to a Tensor, which asks here again
    inputs = tuple(_slices(x) if isinstance(x, Tensor) else x for x in inputs)
    kind = primitive.kind
    chooses = kind is CHOICE and primitive.arity != 1
    if kind.form in ("elementwise", "identity") and not chooses and not primitive.options:
        return np.frompyfunc(primitive, len(inputs), 1)(*inputs)
    if primitive.linear and kind.form in ("reduction", "scan", "product", "view", "move"):
        return primitive.forward(*inputs, **options)
    raise TypeError(
        f"{primitive.name} cannot run on an array of scalar Tensors: it chooses between elements "
        "or works on a whole axis. Write it with +, -, *, /, **, @, sum, exp, log, tanh, sigmoid "
        "or relu, or stay with whole Tensors."
    )


OPS["on_scalars"] = apply


def _slices(x: Tensor) -> np.ndarray:
    """The elements of a Tensor, recorded as its slices."""
    elements = np.empty(x.shape, dtype=object)
    for place in np.ndindex(x.shape):
        elements[place] = x[place] if place else x
    return elements


def _elements(data: Any, name: str | None) -> np.ndarray:
    elements = np.empty(np.shape(data), dtype=object)
    for place in np.ndindex(elements.shape):
        letter = f"{name}[{','.join(map(str, place))}]" if name and place else name
        elements[place] = Tensor(data[place], name=letter)
    return elements
