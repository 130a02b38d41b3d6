"""How does a model train?

A step is: batch, loss, gradient, clip, optimiser. The loss runs as it is written, or as a program
if one is asked for. The rest of the loop decides when to stop, to validate and to write a
checkpoint, so that a run killed at any moment goes on to the same bits.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn.engine.blocks import no_grad
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.hints import checked_keywords
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.train.arguments import (
    check_budget,
    check_checkpoint,
    check_functions,
    check_parts,
    number,
)
from tinygrad_rnn.train.carried import classes_in, packed
from tinygrad_rnn.train.clipping import clip_grad_norm
from tinygrad_rnn.train.compiled import TrainingStep, check_way
from tinygrad_rnn.train.data import END, source
from tinygrad_rnn.train.interrupt import interruptible
from tinygrad_rnn.train.leaves import untrained
from tinygrad_rnn.train.optimiser import Optimiser
from tinygrad_rnn.train.progress import progress_bar, say
from tinygrad_rnn.train.run import Run, load_run, save_run, settle
from tinygrad_rnn.train.schedules import Plateau

__all__ = ["fit"]

Clip = Callable[[Sequence[Tensor], int], float]


@checked_keywords
def fit(
    model: Module,
    batch: Callable[[int], tuple[Any, ...]] | None = None,
    optimiser: Optimiser | None = None,
    *,
    data: Iterable[Any] | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    seconds: float | None = None,
    until: Callable[[Run], bool] | None = None,
    callback: Callable[[Run], Any] | None = None,
    schedule: Callable[[int], float] | Plateau | None = None,
    clip: float | Clip = math.inf,
    state: Any = None,
    restart: int | None = None,
    validate: Callable[[], float] | None = None,
    every: int = 100,
    patience: int | None = None,
    path: str | os.PathLike[str] | None = None,
    rng: np.random.Generator | None = None,
    progress: bool = True,
    target: str = "eager",
) -> Run:
    """Train `model` until the budget is used up or the validation score stops improving.

    Parameters
    ----------
    model
        ``model.loss(*batch)`` gives the loss. If it gives a pair (loss, state), the state is
        detached and carried on: the next call is ``model.loss(*batch, state)``.
    batch
        ``batch(step)`` gives the arguments of a step as a tuple, the first an array (T, batch, …).
        It should depend only on `step` and on draws from `rng`.
    optimiser
        Moves the model's parameters; it may leave some out, but has no others.
    data
        In place of `batch`: a list of such tuples, or anything else to iterate over once in each
        epoch; one `Batch` of `tasks` is a list of one. A run that is resumed passes over the
        batches it has had.
    epochs, steps, seconds
        The budget: passes through `data` and steps in total, including those before a resumption,
        and seconds in this call. One of them has to be given; the first to be used up ends the run.
    until
        A rule of success: ``until(run)`` is asked after each step, without recording, and True ends
        the run, as in ``lambda run: len(run.losses) >= 100 and max(run.losses[-100:]) < 0.04``.
    callback
        ``callback(run)`` is called after each step and its validation, without recording.
    schedule
        The learning rate as a function of the step, or a `Plateau` of the scores; the optimiser's
        own by default.
    clip
        The largest gradient norm, or a function ``(parameters, step)`` that changes the gradients
        and returns their norm before, e.g. ``lambda ps, step: clip_grad_value(ps, 1.0)``.
    state
        The carried state before the first step, e.g. ``cell.initial_state(batch_size)``; by default
        there is none, and the first call is ``model.loss(*batch)``. A checkpoint with a carried
        named tuple needs it: no file holds a class.
    restart
        Start again from `state` every `restart` steps; never by default.
    validate
        ``validate()`` gives a score, lower is better; it is called every `every` steps, without
        recording. At the end the model has the values of the best score.
    every
        Steps between validations, and between checkpoints.
    patience
        Stop after this many validations without a better score.
    path
        The checkpoint file, written every `every` steps and at the end. If it exists, the run goes
        on from it, with the settings of this `optimiser`; a line says which differ from those of
        the first call.
    rng
        The one generator that `batch`, the loss (dropout) and `validate` draw from; its state is in
        the checkpoint.
    progress
        Show a bar with loss, gradient norm and tokens (steps times sequences) per second, or a few
        lines if stderr is a file or a pipe.
    target
        ``"eager"`` runs the loss as it is written, once in each step. ``"c"`` and ``"numpy"`` run
        the program that `tinygrad_rnn.compile` prints from its record; ``"auto"`` chooses C if
        there is a compiler. A program is faster. Asking for one is a promise, as with jax.jit, that
        the loss depends on nothing but parameters, batch and carried state. A loss that changes the
        model, draws random numbers by itself or asks for a value runs eagerly, and with `progress`
        a line says why; a loss that changes anything outside the model is an error. At steps 2, 4,
        8, …, before each checkpoint and at the end the loss also runs as written, and the results
        are compared: they may differ by n·eps, or by what one ulp at each operation changes.
        ``"check"`` is ``"auto"`` with a comparison at every step. Training uses the program's
        numbers. ``run.explain()`` says what ran.

    Raises
    ------
    TypeError, ValueError
        There is no budget, or arguments do not fit together; `batch` gave no tuple, or the model no
        recorded loss; loss or gradient are not finite; `schedule`, `clip` or `validate` gave no
        number; the program differs from the loss as written; or the loss changes something outside
        the model while it is recorded. A note says at which step.
    OSError
        The folder of `path` is missing or cannot be written to, or `path` is not a regular file.
    CheckpointError
        The file at `path` is not a checkpoint of this model, optimiser and kind of generator.
    KeyboardInterrupt
        Ctrl-C was pressed. The step is finished and the checkpoint written first; a second Ctrl-C
        stops at once.
    """
    optimiser = check_parts(model, optimiser)
    check_functions(clip, schedule=schedule, validate=validate, until=until, callback=callback)
    batch, ended = source(batch, data, epochs)
    if ended is not None:
        steps = ended if steps is None else min(steps, ended)
    check_budget(steps, seconds, epochs, every, restart, patience, validate is not None)
    check_checkpoint(path, rng)
    check_way(target)
    resumed = path is not None and Path(path).exists()
    asked = optimiser.settings()
    run = load_run(path, model, optimiser, rng, state) if path and resumed else Run(state=state)
    if resumed and progress:
        print(f"fit: {path} exists, the run goes on from step {run.step}", file=sys.stderr)
    if differs := settle(run, optimiser, asked):
        say(differs, wanted=progress)
    clipped = clip if callable(clip) else lambda ps, _: clip_grad_norm(ps, clip)
    gradients = TrainingStep(model, _loss, target, run, partial(say, wanted=progress))
    if forgotten := untrained(model, optimiser):
        say(forgotten, wanted=progress)
    begun, classes = run.step, classes_in(state)
    start, tokens, saved = time.perf_counter(), 0, run.step if resumed else -1
    by_time = steps is None and seconds is not None
    total = seconds if seconds is not None and by_time else math.inf if steps is None else steps
    unit = "s" if by_time else "steps"

    with progress_bar(total, unit, progress) as show, interruptible() as interrupted:
        while not _over(run, steps, seconds, time.perf_counter() - start, patience):
            if _is_done(until, run):
                break
            with _at_step(run.step):
                if isinstance(schedule, Plateau):
                    optimiser.lr = schedule.rate([score for _, score in run.scores])
                elif schedule is not None:
                    optimiser.lr = number("schedule", schedule(run.step))
                if restart is not None and run.step % restart == 0:
                    run.state = state
                x = batch(run.step)
                if x is END:
                    break
                optimiser.zero_grad()
                kept = path is not None and (run.step + 1) % every == 0
                loss, after = gradients(x, run.state, kept=kept)
                if path is not None and run.step == begun:
                    packed(after, [], classes)  # refuses a state that no checkpoint can hold
                norm = number("clip", clipped(optimiser.parameters, run.step))
                _check_finite(loss, norm)
                optimiser.step()
            run.losses.append(loss)
            run.norms.append(norm)
            run.state = after
            run.step += 1

            if run.step % every == 0:
                if validate is not None:
                    _judge(run, model, validate)
                if path is not None:
                    save_run(path, run, model, optimiser, rng, state)
                    saved = run.step
            if progress:
                tokens += _tokens(x)
            passed = time.perf_counter() - start
            show(run.step if unit == "steps" else passed, partial(_words, run, tokens / passed))
            if callback is not None:
                with _at_step(run.step), no_grad():
                    callback(run)
            if interrupted():
                break
    gradients.settle()
    if path is not None and saved != run.step:
        save_run(path, run, model, optimiser, rng, state)
    if interrupted():
        kept = "" if path is None else f"; {path} holds it, and the same call goes on from there"
        raise KeyboardInterrupt(f"fit: stopped after {run.step} steps{kept}")
    if run.best:
        model.load_state_dict(run.best)
    return run


def _over(
    run: Run, steps: int | None, seconds: float | None, passed: float, patience: int | None
) -> bool:
    return (
        (steps is not None and run.step >= steps)
        or (seconds is not None and passed >= seconds)
        or (patience is not None and run.waited >= patience)
    )


def _is_done(until: Callable[[Run], bool] | None, run: Run) -> bool:
    """True if the rule of success holds; never before the first step."""
    if until is None or not run.step:
        return False
    with _at_step(run.step), no_grad():
        found = until(run)
        if not isinstance(found, (bool, np.bool_)):
            raise TypeError(f"fit: until gave a {type(found).__name__}, expected True or False.")
    return bool(found)


def _tokens(batch: tuple[Any, ...]) -> int:
    """Steps times sequences, if the first argument of a batch is an array (T, batch, …)."""
    x = values(batch[0]) if batch else None
    return math.prod(x.shape[:2]) if isinstance(x, np.ndarray) else 0


def _loss(model: Any, batch: tuple[Any, ...], state: Any) -> tuple[Tensor, Any]:
    if not isinstance(batch, tuple):
        raise TypeError(
            "fit: batch(step) gives the arguments of model.loss as a tuple, got a "
            f"{type(batch).__name__}; of one argument it is (x,)."
        )
    found = model.loss(*batch) if state is None else model.loss(*batch, state)
    loss, state = found if type(found) is tuple and len(found) == 2 else (found, None)
    if type(loss) is not Tensor:
        raise TypeError(
            f"fit: model.loss gave a {type(loss).__name__}, expected a recorded scalar Tensor, or "
            "a pair of it and the state to carry on. Is every parameter an array (frozen)?"
        )
    return loss, state


@contextmanager
def _at_step(step: int) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        error.add_note(f"fit: at step {step}")
        raise


def _check_finite(loss: float, norm: float) -> None:
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise ValueError(
            f"fit: expected finite numbers, got the loss {loss} and the gradient norm {norm}. The "
            "parameters are those before the step. Run it inside detect_anomaly() to see where it "
            "comes from, or try a smaller learning rate."
        )


def _judge(run: Run, model: Module, validate: Callable[[], float]) -> None:
    with _at_step(run.step), no_grad():
        score = number("validate", validate())
        if math.isnan(score):
            raise ValueError("fit: validate gave NaN, which is not a score. Is its data empty?")
    run.scores.append((run.step, score))
    if run.waited == 0:
        run.best = model.state_dict()


def _words(run: Run, rate: float) -> str:
    loss = sum(run.losses[-50:]) / len(run.losses[-50:])
    return f"loss {loss:.3f}, |gradient| {run.norms[-1]:.2f}, {rate:,.0f} tokens/s"
