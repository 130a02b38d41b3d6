"""What does a loop compute at its first and last steps, where the record computes less?

Values that nobody reads are not recorded, nor are gradients where nothing flows back: at its
boundaries a recurrence lacks operations that it has everywhere else. In a loop every step is alike,
so they are added, on two grounds. A cotangent that nobody computes is zero. Any other value that
nobody reads may be anything. An operation is added only if its result is the value that stood in
its place::

    dp[t] = dy[t] + a*dp[t+1] + b*dq[t+1]      t = 0 … T-3
    dq[t] = a*dq[t+1] - b*dp[t+1]              t = 0 … T-3
    dp[T-2] = dy[T-2] + a*dp[T-1]              nobody reads the last q: there is no dq[T-1]
    dp[T-1] = dy[T-1];  dq[T-2] = -b*dp[T-1]

becomes, with zeros for dp[T] and dq[T], which make dp[T-1] = dy[T-1] and dq[T-1] = 0::

    dp[t] = dy[t] + a*dp[t+1] + b*dq[t+1]      t = 0 … T-1
    dq[t] = a*dq[t+1] - b*dp[t+1]              t = 0 … T-1
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np

from tinygrad_rnn.engine.kinds import ALL, BOTH, EACH, FIRST
from tinygrad_rnn.engine.primitives import Input
from tinygrad_rnn.program.constants import same_constant
from tinygrad_rnn.program.ir.evaluate import FOLDED, computed
from tinygrad_rnn.program.ir.graph import Arg, Value
from tinygrad_rnn.program.ir.ops import those
from tinygrad_rnn.program.ir.sequences import NoSequence, Step

__all__ = ["Boundaries", "padded"]

SUMS, PRODUCTS, LINEAR, MOVES = (those(linear=of) for of in (BOTH, EACH, FIRST, ALL))


class Boundaries:
    """Completes sequences, readers first: so their operands learn which steps are needed.

    `boundary_values` says which constant or other element an added element is known to equal.
    """

    def __init__(self, loops: Iterable[Collection[Value]] = ()) -> None:
        self.in_loops = {v for loop in loops for v in loop}
        self.boundary_values: dict[tuple[Value, int], Arg] = {}
        self.free: list[tuple[Value, int]] = []  # read there, but to no effect

    def complete(self, values: list[Value]) -> None:
        """Let all values of a loop be computed at all its steps.

        Raises
        ------
        NoSequence
            An added operation would give something else than the value that stood in its place.
        """
        lo = min(v.lo for v in values if v.lo is not None)
        hi = max(v.hi for v in values if v.hi is not None)
        inside = set(values)
        while ends := [
            (v, t)
            for v in values
            if v.lo is not None and v.hi is not None
            for t in (v.lo - 1, v.hi + 1)
            if lo <= t <= hi
        ]:
            ends.sort(key=lambda end: end[1] not in end[0].initial)  # others may then be anything
            if not any(self._added(v, t, lo, hi, inside) for v, t in ends):
                _refuse(*ends[0], lo, hi)
        self.let_be_zero(inside)

    def single(self, v: Value) -> None:
        """Compute the initial value of a sequence, where its operands give just that."""
        if v.lo is not None and v.hi is not None:
            while any(t in v.initial and self._added(v, t) for t in (v.lo - 1, v.hi + 1)):
                pass
        self.let_be_zero({v})

    def let_be_zero(self, done: Collection[Value] | None = None) -> None:
        """Let elements that are read where they are not computed, to no effect, be zero.

        Of the values `done`, or of all. At the last step here, da is multiplied by a cotangent that
        is zero, so the y that it also multiplies may be anything; it gets a value all the same:

        >>> from tinygrad_rnn.program.ir.text import graph_from, text_of
        >>> values, outputs = graph_from('''
        ...     y[t] = tanh(x[t]); t = 0 … 3
        ...     da[t] = multiply(dh[t], y[t])
        ... ''')
        >>> boundaries = Boundaries()
        >>> boundaries.free.append((values[-2], 4))
        >>> boundaries.let_be_zero()
        >>> print(text_of(values, outputs))
        y[t] = tanh(x[t]); t = 0 … 3; y[4] = 0.0
        da[t] = multiply(dh[t], y[t])
        """
        free, self.free = self.free, list[tuple[Value, int]]()
        for v, t in free:
            if done is not None and v not in done:
                self.free.append((v, t))
            elif self._element(v, t) is None:
                v.initial[t] = _zero(v)

    def _added(
        self, v: Value, t: int, lo: int = 0, hi: int = -1, inside: Collection[Value] = ()
    ) -> bool:
        """True if `v` can be, and now is, computed at step t, next to its others.

        It is one of `inside`, a loop over the steps lo … hi.
        """
        want, reads = v.initial.get(t), [self._read(a, t) for a in v.args]
        missing = [k for k, r in enumerate(reads) if r is None]
        if not _taken(v, t):
            return False
        given = _supplied(v, want, reads, missing)
        for k, s in given.items():
            reads[k] = s
        if want is not None and not _equal(_result(v, reads), want):
            return False
        for k in missing:
            w, at = v.args[k].value, t + v.args[k].k
            if k in given:
                later = w in inside and lo <= at <= hi and want is None
                if not later:
                    w.initial.setdefault(at, given[k])
            elif not (w in inside and lo <= at <= hi) and not self._spread(w, at):
                if not inside:
                    return False
                self.free.append((w, at))
        self._extend(v, t)
        if want is not None:
            self.boundary_values[v, t] = v.initial.pop(t)
        return True

    def _read(self, a: Arg, t: int) -> Arg | None:
        """The value of an operand at step t; None if there is none."""
        if a.kind == "consts":
            return Arg("const", a.value[min(max(t - a.k, 0), len(a.value) - 1)])
        return a if a.kind != "step" else self._element(a.value, t + a.k)

    def _element(self, v: Value, t: int) -> Arg | None:
        if v.lo is not None and v.hi is not None and v.lo <= t <= v.hi:
            return self.boundary_values.get((v, t), Arg("at", v, t))
        return v.initial.get(t)

    def _spread(self, v: Value, t: int) -> bool:
        """True if a value outside of all loops can be, and now is, computed at step t as well."""
        chain, todo = list[tuple[Value, int]](), [(v, t)]
        while todo:
            v, t = todo.pop()
            if self._element(v, t) is not None or (v, t) in chain:
                continue
            if (
                v in self.in_loops
                or v.initial
                or v.lo is None
                or t not in (v.lo - 1, (v.hi or 0) + 1)
            ):
                return False
            if not _taken(v, t) or _cotangent(v):
                return False
            chain.append((v, t))
            todo += [(a.value, t + a.k) for a in v.args if a.kind == "step"]
        for v, t in chain:
            self._extend(v, t)
        return True

    def _extend(self, v: Value, t: int) -> None:
        assert v.lo is not None
        assert v.hi is not None
        v.lo, v.hi = min(v.lo, t), max(v.hi, t)
        v.args = [padded(a, t) for a in v.args]


def _cotangent(v: Value) -> bool:
    """True if it flows back from the loss."""
    sequence = v.options.get("sequence")
    return sequence is not None and sequence.cotangent


def _supplied(
    v: Value, want: Arg | None, reads: list[Arg | None], missing: list[int]
) -> dict[int, Arg]:
    """Initial values for those missing operands that need one; the others may be anything."""
    zeros = {k: _zero(v.args[k].value) for k in missing}
    flows = [k for k in missing if _cotangent(v.args[k].value)]
    if want is None:
        return {k: zeros[k] for k in flows}
    if v.op in SUMS:
        if missing and not _is_zero(want) and not any(_equal(r, want) for r in reads if r):
            carried = next((k for k in missing if v.args[k].k), missing[0])
            zeros[carried] = want
        return zeros
    if v.op == "where":
        return {k: zeros[k] for k in missing if k or k in flows}
    if v.op in PRODUCTS:
        if not flows and not any(map(_is_zero, reads)):
            flows = [k for k in missing if v.args[k].k][:1] or missing[:1]
    elif v.op in MOVES:
        n = len(v.options["indices"]) if v.op == "scatter" else len(v.args)
        return {k: zeros[k] for k in missing if k < n or k in flows}
    elif v.op in LINEAR:
        flows = [k for k in missing if k == 0 or k in flows]
    return {k: zeros[k] for k in flows}


def _result(v: Value, reads: list[Arg | None]) -> Arg | None:
    """The result of `v` from operands that are known; None if it is not known."""
    nulls = [_is_zero(r) for r in reads]
    if v.op in SUMS:
        left = [k for k, null in enumerate(nulls) if not null]
        if len(left) == 1 and (v.op != "subtract" or left[0] == 0) and _fits(reads[left[0]], v):
            return reads[left[0]]
        zero = not left
    elif v.op in PRODUCTS:
        zero = any(nulls)
    elif v.op == "where":
        if reads[1] is not None and _equal(reads[1], reads[2]) and _fits(reads[1], v):
            return reads[1]
        zero = all(nulls[1:])
    elif v.op == "scatter":
        zero = all(nulls[: len(v.options["indices"])])
    elif v.op in ("concatenate", "stack"):
        zero = all(nulls)
    else:
        zero = v.op in LINEAR and nulls[0]
    if zero:
        return _zero(v)
    moves = any(type(p) in (Step, Input) for p in v.options.get("index", ()))
    if v.op in FOLDED and not moves and all(r is not None and r.kind == "const" for r in reads):
        options = {k: x for k, x in v.options.items() if k != "sequence"}
        with np.errstate(all="ignore"):
            found = computed(v.op, [r.value for r in reads if r is not None], options)
        return Arg("const", np.asarray(found, v.dtype))
    return None


def _fits(a: Arg | None, v: Value) -> bool:
    """True if an operand is of the shape and dtype of the result."""
    x = a.value if a is not None else None
    return getattr(x, "shape", None) == v.shape and getattr(x, "dtype", None) == v.dtype


def _zero(v: Value) -> Arg:
    return Arg("const", np.zeros(v.shape, v.dtype))


def _is_zero(a: Arg | None) -> bool:
    return a is not None and a.kind == "const" and not np.any(a.value)


def _equal(a: Arg | None, b: Arg | None) -> bool:
    if a is None or b is None or a.kind != "const" or b.kind != "const":
        return a is not None and a == b
    return same_constant(np.asarray(a.value), np.asarray(b.value))


def _taken(v: Value, t: int) -> bool:
    """True if its source has the element of step t that it takes by an index."""
    index = v.options.get("index", ())
    for axis, p in enumerate(index):
        if type(p) is Step:
            a = v.args[0]
            shape = a.value.shape if a.kind in ("one", "step") else ()
            if None in index[:axis] or Ellipsis in index[:axis] or axis >= len(shape):
                return False
            if not 0 <= p.sign * t + p.shift < shape[axis]:
                return False
    return True


def padded(a: Arg, t: int) -> Arg:
    """Constants with one more at an end, for step t, whose result nobody reads."""
    if a.kind != "consts" or a.k <= t < a.k + len(a.value):
        return a
    x = a.value
    parts = (x[:1], x) if t < a.k else (x, x[-1:])
    return a._replace(value=np.concatenate(parts), k=min(a.k, t))


def _refuse(v: Value, t: int, lo: int, hi: int) -> None:
    step = "the first step" if t == lo else "the last step" if t == hi else f"step {t}"
    want = v.initial.get(t)
    if want is None:
        what = "unused"
    elif want.kind == "const":
        what = "a constant" if np.any(want.value) else "zero"
    else:
        what = want.value.name or want.value.op
    raise NoSequence(
        v.options.get("sequence"),
        f"{v.name or v.op} of {step} is {what}, and computed as at the other steps it would not be",
        t,
    )
