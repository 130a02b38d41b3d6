"""Is a record the one that a rolled-up graph stands for?

Node by node, in the order of birth: a node is one step of a value of the graph if that value does
the same to what its inputs are known to be. The constants that the graph leaves open are read from
the record.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.program.constants import same_constant
from tinygrad_rnn.program.ir.graph import Arg, Value
from tinygrad_rnn.program.ir.lengths import Another, Open, Sample
from tinygrad_rnn.program.ir.reroll import SAME, is_itself
from tinygrad_rnn.program.ir.sequences import Step

__all__ = ["cuts", "recognise"]


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
    Another
        The graph is of another record.
    """
    found = _Record(graph, leaves)
    known, of = found.known, found.of
    for x in nodes:
        if x.op is not None:
            known[x] = of(x, x.op.name)
        elif x not in known:
            known[x] = x.data
    for k, x in outputs.items():
        v = graph.outputs[k]
        copied = v.op == "copy" and v.args[0].kind in ("at", "const")
        plan = [(0, v.args[0])] if copied else []
        if not (
            found.step(v, None, plan, x, [known[x]])
            if copied
            else known[x] == (found.alike[v], None)
        ):
            raise Another(f"{x.name or 'a result'} is computed in another way")
    found.fill(cuts(nodes))


def cuts(nodes: Iterable[Tensor]) -> dict[Any, Arg]:
    """Where gradients are cut: conditions, for each step, that choose between a node and itself.

    Going forward they choose nothing, and are no part of a graph; in its gradients they are.
    """
    passed: dict[Tensor, Any] = {}
    rows: dict[Any, dict[int, Any]] = defaultdict(dict)
    for x in nodes:
        op = x.op.name if x.op else ""
        if op in SAME:
            passed[x] = passed.get(x.inputs[0], x.inputs[0])
        elif op == "where" and type(x.inputs[0]) is not Tensor:
            a, b = (passed.get(y, y) if type(y) is Tensor else y for y in x.inputs[1:])
            times = [frame.t for frame in x.scope if frame.t is not None]
            if a is not b or not times:
                continue
            passed[x] = a
            path = tuple([frame.name for frame in x.scope])
            ordinals = (k for k in itertools.count() if times[-1] not in rows[path, k])
            rows[path, next(ordinals)][times[-1]] = x.inputs[0]
    found = {key: _read(Arg("consts", None), read) for key, read in rows.items()}
    return {key: a for key, a in found.items() if a is not None}


class _Candidate(NamedTuple):
    """A value at a step, or at any; what it reads beside what its kind says."""

    value: Value
    t: int | None
    plan: list[tuple[int, Arg]]


class _Record:
    """What the nodes of a record are known to be: steps of values, or constants."""

    def __init__(self, graph: Sample, leaves: list[Tensor]) -> None:
        self.graph = graph
        pairs = zip(leaves, graph.leaves, strict=True)
        self.known: dict[Tensor, Any] = {x: (v, None) for x, v in pairs}
        self.read: dict[tuple[Value, int], dict[int | None, Any]] = defaultdict(dict)
        self.counts: dict[Value, itertools.count[int]] = {}
        self.candidates: dict[Any, list[_Candidate]] = defaultdict(list)
        self.alike = _alike(graph.values)
        for v in graph.values:
            self.add(v, None, v.args)
            # at some steps, what it reads are initial values
            for t in {s - a.k for a in v.args if a.kind == "step" for s in a.value.init}:
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
        self.candidates[kind].append(_Candidate(v, t, plan))

    def of(self, x: Tensor, op: str) -> Any:
        """What a node is."""
        known = self.known
        ins = [known[y] if type(y) is Tensor else y for y in x.inputs]
        kind = op, *[y[0] if type(y) is tuple else None for y in ins]
        for v, t, plan in self.candidates.get(kind, ()):
            if (now := self.step(v, t, plan, x, ins)) is not None:
                return now
        if op in SAME or is_itself(x):
            return ins[0]
        if op == "where" and x.inputs[1].shape == x.shape and _same(ins[1], ins[2]):
            return ins[1]  # see `roll`: forward nothing is chosen
        if op == "stack" and (now := self.stacked(x, ins)) is not None:
            return now
        raise Another(f"there is no such {op}")

    def stacked(self, x: Tensor, ins: list[Any]) -> At | None:
        """The value that is all steps of a sequence."""
        if any(type(y) is not tuple or y[1] is None for y in ins):
            return None
        (v, first), (_, last) = ins[0], ins[-1]
        sign = 1 if last > first else -1
        if ins != [(v, first + sign * k) for k in range(len(ins))]:
            return None
        span = min(first, last), max(first, last)
        options = {"axis": x.options["axis"], "sign": sign}
        alike = (y.value for y in self.candidates.get(("stack_t", v), ()))
        found = (y for y in alike if (y.args[0].k, y.options) == (span, options))
        return next(((self.alike[y], None) for y in found), None)

    def step(
        self, v: Value, t: int | None, plan: list[tuple[int, Arg]], x: Tensor, ins: list[Any]
    ) -> At | None:
        """Which step of a value a node is, if it is one; it reads the values that it should."""
        if t is None and v.lo is not None:
            t = self.time(v, plan, x, ins)
            if not _there(v, t):
                return None
        if (v.options or x.options) and not _options_at(v, t, x):
            return None
        for k, (kind, value, when) in plan:
            y = ins[k]
            if kind in ("step", "at"):
                at = when if kind == "at" else t + when
                if y[1] != at or not _there(value, at):
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

    def time(self, v: Value, plan: list[tuple[int, Arg]], x: Tensor, ins: list[Any]) -> int | None:
        """The step of a node: by what it reads, or else by its index, its scope, or its number."""
        for k, a in plan:
            if a.kind == "step":
                return ins[k][1] - a.k
        index = v.options.get("index", ())
        for p, k in zip(index, _index_of(x, index), strict=False):
            if type(p) is Step:
                return (k - p.shift) // p.sign if type(k) is int else None
        timed = [frame.t for frame in x.scope if frame.t is not None]
        if timed:
            return timed[-1]
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
                raise Another(f"a constant of {v.name or v.op} changes with the length")
            v.args[k] = a._replace(value=found[0])


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
    initial = a.value.init.get(when)
    return Arg("at", a.value, when) if _there(a.value, when) or initial is None else initial


def _alike(values: list[Value]) -> dict[Value, Value]:
    """The first of those values that do the same, at whatever steps."""
    found = {v: v for v in values}
    groups: dict[Any, list[Value]] = defaultdict(list)
    for v in sorted(values, key=lambda v: v.serial):
        if v.init or v.op == "leaf":
            continue
        group = groups[v.op, v.lo is None, v.shape, *[_head(found, a) for a in v.args]]
        found[v] = next((w for w in group if _do_the_same(v, w)), v)
        if found[v] is v:
            group.append(v)
    return found


def _head(alike: dict[Value, Value], a: Arg) -> Value | None:
    """Of the values that are like an operand the first; None for a constant."""
    return alike[a.value] if isinstance(a.value, Value) else None


def _do_the_same(v: Value, w: Value) -> bool:
    """Whether two values do the same to operands that are alike."""
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
    """Whether two nodes are known to be the same."""
    return x is y or (type(x) is type(y) is tuple and x == y)


def _options_at(v: Value, t: int | None, x: Tensor) -> bool:
    """Whether the options of a value at a step are those of a node."""
    if "index" not in v.options or t is None:
        try:
            return v.options == x.options
        except ValueError:  # arrays
            return False
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
