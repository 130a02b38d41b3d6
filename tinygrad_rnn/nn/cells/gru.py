"""What is a gated recurrent unit, and in which conventions?"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine.primitives import sigmoid, split, tanh
from tinygrad_rnn.engine.tensor import Tensor, named
from tinygrad_rnn.nn.cells.base import GatedCell, affine
from tinygrad_rnn.nn.samples import Sample, sampled

__all__ = ["GRUCell"]


class GRUCell(GatedCell):
    """Gated recurrent unit in each of its conventions (Cho 2014; torch.nn.GRUCell by default).

    ::

        r = σ(x_r + h_r)    z = σ(x_z + h_z)    x_r, x_z, x_n = columns of x W_x + b_x
                                                h_r, h_z, h_n = columns of h W_h + b_h
        reset="after"       n = tanh(x_n + r*h_n)                torch, Keras, cuDNN
        reset="before"      n = tanh(x_n + (r*h) W_hn + b_hn)    the papers (Cho, Chung), Haiku
        update="keeps"      h' = (1-z)*n + z*h                   torch, Keras
        update="replaces"   h' = (1-z)*h + z*n                   Chung 2014, Haiku

    Weights of one convention give wrong results in another. Parameters as in `RNNCell`, three
    gates wide.

    Raises
    ------
    ValueError
        `reset` or `update` is unknown; otherwise as in `GatedCell`.
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
            raise ValueError(
                f'GRUCell: reset must be "after" (torch) or "before" (Cho), got {reset!r}.'
            )
        if update not in ("keeps", "replaces"):
            raise ValueError(
                f'GRUCell: update must be "keeps" (torch) or "replaces" (Chung), got {update!r}.'
            )
        self.reset, self.update = reset, update

    def __call__(self, x: Any, h: Any) -> Tensor:
        """The next h from x (*batch, input_size) and h (*batch, hidden_size)."""
        self._check(x, h=h)
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

    @classmethod
    def samples(cls, **how: Any) -> list[Sample]:
        """In torch's convention, and in two others."""
        conventions: list[dict[str, Any]] = [{}, {"reset": "before"}, {"update": "replaces"}]
        return [sampled(cls(3, 4, **convention, **how)) for convention in conventions]
