"""How fast to learn at which step?

A schedule is a plain function of the step (counted from 0) that gives a learning rate. These make
some; any other function will do: ``optimiser.lr = schedule(step)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["constant", "cosine", "exponential", "staircase", "warm_up"]

Schedule = Callable[[int], float]


def constant(lr: float) -> Schedule:
    """Always `lr`."""
    return lambda step: lr


def staircase(lr: float, every: int, factor: float = 0.1) -> Schedule:
    """Times `factor` at every `every`-th step: lr · factor^⌊step/every⌋."""
    if every < 1:
        raise ValueError(f"staircase: every must be at least 1 step, got {every}.")
    return lambda step: lr * factor ** (step // every)


def exponential(lr: float, factor: float) -> Schedule:
    """Times `factor` at each step: lr · factor^step."""
    return lambda step: lr * factor**step


def cosine(lr: float, steps: int, low: float = 0.0) -> Schedule:
    """Down from `lr` to `low` along half a cosine in `steps`, then `low` (Loshchilov 2017).

    Examples
    --------
    >>> schedule = cosine(1.0, steps=4)
    >>> [round(schedule(step), 3) for step in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    if steps < 1:
        raise ValueError(f"cosine: expected at least 1 step to come down in, got {steps}.")
    return lambda step: low + (lr - low) * (1 + math.cos(math.pi * min(step / steps, 1))) / 2


def warm_up(schedule: Schedule, steps: int) -> Schedule:
    """Up to `schedule` in equal parts over the first `steps`, none of them 0, then as it says.

    Examples
    --------
    >>> schedule = warm_up(constant(1.0), steps=4)
    >>> [schedule(step) for step in range(6)]
    [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    """
    if steps < 1:
        raise ValueError(f"warm_up: expected at least 1 step, got {steps}.")
    return lambda step: schedule(step) * min((step + 1) / steps, 1)
