"""How do nodes and sequences become the values of a program?

Each sequence is one value, and so is each node that is in none. Elements of one sequence in order,
in a stack, a scatter or a sum of single values, become one operand: the sequence at all steps.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import Any

from tinygrad_rnn.engine.primitives import Input
from tinygrad_rnn.program.ir.graph import Arg, Value
from tinygrad_rnn.program.ir.sequences import Node, Sequence, source

__all__ = ["original", "stretches", "values_of"]


def original(x: Any) -> Any:
    """The node that stands for those of all steps, if this one is the same at each."""
    return x.ins[0] if type(x) is Node and x.op == "alias" else x


def values_of(nodes: list[Node], outputs: list[Node]) -> tuple[list[Value], list[Value]]:
    """The values that nodes and their sequences make, and those of the outputs."""
    made: dict[Any, Value] = {}
    for x in nodes:
        sequence = x.sequence
        if sequence is None:
            x.ins = [original(y) for y in x.ins]
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
        x = original(x)
        if x.sequence is None:
            results.append(made[x])
        else:  # an output that is one element of a sequence
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
        return Arg("one", made[original(s[1])])
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
    """Begin and end of stretches: three operands or more that are elements of a sequence, in order.

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

    Operands before, between and after the elements of sequences stay as they are.
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
    """Make terms of one sequence over consecutive steps one sum over time."""
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
