"""Does a record hold for other values of its arguments, and at the next call?

A value that a function takes from its arguments past the record would be baked in, and so would
a counter. So it runs a second time, on other values, and a record that differs is refused.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from tinygrad_rnn.engine.recorder import Unrecorded
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.program.constants import same_constant
from tinygrad_rnn.program.record.abstract import Unfrozen, frozen
from tinygrad_rnn.program.record.trace import Call, Forward, Refused, line_of, recorded

__all__ = ["guard"]


def guard(record: Forward, call: Call) -> None:
    """Refuse a function whose record has values baked in: record it once more, on other values.

    The second recording meets the changes that the first has made to the parameters' module, so a
    function that counts, or remembers its arguments, is refused as well.
    """
    twin, why = None, ""
    for far in (True, False):  # what raises an error on values far off may take those nearby
        for nudge in (-1, 1, 0):
            move = functools.partial(_moved, nudge=nudge, far=far)
            try:
                with np.errstate(all="ignore"):
                    twin = recorded(call, record.shapes, move, record)
                break
            except Refused:
                raise
            except Unrecorded as error:
                raise Refused(str(error)) from error
            except Exception as error:  # such as what the function itself makes sure of
                why = f" ({type(error).__name__}: {error}){line_of(error)}"
        if twin is not None:
            break
    if twin is None:
        raise Refused(f"run on other values of its arguments, the function raises an error{why}")
    _compare(record, twin)


def _moved(x: Any, nudge: int, far: bool) -> Any:
    """Other values of the same kind: with other signs, extremes, zeros and counts if `far`."""
    x = np.asarray(x)
    rng = np.random.default_rng(0)
    if not x.size:
        return x
    if x.dtype.kind == "f" and far:
        known = np.isfinite(x) & (x != 0)
        moved = x if known.all() else np.where(known, x, _drawn(rng, -1, 1, x))
        return -moved * _drawn(rng, 1.2, 2, x)
    mixed = rng.permutation(x.ravel()).reshape(x.shape)
    if x.dtype.kind == "f":
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


def _drawn(rng: np.random.Generator, low: float, high: float, like: Any) -> Any:
    """Numbers in the shape and dtype of an array, drawn for some thousand and then the same."""
    some = rng.uniform(low, high, min(like.size, 4093)).astype(like.dtype)
    return np.resize(some, like.shape)


def _compare(a: Forward, b: Forward) -> None:
    pairs = zip(a.recorder.draws, b.recorder.draws, strict=False)  # as many if the nodes are equal
    if any(x.rng is not y.rng or x.method != y.method for x, y in pairs):
        raise Refused("the generator that it draws from depends on the values of its arguments")
    nodes = [_made(a), _made(b)]
    if len(nodes[0]) != len(nodes[1]):
        raise Refused(
            f"what it records depends on values: {len(nodes[0])} nodes, and {len(nodes[1])} for "
            "other values of the arguments"
        )
    for x, y in zip(*nodes, strict=True):
        if x.op is None and not _equal(x.data, y.data):
            cut = "; to cut what flows back, h.detach() is stop_gradient(h) here"
            raise Refused(_baked("a Tensor made inside", x) + cut)
        if (x.op and x.op.name) != (y.op and y.op.name) or x.shape != y.shape:
            raise Refused("what it records depends on the values of the arguments")
        for k, (u, v) in enumerate(zip(x.inputs, y.inputs, strict=True)):
            if type(u) is not Tensor and not _equal(u, v):
                raise Refused(_baked(f"input {k} of {x.op.name if x.op else ''}", x))
        if "again" not in x.options and _said(x.options) != _said(y.options):
            raise Refused(_baked("an option", x))
    if _wiring(a) != _wiring(b):
        raise Refused("which values are computed with which depends on the values of the arguments")


def _wiring(record: Forward) -> list[Any]:
    """The inputs of each node, and the results, all by their places."""
    places = {x: -1 - k for k, x in enumerate(record.leaves)}
    nodes = _made(record)
    places |= {x: k for k, x in enumerate(nodes)}
    ends = (record.loss, *record.beside, *record.recorder.requirements)
    inputs = [[places[u] for u in x.inputs if type(u) is Tensor] for x in nodes]
    return [inputs, [places[x] for x in ends]]


def _made(record: Forward) -> list[Tensor]:
    """All nodes except the arguments, whose order of birth has no meaning."""
    given = set(record.leaves)
    return [x for x in record.nodes if x not in given]


def _baked(what: str, x: Tensor) -> str:
    return (
        f"{what} (shape {x.shape}) is an array that changes with the arguments or from call to "
        "call, or is drawn at random: it would be baked in. Pass it as an argument, or compute it "
        "from Tensors"
    )


def _said(options: dict[str, Any]) -> Any:
    try:
        return [frozen(option) for option in options.items()]
    except Unfrozen:
        return str(options)


def _equal(a: Any, b: Any) -> bool:
    return same_constant(np.asarray(values(a)), np.asarray(values(b)))
