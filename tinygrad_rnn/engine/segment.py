"""How does a gradient reach a segment of time that was computed without being recorded?

With ``checkpoint`` a segment is computed from its inputs unrecorded, and each of its results is the
value it had plus a part of this primitive (x + -0 is x to the bit). The gradients with respect to
all parts meet here, and the rule computes the segment once more to send them on to the inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_rnn.engine.kinds import PIECE
from tinygrad_rnn.engine.primitive import Primitive

__all__ = ["segment"]


def _segment(*inputs: Any, again: Callable[[Any], Any], size: int, dtype: Any) -> Any:
    """Nothing to add: `size` times -0, in no memory; ``again(g)`` gives the inputs' cotangents."""
    return np.broadcast_to(np.array(-0.0, dtype), (size,))


segment = Primitive("segment", _segment, kind=PIECE)
