"""How does a function become a program that is known to be right?

It is recorded; the record becomes a program; what the program gives is compared with what the
function gives; and the function is recorded on other arguments, lest something of these be in it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.engine.backward import grad
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.program.cache import found, key_of, put
from tinygrad_rnn.program.pipeline import Compiled, How, follows
from tinygrad_rnn.program.run import Printed, Running
from tinygrad_rnn.program.trace import (
    NUMBERS,
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

__all__ = ["ARRAYS", "Given", "eager", "made", "tensors"]

Known = dict[str, Printed]  # by their bodies

ARRAYS = "the function does not run on Tensors"


class Given(NamedTuple):
    """A function and what it is called with; the names of its arguments."""

    loss_fn: Callable[..., Any]
    params: Any
    args: tuple[Any, ...]
    names: list[str]


class Different(Refused):
    """A program does not give `exact`, what the function gives."""

    def __init__(self, why: str, exact: list[tuple[str | None, Any]]) -> None:
        super().__init__(why)
        self.exact = exact


def made(given: Given, arrays: list[Any], how: How, known: Known) -> tuple[Running | str, Any]:
    """A program and its results on `arrays`, if there are some already; or why there is none.

    Those in `known`, by their bodies, are known to have nothing of their arguments in them.
    """
    try:
        try:
            record = forward(*given)
            key = key_of(record, how)
            kept = found(key, record, how) if key else None
            record, whole = (record, None) if kept else _differentiated(record, given)
        except TypeError as error:
            return f"not compiled: {ARRAYS} ({error})", None
        if kept is not None:
            _independent(kept, record, given, known)
            kept.paths = record.names[: record.parameters]
            return kept, None
        assert whole is not None
        try:
            program, results = _compiled(record, whole, given, arrays, how, known)
        except Different as error:
            if record.shapes is None:
                raise
            record = with_values(*given)  # without them, Python may have gone another way
            program, results = _compiled(record, trace(record), given, arrays, how, known)
            compare(results, error.exact)
        program.paths = record.names[: record.parameters]
        if key and record.shapes is not None and program.how == how and not program.no_c:
            put(key, program)
    except Refused as error:
        return f"not compiled: {error}.", None
    return program, results


def _differentiated(record: Forward, given: Given) -> tuple[Forward, Trace]:
    """The record with gradients; computed, if a rule for these asks for values."""
    if record.shapes is not None:
        with suppress(Exception):
            return record, trace(record)
        record = with_values(*given)
    return record, trace(record)


def _compiled(
    record: Forward, whole: Trace, given: Given, arrays: list[Any], how: How, known: Known
) -> tuple[Compiled, Any]:
    """A program that gives what the function gives, and its results."""
    refused, program, results = "", None, None
    try:
        program = Compiled(whole, how)
    except (Refused, AssertionError, KeyError) as error:
        refused = str(error)
    _independent(program, record, given, known)
    exact = _exact(record, whole, given)
    if program is not None:
        try:
            return program, check(program, arrays, exact)
        except (Refused, AssertionError, KeyError) as error:
            refused = str(error)
    # a structure that looked like a recurrence and cannot be written
    program = Compiled(whole, replace(how, passes=how.passes - {"loops"}, memory=None))
    results = check(program, arrays, exact)
    program.said.append(f"the loops found could not be written ({refused})")
    return program, results


def _independent(program: Running | None, record: Forward, given: Given, known: Known) -> None:
    """Refuse what has values of its arguments in it, unless that is known of a program like it."""
    alike = None if program is None else known.get(program.program.body)
    if alike is None or program is None or not follows(alike, program.program):
        unbaked(record, *given)


def _exact(record: Forward, whole: Trace, given: Given) -> list[tuple[str | None, Any]]:
    """Names and values of all results: those recorded, or of one step without a program."""
    names = [x.name for x in whole.outputs]
    if record.shapes is not None:
        with suppress(Exception):
            loss, gradients, aux = eager(given.loss_fn, given.params, map(tensors, given.args))
            beside = [values(x) for a in aux for _, x in leaves_of(a, "aux") if x is not None]
            return list(zip(names, [loss.data, *gradients, *beside], strict=True))
        # a function that is written for complete records alone
        record = with_values(*given)
        whole = trace(record)
    return list(zip(names, [x.data for x in whole.outputs], strict=True))


def check(
    program: Running, arrays: list[Any], exact: list[tuple[str | None, Any]]
) -> tuple[Any, ...]:
    """The results of a program, compared: what is printed must be what was recorded."""
    results = program(arrays)
    compare(results, exact)
    return results


def compare(results: tuple[Any, ...], exact: list[tuple[str | None, Any]]) -> None:
    """Refuse results that differ from what the function gives."""
    for (name, x), y in zip(exact, results, strict=True):
        x = np.asarray(x)
        scale = max(np.abs(x[np.isfinite(x)]).max(initial=0), 1e-30)
        tolerance = 1e-9 if x.dtype == np.float64 else 1e-2
        same = np.allclose(y, x, rtol=0, atol=tolerance * scale, equal_nan=True)
        if y.shape != x.shape or y.dtype != x.dtype or not same:
            raise Different(
                f"the program gives another result than the record for {name or 'a gradient'}"
                " (a mistake in the compiler: please report it)",
                exact,
            )


def eager(
    loss_fn: Callable[..., Any], params: Any, args: Any
) -> tuple[Tensor, list[Any], list[Any]]:
    """Loss, gradients, and all that the function gives beside the loss, without a program."""
    found = loss_fn(params, *args)
    loss, *aux = found if type(found) is tuple else (found,)
    return loss, grad(loss, [p for _, p in leaves_of(params, "params")], unused="zero"), aux


def tensors(arg: Any) -> Any:
    """The argument as a function that is compiled is given it."""
    ends = [
        Tensor(np.asarray(values(x)), name=name) if isinstance(x, NUMBERS) else x
        for name, x in leaves_of(arg, "")
    ]
    return rebuilt(arg, iter(ends))
