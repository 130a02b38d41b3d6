"""How do we know that the gradients are right?

By moving the arguments a little and looking how far the result moves. A random direction tests all
entries of an argument at once, and applying the check to the gradient function itself tests the
derivative of the derivative.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.border import refuse_foreign
from tinygrad_rnn.engine import tree
from tinygrad_rnn.engine.backward import ancestors, grad
from tinygrad_rnn.engine.norm import norm
from tinygrad_rnn.engine.tensor import Tensor, values

__all__ = ["check_grads"]

_EPS = float(np.finfo(float).eps)
# of the size of the numbers: where truncation and rounding balance, then whatever balances them
_STEP = 6e-6
_STEPS = 0.25 / 4.0 ** np.arange(25)  # the shortest is four units in the last place
_SEEN = 1e-4  # relative differences that have to be found


def check_grads(
    f: Callable[..., Any],
    *args: Any,
    order: int = 2,
    entrywise: bool = False,
    rtol: float = 1e-6,
    rng: Any = 0,
) -> dict[str, float]:
    """Compare the gradients of `f` with central differences, to derivatives of the given order.

    Parameters
    ----------
    f
        A function of Tensors that gives a Tensor of any shape, at least `order` times
        differentiable near `args`.
    *args
        Where to check. Float Tensors, arrays and numbers are moved, in float64; so are the Tensors
        and arrays in lists, tuples and dicts, and the parameters of a copy of each Module. All else
        is passed on.
    order
        1 checks the gradient, 2 also the gradient of the gradient, and so on.
    entrywise
        Move one entry at a time and say which is wrong: as many evaluations as there are entries.
    rtol
        Largest allowed difference, relative to the size of the gradient of each argument or
        parameter. Steps follow the size of its numbers; what rounding hides is allowed too, and
        warned of where it hides 0.01 %.
    rng
        Seed or generator for directions.

    Returns
    -------
    The largest relative difference for each argument or parameter that was checked, by name.

    Raises
    ------
    AssertionError
        Says at which order and argument or parameter, and entrywise at which entry, what was
        expected and what `f`'s rules give.
    TypeError
        Nothing can be moved, or `f` gives no Tensor.
    ValueError
        `f` does not depend on one of the arguments or parameters, so that nothing would be checked;
        `order` or `rtol` is out of range.

    Examples
    --------
    >>> from tinygrad_rnn import check_grads, tanh
    >>> sorted(check_grads(lambda x, w: tanh(x @ w), np.eye(2), np.ones((2, 3)), order=3))
    ['argument 0', 'argument 1']
    """
    if type(order) is not int or order < 1:
        raise ValueError(f"check_grads: order counts derivatives from 1, got {order!r}.")
    if not (isinstance(rtol, (int, float)) and 0 < rtol < 1):
        raise ValueError(f"check_grads: rtol must lie between 0 and 1, got {rtol!r}.")
    points: list[_Point] = []
    opened = tree.paths(args, is_leaf=tree.registered)
    ends = [_opened(a, path, points) for path, a in opened]
    if not any(p.x.size for p in points):
        raise TypeError(
            "check_grads: none of the arguments is a float Tensor or array, or holds one; nothing "
            "can be moved."
        )

    def function(leaves: list[Tensor]) -> Any:
        return f(*tree.rebuild(args, [end(leaves) for end in ends], is_leaf=tree.registered))

    check = _Check(points, entrywise, rtol, np.random.default_rng(rng))
    for n in range(1, order + 1):
        function = check.order(n, function, last=n == order)
    return {p.name: found for p, found in zip(points, check.found, strict=True)}


class _Point(NamedTuple):
    """An argument that is moved: name, value, and the parameter of a copied Module that it is."""

    name: str
    x: np.ndarray
    parameter: Tensor | None = None

    @property
    def size(self) -> float:
        """Of a typical entry, 1 if all are 0."""
        return norm(self.x) / max(self.x.size, 1) ** 0.5 or 1.0

    def leaf(self, x: Any) -> Tensor:
        """A leaf with these values in its place."""
        if self.parameter is None:
            return Tensor(x)
        self.parameter._data = Tensor(x)._data
        return self.parameter


def _opened(a: Any, path: tuple[Any, ...], points: list[_Point]) -> Callable[[list[Tensor]], Any]:
    """An argument as a function of the leaves that stand for its moved parts."""
    name = f"argument {path[0]}" + "".join(f"[{key!r}]" for key in path[1:])
    if hasattr(a, "named_parameters"):
        a = copy.deepcopy(a)
        for key, p in a.named_parameters().items():
            if _is_float(p):
                points.append(_Point(f"{name}, {key}", np.array(p.data, float), p))
        return lambda leaves: a
    if type(a) is not Tensor:
        refuse_foreign(a, "check_grads")
    if not _is_float(a) or (len(path) > 1 and isinstance(a, float)):
        return lambda leaves: a
    place = len(points)
    points.append(_Point(name, np.array(values(a), float)))
    return lambda leaves: leaves[place]


class _Check:
    """One comparison after the other, of one function and its gradients."""

    def __init__(
        self, points: list[_Point], entrywise: bool, rtol: float, rng: np.random.Generator
    ) -> None:
        self.points, self.entrywise, self.rtol, self.rng = points, entrywise, rtol, rng
        self.found = [0.0] * len(points)

    def order(self, n: int, f: Callable[[list[Tensor]], Any], last: bool) -> Any:
        """Compare the gradient of `f`, and give a projection of it, to be checked in turn."""
        leaves = self.leaves()
        y = f(leaves)
        if not isinstance(y, Tensor):
            raise TypeError(f"check_grads: expected f to give one Tensor, got {type(y).__name__}.")
        cotangent = np.asarray(self.rng.standard_normal(y.shape))
        gradients = grad(y, leaves, cotangent, unused="zero")
        used = {*ancestors(y)} if n == 1 else {*leaves}
        directions = [p.size * self.rng.standard_normal(p.x.shape) for p in self.points]
        for k, (p, g, d) in enumerate(zip(self.points, gradients, directions, strict=True)):
            line = _Line(f, self, k, cotangent)
            where = f"derivative of order {n}, {p.name}"
            if self.entrywise:
                for place in np.ndindex(p.x.shape):
                    unit = np.zeros(p.x.shape)
                    unit[place] = p.size
                    line.compare(g, unit, f"{where}, entry {place}")
            line.compare(g, d, f"{where}, along a random direction")
            if leaves[k] not in used:
                raise ValueError(
                    f"check_grads: f does not depend on {p.name}: nothing would be checked. "
                    "Compute with what f is given, not with what it closes over; leave out what it "
                    "ignores."
                )
        if last:
            return f

        def gradient(leaves: list[Tensor]) -> Any:
            gs = grad(f(leaves), leaves, cotangent, create_graph=True, unused="zero")
            total: Any = 0.0
            for g, d in zip(gs, directions, strict=True):
                total = total + (g * d).sum()
            return total

        return gradient

    def leaves(self, moved: int = -1, x: Any = None) -> list[Tensor]:
        """The leaves where they are, one of them moved."""
        return [p.leaf(x if k == moved else p.x) for k, p in enumerate(self.points)]


class _Line:
    """The slope of <cotangent, f> along directions of one argument."""

    def __init__(self, f: Any, check: _Check, k: int, cotangent: np.ndarray) -> None:
        self.f, self.check, self.k, self.cotangent = f, check, k, cotangent
        self.value = 0.0  # the size of the values that differences are taken of

    def slope(self, direction: np.ndarray, step: float, g: Any) -> float:
        """By central differences; the gradient `g` puts back the part of a step lost to rounding.

        Beside 1e12 there is no number nearer than 1e-4: a step of 1e-3 is up to 6 % too long. NaN
        if more than a tenth would have to be put back.
        """
        x = self.check.points[self.k].x
        ahead, back = x + step * direction, x - step * direction
        ends = [
            self.cotangent * values(self.f(self.check.leaves(self.k, end))) for end in (ahead, back)
        ]
        self.value = norm(ends[0])
        missing = direction - (ahead - back) / (2 * step)
        if norm(g * missing) > 0.1 * norm(g * direction):
            return np.nan
        difference = float(np.sum(ends[0] - ends[1]))
        return difference and difference / (2 * step) + float(np.sum(g * missing))

    def compare(self, g: Any, direction: np.ndarray, where: str) -> None:
        """AssertionError unless the gradient `g` is that of the differences."""
        exact, size = float(np.sum(g * direction)), norm(g * direction)
        with np.errstate(all="ignore"):  # of steps that are too long
            numeric, hidden = self.slope(direction, _STEP, g), 0.0
            if not abs(numeric - exact) <= self.check.rtol * max(size, abs(numeric)):
                numeric, hidden = self.best(direction, g)
        size = max(size, abs(numeric))
        off = abs(numeric - exact)
        if not off <= self.check.rtol * size + hidden:
            relative = off / (max(abs(numeric), abs(exact)) or 1.0)  # of 0 and NaN
            raise AssertionError(
                f"{where}: central differences give {numeric:.9g}, the rules {exact:.9g} "
                f"(relative difference {relative:.2g})."
            )
        if hidden > _SEEN * size and size > 100 * _EPS * self.value:  # else it is rounding itself
            warnings.warn(
                f"check_grads: {where}: rounding hides differences up to {hidden / size:.1g} of "
                f"the gradient, which is {size:.1g} beside a result of {self.value:.1g}. Check a "
                "function without what is large and constant in it.",
                stacklevel=5,
            )
        self.check.found[self.k] = max(self.check.found[self.k], off / size if off else 0.0)

    def best(self, direction: np.ndarray, g: Any) -> tuple[float, float]:
        """The slope from that of many steps, and how far it may be off.

        Differences of two steps, one a quarter of the other, are off by 16 to 1 at first, so that
        both together are better (Richardson). The shortest steps that agree to 1 % say which slope
        is meant, as tanh is flat from afar; of those near it, the one whose neighbours agree best.
        """
        slopes = np.full(len(_STEPS), np.nan)
        for k, step in enumerate(_STEPS):
            with suppress(ArithmeticError, ValueError):  # so far away f may refuse
                slopes[k] = self.slope(direction, step, g)
        seen = np.flatnonzero(np.nan_to_num(slopes))
        slopes[seen[-1] + 1 if seen.size else len(slopes) :] = np.nan  # too short to see anything
        better = (16 * slopes[1:] - slopes[:-1]) / 15
        apart = np.abs(np.diff(better))
        rounding = 100 * _EPS * self.value / _STEPS[2:-1]
        hidden = 3 * np.maximum(apart[:-1], apart[1:]) + rounding
        hidden[~np.isfinite(hidden)] = np.inf
        settled = np.flatnonzero(
            hidden < 0.01 * np.maximum(norm(g * direction), np.abs(better[1:-1]))
        )
        if settled.size:
            last = settled[-1]
            far = np.abs(better[1:-1] - better[last + 1]) > hidden + hidden[last]
            hidden[far] = np.inf
        k = int(np.argmin(hidden))
        return float(better[k + 1]), float(hidden[k])


def _is_float(a: Any) -> bool:
    return (
        isinstance(values(a), (float, np.ndarray, np.floating))
        and np.asarray(values(a)).dtype.kind == "f"
    )
