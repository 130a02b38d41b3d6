"""How steep is a function, and on which part of it does a net work?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.engine.backward import ancestors, grad
from tinygrad_rnn.engine.primitive import Primitive
from tinygrad_rnn.engine.primitives import relu, sigmoid, tanh
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.measure.arguments import tensors
from tinygrad_rnn.measure.results import Table

__all__ = ["Activation", "activation"]

FUNCTIONS = {f.name: f for f in (tanh, sigmoid, relu)}


@dataclass(frozen=True, eq=False, repr=False)
class Activation(Table):
    """A function, its slope, and where a record evaluates it.

    Attributes
    ----------
    name
        Of the function.
    x, y, slope
        The argument, the value and the derivative, (N,).
    band
        Between which arguments the middle 90 % of all that a record gave it lie, (2,); None
        without a record.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    slope: np.ndarray
    band: np.ndarray | None

    def columns(self) -> dict[str, Any]:
        """One row per argument."""
        found = {"x": self.x, "y": self.y, "slope": self.slope}
        if self.band is None:
            return found
        return found | {"in_band": (self.x >= self.band[0]) & (self.x <= self.band[1])}


def activation(
    function: str | Callable[[Any], Any] = "tanh",
    roots: Tensor | Sequence[Tensor] | None = None,
    x: Any = None,
) -> Activation:
    """A function of one number and its derivative, which the engine computes.

    Parameters
    ----------
    function
        ``"tanh"``, ``"sigmoid"``, ``"relu"``, or a function of a Tensor, element by element.
    roots
        The loss, or outputs, of the net whose arguments are looked at; for a function of more
        than one primitive there are none to look at.
    x
        The arguments, (N,); by default 401 from -5 to 5, or as far as the band, at most to 12.

    Raises
    ------
    ValueError
        No function has this name, `x` is no row of numbers, or the record never calls the function.
    TypeError
        `function` is neither a name nor a function.

    Examples
    --------
    >>> found = activation("sigmoid", x=[-1.0, 0.0, 1.0])
    >>> found.y.round(2), found.slope.round(2)
    (array([0.27, 0.5 , 0.73]), array([0.2 , 0.25, 0.2 ]))
    """
    if isinstance(function, str):
        if function not in FUNCTIONS:
            known = ", ".join(FUNCTIONS)
            raise ValueError(
                f"activation: no function is called {function!r}; there are: {known}. "
                "Others are given as functions: activation(tr.exp)."
            )
        function = FUNCTIONS[function]
    if not callable(function):
        raise TypeError(
            f"activation: expected a name or a function, got {type(function).__name__}."
        )
    name = function.name if isinstance(function, Primitive) else _name(function)
    band = None if roots is None else _band(name, tensors(roots))
    far = 5.0 if band is None else float(np.clip(np.nan_to_num(np.abs(band)).max() * 1.15, 5, 12))
    at = Tensor(np.linspace(-far, far, 401) if x is None else np.asarray(x, float), name="x")
    if at.ndim != 1 or not at.size:
        raise ValueError(f"activation: x must be a row of numbers, got shape {at.shape}.")
    with np.errstate(all="ignore"):
        y = function(at)
        slope = grad(y, at, np.ones(y.shape))
    return Activation(name, at.data, y.data, slope, band)


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _band(name: str, roots: list[Tensor]) -> np.ndarray:
    given = [
        np.ravel(values(node.inputs[0]))
        for node in ancestors(*roots)
        if node.op is not None and node.op.name == name
    ]
    if not given:
        raise ValueError(f"activation: this record never calls {name}.")
    flat = np.concatenate(given)
    return (
        np.quantile(flat[np.isfinite(flat)], (0.05, 0.95)) if np.isfinite(flat).any() else flat[:2]
    )
