"""Is a record the one that a rolled-up graph stands for?

Node by node, in the order of birth: a node is one step of a value of the graph if that value does
the same to what its inputs are known to be. The constants that the graph leaves open are read from
the record.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.engine.steps import step_frame
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.program.constants import same_constant
from tinygrad_rnn.program.ir.graph import Arg, Value
from tinygrad_rnn.program.ir.lengths import Mismatch, Open, Sample
from tinygrad_rnn.program.ir.nodes import SAME, is_itself
from tinygrad_rnn.program.ir.sequences import Step
from tinygrad_rnn.program.ir.values import stretches
from tinygrad_rnn.program.record.abstract import Unfrozen, frozen

__all__ = ["cuts", "recognise", "through"]


At = tuple[Value, int | None]  # a value, and its step if it is a sequence


def recognise(
    graph: Sample, leaves: list[Tensor], nodes: list[Tensor], outputs: dict[int, Tensor]
) -> None:
    """Fill in what a graph leaves open from the record that it is a graph of.

    Parameters
    ----------
    graph
        Of the record and its gradients.
    leaves
        The arguments of the record.
    nodes
        The record without gradients, in the order of birth.
    outputs
        Results of the record, by their places among those of the graph.

    Raises
    ------
    Mismatch
        The graph is of another record.
    """
    found = _Record(graph, leaves)
    found.read_all(nodes)
    known = found.known
    for k, x in outputs.items():
        v = graph.outputs[k]
        if v.op == "copy" and v.args[0].kind in ("at", "const"):
            copy = _Candidate(v, None, [(0, v.args[0])], _words(v.options))
            same = found.step(copy, x, [known[x]]) is not None
        else:
            same = known[x] == (found.alike[v], None)
        if not same:
            raise Mismatch(f"{x.name or 'a result'} is computed in another way")
    if found.passed(outputs.values()) != graph.through:
        raise Mismatch("gradients are scaled, clipped or stopped at other places")
    found.fill(cuts(nodes))


def through(
    graph: Sample, leaves: list[Tensor], nodes: list[Tensor], ends: Sequence[Tensor]
) -> Any:
    """The places where a record stops, scales or clips gradients; no graph going forward has them.

    For each value the result lists the operand, what it is read through, and the steps, by the
    record's own graph; it is None if the record is not found in that. `ends` are its results.
    """
    if not any(x.op is not None and x.op.name in SAME for x in nodes):
        return dict[Any, Any]()
    found = _Record(graph, leaves)
    try:
        found.read_all(nodes)
        return found.passed(ends)
    except Mismatch:
        return None


def cuts(nodes: Iterable[Tensor]) -> dict[Any, Arg]:
    """The conditions that cut gradients, for each step: they choose between a node and itself.

    They choose nothing going forward and are no part of that graph, but they are of its gradients.
    """
    passed: dict[Tensor, Any] = {}
    rows: dict[Any, dict[int, Any]] = defaultdict(dict)
    for x in nodes:
        op = x.op.name if x.op else ""
        if op in SAME:
            passed[x] = passed.get(x.inputs[0], x.inputs[0])
        elif op == "where" and type(x.inputs[0]) is not Tensor:
            a, b = (passed.get(y, y) if type(y) is Tensor else y for y in x.inputs[1:])
            step = step_frame(x)
            if a is not b or step is None or step.t is None:
                continue
            passed[x] = a
            path = tuple([frame.name for frame in x.scope])
            ordinals = (k for k in itertools.count() if step.t not in rows[path, k])
            rows[path, next(ordinals)][step.t] = x.inputs[0]
    found = {key: _read(Arg("consts", None), read) for key, read in rows.items()}
    return {key: a for key, a in found.items() if a is not None}


class _Candidate(NamedTuple):
    """A value at a step, or at any; what it reads besides what its kind says; its options.

    `options` are said in words and numbers; they are None where an index goes with time.
    """

    value: Value
    t: int | None
    plan: list[tuple[int, Arg]]
    options: Any


class _Record:
    """The nodes of a record, each known to be a step of a value or a constant."""

    def __init__(self, graph: Sample, leaves: list[Tensor]) -> None:
        self.graph = graph
        pairs = zip(leaves, graph.leaves, strict=True)
        self.known: dict[Tensor, Any] = {x: (v, None) for x, v in pairs}
        self.read: dict[tuple[Value, int], dict[int | None, Any]] = defaultdict(dict)
        self.counts: dict[Value, itertools.count[int]] = {}
        self.candidates: dict[Any, list[_Candidate]] = defaultdict(list)
        self.alike = _alike(graph.values)
        self.place = {v: k for k, v in enumerate(graph.values)}
        self.chain: dict[Tensor, Any] = {}  # what gradients of a node go through
        self.edges: dict[Any, list[int | None]] = defaultdict(list)
        self.words: dict[Any, Any] = {}  # what options say, by the objects that they are
        for v in graph.values:
            self.add(v, None, v.args)
            # at some steps, what it reads are initial values
            for t in {s - a.k for a in v.args if a.kind == "step" for s in a.value.initial}:
                if _there(v, t):
                    self.add(v, t, [_at(a, t) for a in v.args])

    def add(self, v: Value, t: int | None, args: list[Arg]) -> None:
        """Let a value be found by what it does, and to which values."""
        kind = v.op, *[_head(self.alike, a) for a in args]
        # what is left open last: it is read only if all else is as it should be
        plan = sorted(
            ((k, a) for k, a in enumerate(args) if a.kind not in ("one", "all")),
            key=lambda x: isinstance(x[1].value, Open),
        )
        timed = any(type(p) is Step for p in v.options.get("index", ()))
        words = None if timed else _words(v.options)
        self.candidates[kind].append(_Candidate(v, t, plan, words))

    def read_all(self, nodes: Iterable[Tensor]) -> None:
        """Classify all nodes, in the order of birth."""
        for x in nodes:
            if x.op is not None:
                self.known[x] = self.of(x, x.op.name)
                if self.chain and x not in self.chain:
                    self.edge(x)
            elif x not in self.known:
                self.known[x] = x.data

    def edge(self, x: Tensor) -> None:
        """Note which inputs of a node are read through what."""
        for j, y in enumerate(x.inputs):
            chain = self.chain.get(y) if type(y) is Tensor else None
            if chain and type(now := self.known[x]) is tuple:
                many = x.op is not None and x.op.arity is None
                at = self.known[y] if many and type(self.known[y]) is tuple else now
                which = None if many and at[1] is not None else j
                self.edges[self.place[now[0]], which, chain].append(at[1])

    def passed(self, ends: Iterable[Tensor]) -> dict[Any, Any]:
        """The nodes read through others, with the steps, in the form that `through` returns."""
        found = {key: _runs(times) for key, times in self.edges.items()}
        results = {k: self.chain[x] for k, x in enumerate(ends) if self.chain.get(x)}
        return found | results

    def by_itself(self, x: Tensor, op: str, ins: list[Any]) -> Any:
        """The input that a node passes on; what its gradients go through is noted."""
        before = [self.chain.get(y, ()) if type(y) is Tensor else () for y in x.inputs]
        if op == "where":
            self.chain[x] = (op, *before[1:]) if any(before) else ()
            return ins[1]
        try:
            said = op, frozen([*x.options.items()]), *(self.said(y, ins[0]) for y in ins[1:])
        except Unfrozen as error:
            raise Mismatch(f"an option of {op} is {error}") from None
        self.chain[x] = (said, *before[0]) if op in SAME else before[0]
        return ins[0]

    def said(self, y: Any, x: Any) -> Any:
        """An input by its place in the graph, so many steps away from `x`, or by its value."""
        if type(y) is not tuple:
            return frozen(np.asarray(y))
        timed = type(x) is tuple and x[1] is not None and y[1] is not None
        return self.place[y[0]], y[1] - x[1] if timed else y[1]

    def of(self, x: Tensor, op: str) -> Any:
        """The value and step that a node is, or its constant."""
        known = self.known
        ins = [known[y] if type(y) is Tensor else y for y in x.inputs]
        kind = op, *[y[0] if type(y) is tuple else None for y in ins]
        if (now := self.among(kind, x, ins)) is not None:
            return now
        if op in SAME or is_itself(x):
            return self.by_itself(x, op, ins)
        if op == "where" and x.inputs[1].shape == x.shape and _same(ins[1], ins[2]):
            return self.by_itself(x, op, ins)  # see `roll`: forward nothing is chosen
        if op == "stack" and (now := self.stacked(x, ins)) is not None:
            return now
        raise Mismatch(f"there is no such {op}")

    def stacked(self, x: Tensor, ins: list[Any]) -> At | None:
        """The value that is all steps of a sequence, with what stands before, between and after."""
        ins = [y if type(y) is tuple else (y, None) for y in ins]
        parts, done = list[At | None](), 0
        for a, b in [*stretches(ins), (len(ins), len(ins))]:
            if done < a:
                kind = "stack", *[v if isinstance(v, Value) else None for v, _ in ins[done:a]]
                parts.append(self.among(kind, x, ins[done:a]))
            if a < b:
                parts.append(self.over_time(ins[a], ins[b - 1], x.options["axis"]))
            done = b
        if len(parts) == 1 or None in parts:
            return parts[0] if None not in parts else None
        return self.among(("concatenate", *[y[0] for y in parts if y]), x, parts)

    def over_time(self, first: At, last: At, axis: int) -> At | None:
        """The stack of the elements of a sequence from one to another."""
        v, (s, t) = first[0], (first[1] or 0, last[1] or 0)
        options = {"axis": axis, "sign": 1 if t > s else -1}
        alike = (y.value for y in self.candidates.get(("stack_t", v), ()))
        found = (y for y in alike if (*y.args[0].k, y.options) == (min(s, t), max(s, t), options))
        return next(((self.alike[y], None) for y in found), None)

    def among(self, kind: Any, x: Tensor, ins: list[Any]) -> At | None:
        """The value of a kind that a node is a step of."""
        for candidate in self.candidates.get(kind, ()):
            now = self.step(candidate, x, ins)
            if now is not None:
                return now
        return None

    def step(self, candidate: _Candidate, x: Tensor, ins: list[Any]) -> At | None:
        """The step of a value that a node is, if it reads what that value reads; else None."""
        v, t, plan, words = candidate
        if t is None and v.lo is not None:
            t = self.time(v, plan, x, ins)
            if not _there(v, t):
                return None
        if v.options or x.options:
            if words is None:
                if t is None or not _index_at(v, t, x):
                    return None
            elif not self.same_options(v.options, words, x.options):
                return None
        for k, (kind, value, when) in plan:
            y = ins[k]
            if kind in ("step", "at"):
                at = when if kind == "at" else t + when
                if y[1] != at or not value.lo <= at <= value.hi:
                    return None
            elif type(value) is Open:
                read = self.read[v, k].setdefault(t if kind == "consts" else None, y)
                if read is not y and not same_constant(read, y):
                    return None
            else:
                value = value[t - when] if kind == "consts" else value
                if value is not y and not same_constant(value, y):
                    return None
        return self.alike[v], t

    def same_options(self, known: dict[str, Any], words: Any, options: dict[str, Any]) -> bool:
        """True if options equal those `known`, written as `words`: 1 is not True."""
        try:
            others = known != options  # as for most candidates, and sooner said
        except ValueError:  # of arrays
            others = False
        if others:
            return False
        # slices are often one object at all steps, and live as long as the record
        objects = *options, *map(id, options.values())
        if objects not in self.words:
            self.words[objects] = _words(options)
        return self.words[objects] == words

    def time(self, v: Value, plan: list[tuple[int, Arg]], x: Tensor, ins: list[Any]) -> int | None:
        """The step of a node: by what it reads, or else by its index, its scope, or its number."""
        for k, a in plan:
            if a.kind == "step":
                return ins[k][1] - a.k
        index = v.options.get("index", ())
        for p, k in zip(index, _index_of(x, index), strict=False):
            if type(p) is Step:
                return (k - p.shift) // p.sign if type(k) is int else None
        step = step_frame(x)
        if step is not None:
            return step.t
        assert v.lo is not None
        return next(self.counts.setdefault(v, itertools.count(v.lo)))

    def fill(self, cut: dict[Any, Arg]) -> None:
        """Put what was read where it is left open, and for gradients what is alike in both."""
        places = [(v, k, a) for v in self.graph.values for k, a in enumerate(v.args)]
        opened = [(v, k, a) for v, k, a in places if type(a.value) is Open]
        read = [(a.value, _read(a, self.read[v, k])) for v, k, a in opened if self.read.get((v, k))]
        read += [(x, cut.get(key)) for key, x in self.graph.cuts.items()]
        for v, k, a in opened:
            found = [value for x, y in read if y for value in a.value.value(a.k, x, y)]
            if not found or any(not same_constant(x, found[0]) for x in found):
                raise Mismatch(f"a constant of {v.name or v.op} changes with the length")
            v.args[k] = a._replace(value=found[0])


def _runs(times: list[int | None]) -> Any:
    """Steps as first and last ones of stretches, with how far apart they are; or how many."""
    if None in times:
        return len(times)
    found: list[tuple[int, int, int]] = []
    for t in sorted(t for t in times if t is not None):
        lo, hi, away = found[-1] if found else (t, t, 0)
        if found and (t - hi == away or lo == hi):
            found[-1] = lo, t, t - hi
        else:
            found.append((t, t, 0))
    return len(times), *found


def _there(v: Value, t: int | None) -> bool:
    return t is not None and v.lo is not None and v.hi is not None and v.lo <= t <= v.hi


def _read(a: Arg, read: Mapping[Any, Any]) -> Arg | None:
    """A constant that was read; of one for each step, all of them; None if some are missing."""
    if a.kind == "const":
        return Arg("const", read[None])
    times = sorted(read)
    if times[-1] - times[0] + 1 != len(times):
        return None
    return Arg("consts", np.stack([np.asarray(read[t]) for t in times]), times[0])


def _at(a: Arg, t: int) -> Arg:
    """An operand at a step: an element of a sequence, or its initial value there."""
    if a.kind != "step":
        return a
    when = t + a.k
    initial = a.value.initial.get(when)
    return Arg("at", a.value, when) if _there(a.value, when) or initial is None else initial


def _alike(values: list[Value]) -> dict[Value, Value]:
    """The first of those values that do the same, at whatever steps."""
    found = {v: v for v in values}
    groups: dict[Any, list[Value]] = defaultdict(list)
    for v in sorted(values, key=lambda v: v.serial):
        if v.initial or v.op == "leaf":
            continue
        group = groups[v.op, v.lo is None, v.shape, *[_head(found, a) for a in v.args]]
        found[v] = next((w for w in group if _do_the_same(v, w)), v)
        if found[v] is v:
            group.append(v)
    return found


def _head(alike: dict[Value, Value], a: Arg) -> Value | None:
    """The first of the values that are like an operand; None for a constant."""
    return alike[a.value] if isinstance(a.value, Value) else None


def _do_the_same(v: Value, w: Value) -> bool:
    """True if two values do the same to operands that are alike."""
    return v.options == w.options and all(
        (a.kind, a.k) == (b.kind, b.k) and (isinstance(a.value, Value) or _same_constants(a, b))
        for a, b in zip(v.args, w.args, strict=True)
    )


def _same_constants(a: Arg, b: Arg) -> bool:
    x, y = a.value, b.value
    if type(x) is type(y) is Open:
        return (x.a, x.b, x.rows) == (y.a, y.b, y.rows)
    return same_constant(x, y)


def _same(x: Any, y: Any) -> bool:
    """True if two nodes are known to be the same."""
    return x is y or (type(x) is type(y) is tuple and x == y)


def _words(options: dict[str, Any]) -> Any:
    """Options as words and numbers; if not all of an option is known, it equals no other."""
    try:
        return frozen([*options.items()])
    except Unfrozen:
        return object()


def _index_at(v: Value, t: int, x: Tensor) -> bool:
    """True if the index of a value at a step is that of a node."""
    expected = [p.sign * t + p.shift if type(p) is Step else p for p in v.options["index"]]
    got = _index_of(x, v.options["index"])
    return expected == got and list(map(type, expected)) == list(map(type, got))


def _index_of(x: Tensor, known: tuple[Any, ...]) -> list[Any]:
    """The index of a node; where that of a sequence goes with time, counted from the beginning."""
    got = list(x.options.get("index", ()))
    for axis, p in enumerate(known[: len(got)]):
        if type(p) is Step and type(got[axis]) is int and got[axis] < 0:
            got[axis] += x.inputs[0].shape[axis]
    return got
