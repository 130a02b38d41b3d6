"""How much of a result is the seed's?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.border import as_array
from tinygrad_rnn.measure.arguments import is_whole
from tinygrad_rnn.measure.results import Table

__all__ = ["LearningCurves", "SeedSpread", "learning_curves", "seed_spread"]


@dataclass(frozen=True, eq=False, repr=False)
class LearningCurves(Table):
    """The losses of runs, those that differ in their seed alone under one name.

    Attributes
    ----------
    losses
        By name, (seeds, steps): as they were, or their mean over the last `smooth` steps. NaN after
        the end of a run that is shorter than the others of its name.
    steps
        By name, the step of each column, (steps,).
    """

    losses: dict[str, np.ndarray]
    steps: dict[str, np.ndarray]

    def median(self, name: str) -> np.ndarray:
        """Over the seeds that got that far, (steps,)."""
        return self.band(name, 0.5, 0.5)[0]

    def band(self, name: str, low: float = 0.0, high: float = 1.0) -> np.ndarray:
        """Two quantiles over the seeds that got that far, by default the extremes: (2, steps)."""
        return _quantiles(self.losses[name], (low, high))

    def columns(self) -> dict[str, Any]:
        """One row per name, seed and step."""
        found: dict[str, list[Any]] = {"name": [], "seed": [], "step": [], "loss": []}
        for name, losses in self.losses.items():
            seed, k = np.indices(losses.shape).reshape(2, -1)
            found["name"] += [name] * losses.size
            found["seed"] += seed.tolist()
            found["step"] += self.steps[name][k].tolist()
            found["loss"] += losses.ravel().tolist()
        return found


@dataclass(frozen=True, eq=False, repr=False)
class SeedSpread(Table):
    """One score for each seed.

    Attributes
    ----------
    scores
        By name, (seeds,).
    """

    scores: dict[str, np.ndarray]

    def quartiles(self, name: str) -> np.ndarray:
        """The three quartiles, the median in the middle, (3,)."""
        return np.quantile(self.scores[name], (0.25, 0.5, 0.75))

    def columns(self) -> dict[str, Any]:
        """One row per name and seed."""
        return {
            "name": [name for name, scores in self.scores.items() for _ in scores],
            "seed": np.concatenate([np.arange(len(scores)) for scores in self.scores.values()]),
            "score": np.concatenate(list(self.scores.values())),
        }


def learning_curves(runs: Any, steps: Any = None, smooth: int = 1) -> LearningCurves:
    """The losses of one run or many, beside each other.

    Parameters
    ----------
    runs
        A `train.Run`, or its losses; a list of such, one for each seed; or a dict of one or the
        other by name: ``{"RNN": [run, run2], "LSTM": [run3, run4]}``.
    steps
        The step of each loss, (steps,), the same for all or a dict by name; by default 1, 2, 3 …
    smooth
        Over how many steps back each loss is averaged; at the start, over those there are.

    Raises
    ------
    ValueError, TypeError
        There is no run, or one without losses; a loss is no number; `steps` has another length;
        `smooth` is not a whole number from 1.

    Examples
    --------
    >>> found = learning_curves({"RNN": [[3.0, 2.0], [5.0, 4.0]]})
    >>> found.losses["RNN"].shape, found.median("RNN")
    ((2, 2), array([4., 3.]))
    """
    if not is_whole(smooth) or smooth < 1:
        raise ValueError(f"learning_curves: smooth must be a whole number from 1, got {smooth!r}.")
    losses: dict[str, np.ndarray] = {}
    at: dict[str, np.ndarray] = {}
    for name, given in _by_name("learning_curves", runs).items():
        rows = [_losses(name, run) for run in _seeds(given)]
        longest = max(map(len, rows))
        losses[name] = np.stack([_padded(_smoothed(row, smooth), longest) for row in rows])
        these = steps.get(name) if isinstance(steps, Mapping) else steps
        here = np.arange(1, longest + 1) if these is None else np.asarray(these)
        if here.shape != (longest,):
            raise ValueError(
                f"learning_curves: {name or 'the run'} has {longest} losses, so as many steps are "
                f"expected, got shape {here.shape}."
            )
        at[name] = here
    return LearningCurves(losses, at)


def seed_spread(runs: Any, last: int = 1) -> SeedSpread:
    """The score of each seed: a number as it is, of a run the mean of its last losses.

    Parameters
    ----------
    runs
        By name a list of scores, or of runs as in `learning_curves`, one for each seed; a list
        alone has no name.
    last
        Over how many losses at the end of a run the mean is taken.

    Raises
    ------
    ValueError, TypeError
        As `learning_curves`.

    Examples
    --------
    >>> found = seed_spread({"RNN": [0.5, 0.7, 0.6], "LSTM": [[3.0, 0.2], [2.0, 0.4]]})
    >>> found.scores["LSTM"], found.quartiles("RNN")
    (array([0.2, 0.4]), array([0.55, 0.6 , 0.65]))
    """
    if not is_whole(last) or last < 1:
        raise ValueError(f"seed_spread: last must be a whole number from 1, got {last!r}.")
    found: dict[str, np.ndarray] = {}
    for name, given in _by_name("seed_spread", runs).items():
        rows = _seeds(given)
        if len(rows) == 1 and rows[0] is given and not hasattr(given, "losses"):
            found[name] = _losses(name, given)
        else:
            found[name] = np.array([_losses(name, run)[-last:].mean() for run in rows])
    return SeedSpread(found)


def _by_name(measure: str, runs: Any) -> dict[str, Any]:
    found = {str(name): runs[name] for name in runs} if isinstance(runs, Mapping) else {"": runs}
    if not found:
        raise ValueError(f"{measure}: the dict of runs is empty. Give it names and runs.")
    return found


def _seeds(given: Any) -> list[Any]:
    """A list of runs as it is; a run, or a row of numbers, as a list of one."""
    rows = list(given) if _is_row(given) else []
    many = rows and all(hasattr(row, "losses") or _is_row(row) for row in rows)
    return rows if many else [given]


def _is_row(x: Any) -> bool:
    return isinstance(x, (list, tuple)) or (isinstance(x, np.ndarray) and x.ndim > 0)


def _losses(name: str, run: Any) -> np.ndarray:
    found = np.asarray(as_array(getattr(run, "losses", run), "learning_curves"))
    if found.ndim != 1 or not found.size or found.dtype.kind not in "iuf":
        raise ValueError(
            f"learning_curves: {name or 'a run'} has no losses: expected a Run of one step or "
            f"more, or a list of numbers, got shape {found.shape} of {found.dtype}."
        )
    return found.astype(float)


def _smoothed(row: np.ndarray, smooth: int) -> np.ndarray:
    if smooth == 1:
        return row
    return np.array([row[max(0, k + 1 - smooth) : k + 1].mean() for k in range(len(row))])


def _padded(row: np.ndarray, length: int) -> np.ndarray:
    return np.concatenate([row, np.full(length - len(row), np.nan)])


def _quantiles(rows: np.ndarray, at: tuple[float, ...]) -> np.ndarray:
    """Of each column, over what is a number; NaN where nothing is."""
    found = np.full((len(at), rows.shape[1]), np.nan)
    there = ~np.isnan(rows).all(axis=0)
    found[:, there] = np.nanquantile(rows[:, there], at, axis=0)
    return found
