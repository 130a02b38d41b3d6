"""Where and when is an operation recorded?

Four things are known while an operation runs: whether it is recorded at all, the *scope* it
belongs to ("lstm · t = 3"), whether NaN and infinity are hunted, and the recorder of a program, if
the record is to become one. They live in one context variable, so two threads (or two asyncio
tasks) that record at once do not see each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from tinygrad_rnn.engine.recorder import Recorder

__all__ = ["Context", "Frame", "context", "describe", "detect_anomaly", "no_grad", "scope"]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One ``with scope(...)`` around an operation, or the mark of a gradient.

    Attributes
    ----------
    name
        What the code inside is, e.g. ``"lstm"``; ``"backward"`` for operations of a recorded
        gradient.
    t
        The time step, counted from 0, or None outside of time.
    arrays
        Constants by the letter they go by inside, e.g. ``{"x": x_t}``: what is not a Tensor has no
        name of its own.
    of, argument
        Of a recorded gradient: the serial number of the node that is differentiated, and which
        argument of it.
    """

    name: str
    t: int | None = None
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    of: int | None = None
    argument: int | None = None

    def __str__(self) -> str:
        if self.of is not None:
            return "backward" if self.argument is None else f"backward to argument {self.argument}"
        return self.name if self.t is None else f"{self.name} · t = {self.t}"


class Context(NamedTuple):
    """What holds while an operation runs.

    A record is for derivatives. With a `recorder` it becomes a program: comparisons are in it too,
    as Tensors of bool, nothing is left out to be computed again, and all steps of time are alike.
    """

    recording: bool
    scope: tuple[Frame, ...]
    anomaly: bool
    recorder: Recorder | None


context: ContextVar[Context] = ContextVar("context", default=Context(True, (), False, None))  # noqa: B039


class scope:
    """Say where and when the operations inside are: ``with scope("lstm", t=3): ...``.

    Parameters
    ----------
    name
        What runs here, e.g. ``"lstm"`` or ``"loss"``.
    t
        The time step, counted from 0.
    **arrays
        Plain arrays (constants) under the letter that pictures and errors shall use for them:
        ``x=x_t``.

    Examples
    --------
    >>> from tinygrad_rnn import Tensor, scope, tanh
    >>> with scope("rnn", t=3):
    ...     h = tanh(Tensor([0.0, 1.0]))
    >>> [str(frame) for frame in h.scope]
    ['rnn · t = 3']
    """

    __slots__ = ("_frame",)

    def __init__(self, name: str, t: int | None = None, **arrays: object) -> None:
        named = {letter: x for letter, x in arrays.items() if isinstance(x, np.ndarray)}
        self._frame = Frame(name, t, named)

    def __enter__(self) -> Frame:
        recording, frames, anomaly, recorder = context.get()
        context.set(Context(recording, (*frames, self._frame), anomaly, recorder))
        return self._frame

    def __exit__(self, *_: object) -> None:
        recording, frames, anomaly, recorder = context.get()  # a token would serve one entry only
        context.set(Context(recording, frames[:-1], anomaly, recorder))


@contextmanager
def no_grad() -> Iterator[None]:
    """Compute without recording: results are Tensors without history, as ``.detach()`` gives.

    Works as a ``with`` block and as a decorator. Python numbers and arrays give arrays, as
    everywhere.
    """
    token = context.set(context.get()._replace(recording=False))
    try:
        yield
    finally:
        context.reset(token)


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Stop at the first NaN or infinity, forward or backward, and say where it arose.

    Every result is looked at, so a step takes longer: for hunting, not for training.

    Raises
    ------
    FloatingPointError
        Inside the block, by the operation (or the derivative rule) whose result is not finite.
    """
    token = context.set(context.get()._replace(anomaly=True))
    try:
        yield
    finally:
        context.reset(token)


def describe(frames: tuple[Frame, ...]) -> str:
    """A scope in words, outermost first: ``"encoder · lstm · t = 3"``; empty outside of all."""
    return " · ".join(map(str, frames))
