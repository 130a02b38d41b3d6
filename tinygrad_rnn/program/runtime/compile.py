"""How does a function become a program that is known to be right?

It is recorded, the record becomes a program, and the program's results are compared with those of
the function. Then the function is recorded once more, on other arguments: neither values of these
nor anything that changes from call to call may be in the program. Random generators are set back
each time.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.engine.backward import grad
from tinygrad_rnn.engine.blocks import no_grad
from tinygrad_rnn.engine.recorder import Recorder
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.program.ir.lengths import Mismatch, Sample, dims_of, shorter
from tinygrad_rnn.program.ir.recognise import cuts
from tinygrad_rnn.program.passes.checkpointing import TooFewBytes
from tinygrad_rnn.program.record.guard import guard
from tinygrad_rnn.program.record.replay import replayed
from tinygrad_rnn.program.record.trace import (
    NUMBERS,
    Call,
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
from tinygrad_rnn.program.runtime.compare import first_difference, signs, size_of
from tinygrad_rnn.program.runtime.known import Known, Pair, shortened
from tinygrad_rnn.program.runtime.pipeline import Options, Program
from tinygrad_rnn.program.runtime.relength import Relengthed, function_at
from tinygrad_rnn.program.runtime.run import Drawn, Running
from tinygrad_rnn.program.threads import small

__all__ = ["ARRAYS", "Disturbed", "eager", "program_for", "rounded_otherwise", "tensors"]


Exact = list[tuple[str, Any]]
Moved = Callable[[int | None], list[Any]]

ARRAYS = "the function does not run on Tensors"


class Disturbed(Refused):
    """A function that has changed something outside while it was recorded."""


class Different(Refused):
    """A program does not give `exact`, what the function gives."""

    def __init__(self, why: str, exact: Exact) -> None:
        super().__init__(why)
        self.exact = exact


def program_for(
    call: Call, arrays: list[Any], options: Options, known: Known, kind: Any
) -> Running:
    """A program for one kind of call: calls of a kind differ by lengths alone.

    Raises
    ------
    Refused
        No program is possible; the message says why.
    Disturbed
        The function changes something that it reaches, and has done so.
    """
    refused: Exception | None = None
    program: Running | None = None
    asked = ""
    if not call.around.complete:
        raise Refused("it can reach too many objects to see whether it changes one of them")
    if iterator := call.around.iterator():
        raise Refused(
            f"it can reach {iterator}, an iterator or an open file, which would lose what is taken "
            "while it is recorded. Take from it where the batch is made"
        )
    try:
        why = "" if options.memory is None else _learned(call, arrays, options, known, kind)
        program, why = _of_other_length(call, arrays, options, known, kind, why)
        if program is None:
            record = forward(call)
            asked = record.asked
            program = _program_for(record, call, arrays, options, known)
            program.paths = record.names[: record.parameters]
            program.small = small(record.nodes)
            if why and isinstance(program, Program):
                program.noted.append(
                    f"recorded whole, with its gradients, at the first call: {why}"
                    if options.memory is not None
                    else f"made anew, and not by programs of other lengths: {why}"
                )
        program.drawn.ways = [call.around.ways(rng) for rng in program.drawn.generators]
    except (TypeError, AttributeError) as error:
        refused = Refused(f"{ARRAYS} ({error}){line_of(error) or asked}")
    except Refused as error:
        refused = Refused(str(error) if asked in str(error) else f"{error}{asked}")
    except Exception as error:  # the function's own
        refused = error
    finally:
        call.around.set_back()
        changed = call.around.changed()
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
    call: Call, arrays: list[Any], options: Options, known: Known, kind: Any, why: str
) -> tuple[Running | None, str]:
    """The program that two known graphs for other lengths make, if they make one; or why not.

    The function runs once: its record shows whether it is that program, and which results are due.
    The record has values, unless memory is bounded: then the program may be one that was kept.
    """
    pairs = known.pairs(kind, arrays, call, options)
    try:
        first = next(pairs, None)
        if first is None:
            return None, why
        found = _recognised(call, arrays, options, known, kind, itertools.chain([first], pairs))
        if isinstance(found, str):
            return None, found
        if isinstance(found, Running):
            return found, ""
        pair, graph, make, facts = found.pair, found.graph, found.make, found.facts
        program = _relengthed(pair, graph, make, facts) or make()
        program.small, program.paths = found.small, found.paths
        _independent(program, found.record, call, known)
        check(program, arrays, found.exact, call, found.n, found.moved)
        _keep(found.key, program, options)
    except TooFewBytes:
        raise
    except Exception as error:  # whatever it is, the function is recorded as if it were new
        return None, str(error) or type(error).__name__
    return program, ""


class _Recognised(NamedTuple):
    """The source of a program for another length, and the results that it is compared with.

    Where memory is bounded the record itself is left out: the program takes its room.
    """

    pair: Pair
    graph: Sample
    make: Callable[[], Program]
    facts: Any
    small: bool
    paths: list[str]
    exact: Exact
    n: int  # roundings, see `size_of`
    moved: Moved
    record: Forward | None
    key: str


def _recognised(
    call: Call, arrays: list[Any], options: Options, known: Known, kind: Any, pairs: Iterable[Pair]
) -> _Recognised | Running | str:
    """The graph that a pair of others makes, if a record is found in it; or the program kept.

    Else why none does.
    """
    bounded = options.memory is not None
    record = forward(call) if bounded else with_values(call)
    paths = record.names[: record.parameters]
    key = key_of(record, options) if bounded else ""
    kept = found(key, record, options) if key else None
    if kept is not None:
        kept.small, kept.paths = small(record.nodes), paths
        _independent(kept, record, call, known)
        return kept
    at_length = known.graph(kind, pairs, record)
    if isinstance(at_length, str):
        return at_length
    pair, graph, nodes = at_length
    if bounded:
        results = _in_segments(record, arrays, call)
        moved = functools.partial(_in_segments_otherwise, arrays, call)
    else:
        with no_garbage():
            gradients = grad(record.loss, record.leaves[: record.parameters], unused="zero")
        results = [record.loss.data, *gradients, *(x.data for x in record.beside)]
        moved = functools.partial(rounded_otherwise, call)
    recorder = record.recorder
    facts = record.used, record.aux, recorder.draws, bool(recorder.requirements)
    make = functools.partial(_at_length, graph._replace(cuts=cuts(nodes)), options, *facts)
    exact, n = _named(record, results), size_of(nodes)
    whole = None if bounded else record
    return _Recognised(pair, graph, make, facts, small(nodes), paths, exact, n, moved, whole, key)


def _learned(call: Call, arrays: list[Any], options: Options, known: Known, kind: Any) -> str:
    """Make programs for the beginnings of long arguments; return the obstacle, if there is one.

    Two of them determine the graph for the whole length, so its record need neither have values nor
    be differentiated, which takes more memory than the program ever will. There is no obstacle
    where no argument is long.
    """
    if known.knows(kind):
        return ""
    params = [p.data for _, p in leaves_of(call.params, "")]
    dims, n = dims_of(x.shape for x in arrays), len(dims_of(p.shape for p in params))
    plain, why = replace(options, target="numpy", memory=None), ""
    for longest in sorted({*dims[n:]}, reverse=True):
        line = *dims[:n], *(k - (k == longest) for k in dims[n:])
        try:
            for periods in (0, 1):
                short = shortened(call, shorter(line, dims, periods))
                ends = [x for arg in short.args for _, x in leaves_of(arg, "")]
                few = [np.asarray(values(x)) for x in ends if isinstance(x, NUMBERS)]
                program_for(short, [*params, *few], plain, known, kind)
            return ""
        except Mismatch:  # nor are the others
            break
        except Disturbed:
            raise
        except Exception as error:
            why = why or str(error)
    return why


def _keep(key: str, program: Running, options: Options) -> None:
    if key and isinstance(program, Program) and program.options == options and not program.no_c:
        put(key, program)


def _at_length(graph: Sample, options: Options, *facts: Any) -> Program:
    program = Program((graph.values, graph.outputs, graph.leaves), options, *facts)
    program.sample = graph
    return program


def _relengthed(
    pair: Pair, graph: Sample, make: Callable[[], Program], facts: Any
) -> Relengthed | None:
    """The text in C of two programs for a graph between them, if they have one text."""
    if not pair.programs or not all(x.native for x in pair.programs):
        return None
    a, b = pair.programs
    try:
        function = function_at(a.in_c, b.in_c, (pair.a, pair.b, graph))
    except Mismatch:
        return None
    return Relengthed(function, b, make, *facts)


def _program_for(
    record: Forward, call: Call, arrays: list[Any], options: Options, known: Known
) -> Running:
    key = key_of(record, options)
    kept = found(key, record, options) if key else None
    if kept is not None:
        _independent(kept, record, call, known)
        return kept
    record, whole = _differentiated(record, call)
    try:
        program = _compiled(record, whole, call, arrays, options, known)
    except Different as error:
        if record.shapes is None:
            raise
        record = with_values(call)  # without them, Python may have gone another way
        program = _compiled(record, trace(record), call, arrays, options, known)
        check(program, arrays, error.exact, call, size_of(whole.nodes))
    if record.shapes is not None:
        _keep(key, program, options)
    return program


def _differentiated(record: Forward, call: Call) -> tuple[Forward, Trace]:
    """The record with gradients; computed, if a rule for these asks for values."""
    if record.shapes is not None:
        with suppress(Exception):
            return record, trace(record)
        record = with_values(call)
    return record, trace(record)


def _compiled(
    record: Forward, whole: Trace, call: Call, arrays: list[Any], options: Options, known: Known
) -> Program:
    """A program that gives what the function gives."""
    refused, program = "", None
    try:
        program = Program.of(whole, options, record.recorder)
    except (Refused, AssertionError, KeyError) as error:
        refused = str(error)
    _independent(program, record, call, known)
    exact = _exact(record, call)
    if program is not None:
        try:
            check(program, arrays, exact, call, size_of(whole.nodes))
            return program
        except (Refused, AssertionError, KeyError) as error:
            refused = str(error)
    # a structure that looked like a recurrence and cannot be written
    without = replace(options, passes=options.passes - {"loops"}, memory=None)
    program = Program.of(whole, without, record.recorder)
    check(program, arrays, exact, call, size_of(whole.nodes))
    program.said.append(f"the loops found could not be written ({refused})")
    return program


def _independent(program: Running | None, record: Forward | None, call: Call, known: Known) -> None:
    """Refuse a record with values of its arguments in it, unless a program like it was checked."""
    if program is None or not known.free(program):
        guard(record or forward(call), call)


def _exact(record: Forward, call: Call) -> Exact:
    """Names and values of all results of the function."""
    call.around.set_back()
    try:
        loss, gradients, aux = eager(call.loss_fn, call.params, map(tensors, call.args))
    except AttributeError:  # a function that needs conditions to be Tensors, as in a program
        whole = trace(with_values(call))
        n = 1 + record.parameters + len(record.beside)
        return _named(record, [x.data for x in whole.outputs[:n]])
    return _named(record, [loss.data, *gradients, *_beside(aux)])


def _beside(aux: list[Any]) -> list[Any]:
    return [values(x) for a in aux for _, x in leaves_of(a, "aux") if x is not None]


def _named(record: Forward, results: list[Any]) -> Exact:
    """The name of each result in a sentence, and the result."""
    gradients = [f"the gradient of {name}" for name in record.names[: record.parameters]]
    beside = (x.name or "what it gives beside the loss" for x in record.beside)
    return [*zip(["the loss", *gradients, *beside], results, strict=True)]


def _in_segments(record: Forward, arrays: list[Any], call: Call) -> list[Any]:
    """All results of the function, without all of the values at one time.

    The function runs as it is written, but unrecorded; its gradients are those of the record,
    computed piece by piece.
    """
    results = replayed(record, _with_draws(record, arrays, call))
    call.around.set_back()
    with no_grad(), suppress(AttributeError):  # see `_exact`
        loss, *aux = loss_of(call.loss_fn, call.params, map(tensors, call.args))
        results = [loss.data, *results[1 : 1 + record.parameters], *_beside(aux)]
    return results


def _in_segments_otherwise(arrays: list[Any], call: Call, seed: int | None) -> list[Any]:
    """The same rounded otherwise, as by `rounded_otherwise`."""
    record = forward(call)
    leaves = _with_draws(record, arrays, call)
    noise = None if seed is None else signs(seed)
    with np.errstate(all="ignore" if seed is None else None):
        return replayed(record, leaves, Recorder(noise=noise, flush=seed is None))


def _with_draws(record: Forward, arrays: list[Any], call: Call) -> list[Any]:
    """Arrays for all leaves of a record."""
    call.around.set_back()
    drawn = Drawn(record.recorder.draws)
    return [*arrays, *drawn(drawn.generators)]


def check(
    program: Running,
    arrays: list[Any],
    exact: Exact,
    call: Call,
    n: int,
    moved: Moved | None = None,
) -> None:
    """Refuse a program whose results differ from what the function gives.

    `n` is the number of roundings in them, and `moved` returns them rounded otherwise.
    """
    moved = moved or functools.partial(rounded_otherwise, call)
    flushed = functools.partial(moved, None)
    call.around.set_back()
    generators = program.drawn.generators
    results = program([*arrays, *generators] if generators else arrays)
    different, _ = first_difference(exact, results, n, moved, flushed if program.flushes else None)
    if different is not None:
        why = "if the function depends on its arguments alone, this is a mistake in the compiler: "
        why += "please report it"
        if program.flushes and first_difference(exact, flushed(), 1, moved)[0] is not None:
            why = 'C counts numbers below the smallest normal one as 0; target="numpy" keeps them'
        raise Different(
            f"the program gives another result than the function: {different} ({why})", exact
        )
    if not generators:
        program.compared = arrays, results


def rounded_otherwise(call: Call, seed: int | None) -> list[Any]:
    """All results of the function, with each operation one ulp off, up or down by `signs`.

    Without a seed no operation is, but denormal numbers are 0.
    """
    noise = None if seed is None else signs(seed)
    with np.errstate(all="ignore" if seed is None else None):  # 1/0 is no news then
        record = recorded(call, noise=noise, flush=seed is None)
        call.around.set_back()
        return [x.data for x in trace(record).outputs]


def eager(
    loss_fn: Callable[..., Any], params: Any, args: Any
) -> tuple[Tensor, list[Any], list[Any]]:
    """Loss, gradients, and what the function returns beside the loss, without a program."""
    loss, *aux = loss_of(loss_fn, params, args)
    return loss, grad(loss, [p for _, p in leaves_of(params, "params")], unused="zero"), aux


def loss_of(loss_fn: Callable[..., Any], params: Any, args: Any) -> tuple[Any, ...]:
    """The loss, and what the function gives beside it, if anything."""
    found = loss_fn(params, *args)
    return found if type(found) is tuple else (found,)


def tensors(arg: Any) -> Any:
    """The argument in the form in which a compiled function receives it."""
    ends = [
        Tensor(np.asarray(values(x)), name=name) if isinstance(x, NUMBERS) else x
        for name, x in leaves_of(arg, "")
    ]
    return rebuilt(arg, iter(ends))
