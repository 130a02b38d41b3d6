"""How do parameters move?

An optimiser gives each parameter new data and never writes into the old, so a record keeps the values it was made from.
Formulas and defaults are torch's.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["SGD", "Adam"]


class Optimiser:
    """What all optimisers share: the parameters, and one `update` for each.

    Raises
    ------
    ValueError
        No parameters (a generator that was used up?), or a learning rate below 0.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float) -> None:
        self.parameters = list(parameters)
        if not self.parameters:
            raise ValueError(f"{type(self).__name__}: there are no parameters to optimise (a used-up generator?).")
        for p in self.parameters:
            if type(p) is not Tensor or p.op is not None or p.dtype.kind != "f":
                raise TypeError(f"{type(self).__name__}: expected float leaves (parameters), got {p!r}.")
        if not lr >= 0:
            raise ValueError(f"{type(self).__name__}: the learning rate must be at least 0, got {lr}.")
        self.lr = lr

    def zero_grad(self) -> None:
        """Forget the gradients: every ``.grad`` is None again."""
        for p in self.parameters:
            p.grad = None

    def step(self) -> None:
        """Move every parameter that has a ``.grad``."""
        for k, p in enumerate(self.parameters):
            if p.grad is not None:
                p.data = self.update(k, p.data, p.grad)

    def update(self, k: int, p: np.ndarray, g: np.ndarray) -> np.ndarray:
        """New data for parameter number `k` from the old and its gradient."""
        raise NotImplementedError("an optimiser defines update(k, p, g)")


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
        self.momentum = momentum
        self.v: list[np.ndarray | None] = [None] * len(self.parameters)

    def update(self, k: int, p: np.ndarray, g: np.ndarray) -> np.ndarray:
        """One step down the (averaged) gradient."""
        if self.momentum:
            before = self.v[k]
            self.v[k] = g = g if before is None else self.momentum * before + g
        return p - self.lr * g


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
