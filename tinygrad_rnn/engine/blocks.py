"""Who looks on, and who says that nothing is recorded?

A block, ``with no_grad():`` or an observer, says how the operations inside of it run. Blocks may be
closed in any order (see `without` in `context`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_rnn.engine.context import Context, context, without
from tinygrad_rnn.engine.decorator import decorated

__all__ = ["Block", "Observer", "answer", "no_grad", "opened", "recording_again"]


def opened(now: Context, blocks: tuple[Block, ...]) -> Context:
    """`now`, with these blocks open and no others."""
    inside = Context(True, now.scope, (), blocks)
    for block in blocks:
        inside = block.inside(inside)
    return inside


class Block:
    """A block that says how operations inside run; also a decorator of functions.

    A generator function runs inside the block while it computes, and not while it is suspended.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        now = context.get()
        context.set(opened(now, (*now.blocks, self)))

    def __exit__(self, *_: object) -> None:
        now = context.get()
        if self not in now.blocks:  # a generator was closed in another thread
            return
        context.set(opened(now, without(now.blocks, self)))

    def inside(self, now: Context) -> Context:
        """The context inside the block, given the one outside."""
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

    def inside(self, now: Context) -> Context:  # noqa: D102
        return Context(False, now.scope, now.observers, now.blocks)


class Observer(Block):
    """Sees each operation on Tensors inside the block, and may answer in its place.

    Methods that are not overridden change nothing. Several observers nest: an operation comes to
    the innermost first, which hands it on to those `outside`.
    """

    __slots__ = ()

    def inside(self, now: Context) -> Context:  # noqa: D102
        return Context(now.recording, now.scope, (self, *now.observers), now.blocks)

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
        """A function that is told of each gradient as it flows (`watchers.Watcher`), or None."""

    def asked(self, question: str, *operands: Any) -> Any:
        """The answer to a question about the values of Tensors, or None to let them answer.

        A question is ``"values"``, ``"item"``, ``"if"`` or the name of a comparison, as ``"less"``.
        """


def answer(question: str, *operands: Any) -> Any:
    """The answer of the innermost observer that has one, or None."""
    for observer in context.get().observers:
        found = observer.asked(question, *operands)
        if found is not None:
            return found
    return None


def recording_again(now: Context) -> Context:
    """`now` outside of every ``no_grad()``: for what is recorded to be differentiated at once."""
    return opened(now, tuple([block for block in now.blocks if type(block) is not no_grad]))
