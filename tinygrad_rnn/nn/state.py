"""Which functions work on a state with any parts?

A state is an array or a Tensor, or states in a tuple, list, dict … (see `engine.tree`). A module in
it goes on as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from tinygrad_rnn.engine import tree
from tinygrad_rnn.engine.tensor import Tensor, named

__all__ = [
    "detach",
    "each",
    "first",
    "flows",
    "output_of",
    "parts",
    "relabelled",
    "replaced",
    "through",
]

State = TypeVar("State")


def each(f: Callable[..., Any], *states: Any) -> Any:
    """``f`` of the parts of one state, or of corresponding parts of several with equal structure.

    Examples
    --------
    >>> each(lambda new, old: new - old, (5, 7), (1, 2))
    (4, 5)
    """
    return tree.map(f, *states, is_leaf=tree.registered)


def parts(state: Any) -> list[Any]:
    """All parts of a state in their order."""
    return tree.leaves(state, is_leaf=tree.registered)


def first(state: Any) -> Any:
    """The default output of a state: itself, or its first part (h of the pair h, c)."""
    return state[0] if isinstance(state, (tuple, list)) else state


def output_of(cell: Any, state: Any) -> Any:
    """The output of a cell in this state: by its method ``output``, or else the `first` part."""
    return getattr(cell, "output", first)(state)


def detach(state: State) -> State:
    """The values of a state without its history: carried to the next batch, no gradient goes back.

    Within one record use `truncate` of `unroll`: its cuts stay visible.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_rnn import nn
    >>> cell, state = nn.LSTMCell(3, 4, rng=0), None
    >>> for batch in np.zeros((2, 5, 1, 3)):
    ...     outputs, state = nn.unroll(cell, batch, state)
    ...     state = detach(state)
    >>> [part.op for part in state]
    [None, None]
    """
    return replaced(state, {x: x.detach() for x in parts(state) if type(x) is Tensor})


def replaced(state: Any, fresh: dict[Tensor, Tensor]) -> Any:
    """The state with Tensors replaced as `fresh` says; a Tensor used twice is replaced by one."""

    def part(x: Any) -> Any:
        return fresh.get(x, x) if type(x) is Tensor else x

    return each(part, state)


def relabelled(x: Any, like: Any) -> Any:
    """`x` with the letter of `like`: a mixture of h and the previous h is named h, too."""
    return named(**{like.name: x}) if type(like) is Tensor and like.name else x


def flows(x: Any) -> bool:
    """True if a gradient can flow through: a Tensor of floats."""
    return type(x) is Tensor and x.dtype.kind == "f"


def through(f: Callable[[Any], Any], state: Any) -> Any:
    """`f` of the parts that a gradient can flow through, which keep their names."""
    fresh = {x: f(x) for x in parts(state) if flows(x)}
    for x, y in fresh.items():
        y.name = x.name
    return replaced(state, fresh)
