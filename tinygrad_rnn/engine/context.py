"""Where and when is an operation recorded, and who looks on?

Three things are known while an operation runs: whether it is recorded at all, the *scope* it
belongs to ("lstm · t = 3"), and the observers, who see it and may answer in its place. They live in
one context variable, so two threads (or two asyncio tasks) that record at once do not see each
other. ``with`` blocks set them: `scope` here, ``no_grad()`` and observers in `blocks`.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Context", "Frame", "context", "scope", "without"]


@dataclass(slots=True, eq=False)  # never changed; frozen, it would take four times as long to make
class Frame:
    """One ``with scope(...)`` around an operation, a call of a function, or a gradient's mark.

    Attributes
    ----------
    name
        Of the code inside, e.g. ``"lstm"``; ``"backward"`` for operations of a recorded gradient.
    t
        The time step, counted from 0, or None outside of time.
    arrays
        The letters of constants inside, e.g. ``{"x": x_t}``: an array has no name of its own.
    of, argument
        Of a recorded gradient: the serial number of the node that is differentiated, and the number
        of the argument.
    call
        Of a call of a `composite` function, its arguments and results; such a frame has no time.
    """

    name: str
    t: int | None = None
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    of: int | None = None
    argument: int | None = None
    call: Any = None

    def __str__(self) -> str:
        if self.of is not None:
            return "backward" if self.argument is None else f"backward to argument {self.argument}"
        return self.name if self.t is None else f"{self.name} · t = {self.t}"


@dataclass(slots=True)  # never changed, as Frame
class Context:
    """The conditions an operation runs under: recording, scope, and observers, innermost first.

    The open `blocks` decide on recording and observers.
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
        Of the code inside, e.g. ``"lstm"`` or ``"loss"``.
    t
        The time step, counted from 0.
    **arrays
        Plain arrays (constants) by the letter they have in pictures and errors: ``x=x_t``.

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
    block takes out its own entry, wherever that stands by now.
    """
    for k in reversed(range(len(entries))):
        if entries[k] is entry:
            return entries[:k] + entries[k + 1 :]
    return entries
