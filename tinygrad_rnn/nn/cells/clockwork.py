"""What if parts of the state move at different speeds?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine.primitives import tanh, where
from tinygrad_rnn.engine.tensor import Tensor, named, values
from tinygrad_rnn.nn.arguments import check_sizes
from tinygrad_rnn.nn.cells.base import GatedCell, affine
from tinygrad_rnn.nn.samples import Sample, sampled

__all__ = ["ClockworkCell"]


class ClockworkCell(GatedCell):
    """Clockwork RNN: module k moves only when its period divides t (Koutník et al. 2014).

    ::

        h' = tanh(x W_x + h W_h + b_x) where t mod T_k = 0, else h

    Modules read from themselves and from slower ones: the other blocks of W_h count as 0. The state
    is the pair (h, t); t counts steps from 0, an integer array of shape (*batch, 1).

    Parameters
    ----------
    periods
        T_k of each module, ascending; they share hidden_size equally.
    input_size, hidden_size, bias, rng, dtype
        As in `GatedCell`; one bias.

    Raises
    ------
    ValueError
        `periods` are not ascending, or their number does not divide `hidden_size`; otherwise as in
        `GatedCell`.
    """

    two_biases = False

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        periods: Sequence[int] = (1, 2, 4, 8),
        *,
        bias: bool = True,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__(input_size, hidden_size, bias=bias, rng=rng, dtype=dtype)
        if not isinstance(periods, (tuple, list, range)):
            raise ValueError(f"ClockworkCell: periods are a list of numbers, got {periods!r}.")
        self.periods = tuple(periods)
        for period in self.periods:
            check_sizes("ClockworkCell", period=period)
        if not self.periods or list(self.periods) != sorted(self.periods):
            raise ValueError(
                f"ClockworkCell: expected periods in ascending order, at least one; got {periods}."
            )
        if hidden_size % len(self.periods):
            raise ValueError(
                f"ClockworkCell: hidden_size {hidden_size} does not fall into {len(self.periods)} "
                "equal modules. Choose a multiple, or other periods."
            )

    def _period_of_each_unit(self) -> np.ndarray:
        return np.repeat(self.periods, self.hidden_size // len(self.periods))

    def initial_state(self, *batch: int) -> Any:
        """The pair of zeros h (*batch, hidden_size) and t (*batch, 1), as constants."""
        return super().initial_state(*batch), np.zeros((*batch, 1), int)

    def __call__(self, x: Any, state: tuple[Any, Any]) -> tuple[Tensor, Tensor]:
        """The next (h, t) from x (*batch, input_size) and the state as in `initial_state`."""
        h, t = self._parts(x, state, "h", "t")
        T, t = self._period_of_each_unit(), values(t)
        slower = (T[:, None] >= T).astype(self.dtype)  # from row to column
        a = tanh(affine(x, self.W_x, self.b_x) + h @ (self.W_h * slower))
        return named(h=where(t % T == 0, a, h)), t + 1

    def _size(self, letter: str) -> int:
        return 1 if letter == "t" else self.hidden_size

    @classmethod
    def samples(cls, **how: Any) -> list[Sample]:
        """With two speeds."""
        return [sampled(cls(3, 4, (1, 2), **how))]
