"""Which layers take torch's arguments?"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.nn.arguments import check_callable
from tinygrad_rnn.nn.cells import GRUCell, LSTMCell, ProjectedLSTMCell, RNNCell
from tinygrad_rnn.nn.recurrent import Merge, Recurrent, built
from tinygrad_rnn.nn.truncation import RandomTruncation

__all__ = ["GRU", "LSTM", "RNN"]

Wrap = Callable[[Any], Any]
State = TypeVar("State")


def _as_it_is(cell: Any) -> Any:
    return cell


class _Torch(Recurrent, Generic[State]):
    """Base of RNN, LSTM and GRU: remembers the sizes, and builds layer by layer."""

    if TYPE_CHECKING:

        def __call__(
            self,
            xs: Any,
            state: Any = None,
            *,
            lengths: Any = None,
            mask: Any = None,
            reverse: bool = False,
            truncate: int | tuple[int, int] | RandomTruncation | None = None,
            checkpoint: bool = False,
            rng: np.random.Generator | None = None,
        ) -> tuple[Tensor, State]:
            """As of `Recurrent`."""

    def __init__(
        self,
        make: Callable[[int], Any],
        sizes: tuple[int, int, int],
        bidirectional: bool,
        merge: Merge,
        dropout: float,
        batch_first: bool,
        wrap: Wrap,
    ) -> None:
        size, hidden_size, num_layers = sizes
        check_callable(type(self).__name__, wrap=wrap)
        cells = built(lambda n: wrap(make(n)), size, num_layers, bidirectional, merge)
        super().__init__(*cells, merge=merge, dropout=dropout, batch_first=batch_first)
        self.input_size, self.hidden_size, self.num_layers = size, hidden_size, num_layers
        self.bidirectional = bidirectional

    def __repr__(self) -> str:
        facts = [f"input_size={self.input_size}", f"hidden_size={self.hidden_size}"]
        given = inspect.signature(type(self)).parameters
        facts += [f"{k}={v}" for k, v in vars(self).items() if k in given and v != given[k].default]
        return f"{type(self).__name__}({', '.join(dict.fromkeys(facts))})"


class RNN(_Torch[Tensor]):
    """Elman layers: torch.nn.RNN. Final state h.

    Parameters
    ----------
    input_size, hidden_size, num_layers
        Features per input, units per layer and direction, layers; at least 1.
    activation
        ``"tanh"``, ``"relu"``, ``"sigmoid"``, or a function of a Tensor; torch's `nonlinearity`.
    bias
        Whether the cells have biases.
    bidirectional, merge
        Each layer has a second cell that reads backwards; how the outputs of both are combined:
        ``"concat"``, ``"sum"``, ``"mean"`` or ``"multiply"``.
    dropout
        Probability in [0, 1) with which outputs of all layers but the last are dropped; only in
        calls with ``rng``.
    batch_first
        Inputs and outputs are (batch, T, …) in place of (T, batch, …).
    wrap
        A function that wraps each cell: ``wrap=lambda cell: Zoneout(cell, 0.1)``.
    rng, dtype
        Seed or generator for start values (drawn layer by layer), and their type.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        activation: str | Callable[[Any], Any] = "tanh",
        bias: bool = True,
        bidirectional: bool = False,
        merge: Merge = "concat",
        dropout: float = 0.0,
        batch_first: bool = False,
        wrap: Wrap = _as_it_is,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        rng, sizes = np.random.default_rng(rng), (input_size, hidden_size, num_layers)

        def make(size: int) -> RNNCell:
            return RNNCell(size, hidden_size, activation, bias=bias, rng=rng, dtype=dtype)

        super().__init__(make, sizes, bidirectional, merge, dropout, batch_first, wrap)


class LSTM(_Torch[tuple[Tensor, Tensor]]):
    """LSTM layers: torch.nn.LSTM. Final state (h, c).

    Parameters
    ----------
    proj_size
        Width of the outputs and of h, see `ProjectedLSTMCell`; 0 for `hidden_size`.
    input_size, hidden_size, num_layers, bias, bidirectional, merge, dropout, batch_first, wrap, \
rng, dtype
        As in `RNN`.

    Examples
    --------
    >>> layer = LSTM(3, 4, num_layers=2, bidirectional=True, rng=0)
    >>> outputs, (h, c) = layer(np.zeros((5, 2, 3)), lengths=[5, 3])
    >>> outputs.shape, h.shape, c.shape
    ((5, 2, 8), (4, 2, 4), (4, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        proj_size: int = 0,
        bias: bool = True,
        bidirectional: bool = False,
        merge: Merge = "concat",
        dropout: float = 0.0,
        batch_first: bool = False,
        wrap: Wrap = _as_it_is,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        rng, sizes = np.random.default_rng(rng), (input_size, hidden_size, num_layers)

        def make(size: int) -> LSTMCell | ProjectedLSTMCell:
            if proj_size:
                return ProjectedLSTMCell(
                    size, hidden_size, proj_size, bias=bias, rng=rng, dtype=dtype
                )
            return LSTMCell(size, hidden_size, bias=bias, rng=rng, dtype=dtype)

        super().__init__(make, sizes, bidirectional, merge, dropout, batch_first, wrap)


class GRU(_Torch[Tensor]):
    """GRU layers: torch.nn.GRU. Final state h.

    Parameters
    ----------
    reset, update
        The convention of the cells, see `GRUCell`; torch's by default.
    input_size, hidden_size, num_layers, bias, bidirectional, merge, dropout, batch_first, wrap, \
rng, dtype
        As in `RNN`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        reset: Literal["after", "before"] = "after",
        update: Literal["keeps", "replaces"] = "keeps",
        bias: bool = True,
        bidirectional: bool = False,
        merge: Merge = "concat",
        dropout: float = 0.0,
        batch_first: bool = False,
        wrap: Wrap = _as_it_is,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        rng, sizes = np.random.default_rng(rng), (input_size, hidden_size, num_layers)

        def make(size: int) -> GRUCell:
            return GRUCell(
                size, hidden_size, reset=reset, update=update, bias=bias, rng=rng, dtype=dtype
            )

        super().__init__(make, sizes, bidirectional, merge, dropout, batch_first, wrap)
