"""How is a record evaluated in little memory?

Segment by segment, as its nodes were born (Chen et al. 2016, "Training deep nets with sublinear
memory cost"). A first walk keeps only the nodes that later segments read. The walk back records
each segment once more, on values, and the engine takes its gradients, with which those of a program
are compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isqrt
from typing import Any

import numpy as np

from tinygrad_rnn.engine.backward import ancestors, grad
from tinygrad_rnn.engine.blocks import no_grad
from tinygrad_rnn.engine.primitives import astype, concatenate, reshape
from tinygrad_rnn.engine.recorder import Recorder
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.program.record.trace import Forward, no_garbage, recording

__all__ = ["replayed"]


def replayed(record: Forward, arrays: list[Any], recorder: Recorder | None = None) -> list[Any]:
    """The loss, the gradients of the parameters, and what is beside the loss.

    Parameters
    ----------
    record
        With values or without.
    arrays
        For its leaves: parameters, arguments, and what is drawn.
    recorder
        Moves or flushes what each operation gives, that of gradients, too.
    """
    ends = [record.loss, *record.beside]
    leaves = dict(zip(record.leaves, arrays, strict=True))
    nodes = ancestors(*ends)
    kept = {x: leaves.get(x, x._data) for x in nodes if x.op is None}
    nodes = [x for x in nodes if x.op is not None]
    size = isqrt(max(len(nodes) - 1, 0)) + 1
    parts = [nodes[k : k + size] for k in range(0, len(nodes), size)]
    later = {*ends, *(x for part in parts for x in _older(part))}
    wrt = record.leaves[: record.parameters]
    needed = set(wrt)
    with no_garbage(), recording(recorder or Recorder()):
        for part in parts:
            with no_grad():
                made = _again(part, kept, ())
            kept |= {x: made[x]._data for x in part if x in later}
            needed |= later & _made_of(needed, part)
        cotangents: dict[Tensor, Any] = {record.loss: np.ones(record.loss.shape, record.loss.dtype)}
        results = [kept[x] for x in ends]
        for part in reversed(parts):
            _go_back(part, kept, needed, cotangents, create_graph=recorder is not None)
            for x in part:  # which no earlier segment reads
                kept.pop(x, None)
    zeros = (np.zeros(x.shape, x.dtype) for x in wrt)
    gradients = [cotangents.get(x, zero) for x, zero in zip(wrt, zeros, strict=True)]
    return [results[0], *gradients, *results[1:]]


def _older(part: list[Tensor]) -> dict[Tensor, None]:
    """The nodes of earlier segments that a segment reads."""
    reads = (y for x in part for y in x.inputs if type(y) is Tensor)
    return dict.fromkeys(y for y in reads if y.serial < part[0].serial)


def _made_of(needed: set[Tensor], part: list[Tensor]) -> set[Tensor]:
    """The nodes of a segment by which a gradient flows to what is needed."""
    found = set[Tensor]()
    for x in part:
        reads = (y for y in x.inputs if type(y) is Tensor)
        if x.dtype.kind == "f" and any(y in needed or y in found for y in reads):
            found.add(x)
    return found


def _again(
    part: list[Tensor], kept: dict[Tensor, Any], given: Iterable[Tensor]
) -> dict[Tensor, Tensor]:
    """The nodes of a segment once more, on values; and as leaves what is `given` from outside."""
    made = {x: _leaf(kept[x]) for x in given}
    for x in part:
        for y in x.inputs:
            if type(y) is Tensor and y not in made:
                made[y] = _leaf(kept[y])
        inputs = [made[y] if type(y) is Tensor else y for y in x.inputs]
        assert x.op is not None
        made[x] = x.op(*inputs, **x.options)
    return made


def _leaf(array: Any) -> Tensor:
    """A Tensor of an array, which is not copied."""
    made = Tensor(0.0)
    made._data = array
    return made


def _go_back(
    part: list[Tensor],
    kept: dict[Tensor, Any],
    needed: set[Tensor],
    cotangents: dict[Tensor, Any],
    create_graph: bool,
) -> None:
    """Turn the cotangents of what a segment makes into those of what it is made from."""
    ends = [x for x in part if x in cotangents]
    if not ends:
        return
    sources = [y for y in _older(part) if y in needed]
    if not sources:
        return
    made = _again(part, kept, sources)
    dtype = np.result_type(*(x.dtype for x in ends))
    row = concatenate([reshape(astype(made[x], dtype=dtype), shape=-1) for x in ends])
    g = np.concatenate([cotangents.pop(x).astype(dtype).ravel() for x in ends])
    wrt = [made[x] for x in sources]
    found = grad(row, wrt, g, create_graph=create_graph, partial=True, unused="zero")
    for x, gx in zip(sources, found, strict=True):
        gx = gx._data if create_graph else gx
        cotangents[x] = cotangents[x] + gx if x in cotangents else gx
