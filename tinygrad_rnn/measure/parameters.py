"""Which step's use of a parameter asks for how much of its change?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.engine.backward import ancestors, grad
from tinygrad_rnn.engine.indexing import put_back
from tinygrad_rnn.engine.norm import norm
from tinygrad_rnn.engine.primitives import getitem
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.measure.arguments import check_steps, one_tensor
from tinygrad_rnn.measure.lanes import time_of
from tinygrad_rnn.measure.results import Table

__all__ = ["ParameterGradients", "parameter_gradients"]


@dataclass(frozen=True, eq=False, repr=False)
class ParameterGradients(Table):
    """The gradient of each parameter, step by step.

    Attributes
    ----------
    names
        Of the parameters.
    steps
        t of each row, in ascending order, (T,). Layers that use one parameter at the same t, or an
        encoder and a decoder that do, have their shares in one row.
    by_step
        For each parameter (T, *shape); their sum with `outside` is its gradient.
    outside
        For each parameter what comes by uses outside of every step.
    norms
        Euclidean, (parameters, T).
    """

    names: tuple[str, ...]
    steps: np.ndarray
    by_step: tuple[np.ndarray, ...]
    outside: tuple[np.ndarray, ...]
    norms: np.ndarray

    def total(self) -> list[np.ndarray]:
        """The gradient of each parameter."""
        return [g.sum(axis=0) + rest for g, rest in zip(self.by_step, self.outside, strict=True)]

    def columns(self) -> dict[str, Any]:
        """One row per parameter and step."""
        p, t = np.indices(self.norms.shape).reshape(2, -1)
        return {
            "parameter": [self.names[k] for k in p],
            "t": self.steps[t],
            "norm": self.norms.ravel(),
        }


def parameter_gradients(
    loss: Tensor, parameters: Sequence[Tensor] | None = None
) -> ParameterGradients:
    """∂L/∂W as the sum over t of what step t asks for, by one walk back.

    W is one parameter used T times, so its gradient is the sum over its copies in the unfolded
    graph (Werbos 1990, "Backpropagation through time").

    Parameters
    ----------
    loss
        A recorded scalar.
    parameters
        Leaves of the record; all float leaves by default. T numbers are kept for each of theirs:
        where the inputs are a Tensor, itself of T steps, pass ``cell.parameters()`` alone.

    Raises
    ------
    ValueError
        There is nothing to differentiate by, a parameter is not in the record, or `loss` is no
        scalar.
    TypeError
        `loss` or a parameter is no Tensor.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> cell = nn.RNNCell(2, 3, rng=0)
    >>> outputs, _ = nn.unroll(cell, np.ones((5, 1, 2)))
    >>> found = parameter_gradients(outputs[-1].sum(), [cell.W_h])
    >>> found.names, found.norms.shape
    (('W_h',), (1, 5))
    """
    loss = one_tensor(loss)
    nodes = ancestors(loss)
    check_steps(nodes)
    if parameters is None:
        parameters = [x for x in nodes if x.op is None and x.dtype.kind == "f"]
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    if not isinstance(parameters, (list, tuple)) or any(type(p) is not Tensor for p in parameters):
        raise TypeError(
            "parameter_gradients: expected a list of Tensors, such as cell.parameters(), got "
            f"{type(parameters).__name__}."
        )
    if not parameters:
        raise ValueError(
            "parameter_gradients: the record has no float leaf to differentiate by, only constants."
        )
    wanted = set(parameters)
    parts: dict[Tensor, dict[int | None, Any]] = {p: defaultdict(lambda: 0.0) for p in parameters}
    steps: set[int] = {t for t in map(time_of, nodes) if t is not None}

    def watch(node: Tensor, argument: int, g: Any) -> None:
        x = node.inputs[argument]
        if x in wanted:
            if node.op is getitem:  # what its rule is given: those of all slices go back together
                g = put_back([(g, tuple(map(_array, node.inputs)), node.options)], x)
            t = time_of(node)
            parts[x][t] = parts[x][t] + g

    with np.errstate(all="ignore"):
        grad(loss, parameters, on_edge=watch)
    order = sorted(steps)
    by_step = tuple(
        np.stack([np.broadcast_to(parts[p][t], p.shape) for t in order])
        if order
        else np.zeros((0, *p.shape))
        for p in parameters
    )
    return ParameterGradients(
        tuple(p.name or f"leaf {k}" for k, p in enumerate(parameters)),
        np.array(order, dtype=int),
        by_step,
        tuple(np.array(np.broadcast_to(parts[p][None], p.shape)) for p in parameters),
        np.array([[norm(g) for g in gs] for gs in by_step]),
    )


def _array(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x
