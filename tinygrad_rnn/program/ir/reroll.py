"""How does a record become a program that is as short as the cell?

Nodes that repeat at each step become sequences; everything else stays single. A record without
repetition is straight-line code. Sequences are found here, and applied by `ir.values`.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from contextlib import suppress
from typing import Any

from tinygrad_rnn.program.constants import same_constant
from tinygrad_rnn.program.ir.boundaries import Boundaries
from tinygrad_rnn.program.ir.copies import copies
from tinygrad_rnn.program.ir.graph import Value
from tinygrad_rnn.program.ir.nodes import facts_of, nodes_of
from tinygrad_rnn.program.ir.recurrences import complete_loop, components
from tinygrad_rnn.program.ir.sequences import (
    Node,
    NoSequence,
    Sequence,
    Step,
    find_operands,
    linear_options,
)
from tinygrad_rnn.program.ir.sums import Extra, find_terms, place_extra
from tinygrad_rnn.program.ir.values import original, values_of
from tinygrad_rnn.program.record.keys import Origin
from tinygrad_rnn.program.record.trace import Trace, no_garbage

__all__ = ["roll"]

ATTEMPTS = 24  # times to roll up, with what did not repeat left out, before straight-line code
PEELED = 5  # steps at each end that may be computed outside of a loop
Peeled = dict[Any, tuple[int, int]]  # the first and last step in a loop, by scope


def roll(trace: Trace, loops: bool = True) -> tuple[list[Value], list[Value], list[str]]:
    """The values of a program, its outputs among them, and what kept parts of it from repeating."""
    with no_garbage():
        found = _rolled(trace, loops)
        for other in ({"fine": True}, {"beside": False}) if loops else ():
            if found[-1]:
                with suppress(NoSequence):
                    again = _rolled(trace, loops, **other)
                    found = min(found, again, key=lambda found: len(found[0]))  # the shorter
        return found


def _rolled(
    trace: Trace, loops: bool, *, fine: bool = False, beside: bool = True
) -> tuple[list[Value], list[Value], list[str]]:
    """The values, with `loops` or without; `fine` keys tell more nodes apart, see `node_keys`.

    If not `beside`, steps at the ends are peeled that have terms of their own, see `place_extra`.
    Nodes that break a sequence are left out of it, and all is tried again.

    >>> import numpy as np
    >>> from tinygrad_rnn import Tensor, tanh
    >>> from tinygrad_rnn.program.ir.text import text_of
    >>> from tinygrad_rnn.program.record.surroundings import Surroundings
    >>> from tinygrad_rnn.program.record.trace import Call, forward, trace
    >>> def loss(w, x):
    ...     h = x[0]
    ...     for t in range(1, 6):
    ...         h = tanh(h * w + x[t])
    ...     return h.sum()
    >>> call = Call(loss, Tensor([0.5, 0.6]), (np.ones((6, 2)),), ["x"], Surroundings())
    >>> record = trace(forward(call))
    >>> values, outputs, _ = _rolled(record, loops=False)
    >>> print(text_of(values, outputs[:1]))
    a = getitem(x, index=(0,))
    p = multiply(a, params)
    a2 = getitem(x, index=(1,))
    a3 = add(p, a2)
    tanh_a = tanh(a3)
    p2 = multiply(tanh_a, params)
    ...
    >>> values, outputs, _ = _rolled(record, loops=True)
    >>> print(text_of(values, outputs[:1]))
    a = getitem(x, index=(0,))
    a2[t] = getitem(x, index=(t,))
    p[t] = multiply(tanh_a[t - 1], params)
    a3[t] = add(p[t], a2[t])
    tanh_a[t] = tanh(a3[t]); tanh_a[0] = a
    sum = sum(tanh_a[5], axis=None, keepdims=False)
    """
    excluded: set[Any] = set()
    peeled: Peeled = {}
    said: list[str] = []
    outside: list[str] = []  # of loops: steps at their ends, and why
    facts = facts_of(trace, fine)
    for attempt in range(ATTEMPTS):
        nodes, outputs = nodes_of(trace, facts)
        sequences = (
            _sequences(nodes, excluded, peeled)
            if loops and attempt < ATTEMPTS - 1
            else list[Sequence]()
        )
        try:
            nodes += _all_operands(sequences, beside=beside)
            values = values_of(nodes, outputs)
            copies(*values, known=False)
            _check_loops(values[0])
        except NoSequence as error:
            broken = error.sequence
            if broken is None:
                raise
            node = next(iter(broken.members.values()))
            if side := _peel(nodes, broken, error.t, peeled):
                outside.append(f"{node.name} {side} step {error.t}, outside of the loop: {error}")
                continue
            peeled.clear()  # the others differ from step to step as well
            outside.clear()
            said.append(f"{node.name} = {node.op}: {error}")
            around = node.key.origin.around or node.key.origin
            excluded.add(around if around.inferred else node.key)
            continue
        return *values, said + outside
    raise AssertionError("straight-line code has no sequences")


def _scope(x: Node) -> tuple[Origin, bool]:
    """The scope of a node, and whether it is backward: nodes of one scope are of one loop."""
    origin = x.key.origin
    return origin.around or origin, origin.gradient


def _peel(nodes: list[Node], sequence: Sequence, t: int | None, peeled: Peeled) -> str:
    """Leave a step near an end, at which a sequence breaks, and all beyond it out of the loop.

    All scopes that begin, or end, at the same step are peeled together. Returns which steps are
    left out, "up to" or "from" that one; nothing if it is not near an end.
    """
    if t is None:
        return ""
    spans: dict[Any, tuple[int, int]] = {}
    for x in nodes:
        if x.t is not None:
            lo, hi = spans.get(_scope(x), (x.t, x.t))
            spans[_scope(x)] = min(lo, x.t), max(hi, x.t)
    scope = _scope(next(iter(sequence.members.values())))
    (lo, hi), (first, last) = spans[scope], peeled.get(scope, spans[scope])
    late = hi - t < t - lo
    if (hi - t if late else t - lo) >= min(PEELED, (hi - lo) // 3) or not first <= t <= last:
        return ""
    for other, span in spans.items():
        if other[1] is scope[1] and span[late] == spans[scope][late]:
            first, last = peeled.get(other, span)
            peeled[other] = (first, min(last, t - 1)) if late else (max(first, t + 1), last)
    return "from" if late else "up to"


def _sequences(nodes: list[Node], excluded: set[Any], peeled: Peeled) -> list[Sequence]:
    groups: dict[Any, dict[int, Node]] = defaultdict(dict)
    for x in nodes:
        if x.t is not None:
            first, last = peeled.get(_scope(x), (x.t, x.t)) if peeled else (x.t, x.t)
            if first <= x.t <= last:
                groups[x.key][x.t] = x
    found = []
    for key, members in groups.items():
        around = key.origin.around or key.origin
        if key in excluded or around in excluded:
            continue
        ts = _longest(_alike(members))
        members = {t: members[t] for t in ts}
        if len(ts) < 2:
            continue
        options = linear_options(members)
        if options is None:
            continue
        sequence = Sequence(members, ts[0], ts[-1], options=options)
        for m in members.values():
            m.sequence = sequence
        found.append(sequence)
    return found


def _longest(ts: list[int]) -> list[int]:
    """The longest part without a gap."""
    ends = [k for k in range(1, len(ts)) if ts[k] - ts[k - 1] > 1]
    return max((ts[a:b] for a, b in itertools.pairwise([0, *ends, len(ts)])), key=len)


def _alike(members: dict[int, Node]) -> list[int]:
    """The steps at which results are of the kind that most are of, with as many operands."""
    kinds = {
        t: (x.op, x.shape, x.dtype, len(x.ins) if x.op != "addn" else 0) for t, x in members.items()
    }
    ((most, _),) = Counter(kinds.values()).most_common(1)
    return sorted(t for t, kind in kinds.items() if kind == most)


def _all_operands(sequences: list[Sequence], *, beside: bool) -> list[Node]:
    """Find the operands of all sequences; those equal at every step become one node. New nodes.

    In two rounds, as gradients may read sequences whose own operands are found later.
    """
    rest, aliases = list[Sequence](), False
    for sequence in sequences:
        if sequence.op == "addn" or not _constant(sequence):
            rest.append(sequence)
            continue
        first, *others = sequence.members.values()
        first.sequence = None
        for node in others:
            node.sequence, node.op, node.ins = None, "alias", [first]
        aliases = True
    for sequence in rest if aliases else []:
        for node in sequence.members.values():
            node.ins = [original(x) for x in node.ins]
    later = list[Extra]()
    for sequence in rest:
        if sequence.op == "addn":
            later += find_terms(sequence)
        else:
            find_operands(sequence)
    return place_extra(later, beside=beside)


def _constant(sequence: Sequence) -> bool:
    """True if it is the same at every step."""
    first, *others = sequence.members.values()
    heads = [original(x) for x in first.ins]
    if any(type(x) is Node and x.sequence is not None for x in heads):
        return False
    if any(type(p) is Step for p in sequence.options.get("index", ())):
        return False
    return all(
        all(original(m.ins[j]) is x for m in others)
        if type(x) is Node
        else all(type(m.ins[j]) is not Node and same_constant(m.ins[j], x) for m in others)
        for j, x in enumerate(heads)
    )


def _check_loops(values: list[Value]) -> None:
    """Complete loops at their boundaries, and what they read; NoSequence if one is no loop."""
    found = components(values)
    boundaries = Boundaries(c.values for c in found if c.loop)
    for component in reversed(found):  # users first: they say what they need
        if component.loop:
            complete_loop(component, boundaries)
        else:
            boundaries.single(component.values[0])
    for component in components(values):  # others, where initial values are computed now
        if component.loop:
            complete_loop(component)
