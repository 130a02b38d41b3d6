"""Which wrappers fit around any cell?

A wrapper is a cell that holds another in `around`; wrappers can be nested. A call computes what is
used in testing. If a wrapper draws at random in training, it has ``sample(rng, x, state)``, which
`unroll` calls once per sequence if it is given ``rng=``: there is no hidden mode.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tinygrad_rnn.engine import tree
from tinygrad_rnn.engine.operands import shaped
from tinygrad_rnn.engine.primitives import broadcast_to, pass_gradient, where
from tinygrad_rnn.engine.recorder import draw
from tinygrad_rnn.engine.tensor import Tensor, named, values
from tinygrad_rnn.nn.arguments import check_cell, check_probability, is_number
from tinygrad_rnn.nn.cells.lstm import LSTMCell
from tinygrad_rnn.nn.dropout import drop_mask
from tinygrad_rnn.nn.samples import Sample, sampled
from tinygrad_rnn.nn.state import each, parts, relabelled, through
from tinygrad_rnn.nn.wrapper import Wrapper

__all__ = ["ClippedGradient", "LearnedState", "VariationalDropout", "Zoneout"]


class Zoneout(Wrapper):
    """Each unit keeps its old value with probability `p` (Krueger et al. 2017, eq. 5).

    ``h' = mask*h + (1-mask)*h'`` in training, a new mask at each step; ``p*h + (1-p)*h'`` in
    testing.

    Parameters
    ----------
    cell
        The cell to wrap.
    p
        In [0, 1]; one number for all parts of the state or one for each, e.g. the paper's ``(0.05,
        0.5)`` for the LSTM's (h, c).

    Raises
    ------
    ValueError
        A probability lies outside [0, 1].
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

    @classmethod
    def samples(cls, **how: Any) -> list[Sample]:
        """Around an LSTM."""
        return [sampled(cls(LSTMCell(3, 4, **how), (0.1, 0.2)))]


class VariationalDropout(Wrapper):
    """Dropout with the same mask at every step of a sequence (Gal & Ghahramani 2016).

    Kept units are scaled by ``1/(1-p)``, as in `dropout`; in testing nothing is dropped.

    Parameters
    ----------
    cell
        The cell to wrap.
    inputs, state
        Probabilities in [0, 1) for features of x, and for units of the first part of the state (h)
        where the cell reads it. The LSTM's c is not masked, nor is the state that the cell returns.

    Raises
    ------
    ValueError
        A probability lies outside [0, 1).
    TypeError
        In a call, `inputs` is not 0 and x holds symbols.
    """

    def __init__(self, cell: Any, inputs: float = 0.0, state: float = 0.0) -> None:
        super().__init__(cell)
        check_probability("VariationalDropout", "inputs", inputs)
        check_probability("VariationalDropout", "state", state)
        self.p_inputs, self.p_state = inputs, state

    def sample(self, rng: np.random.Generator, x: Any, state: Any) -> Any:
        """A cell with masks drawn once, in the shapes of `x` and `state`."""
        inside = super().sample(rng, x, state)
        x_mask, h_mask = _mask(x, self.p_inputs, rng), _mask(parts(state)[0], self.p_state, rng)

        def call(x: Any, state: Any) -> Any:
            x = x if x_mask is None else x * x_mask
            if h_mask is not None:
                h, *others = parts(state)
                state = tree.rebuild(state, [h * h_mask, *others], is_leaf=tree.registered)
            return inside(x, state)

        return call

    @classmethod
    def samples(cls, **how: Any) -> list[Sample]:
        """Around an LSTM."""
        return [sampled(cls(LSTMCell(3, 4, **how), 0.2, 0.1))]


class ClippedGradient(Wrapper):
    """The gradient that flows back from step to step, clipped to [-limit, limit] by element.

    The clip is part of the recurrence, where gradients explode, and not applied once at the end
    (Graves 2013, section 2.1). Values are not changed; `limit` is positive.

    Raises
    ------
    ValueError
        `limit` is not a positive number.
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
        """The wrapper around the draws of the cell inside."""
        inside = super().sample(rng, x, state)

        def call(x: Any, state: Any) -> Any:
            return inside(x, self._clipped(state))

        return call

    def _clipped(self, state: Any) -> Any:
        return through(partial(pass_gradient, limit=self.limit), state)

    @classmethod
    def samples(cls, **how: Any) -> list[Sample]:
        """Around an LSTM, with a limit that no gradient reaches."""
        return [sampled(cls(LSTMCell(3, 4, **how), 100.0))]


class LearnedState(Wrapper):
    """The first state is a parameter, the same for every example; it starts as that of the cell.

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

    @classmethod
    def samples(cls, **how: Any) -> list[Sample]:
        """Around an LSTM."""
        return [sampled(cls(LSTMCell(3, 4, **how)))]


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
