"""What do all wrappers of a cell have in common?"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np

from tinygrad_rnn.nn.arguments import check_cell
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.nn.state import output_of

__all__ = ["Wrapper"]


class Wrapper(Module):
    """Base of wrappers: sizes, first state, output and draws are those of the cell inside."""

    def __init__(self, cell: Any) -> None:
        check_cell(type(self).__name__, cell)
        self.around = cell

    @property
    def input_size(self) -> int | None:
        """Features per input, if the cell says it."""
        return getattr(self.around, "input_size", None)

    def initial_state(self, *batch: int) -> Any:
        """The first state of the cell inside."""
        return self.around.initial_state(*batch)

    def output(self, state: Any) -> Any:
        """The output of the cell inside."""
        return output_of(self.around, state)

    def __call__(self, x: Any, state: Any) -> Any:
        """The next state, without random draws."""
        return self.around(x, state)

    def once(self) -> Any:
        """The wrapper around ``cell.once()``, see `Cell`."""
        if not hasattr(self.around, "once"):
            return self
        twin = copy(self)
        twin.around = self.around.once()
        return twin

    def sample(self, rng: np.random.Generator, x: Any, state: Any) -> Any:
        """The function to call in training: the cell inside with its draws, if it has any."""
        inside = self.around
        return inside.sample(rng, x, state) if hasattr(inside, "sample") else inside
