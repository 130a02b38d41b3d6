"""Which nodes of a record are one and the same, but for the time step?

Every node has a birth certificate. Forward: its scopes, its primitive, its ordinal in the step.
Backward: the certificate of the node it differentiates, which argument, the ordinal in the rule.
Nodes with equal certificates form a *family*; the time step is what tells its members apart.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from tinygrad_rnn.engine.context import Frame
from tinygrad_rnn.engine.primitives import getitem, transpose
from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["certificates", "cotangents", "letters"]

Key = tuple[Any, ...]
SQUASHING = frozenset(("sigmoid", "tanh", "relu", "softplus"))


def certificates(nodes: list[Tensor]) -> dict[Tensor, tuple[Key, int | None]]:
    """The certificate of each node and its step; None for what belongs to no step.

    What stands outside of every step takes the step of its last input that has one, else of all
    who read it: the loss of ``outputs[t]`` and ``y[t]`` is of step t wherever it is written. The
    gradient of an argument of something timeless (as `stack`) is of the step of that argument.
    """
    found: dict[Tensor, tuple[Key, int | None]] = {}
    by_serial = {x.serial: x for x in nodes}
    places = _forward(nodes)
    count: dict[Any, int] = defaultdict(int)
    for x in nodes:
        if x.op is None:
            found[x] = (("leaf", x.serial), None)
            continue
        key, t = places[x] if x in places else _backward(x, found, by_serial)
        key = (*key, x.op.name)
        ordinal = count[key, t]
        count[key, t] += 1
        found[x] = ((*key, ordinal), t)
    return found


def _mark(x: Tensor) -> Frame | None:
    for frame in reversed(x.scope):
        if frame.of is not None:
            return frame
    return None


def _forward(nodes: list[Tensor]) -> dict[Tensor, tuple[Key, int | None]]:
    """The scopes and the step of what is no gradient."""
    found: dict[Tensor, tuple[Key, int | None]] = {}
    readers: dict[Tensor, set[int | None]] = defaultdict(set)
    visits: dict[Any, dict[Frame, int]] = defaultdict(dict)
    for x in nodes:
        if x.op is None or _mark(x) is not None:
            continue
        timed = [k for k, frame in enumerate(x.scope) if frame.t is not None]
        if timed:
            last = timed[-1]
            path = tuple((f.name, None if k == last else f.t) for k, f in enumerate(x.scope))
            frame = x.scope[last]
            same = visits[path[: last + 1], frame.t]  # a cell may be called again at the same step
            found[x] = ("scope", same.setdefault(frame, len(same)), *path), frame.t
            continue
        steps = [found[y][1] for y in x.inputs if type(y) is Tensor and y in found]
        steps = [t for t in steps if t is not None]
        joins = x.op.arity is None and x.op is not getitem and len(set(steps)) > 1
        where = ("join" if joins else "after", *(f.name for f in x.scope))
        found[x] = where, None if joins or not steps else steps[-1]
    for x, (path, t) in reversed(found.items()):
        if t is None and len(readers[x]) == 1 and path[0] == "after":
            (t,) = readers[x]
            found[x] = path, t
        for y in x.inputs:
            if type(y) is Tensor:
                readers[y].add(t)
    return found


def _backward(x: Tensor, found: Any, by_serial: dict[int, Tensor]) -> tuple[Key, int | None]:
    """What a gradient is of: the node and argument, or the node alone where terms are added."""
    mark = _mark(x)
    of = by_serial.get(mark.of) if mark is not None and mark.of is not None else None
    if of is None or mark is None:
        return ("alone", x.serial), None
    key, t = found[of]
    if t is None and mark.argument is not None:
        source = of.inputs[mark.argument]
        if type(source) is Tensor and found[source][1] is not None:
            return ("back", key, found[source][0]), found[source][1]
    return ("back", key, mark.argument), t


def cotangents(nodes: list[Tensor]) -> dict[Tensor, Tensor]:
    """Which nodes are whole gradients, and of what; of a rule of several operations, the last."""
    by_serial = {x.serial: x for x in nodes}
    rules: dict[tuple[int, int | None], tuple[Tensor, Tensor]] = {}
    for x in nodes:
        mark = _mark(x)
        of = by_serial.get(mark.of) if mark is not None and mark.of is not None else None
        if of is None or mark is None:
            continue
        source = of if mark.argument is None else of.inputs[mark.argument]
        if type(source) is Tensor and source.shape == x.shape:
            rules[of.serial, mark.argument] = x, source
    whole: dict[Tensor, Tensor] = {}
    for (_, argument), (x, source) in rules.items():
        if argument is None or source not in whole:  # a sum of all, or there is but one
            whole[source] = x
    return {x: source for source, x in whole.items()}


def letters(nodes: list[Tensor], given: dict[Tensor, str]) -> dict[Tensor, str]:
    """A letter for each node: its own, or d and the letter of what it is the gradient of."""
    by_serial = {x.serial: x for x in nodes}
    found: dict[Tensor, str] = {}
    squashed = _squashed(nodes)
    for x in nodes:
        if x.name or x in given:
            found[x] = x.name or given[x]
            continue
        if x in squashed and x.op is not None:
            found[x] = f"a_{squashed[x]}"
            continue
        mark = next((frame for frame in reversed(x.scope) if frame.of is not None), None)
        of = by_serial.get(mark.of) if mark is not None and mark.of is not None else None
        if of is None or mark is None:
            source = next((found[y] for y in x.inputs if type(y) is Tensor and y in found), "")
            if x.op is not None:
                found[x] = _formed(x.op.name, source)
        elif mark.argument is None:
            found[x] = "d" + found.get(of, of.op.name if of.op else "x")
        else:
            source = of.inputs[mark.argument]
            if x.op is transpose and type(x.inputs[0]) is Tensor:
                found[x] = found.get(x.inputs[0], "k") + "T"
            elif type(source) is Tensor and source in found and source.shape == x.shape:
                found[x] = "d" + found[source]
            else:
                found[x] = _formed(x.op.name if x.op else "x", "")
    return found


def _squashed(nodes: list[Tensor]) -> dict[Tensor, str]:
    """What is read by one gate alone, before its sigmoid or tanh, and the letter of the gate."""
    readers: dict[Tensor, list[Tensor]] = defaultdict(list)
    for x in nodes:
        if _mark(x) is None:
            for y in x.inputs:
                if type(y) is Tensor:
                    readers[y].append(x)
    return {
        y: x.name
        for y, (x, *others) in readers.items()
        if not others and x.name and x.op is not None and x.op.name in SQUASHING
    }


def _formed(op: str, source: str) -> str:
    if op == "transpose" and source:
        return f"{source}T"
    short = {"matmul": "a", "add": "a", "getitem": "a", "multiply": "p", "subtract": "s"}.get(op)
    if short is not None:
        return short
    return f"{op}_{source}" if source and len(source) <= 3 else op
