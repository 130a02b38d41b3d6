"""Which inputs does an output depend on, and how much?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.engine.backward import grad
from tinygrad_rnn.engine.norm import norm
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.measure.arguments import one_tensor, stacked
from tinygrad_rnn.measure.lanes import Lane, lanes
from tinygrad_rnn.measure.results import Table

__all__ = ["Connectivity", "connectivity", "receptive_field"]


@dataclass(frozen=True, eq=False, repr=False)
class Connectivity(Table):
    """∂output/∂x_t for every step.

    Attributes
    ----------
    steps
        t of each input, (T,).
    gradients
        (T, *shape of x_t).
    norms
        Euclidean, over batch and features, (T,).
    """

    steps: np.ndarray
    gradients: np.ndarray
    norms: np.ndarray

    @property
    def squared(self) -> np.ndarray:
        """Squared norms, which add up over inputs: the measure of Madsen (Distill 2019)."""
        return self.norms**2

    def columns(self) -> dict[str, Any]:
        """One row per step."""
        return {"t": self.steps, "norm": self.norms}


def connectivity(output: Tensor, letter: str = "x", lane: str | None = None) -> Connectivity:
    """‖∂output/∂x_t‖ at every step, by one walk back (Madsen 2019, "Visualizing memorization").

    Where lanes read one sequence (both directions of a layer) x_t is the row of the sequence, so
    its derivative has all ways in it; with `lane` only those by this lane's steps.

    Parameters
    ----------
    output
        A recorded scalar, e.g. the chosen logit at one step: ``logits[t, 0, k]``.
    letter
        The letter of the inputs; `unroll` calls them x.
    lane
        Which; by default the first (bottom) one whose steps have such inputs.

    Raises
    ------
    ValueError
        The inputs are arrays, which are constants: pass ``Tensor(xs)``, or an embedding. No such
        lane, or `output` is no scalar.
    TypeError
        `output` is no recorded Tensor.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> outputs, _ = nn.unroll(nn.RNNCell(2, 3, rng=0), Tensor(np.ones((5, 1, 2))))
    >>> connectivity(outputs[3][0, 0]).norms.shape, bool(connectivity(outputs[3][0, 0]).norms[3])
    ((4,), True)
    """
    every = lanes(one_tensor(output))
    if lane is not None and lane not in {which.name for which in every}:
        known = ", ".join(which.name for which in every)
        raise ValueError(f"connectivity: no lane is called {lane!r}; there are: {known}.")
    reading = [w for w in every if letter in w.values and lane in (None, w.name)]
    if reading:
        source = _source(reading[0], letter) if lane is None else None
        if source is not None:
            reading = [w for w in reading if _source(w, letter) is source]
        xs = _by_step(reading if source is not None else reading[:1], letter)
        with np.errstate(all="ignore"):
            if source is None:
                gs = grad(output, list(xs.values()), unused="zero")
            else:
                g: Any = grad(output, source, unused="zero")
                gs = [_part(g, x) for x in xs.values()]
        gs = stacked(letter, list(xs), gs)
        return Connectivity(np.array(list(xs)), gs, np.array([norm(g) for g in gs]))
    raise ValueError(
        f"connectivity: no step of this record has an input {letter!r} that a gradient can reach; "
        "arrays are constants. Unroll over Tensor(xs), or over an embedding of the symbols."
    )


def _source(lane: Lane, letter: str) -> Tensor | None:
    """The one Tensor that these are all parts of, if there is one."""
    xs = lane.of(letter)[1]
    found = {x.inputs[0] for x in xs if x.op is not None and x.op.name == "getitem"}
    parts = all(x.op is not None and x.op.name == "getitem" for x in xs)
    return found.pop() if parts and len(found) == 1 else None


def _by_step(reading: list[Lane], letter: str) -> dict[int, Tensor]:
    """The x_t of these lanes by t, in ascending order."""
    found = {w.steps[k]: x for w in reading for k, x in zip(*w.of(letter), strict=True)}
    return dict(sorted(found.items()))


def _part(g: Any, x: Tensor) -> Any:
    """The part of `g` that `x` is of its source."""
    assert x.op is not None
    return x.op(g, *map(values, x.inputs[1:]), **x.options)


def receptive_field(output: Tensor, x: Tensor) -> np.ndarray:
    """True where the gradient of `output` (summed) with respect to `x` is not 0, in x's shape.

    NaN is not 0 either.

    Parameters
    ----------
    output, x
        A recorded Tensor of any shape, and one that it was made from.

    Raises
    ------
    ValueError
        `output` was not made from `x`.
    TypeError
        Either is no Tensor, or x holds integers.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> xs = Tensor(np.ones((5, 1, 1)))
    >>> outputs, _ = nn.unroll(nn.RNNCell(1, 3, rng=0), xs)
    >>> receptive_field(outputs[2], xs).ravel()
    array([ True,  True,  True, False, False])
    """
    output = one_tensor(output)
    with np.errstate(all="ignore"):
        return grad(output, x, np.ones(output.shape, output.dtype)) != 0
