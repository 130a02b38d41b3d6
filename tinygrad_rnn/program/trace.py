"""What does a function of Tensors compute?

It is run once on Tensors, and the record of its loss and gradients says. Every argument is a leaf
of that record. Whatever else the function took from its arguments, past the record, would be baked
in: it is run a second time on other values, and what then differs is refused.
"""

from __future__ import annotations

import copy
import functools
import gc
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.engine.backward import ancestors, grad
from tinygrad_rnn.engine.context import Context, context
from tinygrad_rnn.engine.tensor import Tensor, values

__all__ = [
    "Refused",
    "Trace",
    "gradient_leaves",
    "leaves_of",
    "no_garbage",
    "rebuilt",
    "trace",
    "unbaked",
]


class Refused(Exception):
    """A function that cannot be compiled; the message is the sentence that says why."""


@dataclass(frozen=True, eq=False)
class Trace:
    """A record: arguments and their names, all nodes in the order of birth, loss and gradients.

    After the gradients, `outputs` hold the Tensors of `aux`: what the function gave beside the
    loss, with True in place of each. `used` are the parameters that the loss depends on.
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


def rebuilt(tree: Any, leaves: Iterator[Any]) -> Any:
    """The argument with other ends, in the order of `leaves_of`; a module stays what it is."""
    if hasattr(tree, "named_parameters"):
        for _ in tree.named_parameters():
            next(leaves)
        return tree
    if isinstance(tree, dict):
        return {key: rebuilt(branch, leaves) for key, branch in tree.items()}
    if isinstance(tree, (list, tuple)) and not _is_array(tree):
        branches = [rebuilt(branch, leaves) for branch in tree]
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


def trace(
    loss_fn: Callable[..., Any], params: Any, args: tuple[Any, ...], names: list[str]
) -> Trace:
    """The record of ``loss_fn(params, *args)`` and its gradients."""
    drawn: bool = False
    before = [(rng, rng.bit_generator.state) for rng in _generators(loss_fn, args)]
    try:
        with no_garbage():
            record = _record(loss_fn, params, args, names)
    finally:
        for rng, state in before:  # the eager step that follows draws what it would have
            drawn |= repr(rng.bit_generator.state) != repr(state)
            rng.bit_generator.state = state
    if drawn:
        raise Refused(
            "what is drawn at random inside would be baked in, and be the same at every call. Draw "
            "outside, and pass the numbers (or the mask they make) as an argument"
        )
    return record


def unbaked(
    record: Trace,
    loss_fn: Callable[..., Any],
    params: Any,
    args: tuple[Any, ...],
    names: list[str],
) -> None:
    """Refuse a function whose record has values of its arguments baked in: record it on others."""
    twin = None
    for far in (True, False):  # what raises an error on values far off may take those nearby
        for nudge in (-1, 1, 0):
            move = functools.partial(_moved, nudge=nudge, far=far)
            try:
                with np.errstate(all="ignore"), no_garbage():
                    other = copy.deepcopy(params)
                    for _, p in leaves_of(other, ""):
                        p.data = move(p.data)
                    twin = _record(loss_fn, other, args, names, move)
                break
            except (ValueError, IndexError, TypeError):
                continue
        if twin is not None:
            break
    if twin is None:
        raise Refused("run on other values of its arguments, the function raises an error")
    _compare(record, twin)


def _record(
    loss_fn: Callable[..., Any],
    params: Any,
    args: Any,
    names: list[str],
    move: Callable[[Any], Any] | None = None,
) -> Trace:
    wrt = [p for _, p in leaves_of(params, "params")]
    if len({id(p) for p in wrt}) < len(wrt):
        raise Refused("one Tensor stands in two places of params. Put it there once")
    token = context.set(Context(recording=True, scope=(), anomaly=False, complete=True))
    try:
        inputs = []
        for arg, name in zip(args, names, strict=True):
            ends = []
            for letter, x in leaves_of(arg, name):
                if isinstance(x, (Tensor, np.ndarray, np.generic, int, float)):
                    array = np.asarray(values(x))
                    array = array if move is None else move(array)
                    ends.append(Tensor(array, name=letter))
                else:
                    ends.append(x)
            inputs.append((arg, ends))
        loss = loss_fn(params, *(rebuilt(arg, iter(ends)) for arg, ends in inputs))
        loss, aux = loss if type(loss) is tuple and len(loss) == 2 else (loss, None)
        if type(loss) is not Tensor or loss.size != 1:
            raise Refused("the function does not give one scalar Tensor")
        beside = [x for _, x in leaves_of(aux, "aux")]
        beside = [Tensor(x) if isinstance(x, np.ndarray) else x for x in beside]
        if not all(type(x) is Tensor or x is None for x in beside):
            raise Refused("what the function gives beside the loss is not made of Tensors")
        gradients = (  # of the twin, which is compared forward alone: rules see no values
            grad(loss, wrt, create_graph=True, unused="zero") if move is None else []
        )
    finally:
        context.reset(token)
    leaves = [*wrt, *(x for _, ends in inputs for x in ends if type(x) is Tensor)]
    outputs = [loss, *gradients, *(x for x in beside if x is not None)]
    made_of = set(ancestors(loss))
    used = [p in made_of for p in wrt]
    aux = rebuilt(aux, iter([None if x is None else True for x in beside]))
    called = [name for name, _ in leaves_of(params, "params")]
    called += [str(x.name) for x in leaves[len(wrt) :]]
    return Trace(leaves, called, ancestors(*outputs, *leaves), outputs, used, aux)


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


def _moved(x: Any, nudge: int, far: bool) -> Any:
    """Other values of the same kind: with other signs, extremes, zeros and counts if `far`."""
    x = np.asarray(x)
    rng = np.random.default_rng(0)
    if not x.size:
        return x
    mixed = rng.permutation(x.ravel()).reshape(x.shape)
    if x.dtype.kind == "f":
        if far:
            known = np.where(np.isfinite(x) & (x != 0), x, rng.uniform(-1, 1, x.shape))
            return (-known * rng.uniform(1.2, 2, x.shape)).astype(x.dtype)
        signs = [-1, 1] if (x < 0).any() else [1]  # probabilities stay some
        return (mixed * rng.uniform(0.5, 1, x.shape) * rng.choice(signs, x.shape)).astype(x.dtype)
    low, high = x.min(), x.max()
    if x.dtype.kind == "b":
        if low == high:
            return ~x
        if far:  # one more or one less
            at = np.flatnonzero(mixed == (mixed.sum() > 1))[0]
            mixed.flat[at] = not mixed.flat[at]
        return mixed
    if low == high:
        return x + np.asarray(nudge, x.dtype)
    found = low + (high - mixed)
    if far:
        found = np.clip(found, low + (high - low > 1), high - 1)
        found.flat[0] -= found.sum() == x.sum() and found.flat[0] > low
    return found


def _compare(a: Trace, b: Trace) -> None:
    nodes = [_made(a), _made(b)]
    if len(nodes[0]) != len(nodes[1]):
        raise Refused(
            f"what it records depends on values: {len(nodes[0])} nodes, and {len(nodes[1])} for "
            "other values of the arguments"
        )
    for x, y in zip(*nodes, strict=True):
        if x.op is None and not _equal(x.data, y.data):
            raise Refused(_baked("a Tensor made inside", x))
        if (x.op and x.op.name) != (y.op and y.op.name) or x.shape != y.shape:
            raise Refused("what it records depends on the values of the arguments")
        for k, (u, v) in enumerate(zip(x.inputs, y.inputs, strict=True)):
            if type(u) is not Tensor and not _equal(u, v):
                raise Refused(_baked(f"input {k} of {x.op.name if x.op else ''}", x))
        if str(x.options) != str(y.options) and "again" not in x.options:
            raise Refused(_baked("an option", x))


def _made(record: Trace) -> list[Tensor]:
    """All nodes but gradients and the arguments, whose order of birth says nothing."""
    given, beside = set(record.leaves), sum(x is True for _, x in leaves_of(record.aux, ""))
    ends = [record.outputs[0], *record.outputs[len(record.outputs) - beside :]]
    return [x for x in ancestors(*ends) if x not in given]


def _baked(what: str, x: Tensor) -> str:
    return (
        f"{what} (shape {x.shape}) is an array that changes with the arguments or is drawn at "
        "random: it would be baked in. Pass it as an argument, or compute it from Tensors"
    )


def _equal(a: Any, b: Any) -> bool:
    a, b = np.asarray(values(a)), np.asarray(values(b))
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
