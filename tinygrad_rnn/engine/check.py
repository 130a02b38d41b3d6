"""How do we know that the gradients are right?

By moving the arguments a little and looking how far the result moves. A random direction tests all
entries at once, and applying the check to the gradient function itself tests the derivative of the
derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_rnn.border import refuse_foreign
from tinygrad_rnn.engine.backward import grad
from tinygrad_rnn.engine.tensor import Tensor, values

__all__ = ["check_grads"]

_STEP = 6e-6  # about the cube root of float64's precision, where truncation and rounding balance


def check_grads(
    f: Callable[..., Any],
    *args: Any,
    order: int = 2,
    entrywise: bool = False,
    rtol: float = 1e-6,
    rng: Any = 0,
) -> None:
    """Compare the gradients of `f` with central differences, to derivatives of the given order.

    Parameters
    ----------
    f
        A function of Tensors that gives a Tensor of any shape, at least `order` times
        differentiable near `args`.
    *args
        Where to check. Float Tensors and arrays (float64, or the differences drown) are moved; all
        else is passed on.
    order
        1 checks the gradient, 2 also the gradient of the gradient, and so on.
    entrywise
        Move one entry at a time and say which is wrong: as many evaluations as there are entries.
    rtol
        Largest allowed difference, relative to the size of what is compared (absolute below 1).
    rng
        Seed or generator for directions.

    Raises
    ------
    AssertionError
        Says at which order, and entrywise at which argument and entry, what was expected and what
        `f`'s rules give.

    Examples
    --------
    >>> from tinygrad_rnn import check_grads, tanh
    >>> check_grads(lambda x, w: tanh(x @ w), np.eye(2), np.ones((2, 3)), order=3)
    """
    rng = np.random.default_rng(rng)
    for a in args:
        if type(a) is not Tensor:
            refuse_foreign(a, "check_grads")
    points = [np.array(values(a)) if _is_float(a) else a for a in args]
    moved = [k for k, a in enumerate(points) if _is_float(a)]
    if not moved:
        raise TypeError(
            "check_grads: none of the arguments is a float Tensor or array; nothing can be moved."
        )
    _check(f, points, moved, order, order, entrywise, rtol, rng)


def _check(
    f: Callable[..., Any],
    points: list[Any],
    moved: list[int],
    order: int,
    highest: int,
    entrywise: bool,
    rtol: float,
    rng: np.random.Generator,
) -> None:
    leaves = [Tensor(a) if k in moved else a for k, a in enumerate(points)]
    y = f(*leaves)
    if not isinstance(y, Tensor):
        raise TypeError(f"check_grads: expected f to give one Tensor, got {type(y).__name__}.")
    cotangent = np.asarray(rng.standard_normal(y.shape))
    wrt = [leaves[k] for k in moved]
    gradients = grad(y, wrt, cotangent, unused="zero")
    directions = [np.asarray(rng.standard_normal(points[k].shape)) for k in moved]

    def slope(directions: list[Any]) -> float:
        """How fast <cotangent, f> grows along the directions, by central differences."""
        ends = []
        for sign in (_STEP, -_STEP):
            there = list(points)
            for k, d in zip(moved, directions, strict=True):
                there[k] = points[k] + sign * d
            ends.append(values(f(*[Tensor(a) if k in moved else a for k, a in enumerate(there)])))
        return float(np.sum(cotangent * (ends[0] - ends[1])) / (2 * _STEP))

    which = f"derivative of order {highest - order + 1}"
    if entrywise:
        for k, g in zip(moved, gradients, strict=True):
            for place in np.ndindex(points[k].shape):
                unit = [np.zeros(points[m].shape) for m in moved]
                unit[moved.index(k)][place] = 1
                _compare(
                    slope(unit), float(g[place]), rtol, f"{which}, argument {k}, entry {place}"
                )
    numeric = slope(directions)
    exact = sum(float(np.sum(g * d)) for g, d in zip(gradients, directions, strict=True))
    _compare(numeric, exact, rtol, f"{which}, along a random direction")
    if order > 1:

        def gradient(*args: Any) -> Any:
            """The same projection of the gradient as one Tensor, to be checked in turn."""
            y = f(*args)
            gs = grad(y, [args[k] for k in moved], cotangent, create_graph=True, unused="zero")
            total = (gs[0] * directions[0]).sum()
            for g, d in zip(gs[1:], directions[1:], strict=True):
                total = total + (g * d).sum()
            return total

        _check(gradient, points, moved, order - 1, highest, entrywise, rtol, rng)


def _compare(numeric: float, exact: float, rtol: float, where: str) -> None:
    if not abs(numeric - exact) <= rtol * max(1.0, abs(numeric), abs(exact)):
        size = max(abs(numeric), abs(exact)) or 1.0  # where one is 0, the other may be NaN
        raise AssertionError(
            f"{where}: central differences give {numeric:.9g}, the rules {exact:.9g} "
            f"(relative difference {abs(numeric - exact) / size:.2g})."
        )


def _is_float(a: Any) -> bool:
    return (
        isinstance(values(a), (float, np.ndarray, np.floating))
        and np.asarray(values(a)).dtype.kind == "f"
    )
