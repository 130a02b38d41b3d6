"""How does any cell get leaky units or an output layer?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_rnn.engine.operands import shaped
from tinygrad_rnn.engine.tensor import Tensor, named, values
from tinygrad_rnn.nn.arguments import check_cell, check_sizes
from tinygrad_rnn.nn.cells.base import activated, affine, check_activation
from tinygrad_rnn.nn.cells.clockwork import ClockworkCell
from tinygrad_rnn.nn.cells.gru import GRUCell
from tinygrad_rnn.nn.cells.lstm import LSTMCell
from tinygrad_rnn.nn.samples import Sample, sampled
from tinygrad_rnn.nn.start import uniform
from tinygrad_rnn.nn.state import each, first, relabelled
from tinygrad_rnn.nn.wrapper import Wrapper

__all__ = ["LeakyCell", "ReadOutCell"]


class LeakyCell(Wrapper):
    """Leaky units: h' = (1-α)*h + α*cell(x, h)  (Jaeger et al. 2007; Bengio et al. 2013).

    Every part of the state leaks, except counters (integers). With α = 1 it equals the cell.

    Parameters
    ----------
    cell
        Any cell.
    alpha
        In (0, 1]: a number, or a Tensor to be learned, whose shape broadcasts against the state.

    Raises
    ------
    ValueError
        `alpha` is a number outside (0, 1].
    """

    def __init__(self, cell: Any, alpha: float | Tensor) -> None:
        found = np.asarray(values(alpha))
        if found.dtype.kind not in "fiu" or not ((found > 0) & (found <= 1)).all():
            raise ValueError(
                f"LeakyCell: alpha must lie in (0, 1], got {alpha!r}. At 0 the state never moves, "
                "at 1 nothing leaks."
            )
        super().__init__(cell)
        # a float takes the dtype of the state, which NumPy's own float64 would widen
        self.alpha = alpha if found.ndim or isinstance(alpha, Tensor) else float(alpha)

    def __call__(self, x: Any, state: Any) -> Any:
        """The next state, in the structure of the cell's state."""
        return each(self._leak, self.around(x, state), state)

    def sample(self, rng: np.random.Generator, x: Any, state: Any) -> Any:
        """The wrapper with leaks around the draws of the cell inside."""
        inside = super().sample(rng, x, state)

        def call(x: Any, state: Any) -> Any:
            return each(self._leak, inside(x, state), state)

        return call

    def _leak(self, new: Any, old: Any) -> Any:
        if shaped(new).dtype.kind != "f":
            return new
        return relabelled((1 - self.alpha) * old + self.alpha * new, new)

    @classmethod
    def samples(cls, **how: Any) -> list[Sample]:
        """Around an LSTM, with a fixed and with a learned α."""
        rates = Tensor(np.linspace(0.2, 0.9, 4), how.get("dtype"))
        lstm, rnn = LSTMCell(3, 4, **how), ClockworkCell(3, 4, (1, 3), **how)
        return [sampled(cls(lstm, 0.3)), sampled(cls(rnn, rates))]


class ReadOutCell(Wrapper):
    """Any cell with an output layer: y = act(h W_y + b_y), or act(h W_y + x W_s + b_y).

    The state is the pair (y, state of the cell), and the output is y. Around a cell without
    parameters (an echo state network) only the output layer learns.

    Parameters
    ----------
    cell
        Any cell with a first state; h is its output.
    output_size
        Units y.
    activation
        As in `RNNCell`; None leaves y linear.
    shortcut
        Whether the output layer also sees x; then the cell must have an `input_size`.

    Attributes
    ----------
    W_y, W_s, b_y
        Shapes (units of h, output_size), (input_size, output_size) and (output_size,), from
        U[-bound, bound), where bound is 1/√(units of h) by default; None without bias or shortcut.

    Raises
    ------
    ValueError, TypeError
        `output_size` or `activation` does not fit, `cell` is not a cell with a first state, or a
        shortcut is asked for and it has no `input_size`.
    """

    def __init__(
        self,
        cell: Any,
        output_size: int,
        activation: str | Callable[[Any], Any] | None = None,
        *,
        shortcut: bool = False,
        bias: bool = True,
        bound: float | None = None,
        rng: Any = None,
    ) -> None:
        check_sizes("ReadOutCell", output_size=output_size)
        check_cell("ReadOutCell", cell, starts=True)
        super().__init__(cell)
        h = values(super().output(cell.initial_state()))
        bound, rng = h.shape[-1] ** -0.5 if bound is None else bound, np.random.default_rng(rng)
        self.output_size, self.dtype = output_size, h.dtype
        self.activation = activation and check_activation("ReadOutCell", activation)
        self.W_y = uniform((h.shape[-1], output_size), bound, rng, h.dtype)
        self.W_s = self.b_y = None
        if shortcut:
            check_sizes("ReadOutCell with a shortcut: the cell's", input_size=self.input_size)
            self.W_s = uniform((self.input_size or 0, output_size), bound, rng, h.dtype)
        if bias:
            self.b_y = uniform((output_size,), bound, rng, h.dtype)

    def initial_state(self, *batch: int) -> Any:
        """The pair of zeros (*batch, output_size) and the first state of the cell."""
        inner = super().initial_state(*batch)
        shape = values(super().output(inner)).shape
        return np.zeros((*shape[:-1], self.output_size), self.dtype), inner

    def output(self, state: tuple[Any, Any]) -> Any:
        """The part y."""
        return first(state)

    def __call__(self, x: Any, state: tuple[Any, Any]) -> tuple[Any, Any]:
        """The next (y, state of the cell)."""
        return self._read_out(x, self.around(x, _inner(state)))

    def sample(self, rng: np.random.Generator, x: Any, state: tuple[Any, Any]) -> Any:
        """The wrapper around the draws of the cell inside."""
        inside = super().sample(rng, x, _inner(state))

        def call(x: Any, state: tuple[Any, Any]) -> tuple[Any, Any]:
            return self._read_out(x, inside(x, _inner(state)))

        return call

    def _read_out(self, x: Any, inner: Any) -> tuple[Any, Any]:
        y = affine(super().output(inner), self.W_y, self.b_y)
        if self.W_s is not None:
            y = y + x @ self.W_s
        return named(y=activated(self.activation, y) if self.activation else y), inner

    @classmethod
    def samples(cls, **how: Any) -> list[Sample]:
        """Around a GRU, with a shortcut."""
        bias = how.get("bias", True)
        return [sampled(cls(GRUCell(3, 4, **how), 2, shortcut=True, bias=bias, rng=1))]


def _inner(state: Any) -> Any:
    """The state of the cell inside."""
    if not isinstance(state, (tuple, list)) or len(state) != 2:
        raise ValueError(
            "ReadOutCell: expected state of two parts, the pair (y, state of the cell), got "
            f"{type(state).__name__}. cell.initial_state(batch) makes one."
        )
    return state[1]
