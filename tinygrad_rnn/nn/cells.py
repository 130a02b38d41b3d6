"""How does a state move one step on?

Each cell is pure: ``state = cell(x, state)``, in the letters of its paper. Products stand row by row, ``x @ W_x``: a row
is one example, so `W_x` has shape (input, gates · hidden). As in torch there are two biases, one with each product.

`named` gives the gates their letters, which is how they appear in pictures and errors. Nobody writes a backward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine.primitives import relu, sigmoid, split, tanh
from tinygrad_rnn.engine.tensor import Tensor, named
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.nn.start import uniform

__all__ = ["GRUCell", "LSTMCell", "RNNCell"]

_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"tanh": tanh, "relu": relu, "sigmoid": sigmoid}


class _GatedCell(Module):
    """What the three cells share: sizes, torch's parameters and start values, a state of zeros.

    Parameters
    ----------
    input_size, hidden_size
        Features per input x and units per state h; at least 1.
    bias
        Whether there are `b_x` and `b_h`; None in their place otherwise.
    rng
        Seed or generator for the start values, all U[-1/√hidden_size, 1/√hidden_size) as in torch.
    dtype
        Of the parameters and of the zero state; float64 by default.

    Attributes
    ----------
    W_x, W_h
        Shapes (input_size, gates · hidden_size) and (hidden_size, gates · hidden_size).
    b_x, b_h
        Shape (gates · hidden_size,).
    """

    gates = 1

    def __init__(
        self, input_size: int, hidden_size: int, *, bias: bool = True, rng: Any = None, dtype: DTypeLike = np.float64
    ) -> None:
        for what, size in (("input_size", input_size), ("hidden_size", hidden_size)):
            if not isinstance(size, (int, np.integer)) or size < 1:
                raise ValueError(f"{type(self).__name__}: {what} must be a whole number of at least 1, got {size!r}.")
        self.input_size, self.hidden_size = int(input_size), int(hidden_size)
        rng = np.random.default_rng(rng)
        width, bound = self.gates * self.hidden_size, self.hidden_size**-0.5
        self.W_x = uniform((self.input_size, width), bound, rng, dtype)
        self.W_h = uniform((self.hidden_size, width), bound, rng, dtype)
        self.b_x = uniform((width,), bound, rng, dtype) if bias else None
        self.b_h = uniform((width,), bound, rng, dtype) if bias else None

    def initial_state(self, *batch: int) -> Any:
        """Zeros of shape (*batch, hidden_size), as a constant."""
        return np.zeros((*batch, self.hidden_size), self.W_x.dtype)


def affine(x: Any, W: Any, b: Any) -> Any:  # noqa: N803  (the field's letter)
    """``x @ W + b``; without b if it is None."""
    return x @ W if b is None else x @ W + b


class RNNCell(_GatedCell):
    """Elman's network: h' = act(x W_x + b_x + h W_h + b_h)  (Elman 1990; torch.nn.RNNCell).

    Parameters
    ----------
    activation
        ``"tanh"``, ``"relu"``, ``"sigmoid"``, or a function of a Tensor.
    input_size, hidden_size, bias, rng, dtype
        As for every cell: see the attributes W_x (input_size, hidden_size), W_h (hidden_size, hidden_size), b_x, b_h.

    Examples
    --------
    >>> cell = RNNCell(input_size=3, hidden_size=4, rng=0)
    >>> cell(np.ones((2, 3)), cell.initial_state(2)).shape
    (2, 4)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        activation: str | Callable[[Any], Any] = "tanh",
        *,
        bias: bool = True,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__(input_size, hidden_size, bias=bias, rng=rng, dtype=dtype)
        if isinstance(activation, str) and activation not in _ACTIVATIONS:
            raise ValueError(f"RNNCell: activation must be one of {', '.join(_ACTIVATIONS)} or a function, got {activation!r}.")
        self.activation = activation

    def __call__(self, x: Any, h: Any) -> Any:
        act = _ACTIVATIONS.get(self.activation, self.activation)
        return named(h=act(affine(x, self.W_x, self.b_x) + affine(h, self.W_h, self.b_h)))


