"""Which nodes of a record are one and the same, but for the time step?

Every node has a key. Forward: its scopes, its primitive, its ordinal in the step. Backward: the key
of the node it differentiates, the argument, the ordinal in the rule. Nodes with equal keys form a
*sequence*; only the time step tells its members from each other. Where no scope says the step, a
loop is recognised by its period.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from tinygrad_rnn.engine.primitives import getitem, transpose
from tinygrad_rnn.engine.steps import steps
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.program.record.periods import Run, runs

__all__ = ["NodeKey", "Origin", "cotangents", "flowing", "letters", "marks", "node_keys"]

SQUASHING = frozenset(("sigmoid", "tanh", "relu", "softplus"))
SHORT = {"matmul": "a", "add": "a", "getitem": "a", "multiply": "p", "subtract": "s"}


@dataclass(eq=False, slots=True)
class Origin:
    """The scopes in which a node is born, or the node that it is the gradient of.

    There is one object for each, so that no two have to be compared part by part.
    """

    around: Origin | None = None  # of a gradient, the origin of the forward node; of a loop
    gradient: bool = False
    adds: bool = False  # the terms of one gradient
    inferred: bool = False  # a loop that no scope tells of


@dataclass(eq=False, slots=True)
class NodeKey:
    """An origin, a primitive, and its ordinal there: again one object for each."""

    origin: Origin
    op: str
    ordinal: int


Mark = tuple[Tensor | None, int | None]  # the node that is differentiated, and which argument
Birth = tuple[NodeKey, int | None]
Located = dict[Tensor, tuple[Origin, int | None]]


def marks(nodes: list[Tensor]) -> dict[Tensor, Mark]:
    """The node that each gradient is of; None if it is not in the record."""
    by_serial = {x.serial: x for x in nodes}
    found: dict[Tensor, Mark] = {}
    scope: Any = None
    mark: Mark | None = None
    for x in nodes:
        if x.scope is not scope:  # operations of one rule share theirs
            scope, mark = x.scope, None
            for frame in reversed(scope):
                if frame.of is not None:
                    mark = by_serial.get(frame.of), frame.argument
                    break
        if mark is not None:
            found[x] = mark
    return found


def node_keys(
    nodes: list[Tensor], marks: dict[Tensor, Mark], fine: bool = False
) -> dict[Tensor, Birth]:
    """The key of each node and its step; None for nodes that belong to no step.

    A node outside of every step takes the step of its last input that has one, else of all its
    readers: the loss of ``outputs[t]`` and ``y[t]`` is of step t wherever it is written. The
    gradient of an argument of something timeless (as `stack`) is of the step of that argument.

    Nodes that nobody reads are not in the record. So at the last step, where nobody reads the
    LSTM's c, the nodes after it have other ordinals than elsewhere. If `fine`, the ordinal is
    counted among nodes of one letter that are computed alike in their step: then it is the same.

    >>> from tinygrad_rnn import Tensor, scope, tanh
    >>> h, nodes = Tensor([0.0]), []
    >>> for t in range(3):
    ...     with scope("cell", t=t):
    ...         h = tanh(h)
    ...         nodes.append(h)
    >>> (key, _), *others = node_keys(nodes, {}).values()
    >>> all(other is key for other, _ in others), [t for _, t in others]
    (True, [1, 2])
    """
    found: dict[Tensor, Birth] = {}
    located = _forward([x for x in nodes if x.op is not None and x not in marks])
    origins: dict[Any, Origin] = {}
    issued: dict[Any, NodeKey] = {}
    count: dict[Any, int] = {}
    alike = _alike(nodes, located) if fine else {}
    for x in nodes:
        if x.op is None:
            found[x] = NodeKey(Origin(), "leaf", 0), None
            continue
        origin, t = located[x] if x in located else _backward(marks[x], found, origins)
        name = x.op.name
        at = origin, name, alike.get(x), t
        ordinal = count[at] = count.get(at, -1) + 1
        kind = origin, name, alike.get(x), ordinal
        if kind not in issued:
            issued[kind] = NodeKey(origin, name, ordinal)
        found[x] = issued[kind], t
    return found


def _alike(nodes: list[Tensor], located: Located) -> dict[Tensor, int]:
    """A number for each node, the same for nodes that are computed alike in their steps.

    From what is of the same step, and from arguments that several read. All else may be another at
    the first step: the state before it is a constant or a parameter there.
    """
    reads = Counter(y for x in nodes for y in x.inputs if type(y) is Tensor and y.op is None)
    kinds: dict[Any, int] = {}
    found: dict[Tensor, int] = {x: -1 - k for k, (x, n) in enumerate(reads.items()) if n > 1}
    for x in nodes:
        if x in located:
            origin, t = located[x]
            ins = [
                found.get(y)
                if type(y) is Tensor and (y not in located or located[y][1] == t)
                else None
                for y in x.inputs
            ]
            index = [type(p) if type(p) is int else repr(p) for p in x.options.get("index", ())]
            kind = origin, x.op, x.name, *ins, *index
            found[x] = kinds.setdefault(kind, len(kinds))
    return found


def _forward(nodes: list[Tensor]) -> Located:
    """The scopes and the step of nodes that are no gradients."""
    found: Located = {}
    origins: dict[Any, Origin] = {}
    rest = []
    for x, step in steps(nodes).items():
        if step.t is None:
            rest.append(x)
        else:
            found[x] = origins.setdefault(step.lane, Origin()), step.t
    _outside(nodes, rest, found, origins)
    return found


def _outside(nodes: list[Tensor], rest: list[Tensor], found: Located, origins: Any) -> None:
    """Locate nodes that stand in no scope with a time."""
    scoped = bool(found)
    loops: dict[Tensor, Run] = {run.nodes[0]: run for run in runs(rest)}
    waiting: set[Tensor] = set()
    for x in rest:
        if x in loops:
            times, left = loops[x].times(found, recurrent=scoped)
            found.update(_in_loop(loops[x], times))
            if left is not None:
                loops[left.nodes[left.begin]] = left
        if x in found:
            continue
        steps = [found[y][1] for y in x.inputs if type(y) is Tensor and y in found]
        steps = [t for t in steps if t is not None]
        joins = x.op is not None and x.op.arity is None and x.op is not getitem
        joins = joins and len(set(steps)) > 1
        path = "join" if joins else "after", *(f.name for f in x.scope)
        origin = origins.setdefault(path, Origin())
        found[x] = origin, None if joins or not steps else steps[-1]
        if not joins and not steps:
            waiting.add(x)
    if not waiting:
        return
    readers: dict[Tensor, set[int | None]] = {x: set() for x in waiting}
    for x in reversed(nodes):
        origin, t = found[x]
        if x in waiting and len(readers[x]) == 1:
            (t,) = readers[x]
            found[x] = origin, t
        for y in x.inputs:
            if type(y) is Tensor and y in waiting:
                readers[y].add(t)


def _in_loop(run: Run, times: list[int]) -> Located:
    loop = Origin(inferred=True)
    origins = [Origin(around=loop) for _ in range(run.period)]
    found: Located = {}
    for k, t in enumerate(times, run.begin):
        if t >= 0:  # those before all by chance
            found[run.nodes[k]] = origins[run.position(k)], t
    return found


def _backward(
    mark: Mark, found: dict[Tensor, Birth], origins: dict[Any, Origin]
) -> tuple[Origin, int | None]:
    """The origin of a gradient: a node and argument, or the node alone where terms are added."""
    of, argument = mark
    if of is None:
        return Origin(), None
    birth, t = found[of]
    which: Any = argument
    if t is None and argument is not None:
        source = of.inputs[argument]
        if type(source) is Tensor and found[source][1] is not None:
            which, t = found[source]
    origin = origins.get((birth, which))
    if origin is None:
        around = birth.origin.around or birth.origin
        origin = origins[birth, which] = Origin(around, gradient=True, adds=argument is None)
    return origin, t


def cotangents(nodes: list[Tensor], marks: dict[Tensor, Mark]) -> dict[Tensor, Tensor]:
    """Nodes that are complete gradients, and of which node; of a rule of several, the last."""
    rules: dict[tuple[Tensor, int | None], tuple[Tensor, Tensor]] = {}
    for x, (of, argument) in marks.items():
        if of is not None:
            source = of if argument is None else of.inputs[argument]
            if type(source) is Tensor and source.shape == x.shape:
                rules[of, argument] = x, source
    complete: dict[Tensor, Tensor] = {}
    for (_, argument), (x, source) in rules.items():
        if argument is None or source not in complete:  # a sum of all, or there is but one
            complete[source] = x
    return {x: source for source, x in complete.items()}


def flowing(nodes: list[Tensor], marks: dict[Tensor, Mark]) -> set[Tensor]:
    """Nodes computed from a cotangent: that of the loss, and those that rules compute."""
    found: set[Tensor] = set()
    for x in nodes:
        seed = x.op is None and x.name == "cotangent"
        if seed or (x in marks and any(type(y) is Tensor and y in found for y in x.inputs)):
            found.add(x)
    return found


def letters(
    nodes: list[Tensor], given: dict[Tensor, str], marks: dict[Tensor, Mark]
) -> dict[Tensor, str]:
    """A letter for each node: its own, or d and the letter of what it is the gradient of."""
    found: dict[Tensor, str] = {}
    squashed = _squashed(nodes, marks)
    for x in nodes:
        if x.name or x in given:
            found[x] = x.name or given[x]
            continue
        op = "x" if x.op is None else x.op.name
        if x in squashed and x.op is not None:
            found[x] = f"a_{squashed[x]}"
            continue
        of, argument = marks.get(x, (None, None))
        if of is None:
            if x.op is not None:
                read = (found[y] for y in x.inputs if type(y) is Tensor and y in found)
                found[x] = _formed(op, next(read, ""))
        elif argument is None:
            found[x] = "d" + found.get(of, of.op.name if of.op else "x")
        else:
            source = of.inputs[argument]
            if x.op is transpose and type(x.inputs[0]) is Tensor:
                found[x] = found.get(x.inputs[0], "k") + "T"
            elif type(source) is Tensor and source in found and source.shape == x.shape:
                found[x] = "d" + found[source]
            else:
                found[x] = _formed(op, "")
    return found


def _squashed(nodes: list[Tensor], marks: dict[Tensor, Mark]) -> dict[Tensor, str]:
    """Nodes that one gate alone reads, before its sigmoid or tanh, and the letter of the gate."""
    forward = [x for x in nodes if x.op is not None and x not in marks]
    found: dict[Tensor, str] = {}
    for x in forward:
        if x.name and x.op is not None and x.op.name in SQUASHING and type(x.inputs[0]) is Tensor:
            found[x.inputs[0]] = x.name
    reads = Counter(y for x in forward for y in x.inputs if type(y) is Tensor and y in found)
    return {y: name for y, name in found.items() if reads[y] == 1}


def _formed(op: str, source: str) -> str:
    if op == "transpose" and source:
        return f"{source}T"
    if op in SHORT:
        return SHORT[op]
    return f"{op}_{source}" if source and len(source) <= 3 else op
