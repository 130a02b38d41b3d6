"""What may be differentiated, by what, and weighted with what?"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.engine import messages
from tinygrad_rnn.engine.operands import operand
from tinygrad_rnn.engine.tensor import Tensor, values

__all__ = ["check_arguments", "seed_of"]


def seed_of(loss: Tensor, cotangent: Any, create_graph: bool) -> Any:
    """The cotangent of the loss, checked; 1 by default, a Tensor if it is to be recorded."""
    if cotangent is None:
        if loss.size != 1:
            raise ValueError(messages.not_a_scalar(loss))
        cotangent = np.ones(loss.shape, loss.dtype)
    cotangent = operand(cotangent, f"the cotangent of {messages.called(loss)}")
    if cotangent.shape != loss.shape:
        raise ValueError(messages.other_cotangent(loss, cotangent))
    if create_graph and type(cotangent) is Tensor:
        return cotangent
    array = np.asarray(values(cotangent))
    array = array.astype(loss.dtype, copy=False)[()]
    return Tensor(array, name="cotangent") if create_graph else array


def check_arguments(loss: Any, targets: list[Any]) -> None:
    """TypeError unless all are Tensors of floats, ValueError if there are no targets."""
    if not targets:
        raise ValueError("grad: nothing to differentiate by: wrt holds no Tensor.")
    for what, x in (("the loss", loss), *(("wrt", x) for x in targets)):
        if type(x) is not Tensor:
            raise TypeError(messages.not_a_tensor(what, x))
        if x.dtype.kind != "f":
            raise TypeError(messages.not_floats(what, x))
