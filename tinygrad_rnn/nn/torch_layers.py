"""Which layers take torch's arguments?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.nn.cells import GRUCell, LSTMCell, ProjectedLSTMCell, RNNCell
from tinygrad_rnn.nn.recurrent import Merge, Recurrent, built

__all__ = ["GRU", "LSTM", "RNN"]


def _lstm(input_size: int, hidden_size: int, proj_size: int = 0, **options: Any) -> Any:
    if proj_size:
        return ProjectedLSTMCell(input_size, hidden_size, proj_size, **options)
    return LSTMCell(input_size, hidden_size, **options)


class _Torch(Recurrent):
    """Base of RNN, LSTM and GRU: torch's arguments.

    Parameters
    ----------
    input_size, hidden_size, num_layers
        Features per input, units per layer and direction, layers; at least 1.
    bidirectional, merge, dropout, batch_first
        As in `Recurrent`.
    wrap
        A function that wraps each cell: ``wrap=lambda cell: Zoneout(cell, 0.1)``.
    rng, dtype
        Seed or generator for start values (drawn layer by layer), and their type.
    **options
        Arguments of the cell: ``bias``, ``activation`` (RNN), ``proj_size`` (LSTM), ``reset`` and
        ``update`` (GRU).
    """

    cell: Callable[..., Any]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        merge: Merge = "concat",
        dropout: float = 0.0,
        batch_first: bool = False,
        wrap: Callable[[Any], Any] = lambda cell: cell,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
        **options: Any,
    ) -> None:
        rng = np.random.default_rng(rng)

        def make(size: int) -> Any:
            return wrap(type(self).cell(size, hidden_size, rng=rng, dtype=dtype, **options))

        cells = built(make, input_size, num_layers, bidirectional, merge)
        super().__init__(*cells, merge=merge, dropout=dropout, batch_first=batch_first)


class RNN(_Torch):
    """Elman layers: torch.nn.RNN. Final state h."""

    cell = RNNCell


class LSTM(_Torch):
    """LSTM layers: torch.nn.LSTM. Final state (h, c).

    With ``proj_size`` the outputs and h are that wide, see `ProjectedLSTMCell`.

    Examples
    --------
    >>> layer = LSTM(3, 4, num_layers=2, bidirectional=True, rng=0)
    >>> outputs, (h, c) = layer(np.zeros((5, 2, 3)), lengths=[5, 3])
    >>> outputs.shape, h.shape, c.shape
    ((5, 2, 8), (4, 2, 4), (4, 2, 4))
    """

    cell = staticmethod(_lstm)


class GRU(_Torch):
    """GRU layers: torch.nn.GRU. Final state h."""

    cell = GRUCell
