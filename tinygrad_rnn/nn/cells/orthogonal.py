"""How can the recurrence stay orthogonal while it learns?"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine.composite import composite
from tinygrad_rnn.engine.primitives import sqrt, sum
from tinygrad_rnn.engine.tensor import Tensor, named
from tinygrad_rnn.nn.arguments import check_sizes
from tinygrad_rnn.nn.cells.base import SizedCell, activated, affine, check_activation
from tinygrad_rnn.nn.samples import Sample, sampled
from tinygrad_rnn.nn.start import uniform

__all__ = ["OrthogonalCell"]


class OrthogonalCell(SizedCell):
    """Elman's network with an orthogonal W_h, by Householder reflections (Mhammedi et al. 2017).

    ::

        h' = act(x W_x + h W_h + b)    W_h = H_1 H_2 …    H_k = I - 2 u_kᵀ u_k,  u_k = V_k/|V_k|

    W_h is orthogonal for every V, so no projection is needed after a training step. A single call
    reflects h, at O(hidden_size) for each reflection; `unroll` computes W_h once per sequence.

    Parameters
    ----------
    reflections
        Number of reflections, at least 1; hidden_size by default, which reaches every orthogonal
        matrix of determinant (-1)^hidden_size. The cost of a step grows with it.
    activation
        As in `RNNCell`.

    Attributes
    ----------
    V
        Shape (reflections, hidden_size), from N(0, 1): with all reflections W_h has no preferred
        direction.
    W_x, b
        Shapes (input_size, hidden_size) and (hidden_size,), from U[-1/√hidden_size,
        1/√hidden_size).
    """

    _W_h: Any = None  # the matrix, in the cell that once() returns

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        reflections: int | None = None,
        activation: str | Callable[[Any], Any] = "tanh",
        *,
        bias: bool = True,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__(input_size, hidden_size, dtype)
        count = hidden_size if reflections is None else reflections
        check_sizes(type(self).__name__, reflections=count)
        self.activation = check_activation(type(self).__name__, activation)
        rng, bound = np.random.default_rng(rng), hidden_size**-0.5
        self.V = Tensor(rng.standard_normal((count, hidden_size)), dtype=dtype)
        self.W_x = uniform((input_size, hidden_size), bound, rng, dtype)
        self.b = uniform((hidden_size,), bound, rng, dtype) if bias else None

    @property
    def W_h(self) -> Any:
        """The orthogonal matrix as a recorded Tensor (hidden_size, hidden_size)."""
        return householder(np.eye(self.hidden_size, dtype=self.dtype), self.V)

    def __call__(self, x: Any, h: Any) -> Tensor:
        """The next h from x (*batch, input_size) and h (*batch, hidden_size)."""
        self._check(x, h=h)
        turned = householder(h, self.V) if self._W_h is None else h @ self._W_h
        a = affine(x, self.W_x, self.b) + turned
        return named(h=activated(self.activation, a))

    def once(self) -> OrthogonalCell:
        """The same cell for one sequence, with W_h computed."""
        twin = copy(self)
        twin._W_h = self.W_h
        return twin

    @classmethod
    def samples(cls, **how: Any) -> list[Sample]:
        """With all reflections, and with two."""
        return [sampled(cls(3, 4, **how)), sampled(cls(3, 4, 2, "sigmoid", **how))]


@composite
def householder(h: Any, V: Any) -> Any:
    """``h @ (H_1 H_2 …)``, reflected at each row of V in turn, without the matrix."""
    U = V / sqrt(sum(V * V, axis=1, keepdims=True))
    for u in U:
        h = h - (2 * sum(h * u, axis=-1, keepdims=True)) * u
    return h
