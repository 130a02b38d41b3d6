"""What does a function of Tensors compute?

It is run once on Tensors, and the record of its loss and gradients says. Every argument is a leaf
of that record. Parameters are recorded without values, of which a record does not depend; a
function that asks for them is recorded with them.
"""

from __future__ import annotations

import copy
import functools
import gc
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np

from tinygrad_rnn.engine.abstract import Shapes, Unknown
from tinygrad_rnn.engine.backward import ancestors, grad
from tinygrad_rnn.engine.context import Context, context
from tinygrad_rnn.engine.tensor import Tensor, values

__all__ = [
    "NUMBERS",
    "Forward",
    "Refused",
    "Trace",
    "forward",
    "gradient_leaves",
    "leaves_of",
    "no_garbage",
    "rebuilt",
    "trace",
    "with_values",
]


NUMBERS = (Tensor, np.ndarray, np.generic, int, float)  # what reaches a function as a Tensor


class Refused(Exception):
    """A function that cannot be compiled; the message is the sentence that says why."""


@dataclass(frozen=True, eq=False)
class Forward:
    """The record of a loss: arguments and their names, what the function gave, how it was recorded.

    `beside` are the Tensors of `aux`: what the function gave beside the loss, with ``...`` in place
    of each. The first so many leaves are `parameters`; `params` is what the function was given.
    With `shapes`, the parameters have no values.
    """

    leaves: list[Tensor]
    names: list[str]
    parameters: int
    loss: Tensor
    beside: list[Tensor]
    aux: Any
    params: Any
    shapes: Shapes | None

    @property
    def nodes(self) -> list[Tensor]:
        """All there is, in the order of birth."""
        return ancestors(self.loss, *self.beside, *self.leaves)

    @property
    def used(self) -> list[bool]:
        """Which parameters the loss depends on."""
        made_of = set(ancestors(self.loss))
        return [p in made_of for p in self.leaves[: self.parameters]]


@dataclass(frozen=True, eq=False)
class Trace:
    """A record: arguments and their names, all nodes in the order of birth, loss and gradients.

    After the gradients, `outputs` hold the Tensors of `aux`: what the function gave beside the
    loss, with ``...`` in place of each. `used` are the parameters that the loss depends on.
    """

    leaves: list[Tensor]
    names: list[str]
    nodes: list[Tensor]
    outputs: list[Tensor]
    used: list[bool]
    aux: Any


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


def leaves_of(tree: Any, name: str) -> list[tuple[str, Any]]:
    """The Tensors, arrays, numbers and other ends of an argument, each with a name for it.

    A list of numbers, such as lengths, is one array.
    """
    if hasattr(tree, "named_parameters"):
        return list(tree.named_parameters().items())
    if isinstance(tree, dict):
        return [leaf for key, branch in tree.items() for leaf in leaves_of(branch, str(key))]
    if _is_array(tree):
        return [(name, np.asarray(tree))]
    if isinstance(tree, (list, tuple)):
        return [leaf for k, branch in enumerate(tree) for leaf in leaves_of(branch, f"{name}_{k}")]
    return [(tree.name or name if type(tree) is Tensor else name, tree)]


def _is_array(tree: Any) -> bool:
    """Whether it is a list of numbers of one type."""
    kinds = {type(x) for x in tree} if type(tree) is list else set()
    return len(kinds) == 1 and kinds <= {int, float, bool}


def rebuilt(tree: Any, leaves: Iterator[Any], modules: bool = False) -> Any:
    """The argument with other ends, in the order of `leaves_of`.

    A module stays what it is, or is copied with other Tensors in it if `modules`.
    """
    if hasattr(tree, "named_parameters"):
        others = {id(p): next(leaves) for p in tree.named_parameters().values()}
        return copy.deepcopy(tree, others) if modules else tree
    if isinstance(tree, dict):
        return {key: rebuilt(branch, leaves, modules) for key, branch in tree.items()}
    if isinstance(tree, (list, tuple)) and not _is_array(tree):
        branches = [rebuilt(branch, leaves, modules) for branch in tree]
        return type(tree)(*branches) if hasattr(tree, "_fields") else type(tree)(branches)
    return next(leaves)


def gradient_leaves(tree: Any, leaves: Iterator[Any]) -> Any:
    """Gradients in the structure of the parameters; those of a module in a dict by path."""
    if hasattr(tree, "named_parameters"):
        return {path: next(leaves) for path in tree.named_parameters()}
    if isinstance(tree, dict):
        return {key: gradient_leaves(branch, leaves) for key, branch in tree.items()}
    if isinstance(tree, (list, tuple)):
        branches = [gradient_leaves(branch, leaves) for branch in tree]
        return type(tree)(*branches) if hasattr(tree, "_fields") else type(tree)(branches)
    return next(leaves)


def forward(
    loss_fn: Callable[..., Any], params: Any, args: tuple[Any, ...], names: list[str]
) -> Forward:
    """The record of ``loss_fn(params, *args)``, without values of the parameters if that goes.

    Whatever goes wrong without values is tried with them, and then goes right or says why.
    """
    _check_places(params, args)
    with suppress(Exception):
        with _not_drawn(loss_fn, args):
            found = recorded(loss_fn, params, args, names, Shapes())
        given = {p for _, p in leaves_of(params, "params")}
        if given.isdisjoint(found.nodes):  # taken from elsewhere than params
            return found
    return with_values(loss_fn, params, args, names)


def with_values(
    loss_fn: Callable[..., Any], params: Any, args: tuple[Any, ...], names: list[str]
) -> Forward:
    """The record of ``loss_fn(params, *args)``, computed."""
    _check_places(params, args)
    with _not_drawn(loss_fn, args):
        return recorded(loss_fn, params, args, names)


