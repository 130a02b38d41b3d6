"""What does a function of Tensors compute?

The function runs once on Tensors, and the record of its loss and gradients is the answer. Every
argument is a leaf of that record. Parameters are recorded without values, as a record does not
depend on them; a function that asks for values is recorded with them.
"""

from __future__ import annotations

import copy
import gc
import itertools
import operator
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.engine import tree
from tinygrad_rnn.engine.backward import ancestors, grad
from tinygrad_rnn.engine.blocks import opened
from tinygrad_rnn.engine.context import Context, context
from tinygrad_rnn.engine.primitives import stack, sum
from tinygrad_rnn.engine.recorder import Noise, Recorder
from tinygrad_rnn.engine.tensor import Tensor, named, values
from tinygrad_rnn.program.record.abstract import Shapes, Unknown
from tinygrad_rnn.program.record.flows import Flows
from tinygrad_rnn.program.record.sharing import shared
from tinygrad_rnn.program.record.surroundings import Surroundings, generators_in

__all__ = [
    "NUMBERS",
    "Call",
    "Forward",
    "Refused",
    "Trace",
    "forward",
    "gradient_leaves",
    "leaves_of",
    "line_of",
    "no_garbage",
    "rebuilt",
    "recorded",
    "trace",
    "with_values",
]


PACKAGE = Path(__file__).parents[2]
NUMBERS = (Tensor, np.ndarray, np.generic, int, float)  # what reaches a function as a Tensor


class Refused(Exception):
    """A function that cannot be compiled; the message is the sentence that says why."""


class Call(NamedTuple):
    """A function and its arguments; the names of these; the objects that it can reach."""

    loss_fn: Callable[..., Any]
    params: Any
    args: tuple[Any, ...]
    names: list[str]
    around: Surroundings


@dataclass(frozen=True, eq=False)
class Forward:
    """The record of a loss: arguments and their names, what the function gave, how it was recorded.

    `leaves` are the parameters, which come first, the arguments, and numbers that are drawn.
    `beside` are the Tensors of `aux`: what the function gave beside the loss, with ``...`` in place
    of each. `params` is the copy that the function was given. `asked` is the line that asked for a
    value. `unread` are recorded operations that no result was made of.
    """

    leaves: list[Tensor]
    names: list[str]
    parameters: int
    loss: Tensor
    beside: list[Tensor]
    aux: Any
    params: Any
    recorder: Recorder
    unread: list[Tensor]
    asked: str = ""

    @property
    def shapes(self) -> Shapes | None:
        """Of a record without values of its parameters."""
        return self.recorder.shapes

    @cached_property
    def nodes(self) -> list[Tensor]:
        """All nodes, in the order of birth."""
        return ancestors(self.loss, *self.beside, *self.leaves, *self.recorder.requirements)

    @property
    def used(self) -> list[bool]:
        """For each parameter, True if the loss depends on it."""
        made_of = {self.loss}
        for x in reversed(self.nodes):
            if x in made_of:
                made_of.update([y for y in x.inputs if type(y) is Tensor])
        return [p in made_of for p in self.leaves[: self.parameters]]


@dataclass(frozen=True, eq=False)
class Trace:
    """A record: arguments and their names, all nodes in the order of birth, loss and gradients.

    After the gradients, `outputs` hold the Tensors of `aux`: what the function gave beside the
    loss, with ``...`` in place of each. If it requires anything, the last output counts the
    elements that break a requirement. `used` are the parameters that the loss depends on. `unread`
    are the other recorded operations, which no result was made of. `flows` are those of the
    gradients.
    """

    leaves: list[Tensor]
    names: list[str]
    nodes: list[Tensor]
    outputs: list[Tensor]
    used: list[bool]
    aux: Any
    unread: list[Tensor]
    flows: Flows


