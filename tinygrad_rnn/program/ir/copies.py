"""Which values are only other names of what they are read from?"""

from __future__ import annotations

from tinygrad_rnn.program.ir.graph import Arg, Value, ancestors

__all__ = ["Moves", "copies", "moved", "replaced"]

Moves = dict[Value, tuple[Value, int]]  # what is read in place of a value, so many steps away


def replaced(values: list[Value], outputs: list[Value], moves: Moves) -> None:
    """Read another value, some steps away, wherever one of `moves` was read; these are gone."""
    if not moves:
        return
    values[:] = [v for v in values if v not in moves]
    for v in values:
        if any(isinstance(a.value, Value) and a.value in moves for a in v.operands):
            v.args = [moved(a, moves) for a in v.args]
            v.initial = {t: moved(a, moves) for t, a in v.initial.items()}
    outputs[:] = [moved(Arg("one", v), moves).value for v in outputs]


def moved(a: Arg, moves: Moves) -> Arg:
    """The operand that is read in place of another."""
    while isinstance(a.value, Value) and a.value in moves:
        new, shift = moves[a.value]
        k = a.k
        if a.kind in ("step", "at"):
            k = a.k + shift
        elif a.kind == "all":
            k = a.k[0] + shift, a.k[1] + shift
        a = Arg(a.kind, new, k)
    return a


def copies(values: list[Value], outputs: list[Value], *, known: bool = True) -> int:
    """Read a copy where it was copied from, which takes its name and starts from where it starts.

    Not `known` is what a copy starts from before loops are completed, unless it is said.

    >>> from tinygrad_rnn.program.ir.text import graph_from, text_of
    >>> values, outputs = graph_from('''
    ...     k[t] = multiply(x[t], w); t = 0 … 3
    ...     g[t] = copy(k[t + 1]); g[3] = s
    ...     y[t] = add(g[t], b)
    ... ''')
    >>> copies(values, outputs)
    1
    >>> print(text_of(values, outputs))
    g[t] = multiply(x[t], w); t = 0 … 3; g[4] = s
    y[t] = add(g[t + 1], b)

    What copies itself from step to step is what it starts from:

    >>> values, outputs = graph_from('''
    ...     g[t] = copy(g[t + 1]); g[4] = s
    ...     y[t] = add(g[t], b)
    ... ''')
    >>> copies(values, outputs)
    1
    >>> print(text_of(values, outputs))
    y[t] = add(s, b)
    """
    moves, results, still = Moves(), {*outputs}, list[Value]()
    for v in values:
        if v.op not in ("copy", "addn") or len(v.args) != 1 or v in results:
            continue
        a = moved(v.args[0], moves)
        x = a.value
        if not isinstance(x, Value) or a.kind not in ("one", "step") or x.op == "leaf":
            continue
        if (x.shape, x.dtype, x.lo is None) != (v.shape, v.dtype, v.lo is None):
            continue
        if x is v:
            v.args = [a]
            still.append(v)
        elif _starts_with(x, v, a.k or 0, known):
            if not x.named and (known or x.of is None):
                x.name, x.of = v.name, v.of if x.of is None else x.of
            moves[v] = x, a.k or 0
    replaced(values, outputs, moves)
    return len(moves) + sum(_is_its_start(v, values) for v in still)


def _starts_with(x: Value, v: Value, away: int, known: bool) -> bool:
    """True if `x` can, and now does, start from where `v` does, which copies it."""
    starts = {t + away: a for t, a in v.initial.items()}
    if not known:  # another copy may start from something else
        beside = {t for t in x.initial if not _has(v, t - away)}
        if beside != starts.keys():
            return False
    for t, a in starts.items():
        if _has(x, t) or x.initial.get(t, a) != a:
            return False
        if isinstance(a.value, Value) and t not in x.initial and x in ancestors(a.value):
            return False
    x.initial |= starts
    return True


def _has(v: Value, t: int) -> bool:
    return v.lo is not None and v.hi is not None and v.lo <= t <= v.hi


def _is_its_start(v: Value, values: list[Value]) -> bool:
    """True if what a copy of itself starts from can be, and now is, read in its place."""
    readers = [u for u in values if u is not v and any(a.value is v for a in u.operands)]
    kinds = {a.kind for u in readers for a in u.operands if a.value is v}
    if "all" in kinds or len(v.initial) != 1 or abs(v.args[0].k) != 1:
        return False
    (start,) = v.initial.values()
    if start.kind == "at":
        v.op, v.args, v.lo, v.hi = "copy", [start], None, None
        v.initial.clear()
        start = Arg("one", v)
    else:
        values.remove(v)
    for u in readers:
        u.args = [start if a.value is v else a for a in u.args]
        u.initial = {t: start if a.value is v else a for t, a in u.initial.items()}
    return True