@contextmanager
def _not_drawn(loss_fn: Callable[..., Any], args: tuple[Any, ...]) -> Iterator[None]:
    """Refuse what draws at random; the eager step that follows draws what it would have."""
    drawn: bool = False
    before = [(rng, rng.bit_generator.state) for rng in _generators(loss_fn, args)]
    try:
        yield
    finally:
        for rng, state in before:
            drawn |= repr(rng.bit_generator.state) != repr(state)
            rng.bit_generator.state = state
    if drawn:
        raise Refused(
            "what is drawn at random inside would be baked in, and be the same at every call. Draw "
            "outside, and pass the numbers (or the mask they make) as an argument"
        )


def _check_places(params: Any, args: tuple[Any, ...]) -> None:
    wrt = [p for _, p in leaves_of(params, "params")]
    places = {id(p) for p in wrt}
    if len(places) < len(wrt):
        raise Refused("one Tensor stands in two places of params. Put it there once")
    todo = list(args)
    while todo:
        x = todo.pop()
        if hasattr(x, "named_parameters"):
            if not places.isdisjoint(map(id, x.named_parameters().values())):
                raise Refused("a module among the arguments holds Tensors of params, too")
        elif isinstance(x, (list, tuple, dict)):
            todo += x.values() if isinstance(x, dict) else x


def _check_bytes(name: str, x: Any) -> None:
    dtype = getattr(x, "dtype", None)
    if isinstance(dtype, np.dtype) and not dtype.isnative:
        raise Refused(
            f"the bytes of {name} ({dtype.str}) are in another order than this machine's. Convert "
            'it: x.astype(x.dtype.newbyteorder("="))'
        )


def trace(record: Forward) -> Trace:
    """The record with its gradients."""
    wrt = record.leaves[: record.parameters]
    with no_garbage(), complete():
        gradients = grad(record.loss, wrt, create_graph=True, unused="zero")
    outputs = [record.loss, *gradients, *record.beside]
    nodes = ancestors(*outputs, *record.leaves)
    return Trace(record.leaves, record.names, nodes, outputs, record.used, record.aux)


@contextmanager
def complete() -> Iterator[None]:
    """What is recorded inside is a program."""
    token = context.set(Context(recording=True, scope=(), anomaly=False, complete=True))
    try:
        yield
    finally:
        context.reset(token)


def recorded(
    loss_fn: Callable[..., Any],
    params: Any,
    args: Any,
    names: list[str],
    shapes: Shapes | None = None,
    move: Callable[[Any], Any] = np.asarray,
) -> Forward:
    """One run of the function: on a copy of the parameters that has but `shapes`, if given.

    `move` makes the arrays that it is given of the arguments.
    """
    with no_garbage(), complete():
        if shapes is not None:
            shapes.asked = False
            params = _without_values(params, shapes)
        wrt = [p for _, p in leaves_of(params, "params")]
        for path, p in leaves_of(params, "params"):
            _check_bytes(path, p)
        inputs = list[tuple[Any, list[Any]]]()
        for arg, name in zip(args, names, strict=True):
            ends = []
            for letter, x in leaves_of(arg, name):
                _check_bytes(letter, x)
                if isinstance(x, NUMBERS):
                    ends.append(Tensor(move(np.asarray(values(x))), name=letter))
                else:
                    ends.append(x)
            inputs.append((arg, ends))
        loss = loss_fn(params, *(rebuilt(arg, iter(ends), True) for arg, ends in inputs))
        loss, aux = loss if type(loss) is tuple and len(loss) == 2 else (loss, None)
        if type(loss) is not Tensor or loss.size != 1:
            raise Refused("the function does not give one scalar Tensor")
        beside = [x for _, x in leaves_of(aux, "aux")]
        beside = [Tensor(x) if isinstance(x, np.ndarray) else x for x in beside]
        if not all(type(x) is Tensor or x is None for x in beside):
            raise Refused("what the function gives beside the loss is not made of Tensors")
    if shapes is not None and shapes.asked:
        raise Unknown("a value was asked for, and the error passed over")
    leaves = [*wrt, *(x for _, ends in inputs for x in ends if type(x) is Tensor)]
    aux = rebuilt(aux, iter([None if x is None else ... for x in beside]))
    called = [name for name, _ in leaves_of(params, "params")]
    called += [str(x.name) for x in leaves[len(wrt) :]]
    beside = [x for x in beside if x is not None]
    return Forward(leaves, called, len(wrt), loss, beside, aux, params, shapes)


def _without_values(params: Any, shapes: Shapes) -> Any:
    """A copy with Tensors in it of which only shapes and dtypes are known."""
    given = sorted((p for _, p in leaves_of(params, "")), key=attrgetter("serial"))
    return copy.deepcopy(params, {id(p): shapes.leaf(p) for p in given})


def _generators(loss_fn: Callable[..., Any], args: tuple[Any, ...]) -> list[np.random.Generator]:
    """Those a function is given or has around it; others are found by what they draw."""
    found = [x for arg in args for _, x in leaves_of(arg, "")]
    while isinstance(loss_fn, functools.partial):
        found += [*loss_fn.args, *loss_fn.keywords.values()]
        loss_fn = loss_fn.func
    if inspect.isfunction(loss_fn):
        around = inspect.getclosurevars(loss_fn)
        found += [*around.nonlocals.values(), *around.globals.values()]
    return [x for x in found if isinstance(x, np.random.Generator)]
