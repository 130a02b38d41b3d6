"""How many states does backpropagation through time have to keep?

Every √T-th state is enough. A segment between two of them runs unrecorded; when a gradient arrives
it runs once more, recorded, is differentiated and dropped. At most 2√T states are alive, at the
cost of one more forward pass (Chen et al. 2016, "Training deep nets with sublinear memory cost";
for recurrent nets Gruslys et al. 2016).
"""

from __future__ import annotations

from itertools import accumulate
from math import isqrt
from operator import attrgetter
from typing import Any

import numpy as np

from tinygrad_rnn.engine.backward import grad
from tinygrad_rnn.engine.blocks import recording_again
from tinygrad_rnn.engine.context import context, scope
from tinygrad_rnn.engine.primitives import astype, concatenate, reshape, segment
from tinygrad_rnn.engine.recorder import recorder
from tinygrad_rnn.engine.tensor import Tensor, next_serial, values
from tinygrad_rnn.nn.runner import Runner
from tinygrad_rnn.nn.state import detach, flows, parts, replaced

__all__ = ["checkpointed"]


def checkpointed(
    runner: Runner, ts: range, state: Any, rng: np.random.Generator | None = None
) -> tuple[list[Any], Any]:
    """The same outputs and state as ``runner.run(ts, state)``, in segments of √T steps.

    A record that becomes a program keeps all steps.
    """
    if recorder() is not None:
        return runner.run(ts, state)
    size = isqrt(len(ts) - 1) + 1
    outputs: list[Any] = []
    for k in range(0, len(ts), size):
        part = ts[k : k + size]
        done, state = _segment(runner.part(part), part, state, rng, k // size)
        outputs += done
    return outputs, state


def _segment(
    runner: Runner, ts: range, state: Any, rng: np.random.Generator | None, number: int
) -> tuple[list[Any], Any]:
    if not context.get().recording:
        return runner.run(ts, state)
    born, draws = next_serial(), None if rng is None else rng.bit_generator.state
    outputs: list[Any] = []
    given: set[Tensor] = set()
    end = state
    for t in ts:  # recorded one step at a time, to find the Tensors it reads from outside
        made = runner(t, end)
        given |= _older(parts(made), born)
        output, end = detach(made)
        outputs.append(output)
    inputs = sorted(given, key=attrgetter("serial"))
    results = parts((outputs, end))
    picked = {x: k for k, x in reversed([*enumerate(results)]) if flows(x)}
    if not inputs or not picked:
        return outputs, end
    where = sorted(picked.values())
    dtype = np.result_type(*(x.dtype for x in picked))
    frames, after = context.get().scope, [values(x) for x in parts(end)]

    def again(g: Any) -> list[Any]:
        """The gradients of the inputs, from the gradients of all results concatenated."""
        recorded = type(g) is Tensor
        now = recording_again(context.get())
        token = context.set(now.at(now.scope if recorded else frames))
        try:
            made = _replayed(runner, ts, state, rng, draws)
            if any(_differs(values(x), y) for x, y in zip(parts(made[1]), after, strict=True)):
                raise RuntimeError(_impure(runner.name, ts))
            made = parts(made)
            row = concatenate([reshape(astype(made[k], dtype=dtype), shape=-1) for k in where])
            return grad(row, inputs, g, create_graph=recorded, partial=True, unused="zero")
        finally:
            context.reset(token)

    starts = [*accumulate((results[k].size for k in where), initial=0)]
    with scope(f"{runner.name} segment", t=number):
        node = segment(*inputs, again=again, size=starts[-1], dtype=dtype)
        fresh = {}
        for k, a, b in zip(where, starts, starts[1:], strict=False):
            x = results[k]
            zero = reshape(node[a:b], shape=x.shape)
            fresh[x] = values(x) + (zero if dtype == x.dtype else astype(zero, dtype=x.dtype))
            fresh[x].name = x.name
    return replaced((outputs, end), fresh)


def _replayed(
    runner: Runner, ts: range, state: Any, rng: np.random.Generator | None, draws: Any
) -> tuple[list[Any], Any]:
    """The segment once more, from the same state and with the same random draws."""
    if rng is None:
        return runner.run(ts, state)
    now = rng.bit_generator.state
    rng.bit_generator.state = draws
    try:
        return runner.run(ts, state)
    finally:
        rng.bit_generator.state = now


def _older(results: list[Any], born: int) -> set[Tensor]:
    """The Tensors older than `born` that newer ones were computed from directly."""
    todo = [x for x in results if type(x) is Tensor]
    found, seen = set(), set(todo)
    while todo:
        node = todo.pop()
        if node.serial < born:
            if flows(node):
                found.add(node)
            continue
        for x in node.inputs:
            if type(x) is Tensor and x not in seen:
                seen.add(x)
                todo.append(x)
    return found


def _differs(a: Any, b: Any) -> bool:
    return not np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind == "f")


def _impure(name: str, ts: range) -> str:
    return (
        f"unroll(checkpoint=True): computed again, {name} has another state after step {ts[-1]} "
        "than the first time, so its gradient would be of neither. A cell may use only its "
        "parameters, x and the state; what is random comes from rng= by way of sample(...)."
    )
