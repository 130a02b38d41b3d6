"""Which values need no array of their own?

Those that are only put side by side into another are computed right there; those that one line
reads are computed in the array that this line writes.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Set
from typing import Any

import numpy as np

from tinygrad_rnn.engine.kinds import VIEW
from tinygrad_rnn.program.ir.graph import Arg, Value
from tinygrad_rnn.program.ir.ops import ELEMENTWISE, direct, is_count, those
from tinygrad_rnn.program.ir.recurrences import Component, components, loop_range

__all__ = [
    "VIEWS",
    "Fusion",
]

VIEWS = those(VIEW)
LARGE = 1 << 14  # bytes of one step from which a call costs less than the way to memory and back
ONCE = frozenset(("sigmoid", "softmax", "log_softmax"))  # read once, at the beginning


class Fusion:
    r"""The readers of each value, its loop, and the values computed in the place of their reader.

    Values that one line reads are written into that line; here k and a.

    >>> from tinygrad_rnn.program.ir.text import graph_from
    >>> from tinygrad_rnn.program.backends.numpy.emit import write
    >>> values, outputs = graph_from('''
    ...     x[t] = getitem(X, index=(t,))
    ...     k[t] = multiply(h[t - 1], u)
    ...     a[t] = add(k[t], x[t])
    ...     h[t] = tanh(a[t]); h[-1] = h0
    ...     loss = sum_t(h[0:5], axis=(0, 1, 2))
    ... ''', X=(5, 2, 3), loss=())
    >>> leaves = [v for v in values if v.op == "leaf"]
    >>> text = write(values, outputs, leaves, fusion=False).source
    >>> print(*[x.strip() for x in text.splitlines() if "[t" in x], sep="\n")
    np.multiply(h[t], u, out=k)
    np.add(k, X[t], out=a)
    np.tanh(a, out=h[t + 1])
    >>> text = write(values, outputs, leaves, fusion=True).source
    >>> print(*[x.strip() for x in text.splitlines() if "[t" in x], sep="\n")
    np.tanh(np.add(np.multiply(h[t], u, out=h[t + 1]), X[t], out=h[t + 1]), out=h[t + 1])
    """

    def __init__(
        self,
        values: list[Value],
        outputs: list[Value],
        fusion: bool,
        loop_fusion: bool,
        counted: Set[Value] = frozenset(),
    ) -> None:
        self.values, self.outputs, self.counted = values, outputs, counted
        self.readers: dict[Value, list[tuple[Value, Arg]]] = defaultdict(list)
        for v in values:
            for a in v.operands:
                if isinstance(a.value, Value):
                    self.readers[a.value].append((v, a))
        found = components(values)
        self.components = self.loop_fusion(found) if loop_fusion else found
        self.fusions = len(found) - len(self.components)
        self.loop_of = {v: c for c in self.components if c.loop for v in c.values}
        self.parts = self.assembled() if fusion else {}
        self.nested = self.inlined() if fusion else {}
        self.inner = {v: u for u, v in self.nested.items()}
        self.expressions = self.expressed(counted)
        self.nested |= self.expressions

    def assembled(self) -> dict[Value, tuple[Value, Any]]:
        """Values that are only put side by side into another, and computed right there."""
        found: dict[Value, tuple[Value, Any]] = {}
        for v in self.values:
            if v.op == "joined" and v.args[0].value.op == "matmul":
                if self.can_be_part(v.args[0].value, v):
                    found[v.args[0].value] = (v, None)
                continue
            if (
                v.op != "scatter"
                or v.lo is None
                or v.initial
                or len(v.args) != len(v.options["indices"])
            ):
                continue
            count = np.zeros(v.shape, int)
            for index in v.options["indices"]:
                count[index] += 1
            parts = [a.value for a in v.args if a.kind == "step" and not a.k]
            if (
                count.min(initial=1) != 1
                or count.max(initial=1) != 1
                or len({*parts}) != len(v.args)
            ):
                continue
            if all(self.can_be_part(x, v) for x in parts):
                found.update({x: (v, i) for x, i in zip(parts, v.options["indices"], strict=True)})
        return found

    def can_be_part(self, x: Value, v: Value) -> bool:
        """True if a value can be computed inside the one it is put into."""
        alone = len(self.readers[x]) == 1 and not x.initial and x not in self.outputs
        together = (x.lo, x.hi) == (v.lo, v.hi) and self.loop_of.get(x) is self.loop_of.get(v)
        return alone and together and (x.op in ELEMENTWISE or v.op == "joined")

    def is_put_together(self, v: Value) -> bool:
        """True if its parts have been computed inside it already."""
        first = v.args[0].value if v.args else None
        return isinstance(first, Value) and first in self.parts and self.parts[first][0] is v

    def inlined(self) -> dict[Value, Value]:
        """Values written inside the one line that reads them, in its place."""
        found: dict[Value, Value] = {}
        for c in self.components:
            for v in c.values:
                if not direct(v) or v in self.counted:
                    continue
                where = {x: k for k, x in enumerate(c.values)}
                inner = [a for a in v.args if self.can_nest(a, v, where, found)]
                if inner and not any(a.value is v for a in v.args):
                    found[inner[0].value] = v
        return found

    def expressed(self, counted: Set[Value]) -> dict[Value, Value]:
        """Of values that are only `counted`, those written as an expression in the one reader.

        They take no room: that of a condition on an argument would have to know its length.
        """
        found: dict[Value, Value] = {}
        for v in counted:
            readers = self.readers[v]
            if v in self.outputs or v in self.loop_of or v.initial or len(readers) != 1:
                continue
            user, a = readers[0]
            same = a.kind == "one" or (a.kind == "step" and not a.k and _steps(user) == _steps(v))
            all_steps = a.kind == "all" and a.k == _steps(v)
            if (
                direct(v)
                and user in counted
                and ((is_count(user) and (all_steps or a.kind == "one")) or (direct(user) and same))
            ):
                found[v] = user
        return found

    def can_nest(self, a: Arg, v: Value, where: dict[Value, int], found: Any) -> bool:
        """True if an operand can be computed in the place of the value that reads it."""
        u = a.value
        if not isinstance(u, Value) or a.k or a.kind not in ("step", "one"):
            return False
        flat = u.op == "matmul" and all(
            isinstance(b.value, Value) and b.value.dtype == u.dtype for b in u.args
        )
        axes = [len(b.value.shape) for b in u.args] if flat else []
        product = axes == [2, 2] and (u.lo is None or u in self.loop_of)
        product |= axes == [2, 3] and u in self.loop_of
        number = u.op == "sum_t" and u.lo is None and not u.shape
        if not (direct(u) or number or product):
            return False
        same = (u.shape, u.dtype, u.lo, u.hi) == (v.shape, v.dtype, v.lo, v.hi)
        lone = len(self.readers[u]) == 1 and not u.initial and u not in self.outputs
        if (
            not same
            or not lone
            or u in self.parts
            or self.loop_of.get(u) is not self.loop_of.get(v)
        ):
            return False
        # its operands of the step before must still be there when the reader's turn has come
        late = [b for w in _chain(u, found) for b in w.args if b.kind == "step" and b.k]
        return all(where.get(b.value, len(where)) >= where.get(v, 0) for b in late)

    def overwritten(self, u: Value, v: Value) -> bool:
        """True if `v` can be written where `u` stands: all readers of `u` are done by then.

        Each element is read by lines before, or by the very operation that writes there.
        """
        if u.initial or v.initial or u in self.outputs or (u.lo, u.hi) != (v.lo, v.hi):
            return False
        loop, first = self.loop_of.get(v), self.innermost(v)
        where = {x: k for k, x in enumerate(loop.values)} if loop is not None else {}
        todo = [(u, *read) for read in self.readers[u]]
        while todo:
            x, user, a = todo.pop()
            if a.kind not in ("step", "one") or a.k:
                return False
            if user.op in VIEWS and len(user.args) == 1:
                todo += [(user, *read) for read in self.readers[user]]
                if user in self.outputs or user.initial or not self.readers[user]:
                    return False
            elif user is first:
                once = direct(user) or (user.op in ONCE and user.args[0] is a)
                if not once or x is not u or u.shape != v.shape:
                    return False
            elif self.turn(user) is v or where.get(self.turn(user), -1) > where.get(v, -1):
                return False
        return True

    def loop_fusion(self, found: list[Component]) -> list[Component]:
        """Components, with what only one loop reads, of the same step, computed in that loop.

        Where a step is large: then the loop's results are still in the cache when they are read.

        >>> from tinygrad_rnn.program.ir.text import graph_from
        >>> values, outputs = graph_from('''
        ...     a[t] = add(x[t], b)
        ...     k[t] = multiply(h[t - 1], a[t])
        ...     h[t] = tanh(k[t]); h[-1] = h0
        ... ''', **dict.fromkeys("xbakh", (64, 64)), h0=(64, 64))
        >>> found = components(values)
        >>> [[v.name for v in c.values] for c in found if c.values[0].op != "leaf"]
        [['a'], ['k', 'h']]
        >>> fusion = Fusion(values, outputs, fusion=True, loop_fusion=True)
        >>> [[v.name for v in c.values] for c in fusion.components if c.values[0].op != "leaf"]
        [['a', 'k', 'h']]
        """
        loop_of = {v: c for c in found if c.loop for v in c.values}
        left = list[Component]()
        for c in reversed(found):
            v = c.values[0]
            large = math.prod(v.shape) * v.dtype.itemsize >= LARGE
            loops = {loop_of.get(user) for user, _ in self.readers[v]}
            same = all(a.kind == "step" and not a.k for _, a in self.readers[v])
            loop = loops.pop() if len(loops) == 1 else None
            left_out = c.loop or v in self.outputs or v.initial or not _fusible(v)
            fits = large and same and not left_out
            if not fits or loop is None or (v.lo, v.hi) != loop_range(loop):
                left.append(c)
            else:
                first = min(loop.values.index(user) for user, _ in self.readers[v])
                loop.values.insert(first, v)
                loop_of[v] = loop
        return left[::-1]

    def innermost(self, v: Value) -> Value:
        """The value computed first in the line of a value."""
        while v in self.inner:
            v = self.inner[v]
        return v

    def turn(self, v: Value) -> Value:
        """The value in whose line this one is computed."""
        while v in self.nested:
            v = self.nested[v]
        return v


def _steps(v: Value) -> tuple[int | None, int | None]:
    return v.lo, v.hi


def _fusible(v: Value) -> bool:
    """True if all steps at once are no faster than one by one."""
    product = v.op == "joined" or (v.op == "matmul" and len(v.shape) > 2)
    return product or direct(v) or (v.op == "divided" and v.lo is not None)


def _chain(v: Value, found: dict[Value, Value]) -> list[Value]:
    """A value and all that is nested in it."""
    chain, todo = list[Value](), [v]
    while todo:
        x = todo.pop()
        chain.append(x)
        todo += [a.value for a in x.args if isinstance(a.value, Value) and found.get(a.value) is x]
    return chain
