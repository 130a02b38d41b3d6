"""How does a record become a program that is as short as the cell?

Nodes that repeat become families, families become sequences, what adds up over time becomes a sum.
Whatever does not repeat stays single: a record without repetition is straight-line code.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from contextlib import suppress
from operator import attrgetter
from typing import Any, NamedTuple

from tinygrad_rnn.engine.kinds import IDENTITY, VIEW
from tinygrad_rnn.engine.primitives import Input, getitem, transpose
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.program.constants import same_constant
from tinygrad_rnn.program.ir.boundaries import Boundaries
from tinygrad_rnn.program.ir.graph import Arg, Value
from tinygrad_rnn.program.ir.ops import those
from tinygrad_rnn.program.ir.recurrences import components, loop_range
from tinygrad_rnn.program.ir.sequences import (
    Extra,
    Node,
    NoSequence,
    Sequence,
    Step,
    find_operands,
    linear_options,
    place_extra,
    source,
)
from tinygrad_rnn.program.record.keys import (
    NodeKey,
    Origin,
    cotangents,
    flowing,
    letters,
    marks,
    node_keys,
)
from tinygrad_rnn.program.record.trace import Trace, no_garbage

__all__ = ["SAME", "is_itself", "roll", "stretches"]

SAME = those(IDENTITY)  # forward they change nothing

ATTEMPTS = 24  # times to roll up, with what did not repeat left out, before straight-line code
PEELED = 5  # steps at each end that may be computed outside of a loop
Peeled = dict[Any, tuple[int, int]]  # the first and last step in a loop, by scope


def is_itself(x: Tensor) -> bool:
    """Whether it is a view of all of its input as it is, such as ``mask[...]``."""
    if x.name or x.op is None or x.op.kind is not VIEW or x.shape != x.inputs[0].shape:
        return False
    if x.op is getitem:
        return all(p is Ellipsis or p == slice(None) for p in x.options["index"])
    return x.op is not transpose or x.options.get("axes") == tuple(range(x.ndim))


def roll(trace: Trace, loops: bool = True) -> tuple[list[Value], list[Value], list[str]]:
    """The values of a program, its outputs among them, and what kept parts of it from repeating."""
    with no_garbage():
        found = _rolled(trace, loops)
        if found[-1]:
            with suppress(NoSequence):
                fine = _rolled(trace, loops, fine=True)
                found = min(found, fine, key=lambda found: len(found[0]))  # the shorter program
        return found


def _rolled(
    trace: Trace, loops: bool, fine: bool = False
) -> tuple[list[Value], list[Value], list[str]]:
    apart: set[Any] = set()
    peeled: Peeled = {}
    said: list[str] = []
    outside: list[str] = []  # of loops: steps at their ends, and why
    births = _births(trace, fine)
    for attempt in range(ATTEMPTS):
        nodes, outputs = _nodes(trace, births)
        sequences = (
            _sequences(nodes, apart, peeled)
            if loops and attempt < ATTEMPTS - 1
            else list[Sequence]()
        )
        try:
            nodes += _all_operands(sequences)
            values = _values(nodes, outputs)
            _check_loops(values[0])
        except NoSequence as error:
            broken = error.sequence
            if broken is None:
                raise
            node = next(iter(broken.members.values()))
            if side := _peel(nodes, broken, error.t, peeled):
                outside.append(f"{node.name} {side} step {error.t}, computed apart: {error}")
                continue
            peeled.clear()  # the others differ from step to step as well
            outside.clear()
            said.append(f"{node.name} = {node.op}: {error}")
            around = node.key.origin.around or node.key.origin
            apart.add(around if around.inferred else node.key)
            continue
        return *values, said + outside
    raise AssertionError("straight-line code has no families")


def _scope(x: Node) -> tuple[Origin, bool]:
    """Where a node belongs to: nodes of one scope, forward or backward, are of one loop."""
    origin = x.key.origin
    return origin.around or origin, origin.gradient


def _peel(nodes: list[Node], sequence: Sequence, t: int | None, peeled: Peeled) -> str:
    """Leave a step at the border, where a family is another, and all beyond it out of the loop.

    So it is for all scopes that begin, or end, at the same step. What is left out, "up to" or
    "from" that step; nothing if it is no border.
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
    if (hi - t if late else t - lo) >= min(PEELED, (hi - lo) // 4) or not first <= t <= last:
        return ""
    for other, span in spans.items():
        if other[1] is scope[1] and span[late] == spans[scope][late]:
            first, last = peeled.get(other, span)
            peeled[other] = (first, min(last, t - 1)) if late else (max(first, t + 1), last)
    return "from" if late else "up to"


class Births(NamedTuple):
    """What is known of each node: certificate, letter, how many readers, whose gradient it is."""

    places: dict[Tensor, Any]
    names: dict[Tensor, str]
    uses: Counter[Tensor]
    gradients: dict[Tensor, Tensor]
    flows: set[Tensor]  # what flows back from the loss
    sums: dict[Origin, NodeKey]  # of all terms of a gradient together


def _births(trace: Trace, fine: bool) -> Births:
    nodes = sorted((*trace.nodes, *trace.unread), key=attrgetter("serial"))
    given = dict(zip(trace.leaves, trace.names, strict=True))
    uses = Counter([y for x in nodes for y in x.inputs if type(y) is Tensor])
    uses.update(trace.outputs)
    of = marks(nodes)
    found = node_keys(nodes, of, fine), letters(nodes, given, of), uses, cotangents(nodes, of)
    return Births(*found, flowing(nodes, of), {})


def _nodes(trace: Trace, births: Births) -> tuple[list[Node], list[Node]]:
    """The record, light, with sums of gradients flattened and identities passed over."""
    places, names, uses, gradients, flows, sums = births
    arguments = set(trace.leaves)
    found: dict[Tensor, Any] = {}
    nodes: list[Node] = []
    for x in trace.nodes:
        key, t = places[x]
        if x.op is None:
            if x not in arguments:
                found[x] = x.data
                continue
            op, ins, options = "leaf", list[Any](), {"leaf": x}
        else:
            op, options = x.op.name, x.options
            ins = [found[y] if type(y) is Tensor else y for y in x.inputs]
        if op in SAME or is_itself(x):
            found[x] = ins[0]
            continue
        if op == "where" and ins[1] is ins[2] and getattr(ins[1], "shape", None) == x.shape:
            found[x] = ins[1]  # a cut at some steps: forward nothing is chosen
            continue
        if op == "add" and key.origin.adds:
            op = "addn"
            key = sums.setdefault(key.origin, NodeKey(key.origin, op, 0))
            first = x.inputs[0]
            if type(first) is Tensor and uses[first] == 1 and getattr(ins[0], "key", None) is key:
                ins[0].ins.append(ins[1])
                ins = ins[0].ins
        of = found.get(gradients[x]) if x in gradients else None
        node = Node(op, ins, options, x.shape, x.dtype, names[x], x.serial, key, t)
        node.named = bool(x.name)
        node.flows = x in flows
        node.of = of if type(of) is Node else None
        found[x] = node
        nodes.append(node)
    outputs: list[Node] = []
    for x in trace.outputs:
        node = found[x]
        if type(node) is not Node:
            node = Node("copy", [node], {}, x.shape, x.dtype, x.name or "g", x.serial)
            nodes.append(node)
        outputs.append(node)
    return _alive(nodes, {*outputs, *(found[x] for x in trace.leaves if x in found)}), outputs


def _alive(nodes: list[Node], ends: set[Node]) -> list[Node]:
    """Those that the ends are made from, and they themselves."""
    nodes.sort(key=attrgetter("serial"))
    seen = ends
    for x in reversed(nodes):
        if x in seen:
            seen.update([y for y in x.ins if type(y) is Node])
    return [x for x in nodes if x in seen]


def _sequences(nodes: list[Node], apart: set[Any], peeled: Peeled) -> list[Sequence]:
    groups: dict[Any, dict[int, Node]] = defaultdict(dict)
    for x in nodes:
        if x.t is not None:
            first, last = peeled.get(_scope(x), (x.t, x.t)) if peeled else (x.t, x.t)
            if first <= x.t <= last:
                groups[x.key][x.t] = x
    found = []
    for key, members in groups.items():
        around = key.origin.around or key.origin
        if key in apart or around in apart:
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


def _all_operands(sequences: list[Sequence]) -> list[Node]:
    """Slots of all families; what is the same at every step becomes one node. New nodes.

    In two rounds, as slots of gradients may point to families whose own slots come later.
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
            node.ins = [_real(x) for x in node.ins]
    later = list[Extra]()
    for sequence in rest:
        find_operands(sequence, later)
    return [node for extra in later for node in place_extra(extra)]


def _real(x: Any) -> Any:
    return x.ins[0] if type(x) is Node and x.op == "alias" else x


def _constant(sequence: Sequence) -> bool:
    """Whether it is the same at every step."""
    first, *others = sequence.members.values()
    heads = [_real(x) for x in first.ins]
    if any(type(x) is Node and x.sequence is not None for x in heads):
        return False
    if any(type(p) is Step for p in sequence.options.get("index", ())):
        return False
    return all(
        all(_real(m.ins[j]) is x for m in others)
        if type(x) is Node
        else all(type(m.ins[j]) is not Node and same_constant(m.ins[j], x) for m in others)
        for j, x in enumerate(heads)
    )


def _values(nodes: list[Node], outputs: list[Node]) -> tuple[list[Value], list[Value]]:
    made: dict[Any, Value] = {}
    for x in nodes:
        sequence = x.sequence
        if sequence is None:
            x.ins = [_real(y) for y in x.ins]
        owner: Any = x if sequence is None else sequence
        if owner not in made and x.op != "alias":
            options = x.options if sequence is None else sequence.options
            value = Value(x.op, [], options, x.shape, x.dtype, x.name, serial=x.serial)
            value.named = x.named
            if sequence is not None:
                value.lo, value.hi = sequence.lo, sequence.hi
                value.options = {**options, "sequence": sequence}
            elif x.t is not None:
                value.options = {**options, "sequence": Sequence({x.t: x}, x.t, x.t)}
            made[owner] = value
    joined = list[Value]()
    for owner, value in made.items():
        if type(owner) is Sequence:
            value.args = [_arg(s, made) for s in owner.operands]
            value.initial = {t: _arg(s, made) for t, s in owner.initial.items()}
        else:
            value.args = [_arg(source(x), made) for x in owner.ins]
            joined += _join(value)
    for x in nodes:
        of = x.of
        if of is not None and (of.sequence or of) in made and (x.sequence or x) in made:
            away = 0 if of.sequence is None else (of.t or 0) - (x.t or 0)
            made[x.sequence or x].of = made[of.sequence or of].serial, away
    found = [*made.values(), *joined]
    sums = [v for v in found if v.op == "addn" and v.lo is None]
    for value in sums:
        found += _summed(value)
    results = []
    for x in outputs:
        x = _real(x)
        if x.sequence is None:
            results.append(made[x])
        else:  # an output that is one member of a family
            taken = Value("copy", [Arg("at", made[x.sequence], x.t)], {}, x.shape, x.dtype, x.name)
            found.append(taken)
            results.append(taken)
    return found, results


def _arg(s: Any, made: dict[Any, Value]) -> Arg:
    kind = s[0]
    if kind == "step":
        return Arg("step", made[s[1]], s[2])
    if kind == "at":
        return Arg("at", made[s[1]], s[2])
    if kind == "one":
        return Arg("one", made[_real(s[1])])
    return Arg("consts", s[1], s[2]) if kind == "consts" else Arg("const", s[1])


def run_of(args: list[Arg]) -> tuple[Value, int, int, int] | None:
    """The sequence whose elements these are, in order: value, first, last, direction."""
    if len(args) < 2 or any(a.kind != "at" or a.value is not args[0].value for a in args):
        return None
    ts = [a.k for a in args]
    sign = ts[1] - ts[0]
    if sign not in (1, -1) or any(b - a != sign for a, b in itertools.pairwise(ts)):
        return None
    return args[0].value, min(ts), max(ts), sign


def stretches(args: list[Any]) -> list[tuple[int, int]]:
    """Where operands are elements of a sequence in order, three or more: first, and beyond last.

    An operand is a sequence and a step; of others the step is None.
    """
    found, k = list[tuple[int, int]](), 0
    while k < len(args):
        (v, t), end = args[k], k + 1
        near = end < len(args) and t is not None and args[end][1] is not None
        sign = args[end][1] - t if near else 0
        while sign in (1, -1) and end < len(args):
            w, at = args[end]
            if at != t + sign * (end - k) or w != v:
                break
            end += 1
        if end - k > 2:
            found.append((k, end))
        k = end if end - k > 2 else k + 1
    return found


def _elements(args: list[Arg]) -> list[tuple[Any, int | None]]:
    return [(a.value, a.k if a.kind == "at" else None) for a in args]


def _join(value: Value) -> list[Value]:
    """One operand for all steps, in a stack or in a scatter over time; new values.

    What stands before, between and after the elements of sequences stays as it is.
    """
    if value.op == "stack":
        return _stacked(value)
    if value.op != "scatter":
        return []
    indices = value.options["indices"]
    n = len(indices)
    run = run_of(value.args[:n])
    if run is not None and n > 2 and all(len(i) == 1 and type(i[0]) is int for i in indices):
        places = [i[0] for i in indices]
        first = places if run[3] == 1 else places[::-1]
        if first == list(range(n)) and value.shape[0] == n:
            value.op, value.args = "stack_t", [Arg("all", run[0], run[1:3])]
            value.options = {"axis": 0, "sign": 1}
    elif all(len(i) == 1 and type(i[0]) is Input for i in indices):
        return _scattered(value)
    return []


def _stacked(value: Value) -> list[Value]:
    """A stack of elements of sequences; if of more than one, or of others as well, of stacks."""
    axis, parts, done = value.options["axis"], list[Value](), 0
    runs = stretches(_elements(value.args))

    def part(op: str, args: list[Arg], n: int, **options: Any) -> None:
        shape = (*value.shape[:axis], n, *value.shape[axis + 1 :])
        parts.append(
            Value(op, args, {"axis": axis, **options}, shape, value.dtype, value.name,
                  serial=value.serial)
        )  # fmt: skip

    for a, b in [*runs, (len(value.args), len(value.args))] if runs and axis >= 0 else []:
        if done < a:
            part("stack", value.args[done:a], a - done)
        if run := run_of(value.args[a:b]):
            part("stack_t", [Arg("all", run[0], run[1:3])], b - a, sign=run[3])
        done = b
    if len(parts) == 1:
        value.op, value.args, value.options = parts[0].op, parts[0].args, parts[0].options
        return []
    if parts:
        value.op, value.args = "concatenate", [Arg("one", x) for x in parts]
        value.options = {"axis": axis}
    return parts


def _scattered(value: Value) -> list[Value]:
    """Terms that arrays place, of which the elements of a sequence are one term over time."""
    indices, n = value.options["indices"], len(value.options["indices"])
    arrays = [value.args[i[0]] for i in indices]
    parts, rest, done = list[Value](), list[int](), 0
    pairs = [
        ((v, w, s - t), s) if s is not None and t is not None else (v, None)
        for (v, s), (w, t) in zip(_elements(value.args[:n]), _elements(arrays), strict=True)
    ]
    for a, b in [*stretches(pairs), (n, n)]:
        rest += range(done, a)
        of, places = run_of(value.args[a:b]), run_of(arrays[a:b])
        if of and places:
            args = [Arg("all", of[0], of[1:3]), Arg("all", places[0], places[1:3])]
            options = {"shape": value.options["shape"]}
            parts.append(
                Value("scatter_t", args, options, value.shape, value.dtype, value.name,
                      serial=value.serial)
            )  # fmt: skip
        done = b
    if parts and rest:
        args = [value.args[k] for k in rest] + [arrays[k] for k in rest]
        options = {**value.options, "indices": [(Input(len(rest) + k),) for k in range(len(rest))]}
        parts.append(
            Value("scatter", args, options, value.shape, value.dtype, value.name,
                  serial=value.serial)
        )  # fmt: skip
    if len(parts) == 1:
        value.op, value.args, value.options = parts[0].op, parts[0].args, parts[0].options
        return []
    if parts:
        value.op, value.args = "addn", [Arg("one", x) for x in parts]
        value.options = dict[str, Any]()
    return parts


def _summed(value: Value) -> list[Value]:
    """Terms of one family over consecutive steps become one sum over time."""
    groups: dict[Value, list[int]] = defaultdict(list)
    rest = []
    for a in value.args:
        if a.kind == "at":
            groups[a.value].append(a.k)
        else:
            rest.append(a)
    made = []
    for seq, ts in groups.items():
        lo, hi = min(ts), max(ts)
        if len(ts) < 3 or sorted(ts) != list(range(lo, hi + 1)):
            rest += [Arg("at", seq, t) for t in ts]
            continue
        total = Value(
            "sum_t", [Arg("all", seq, (lo, hi))], {}, value.shape, seq.dtype, value.name,
            serial=value.serial,
        )  # fmt: skip
        made.append(total)
        rest.append(Arg("one", total))
    value.args = rest
    if len(rest) == 1 and made:
        value.op, value.args, value.options = "sum_t", made[0].args, made[0].options
        return []
    return made


def _check_loops(values: list[Value]) -> None:
    """Complete loops at their borders, and what they read; NoSequence if one is no loop."""
    found = components(values)
    boundaries = Boundaries(c.values for c in found if c.loop)
    for component in reversed(found):  # users first: they say what they need
        if component.loop:
            loop_range(component, boundaries)
        else:
            boundaries.single(component.values[0])
    for component in components(values):  # others, where initial values are computed now
        if component.loop:
            loop_range(component)
