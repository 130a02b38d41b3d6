"""Which cells, of ten thousand searched, are as good as the GRU?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine.primitives import sigmoid, split, tanh
from tinygrad_rnn.engine.tensor import Tensor, named
from tinygrad_rnn.nn.cells.base import GatedCell, affine
from tinygrad_rnn.nn.samples import Sample, sampled
from tinygrad_rnn.nn.start import uniform

__all__ = ["MUT1Cell", "MUT2Cell", "MUT3Cell"]


class _MutantCell(GatedCell):
    """Parameters by gate: columns of `W_x` and `W_h` stand for the letters a mutant has."""

    two_biases = False
    from_x = from_h = "zrn"  # which gates have weights from x, which from h
    bare_x = False  # whether x is added without weights

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
        if self.bare_x and input_size != hidden_size:
            raise ValueError(
                f"{type(self).__name__}: adds x to the hidden units without weights, so input_size "
                f"must equal hidden_size; got {input_size} and {hidden_size}. Put a Linear or an "
                "Embedding of hidden_size features in front."
            )
        self.W_x = uniform((input_size, len(self.from_x) * hidden_size), bound, rng, dtype)
        self.W_h = uniform((hidden_size, len(self.from_h) * hidden_size), bound, rng, dtype)
        self.b_x = uniform((3 * hidden_size,), bound, rng, dtype) if bias else None

    def _biases(self) -> Any:
        return (0, 0, 0) if self.b_x is None else split(self.b_x, 3)

    @classmethod
    def samples(cls, **how: Any) -> list[Sample]:
        """With as many inputs as units, as MUT1 and MUT2 require."""
        return [sampled(cls(4, 4, **how))]


class MUT1Cell(_MutantCell):
    """The first mutant of Jozefowicz, Zaremba & Sutskever (2015, MUT1).

    ::

        z = σ(x W_xz + b_z)    r = σ(x W_xr + h W_hr + b_r)
        n = tanh((r*h) W_hn + tanh(x) + b_n)    h' = n*z + h*(1-z)

    `W_x` holds columns z, r, `W_h` columns r, n, `b_x` all of z, r, n; start values as in
    `GatedCell`. Input and hidden size are equal.

    Raises
    ------
    ValueError
        `input_size` and `hidden_size` differ; otherwise as in `GatedCell`.
    """

    from_x, from_h, bare_x = "zr", "rn", True

    def __call__(self, x: Any, h: Any) -> Tensor:
        """The next h from x and h, both (*batch, hidden_size)."""
        self._check(x, h=h)
        (x_z, x_r), (W_r, W_n) = split(x @ self.W_x, 2), split(self.W_h, 2)
        b_z, b_r, b_n = self._biases()
        z, r = named(z=sigmoid(x_z + b_z), r=sigmoid(x_r + h @ W_r + b_r))
        n = named(n=tanh((r * h) @ W_n + tanh(x) + b_n))
        return named(h=n * z + h * (1 - z))


class MUT2Cell(_MutantCell):
    """The second mutant of Jozefowicz, Zaremba & Sutskever (2015, MUT2).

    ::

        z = σ(x W_xz + h W_hz + b_z)    r = σ(x + h W_hr + b_r)
        n = tanh((r*h) W_hn + x W_xn + b_n)    h' = n*z + h*(1-z)

    `W_x` holds columns z, n, `W_h` and `b_x` columns z, r, n; start values as in `GatedCell`.
    Input and hidden size are equal.

    Raises
    ------
    ValueError
        `input_size` and `hidden_size` differ; otherwise as in `GatedCell`.
    """

    from_x, bare_x = "zn", True

    def __call__(self, x: Any, h: Any) -> Tensor:
        """The next h from x and h, both (*batch, hidden_size)."""
        self._check(x, h=h)
        (x_z, x_n), (W_z, W_r, W_n) = split(x @ self.W_x, 2), split(self.W_h, 3)
        b_z, b_r, b_n = self._biases()
        z, r = named(z=sigmoid(x_z + h @ W_z + b_z), r=sigmoid(x + h @ W_r + b_r))
        n = named(n=tanh((r * h) @ W_n + x_n + b_n))
        return named(h=n * z + h * (1 - z))


class MUT3Cell(_MutantCell):
    """The third mutant of Jozefowicz, Zaremba & Sutskever (2015, MUT3).

    ::

        z = σ(x W_xz + tanh(h) W_hz + b_z)    r = σ(x W_xr + h W_hr + b_r)
        n = tanh((r*h) W_hn + x W_xn + b_n)   h' = n*z + h*(1-z)

    Columns in the order z, r, n; one bias; start values as in `GatedCell`.
    """

    def __call__(self, x: Any, h: Any) -> Tensor:
        """The next h from x (*batch, input_size) and h (*batch, hidden_size)."""
        self._check(x, h=h)
        x_z, x_r, x_n = split(affine(x, self.W_x, self.b_x), 3)
        W_z, W_r, W_n = split(self.W_h, 3)
        z, r = named(z=sigmoid(x_z + tanh(h) @ W_z), r=sigmoid(x_r + h @ W_r))
        n = named(n=tanh((r * h) @ W_n + x_n))
        return named(h=n * z + h * (1 - z))
