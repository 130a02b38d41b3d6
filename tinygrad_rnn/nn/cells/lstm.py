"""What is long short-term memory?"""

from __future__ import annotations

from typing import Any

from tinygrad_rnn.engine.primitives import sigmoid, split, tanh
from tinygrad_rnn.engine.tensor import named
from tinygrad_rnn.nn.cells.base import GatedCell, affine

__all__ = ["LSTMCell"]


class LSTMCell(GatedCell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997, Gers 2000; torch.nn.LSTMCell).

    ::

        i, f, o = σ(…)    g = tanh(…)      each … = x W_x + b_x + h W_h + b_h
        c' = f*c + i*g    h' = o*tanh(c')  columns in the order i, f, g, o

    The state is the pair (h, c); its output is h. Parameters as in `RNNCell`, four gates wide.

    Examples
    --------
    >>> import numpy as np
    >>> cell = LSTMCell(input_size=3, hidden_size=4, rng=0)
    >>> h, c = cell(np.ones((2, 3)), cell.initial_state(2))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """

    gates = 4

    def initial_state(self, *batch: int) -> Any:
        """The pair (h, c) of zeros of shape (*batch, hidden_size), as constants."""
        return super().initial_state(*batch), super().initial_state(*batch)

    def __call__(self, x: Any, state: tuple[Any, Any]) -> tuple[Any, Any]:
        """The next (h, c) from x (*batch, input_size) and h, c (*batch, hidden_size)."""
        h, c = self._parts(x, state, "h", "c")
        i, f, g, o = split(affine(x, self.W_x, self.b_x) + affine(h, self.W_h, self.b_h), 4)
        i, f, g, o = named(i=sigmoid(i), f=sigmoid(f), g=tanh(g), o=sigmoid(o))
        c = named(c=f * c + i * g)
        h = named(h=o * tanh(c))
        return h, c
