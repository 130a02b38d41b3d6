"""What if the output of an LSTM is smaller than its memory?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine.primitives import sigmoid, split, tanh
from tinygrad_rnn.engine.tensor import Tensor, named
from tinygrad_rnn.nn.arguments import check_sizes
from tinygrad_rnn.nn.cells.base import GatedCell, affine
from tinygrad_rnn.nn.samples import Sample, sampled
from tinygrad_rnn.nn.start import uniform

__all__ = ["ProjectedLSTMCell"]


class ProjectedLSTMCell(GatedCell):
    """An LSTM with a projection: h' = (o*tanh(c')) W_r  (LSTMP, Sak et al. 2014).

    It has no peepholes, unlike the paper's, and equals torch.nn.LSTM with ``proj_size``. The state
    is the pair (h, c) of output_size and hidden_size units.

    Attributes
    ----------
    W_x, W_h, W_r
        Shapes (input_size, 4 · hidden_size), (output_size, 4 · hidden_size), columns i, f, g, o,
        and (hidden_size, output_size); with b_x, b_h all from U[-1/√hidden_size, 1/√hidden_size).
    """

    gates = 4
    state_letters = ("h", "c")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int,
        *,
        bias: bool = True,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        rng = np.random.default_rng(rng)
        super().__init__(input_size, hidden_size, bias=bias, rng=rng, dtype=dtype)
        check_sizes(type(self).__name__, output_size=output_size)
        self.output_size = output_size
        self.W_h = uniform((output_size, 4 * hidden_size), hidden_size**-0.5, rng, dtype)
        self.W_r = uniform((hidden_size, output_size), hidden_size**-0.5, rng, dtype)

    def _size(self, letter: str) -> int:
        return self.output_size if letter == "h" else self.hidden_size

    def __call__(self, x: Any, state: tuple[Any, Any]) -> tuple[Tensor, Tensor]:
        """The next (h, c) from x (*batch, input_size), h and c as in `initial_state`."""
        h, c = self._parts(x, state, "h", "c")
        i, f, g, o = split(affine(x, self.W_x, self.b_x) + affine(h, self.W_h, self.b_h), 4)
        i, f, g, o = named(i=sigmoid(i), f=sigmoid(f), g=tanh(g), o=sigmoid(o))
        c = named(c=f * c + i * g)
        h = named(h=(o * tanh(c)) @ self.W_r)
        return h, c

    @classmethod
    def samples(cls, **how: Any) -> list[Sample]:
        """With fewer outputs than units."""
        return [sampled(cls(3, 4, 2, **how))]
