"""Where does the first NaN come from?"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.engine import messages
from tinygrad_rnn.engine.blocks import Observer
from tinygrad_rnn.engine.tensor import Tensor, values

__all__ = ["detect_anomaly"]


class detect_anomaly(Observer):
    """Stop at the first NaN or infinity, forward or backward, and say where it arose.

    Every result is looked at, so a step takes longer: for hunting, not for training. Works as a
    ``with`` block and as a decorator.

    Raises
    ------
    FloatingPointError
        Inside the block, by the operation (or the derivative rule) whose result is not finite.
    """

    __slots__ = ()

    def result(self, op: Any, inputs: Any, arrays: Any, options: Any, outside: Any) -> Any:
        """The result, if it is finite."""
        y = super().result(op, inputs, arrays, options, outside)
        if type(y) is not Tensor and not np.isfinite(y).all():
            raise FloatingPointError(messages.not_finite(op, inputs, arrays, y))
        return y

    def watcher(self) -> Any:
        """The same for gradients."""
        return _finite


def _finite(node: Any, argument: int | None, g: Any, arrived: Any) -> None:
    if not np.isfinite(values(g)).all():
        if argument is None or arrived is None:
            raise FloatingPointError(messages.sum_not_finite(node))
        raise FloatingPointError(messages.flow_not_finite(node, argument, values(arrived)))
