"""What if the output is fed back instead of the hidden units?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine.tensor import Tensor, named
from tinygrad_rnn.nn.arguments import check_sizes
from tinygrad_rnn.nn.cells.base import GatedCell, activated, affine, check_activation
from tinygrad_rnn.nn.samples import Sample, sampled
from tinygrad_rnn.nn.start import uniform

__all__ = ["JordanCell"]


class JordanCell(GatedCell):
    """Jordan's network: the loop carries the output y, not the hidden units h (Jordan 1986).

    ::

        h  = act(x W_x + b_x + y W_h + b_h)
        y' = out(h W_y + b_y)

    Parameters
    ----------
    input_size, hidden_size, output_size
        Features of x, units h, units y.
    activation, output_activation
        Activations of h and y: a name or a function as in `RNNCell`; ``None`` leaves y linear.

    Attributes
    ----------
    W_x, W_h, W_y
        Shapes (input_size, hidden_size), (output_size, hidden_size), (hidden_size, output_size),
        from U[-1/√hidden_size, 1/√hidden_size) like the biases b_x, b_h, b_y.
    """

    state_letters = ("y",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int,
        activation: str | Callable[[Any], Any] = "tanh",
        output_activation: str | Callable[[Any], Any] | None = None,
        *,
        bias: bool = True,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        rng = np.random.default_rng(rng)
        super().__init__(input_size, hidden_size, bias=bias, rng=rng, dtype=dtype)
        owner, bound = type(self).__name__, hidden_size**-0.5
        check_sizes(owner, output_size=output_size)
        self.output_size = output_size
        self.activation = check_activation(owner, activation)
        self.output_activation = output_activation and check_activation(owner, output_activation)
        self.W_h = uniform((output_size, hidden_size), bound, rng, dtype)
        self.W_y = uniform((hidden_size, output_size), bound, rng, dtype)
        self.b_y = uniform((output_size,), bound, rng, dtype) if bias else None

    def _size(self, letter: str) -> int:
        return self.output_size

    def __call__(self, x: Any, y: Any) -> Tensor:
        """The next y from x (*batch, input_size) and y (*batch, output_size)."""
        self._check(x, y=y)
        h = affine(x, self.W_x, self.b_x) + affine(y, self.W_h, self.b_h)
        h = named(h=activated(self.activation, h))
        y = affine(h, self.W_y, self.b_y)
        return named(y=activated(self.output_activation, y) if self.output_activation else y)

    @classmethod
    def samples(cls, **how: Any) -> list[Sample]:
        """With fewer outputs than units, and with more."""
        many = cls(3, 4, 5, "sigmoid", "tanh", **how)
        return [sampled(cls(3, 4, 2, **how)), sampled(many)]
