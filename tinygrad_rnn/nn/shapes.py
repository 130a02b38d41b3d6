"""What goes in, and what comes out: 1→1, 1→n, n→1, n→n, n→m?

Five ways to combine a cell, the loop over time and a read-out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine.operands import operand
from tinygrad_rnn.engine.primitives import stack
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.nn.arguments import check_callable, check_cell, check_flags, check_sequence
from tinygrad_rnn.nn.cells import GRUCell, RNNCell
from tinygrad_rnn.nn.decode import decode
from tinygrad_rnn.nn.encoder_decoder import EncoderDecoder
from tinygrad_rnn.nn.layers import Embedding, Linear
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.nn.runner import batch_of
from tinygrad_rnn.nn.state import output_of
from tinygrad_rnn.nn.time import prepared, unroll

__all__ = [
    "SequenceModel",
    "many_to_many",
    "many_to_one",
    "one_to_many",
    "one_to_one",
    "sequence_to_sequence",
]

Amount = Literal["one", "many"]


def one_to_one(
    inputs: int,
    hidden: int,
    outputs: int,
    *,
    cell: Callable[..., Any] = RNNCell,
    rng: Any = None,
    dtype: DTypeLike = np.float64,
) -> SequenceModel:
    """(batch, inputs) → (batch, outputs): one step, a network with one hidden layer."""
    return _model("one", "one", (inputs, hidden, outputs), cell, rng, dtype)


def one_to_many(
    size: int,
    hidden: int,
    *,
    cell: Callable[..., Any] = RNNCell,
    rng: Any = None,
    dtype: DTypeLike = np.float64,
) -> SequenceModel:
    """(batch, size) → (n, batch, size): each of ``steps=`` outputs is read as the next input."""
    return _model("one", "many", (size, hidden, size), cell, rng, dtype)


def many_to_one(
    inputs: int,
    hidden: int,
    outputs: int,
    *,
    cell: Callable[..., Any] = RNNCell,
    rng: Any = None,
    dtype: DTypeLike = np.float64,
) -> SequenceModel:
    """(n, batch, inputs) → (batch, outputs): one answer after the last valid step."""
    return _model("many", "one", (inputs, hidden, outputs), cell, rng, dtype)


def many_to_many(
    inputs: int,
    hidden: int,
    outputs: int,
    *,
    cell: Callable[..., Any] = RNNCell,
    rng: Any = None,
    dtype: DTypeLike = np.float64,
) -> SequenceModel:
    """(n, batch, inputs) → (n, batch, outputs): an answer at every step."""
    return _model("many", "many", (inputs, hidden, outputs), cell, rng, dtype)


def sequence_to_sequence(
    inputs: int,
    hidden: int,
    symbols: int,
    *,
    cell: Callable[..., Any] = GRUCell,
    attention: bool = False,
    rng: Any = None,
    dtype: DTypeLike = np.float64,
) -> EncoderDecoder:
    """(n, batch, inputs) → scores (m, batch, symbols): one cell reads all, then another writes."""
    check_flags("sequence_to_sequence", attention=attention)
    check_callable("sequence_to_sequence", cell=cell)
    rng = np.random.default_rng(rng)
    return EncoderDecoder(
        cell(inputs, hidden, rng=rng, **_other(dtype)),
        cell(hidden, hidden, rng=rng, **_other(dtype)),
        Embedding(symbols, hidden, rng=rng, dtype=dtype),
        Linear((1 + attention) * hidden, symbols, rng=rng, dtype=dtype),
        attention=attention,
    )


def _model(
    reads: Amount,
    writes: Amount,
    sizes: tuple[int, int, int],
    cell: Callable[..., Any],
    rng: Any,
    dtype: DTypeLike,
) -> SequenceModel:
    """A cell of the class `cell` and a linear read-out, drawn from one seed or generator `rng`."""
    inputs, hidden, outputs = sizes
    check_callable("SequenceModel", cell=cell)
    rng = np.random.default_rng(rng)
    made = cell(inputs, hidden, rng=rng, **_other(dtype))
    check_cell("SequenceModel", made, starts=True)
    width = output_of(made, made.initial_state()).shape[-1]
    return SequenceModel(made, Linear(width, outputs, rng=rng, dtype=dtype), reads, writes)


class SequenceModel(Module):
    """A cell and a read-out: one or many inputs, one or many outputs.

    Parameters
    ----------
    cell
        Any cell.
    read
        From the cell's output to y.
    reads, writes
        ``"one"`` or ``"many"``.

    Raises
    ------
    TypeError, ValueError
        `cell` is not a cell with a first state; `reads` or `writes` is neither "one" nor "many".
    """

    def __init__(
        self,
        cell: Any,
        read: Callable[[Any], Any],
        reads: Amount,
        writes: Amount,
    ) -> None:
        check_cell("SequenceModel", cell, starts=True)
        check_callable("SequenceModel", read=read)
        for what, amount in (("reads", reads), ("writes", writes)):
            if amount not in ["one", "many"]:
                raise ValueError(f'SequenceModel: {what} is "one" or "many", got {amount!r}.')
        self.cell, self.read, self.reads, self.writes = cell, read, reads, writes

    def __call__(
        self,
        xs: Any,
        targets: Any = None,
        *,
        steps: int | None = None,
        teacher: float = 1.0,
        rng: np.random.Generator | None = None,
        **how: Any,
    ) -> Tensor:
        """Run it.

        Parameters
        ----------
        xs
            One input (*batch, features), or many, time first.
        targets, steps, teacher
            For 1→n, as in `decode`; each output is the next input.
        rng, **how
            As in `unroll`: ``state``, ``lengths`` …; for 1→n only ``state``.

        Returns
        -------
        One y (*batch, outputs), or many, time first. n→1 answers after the last valid step.

        Raises
        ------
        TypeError, ValueError
            As in `unroll` and `decode`; an argument of 1→n is given to another shape, or the
            reverse.
        """
        if self.reads == "one":
            check_sequence("SequenceModel", xs)
            xs = operand(xs, "SequenceModel")
        if (self.reads, self.writes) == ("one", "many"):
            x, state = xs, how.pop("state", None)
            if how:
                raise TypeError(f"SequenceModel 1→n: one input takes no {', '.join(how)}.")
            state = self.cell.initial_state(*batch_of(x)) if state is None else state
            cell = prepared(self.cell, rng, x, state)

            def step(x: Any, state: Any) -> tuple[Any, Any]:
                state = cell(x, state)
                return self.read(output_of(self.cell, state)), state

            more = {"steps": steps, "teacher": teacher, "rng": rng, "choose": _as_it_is}
            return stack(decode(step, x, state, targets, **more)[0])
        if targets is not None or steps is not None or teacher != 1:
            raise TypeError(
                "SequenceModel: targets, steps and teacher are for 1→n, which reads what it wrote; "
                "here a loss compares the outputs with the targets."
            )
        if self.reads == "one":
            xs = xs[None]
        outputs, state = unroll(self.cell, xs, rng=rng, **how)
        if self.writes == "many":
            return self.read(stack(outputs))
        return self.read(output_of(self.cell, state))


def _other(dtype: DTypeLike) -> dict[str, Any]:
    """A dtype that is not the default; a cell of the user's may know none."""
    return {} if np.dtype(dtype) == np.float64 else {"dtype": dtype}


def _as_it_is(y: Any) -> Any:
    return y