class LSTMCell(_GatedCell):
    """Long short-term memory with forget gate (Hochreiter & Schmidhuber 1997, Gers 2000; torch.nn.LSTMCell).

    ::

        i, f, o = σ(…)    g = tanh(…)      each … = x W_x + b_x + h W_h + b_h, columns in the order i, f, g, o
        c' = f*c + i*g    h' = o*tanh(c')

    The state is the pair (h, c); its output is h. Parameters as in `RNNCell`, four gates wide.

    Examples
    --------
    >>> cell = LSTMCell(input_size=3, hidden_size=4, rng=0)
    >>> h, c = cell(np.ones((2, 3)), cell.initial_state(2))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """

    gates = 4

    def initial_state(self, *batch: int) -> Any:
        """The pair (h, c) of zeros of shape (*batch, hidden_size)."""
        return super().initial_state(*batch), super().initial_state(*batch)

    def __call__(self, x: Any, state: tuple[Any, Any]) -> tuple[Any, Any]:
        h, c = state
        i, f, g, o = split(affine(x, self.W_x, self.b_x) + affine(h, self.W_h, self.b_h), 4)
        i, f, g, o = named(i=sigmoid(i), f=sigmoid(f), g=tanh(g), o=sigmoid(o))
        c = named(c=f * c + i * g)
        h = named(h=o * tanh(c))
        return h, c


class GRUCell(_GatedCell):
    """Gated recurrent unit, in each of its conventions (Cho 2014, Chung 2014; torch.nn.GRUCell by default).

    ::

        r = σ(x_r + h_r)    z = σ(x_z + h_z)      x_• = x W_x + b_x and h_• = h W_h + b_h, columns in the order r, z, n
        reset="after"       n = tanh(x_n + r*h_n)                     torch, Keras, cuDNN
        reset="before"      n = tanh(x_n + (r*h) W_hn + b_hn)         Cho's and Chung's papers, Haiku
        update="keeps"      h' = (1-z)*n + z*h                        torch, Keras
        update="replaces"   h' = (1-z)*h + z*n                        Chung 2014, Haiku

    Weights of one convention give wrong results in another. Parameters as in `RNNCell`, three gates wide.
    """

    gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        reset: Literal["after", "before"] = "after",
        update: Literal["keeps", "replaces"] = "keeps",
        bias: bool = True,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__(input_size, hidden_size, bias=bias, rng=rng, dtype=dtype)
        if reset not in ("after", "before"):
            raise ValueError(f'GRUCell: reset must be "after" (torch) or "before" (Cho), got {reset!r}.')
        if update not in ("keeps", "replaces"):
            raise ValueError(f'GRUCell: update must be "keeps" (torch) or "replaces" (Chung), got {update!r}.')
        self.reset, self.update = reset, update

    def __call__(self, x: Any, h: Any) -> Any:
        H = self.hidden_size
        x_r, x_z, x_n = split(affine(x, self.W_x, self.b_x), 3)
        if self.reset == "after":
            h_r, h_z, h_n = split(affine(h, self.W_h, self.b_h), 3)
            r, z = named(r=sigmoid(x_r + h_r), z=sigmoid(x_z + h_z))
            n = named(n=tanh(x_n + r * h_n))
        else:
            W_rz, W_n = split(self.W_h, [2 * H])
            b_rz, b_n = (None, None) if self.b_h is None else split(self.b_h, [2 * H])
            h_r, h_z = split(affine(h, W_rz, b_rz), 2)
            r, z = named(r=sigmoid(x_r + h_r), z=sigmoid(x_z + h_z))
            n = named(n=tanh(x_n + affine(r * h, W_n, b_n)))
        return named(h=(1 - z) * n + z * h if self.update == "keeps" else (1 - z) * h + z * n)
