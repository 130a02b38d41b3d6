"""What can be put around any cell?

A wrapper is a cell that holds another in `around`; wrappers go around wrappers. Called, it is what
it is when tested. Where it draws at random in training it has ``sample(rng, x, state)``, which
`unroll` asks once per sequence if it is given ``rng=``: there is no hidden mode.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any

import numpy as np

from tinygrad_rnn.engine.primitives import broadcast_to, pass_gradient, where
from tinygrad_rnn.engine.recorder import draw
from tinygrad_rnn.engine.tensor import Tensor, named, shaped, values
from tinygrad_rnn.nn.arguments import check_cell, check_probability, is_number
from tinygrad_rnn.nn.dropout import drop_mask
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.nn.state import each, first, output_of, relabelled, through

__all__ = ["ClippedGradient", "LearnedState", "VariationalDropout", "Wrapper", "Zoneout"]


class Wrapper(Module):
    """Base: sizes, first state, output and draws are those of the cell inside."""

    def __init__(self, cell: Any) -> None:
        check_cell(type(self).__name__, cell)
        self.around = cell

    @property
    def input_size(self) -> int | None:
        """Features per input, if the cell says it."""
        return getattr(self.around, "input_size", None)

    def initial_state(self, *batch: int) -> Any:
        """That of the cell inside."""
        return self.around.initial_state(*batch)

    def output(self, state: Any) -> Any:
        """What others see of the state."""
        return output_of(self.around, state)

    def __call__(self, x: Any, state: Any) -> Any:
        """The next state, nothing drawn."""
        return self.around(x, state)

    def once(self) -> Any:
        """The same around the cell inside, with what depends on parameters alone computed."""
        if not hasattr(self.around, "once"):
            return self
        twin = copy(self)
        twin.around = self.around.once()
        return twin

    def sample(self, rng: np.random.Generator, x: Any, state: Any) -> Any:
        """What to call in training: the cell inside with its draws, if it has any."""
        inside = self.around
        return inside.sample(rng, x, state) if hasattr(inside, "sample") else inside


class Zoneout(Wrapper):
    """Each unit keeps its old value with probability `p` (Krueger et al. 2017, eq. 5).

    ``h' = mask*h + (1-mask)*h'`` in training, a new mask at each step; ``p*h + (1-p)*h'`` in
    testing.

    Parameters
    ----------
    cell
        The cell around which it goes.
    p
        In [0, 1]; for a state of several parts one number for all or one for each, e.g. for the
        LSTM's (h, c) the paper's ``(0.05, 0.5)``.

    Raises
    ------
    ValueError
        A probability lies outside.
    """

    def __init__(self, cell: Any, p: float | tuple[float, ...]) -> None:
        super().__init__(cell)
        for one in p if isinstance(p, tuple) else (p,):
            check_probability("Zoneout", "p", one, one=True)
        self.p = p

    def __call__(self, x: Any, state: Any) -> Any:
        """The expected next state."""

        def expected(p: float, new: Any, old: Any) -> Any:
            return p * old + (1 - p) * new

        return self._mix(expected, self.around(x, state), state)

    def sample(self, rng: np.random.Generator, x: Any, state: Any) -> Any:
        """A cell that draws from `rng` at each step which units keep their value."""
        inside = super().sample(rng, x, state)

        def zone(p: float, new: Any, old: Any) -> Any:
            return where(named(kept=draw(rng, np.shape(values(new))) < p), old, new)

        def call(x: Any, state: Any) -> Any:
            return self._mix(zone, inside(x, state), state)

        return call

    def _mix(self, f: Callable[..., Any], new: Any, old: Any) -> Any:
        def part(a: Any, b: Any, p: float) -> Any:
            return relabelled(f(p, a, b), a)

        if isinstance(self.p, tuple):
            return each(part, new, old, self.p)
        return each(partial(part, p=self.p), new, old)


class VariationalDropout(Wrapper):
    """Dropout with the same mask at every step of a sequence (Gal & Ghahramani 2016).

    What is kept is scaled by ``1/(1-p)``, as in `dropout`; in testing nothing is dropped.

    Parameters
    ----------
    cell
        The cell around which it goes.
    inputs, state
        Probabilities in [0, 1): for features of x; for units of what the cell is given of its own
        output (h; the LSTM's c is left alone). The state that is handed on stays whole.
    """

    def __init__(self, cell: Any, inputs: float = 0.0, state: float = 0.0) -> None:
        super().__init__(cell)
        check_probability("VariationalDropout", "inputs", inputs)
        check_probability("VariationalDropout", "state", state)
        self.p_inputs, self.p_state = inputs, state

    def sample(self, rng: np.random.Generator, x: Any, state: Any) -> Any:
        """A cell with masks drawn once, in the shapes of `x` and `state`."""
        inside = super().sample(rng, x, state)
        x_mask, h_mask = _mask(x, self.p_inputs, rng), _mask(first(state), self.p_state, rng)

        def call(x: Any, state: Any) -> Any:
            x = x if x_mask is None else x * x_mask
            if h_mask is not None:
                many = isinstance(state, (tuple, list))
                state = (state[0] * h_mask, *state[1:]) if many else state * h_mask
            return inside(x, state)

        return call


class ClippedGradient(Wrapper):
    """The gradient that flows back from step to step, clipped to [-limit, limit] by element.

    Inside the recurrence, where it explodes, not once after it (Graves 2013, section 2.1). Values
    are not changed.
    """

    def __init__(self, cell: Any, limit: float) -> None:
        super().__init__(cell)
        if not is_number(limit) or not limit > 0:
            raise ValueError(
                f"ClippedGradient: the limit must be a positive number, got {limit!r}."
            )
        self.limit = limit

    def __call__(self, x: Any, state: Any) -> Any:
        """The next state from one whose gradient is clipped."""
        return self.around(x, self._clipped(state))

    def sample(self, rng: np.random.Generator, x: Any, state: Any) -> Any:
        """The same around the draws of the cell inside."""
        inside = super().sample(rng, x, state)

        def call(x: Any, state: Any) -> Any:
            return inside(x, self._clipped(state))

        return call

    def _clipped(self, state: Any) -> Any:
        return through(partial(pass_gradient, limit=self.limit), state)


class LearnedState(Wrapper):
    """The first state is a parameter, the same for every example; it starts as the cell's own.

    `start` has the structure of the state, without batch axes.
    """

    def __init__(self, cell: Any) -> None:
        check_cell("LearnedState", cell, starts=True)
        super().__init__(cell)
        self.start = each(_as_parameter, cell.initial_state())

    def initial_state(self, *batch: int) -> Any:
        """`start` for each example."""

        def spread(x: Any) -> Any:
            return broadcast_to(x, shape=(*batch, *x.shape)) if batch and _is_float(x) else x

        return each(spread, self.start)


def _as_parameter(x: Any) -> Any:
    return Tensor(values(x), name="start") if _is_float(x) else x


def _is_float(x: Any) -> bool:
    return shaped(x).dtype.kind == "f"


def _mask(x: Any, p: float, rng: np.random.Generator) -> Any:
    if not p:
        return None
    x = shaped(x)
    if x.dtype.kind != "f":
        raise TypeError(
            "VariationalDropout: symbols cannot be scaled. Put inputs= around a cell that is given "
            "their embedding."
        )
    return drop_mask(rng, x, p)
