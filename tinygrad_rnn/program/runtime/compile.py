"""How does a function become a program that is known to be right?

It is recorded; the record becomes a program; what the program gives is compared with what the
function gives; and the function is recorded once more, on other arguments, lest something of these
be in it, or something that changes from call to call. Random generators are set back each time.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_rnn.engine.backward import grad
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.program.ir.lengths import Another, Sample
from tinygrad_rnn.program.ir.recognise import cuts
from tinygrad_rnn.program.record.guard import unbaked
from tinygrad_rnn.program.record.trace import (
    NUMBERS,
    Forward,
    Refused,
    Trace,
    forward,
    leaves_of,
    line_of,
    no_garbage,
    rebuilt,
    recorded,
    trace,
    with_values,
)
from tinygrad_rnn.program.runtime.cache import found, key_of, put
from tinygrad_rnn.program.runtime.compare import first_difference, size_of
from tinygrad_rnn.program.runtime.known import Given, Known, Pair
from tinygrad_rnn.program.runtime.pipeline import Compiled, How
from tinygrad_rnn.program.runtime.relength import Relengthed, function_at
from tinygrad_rnn.program.runtime.run import Running
from tinygrad_rnn.program.threads import small

__all__ = ["ARRAYS", "Disturbed", "eager", "made", "rounded_otherwise", "tensors"]


Exact = list[tuple[str, Any]]

ARRAYS = "the function does not run on Tensors"


class Disturbed(Refused):
    """A function that has changed something outside while it was recorded."""


class Different(Refused):
    """A program does not give `exact`, what the function gives."""

    def __init__(self, why: str, exact: Exact) -> None:
        super().__init__(why)
        self.exact = exact


def made(given: Given, arrays: list[Any], how: How, known: Known, kind: Any) -> Running:
    """A program for a call of a kind, that is, one that differs from others by lengths alone.

    Raises
    ------
    Refused
        There is none, and why.
    Disturbed
        The function changes something that it reaches, and has done so.
    """
    refused: Exception | None = None
    program: Running | None = None
    asked = ""
    if not given.around.complete:
        raise Refused("it can reach too many objects to see whether it changes one of them")
    if iterator := given.around.iterator():
        raise Refused(
            f"it can reach {iterator}, an iterator or an open file, which would lose what is taken "
            "while it is recorded. Take from it where the batch is made"
        )
    try:
        there = _of_other_length(given, arrays, how, known, kind)
        program = None if isinstance(there, str) else there
        if program is None:
            record = forward(*given)
            asked = record.asked
            program = _made(record, given, arrays, how, known)
            program.paths = record.names[: record.parameters]
            program.small = small(record.nodes)
            if there and isinstance(program, Compiled):
                program.said.append(f"made anew, and not by programs of other lengths: {there}")
        program.drawn.ways = [given.around.ways(rng) for rng in program.drawn.generators]
    except (TypeError, AttributeError) as error:
        refused = Refused(f"{ARRAYS} ({error}){line_of(error) or asked}")
    except Refused as error:
        refused = Refused(str(error) if asked in str(error) else f"{error}{asked}")
    except Exception as error:  # the function's own
        refused = error
    finally:
        given.around.set_back()
        changed = given.around.changed()
    if changed:
        raise Disturbed(
            f"it changes {changed}, or what that holds, when it runs, and a program would not. "
            "Return what is carried from call to call beside the loss; what is only remembered "
            "should be there before"
        )
    if refused is not None:
        raise refused
    assert program is not None
    known.add(kind, arrays, program)
    return program


def _of_other_length(
    given: Given, arrays: list[Any], how: How, known: Known, kind: Any
) -> Running | str:
    """The program that two known graphs for other lengths make; why, if two make none.

    The function runs once, with its values: the record says whether it is that program, and what
    the program has to give.
    """
    pairs = known.pairs(kind, arrays, given, how)
    try:
        first = next(pairs, None)
        if first is None:
            return ""
        record = with_values(*given)
        found = known.graph(kind, itertools.chain([first], pairs), record)
        if isinstance(found, str):
            return found
        pair, graph, nodes = found
        recorder, used = record.recorder, record.used
        facts = used, record.aux, recorder.draws, bool(recorder.requirements)
        make = functools.partial(_at_length, graph, cuts(nodes), how, *facts)
        program = _relengthed(pair, graph, make, facts) or make()
        program.small = small(nodes)
        _independent(program, record, given, known)
        with no_garbage():
            gradients = grad(record.loss, record.leaves[: record.parameters], unused="zero")
        results = [record.loss.data, *gradients, *(x.data for x in record.beside)]
        check(program, arrays, _named(used, record.names, record.beside, results), given, nodes)
    except Exception as error:  # whatever it is, the function is recorded as if it were new
        return str(error) or type(error).__name__
    program.paths = record.names[: record.parameters]
    return program


def _at_length(graph: Sample, cut: Any, how: How, *facts: Any) -> Compiled:
    program = Compiled((graph.values, graph.outputs, graph.leaves), how, *facts)
    program.cuts = cut
    return program


def _relengthed(
    pair: Pair, graph: Sample, make: Callable[[], Compiled], facts: Any
) -> Relengthed | None:
    """The text in C of two programs for a graph between them, if they have one text."""
    if not pair.programs or not all(x.native for x in pair.programs):
        return None
    a, b = pair.programs
    try:
        function = function_at(a.in_c, b.in_c, (pair.a, pair.b, graph))
    except Another:
        return None
    return Relengthed(function, b, make, *facts)


def _made(record: Forward, given: Given, arrays: list[Any], how: How, known: Known) -> Running:
    key = key_of(record, how)
    kept = found(key, record, how) if key else None
    if kept is not None:
        _independent(kept, record, given, known)
        return kept
    record, whole = _differentiated(record, given)
    try:
        program = _compiled(record, whole, given, arrays, how, known)
    except Different as error:
        if record.shapes is None:
            raise
        record = with_values(*given)  # without them, Python may have gone another way
        program = _compiled(record, trace(record), given, arrays, how, known)
        check(program, arrays, error.exact, given, whole.nodes)
    if key and record.shapes is not None and program.how == how and not program.no_c:
        put(key, program)
    return program


def _differentiated(record: Forward, given: Given) -> tuple[Forward, Trace]:
    """The record with gradients; computed, if a rule for these asks for values."""
    if record.shapes is not None:
        with suppress(Exception):
            return record, trace(record)
        record = with_values(*given)
    return record, trace(record)


def _compiled(
    record: Forward, whole: Trace, given: Given, arrays: list[Any], how: How, known: Known
) -> Compiled:
    """A program that gives what the function gives."""
    refused, program = "", None
    try:
        program = Compiled.of(whole, how, record.recorder)
    except (Refused, AssertionError, KeyError) as error:
        refused = str(error)
    _independent(program, record, given, known)
    exact = _exact(whole, given)
    if program is not None:
        try:
            check(program, arrays, exact, given, whole.nodes)
            return program
        except (Refused, AssertionError, KeyError) as error:
            refused = str(error)
    # a structure that looked like a recurrence and cannot be written
    without = replace(how, passes=how.passes - {"loops"}, memory=None)
    program = Compiled.of(whole, without, record.recorder)
    check(program, arrays, exact, given, whole.nodes)
    program.said.append(f"the loops found could not be written ({refused})")
    return program


def _independent(program: Running | None, record: Forward, given: Given, known: Known) -> None:
    """Refuse what has values of its arguments in it, unless that is known of a program like it."""
    if program is None or not known.free(program):
        unbaked(record, *given)


def _exact(whole: Trace, given: Given) -> Exact:
    """Names and values of all that the function gives."""
    given.around.set_back()
    try:
        loss, gradients, aux = eager(given.loss_fn, given.params, map(tensors, given.args))
    except AttributeError:  # a function that needs conditions to be Tensors, as in a program
        given.around.set_back()
        whole = trace(with_values(*given))
        results = [x.data for x in whole.outputs]
    else:
        beside = [values(x) for a in aux for _, x in leaves_of(a, "aux") if x is not None]
        results = [loss.data, *gradients, *beside]
    return _named(whole.used, whole.names, whole.outputs[len(whole.used) + 1 :], results)


def _named(used: list[bool], names: list[str], beside: list[Tensor], results: list[Any]) -> Exact:
    """Results by what each is called in a sentence."""
    gradients = [f"the gradient of {name}" for name in names[: len(used)]]
    called = ["the loss", *gradients, *(x.name or "what it gives beside the loss" for x in beside)]
    # of a record the last may count what does not hold, which the function itself does not give
    return list(zip(called, results, strict=False))


def check(
    program: Running, arrays: list[Any], exact: Exact, given: Given, nodes: list[Tensor]
) -> None:
    """Refuse a program whose results differ from what the function gives."""

    def moved(seed: int) -> list[Any]:
        return rounded_otherwise(given, seed)

    def flushed() -> list[Any]:
        return rounded_otherwise(given, None)

    given.around.set_back()
    results = program([*arrays, *program.drawn.generators])
    different, _ = first_difference(
        exact, results, size_of(nodes), moved, flushed if program.flushes else None
    )
    if different is not None:
        why = "if the function depends on its arguments alone, this is a mistake in the compiler: "
        why += "please report it"
        if program.flushes and first_difference(exact, flushed(), 1, moved)[0] is not None:
            why = 'C counts numbers below the smallest normal one as 0; target="numpy" keeps them'
        raise Different(
            f"the program gives another result than the function: {different} ({why})", exact
        )


def rounded_otherwise(given: Given, seed: int | None) -> list[Any]:
    """All that the function gives, each operation one ulp off, up or down at random.

    Without a seed no operation is, but what is denormal is 0.
    """
    noise = None if seed is None else np.random.default_rng(seed)
    with np.errstate(all="ignore" if seed is None else None):  # 1/0 is no news then
        record = recorded(*given, noise=noise, flush=seed is None)
        given.around.set_back()
        return [x.data for x in trace(record).outputs]


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
