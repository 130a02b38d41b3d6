"""Where and when is an operation recorded, and who looks on?

Three things are known while an operation runs: whether it is recorded at all, the *scope* it
belongs to ("lstm · t = 3"), and the observers, who see it and may answer in its place. They live in
one context variable, so two threads (or two asyncio tasks) that record at once do not see each
other. What sets them is a ``with`` block: `scope` here, ``no_grad()`` and observers in `blocks`.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Context", "Frame", "answer", "context", "describe", "scope", "without"]


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


@dataclass(slots=True)  # not frozen, which would make it three times as slow; yet never changed
class Context:
    """What holds while an operation runs.

    `observers` look on, the innermost first. They and `recording` follow from `blocks`: those that
    are open, in the order in which they were opened.
    """

    recording: bool = True
    scope: tuple[Frame, ...] = ()
    observers: tuple[Any, ...] = ()
    blocks: tuple[Any, ...] = ()

    def at(self, scope: tuple[Frame, ...]) -> Context:
        """The same in another scope."""
        return Context(self.recording, scope, self.observers, self.blocks)


context: ContextVar[Context] = ContextVar("context", default=Context())  # noqa: B039


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
        now = context.get()
        context.set(now.at((*now.scope, self._frame)))
        return self._frame

    def __exit__(self, *_: object) -> None:
        now = context.get()
        context.set(now.at(without(now.scope, self._frame)))


def without(entries: tuple[Any, ...], entry: Any) -> tuple[Any, ...]:
    """`entries` without the last that is `entry`; as they are, if none is.

    Blocks do not always close in reverse order: a generator can be suspended inside of one. So each
    takes out what it put in, wherever that stands by now; none restores what it once found.
    """
    for k in reversed(range(len(entries))):
        if entries[k] is entry:
            return entries[:k] + entries[k + 1 :]
    return entries


def answer(question: str, *operands: Any) -> Any:
    """The answer of the innermost observer that has one, or None."""
    for observer in context.get().observers:
        found = observer.asked(question, *operands)
        if found is not None:
            return found
    return None


def describe(frames: tuple[Frame, ...]) -> str:
    """A scope in words, outermost first: ``"encoder · lstm · t = 3"``; empty outside of all."""
    return " · ".join(map(str, frames))