@contextmanager
def no_garbage() -> Iterator[None]:
    """A record has no cycles: looking for some again and again would take a third of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def leaves_of(arg: Any, name: str) -> list[tuple[str, Any]]:
    """The Tensors, arrays, numbers and other ends of an argument, each with a name for it.

    A list of numbers, such as lengths, is one array.
    """
    if hasattr(arg, "named_parameters"):  # as nearly always: there is time to win
        return list(arg.named_parameters().items())
    found = list[tuple[str, Any]]()
    for path, x in tree.paths(arg, is_leaf=_is_end):
        if hasattr(x, "named_parameters"):
            found += x.named_parameters().items()
        elif type(x) is list:
            found.append((_name(name, path), np.asarray(x)))
        else:
            found.append(((type(x) is Tensor and x.name) or _name(name, path), x))
    return found


def _name(name: str, path: tuple[Any, ...]) -> str:
    """The name of the end at a path in an argument: the last key that is a word, and indices."""
    for key in path:
        name = f"{name}_{key}" if type(key) is int else str(key)
    return name


def _is_module(x: Any) -> bool:
    return hasattr(x, "named_parameters")


def _is_array(x: Any) -> bool:
    """True if it is a list of numbers of one type."""
    kinds = {type(number) for number in x} if type(x) is list else set()
    return len(kinds) == 1 and kinds <= {int, float, bool}


def _is_end(x: Any) -> bool:
    return _is_module(x) or _is_array(x)


def rebuilt(arg: Any, leaves: Iterator[Any], copies: bool = False) -> Any:
    """The argument with other ends, in the order of `leaves_of`.

    A module stays what it is, and so does a list or a dict in which no end is another; all of them
    are copied if `copies`, and so are modules, with other Tensors in them; their
    generators are not.
    """

    def end(x: Any) -> Any:
        if not _is_module(x):
            return next(leaves)
        others = {id(p): next(leaves) for p in x.named_parameters().values()}
        return copy.deepcopy(x, others | _generators(x)) if copies else x

    ends = [end(x) for x in tree.leaves(arg, is_leaf=_is_end)]
    return tree.rebuild(arg, ends, is_leaf=_is_end, keep=not copies)


def gradient_leaves(params: Any, leaves: Iterator[Any]) -> Any:
    """Gradients in the structure of the parameters; those of a module in a dict by path."""

    def end(x: Any) -> Any:
        if not _is_module(x):
            return next(leaves)
        return {path: next(leaves) for path, _ in x.named_parameters().items()}

    return tree.map(end, params, is_leaf=_is_module)


def forward(call: Call) -> Forward:
    """The record of ``loss_fn(params, *args)``, without values of the parameters if possible.

    If recording fails without values, it is done again with them, and succeeds or says why.
    """
    _check_places(call.params, call.args)
    try:
        return recorded(call, Shapes())
    except Refused:
        raise
    except Exception as error:
        asked = line_of(error)
    try:
        return replace(recorded(call), asked=asked)
    except Refused as error:
        raise Refused(f"{error}{line_of(error) or asked}") from error


def with_values(call: Call) -> Forward:
    """The record of ``loss_fn(params, *args)``, computed."""
    _check_places(call.params, call.args)
    return recorded(call)


def line_of(error: BaseException) -> str:
    """The line of the user's code at which an error arose: the last that is not this package's."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if PACKAGE not in path.parents and "site-packages" not in path.parts and frame.line:
            return f" ({path.name}, line {frame.lineno}: `{frame.line}`)"
    return ""


def _check_places(params: Any, args: tuple[Any, ...]) -> None:
    wrt = [p for _, p in leaves_of(params, "params")]
    places = {id(p) for p in wrt}
    if len(places) < len(wrt):
        raise Refused("one Tensor stands in two places of params. Put it there once")
    for x in tree.leaves(args, is_leaf=_is_module):
        if _is_module(x) and not places.isdisjoint(map(id, x.named_parameters().values())):
            raise Refused("a module among the arguments holds Tensors of params, too")


def _check_bytes(name: str, x: Any) -> None:
    dtype = getattr(x, "dtype", None)
    if isinstance(dtype, np.dtype) and not dtype.isnative:
        raise Refused(
            f"the bytes of {name} ({dtype.str}) are in another order than this machine's. Convert "
            'it: x.astype(x.dtype.newbyteorder("="))'
        )


def trace(record: Forward) -> Trace:
    """The record with its gradients, and with whether all that it requires holds."""
    wrt = record.leaves[: record.parameters]
    known, flows = record.recorder, Flows()
    with no_garbage(), recording(Recorder(known.shapes, noise=known.noise, flush=known.flush)):
        with flows:
            gradients = grad(record.loss, wrt, create_graph=True, unused="zero")
        requires = [broken(record.recorder)] if record.recorder.requirements else []
    outputs = [record.loss, *gradients, *record.beside, *requires]
    nodes = ancestors(*outputs, *record.leaves)
    return Trace(
        record.leaves, record.names, nodes, outputs, record.used, record.aux, record.unread, flows
    )


