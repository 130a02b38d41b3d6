"""What is a simple recurrent network, and what keeps its gradient alive?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine.tensor import Tensor, named
from tinygrad_rnn.nn.cells.base import GatedCell, activated, affine, check_activation
from tinygrad_rnn.nn.samples import Sample, sampled

__all__ = ["IRNNCell", "IndRNNCell", "RNNCell"]


class RNNCell(GatedCell):
    """Elman's network: h' = act(x W_x + b_x + h W_h + b_h)  (Elman 1990; torch.nn.RNNCell).

    Parameters
    ----------
    activation
        ``"tanh"``, ``"relu"``, ``"sigmoid"``, or a function of a Tensor.
    input_size, hidden_size, bias, rng, dtype
        As in `GatedCell`, with one gate.

    Raises
    ------
    ValueError
        `activation` is unknown; otherwise as in `GatedCell`.

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
        self.activation = check_activation(type(self).__name__, activation)

    def __call__(self, x: Any, h: Any) -> Tensor:
        """The next h from x (*batch, input_size) and h (*batch, hidden_size)."""
        self._check(x, h=h)
        a = affine(x, self.W_x, self.b_x) + affine(h, self.W_h, self.b_h)
        return named(h=activated(self.activation, a))

    @classmethod
    def samples(cls, **how: Any) -> list[Sample]:
        """With tanh, and with relu."""
        return [sampled(cls(3, 4, f, **how)) for f in ("tanh", "relu")]


class IRNNCell(RNNCell):
    """Elman's network with ReLU that starts as a memory: W_h = I (Le, Jaitly & Hinton 2015).

    Starts with W_h the identity times `scale`, biases 0 and W_x from N(0, 0.001²): at first the
    state adds up its inputs. Everything else is as in `RNNCell`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        scale: float = 1.0,
        bias: bool = True,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__(input_size, hidden_size, "relu", bias=bias, dtype=dtype)
        small = np.random.default_rng(rng).normal(0, 0.001, self.W_x.shape)
        self.W_x = Tensor(small, dtype=dtype)
        self.W_h = Tensor(scale * np.eye(hidden_size), dtype=dtype)
        self.b_x = self.b_h = None
        if bias:
            self.b_x, self.b_h = (Tensor(np.zeros(hidden_size), dtype=dtype) for _ in range(2))

    @classmethod
    def samples(cls, **how: Any) -> list[Sample]:
        """One; its activation is fixed."""
        return [sampled(cls(3, 4, **how))]


class IndRNNCell(GatedCell):
    """Each unit sees only its own past: h' = act(x W_x + u*h + b) (Li et al. 2018).

    Attributes
    ----------
    W_x
        Shape (input_size, hidden_size), from U[-1/√hidden_size, 1/√hidden_size) like b_x.
    u
        Shape (hidden_size,), from U[0, 1) as in the paper: the weight of each unit on its own past.
        There is no W_h.
    """

    two_biases = False

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        activation: str | Callable[[Any], Any] = "relu",
        *,
        bias: bool = True,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        rng = np.random.default_rng(rng)
        super().__init__(input_size, hidden_size, bias=bias, rng=rng, dtype=dtype)
        del self.W_h
        self.activation = check_activation(type(self).__name__, activation)
        self.u = Tensor(rng.uniform(0, 1, hidden_size), dtype=dtype)

    def __call__(self, x: Any, h: Any) -> Tensor:
        """The next h from x (*batch, input_size) and h (*batch, hidden_size)."""
        self._check(x, h=h)
        return named(h=activated(self.activation, affine(x, self.W_x, self.b_x) + self.u * h))
