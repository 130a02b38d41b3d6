"""What if each input has its own transition?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine.primitives import sigmoid, split, tanh
from tinygrad_rnn.engine.tensor import Tensor, named
from tinygrad_rnn.nn.cells.base import GatedCell, affine
from tinygrad_rnn.nn.start import uniform

__all__ = ["MultiplicativeLSTMCell"]


class MultiplicativeLSTMCell(GatedCell):
    """An LSTM whose gates see the product of h and the input (mLSTM, Krause et al. 2016).

    ::

        m = (x W_mx)*(h W_mh)
        i, f, o = σ(…)    g = tanh(…)      each … = x W_x + m W_h + b_x
        c' = f*c + i*g    h' = o*tanh(c')  columns in the order i, f, g, o

    The state is the pair (h, c). `W_mx` has shape (input_size, hidden_size), `W_mh`
    (hidden_size, hidden_size); one bias, start values as in `GatedCell`.
    """

    gates = 4
    two_biases = False
    state_letters = ("h", "c")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        rng, bound = np.random.default_rng(rng), hidden_size**-0.5
        super().__init__(input_size, hidden_size, bias=bias, rng=rng, dtype=dtype)
        self.W_mx = uniform((input_size, hidden_size), bound, rng, dtype)
        self.W_mh = uniform((hidden_size, hidden_size), bound, rng, dtype)

    def __call__(self, x: Any, state: tuple[Any, Any]) -> tuple[Tensor, Tensor]:
        """The next (h, c) from x (*batch, input_size) and h, c (*batch, hidden_size)."""
        h, c = self._parts(x, state, "h", "c")
        m = named(m=(x @ self.W_mx) * (h @ self.W_mh))
        i, f, g, o = split(affine(x, self.W_x, self.b_x) + m @ self.W_h, 4)
        i, f, g, o = named(i=sigmoid(i), f=sigmoid(f), g=tanh(g), o=sigmoid(o))
        c = named(c=f * c + i * g)
        h = named(h=o * tanh(c))
        return h, c
