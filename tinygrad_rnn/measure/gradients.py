"""How much gradient arrives at the state of each step?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np

from tinygrad_rnn.engine.backward import grad
from tinygrad_rnn.engine.norm import norm
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.measure.arguments import letters_of, one_tensor, stacked
from tinygrad_rnn.measure.lanes import lanes
from tinygrad_rnn.measure.results import Brief, Table

__all__ = ["StateGradient", "StateGradients", "state_gradients"]


@dataclass(frozen=True, eq=False, repr=False)
class StateGradient(Brief):
    """∂L/∂h_t for one lane and one letter.

    Attributes
    ----------
    lane, letter
        Whose.
    steps
        t of each row, in the order the lane was run, (T,).
    gradients
        (T, *shape of the state).
    norms
        Euclidean, over the batch and all units, (T,).
    log_norms
        Their natural logarithms, right also where a norm is too small or too large for its dtype,
        (T,); −∞ where the gradient is exactly 0.
    reached
        Whether any way leads back from the loss to the state; behind a cut the norm is 0 and this
        is False, a gradient that vanished to an exact 0 is True, (T,).
    """

    lane: str
    letter: str
    steps: np.ndarray
    gradients: np.ndarray
    norms: np.ndarray
    log_norms: np.ndarray
    reached: np.ndarray

    def rate(self) -> float:
        """By what factor the norm changes per step back: a line through its logarithm.

        Over the steps with a finite logarithm; NaN if there are fewer than two.
        """
        good = np.isfinite(self.log_norms)
        back = np.arange(len(self.norms))[::-1][good]
        return (
            float(np.exp(np.polyfit(back, self.log_norms[good], 1)[0]))
            if len(back) > 1
            else float("nan")
        )


@dataclass(frozen=True, eq=False, repr=False)
class StateGradients(Table):
    """All of them; index by place, or by (lane, letter) or letter."""

    rows: tuple[StateGradient, ...]

    def __getitem__(self, key: Any) -> StateGradient:
        if isinstance(key, int):
            return self.rows[key]
        for row in reversed(self.rows):
            if key in (row.letter, (row.lane, row.letter)):
                return row
        known = ", ".join(f"({row.lane!r}, {row.letter!r})" for row in self.rows)
        raise KeyError(f"no gradient of {key!r}; there are: {known}")

    def __len__(self) -> int:
        return len(self.rows)

    def columns(self) -> dict[str, Any]:
        """One row per lane, letter and step."""
        return {
            "lane": [row.lane for row in self.rows for _ in row.steps],
            "letter": [row.letter for row in self.rows for _ in row.steps],
            "t": np.concatenate([row.steps for row in self.rows]),
            "norm": np.concatenate([row.norms for row in self.rows]),
            "log_norm": np.concatenate([row.log_norms for row in self.rows]),
            "reached": np.concatenate([row.reached for row in self.rows]),
        }


def state_gradients(loss: Tensor, letters: str | Sequence[str] | None = None) -> StateGradients:
    """∂L/∂h_t (and ∂L/∂c_t …) at every step of every layer, by one walk back.

    The derivative is total: that by c_t includes what flows by way of h_t, if h_t was made from it.
    Where a norm leaves the normal numbers, a second walk back, from state to state and scaled at
    each, finds the logarithms.

    Parameters
    ----------
    loss
        A recorded scalar.
    letters
        Which values; by default those that are handed on from step to step. Any named value will
        do, ``"f"`` too.

    Raises
    ------
    ValueError
        There are no such letters, no time steps, `loss` is no scalar, or a state changes its shape.
    TypeError
        `loss` is no recorded Tensor.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> outputs, _ = nn.unroll(nn.LSTMCell(2, 3, rng=0), np.ones((5, 1, 2)))
    >>> found = state_gradients(outputs[-1].sum())
    >>> [(row.lane, row.letter, row.norms.shape) for row in found.rows]
    [('lstm', 'c', (5,)), ('lstm', 'h', (5,))]
    """
    every = lanes(one_tensor(loss))
    chosen = [
        (lane, letter)
        for lane in every
        for letter in letters_of(letters, lane.states)
        if letter in lane.values
    ]
    if not chosen:
        known = {letter: None for lane in every for letter in lane.values}
        asked = ", ".join(letters_of(letters, ["a state"]))
        raise ValueError(
            f"state_gradients: no step has {asked}; the letters of this record are: "
            f"{', '.join(known) or 'none'}. Name values in the cell: named(h=…)."
        )
    targets = {x: None for lane, letter in chosen for x in lane.of(letter)[1]}
    reached = {loss}
    with np.errstate(all="ignore"):  # infinities and NaN are what is measured
        found = grad(
            loss,
            {x: x for x in targets},
            unused="zero",
            on_edge=lambda node, k, _: reached.add(node.inputs[k]),
        )
    lengths = {x: norm(found[x]) for x in targets}
    logs = {x: math.log(n) if 0 < n < math.inf else math.nan for x, n in lengths.items()}
    logs |= {x: -math.inf for x in targets if x not in reached}
    if not all(_is_normal(lengths[x], x) for x in targets if x in reached):
        states = [x for lane in every for letter in lane.states for x in lane.of(letter)[1]]
        logs |= _log_norms(loss, {*targets, *(x for x in states if x.dtype.kind == "f")})
    rows = []
    for lane, letter in chosen:
        places, xs = lane.of(letter)
        steps = [lane.steps[k] for k in places]
        gs = [found[x] for x in xs]
        rows.append(
            StateGradient(
                lane.name,
                letter,
                np.array(steps),
                stacked(f"{letter} of {lane.name}", steps, gs),
                np.array([lengths[x] for x in xs]),
                np.array([logs[x] for x in xs]),
                np.array([x in reached for x in xs]),
            )
        )
    return StateGradients(tuple(rows))


def _is_normal(length: float, x: Tensor) -> bool:
    """True if a gradient of `x` keeps its digits: finite, and far above the subnormal numbers."""
    return np.finfo(x.dtype).tiny / np.finfo(x.dtype).eps < length < math.inf


def _log_norms(loss: Tensor, targets: set[Tensor]) -> dict[Tensor, float]:
    """The logarithm of |∂loss/∂x| for each target, −∞ where it is 0.

    Back from target to nearest target, each gradient scaled to length 1 before it goes on.
    """
    found = dict.fromkeys(targets, -math.inf)
    held = {loss: (np.ones(loss.shape), 0.0)}  # gradients, and the logarithm of their scale
    for x in sorted({loss, *targets}, key=attrgetter("serial"), reverse=True):
        if x not in held:
            continue
        g, scale = held.pop(x)
        length = norm(g)
        found[x] = scale + (math.log(length) if length else -math.inf)
        near = _nearest(x, targets)
        if not near or not length:
            continue
        with np.errstate(all="ignore"):
            gs = grad(x, near, (g / length).astype(x.dtype), unused="zero", partial=True)
        for y, part in zip(near, gs, strict=True):
            held[y] = _added(held.get(y), (np.asarray(part, float), found[x]))
    return found


def _added(a: tuple[np.ndarray, float] | None, b: tuple[np.ndarray, float]) -> Any:
    """The sum of two arrays, each with the logarithm of its scale."""
    if a is None:
        return b
    scale = max(a[1], b[1])
    return a[0] * np.exp(a[1] - scale) + b[0] * np.exp(b[1] - scale), scale


def _nearest(x: Tensor, targets: set[Tensor]) -> list[Tensor]:
    """The targets that `x` was made from by way of no other."""
    near, seen, todo = list[Tensor](), {x}, [x]
    while todo:
        for y in todo.pop().inputs:
            if type(y) is Tensor and y not in seen:
                seen.add(y)
                (near if y in targets else todo).append(y)
    return near
