"""How do cells form a layer, several layers, and two directions?

By composition: each direction of each layer is one `unroll`. Shapes are torch's.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from itertools import chain
from typing import Any, Literal

import numpy as np

from tinygrad_rnn.engine.context import scope
from tinygrad_rnn.engine.operands import shaped
from tinygrad_rnn.engine.primitives import concatenate, stack, transpose
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.nn.arguments import (
    check_cell,
    check_flags,
    check_probability,
    check_sequence,
    check_sizes,
)
from tinygrad_rnn.nn.batches import inputs
from tinygrad_rnn.nn.dropout import dropout
from tinygrad_rnn.nn.layered_state import check_states, nth, together
from tinygrad_rnn.nn.mask import checked_mask
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.nn.runner import batch_of
from tinygrad_rnn.nn.state import output_of
from tinygrad_rnn.nn.time import unroll
from tinygrad_rnn.nn.truncation import RandomTruncation

__all__ = ["Merge", "Recurrent", "built"]

Merge = Literal["concat", "sum", "mean", "multiply"]

# fmt: off
_MERGES: dict[str, Callable[[Any, Any], Any]] = {
    "concat":   lambda a, b: concatenate([a, b], axis=-1),
    "sum":      lambda a, b: a + b,
    "mean":     lambda a, b: (a + b) * 0.5,
    "multiply": lambda a, b: a * b,
}
# fmt: on


class Recurrent(Module):
    """Layers of any cells, run through time in one direction or both.

    Parameters
    ----------
    *cells
        One per layer, from the input up: a cell, or a pair of cells (forward, backward) for a layer
        that reads both ways. Wrappers (`Zoneout`, `LearnedState` …) are cells too.
    merge
        How the outputs of two directions are combined: ``"concat"`` (torch), ``"sum"``, ``"mean"``
        or ``"multiply"``.
    dropout
        Probability in [0, 1) with which outputs of all layers but the last are dropped, drawn anew
        at each step; without ``rng`` nothing is dropped.
    batch_first
        Inputs and outputs are (batch, T, …); the shapes of states do not change.

    Raises
    ------
    ValueError
        There is no cell; some layers are pairs and others are not; `merge` is unknown.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> both = nn.Recurrent((nn.GRUCell(3, 4), nn.GRUCell(3, 4)), merge="sum")
    >>> outputs, h = both(np.zeros((5, 2, 3)))
    >>> outputs.shape, h.shape
    ((5, 2, 4), (2, 2, 4))
    """

    def __init__(
        self,
        *cells: Any,
        merge: Merge = "concat",
        dropout: float = 0.0,
        batch_first: bool = False,
    ) -> None:
        self.layers = [cell if isinstance(cell, (tuple, list)) else (cell,) for cell in cells]
        widths = {len(layer) for layer in self.layers}
        if widths not in ({1}, {2}):
            raise ValueError(
                f"{type(self).__name__}: expected one cell for each layer, or a pair (forward, "
                f"backward) for each, got {sorted(widths) or 'none'} per layer."
            )
        if merge not in [*_MERGES]:
            raise ValueError(
                f"{type(self).__name__}: merge must be one of {', '.join(_MERGES)}, got {merge!r}."
            )
        check_probability(type(self).__name__, "dropout", dropout)
        check_flags(type(self).__name__, batch_first=batch_first)
        for cell in chain.from_iterable(self.layers):
            check_cell(type(self).__name__, cell)
        self.directions, self.merge = widths.pop(), merge
        self.dropout, self.batch_first = dropout, batch_first

    @classmethod
    def of(
        cls,
        make: Callable[[int], Any],
        input_size: int,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        merge: Merge = "concat",
        **options: Any,
    ) -> Recurrent:
        """Layers of cells ``make(input_size)``, each with the width of the layer below it.

        Parameters
        ----------
        make
            A function from the number of features to a new cell.
        input_size, num_layers
            Features of the input, and the number of layers; at least 1.
        bidirectional
            Each layer has a second cell that reads backwards.
        merge, **options
            Arguments of the class.

        Examples
        --------
        >>> from tinygrad_rnn import nn
        >>> make = lambda size: nn.Zoneout(nn.LSTMCell(size, 4), 0.1)
        >>> outputs, (h, c) = Recurrent.of(make, 3, num_layers=2)(np.zeros((5, 2, 3)))
        >>> h.shape
        (2, 2, 4)
        """
        return cls(
            *built(make, input_size, num_layers, bidirectional, merge), merge=merge, **options
        )

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
    ) -> tuple[Tensor, Any]:
        """Run through time.

        Parameters
        ----------
        xs
            (T, batch, features), or (batch, T, features) if `batch_first`; without a batch (T,
            features). Integers are symbols, without features.
        state
            First states, in the form in which they are returned: e.g. those of the last batch,
            detached.
        reverse
            Read from the end; in a pair, each cell reads in the other direction.
        rng
            Generator for random draws in training; None for none.
        lengths, mask, truncate, checkpoint
            As in `unroll`, for all layers.

        Returns
        -------
        outputs, state
            (T, batch, width), twice as wide for two directions concatenated, 0 beyond the lengths;
            and the final states in the cell's structure, each part (layers · directions, batch, …)
            with index ``layer · directions + direction`` (a list of states if layers differ in
            size).

        Raises
        ------
        TypeError, ValueError
            As in `unroll`; the state is for other layers or another batch; outputs to be merged
            differ in width.
        """
        check_flags(type(self).__name__, reverse=reverse)
        xs, lengths, mask = inputs(xs, lengths, mask)
        check_sequence(type(self).__name__, xs)
        if self.batch_first:
            xs = _swapped(xs)
            check_sequence(type(self).__name__, xs)
            if mask is not None:
                mask = _swapped_mask(mask, xs)
        how = {"lengths": lengths, "mask": mask, "truncate": truncate, "checkpoint": checkpoint}
        if state is not None:
            check_states(type(self).__name__, [*chain.from_iterable(self.layers)], xs, state)
        finals: list[Any] = []
        for k, layer in enumerate(self.layers):
            if k and self.dropout and rng is not None:
                with scope(f"dropout {k}"):
                    xs = _each_step("dropout", partial(dropout, p=self.dropout, rng=rng), xs)
            with scope(f"layer {k + 1}") if len(self.layers) > 1 else nullcontext():
                runs = []
                for d, cell in enumerate(layer):
                    start = nth(state, len(finals))
                    back = reverse != (d == 1)
                    with scope(("forward", "reverse")[d]) if len(layer) > 1 else nullcontext():
                        done, final = unroll(cell, xs, start, reverse=back, rng=rng, **how)
                    runs.append(done)
                    finals.append(final)
                xs = runs[0] if len(runs) == 1 else self._merged(*runs)
        outputs = stack(xs)
        return (_swapped(outputs) if self.batch_first else outputs), together(finals)

    def _merged(self, forward: list[Any], backward: list[Any]) -> list[Any]:
        a, b = np.shape(values(forward[0])), np.shape(values(backward[0]))
        if self.merge != "concat" and a != b:
            raise ValueError(
                f"{type(self).__name__}: merge={self.merge!r} needs directions of equal width, got "
                f'outputs {a} and {b}. Take cells of one size, or merge="concat".'
            )
        return _each_step(self.merge, _MERGES[self.merge], forward, backward)


def built(
    make: Callable[[int], Any], size: int, num_layers: int, bidirectional: bool, merge: str
) -> list[Any]:
    """The cells of each layer; each input is as wide as the output of the layer below."""
    check_sizes("Recurrent layers", num_layers=num_layers)
    check_flags("Recurrent layers", bidirectional=bidirectional)
    layers = []
    for _ in range(num_layers):
        layers.append(tuple(make(size) for _ in range(1 + bidirectional)))
        cell = layers[-1][0]
        width = output_of(cell, cell.initial_state()).shape[-1]
        size = width * (1 + (bidirectional and merge == "concat"))
    return layers


def _each_step(name: str, f: Callable[..., Any], *sequences: Any) -> list[Any]:
    """`f` of the values of each step, recorded in the scope of that step."""
    found = []
    for t, xs in enumerate(zip(*sequences, strict=True)):
        with scope(name, t=t):
            found.append(f(*xs))
    return found


def _swapped(xs: Any) -> Any:
    """Batch and time exchanged, if there is a batch."""
    xs = stack(xs) if isinstance(xs, (list, tuple)) else xs
    axes = range(xs.ndim)
    if len(axes) < 3 - (xs.dtype.kind in "iu"):
        return xs
    return transpose(xs, axes=(1, 0, *axes[2:]))


def _swapped_mask(mask: Any, xs: Any) -> Any:
    """A mask (batch, T) with time first, like the inputs beside it."""
    batch = batch_of(shaped(values(xs)[0]))
    shape = (*batch[:1], len(xs), *batch[1:])
    mask = checked_mask("batch_first=True", mask, shape)
    return transpose(mask, axes=(1, 0, *range(2, mask.ndim))) if batch else mask
