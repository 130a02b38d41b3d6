"""Which products with derivatives are there?

All are read off a record with `grad`: a row of the Jacobian is one walk (`vjp`), a column is the
derivative of such a walk (`jvp`, forward products by double reverse), a product with the Hessian is
a walk over a recorded walk (`hvp`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.border import as_array
from tinygrad_rnn.engine.backward import grad
from tinygrad_rnn.engine.primitives import sum
from tinygrad_rnn.engine.tensor import Tensor, values

__all__ = ["hvp", "jacobian", "jvp", "vjp"]


def vjp(y: Tensor, wrt: Any, cotangent: Any) -> Any:
    """The row vector `cotangent` (of y's shape) times the Jacobian of `y`, by Tensor in `wrt`."""
    return grad(y, wrt, cotangent, unused="zero")


def jvp(y: Tensor, wrt: Any, tangent: Any) -> np.ndarray:
    """The Jacobian of `y` times `tangent`: how `y` moves when `wrt` moves that way.

    Parameters
    ----------
    y
        A recorded Tensor of any shape.
    wrt, tangent
        A Tensor and an array of its shape, or a list of Tensors and a list of arrays.

    Returns
    -------
    An array of y's shape.
    """
    _one_tensor("jvp: y", y)
    # the row product is linear in the cotangent, so any value of it will do
    cotangent = Tensor(np.zeros(y.shape, y.dtype))
    rows = grad(y, wrt, cotangent, create_graph=True, unused="zero")
    return grad(_inner(rows, tangent), cotangent, unused="zero")


def hvp(loss: Tensor, wrt: Any, vector: Any) -> Any:
    """The Hessian of the scalar `loss` times `vector`, in the structure of `wrt`.

    `wrt` is a Tensor and `vector` an array of its shape, or both are lists of such (Pearlmutter
    1994, here by double reverse).
    """
    gradient = grad(loss, wrt, create_graph=True, unused="zero")
    return grad(_inner(gradient, vector), wrt, unused="zero")


def jacobian(y: Tensor, wrt: Tensor) -> np.ndarray:
    """All first derivatives, of shape ``(*y.shape, *wrt.shape)``; one walk per element of `y`."""
    _one_tensor("jacobian: y", y)
    _one_tensor("jacobian: wrt", wrt)
    rows = []
    for k in range(y.size):
        cotangent = np.zeros(y.size, y.dtype)
        cotangent[k] = 1
        rows.append(grad(y, wrt, cotangent.reshape(y.shape), unused="zero"))
    return np.array(rows, wrt.dtype).reshape(*y.shape, *wrt.shape)


def _one_tensor(what: str, x: Any) -> None:
    if not isinstance(x, Tensor):
        raise TypeError(f"{what}: expected one Tensor, got {type(x).__name__}.")


def _inner(tensors: Any, arrays: Any) -> Tensor:
    if isinstance(tensors, Tensor):
        tensors, arrays = [tensors], [arrays]
    if not isinstance(tensors, (list, tuple)) or len(tensors) != len(arrays):
        raise ValueError(
            "jvp, hvp: expected one array for each Tensor, as a list of the same length."
        )
    total: Any = 0.0
    for k, (t, v) in enumerate(zip(tensors, map(values, arrays), strict=True)):
        _one_tensor(f"jvp, hvp: wrt[{k}]", t)
        v = as_array(v, f"jvp, hvp: vector {k}")
        if np.shape(v) != t.shape:
            raise ValueError(
                f"jvp, hvp: vector {k} has shape {np.shape(v)}; expected {t.shape}, its Tensor's."
            )
        total = sum(t * np.asarray(v, dtype=t.dtype)) + total
    return total
