"""How does a cell run one step, or several?"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_rnn.engine.context import scope
from tinygrad_rnn.engine.operands import operand
from tinygrad_rnn.engine.recorder import recorder
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.nn.arguments import check_state
from tinygrad_rnn.nn.mask import masked
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.nn.state import each, first, relabelled

__all__ = ["Runner", "batch_of"]


@dataclass(frozen=True)
class Runner:
    """Everything needed to run any step: the cell, its inputs, the mask, and the cuts.

    `xs` begins at step `offset`. ``between(t, state)`` is the state that enters step t.
    """

    cell: Any
    call: Callable[[Any, Any], Any]
    xs: Any
    offset: int
    mask: Any
    name: str
    between: Callable[[int, Any], Any] | None = None

    @cached_property
    def letter(self) -> str:
        """The name that the cell's own equations give the input: of its first argument."""
        try:
            arguments = [*inspect.signature(self.cell).parameters.values()]
        except (TypeError, ValueError):  # as of a function in C
            arguments = list[inspect.Parameter]()
        name = arguments[0].name if arguments else ""
        return name if name.strip("_") and arguments[0].kind < arguments[0].VAR_POSITIONAL else "x"

    @cached_property
    def held(self) -> dict[str, np.ndarray]:
        """Arrays of the cell, and of cells in it, by attribute: constants of its equations."""
        found: dict[str, np.ndarray] = {}
        todo = [self.cell]
        while todo:
            for name, x in getattr(todo.pop(), "__dict__", {}).items():
                if isinstance(x, np.ndarray):
                    found.setdefault(name, x)
                elif isinstance(x, Module):
                    todo.append(x)
        return found

    @cached_property
    def output(self) -> Callable[[Any], Any]:
        """The function from a state to the output of the cell."""
        return getattr(self.cell, "output", first)

    def __call__(self, t: int, state: Any) -> tuple[Any, Any]:
        """The output of step t and the state after it."""
        with scope(self.name, t=t, **self.held) as frame:
            x = self.xs[t - self.offset]
            if type(x) is not Tensor:
                x = operand(x, self.name)
            elif x.name is None:
                x.name = self.letter
            if self.mask is not None:
                x = masked(self.mask[t], x, 0)
            if type(x) is np.ndarray:
                frame.arrays[self.letter] = x
            if state is None:
                state = self.cell.initial_state(*batch_of(x))
            if recorder() is not None:
                state = _as_tensors(state)
            if self.between is not None:
                state = self.between(t, state)
            new = self.call(x, state)
            check_state(new, state, self.name)
            output = self.output(new)
            if self.mask is None:
                return output, new

            def kept(new: Any, old: Any) -> Any:
                return relabelled(masked(self.mask[t], new, old), new)

            return masked(self.mask[t], output, 0), each(kept, new, state)

    def run(self, ts: range, state: Any) -> tuple[list[Any], Any]:
        """The outputs of the steps `ts` in this order, and the state after them."""
        outputs = []
        for t in ts:
            output, state = self(t, state)
            outputs.append(output)
        return outputs, state

    def part(self, ts: range) -> Runner:
        """The same for these steps only; if `xs` is a Tensor, one slice is recorded for all."""
        low, high = min(ts), max(ts) + 1
        return replace(self, xs=self.xs[low - self.offset : high - self.offset], offset=low)


def _as_tensors(state: Any) -> Any:
    """A constant state as Tensors, so that the first step is recorded like all others."""
    if all(type(x) is Tensor for x in (state if type(state) is tuple else (state,))):
        return state

    def part(x: Any) -> Any:
        return Tensor(x) if type(x) is np.ndarray and x.dtype.kind == "f" else x

    return each(part, state)


def batch_of(x: Any) -> tuple[int, ...]:
    """The batch axes of one input: all axes of symbols, otherwise all but the features."""
    return x.shape if x.dtype.kind in "iu" else x.shape[:-1]
