"""What does a record keep of a primitive?

With it `tensor`, which is read before `primitive`, can name the type of ``Tensor.op``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from tinygrad_rnn.engine import messages
from tinygrad_rnn.engine.kinds import Kind, Linear
from tinygrad_rnn.engine.operators import OPS

__all__ = ["Operation"]


class Operation:
    """A primitive as a record keeps it: how it is called, and what is known of it.

    It is one object, wherever it is copied or loaded: a pickle has its name alone.

    Attributes
    ----------
    name, symbol
        Its name, and its sign in formulas and pictures if it has one.
    forward, arity
        The function on arrays, and how many inputs it takes; None for any number.
    kind, linear
        Its kind, and the groups of inputs in which it is linear; see `engine.kinds`.
    """

    name: str
    symbol: str
    forward: Callable[..., Any]
    arity: int | None
    kind: Kind
    linear: Linear

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Compute, and record if there is a Tensor among the inputs."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: Any) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        find = OPS["find"]
        if find(self.name) is not self:
            raise LookupError(messages.hidden(self.name))
        return find, (self.name,)
