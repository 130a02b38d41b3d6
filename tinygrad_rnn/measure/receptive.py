"""Which places of which inputs does an output see, and how strongly?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.engine.backward import grad
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.measure.arguments import one_tensor
from tinygrad_rnn.measure.results import Table

__all__ = ["ReceptiveNorms", "receptive_norms"]


@dataclass(frozen=True, eq=False, repr=False)
class ReceptiveNorms(Table):
    """The gradient of an output with respect to its inputs, place by place.

    Attributes
    ----------
    norms
        Over batch and channels, (T, *space): 0 where the output does not see.
    """

    norms: np.ndarray

    @property
    def reached(self) -> np.ndarray:
        """True where the gradient is not 0 (NaN is not 0 either), (T, *space)."""
        return self.norms != 0

    def columns(self) -> dict[str, Any]:
        """One row per step and place."""
        t, *space = np.indices(self.norms.shape).reshape(self.norms.ndim, -1)
        names = ("row", "column") if len(space) == 2 else [f"place_{k}" for k in range(len(space))]
        found = {"t": t} | dict(zip(names if len(space) != 1 else ["place"], space, strict=True))
        return found | {"norm": self.norms.ravel()}


def receptive_norms(output: Tensor, xs: Tensor) -> ReceptiveNorms:
    """Norms of the gradient of `output` (summed) at each place of each input, by one walk back.

    Each step of a convolutional cell widens what is seen by half a kernel on every side.

    Parameters
    ----------
    output
        A recorded Tensor, such as the state at one place: ``h[0, 4, 4]``.
    xs
        The inputs, a Tensor (T, batch, *space, channels), as `ConvLSTM2dCell` reads them.

    Raises
    ------
    ValueError
        `output` was not made from `xs`, or these have fewer than three axes.
    TypeError
        Either is no Tensor.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> xs = Tensor(np.ones((3, 1, 9, 1)))
    >>> outputs, _ = nn.unroll(nn.ConvLSTM1dCell(1, 2, rng=0), xs)
    >>> receptive_norms(outputs[-1][0, 4].sum(), xs).reached.sum(axis=1)
    array([7, 5, 3])
    """
    output = one_tensor(output)
    if not isinstance(xs, Tensor):
        raise TypeError(
            f"receptive_norms: expected the inputs as a Tensor, got {type(xs).__name__}; "
            "arrays are constants, which no gradient reaches. Unroll over Tensor(xs)."
        )
    if xs.ndim < 3:
        raise ValueError(
            f"receptive_norms: expected inputs (T, batch, *space, channels), got shape {xs.shape}."
        )
    with np.errstate(all="ignore"):
        gs = grad(output, xs, np.ones(output.shape, output.dtype))
        top = np.abs(gs).max(initial=0) or 1.0  # so that no square vanishes or overflows
        norms = np.sqrt(((gs / top) ** 2).sum(axis=(1, -1))) * top
    return ReceptiveNorms(norms)
