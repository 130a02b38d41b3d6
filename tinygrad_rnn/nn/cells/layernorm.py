"""How does layer normalisation enter a gated cell?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine.composite import composite
from tinygrad_rnn.engine.overloads import of_one
from tinygrad_rnn.engine.primitives import concatenate, mean, sigmoid, split, sqrt, tanh
from tinygrad_rnn.engine.tensor import Tensor, named
from tinygrad_rnn.nn.cells.base import GatedCell

__all__ = ["LayerNormGRUCell", "LayerNormLSTMCell", "layer_norm"]


@of_one
@composite
def layer_norm(a: Any, gain: Any, eps: float = 1e-5) -> Any:
    """``gain * (a - mean) / sqrt(variance + eps)`` over the last axis (Ba, Kiros & Hinton 2016)."""
    a = a - mean(a, axis=-1, keepdims=True)
    return gain * (a / sqrt(mean(a * a, axis=-1, keepdims=True) + eps))


class _LayerNormCell(GatedCell):
    """A `GatedCell` with one bias and a gain, starting at 1, for each product."""

    two_biases = False

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__(input_size, hidden_size, bias=bias, rng=rng, dtype=dtype)
        self.g_x, self.g_h = (
            Tensor(np.ones(self.gates * hidden_size), dtype=dtype) for _ in range(2)
        )


class LayerNormLSTMCell(_LayerNormCell):
    """An LSTM with layer normalisation (Ba, Kiros & Hinton 2016, supplement).

    ::

        i, f, o = σ(…)    g = tanh(…)     each … = LN(x W_x)*g_x + LN(h W_h)*g_h + b_x
        c' = f*c + i*g    h' = o*tanh(LN(c')*g_c + b_c)

    LN normalises over all columns together (i, f, g, o). The state is the pair (h, c). Gains start
    at 1, b_c at 0, other parameters as in `GatedCell`.
    """

    gates = 4
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
        super().__init__(input_size, hidden_size, bias=bias, rng=rng, dtype=dtype)
        self.g_c = Tensor(np.ones(hidden_size), dtype=self.dtype)
        self.b_c = Tensor(np.zeros(hidden_size), dtype=self.dtype)

    def __call__(self, x: Any, state: tuple[Any, Any]) -> tuple[Tensor, Tensor]:
        """The next (h, c) from x (*batch, input_size) and h, c (*batch, hidden_size)."""
        h, c = self._parts(x, state, "h", "c")
        a = layer_norm(x @ self.W_x, self.g_x) + layer_norm(h @ self.W_h, self.g_h)
        i, f, g, o = split(a if self.b_x is None else a + self.b_x, 4)
        i, f, g, o = named(i=sigmoid(i), f=sigmoid(f), g=tanh(g), o=sigmoid(o))
        c = named(c=f * c + i * g)
        h = named(h=o * tanh(layer_norm(c, self.g_c) + self.b_c))
        return h, c


class LayerNormGRUCell(_LayerNormCell):
    """A GRU with layer normalisation (Ba, Kiros & Hinton 2016, supplement).

    ::

        x_r, x_z = LN(x W_rz)*g_x + b    x_n = LN(x W_n)*g_x + b    h_r, h_z, h_n alike, without b
        r, z = σ(x_r + h_r), σ(x_z + h_z)
        n = tanh(x_n + r*h_n)            h' = (1-z)*h + z*n

    In the conventions of `GRUCell` this is reset="after", update="replaces". Columns in the order
    r, z, n; LN normalises r and z together and n separately. Gains start at 1, other parameters as
    in `GatedCell`.
    """

    gates = 3

    def __call__(self, x: Any, h: Any) -> Tensor:
        """The next h from x (*batch, input_size) and h (*batch, hidden_size)."""
        self._check(x, h=h)
        ax = self._normalised(x @ self.W_x, self.g_x)
        x_r, x_z, x_n = split(ax if self.b_x is None else ax + self.b_x, 3)
        h_r, h_z, h_n = split(self._normalised(h @ self.W_h, self.g_h), 3)
        r, z = named(r=sigmoid(x_r + h_r), z=sigmoid(x_z + h_z))
        n = named(n=tanh(x_n + r * h_n))
        return named(h=(1 - z) * h + z * n)

    def _normalised(self, a: Any, gain: Any) -> Any:
        cut = [2 * self.hidden_size]
        parts = zip(split(a, cut), split(gain, cut), strict=True)
        return concatenate([layer_norm(part, g) for part, g in parts], axis=-1)
