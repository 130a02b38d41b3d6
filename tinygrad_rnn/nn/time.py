"""How does a cell run through time?

A cell is any object that can be called as ``state = cell(x, state)``. `unroll` calls it once per
step, each time inside a scope that names the step; the record is the unrolled graph. Nothing here
knows any cell.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from tinygrad_rnn.engine.blocks import no_grad
from tinygrad_rnn.engine.context import scope
from tinygrad_rnn.engine.operands import shaped
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.hints import checked_keywords
from tinygrad_rnn.nn.arguments import check_call, check_flags, check_generator
from tinygrad_rnn.nn.batches import inputs
from tinygrad_rnn.nn.checkpoint import checkpointed
from tinygrad_rnn.nn.mask import the_mask
from tinygrad_rnn.nn.runner import Runner, batch_of
from tinygrad_rnn.nn.truncation import RandomTruncation, random_cuts, windows

__all__ = ["Cell", "unroll"]

State = TypeVar("State")


@runtime_checkable
class Cell(Protocol):
    """The methods of a cell; it need not inherit from anything.

    ``cell(x, state)`` gives the next state. ``initial_state(*batch)`` gives the first one; it is
    not needed if `unroll` is given a state. An optional method ``output(state)`` gives the output;
    by default that is the state, or its first part if it is a tuple.

    Two optional methods are called once per sequence. ``once()`` returns an equal cell in which
    everything that depends only on parameters is already computed. Then ``sample(rng, x, state)``,
    given the first input and state, draws what is random in training and returns the function to
    call in place of the cell; it is called only with `rng`.
    """

    def __call__(self, x: Any, state: Any) -> Any:
        """The state after `x`."""

    def initial_state(self, *batch: int) -> Any:
        """The state before the first input."""


@checked_keywords
def unroll(
    cell: Callable[[Any, Any], State],
    xs: Any,
    state: Any = None,
    *,
    lengths: Any = None,
    mask: Any = None,
    reverse: bool = False,
    truncate: int | tuple[int, int] | RandomTruncation | None = None,
    checkpoint: bool = False,
    rng: np.random.Generator | None = None,
    name: str | None = None,
) -> tuple[list[Tensor], State]:
    """Run `cell` through the sequence `xs`, recording one copy of it per step.

    Parameters
    ----------
    cell
        A cell from this package, or any object with the methods of `Cell`.
    xs
        Inputs, time first: an array or Tensor (T, batch, features), or (T, features) without a
        batch, or a list of T inputs. Symbols are integers (T, batch). A `Batch` of `tasks` stands
        for its inputs and their lengths.
    state
        The state before the first step; ``cell.initial_state(batch)`` by default. Pass a detached
        state (`detach`) to carry it from batch to batch.
    lengths, mask
        The steps of each example that count: their number, integers (batch,) in 0 … T, or a mask,
        bool (T, batch). The last axes of the batch may be missing; the same steps then count along
        them. At the other steps the state does not change and the outputs are 0, even if `xs` is
        NaN there.
    reverse
        Run from the last step to the first; ``outputs[t]`` still belongs to ``xs[t]``. With
        `lengths`, each example is read backwards from its own end.
    truncate
        Where the gradient is cut: with ``(k1, k2)`` it reaches back k2 steps from every k1-th one;
        ``k`` means ``(k, k)``. A `RandomTruncation` cuts at random.
    checkpoint
        Keep only every √T-th state, and compute the steps between them once more in the backward
        pass: this takes the memory of 2√T steps and the outputs, and the time of one more forward
        pass.
    rng
        Generator for random draws in training: those of a cell with ``sample``, and random cuts.
    name
        Name of the scope of each step; by default the cell's class in lower case without "Cell".

    Returns
    -------
    outputs, state
        A list of T outputs (`stack` makes one Tensor of them), and the state after the last step
        (with `lengths`, after each example's last valid step).

    Raises
    ------
    TypeError, ValueError
        `xs` is not a sequence, is empty, or does not have the features that the cell expects;
        lengths, mask, truncation or generator do not fit.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> outputs, (h, c) = nn.unroll(nn.LSTMCell(3, 4, rng=0), np.zeros((5, 2, 3)))
    >>> len(outputs), outputs[-1] is h, h.scope[0].name, h.scope[0].t
    (5, True, 'lstm', 4)
    """
    xs, lengths, mask = inputs(xs, lengths, mask)
    check_call("unroll", cell, xs, state)
    check_generator("unroll", rng)
    check_flags("unroll", reverse=reverse, checkpoint=checkpoint)
    ts = range(len(xs))[::-1] if reverse else range(len(xs))
    name = name or name_of(cell)
    with scope(name):
        call = prepared(cell, rng, values(xs)[ts[0]], state)
    if lengths is not None or mask is not None:
        mask = the_mask(lengths, mask, len(xs), batch_of(shaped(values(xs)[0])))
    runner = Runner(cell, call, xs, 0, mask, name)
    run = functools.partial(checkpointed, rng=rng) if checkpoint else Runner.run
    if isinstance(truncate, RandomTruncation):
        runner = replace(runner, between=random_cuts(truncate, ts, rng))
    elif truncate is not None:
        run = functools.partial(windows, run, truncate=truncate, rng=rng)
    outputs, state = run(runner, ts, state)
    return (outputs[::-1] if reverse else outputs), state


def prepared(cell: Any, rng: np.random.Generator | None, x: Any, state: Any) -> Any:
    """The function to call for one sequence: see `Cell` for ``once`` and ``sample``."""
    cell = cell.once() if hasattr(cell, "once") else cell
    if rng is None or not hasattr(cell, "sample"):
        return cell
    x = shaped(x)
    with no_grad():
        start = cell.initial_state(*batch_of(x)) if state is None else state
    return cell.sample(rng, x, start)


def name_of(cell: Any) -> str:
    """The name of a cell: its class in lower case without "Cell"; wrappers do not count."""
    while hasattr(cell, "around"):  # a wrapper
        cell = cell.around
    name = getattr(cell, "__name__", type(cell).__name__)
    return name.removesuffix("Cell").lower() if name not in ("Cell", "<lambda>") else "cell"
