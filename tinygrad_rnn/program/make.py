"""How does a function become a program that is known to be right?

It is recorded; the record becomes a program; what the program gives is compared with what the
function gives; and the function is recorded on other arguments, lest something of these be in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.engine.backward import grad
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.program.pipeline import Compiled, follows
from tinygrad_rnn.program.trace import (
    Forward,
    Refused,
    Trace,
    forward,
    leaves_of,
    rebuilt,
    trace,
    with_values,
)
from tinygrad_rnn.program.unbaked import unbaked
from tinygrad_rnn.program.write import Program

__all__ = ["ARRAYS", "Given", "How", "eager", "made", "tensors"]

ARRAYS = "the function does not run on Tensors"


@dataclass(frozen=True)
class How:
    """What a program shall be like; see `compile`."""

    passes: frozenset[str]
    target: str
    memory: str | int | None
    longest: int | None


@dataclass(frozen=True, eq=False)
class Given:
    """A function and what it is called with; the names of its arguments."""

    loss_fn: Callable[..., Any]
    params: Any
    args: tuple[Any, ...]
    names: list[str]


def made(
    given: Given, arrays: list[Any], how: How, known: dict[str, Program]
) -> tuple[Compiled | str, Any]:
    """A program and its results on `arrays`; or a sentence that says why there is none.

    Those in `known`, by their bodies, are known to have nothing of their arguments in them.
    """
    call = given.loss_fn, given.params, given.args, given.names
    try:
        try:
            record, whole = _recorded(call)
        except TypeError as error:
            return f"not compiled: {ARRAYS} ({error})", None
        refused, found = "", None
        try:
            found = Compiled(whole, how.passes, how.target, how.memory, how.longest)
        except (Refused, AssertionError, KeyError) as error:
            refused = str(error)
        alike = known.get(found.program.body) if found is not None else None
        if alike is None or found is None or not follows(alike, found.program):
            unbaked(record, *call)
        exact = _exact(record, whole, given)
        results = None
        try:
            results = found and check(found, arrays, exact)
        except (Refused, AssertionError, KeyError) as error:
            refused = str(error)
        if found is None or results is None:
            # a structure that looked like a recurrence and cannot be written
            found = Compiled(whole, how.passes - {"loops"}, how.target, None, how.longest)
            results = check(found, arrays, exact)
            found.said.append(f"the loops found could not be written ({refused})")
    except Refused as error:
        return f"not compiled: {error}.", None
    found.paths = record.names[: record.parameters]
    return found, results


def _recorded(call: Any) -> tuple[Forward, Trace]:
    """Loss and gradients; computed, if a rule for the gradients asks for values."""
    record = forward(*call)
    if record.shapes is not None:
        try:
            return record, trace(record)
        except Exception:
            record = with_values(*call)
    return record, trace(record)


def _exact(record: Forward, whole: Trace, given: Given) -> list[tuple[str | None, Any]]:
    """Names and values of all results: those recorded, or of one step without a program."""
    names = [x.name for x in whole.outputs]
    if record.shapes is not None:
        try:
            loss, gradients, aux = eager(given.loss_fn, given.params, map(tensors, given.args))
        except Exception:  # a program that is written for records alone
            record = with_values(given.loss_fn, given.params, given.args, given.names)
            whole = trace(record)
        else:
            beside = [values(x) for _, x in leaves_of(aux, "aux") if x is not None]
            return list(zip(names, [loss.data, *gradients, *beside], strict=True))
    return list(zip(names, [x.data for x in whole.outputs], strict=True))


def check(
    program: Compiled, arrays: list[Any], exact: list[tuple[str | None, Any]]
) -> tuple[Any, ...]:
    """The results of a program, compared: what is printed must be what was recorded."""
    results = program(arrays)
    for (name, x), y in zip(exact, results, strict=True):
        x = np.asarray(x)
        scale = max(np.abs(x[np.isfinite(x)]).max(initial=0), 1e-30)
        tolerance = 1e-9 if x.dtype == np.float64 else 1e-2
        same = np.allclose(y, x, rtol=0, atol=tolerance * scale, equal_nan=True)
        if y.shape != x.shape or y.dtype != x.dtype or not same:
            raise Refused(
                f"the program gives another result than the record for {name or 'a gradient'}"
                " (a mistake in the compiler: please report it)"
            )
    return results


def eager(loss_fn: Callable[..., Any], params: Any, args: Any) -> tuple[Tensor, list[Any], Any]:
    """Loss, gradients, and what the function gives beside them (None), without a program."""
    found = loss_fn(params, *args)
    loss, aux = found if type(found) is tuple else (found, None)
    return loss, grad(loss, [p for _, p in leaves_of(params, "params")], unused="zero"), aux


def tensors(arg: Any) -> Any:
    """The argument as a function that is compiled is given it."""
    ends = [
        Tensor(np.asarray(values(x)), name=name)
        if isinstance(x, (Tensor, np.ndarray, np.generic, int, float))
        else x
        for name, x in leaves_of(arg, "")
    ]
    return rebuilt(arg, iter(ends))
