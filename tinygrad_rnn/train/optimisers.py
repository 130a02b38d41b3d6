"""How do parameters move?

An optimiser gives each parameter new data and never writes into the old, so a record keeps the
values it was made from. Formulas and defaults are torch's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

import numpy as np

from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["SGD", "Adam"]


class Optimiser(ABC):
    """What all optimisers share: the parameters (a shared one once), and one `update` for each.

    Raises
    ------
    ValueError
        No parameters (a generator that was used up?), or a learning rate below 0.
    TypeError
        A parameter is not a float leaf.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float) -> None:
        name = type(self).__name__
        given = list(parameters)
        if not given:
            raise ValueError(f"{name}: there are no parameters to optimise (a used-up generator?).")
        for p in given:
            if type(p) is not Tensor or p.op is not None or p.dtype.kind != "f":
                raise TypeError(f"{name}: expected float leaves (parameters), got {p!r}.")
        if not lr >= 0:
            raise ValueError(f"{name}: the learning rate must be at least 0, got {lr}.")
        self.parameters = list(dict.fromkeys(given))
        self.lr = lr

    def zero_grad(self) -> None:
        """Forget the gradients: every ``.grad`` is None again."""
        for p in self.parameters:
            p.grad = None

    def step(self) -> None:
        """Move every parameter that has a ``.grad``."""
        for k, p in enumerate(self.parameters):
            if p.grad is not None:
                # a learning rate that is a NumPy number would make float64 of float32
                p.data = np.asarray(self.update(k, p.data, p.grad), p.dtype)

    @abstractmethod
    def update(self, k: int, p: np.ndarray, g: np.ndarray) -> np.ndarray:
        """New data for parameter number `k` from the old and its gradient."""


class SGD(Optimiser):
    """Stochastic gradient descent: v = momentum·v + g, p = p - lr·v.

    Parameters
    ----------
    parameters
        Float leaves.
    lr
        Learning rate, at least 0.
    momentum
        In [0, 1); 0 for none.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float = 0.0) -> None:
        super().__init__(parameters, lr)
        if not 0 <= momentum < 1:
            raise ValueError(f"SGD: momentum must lie in [0, 1), got {momentum}.")
        self.momentum = momentum
        self.v: list[np.ndarray] = [np.zeros(p.shape, p.dtype) for p in self.parameters]

    def update(self, k: int, p: np.ndarray, g: np.ndarray) -> np.ndarray:
        """One step down the (averaged) gradient."""
        self.v[k] = self.momentum * self.v[k] + g
        return p - self.lr * self.v[k]


class Adam(Optimiser):
    """Adam (Kingma & Ba 2015): steps of about `lr` whatever the size of the gradient.

    ::

        m = β₁m + (1-β₁)g    v = β₂v + (1-β₂)g²    p = p - lr · m/(1-β₁ᵗ) / (√(v/(1-β₂ᵗ)) + eps)
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(parameters, lr)
        if not all(0 <= b < 1 for b in betas):
            raise ValueError(f"Adam: both betas must lie in [0, 1), got {betas}.")
        if not eps >= 0:
            raise ValueError(f"Adam: eps must be at least 0, got {eps}.")
        self.betas, self.eps = betas, eps
        self.t = [0] * len(self.parameters)
        self.m: list[np.ndarray] = [np.zeros(p.shape, p.dtype) for p in self.parameters]
        self.v: list[np.ndarray] = [np.zeros(p.shape, p.dtype) for p in self.parameters]

    def update(self, k: int, p: np.ndarray, g: np.ndarray) -> np.ndarray:
        """One step by the ratio of the running means of g and of g²."""
        b1, b2 = self.betas
        self.t[k] += 1
        self.m[k] = b1 * self.m[k] + (1 - b1) * g
        self.v[k] = b2 * self.v[k] + (1 - b2) * g * g
        m = self.m[k] / (1 - b1 ** self.t[k])
        v = self.v[k] / (1 - b2 ** self.t[k])
        return p - self.lr * m / (np.sqrt(v) + self.eps)