@contextmanager
def recording(recorder: Recorder) -> Iterator[None]:
    """A block in which a record is made for a program."""
    token = context.set(opened(Context(), (recorder,)))
    try:
        yield
    finally:
        context.reset(token)


def recorded(
    call: Call,
    shapes: Shapes | None = None,
    move: Callable[[Any], Any] | None = None,
    before: Forward | None = None,
    noise: Noise | None = None,
    flush: bool = False,
) -> Forward:
    """One run of the function, on a copy of the parameters; with `shapes`, one without values.

    `move` gives it other values. Then it is run a second time, after `before`, on the same copy, so
    that a function that has changed it is noticed. `noise` and `flush` are for the recorder.

    Raises
    ------
    Refused
        No program can stand for what the function gives or does.
    Unknown
        It asked for values, and only `shapes` are known.
    """
    loss_fn, params, args, names, around = call
    recorder = Recorder(shapes, move is not None, noise, flush)
    move = move or np.asarray
    around.set_back()
    with no_garbage(), recording(recorder):
        if shapes is not None:
            shapes.asked = False
        twin = _copied(params, recorder, before, move)
        wrt = leaves_of(twin, "params")
        for path, p in wrt:
            _check_bytes(path, p)
        inputs = [_ends(arg, name, recorder, move) for arg, name in zip(args, names, strict=True)]
        taken = [rebuilt(arg, iter(ends), True) for arg, ends in zip(args, inputs, strict=True)]
        held = Surroundings(("params", twin), *zip(names, taken, strict=True))
        loss, aux, beside = _results(loss_fn(twin, *taken))
    _check_same(wrt, leaves_of(twin, "params"))
    if shapes is not None and shapes.asked:
        raise Unknown("a value was asked for, and the error passed over")
    _check_pure(held, around, recorder)
    drawn = recorder.finish()
    leaves = [p for _, p in wrt]
    leaves += [x for ends in inputs for x in ends if type(x) is Tensor]
    aux = rebuilt(aux, iter([None if x is None else ... for x in beside]))
    called = [name for name, _ in wrt]
    called += [str(x.name) for x in (*leaves[len(wrt) :], *drawn)]
    leaves, beside = [*leaves, *drawn], [x for x in beside if x is not None]
    ends = [loss, *beside, *recorder.requirements]
    (loss, *rest), unread = _once(ends, leaves, recorder)
    beside, recorder.requirements = rest[: len(beside)], rest[len(beside) :]
    return Forward(leaves, called, len(wrt), loss, beside, aux, twin, recorder, unread)


def _ends(arg: Any, name: str, recorder: Recorder, move: Callable[[Any], Any]) -> list[Any]:
    """The ends of an argument, with a leaf of the record in place of each array."""
    ends = list[Any]()
    for letter, x in leaves_of(arg, name):
        _check_bytes(letter, x)
        end = x
        if isinstance(x, NUMBERS):
            end = Tensor(move(np.asarray(values(x))), name=letter)
            if type(x) is Tensor:
                recorder.stand_ins.setdefault(x, end)
        ends.append(end)
    return ends


def _results(found: Any) -> tuple[Tensor, Any, list[Tensor | None]]:
    """The loss; what the function gives beside it, and the Tensors in that."""
    loss, aux = found if type(found) is tuple and len(found) == 2 else (found, None)
    if type(loss) is not Tensor or loss.size != 1:
        raise Refused("the function does not give one scalar Tensor")
    beside = [x for _, x in leaves_of(aux, "aux")]
    beside = [Tensor(x) if isinstance(x, np.ndarray) else x for x in beside]
    arrays = any(type(x) is list for x in tree.leaves(aux, is_leaf=_is_end))
    if arrays or not all(type(x) is Tensor or x is None for x in beside):
        raise Refused("what the function gives beside the loss is not made of Tensors")
    return loss, aux, beside


def _check_same(before: list[tuple[str, Any]], after: list[tuple[str, Any]]) -> None:
    """Refuse a function that puts other Tensors among its parameters."""
    more = len(after) - len(before)
    does = "adds" if more > 0 else "removes" if more < 0 else "replaces"
    for (path, p), (now, q) in itertools.zip_longest(before, after, fillvalue=("", None)):
        if p is not q:
            raise Refused(
                f"the function {does} the Tensor {now if does == 'adds' else path}, which a "
                "program would not. Return what is carried from call to call beside the loss: "
                "(loss, state)"
            )


