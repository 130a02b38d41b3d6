"""Which operations of a record does a program consist of?

Identities are passed over, and cotangents have one form. What flows back to a node of a step is a
sum of what its readers send, however many they are, and whether or not a reader's own cotangent
passes unchanged. So nodes of all steps are alike even where some have other readers. The record of
``h[t] = h[t-1]*a``, of which the loss reads all and the last twice, is here::

    dh[4] = add(dy[4], dlast)                       dh[t] = addn(dy[t], p[t+1]);  p[5] = dlast
    dh[3] = add(dy[3], p[4])
    …
"""

from __future__ import annotations

from collections import Counter, defaultdict
from operator import attrgetter
from typing import Any, NamedTuple

from tinygrad_rnn.engine.kinds import IDENTITY, VIEW
from tinygrad_rnn.engine.primitives import getitem, transpose
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.program.ir.ops import those
from tinygrad_rnn.program.ir.sequences import Node
from tinygrad_rnn.program.record.keys import (
    Mark,
    NodeKey,
    Origin,
    cotangents,
    flowing,
    letters,
    marks,
    node_keys,
)
from tinygrad_rnn.program.record.trace import Trace

__all__ = ["SAME", "Facts", "facts_of", "is_itself", "nodes_of"]

SAME = those(IDENTITY)  # forward they change nothing


class Facts(NamedTuple):
    """The facts about each node: key and step, letter, count of readers, whose gradient it is."""

    keys: dict[Tensor, Any]
    names: dict[Tensor, str]
    uses: Counter[Tensor]
    gradients: dict[Tensor, Tensor]
    marks: dict[Tensor, Mark]
    flows: set[Tensor]  # what flows back from the loss
    sums: dict[Any, NodeKey]  # of all terms of a gradient together


def facts_of(trace: Trace, fine: bool) -> Facts:
    """The facts about the nodes of a record; for `fine` see `node_keys`."""
    nodes = sorted((*trace.nodes, *trace.unread), key=attrgetter("serial"))
    given = dict(zip(trace.leaves, trace.names, strict=True))
    uses = Counter([y for x in nodes for y in x.inputs if type(y) is Tensor])
    uses.update(trace.outputs)
    of = marks(nodes)
    found = node_keys(nodes, of, fine), letters(nodes, given, of), uses, cotangents(nodes, of)
    return Facts(*found, of, flowing(nodes, of), {})


def is_itself(x: Tensor) -> bool:
    """True if it is a view of all of its input as it is, such as ``mask[...]``."""
    if x.name or x.op is None or x.op.kind is not VIEW or x.shape != x.inputs[0].shape:
        return False
    if x.op is getitem:
        return all(p is Ellipsis or p == slice(None) for p in x.options["index"])
    return x.op is not transpose or x.options.get("axes") == tuple(range(x.ndim))


class _Cotangents:
    """The sum that each node of a step has as its cotangent, and what its readers send.

    A reader that sends its own cotangent sends a copy: at the last step it may be sent to one of
    two nodes alone, and something else stands in the sum of the other.
    """

    def __init__(self, trace: Trace, facts: Facts, nodes: list[Node]) -> None:
        self.facts, self.flows, self.nodes = facts, trace.flows, nodes
        self.sums: dict[Tensor, Node] = {}
        self.arriving: dict[Any, list[Tensor]] = defaultdict(list)  # at which nodes, youngest first
        for y, g in trace.flows.arrived.items():
            if facts.keys[y][1] is not None:
                self.arriving[g].append(y)
        self.sent: Counter[Any] = Counter()

    def read(self, of: Tensor | None, g: Tensor, found: Any, *, adds: bool) -> Any:
        """The node that an operation which derives from `of` reads as `g`, `found` in the record.

        If it `adds` terms of one cotangent, a copy is read of what a reader of `of` sends.
        """
        if of is None:
            return found
        if of in self.sums and self.flows.arrived.get(of) is g:
            return self.sums[of]
        readers = self.flows.passed.get((of, g))
        if not readers:
            return found
        k = self.sent[of, g]  # several may send the same: one after the other
        self.sent[of, g] = min(k + 1, len(readers) - 1)
        reader, argument = readers[k]
        x = self.sums.get(reader)
        if x is None or not adds or self.facts.keys[of][1] is None:
            return found if x is None else x
        birth, t = self.facts.keys[reader]
        copy = Node("copy", [x], {}, x.shape, x.dtype, x.name, x.serial, t=t)
        copy.key, copy.flows = self._key("copy", birth, argument), True
        self.nodes.append(copy)
        return copy

    def _key(self, op: str, birth: NodeKey, argument: int | None = None) -> NodeKey:
        around = birth.origin.around or birth.origin
        origin = Origin(around, gradient=True, adds=argument is None)
        return self.facts.sums.setdefault((birth, argument), NodeKey(origin, op, 0))

    def complete(self, g: Tensor, found: dict[Tensor, Any]) -> None:
        """Make the sums of nodes whose cotangent is `g`."""
        keys, names, *_ = self.facts
        for y in self.arriving.get(g, ()):
            of, (birth, t) = found.get(y), keys[y]
            x, (whose, argument) = found[g], self.facts.marks.get(g, (None, None))
            if type(of) is not Node or type(x) is not Node:
                continue
            if x.op != "addn" or whose is not y or argument is not None:
                x = self.read(y, g, x, adds=True)
                x = Node("addn", [x], {}, g.shape, g.dtype, "d" + names[y], g.serial, t=t)
                self.nodes.append(x)
            x.key, x.flows, x.of = self._key("addn", birth), True, of
            self.sums[y] = x


