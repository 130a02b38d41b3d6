"""How does a cell run through time?

A cell is any object that can be called as ``state = cell(x, state)``. `unroll` calls it once per
step, each time inside a scope that says which step it is, and what is recorded is the unrolled
graph. Nothing here knows any cell.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np

from tinygrad_rnn.engine.context import scope
from tinygrad_rnn.engine.tensor import Tensor, values

__all__ = ["Cell", "unroll"]


@runtime_checkable
class Cell(Protocol):
    """What `unroll` asks of a cell; it need not inherit from anything.

    ``cell(x, state)`` gives the next state. ``initial_state(*batch)`` gives the first one (not
    needed if one is passed to `unroll`). A method ``output(state)`` picks the part that others see;
    without it that is the state itself, or its first part if the state is a tuple.
    """

    def __call__(self, x: Any, state: Any) -> Any:
        """The state after `x`."""

    def initial_state(self, *batch: int) -> Any:
        """The state before the first input."""


def unroll(
    cell: Any, xs: Any, state: Any = None, *, name: str | None = None
) -> tuple[list[Any], Any]:
    """Run `cell` through the sequence `xs`, recording one copy of it per step.

    Parameters
    ----------
    cell
        A cell (see `Cell`): from this package, or any object of your own.
    xs
        Inputs, time first: an array or Tensor (T, batch, features), or (T, features) without a
        batch, or a list of T inputs. Integers are symbols: (T, batch).
    state
        The state before the first step; ``cell.initial_state(batch)`` by default. Pass a detached
        state to carry it from batch to batch.
    name
        What the scope of each step is called; the cell's class in lower case without "Cell" by
        default.

    Returns
    -------
    outputs, state
        A list of T outputs (`stack` makes one Tensor of them), and the state after the last step.

    Raises
    ------
    TypeError, ValueError
        `xs` is no sequence, is empty, or has not the features the cell expects.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> outputs, (h, c) = nn.unroll(nn.LSTMCell(3, 4, rng=0), np.zeros((5, 2, 3)))
    >>> len(outputs), outputs[-1] is h, h.scope[0].name, h.scope[0].t
    (5, True, 'lstm', 4)
    """
    _check(cell, xs, state)
    if name is None:
        name = _name(cell)
    output = getattr(cell, "output", _first)
    outputs = []
    for t in range(len(xs)):
        with scope(name, t=t) as frame:
            x = xs[t]
            if type(x) is Tensor:
                x.name = x.name or "x"
            else:
                x = frame.arrays["x"] = np.asarray(x)
            if state is None:
                state = cell.initial_state(*_batch(x))
            state = cell(x, state)
            outputs.append(output(state))
    return outputs, state


def _first(state: Any) -> Any:
    return state[0] if isinstance(state, (tuple, list)) else state


def _check(cell: Any, xs: Any, state: Any) -> None:
    if not isinstance(xs, (Tensor, np.ndarray, list, tuple)):
        raise TypeError(
            "unroll: expected xs as an array or Tensor (T, batch, features) or a list of T inputs, "
            f"got {type(xs).__name__}. A generator can be used up only once: make it a list."
        )
    if not getattr(xs, "ndim", 1) or not len(xs):
        raise ValueError(
            f"unroll: expected at least one time step, got xs of shape {np.shape(values(xs))}; "
            "time comes first."
        )
    if state is None and not hasattr(cell, "initial_state"):
        raise TypeError(
            f"unroll: {getattr(cell, '__name__', type(cell).__name__)} has no initial_state(*batch)"
            " that would give the first state. Write one, or pass state=."
        )
    first, expected = values(values(xs)[0]), getattr(cell, "input_size", None)
    shape = np.shape(first)
    symbols = np.asarray(first).dtype.kind in "iu"
    if expected is not None and not symbols and shape[-1:] != (expected,):
        raise ValueError(
            f"unroll: {type(cell).__name__} expects {expected} features per step, got xs of shape "
            f"{(len(xs), *shape)}. Time comes first, features last: (T, batch, {expected})."
        )


def _batch(x: Any) -> tuple[int, ...]:
    return x.shape if x.dtype.kind in "iu" else x.shape[:-1]


def _name(cell: Any) -> str:
    name = getattr(cell, "__name__", type(cell).__name__)
    return name.removesuffix("Cell").lower() if name not in ("Cell", "<lambda>") else "cell"
