"""How does an LSTM run on a tree?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine.primitives import concatenate, sigmoid, split, tanh
from tinygrad_rnn.engine.tensor import Tensor, named, values
from tinygrad_rnn.nn.arguments import check_sizes
from tinygrad_rnn.nn.cells.base import GatedCell, affine
from tinygrad_rnn.nn.start import uniform

__all__ = ["ChildSumTreeLSTMCell", "NaryTreeLSTMCell"]


class _TreeLSTMCell(GatedCell):
    """Base of both kinds: one bias, states (h, c), and a chain as a tree."""

    two_biases = False
    state_letters = ("h", "c")

    def _children(self, x: Any, states: Any) -> list[tuple[Any, Any]]:
        """The checked states of the children; a leaf gets one state of zeros."""
        if not isinstance(states, (tuple, list)):
            self._refuse("states", "a list of the children's (h, c)", type(states).__name__, x)
        states = [states] if isinstance(states, tuple) else list(states)
        if x is None and not states:
            raise ValueError(f"{type(self).__name__}: a leaf needs an x, got None.")
        beside = np.zeros((*values(states[0][0]).shape[:-1], self.input_size)) if x is None else x
        for state in states:
            self._parts(beside, state, "h", "c")
        return states or [self.initial_state(*values(x).shape[:-1])]

    def _of_x(self, x: Any) -> Any:
        """``x W_x + b_x``, and ``b_x`` alone at a node without x."""
        if x is not None:
            return affine(x, self.W_x, self.b_x)
        return np.zeros(self.W_x.shape[1], self.dtype) if self.b_x is None else self.b_x


class ChildSumTreeLSTMCell(_TreeLSTMCell):
    """An LSTM on trees with any number of children (Tai, Socher & Manning 2015, eq. 2 to 8).

    ::

        i, o = σ(…)    g = tanh(…)    each … = x W_x + b_x + (Σ_k h_k) W_h
        f_k  = σ(x W_xf + b_f + h_k W_hf)
        c    = i*g + Σ_k f_k*c_k      h = o*tanh(c)    columns in the order i, f, g, o

    Called with the list of the children's states (h, c). A single state counts as one child, so the
    cell also runs along a sequence, as an LSTM. One bias; start values as in `GatedCell`.
    """

    gates = 4

    def __call__(self, x: Any, states: Any) -> tuple[Tensor, Tensor]:
        """The state (h, c) from x (*batch, input_size) and any number of states."""
        states = self._children(x, states)
        x_i, x_f, x_g, x_o = split(self._of_x(x), 4)
        W_i, W_f, W_g, W_o = split(self.W_h, 4)
        total = states[0][0]
        for h, _ in states[1:]:
            total = total + h
        i, o = named(i=sigmoid(x_i + total @ W_i), o=sigmoid(x_o + total @ W_o))
        g = named(g=tanh(x_g + total @ W_g))
        c = i * g
        for h_k, c_k in states:
            f = named(f=sigmoid(x_f + h_k @ W_f))
            c = c + f * c_k
        c = named(c=c)
        h = named(h=o * tanh(c))
        return h, c


class NaryTreeLSTMCell(_TreeLSTMCell):
    """An LSTM on trees with at most N children in order (Tai, Socher & Manning 2015, eq. 9 to 14).

    ::

        i, f_1 … f_N, o = σ(…)    g = tanh(…)    each … = x W_x + b_x + h_1 W_1 + … + h_N W_N
        c = i*g + f_1*c_1 + … + f_N*c_N          h = o*tanh(c)

    The forget gates share their weights for x. Missing children count as zeros.

    Attributes
    ----------
    W_x, b_x
        Shapes (input_size, 4 · hidden_size) and (4 · hidden_size,), columns i, f, g, o.
    W_h
        Shape (N · hidden_size, (3 + N) · hidden_size): W_1 … W_N one below the other, columns
        i, f_1 … f_N, g, o. Start values as in `GatedCell`.

    Raises
    ------
    ValueError
        In a call, there are more than N states or a leaf has no x; otherwise as in `GatedCell`.
    """

    gates = 4

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        children: int = 2,
        *,
        bias: bool = True,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        rng, N = np.random.default_rng(rng), children
        super().__init__(input_size, hidden_size, bias=bias, rng=rng, dtype=dtype)
        check_sizes(type(self).__name__, children=children)
        self.children, shape = N, (N * hidden_size, (3 + N) * hidden_size)
        self.W_h = uniform(shape, hidden_size**-0.5, rng, dtype)

    def __call__(self, x: Any, states: Any) -> tuple[Tensor, Tensor]:
        """The state (h, c) from x (*batch, input_size) and at most N states."""
        states = self._children(x, states)
        N, batch = self.children, values(states[0][0]).shape[:-1]
        if len(states) > N:
            raise ValueError(
                f"NaryTreeLSTMCell: expected at most {N} children, got {len(states)}. Make it with "
                "children=…, or take ChildSumTreeLSTMCell for any number."
            )
        states += [self.initial_state(*batch) for _ in range(N - len(states))]
        x_i, x_f, x_g, x_o = split(self._of_x(x), 4)
        past = states[0][0] if N == 1 else concatenate([h for h, _ in states], axis=-1)
        h_i, *h_f, h_g, h_o = split(past @ self.W_h, 3 + N)
        i, g, o = named(i=sigmoid(x_i + h_i), g=tanh(x_g + h_g), o=sigmoid(x_o + h_o))
        c = i * g
        for (_, c_k), a in zip(states, h_f, strict=True):
            f = named(f=sigmoid(x_f + a))
            c = c + f * c_k
        c = named(c=c)
        h = named(h=o * tanh(c))
        return h, c
