"""Do the arguments fit?

A check that fails names the function called, what it expected and what it got.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isnan
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.border import refuse_foreign
from tinygrad_rnn.engine.operands import operand, shaped
from tinygrad_rnn.engine.recorder import recorder, require
from tinygrad_rnn.engine.tensor import Tensor, values

__all__ = [
    "check_call",
    "check_callable",
    "check_cell",
    "check_dtype",
    "check_flags",
    "check_generator",
    "check_number",
    "check_probability",
    "check_sequence",
    "check_sizes",
    "check_state",
    "is_number",
    "require_range",
]


def is_number(x: Any) -> bool:
    """True if `x` is a real number, neither a bool nor NaN."""
    return isinstance(x, Real) and not isinstance(x, (bool, np.bool_)) and not isnan(x)


def check_sizes(owner: str, **sizes: object) -> None:
    """ValueError unless every size is a whole number of at least 1."""
    for what, size in sizes.items():
        whole = isinstance(size, (int, np.integer)) and not isinstance(size, bool)
        if not whole or size < 1:
            raise ValueError(f"{owner}: {what} must be a whole number of at least 1, got {size!r}.")


def check_dtype(owner: str, dtype: DTypeLike) -> None:
    """TypeError unless `dtype` is a float type: as integers all start values would be 0."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found is None or found.kind != "f":
        raise TypeError(
            f"{owner}: parameters are floats, got dtype {found or repr(dtype)}. Take float64 or "
            "float32."
        )


def check_probability(owner: str, what: str, p: Any, *, one: bool = False) -> None:
    """ValueError unless `p` is a number in [0, 1), or in [0, 1] with `one`."""
    if not is_number(p) or not (0 <= p < 1 or (one and p == 1)):
        raise ValueError(
            f"{owner}: {what} is a probability in [0, 1{']' if one else ')'}, got {p!r}."
        )


def check_flags(owner: str, **flags: object) -> None:
    """TypeError unless each flag is True or False: any text would count as True."""
    for what, flag in flags.items():
        if not isinstance(flag, (bool, np.bool_)):
            raise TypeError(f"{owner}: {what} is True or False, got {flag!r}.")


def check_callable(owner: str, **functions: object) -> None:
    """TypeError unless each is a function or a class that can be called."""
    for what, function in functions.items():
        if not callable(function):
            raise TypeError(f"{owner}: {what} is a function or a class, got {function!r}.")


def check_number(owner: str, **numbers: Any) -> None:
    """TypeError unless each is a finite real number."""
    for what, number in numbers.items():
        if not is_number(number) or abs(number) == np.inf:
            raise TypeError(f"{owner}: {what} is a finite number, got {number!r}.")


def check_generator(owner: str, rng: Any) -> None:
    """TypeError unless `rng` is a generator or None."""
    if rng is not None and not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"{owner}: expected rng as a generator or None, got {type(rng).__name__}; a seed would "
            "draw the same at every call. Make numpy.random.default_rng(seed) once."
        )


def check_cell(owner: str, cell: Any, *, starts: bool = False) -> None:
    """TypeError unless `cell` is a cell, with an ``initial_state`` if `starts`."""
    if isinstance(cell, type):
        raise TypeError(
            f"{owner}: expected a cell, got the class {cell.__name__}. Make one: "
            f"{cell.__name__}(…)."
        )
    if not callable(cell):
        raise TypeError(
            f"{owner}: expected a cell, called as state = cell(x, state), got a "
            f"{type(cell).__name__}."
        )
    if starts and not hasattr(cell, "initial_state"):
        name = getattr(cell, "__name__", type(cell).__name__)
        raise TypeError(
            f"{owner}: {name} has no initial_state(*batch) that would give the first state. Write "
            "one, or pass state=."
        )


def check_sequence(owner: str, xs: Any) -> None:
    """TypeError or ValueError unless `xs` is a sequence of at least one step."""
    if type(xs) is not Tensor:
        refuse_foreign(xs, owner)
    if not isinstance(xs, (Tensor, np.ndarray, list, tuple)):
        raise TypeError(
            f"{owner}: expected xs as an array or Tensor (T, batch, features) or a list of T "
            f"inputs, got {type(xs).__name__}. A generator can be used up only once: make it a "
            "list."
        )
    for x in xs if isinstance(xs, (list, tuple)) else ():
        operand(x, owner)
    if not getattr(xs, "ndim", 1) or not len(xs):
        raise ValueError(
            f"{owner}: expected at least one time step, got xs of shape {np.shape(values(xs))}; "
            "time comes first."
        )


def check_call(owner: str, cell: Any, xs: Any, state: Any) -> None:
    """ValueError unless the cell can run through `xs`."""
    check_sequence(owner, xs)
    check_cell(owner, cell, starts=state is None)
    head, expected = values(values(xs)[0]), getattr(cell, "input_size", None)
    shape = np.shape(head)
    symbols = shaped(head).dtype.kind in "iu"
    if expected is not None and not symbols and shape[-1:] != (expected,):
        raise ValueError(
            f"{owner}: {type(cell).__name__} expects {expected} features per step, got xs of shape "
            f"{(len(xs), *shape)}. Time comes first, features last: (T, batch, {expected})."
        )
    if isinstance(xs, (list, tuple)):
        batch = shape if symbols else shape[:-1]
        for t, x in enumerate(xs):
            other = np.shape(values(x))
            if (other if symbols else other[:-1]) != batch:
                raise ValueError(
                    f"{owner}: expected the same examples at each step, got shape {shape} at t = 0 "
                    f"and {other} at t = {t}. Pad them, and pass lengths= or mask=."
                )


def check_state(new: Any, old: Any, name: str) -> None:
    """TypeError unless a cell returned a state with the structure of the one it was given."""
    if new is None or _form(new) != _form(old):
        raise TypeError(
            f"unroll: {name} returned {_described(new)} for the next state and was given "
            f"{_described(old)}. A cell returns a state like the one before, and nothing beside "
            "it: h, or (h, c). The output is its first part, or what a method output(state) gives."
        )


def _form(state: Any) -> Any:
    """The number or the keys of its parts, and which of them have parts themselves."""
    if isinstance(state, dict):
        return tuple(state)
    if isinstance(state, (tuple, list)):
        return [isinstance(part, (tuple, list, dict)) for part in state]
    return None


def _described(state: Any) -> str:
    if isinstance(state, (tuple, list)):
        inside = ", ".join(_described(part).removeprefix("one ") for part in state)
        return f"({inside})" if isinstance(state, tuple) else f"[{inside}]"
    if isinstance(state, dict):
        return f"a dict of {', '.join(map(repr, state)) or 'nothing'}"
    return "None" if state is None else f"one {type(state).__name__}"


def require_range(
    x: Any, low: int, high: int, message: Callable[[], str], error: type[Exception] = ValueError
) -> None:
    """Raise an error unless all of the array or Tensor `x` lies in low … high; see `require`."""
    if type(x) is Tensor and recorder() is not None:
        below = x <= high
        holds = below if x.dtype.kind == "u" and low == 0 else (x >= low) & below
        require(holds, message, error)
    else:
        found = values(x)
        holds = not found.size or bool(found.min() >= low and found.max() <= high)
        require(holds, message, error)
