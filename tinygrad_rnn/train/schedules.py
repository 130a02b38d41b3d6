"""How does the learning rate change from step to step?

A schedule is a function from the step (counted from 0) to a learning rate. The functions here make
schedules; any other function works too: ``optimiser.lr = schedule(step)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["constant", "cosine", "exponential", "staircase", "warm_up"]

Schedule = Callable[[int], float]


def constant(lr: float) -> Schedule:
    """A schedule that is always `lr`."""
    return lambda step: lr


def staircase(lr: float, every: int, factor: float = 0.1) -> Schedule:
    """The rate lr · factor^⌊step/every⌋: times `factor` after each `every` steps, at least 1."""
    if every < 1:
        raise ValueError(f"staircase: every must be at least 1 step, got {every}.")
    return lambda step: lr * factor ** (step // every)


def exponential(lr: float, factor: float) -> Schedule:
    """The rate lr · factor^step: times `factor` after each step."""
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
    """`schedule` times (step + 1)/steps over the first `steps`, at least 1; then `schedule` itself.

    Examples
    --------
    >>> schedule = warm_up(constant(1.0), steps=4)
    >>> [schedule(step) for step in range(6)]
    [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    """
    if steps < 1:
        raise ValueError(f"warm_up: expected at least 1 step, got {steps}.")
    return lambda step: schedule(step) * min((step + 1) / steps, 1)
