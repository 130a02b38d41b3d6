"""What if the state is a picture?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine.primitives import broadcast_to, conv, sigmoid, split, tanh
from tinygrad_rnn.engine.tensor import Tensor, named, values
from tinygrad_rnn.nn.arguments import check_sizes
from tinygrad_rnn.nn.cells.base import SizedCell
from tinygrad_rnn.nn.samples import Sample, sampled
from tinygrad_rnn.nn.start import uniform

__all__ = ["ConvLSTM1dCell", "ConvLSTM2dCell"]


class _ConvLSTMCell(SizedCell):
    """A ConvLSTM on the number of spatial axes that a subclass sets."""

    axes: int
    state_letters = ("h", "c")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        kernel_size: int = 3,
        *,
        bias: bool = True,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__(input_size, hidden_size, dtype)
        check_sizes(type(self).__name__, kernel_size=kernel_size)
        self.kernel_size, kernel = kernel_size, (kernel_size,) * self.axes
        rng, bound = np.random.default_rng(rng), (hidden_size * kernel_size**self.axes) ** -0.5
        self.W_x = uniform((*kernel, input_size, 4 * hidden_size), bound, rng, dtype)
        self.W_h = uniform((*kernel, hidden_size, 4 * hidden_size), bound, rng, dtype)
        self.b = uniform((4 * hidden_size,), bound, rng, dtype) if bias else None

    def initial_state(self, *batch: int) -> Any:
        """The pair (h, c) of zeros of shape (*batch, *space, hidden_size), as constants.

        The last arguments are the lengths of the spatial axes.
        """
        return super().initial_state(*batch)

    def __call__(self, x: Any, state: tuple[Any, Any]) -> tuple[Tensor, Tensor]:
        """The next (h, c) from x (*batch, *space, input_size); h, c (*batch, *space, hidden)."""
        h, c = self._parts(x, state, "h", "c")
        shape = (*np.shape(values(x))[:-1], self.hidden_size)
        if len(shape) <= self.axes:
            self._refuse(
                "x", f"{self.axes} axes of space and one of features", np.shape(values(x)), x
            )
        if values(h).shape != shape:  # a state shared by all positions is repeated for the borders
            h = broadcast_to(h, shape=shape)
        a = conv(x, self.W_x) + conv(h, self.W_h)
        i, f, g, o = split(a if self.b is None else a + self.b, 4)
        i, f, g, o = named(i=sigmoid(i), f=sigmoid(f), g=tanh(g), o=sigmoid(o))
        c = named(c=f * c + i * g)
        h = named(h=o * tanh(c))
        return h, c


class ConvLSTM1dCell(_ConvLSTMCell):
    """An LSTM in which every product is a convolution along one axis (Shi et al. 2015, eq. 3).

    ::

        i, f, o = σ(…)    g = tanh(…)      each … = conv(x, W_x) + conv(h, W_h) + b
        c' = f*c + i*g    h' = o*tanh(c')  columns in the order i, f, g, o

    It has no peepholes, unlike the paper's, so it runs on any length. Channels come last and space
    counts as batch: x is (*batch, length, input_size), h and c (*batch, length, hidden_size).
    Padding with zeros keeps the length.

    Attributes
    ----------
    W_x, W_h
        Shapes (kernel_size, input_size, 4 · hidden_size) and (kernel_size, hidden_size,
        4 · hidden_size).
    b
        Shape (4 · hidden_size,). All from U[-1/√n, 1/√n), n = hidden_size · kernel_size.
    """

    axes = 1

    @classmethod
    def samples(cls, **how: Any) -> list[Sample]:
        """On a line."""
        return [sampled(cls(3, 2, **how), space=(4,))]


class ConvLSTM2dCell(_ConvLSTMCell):
    """An LSTM in which every product is a convolution over a picture (Shi et al. 2015, eq. 3).

    As `ConvLSTM1dCell` with x (*batch, height, width, input_size), `W_x` of shape (kernel_size,
    kernel_size, input_size, 4 · hidden_size), and n = hidden_size · kernel_size².
    """

    axes = 2

    @classmethod
    def samples(cls, **how: Any) -> list[Sample]:
        """On a picture."""
        return [sampled(cls(3, 2, 2, **how), space=(2, 3))]
