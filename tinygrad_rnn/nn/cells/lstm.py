"""What is long short-term memory, with and without peepholes?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine.primitives import sigmoid, split, tanh
from tinygrad_rnn.engine.tensor import Tensor, named
from tinygrad_rnn.nn.cells.base import GatedCell, affine
from tinygrad_rnn.nn.start import uniform

__all__ = ["CoupledLSTMCell", "LSTMCell", "PeepholeLSTMCell"]


class LSTMCell(GatedCell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997, Gers 2000; torch.nn.LSTMCell).

    ::

        i, f, o = σ(…)    g = tanh(…)      each … = x W_x + b_x + h W_h + b_h
        c' = f*c + i*g    h' = o*tanh(c')  columns in the order i, f, g, o

    The state is the pair (h, c); its output is h. Parameters as in `GatedCell`, with four gates.

    Examples
    --------
    >>> cell = LSTMCell(input_size=3, hidden_size=4, rng=0)
    >>> h, c = cell(np.ones((2, 3)), cell.initial_state(2))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """

    gates = 4
    state_letters = ("h", "c")

    def __call__(self, x: Any, state: tuple[Any, Any]) -> tuple[Tensor, Tensor]:
        """The next (h, c) from x (*batch, input_size) and h, c (*batch, hidden_size)."""
        h, c = self._parts(x, state, "h", "c")
        i, f, g, o = split(affine(x, self.W_x, self.b_x) + affine(h, self.W_h, self.b_h), 4)
        i, f, g, o = named(i=sigmoid(i), f=sigmoid(f), g=tanh(g), o=sigmoid(o))
        c = named(c=f * c + i * g)
        h = named(h=o * tanh(c))
        return h, c


class PeepholeLSTMCell(GatedCell):
    """An LSTM whose gates see the cell state (Gers, Schraudolph & Schmidhuber 2002).

    ::

        i = σ(… + p_i*c)    f = σ(… + p_f*c)    g = tanh(…)    … = x W_x + b_x + h W_h
        c' = f*c + i*g      o = σ(… + p_o*c')   h' = o*tanh(c')

    The state is the pair (h, c). `p_i`, `p_f`, `p_o` have shape (hidden_size,); everything starts
    from U[-1/√hidden_size, 1/√hidden_size). Columns in the order i, f, g, o; one bias.
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
        rng = np.random.default_rng(rng)
        super().__init__(input_size, hidden_size, bias=bias, rng=rng, dtype=dtype)
        draw = [uniform((hidden_size,), hidden_size**-0.5, rng, dtype) for _ in range(3)]
        self.p_i, self.p_f, self.p_o = draw

    def __call__(self, x: Any, state: tuple[Any, Any]) -> tuple[Tensor, Tensor]:
        """The next (h, c) from x (*batch, input_size) and h, c (*batch, hidden_size)."""
        h, c = self._parts(x, state, "h", "c")
        i, f, g, o = split(affine(x, self.W_x, self.b_x) + h @ self.W_h, 4)
        i, f = named(i=sigmoid(i + self.p_i * c), f=sigmoid(f + self.p_f * c))
        g = named(g=tanh(g))
        c = named(c=f * c + i * g)
        o = named(o=sigmoid(o + self.p_o * c))
        h = named(h=o * tanh(c))
        return h, c


class CoupledLSTMCell(GatedCell):
    """An LSTM with coupled input and forget gates: f = 1 - i (Greff et al. 2015, CIFG).

    ::

        i, o = σ(…)    g = tanh(…)              each … = x W_x + b_x + h W_h
        c' = (1-i)*c + i*g    h' = o*tanh(c')   columns in the order i, g, o

    The state is the pair (h, c). One bias; start values as in `GatedCell`.
    """

    gates = 3
    two_biases = False
    state_letters = ("h", "c")

    def __call__(self, x: Any, state: tuple[Any, Any]) -> tuple[Tensor, Tensor]:
        """The next (h, c) from x (*batch, input_size) and h, c (*batch, hidden_size)."""
        h, c = self._parts(x, state, "h", "c")
        i, g, o = split(affine(x, self.W_x, self.b_x) + h @ self.W_h, 3)
        i, g, o = named(i=sigmoid(i), g=tanh(g), o=sigmoid(o))
        f = named(f=1 - i)
        c = named(c=f * c + i * g)
        h = named(h=o * tanh(c))
        return h, c
