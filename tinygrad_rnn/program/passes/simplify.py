"""Which values need not be computed?

Each pass here is one function on the list of values: it returns how often it applied. `alive`
sweeps up the values that nothing reads any more.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_rnn.program.ir.copies import Moves, moved, replaced
from tinygrad_rnn.program.ir.evaluate import FOLDED, computed
from tinygrad_rnn.program.ir.graph import Arg, Value, ancestors, shape_of
from tinygrad_rnn.program.ir.ops import ELEMENTWISE
from tinygrad_rnn.program.ir.sequences import Step
from tinygrad_rnn.program.record.abstract import frozen

__all__ = ["alive", "common", "folded", "running_sums", "unstacked"]


def alive(values: list[Value], outputs: list[Value], leaves: list[Value]) -> list[Value]:
    """The values that the outputs need, and the arguments."""
    needed = ancestors(*outputs, *leaves)
    return [v for v in values if v in needed]


def unstacked(values: list[Value], outputs: list[Value]) -> int:
    """Read an element of a stack over time where it came from: ``stack(h)[t]`` is h_t.

    >>> from tinygrad_rnn.program.ir.text import graph_from, text_of
    >>> values, outputs = graph_from('''
    ...     hs = stack_t(h[0:5], axis=0, sign=1)
    ...     k[t] = getitem(hs, index=(t,))
    ...     y[t] = matmul(k[t], W)
    ... ''', W=(3, 3), hs=(5, 2, 3))
    >>> unstacked(values, outputs)
    1
    >>> print(text_of(values, outputs))
    y[t] = matmul(h[t], W)
    """
    moves = Moves()
    for v in values:
        index = v.options.get("index", ())
        if v.op != "getitem" or len(index) != 1 or type(index[0]) is not Step or v.initial:
            continue
        source = v.args[0]
        stacked = source.value
        if source.kind != "one" or stacked.op != "stack_t" or index[0].sign != 1:
            continue
        if stacked.options["axis"] != 0 or stacked.options["sign"] != 1:
            continue
        a = moved(stacked.args[0], moves)
        moves[v] = a.value, a.k[0] + index[0].shift
    replaced(values, outputs, moves)
    return len(moves)


def folded(values: list[Value], outputs: list[Value]) -> int:
    """Compute operations on constants once; those that are the same at all steps are a constant.

    If all its elements are equal it is written as one number where the shape is known without it.

    >>> from tinygrad_rnn.program.ir.text import graph_from, text_of
    >>> values, outputs = graph_from('''
    ...     k = subtract(1.0, 0.25)
    ...     y[t] = multiply(x[t], k)
    ... ''', k=())
    >>> folded(values, outputs)
    1
    >>> print(text_of(values, outputs))
    y[t] = multiply(x[t], 0.75)
    """
    todo, done = deque(sorted(values, key=lambda v: v.serial)), set[Value]()
    readers: dict[Value, dict[Value, None]] = defaultdict(dict)
    for v in values:
        for a in v.operands:
            if isinstance(a.value, Value):
                readers[a.value][v] = None
    while todo:
        v = todo.popleft()
        constant = v.args and all(a.kind == "const" for a in v.args)
        if not constant or v.initial or v in outputs or v in done or v.op == "addn" or _moves(v):
            continue
        if v.op not in FOLDED:
            continue
        result = np.asarray(computed(v.op, [a.value for a in v.args], v.options), v.dtype)
        _read_constant(readers[v], v, result)
        todo += readers[v]
        done.add(v)
    values[:] = [v for v in values if v not in done]
    return len(done)


def _moves(v: Value) -> bool:
    return any(type(p) is Step for p in v.options.get("index", ()))


def _read_constant(readers: Iterable[Value], v: Value, x: np.ndarray) -> None:
    """Let all who read `v` read a constant."""
    number = np.asarray(x.flat[0]) if x.size and np.all(x == x.flat[0]) else x

    def read(a: Arg, x: np.ndarray) -> Arg:
        """A constant in place of an operand: of all steps as often as there are steps."""
        if a.value is not v:
            return a
        steps = (a.k[1] - a.k[0] + 1,) if a.kind == "all" else ()
        return Arg("const", np.broadcast_to(x, (*steps, *x.shape)) if steps else x)

    for user in readers:
        shapes = [shape_of(a) for a in user.args if a.value is not v]
        spread = user.op in ELEMENTWISE and np.broadcast_shapes((), *shapes) == user.shape
        put = user.op == "scatter" and len(user.options["indices"]) == 1  # not where to put it
        user.args = [
            read(a, number if spread or (put and not k) else x) for k, a in enumerate(user.args)
        ]
        user.initial = {t: read(a, x) for t, a in user.initial.items()}


def common(values: list[Value], outputs: list[Value]) -> int:
    """Make two values of the same operation on the same operands one.

    >>> from tinygrad_rnn.program.ir.text import graph_from, text_of
    >>> values, outputs = graph_from('''
    ...     k[t] = square(y[t])
    ...     l[t] = square(y[t])
    ...     d[t] = add(k[t], l[t])
    ... ''')
    >>> common(values, outputs)
    1
    >>> print(text_of(values, outputs))
    k[t] = square(y[t])
    d[t] = add(k[t], k[t])
    """
    count = 0
    while moves := _alike(values):
        replaced(values, outputs, moves)
        count += len(moves)
    return count


def _alike(values: list[Value]) -> Moves:
    """Values that are computed a second time, and those that were first."""
    moves, seen = Moves(), dict[Any, Value]()
    for v in sorted(values, key=lambda v: v.serial):
        if v.op == "leaf":
            continue
        args = tuple([_key(moved(a, moves)) for a in v.args])
        key = (v.op, args, str(v.options), v.lo, v.hi, v.shape, v.dtype)
        key = (*key, tuple([(t, _key(moved(a, moves))) for t, a in sorted(v.initial.items())]))
        first = seen.setdefault(key, v)
        if first is not v:
            moves[v] = first, 0
    return moves


def _key(a: Arg) -> Any:
    if isinstance(a.value, Value):
        return (a.kind, id(a.value), a.k)
    return (a.kind, frozen(a.value), a.k)


def running_sums(values: list[Value], outputs: list[Value]) -> int:
    """Make a recurrence that only adds, and of which only the end is read, a sum over time.

    >>> from tinygrad_rnn.program.ir.text import graph_from, text_of
    >>> values, outputs = graph_from('''
    ...     s[t] = add(s[t - 1], e[t]); s[-1] = 0.0
    ...     loss = copy(s[4])
    ... ''')
    >>> running_sums(values, outputs)
    1
    >>> print(text_of(values, outputs))
    s = sum_t(e[0:5])
    loss = copy(s)
    """
    readers: dict[Value, list[tuple[Value, Arg]]] = defaultdict(list)
    for v in values:
        for a in v.operands:
            if isinstance(a.value, Value):
                readers[a.value].append((v, a))
    count = 0
    for v in list(values):
        if v.op not in ("add", "addn") or v.lo is None or v.hi is None or len(v.args) != 2:
            continue
        own = [a for a in v.args if a.value is v]
        rest = [a for a in v.args if a.value is not v]
        if len(own) != 1 or own[0].kind != "step" or own[0].k not in (-1, 1):
            continue
        start, end = (v.lo - 1, v.hi) if own[0].k == -1 else (v.hi + 1, v.lo)
        outside = [a for user, a in readers[v] if user is not v]
        ends = all(a.kind == "at" and a.k == end for a in outside)
        if not ends or list(v.initial) != [start]:
            continue
        term, first = rest[0], v.initial[start]
        if term.kind != "step" or term.value.shape != v.shape or term.value.dtype != v.dtype:
            continue
        span = (v.lo + term.k, v.hi + term.k)
        total = Value(
            "sum_t", [Arg("all", term.value, span)], {}, v.shape, v.dtype, v.name, serial=v.serial
        )
        result = Value(
            "addn", [first, Arg("one", total)], {}, v.shape, v.dtype, v.name, serial=v.serial
        )
        values += [total, result]
        if first.kind == "const" and not np.any(first.value):
            values.remove(result)
            result = total
        for user in values:
            user.args = (
                [Arg("one", result) if a.value is v else a for a in user.args]
                if user is not v
                else user.args
            )
            if user is not v:
                user.initial = {
                    t: Arg("one", result) if a.value is v else a for t, a in user.initial.items()
                }
        values.remove(v)
        count += 1
    return count