def nodes_of(trace: Trace, facts: Facts) -> tuple[list[Node], list[Node]]:
    """The record, light, with sums of gradients flattened and identities passed over."""
    found: dict[Tensor, Any] = {}
    nodes: list[Node] = []
    arguments, sums = {*trace.leaves}, _Cotangents(trace, facts, nodes)
    for x in trace.nodes:
        found[x] = made = _node(x, found, facts, sums, arguments)
        if type(made) is Node and made.serial == x.serial:
            nodes.append(made)
        sums.complete(x, found)
    outputs: list[Node] = []
    for x in trace.outputs:
        node = found[x]
        if type(node) is not Node:
            node = Node("copy", [node], {}, x.shape, x.dtype, x.name or "g", x.serial)
            nodes.append(node)
        outputs.append(node)
    return _alive(nodes, {*outputs, *(found[x] for x in trace.leaves if x in found)}), outputs


def _node(
    x: Tensor, found: dict[Tensor, Any], facts: Facts, sums: _Cotangents, arguments: set[Tensor]
) -> Any:
    """The node of an operation or argument; of an identity or a constant, what it equals."""
    key, t = facts.keys[x]
    if x.op is None:
        if x not in arguments:
            return x.data
        leaf = Node("leaf", [], {"leaf": x}, x.shape, x.dtype, facts.names[x], x.serial, key, t)
        leaf.named = bool(x.name)
        return leaf
    op, (of, _) = x.op.name, facts.marks.get(x, (None, None))
    adds = op == "add" and key.origin.adds
    ins = [sums.read(of, y, found[y], adds=adds) if type(y) is Tensor else y for y in x.inputs]
    if op in SAME or is_itself(x):
        return ins[0]
    if op == "where" and ins[1] is ins[2] and getattr(ins[1], "shape", None) == x.shape:
        return ins[1]  # a cut at some steps: forward nothing is chosen
    if adds:
        op = "addn"
        key = facts.sums.setdefault(key.origin, NodeKey(key.origin, op, 0))
        first = x.inputs[0]
        if type(first) is Tensor and facts.uses[first] == 1 and getattr(ins[0], "key", None) is key:
            ins[0].ins.append(ins[1])
            ins = ins[0].ins
    node = Node(op, ins, x.options, x.shape, x.dtype, facts.names[x], x.serial, key, t)
    node.named = bool(x.name)
    node.flows = x in facts.flows
    of = found.get(facts.gradients[x]) if x in facts.gradients else None
    node.of = of if type(of) is Node else None
    return node


def _alive(nodes: list[Node], ends: set[Node]) -> list[Node]:
    """Those that the ends are made from, and they themselves."""
    nodes.sort(key=attrgetter("serial"))
    seen = ends
    for x in reversed(nodes):
        if x in seen:
            seen.update([y for y in x.ins if type(y) is Node])
    return [x for x in nodes if x in seen]
