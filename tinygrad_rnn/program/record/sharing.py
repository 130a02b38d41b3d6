"""Which operations are the same at every step?

A cell that makes its matrix from parameters records it at each step, ``W = A - A.T`` T times. Here
these become one, before gradients are taken: then what flows back to them is summed over time, and
goes on from there once. Five lines before and after::

    t = 0:  W_0 = A - A.T;  h_1 = tanh(x_0 + h_0 @ W_0)       W = A - A.T
    t = 1:  W_1 = A - A.T;  h_2 = tanh(x_1 + h_1 @ W_1)       t = 0:  h_1 = tanh(x_0 + h_0 @ W)
    back:   dA = (dW_0 - dW_0.T) + (dW_1 - dW_1.T)            t = 1:  h_2 = tanh(x_1 + h_1 @ W)
                                                              back:   dW = dW_0 + dW_1
                                                                      dA = dW - dW.T
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from tinygrad_rnn.engine.backward import ancestors
from tinygrad_rnn.engine.primitives import getitem
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.program.record.abstract import Unfrozen, frozen
from tinygrad_rnn.program.record.keys import node_keys

__all__ = ["shared"]


def shared(
    ends: Sequence[Tensor], operations: Sequence[Tensor], leaves: Sequence[Tensor]
) -> list[Tensor]:
    """The ends of a record in which operations that are equal at all steps occur once, without t.

    Steps are those of scopes. The record is changed, but none of its nodes that are older
    than its `operations`, which are in the order of birth. `leaves` are the arguments, whose values
    count for nothing.
    """
    arguments, own = {*leaves}, _of_one_step(operations)
    if not _may_repeat(operations, arguments, own):
        return list(ends)
    one = _repeated(operations, arguments, own)
    if not one:
        return list(ends)
    nodes = ancestors(*ends)
    steps: dict[Any, list[tuple[Tensor, int | None]]] = defaultdict(list)
    for x, (node_key, t) in node_keys(nodes, {}).items():
        steps[node_key].append((x, t))
    same: dict[Tensor, Tensor] = {}
    kept: dict[Tensor, Tensor] = {}
    for alike in steps.values():
        (x, _), *more = alike
        # a plain loop is known by its repeating, which one node less at all steps but one breaks
        if _steps(x) and more and x in one and all(one.get(y) is one[x] for y, _ in more):
            same |= {y: kept.setdefault(one[x], x) for y, _ in alike}
    for y in kept.values():
        y.scope = tuple([replace(frame, t=None) for frame in y.scope])
    for y in nodes if same else ():
        if any(type(z) is Tensor and z in same for z in y.inputs):
            y.inputs = tuple([same.get(z, z) if type(z) is Tensor else z for z in y.inputs])
    return [same.get(x, x) for x in ends]


def _of_one_step(nodes: Sequence[Tensor]) -> set[Tensor]:
    """The elements of sequences that are read at one step alone, such as x[t].

    Nodes made of them are the same at no other step, and need no search. Sequences are the nodes
    that exist before all steps.
    """
    reads: dict[Any, list[Tensor]] = defaultdict(list)
    for x in nodes:
        if x.op is getitem and len(x.inputs) == 1 and not _steps(x.inputs[0]):
            reads[x.inputs[0], frozen(x.options["index"])].append(x)
    alone = (xs for xs in reads.values() if len({_steps(x) for x in xs}) == 1)
    return {x for xs in alone for x in xs if _steps(x)}


def _steps(x: Tensor) -> tuple[int, ...]:
    """The steps that a node belongs to, the outermost first."""
    return tuple([frame.t for frame in x.scope if frame.t is not None])


def _repeated(
    nodes: Sequence[Tensor], arguments: set[Tensor], own: set[Tensor]
) -> dict[Tensor, Tensor]:
    """Nodes made of arguments and constants alone, each with the first node that does the same.

    Empty if nothing is made twice. Nodes made of elements that are a step's `own` are left out.
    """
    first: dict[Any, Tensor] = {}
    found: dict[Tensor, Tensor] = {}
    for x in nodes:
        if x not in own and (key := _said(x, arguments, found)) is not None:
            found[x] = first.setdefault(key, x)
    return found if len(first) < len(found) else {}


def _may_repeat(nodes: Sequence[Tensor], arguments: set[Tensor], own: set[Tensor]) -> bool:
    """True if any two nodes have equal hashes; full descriptions would take more memory."""
    if not any(map(_steps, nodes)):
        return False
    seen: set[int] = set()
    found: dict[Tensor, Tensor] = {}
    for x in nodes:
        if x not in own and (key := _said(x, arguments, found)) is not None:
            found[x] = x
            if hash(key) in seen:
                return True
            seen.add(hash(key))
    return False


def _said(x: Tensor, arguments: set[Tensor], found: dict[Tensor, Tensor]) -> Any:
    """The operation and inputs of a node; None unless these are arguments, constants or `found`."""
    if x.op is None:
        return None
    for y in x.inputs:
        if type(y) is Tensor and y.op is not None and y not in found:
            return None

    def known(y: Any) -> Any:
        if type(y) is Tensor and (y in arguments or y.op is not None):
            return id(found.get(y, y))
        return type(y) is Tensor, frozen(values(y))

    with suppress(Unfrozen):
        return id(x.op), *map(known, x.inputs), frozen([*x.options.items()])
    return None