def _check_pure(held: Surroundings, around: Surroundings, recorder: Recorder) -> None:
    """Refuse a function that changes what it is given, or draws what a program could not draw."""
    if changed := held.changed():
        raise Refused(
            f"the function changes {changed}, which a program would not. Return what is carried "
            "from call to call beside the loss"
        )
    if drawn := around.drawn_beside(recorder.draws):
        raise Refused(
            f"the function draws from {drawn}, and what is drawn would be the same at every call. "
            "Draw outside, and pass the numbers (or the mask they make) as an argument; what nn "
            "draws from a generator (dropout, say) is drawn anew at each call"
        )
    if not all(around.reach(draw.rng) for draw in recorder.draws):
        raise Refused(
            "a generator that it draws from is made inside, so it is another at each call. Make it "
            "once, rng = np.random.default_rng(seed), and pass it as an argument or keep it in the "
            "module"
        )


def _once(
    ends: list[Tensor], leaves: list[Tensor], recorder: Recorder
) -> tuple[list[Tensor], list[Tensor]]:
    """The ends of a record after `shared`, and the operations of which nothing is made."""
    operations = recorder.operations
    recorder.operations = []  # it lives as long as the program
    read = set(ancestors(*ends))
    unread = [x for x in operations if x.op is not None and x not in read]
    found = shared([*ends, *unread], operations, leaves)
    return found[: len(ends)], [x for x in found[len(ends) :] if x not in read]


def broken(recorder: Recorder) -> Tensor:
    """The number of elements of its requirements that do not hold.

    A requirement of every step is counted for all steps at once, which rolls up. One that is stated
    twice, as that of lengths by `unroll` and by a loss, is counted once.
    """
    alike: dict[Any, list[Tensor]] = {}
    times = Counter[Any]()
    for condition in {_kind(x, 3, exact=True): x for x in recorder.requirements}.values():
        ts = tuple([frame.t for frame in condition.scope])
        names = tuple([frame.name for frame in condition.scope])
        kind = names, condition.shape, _kind(condition, 3)
        times[kind, ts] += 1
        timed = any(t is not None for t in ts)  # else steps may be those of a plain loop
        alike.setdefault((kind, times[kind, ts] if timed else 0), []).append(condition)
    counts = [sum(named(fail=~(stack(xs) if len(xs) > 1 else xs[0]))) for xs in alike.values()]
    total = counts[0]
    for count in counts[1:]:
        total = named(count=total) + named(count=count)
    total.name = "broken"
    return total


def _kind(x: Any, depth: int, *, exact: bool = False) -> Any:
    """The operations that make a condition, to some depth, and their leaves: alike at all steps.

    At a greater depth steps would differ, as the first ones begin from elsewhere. If `exact`, equal
    kinds mean the same condition.
    """
    if type(x) is not Tensor:
        return x if isinstance(x, (int, float)) else id(x) if exact else None
    if x.op is None or not depth:
        return id(x) if exact or x.op is None else None
    made = (x.op.name, *[_kind(y, depth - 1, exact=exact) for y in x.inputs])
    return (*made, repr(x.options)) if exact else made


def _copied(
    params: Any, recorder: Recorder, before: Forward | None, move: Callable[[Any], Any]
) -> Any:
    """A copy with leaves of the record in it; a second recording copies what the first has left.

    Random generators are not copied: the function draws from its own.
    """
    shapes = recorder.shapes
    given = params if before is None else before.params
    originals, now = ([p for _, p in leaves_of(x, "")] for x in (params, given))
    if before is not None and shapes is not None:
        recorder.stand_ins.update(zip(originals, now, strict=True))
        return given
    made: dict[Tensor, Tensor] = {}
    for p in sorted(now, key=operator.attrgetter("serial")):
        made[p] = Tensor(move(p.data), name=p.name) if shapes is None else shapes.leaf(p)
    recorder.stand_ins.update(made)
    recorder.stand_ins.update((p, made[q]) for p, q in zip(originals, now, strict=True))
    return copy.deepcopy(given, {id(p): q for p, q in made.items()} | _generators(given))


def _generators(x: Any) -> dict[int, Any]:
    """The generators, for `copy.deepcopy` to leave as they are."""
    return {id(rng): rng for rng in generators_in(x)}
