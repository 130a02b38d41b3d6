"""By which formula do parameters move?

Formulas and defaults are torch's. g is the gradient with weight decay already in it, t counts the
steps of each parameter from 1, and all arithmetic is elementwise.
"""

from __future__ import annotations

import numpy as np

from tinygrad_rnn.nn.arguments import check_flags, is_number
from tinygrad_rnn.train.optimiser import Optimiser, Parameters, check_range

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "RMSprop"]


class SGD(Optimiser):
    """Stochastic gradient descent: v = momentum·v + g, p = p - lr·v.

    Parameters
    ----------
    parameters, lr, weight_decay
        As for every `Optimiser`.
    momentum
        In [0, 1); 0 for none.
    nesterov
        Look ahead: p = p - lr·(g + momentum·v) (Sutskever et al. 2013).
    """

    remembers = ("v",)

    def __init__(
        self,
        parameters: Parameters,
        lr: float,
        momentum: float = 0.0,
        *,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay=weight_decay)
        check_range("SGD", 1, momentum=momentum)
        check_flags("SGD", nesterov=nesterov)
        if nesterov and not momentum:
            raise ValueError("SGD: nesterov looks ahead along the momentum, which is 0.")
        self.momentum, self.nesterov = momentum, nesterov

    def update(self, k: int, p: np.ndarray, g: np.ndarray) -> np.ndarray:
        """One step down the (averaged) gradient."""
        v = self.memory["v"][k] = self.momentum * self.memory["v"][k] + g
        return p - self.lr * (g + self.momentum * v if self.nesterov else v)


class Adagrad(Optimiser):
    """Adagrad (Duchi et al. 2011): s = s + g², p = p - lr · g / (√s + eps)."""

    remembers = ("s",)

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-2,
        eps: float = 1e-10,
        *,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay=weight_decay)
        check_range("Adagrad", eps=eps)
        self.eps = eps

    def update(self, k: int, p: np.ndarray, g: np.ndarray) -> np.ndarray:
        """One step, divided by the root of the sum of squared gradients."""
        s = self.memory["s"][k] = self.memory["s"][k] + g * g
        return p - self.lr * g / (np.sqrt(s) + self.eps)


class RMSprop(Optimiser):
    """RMSprop (Tieleman & Hinton 2012; centered: Graves 2013, eqs. 38-41).

    ::

        s = αs + (1-α)g²    m = αm + (1-α)g    only if centered, else 0
        v = momentum·v + g/(√(s - m²) + eps)   p = p - lr·v
    """

    remembers = ("s", "m", "v")

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        *,
        momentum: float = 0.0,
        centered: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay=weight_decay)
        check_range("RMSprop", 1, alpha=alpha, momentum=momentum)
        check_range("RMSprop", eps=eps)
        check_flags("RMSprop", centered=centered)
        self.alpha, self.eps, self.momentum, self.centered = alpha, eps, momentum, centered

    def update(self, k: int, p: np.ndarray, g: np.ndarray) -> np.ndarray:
        """One step along the gradient divided by its running root mean square."""
        a, memory = self.alpha, self.memory
        s = memory["s"][k] = a * memory["s"][k] + (1 - a) * g * g
        if self.centered:
            m = memory["m"][k] = a * memory["m"][k] + (1 - a) * g
            s = np.maximum(s - m * m, 0)  # a variance, which rounding may put below 0
        v = memory["v"][k] = self.momentum * memory["v"][k] + g / (np.sqrt(s) + self.eps)
        return p - self.lr * v


class Adam(Optimiser):
    """Adam (Kingma & Ba 2015): steps of about `lr`, however large the gradient.

    ::

        m = β₁m + (1-β₁)g    v = β₂v + (1-β₂)g²    p = p - lr · m/(1-β₁ᵗ) / (√(v/(1-β₂ᵗ)) + eps)
    """

    remembers = ("m", "v")

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        *,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay=weight_decay)
        name = type(self).__name__
        pair = isinstance(betas, (tuple, list)) and len(betas) == 2
        if not pair or not all(is_number(b) and 0 <= b < 1 for b in betas):
            raise ValueError(f"{name}: betas are a pair of numbers in [0, 1), got {betas!r}.")
        check_range(name, eps=eps)
        self.betas, self.eps = betas, eps

    def update(self, k: int, p: np.ndarray, g: np.ndarray) -> np.ndarray:
        """One step along the ratio of the running means of g and g²."""
        b1, b2 = self.betas
        t, memory = self.t[k], self.memory
        m = memory["m"][k] = b1 * memory["m"][k] + (1 - b1) * g
        v = memory["v"][k] = b2 * memory["v"][k] + (1 - b2) * g * g
        return p - self.lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + self.eps)


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019): p = (1 - lr·λ)p, then Adam.

    The decay is not part of g, so it is the same for all entries, however large their gradients.
    """

    decoupled = True

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        *,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay=weight_decay)

    def update(self, k: int, p: np.ndarray, g: np.ndarray) -> np.ndarray:
        """The decay, then Adam's step."""
        return super().update(k, p * (1 - self.lr * self.weight_decay), g)
