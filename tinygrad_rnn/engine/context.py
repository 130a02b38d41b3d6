"""Where and when is an operation recorded, and who looks on?

Three things are known while an operation runs: whether it is recorded at all, the *scope* it
belongs to ("lstm · t = 3"), and the observers, who see it and may answer in its place. They live in
one context variable, so two threads (or two asyncio tasks) that record at once do not see each
other.

A generator can be suspended inside a block, so blocks do not always close in reverse order. Each
block takes out what it put in, wherever that stands by now; none restores what it once found.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_rnn.engine.decorator import decorated

__all__ = [
    "Context",
    "Frame",
    "Observer",
    "context",
    "describe",
    "no_grad",
    "recorded_again",
    "scope",
]


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


@dataclass(slots=True)  # not frozen, which would make it three times as slow; never changed
class Context:
    """What holds while an operation runs.

    `observers` look on, the innermost first. They and `recording` follow from `blocks`: the open
    ``no_grad()``, ``detect_anomaly()`` and others, in the order in which they were opened.
    """

    recording: bool = True
    scope: tuple[Frame, ...] = ()
    observers: tuple[Observer, ...] = ()
    blocks: tuple[Block, ...] = ()

    def at(self, scope: tuple[Frame, ...]) -> Context:
        """The same in another scope."""
        return Context(self.recording, scope, self.observers, self.blocks)

    def inside(self, blocks: tuple[Block, ...]) -> Context:
        """The same with these blocks open, and no others."""
        now = Context(True, self.scope, (), blocks)
        for block in blocks:
            block.opened(now)
        return now


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
        context.set(now.at(_without(now.scope, self._frame)))


class Block:
    """A block that says how operations inside run; also a decorator of functions.

    A generator function runs inside the block while it computes, and not while it is suspended.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        now = context.get()
        context.set(now.inside((*now.blocks, self)))

    def __exit__(self, *_: object) -> None:
        now = context.get()
        if self not in now.blocks:  # a generator was closed in another thread
            return
        context.set(now.inside(_without(now.blocks, self)))

    def opened(self, now: Context) -> None:
        """Make `now`, which holds outside, what holds inside."""
        raise NotImplementedError

    def __call__(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """`f`, run inside the block at every call."""
        return decorated(f, self)


class no_grad(Block):
    """Compute without recording: results are Tensors without history, as ``.detach()`` gives.

    Works as a ``with`` block and as a decorator, of generator functions as well. Python numbers and
    arrays give arrays, as everywhere.

    Examples
    --------
    >>> from tinygrad_rnn import Tensor
    >>> with no_grad():
    ...     y = Tensor(2.0) * 3
    >>> y.op is None
    True
    """

    __slots__ = ()

    def opened(self, now: Context) -> None:  # noqa: D102
        now.recording = False


class Observer(Block):
    """Sees each operation on Tensors inside the block, and may answer in its place.

    What is not overridden lets everything go on as it would. Several observers nest: an operation
    comes to the innermost first, which hands it on to those `outside`.
    """

    __slots__ = ()

    def opened(self, now: Context) -> None:  # noqa: D102
        now.observers = (self, *now.observers)

    def result(
        self,
        op: Any,
        inputs: tuple[Any, ...],
        arrays: list[Any],
        options: dict[str, Any],
        outside: tuple[Observer, ...],
    ) -> Any:
        """The array that a primitive gives, to be recorded; or a Tensor, which is then the answer.

        `arrays` are the values of its `inputs`.
        """
        if outside:
            return outside[0].result(op, inputs, arrays, options, outside[1:])
        return op.forward(*arrays, **options)

    def recorded(self, out: Any) -> None:
        """Called with each Tensor that an operation gave."""

    def watcher(self) -> Callable[[Any, int | None, Any, Any], None] | None:
        """Who is told of each gradient as it flows (see `backward.Watcher`), or None."""

    def asked(self, question: str, *operands: Any) -> Any:
        """The answer to what asks Tensors for values, or None to let them answer themselves.

        A question is ``"values"``, ``"item"``, ``"if"`` or the name of a comparison, as ``"less"``.
        """


def recorded_again(now: Context) -> Context:
    """`now` outside of every ``no_grad()``: for what is recorded to be differentiated at once."""
    return now.inside(tuple([block for block in now.blocks if type(block) is not no_grad]))


def _without(entries: tuple[Any, ...], entry: Any) -> tuple[Any, ...]:
    """`entries` without the last that is `entry`; as they are, if none is."""
    for k in reversed(range(len(entries))):
        if entries[k] is entry:
            return entries[:k] + entries[k + 1 :]
    return entries


def describe(frames: tuple[Frame, ...]) -> str:
    """A scope in words, outermost first: ``"encoder · lstm · t = 3"``; empty outside of all."""
    return " · ".join(map(str, frames))
