"""Which arguments of `fit` are mistakes?

A run that would train nothing, never end, or fail when the first checkpoint is due is refused
before the first step.
"""

from __future__ import annotations

import os
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn.border import refuse_foreign
from tinygrad_rnn.engine.tensor import values
from tinygrad_rnn.files import check_target
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.train.optimiser import Optimiser
from tinygrad_rnn.train.schedules import Plateau

__all__ = ["check_budget", "check_checkpoint", "check_functions", "check_parts", "number"]


def check_parts(model: Module, optimiser: Any) -> Optimiser:
    """The optimiser; the model has a loss, and the optimiser's parameters."""
    if not callable(getattr(model, "loss", None)):
        raise TypeError(
            f"fit: {type(model).__name__} has no method loss. Put it into an nn.Module of yours, "
            "whose loss(x, y) runs it and compares its output."
        )
    if not isinstance(optimiser, Optimiser):
        raise TypeError(
            f"fit: expected an optimiser, got {optimiser!r}. Pass "
            "optimiser=train.Adam(model.parameters())."
        )
    held = set(model.parameters())
    strangers = sum(p not in held for p in optimiser.parameters)
    if strangers:
        raise ValueError(
            f"fit: {strangers} of {len(optimiser.parameters)} parameters of the optimiser are not "
            "in the model, so they would not train or not be in a checkpoint. Build it over "
            "model.parameters()."
        )
    return optimiser


def check_functions(clip: Any, **functions: Any) -> None:
    """TypeError or ValueError unless functions can be called and the largest norm is positive."""
    if isinstance(functions["schedule"], Plateau):
        if functions["validate"] is None:
            raise ValueError(
                "fit: a Plateau waits for better scores, and there is no validate= to give any. "
                "Pass one, or a schedule of the step."
            )
        del functions["schedule"]
    for name, function in functions.items():
        if function is not None and not callable(function):
            raise TypeError(f"fit: {name} is a function, or None for none; got {function!r}.")
    if callable(clip):
        return
    if not isinstance(clip, Real) or isinstance(clip, bool):
        raise TypeError(
            f"fit: clip is the largest gradient norm or a function, got {clip!r}. Leave it out "
            "for no clipping."
        )
    if not float(clip) > 0:
        raise ValueError(
            f"fit: clip is the largest gradient norm, a positive number; got {clip}. Leave it out "
            "for no clipping."
        )


def number(name: str, found: Any) -> float:
    """The result of a function given to `fit`, as a float; it may be a Tensor of one number."""
    x = values(found)
    if type(x) is np.ndarray and x.size == 1:  # not a masked array, whose item would be 0
        x = x.item()
    elif not isinstance(x, np.ndarray):
        refuse_foreign(x, f"fit: {name}")
    if not isinstance(x, Real) or isinstance(x, bool):
        kind = "None" if x is None else f"a {type(x).__name__}"
        raise TypeError(f"fit: {name} gave {kind}, expected a number.")
    return float(x)


def check_budget(
    steps: int | None,
    seconds: float | None,
    epochs: int | None,
    every: int,
    restart: int | None,
    patience: int | None,
    validates: bool,
) -> None:
    """The run has an end, and validation takes place before it."""
    if steps is None and seconds is None and epochs is None:
        raise ValueError("fit: expected a budget, steps=, seconds= or, with data=, epochs=.")
    if seconds is not None and (not isinstance(seconds, Real) or isinstance(seconds, bool)):
        raise TypeError(f"fit: seconds is a number, got {seconds!r}.")
    counts = {"steps": steps, "every": every, "restart": restart, "patience": patience}
    for name, count in counts.items():
        if count is None and name != "every":
            continue
        if not isinstance(count, (int, np.integer)) or isinstance(count, bool):
            raise TypeError(f"fit: {name} is a whole number, got {count!r}.")
    if not all(budget >= 0 for budget in (steps, seconds) if budget is not None):
        raise ValueError(f"fit: expected a budget of at least 0, got {steps=}, {seconds=}.")
    if every < 1:
        raise ValueError(f"fit: every is at least 1 step, got {every}.")
    if restart is not None and restart < 1:
        raise ValueError(f"fit: restart is at least 1 step, or None for never; got {restart}.")
    if patience is not None and (patience < 1 or not validates):
        raise ValueError(
            "fit: patience counts validations without a better score, at least 1; it needs "
            f"validate=. Got {patience}{'' if validates else ' and no validate'}."
        )
    if validates and steps is not None and 0 < steps < every:
        raise ValueError(
            f"fit: validation would never take place in {steps} steps, with every={every}. "
            "Pass a smaller every."
        )


def check_checkpoint(path: str | os.PathLike[str] | None, rng: Any) -> None:
    """`rng` is a generator or None, and a checkpoint can be written at `path`."""
    if rng is not None and not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"fit: rng is the generator that the batches are drawn from, got {rng!r}. Make it "
            "once, rng = numpy.random.default_rng(seed), and draw from it."
        )
    if path is None:
        return
    if not Path(path).name:
        raise ValueError(f"fit: {path!r} names no file for the checkpoint; expected run.npz, say.")
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(f"fit: there is no folder {folder} for {path!s}. Make it first.")
    if not os.access(folder, os.W_OK):
        raise PermissionError(
            f"fit: the folder {folder} cannot be written to, so no checkpoint can be kept at "
            f"{path!s}. Choose another path."
        )
    check_target(path, "fit")
