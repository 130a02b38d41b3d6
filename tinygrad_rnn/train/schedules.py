"""How does the learning rate change from step to step?

A schedule is a function from the step (counted from 0) to a learning rate. The functions here make
schedules; any other function works too: ``optimiser.lr = schedule(step)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from tinygrad_rnn.nn.arguments import is_number

__all__ = ["Plateau", "constant", "cosine", "exponential", "staircase", "warm_up"]

Schedule = Callable[[int], float]


@dataclass(frozen=True)
class Plateau:
    """The rate `lr`, times `factor` whenever the score of `validate` has stopped improving.

    For ``fit(schedule=Plateau(lr), validate=…)``. It depends on the scores alone, so a run goes on
    from a checkpoint with the rate it had. The rule is that of torch's ReduceLROnPlateau without
    threshold.

    Parameters
    ----------
    lr, low
        The rate at first, and the least it comes to.
    factor
        Of the next rate, in (0, 1).
    patience
        Validations without a better score that are let pass, at least 0.

    Raises
    ------
    TypeError, ValueError
        A number is outside its range.

    Examples
    --------
    >>> plateau = Plateau(1.0, factor=0.5, patience=1)
    >>> [plateau.rate(scores) for scores in ([3, 2], [3, 2, 2], [3, 2, 2, 2])]
    [1.0, 1.0, 0.5]
    """

    lr: float
    factor: float = 0.1
    patience: int = 10
    low: float = 0.0

    def __post_init__(self) -> None:
        _check("Plateau", lr=self.lr, low=self.low)
        _check_factor("Plateau", self.factor, below=1.0)
        _check_steps("Plateau", "patience", self.patience, 0)

    def rate(self, scores: Sequence[float]) -> float:
        """The rate after these scores, lower is better."""
        lr, best, waited = self.lr, math.inf, 0
        for score in scores:
            waited = 0 if score < best else waited + 1
            best = min(best, score)
            if waited > self.patience:
                lr, waited = lr * self.factor, 0
        return max(lr, self.low)


def constant(lr: float) -> Schedule:
    """A schedule that is always `lr`."""
    _check("constant", lr=lr)
    return lambda step: lr


def staircase(lr: float, every: int, factor: float = 0.1) -> Schedule:
    """The rate lr · factor^⌊step/every⌋: times `factor` after each `every` steps, at least 1."""
    _check("staircase", lr=lr)
    _check_steps("staircase", "every", every)
    _check_factor("staircase", factor)
    return lambda step: lr * factor ** (step // every)


def exponential(lr: float, factor: float) -> Schedule:
    """The rate lr · factor^step: times `factor` after each step."""
    _check("exponential", lr=lr)
    _check_factor("exponential", factor)
    return lambda step: lr * factor**step


def cosine(lr: float, steps: int, low: float = 0.0) -> Schedule:
    """Down from `lr` to `low` along half a cosine in `steps`, then `low` (Loshchilov 2017).

    Examples
    --------
    >>> schedule = cosine(1.0, steps=4)
    >>> [round(schedule(step), 3) for step in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    _check("cosine", lr=lr, low=low)
    _check_steps("cosine", "steps", steps)
    return lambda step: low + (lr - low) * (1 + math.cos(math.pi * min(step / steps, 1))) / 2


def warm_up(schedule: Schedule, steps: int) -> Schedule:
    """`schedule` times (step + 1)/steps over the first `steps`, at least 1; then `schedule` itself.

    Examples
    --------
    >>> schedule = warm_up(constant(1.0), steps=4)
    >>> [schedule(step) for step in range(6)]
    [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    """
    if not callable(schedule):
        raise TypeError(
            f"warm_up: expected a schedule, a function of the step, got {schedule!r}. For one rate "
            "write warm_up(constant(lr), steps)."
        )
    _check_steps("warm_up", "steps", steps)
    return lambda step: schedule(step) * min((step + 1) / steps, 1)


def _check(owner: str, **rates: Any) -> None:
    for name, rate in rates.items():
        if not is_number(rate):
            raise TypeError(
                f"{owner}: {name} is a number, got {rate!r}. A schedule knows no optimiser: pass "
                "it to fit(schedule=…), or write optimiser.lr = schedule(step)."
            )
        if not 0 <= rate < math.inf:
            raise ValueError(f"{owner}: {name} must be at least 0 and finite, got {rate}.")


def _check_factor(owner: str, factor: Any, below: float = math.inf) -> None:
    if not is_number(factor):
        raise TypeError(f"{owner}: factor is a number, got {factor!r}.")
    if not 0 < factor < below:
        span = "positive and finite" if below == math.inf else f"in (0, {below:g})"
        raise ValueError(f"{owner}: factor must be {span}, got {factor}.")


def _check_steps(owner: str, name: str, steps: Any, least: int = 1) -> None:
    if not isinstance(steps, Integral) or isinstance(steps, bool):
        raise TypeError(f"{owner}: {name} is a whole number, got {steps!r}.")
    if steps < least:
        raise ValueError(f"{owner}: {name} must be at least {least}, got {steps}.")
