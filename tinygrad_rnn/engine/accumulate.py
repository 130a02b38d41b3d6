"""How do gradients come to ``.grad``?

`Tensor.backward` adds the gradient of a loss to what is there, as torch does: an optimiser reads it
and clears it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from tinygrad_rnn.engine import messages
from tinygrad_rnn.engine.arguments import check_arguments
from tinygrad_rnn.engine.backward import ancestors, walk
from tinygrad_rnn.engine.cotangents import own
from tinygrad_rnn.engine.integers import check_integers
from tinygrad_rnn.engine.operators import OPS
from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["backward"]


def backward(loss: Tensor, cotangent: Any = None, data: Collection[Tensor] = ()) -> list[Tensor]:
    """Add the gradient of `loss` to ``.grad`` of every float leaf: what `Tensor.backward` does.

    Parameters
    ----------
    loss, cotangent
        As for `grad`.
    data
        Leaves that are known to be no parameters: they may be integers without axes.

    Returns
    -------
    The float leaves that a gradient has reached. Others (`stop_gradient`, a condition) got zeros.

    Raises
    ------
    ValueError
        `loss` was not computed from any float Tensor; or it is no scalar and has no cotangent.
    TypeError
        An integer leaf without axes stands where a float would get a gradient, as the bias in
        ``w * x + Tensor(0)``; see `check_integers`.
    RuntimeError
        As for `grad`.

    Examples
    --------
    >>> from tinygrad_rnn import Tensor
    >>> w, x = Tensor(2.0, name="w"), Tensor(3.0, name="x")
    >>> [leaf.name for leaf in backward(w * x)], float(w.grad)
    (['w', 'x'], 3.0)
    """
    nodes = ancestors(loss)
    leaves = [x for x in nodes if x.op is None and x._data.dtype.kind == "f"]
    if loss.op is None or not leaves:
        raise ValueError(messages.not_recorded(loss))
    check_arguments(loss, leaves)
    check_integers(loss, nodes, data)
    found = walk(loss, cotangent, nodes, {*leaves})
    for x in leaves:
        g = found[x] if x in found else np.zeros(x.shape, x.dtype)[()]
        x.grad = own(g) if x.grad is None else x.grad + g
    return [x for x in leaves if x in found]


OPS["backward"] = backward
