"""How is noise added to a gradient?"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["add_gradient_noise"]


def add_gradient_noise(
    parameters: Iterable[Tensor],
    step: int,
    rng: np.random.Generator,
    *,
    eta: float = 0.3,
    gamma: float = 0.55,
) -> None:
    """Add N(0, eta / (1 + step)^gamma) to every entry of every ``.grad`` (Neelakantan et al. 2015).

    Parameters
    ----------
    parameters
        Leaves; those without a gradient are skipped, and a shared one gets noise once.
    step
        Counted from 0; the noise decays with it.
    rng
        A generator. A seed is refused: it would add the same noise at every step.
    eta
        The variance at step 0, at least 0; the paper chooses among 0.01, 0.3 and 1.0.
    gamma
        How fast the variance decays; at least 0.

    Raises
    ------
    TypeError
        `rng` is not a generator.
    ValueError
        `step`, `eta` or `gamma` is out of range.
    """
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"add_gradient_noise: expected a generator, got {type(rng).__name__}; a seed would add "
            "the same noise at every step. Make numpy.random.default_rng(seed) once."
        )
    if not (step >= 0 and 0 <= eta < np.inf and gamma >= 0):
        raise ValueError(
            "add_gradient_noise: step, eta and gamma must be at least 0, got "
            f"{step}, {eta} and {gamma}."
        )
    deviation = (eta / (1 + step) ** gamma) ** 0.5
    for p in dict.fromkeys(parameters):
        if p.grad is not None:
            noise = rng.standard_normal(p.shape) * deviation
            p.grad = np.asarray(p.grad + noise, p.dtype)
