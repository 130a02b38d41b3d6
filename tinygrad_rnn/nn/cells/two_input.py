"""What if a cell has two inputs?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine.primitives import split
from tinygrad_rnn.engine.tensor import Tensor, named, values
from tinygrad_rnn.nn.arguments import check_sizes
from tinygrad_rnn.nn.cells.base import SizedCell, activated, check_activation
from tinygrad_rnn.nn.samples import Sample, sampled
from tinygrad_rnn.nn.start import uniform

__all__ = ["TwoInputCell"]


class TwoInputCell(SizedCell):
    """Elman's network with two inputs, each with its weights: h' = act(u W_u + v W_v + h W_h + b).

    Called with the pair (u, v), or with x = [u, v] concatenated, as `unroll` does. On a grid, u may
    be the pixel and v the state of the neighbour above (Graves et al. 2007).

    Attributes
    ----------
    W_u, W_v, W_h, b
        Shapes (first, hidden_size), (second, hidden_size), (hidden_size, hidden_size) and
        (hidden_size,) for input_sizes (first, second), all from U[-1/√hidden_size,
        1/√hidden_size).
    """

    def __init__(
        self,
        input_sizes: tuple[int, int],
        hidden_size: int,
        activation: str | Callable[[Any], Any] = "tanh",
        *,
        bias: bool = True,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        if not isinstance(input_sizes, (tuple, list)) or len(input_sizes) != 2:
            raise ValueError(f"TwoInputCell: input_sizes are two numbers, got {input_sizes!r}.")
        first, second = input_sizes
        check_sizes(type(self).__name__, first=first, second=second)
        super().__init__(first + second, hidden_size, dtype)
        self.input_sizes = (first, second)
        self.activation = check_activation(type(self).__name__, activation)
        rng, bound = np.random.default_rng(rng), hidden_size**-0.5
        self.W_u = uniform((first, hidden_size), bound, rng, dtype)
        self.W_v = uniform((second, hidden_size), bound, rng, dtype)
        self.W_h = uniform((hidden_size, hidden_size), bound, rng, dtype)
        self.b = uniform((hidden_size,), bound, rng, dtype) if bias else None

    def __call__(self, x: Any, h: Any) -> Tensor:
        """The next h from x = (u, v) or x (*batch, first + second), and h (*batch, hidden_size)."""
        if isinstance(x, (tuple, list)):
            shapes = [np.shape(values(part)) for part in x]
            batch = shapes[0][:-1]
            if shapes != [(*batch, n) for n in self.input_sizes]:
                pair = f"a pair of {self.input_sizes} features of the same examples"
                self._refuse("x", pair, shapes, x[0])
            u, v = x
            both = np.broadcast_to(0.0, (*batch, self.input_size))
            self._check(both, h=h)
        else:
            self._check(x, h=h)
            u, v = split(x, [self.input_sizes[0]])
        u, v = named(u=u, v=v)
        a = u @ self.W_u + v @ self.W_v + h @ self.W_h
        return named(h=activated(self.activation, a if self.b is None else a + self.b))

    @classmethod
    def samples(cls, **how: Any) -> list[Sample]:
        """With two features in u and one in v."""
        return [sampled(cls((2, 1), 4, **how), features=3)]
