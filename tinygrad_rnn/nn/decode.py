"""How does a network generate a sequence?

At each step it reads its own last output, or in training the target in its place: always (teacher
forcing), never (free running), or with some probability (scheduled sampling).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_rnn.engine.context import scope
from tinygrad_rnn.engine.primitives import astype, max, min, reshape, where
from tinygrad_rnn.engine.recorder import draw, recorder
from tinygrad_rnn.engine.tensor import Tensor, named, values
from tinygrad_rnn.nn.arguments import check_generator, check_probability, check_sizes

__all__ = ["decode", "most_likely"]


def most_likely(scores: Any) -> Any:
    """The symbol with the highest score, as an integer; the first if several are equal."""
    if recorder() is None or type(scores) is not Tensor:
        return np.argmax(values(scores), axis=-1)
    n = scores.shape[-1]  # a program finds the symbol at each call
    highest = scores == max(scores, axis=-1, keepdims=True)
    first = min(where(highest, np.arange(float(n)), float(n)), axis=-1)
    return astype(first, dtype=np.int64)


def decode(
    step: Callable[[Any, Any], tuple[Any, Any]],
    start: Any,
    state: Any,
    targets: Any = None,
    *,
    steps: int | None = None,
    teacher: float = 1.0,
    choose: Callable[[Any], Any] = most_likely,
    rng: np.random.Generator | None = None,
    name: str = "decoder",
) -> tuple[list[Tensor], Any]:
    """Call `step` again and again, starting with the input `start`.

    Parameters
    ----------
    step
        ``y, state = step(x, state)``: the next output y from the input x.
    start
        The first x, (*batch) symbols or (*batch, features).
    state
        The state before the first step, e.g. the last state of an encoder.
    targets
        The right outputs, (T, *batch) or (T, *batch, features); needed unless `teacher` is 0.
    steps
        How many outputs to write; as many as there are `targets` by default.
    teacher
        Probability in [0, 1] that the next input is the target and not the last output: 1 is
        teacher forcing (Williams & Zipser 1989), 0 free running, and a value between them scheduled
        sampling (Bengio et al. 2015), drawn for each example and step from `rng`.
    choose
        A function from y to the next input: by default the most likely symbol, which passes no
        gradient. ``lambda y: y`` feeds numbers back, with their gradient.
    rng
        Generator for scheduled sampling.
    name
        Name of the scope of each step.

    Returns
    -------
    ys, state
        The list of outputs y (e.g. scores), and the state after the last step.

    Raises
    ------
    ValueError, TypeError
        Neither `targets` nor `steps` is given; there are too few targets, or they have another
        shape; a generator is missing.
    """
    if steps is None and targets is None:
        raise ValueError("decode: pass targets, or steps= to say how much to write.")
    if targets is not None and not isinstance(targets, (Tensor, np.ndarray, list, tuple)):
        raise TypeError(
            "decode: expected targets as an array, Tensor or list of what should be written, time "
            f"first, got {type(targets).__name__}. Turn a generator into a list."
        )
    T = steps if steps is not None else 0 if targets is None else len(targets)
    check_sizes("decode", steps=T)
    check_probability("decode", "teacher", teacher, one=True)
    if targets is None:
        teacher = 0.0
    elif teacher and len(targets) < T - 1:
        raise ValueError(
            f"decode: {T} steps need {T - 1} targets to read, got {len(targets)}. Write fewer, or "
            "run free with teacher=0."
        )
    check_generator("decode", rng)
    if 0 < teacher < 1 and rng is None:
        raise TypeError(
            f"decode: teacher={teacher} draws the inputs at random; pass rng=, a generator."
        )
    x: Any = start
    ys: list[Any] = []
    for t in range(T):
        with scope(name, t=t) as frame:
            if isinstance(x, np.ndarray):
                frame.arrays["x"] = x
            y, state = step(x, state)
            ys.append(y)
            if t < T - 1:
                x = _next(y, None if targets is None else targets[t], teacher, choose, rng)
    return ys, state


def _next(
    y: Any,
    target: Any,
    teacher: float,
    choose: Callable[[Any], Any],
    rng: np.random.Generator | None,
) -> Any:
    """The input of the next step, after the output `y`."""
    if teacher == 1:
        return target
    written = choose(y)
    if rng is None or not teacher:
        return written
    batch = np.shape(values(y))[:-1]
    trusted = named(trusted=draw(rng, batch) < teacher)
    if np.shape(values(target)) != np.shape(values(written)):
        raise ValueError(
            f"decode: expected targets of shape {np.shape(values(written))} per step, like what is "
            f"chosen to be read next, got {np.shape(values(target))}. Time comes first."
        )
    missing = np.ndim(values(written)) - len(batch)
    if missing:
        trusted = reshape(trusted, shape=(*batch, *(1,) * missing))
    return where(trusted, target, written)
