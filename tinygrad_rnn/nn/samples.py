"""With which small samples is a class of cells tested and drawn?

A class of cells makes its samples in the classmethod `samples`. Tests, the gallery, README's table
and the site list the public classes that have one, with `cells_of`.
"""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

import numpy as np

from tinygrad_rnn.nn.state import each

__all__ = ["Sample", "cells_of", "sampled"]

Sample = tuple[Any, np.ndarray, Any]  # a cell, inputs (T, batch, …) and a state (batch, …)


def sampled(cell: Any, features: int = 0, space: tuple[int, ...] = ()) -> Sample:
    """The cell, random inputs of 3 steps for 2 examples, and a random state; counters stay 0.

    Parameters
    ----------
    cell
        Any cell with a first state.
    features
        The last axis of the inputs; the cell's `input_size` by default.
    space
        Axes between the examples and the features.

    Raises
    ------
    ValueError
        The cell has no `input_size`, and `features` is not given.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> cell, xs, (h, c) = sampled(nn.LSTMCell(3, 4, rng=0))
    >>> xs.shape, h.shape, cell(xs[0], (h, c))[0].shape
    ((3, 2, 3), (2, 4), (2, 4))
    """
    rng, features = np.random.default_rng(1), features or getattr(cell, "input_size", 0)
    if not features:
        raise ValueError(
            f"sampled: {type(cell).__name__} has no input_size. Say how many features its inputs "
            "have: sampled(cell, features=3)."
        )
    xs = rng.standard_normal((3, 2, *space, features))

    def drawn(a: Any) -> Any:
        return rng.standard_normal(a.shape).astype(a.dtype) if a.dtype.kind == "f" else a

    return cell, xs, each(drawn, cell.initial_state(2, *space))


def cells_of(room: ModuleType) -> dict[str, type]:
    """The public classes of a module that can be called and have `samples`, by name.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> cells_of(nn)["GRUCell"] is nn.GRUCell, "GatedCell" in cells_of(nn)
    (True, False)
    """
    shown = {name: getattr(room, name) for name in room.__all__}
    return {
        name: x
        for name, x in shown.items()
        if inspect.isclass(x)
        and hasattr(x, "samples")
        and any("__call__" in vars(c) for c in x.__mro__)
    }
