"""How far back does a gradient reach?

A cut stops the gradient and passes the values on. It is a `stop_gradient` in the record, inside the
step after the cut, so it can be drawn. In the record of a program a random cut is a condition,
drawn anew at each call.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from tinygrad_rnn.engine.context import scope
from tinygrad_rnn.engine.primitives import cut_gradient, pass_gradient, stop_gradient, where
from tinygrad_rnn.engine.recorder import draw, recorder
from tinygrad_rnn.engine.tensor import Tensor, named
from tinygrad_rnn.nn.arguments import check_probability
from tinygrad_rnn.nn.runner import Runner
from tinygrad_rnn.nn.state import through

__all__ = ["RandomTruncation", "random_cuts", "windows"]


@dataclass(frozen=True)
class RandomTruncation:
    """Cut between steps with some probability, and scale the gradient where it is not cut.

    Where the state's gradient is not cut it is scaled by ``1 / (1 - probability)``, so that the
    mean over all draws is the full gradient: unbiased, unlike cuts at fixed places (Tallec &
    Ollivier 2017, "Unbiasing truncated backpropagation through time", eq. 9).

    Parameters
    ----------
    probability
        Probability of a cut before each step but the first, in [0, 1). On average a gradient
        reaches back 1 / probability steps; the variance grows with its length.

    Raises
    ------
    ValueError
        The probability lies outside [0, 1).
    """

    probability: float

    def __post_init__(self) -> None:
        check_probability("RandomTruncation", "probability", self.probability)


def random_cuts(
    how: RandomTruncation, ts: range, rng: np.random.Generator | None
) -> Callable[[int, Any], Any]:
    """A function from t and a state to the state that enters step t, behind a random cut."""
    if rng is None:
        raise TypeError("unroll: RandomTruncation draws its cuts from rng=; pass a generator.")
    drawn, scale = draw(rng, (len(ts),)), 1 / (1 - how.probability)
    cuts = [drawn[t] < how.probability for t in range(len(ts))]
    onward = partial(pass_gradient, scale=scale)

    def between(t: int, state: Any) -> Any:
        if t == ts[0]:
            return state
        if type(drawn) is Tensor:  # in a program the same operations, whatever is drawn
            cut = named(cut=cuts[t])
            return through(lambda x: cut_gradient(x, cut, scale=scale), state)
        return through(stop_gradient if cuts[t] else onward, state)

    return between


def windows(
    run: Callable[..., tuple[list[Any], Any]],
    runner: Runner,
    ts: range,
    state: Any,
    *,
    truncate: int | tuple[int, int],
    rng: np.random.Generator | None,
) -> tuple[list[Any], Any]:
    """Every k1 steps, the last k1 outputs from a record that begins with a cut k2 steps back.

    The gradient of a loss on the outputs is the sum over windows of the gradients of BPTT(k2; k1)
    (Williams & Peng 1990); k1 = k2 gives chunks, the last perhaps shorter. If windows overlap (k2 >
    k1), the steps they share are computed again from the state kept there, with the same random
    draws, inside a scope ``window n``.
    """
    ks = truncate if isinstance(truncate, tuple) else (truncate, truncate)
    whole = all(isinstance(k, (int, np.integer)) and k is not True for k in ks)
    if not whole or len(ks) != 2 or not 1 <= ks[0] <= ks[1]:
        raise ValueError(
            f"unroll: expected truncate=(k1, k2) with whole numbers 1 ≤ k1 ≤ k2, got {truncate!r}. "
            "Every k1 steps the gradient reaches back k2 steps: with fewer, it would miss some."
        )
    k1, k2 = ks
    T = len(ts)
    if k1 == k2 and recorder() is not None:
        return run(replace(runner, between=partial(_cut_or_not, {*ts[k1::k1]})), ts, state)
    ends = [*range(k1, T, k1), T]
    starts = [max(0, end - k2) for end in ends] if k2 > k1 else [*range(0, T, k1)]
    kept: dict[int, tuple[Any, Any]] = {0: (state, _now(rng))}
    outputs: list[Any] = []
    for n, (start, end) in enumerate(zip(starts, ends, strict=True)):
        state, draws = kept[start]
        if rng is not None:
            rng.bit_generator.state = draws
        window = runner
        made: list[Any] = []
        if start:
            window = replace(runner, between=partial(_cut, ts[start]))
        stops = sorted({k for k in starts if start < k < end} | {end})
        with scope(f"window {n}") if k2 > k1 else nullcontext():
            for a, b in zip([start, *stops], stops, strict=False):
                done, state = run(window, ts[a:b], state)
                made += done
                kept.setdefault(b, (state, _now(rng)))
        outputs += made[len(outputs) - start :]
        kept = {k: v for k, v in kept.items() if k >= starts[min(n + 1, len(starts) - 1)]}
    return outputs, state


def _cut(at: int, t: int, state: Any) -> Any:
    return through(stop_gradient, state) if t == at else state


def _cut_or_not(at: set[int], t: int, state: Any) -> Any:
    """The same operations at every step, with a constant that says whether to cut."""
    return through(lambda x: where(np.array(t in at), stop_gradient(x), x), state)


def _now(rng: np.random.Generator | None) -> Any:
    return None if rng is None else rng.bit_generator.state
