"""To which node does an operation of a recorded gradient belong?

It derives from a node: it stands in that node's scope, inside of a frame that says "backward", the
node and the argument. So a picture draws it beside the node, in the same step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from tinygrad_rnn.engine.context import Frame, context
from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["context_restored", "mark"]

NOTHING: dict[str, np.ndarray] = {}  # shared by all frames here: no constants inside have letters


@contextmanager
def context_restored() -> Iterator[None]:
    """Marks end with the walk in which they were made."""
    outside = context.get()
    try:
        yield
    finally:
        context.set(outside)


def mark(node: Tensor, argument: int | None = None) -> None:
    """Let operations from here on derive from `node`: they have its scope, marked backward."""
    frame = Frame("backward", None, NOTHING, node.serial, argument)
    context.set(context.get().at((*node.scope, frame)))
