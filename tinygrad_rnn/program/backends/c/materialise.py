"""Which values are materialised as arrays?

A view is another value seen differently. An operation on single numbers whose readers need them one
by one is a formula, computed where it is read. The rest are arrays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from tinygrad_rnn.program.backends.c.operands import (
    covering,
    dtype_of,
    same_but_ones,
    shape_of,
)
from tinygrad_rnn.program.ir.graph import Arg, Value
from tinygrad_rnn.program.ir.ops import ELEMENTWISE, those
from tinygrad_rnn.program.ir.recurrences import components, loop_range

__all__ = ["DEAR", "Materialised", "split_operands"]

DEAR, CHEAP = those(cost="function"), those(cost="arithmetic")


class Materialised:
    """Decides for all values of a program.

    Attributes
    ----------
    materialised, views
        The arrays, and the views; all others are formulas.
    parts, assembled
        Values that are computed right inside another: which one, and where in it; those others.
    added
        Sums to whose other terms a product is added, and that product.
    rematerialised
        Formulas of one array that are computed again wherever they are read.

    >>> from tinygrad_rnn.program.ir.text import graph_from
    >>> values, outputs = graph_from('''
    ...     x[t] = getitem(X, index=(t,))
    ...     k[t] = multiply(h[t - 1], u)
    ...     a[t] = add(k[t], x[t])
    ...     h[t] = tanh(a[t]); h[-1] = h0
    ...     loss = sum_t(h[0:5], axis=(0, 1, 2))
    ... ''', X=(5, 2, 3), loss=())
    >>> leaves = [v for v in values if v.op == "leaf"]
    >>> found = Materialised(values, outputs, leaves)
    >>> sorted(v.name for v in found.materialised), [v.name for v in found.views]
    (['h', 'loss'], ['x'])
    """

    def __init__(self, values: list[Value], outputs: list[Value], leaves: list[Value]) -> None:
        self.values, self.outputs, self.leaves = values, outputs, leaves
        self.components = components(values)
        self.spans = {id(c): loop_range(c) for c in self.components if c.loop}
        self.loop_of = {v: c for c in self.components if c.loop for v in c.values}
        self.T = max((v.hi for v in values if v.hi is not None), default=0) + 1
        self.readers: dict[Value, list[tuple[Value, Arg]]] = {v: [] for v in values}
        for v in values:
            for a in v.operands:
                if isinstance(a.value, Value):
                    self.readers[a.value].append((v, a))
        self.views = {v for v in values if self.is_view(v)}
        self.rematerialised = set[Value]()
        self.sink()
        self.materialised = {
            v for v in values if v.op != "leaf" and v not in self.views and self.needed(v)
        }
        in_row = set[Value]()
        for v in [v for v in values if v.op == "reshape" and not same_but_ones(v)]:
            source = v.args[0].value  # a new shape needs elements in one row
            if isinstance(source, Value):
                base = self.in_order_of(source)
                self.views -= {source} if base is None else set()
                in_row |= {source if base is None else base} - set(leaves)
        self.materialised |= in_row
        for v in values:
            if v in self.materialised - in_row and self.cheap(v):
                self.rematerialised.add(v)
        self.materialised -= self.rematerialised

    def is_view(self, v: Value) -> bool:
        """True if its elements are elements of another value."""
        if v.initial or v in self.outputs or not v.args or v.options.get("part"):
            return False
        if v.op == "getitem":
            return len(v.args) == 1
        same = v.op == "copy" and dtype_of(v.args[0]) == v.dtype
        return same or v.op in ("transpose", "broadcast_to", "stack_t", "reshape")

    def users(self, v: Value) -> Iterable[tuple[Value, int | None]]:
        """Its readers, through views and rematerialised values, and how many steps away.

        None: not step by step.
        """
        todo: list[tuple[Value, int | None]] = [(v, 0)]
        while todo:
            x, k = todo.pop()
            for user, a in self.readers[x]:
                stepwise = a.kind == "step" or (a.kind == "one" and x.lo is None)
                first = any(a is b for b in user.initial.values())
                off = k + (a.k or 0) if stepwise and not first and k is not None else None
                if user in self.views or user in self.rematerialised:
                    todo.append((user, off))
                else:
                    yield user, off

    def sink(self) -> None:
        """Compute values of all steps in the loop that alone reads them."""
        sunk: dict[int, list[Value]] = {id(c): [] for c in self.components}
        for c in reversed(self.components):
            v = c.values[0]
            if c.loop or v.lo is None or v.initial or v in self.outputs or v.op not in ELEMENTWISE:
                continue
            users = list(self.users(v))
            loops = {self.loop_of.get(user) for user, _ in users}
            (loop,) = loops if len(loops) == 1 else (None,)
            if loop and all(off == 0 and user.op in ELEMENTWISE for user, off in users):
                self.loop_of[v] = loop
                sunk[id(loop)].append(v)
        for v in self.values:  # values assembled from those of one loop are, in that loop
            parts = [a.value for a in v.args]
            if covering(v) is None or v.lo is None or v in self.outputs or v in self.loop_of:
                continue
            reads = [a for part in parts for a in part.args]
            loops = {self.loop_of.get(a.value) for a in reads if a.kind == "step" and not a.k}
            (loop,) = loops if len(loops) == 1 else (None,)
            inside = all(a.kind == "step" and not a.k and a.value.op in ELEMENTWISE for a in reads)
            if loop and inside and (v.lo, v.hi) == self.spans[id(loop)]:
                self.loop_of |= dict.fromkeys([*parts, v], loop)
                sunk[id(loop)] += [*parts, v]
        self.components = [c for c in self.components if c.loop or c.values[0] not in self.loop_of]
        for c in self.components:
            if c.loop:
                c.values = in_order([*sunk[id(c)], *c.values], self.views)

    def needed(self, v: Value) -> bool:
        """True if it has to be an array: read as one, at other steps, or elsewhere."""
        if v in self.outputs or v.initial or v.op not in ELEMENTWISE:
            return True
        for user, off in self.users(v):
            if v.op in DEAR and math.prod(user.shape) > math.prod(v.shape):
                return True  # once for each row, not for each element
            sums = user.op == "sum_t"
            places = user.op == "scatter" and any(
                a.value is v for a in user.args[len(user.options["indices"]) :]
            )
            nest = user.op in ELEMENTWISE or user.op in ("sum", "max", "min", "scatter") or sums
            if not nest or places or (off != 0 and not sums):
                return True
            if self.loop_of.get(user) is not self.loop_of.get(v):
                return True
        return False

    def cheap(self, v: Value) -> bool:
        """True if computing it again is faster than storing and loading it.

        As 1 - z of a gate z that is an array, or a product and the bias that is added to it.
        """
        if v.op not in CHEAP or v.lo is None or v.initial or v in self.outputs:
            return False
        read = [a for a in v.args if a.kind == "step" and not a.k and a.value.shape == v.shape]
        x = read[0].value if read else None
        return (
            x in self.materialised - self.rematerialised
            and all(a.value is x or small(a, v) for a in v.args)
            and all(user.op in ELEMENTWISE for user, _ in self.users(v))
        )

    def in_order_of(self, v: Value) -> Value | None:
        """The value whose elements, in their order, are those of a view; None if not in order."""
        while v in self.views:
            a = v.args[0]
            stacked = v.op == "stack_t" and v.options["axis"] == 0 and v.options["sign"] == 1
            reshaped = v.op == "reshape" and a.kind == ("one" if v.lo is None else "step")
            if not isinstance(a.value, Value) or not (stacked or reshaped):
                return None
            v = a.value
        return v

    def put_together(self) -> None:
        """Find values that are only put side by side with others, or added to others."""
        self.parts: dict[Value, tuple[Value, Any]] = {}
        self.added: dict[Value, Value] = {}
        for v in self.values:
            index = covering(v)
            parts = {a.value for a in v.args if self.alone(a, v) and a.value.op in ELEMENTWISE}
            if index is not None and len(parts) == len(v.args):
                for a, i in zip(v.args, index, strict=True):
                    self.parts[a.value] = (v, i)
        for v in self.values:
            if v.op in ("add", "addn") and not v.initial and v not in self.parts:
                for a in v.args:
                    u = a.value
                    if (
                        self.alone(a, v)
                        and u.op == "matmul"
                        and (u.shape, u.dtype) == (v.shape, v.dtype)
                        and (
                            v in self.materialised or not all(b is a or small(b, v) for b in v.args)
                        )
                    ):
                        self.added[v] = u
                        break
        self.assembled = {container for container, _ in self.parts.values()}
        self.materialised |= {*self.parts, *self.added}

    def alone(self, a: Arg, v: Value) -> bool:
        """True if `v` is the only reader of an operand, at the same step and in the same loop."""
        x = a.value
        return (
            isinstance(x, Value)
            and a.kind in ("step", "one")
            and not a.k
            and len(self.readers[x]) == 1
            and not x.initial
            and x not in self.outputs
            and (x.lo, x.hi) == (v.lo, v.hi)
            and self.loop_of.get(x) is self.loop_of.get(v)
        )

    def rows(self, v: Value) -> int:
        """The rows that a value of a loop needs: 1, 2 that take turns, or 0: one for each step."""
        loop = self.loop_of.get(v)
        if loop is None or v in self.outputs:
            return 0
        offsets = set()
        for user, off in self.users(v):
            if off is None or self.loop_of.get(user) is not loop:
                return 0
            offsets.add(off)
        before = v.lo - 1 if loop.direction == 1 else v.hi + 1  # pyrefly: ignore
        if offsets - {0, -loop.direction} or any(t != before for t in v.initial):
            return 0
        return 1 if offsets <= {0} and not v.initial else 2


def small(a: Arg, v: Value) -> bool:
    """True if an operand is a number, or an argument that is the same for many elements of `v`."""
    if not isinstance(a.value, Value):
        return a.kind == "const"
    return a.value.op == "leaf" and a.value.shape != v.shape


def split_operands(values: list[Value]) -> None:
    """Operands put side by side are formulas of their own, so that each can be written in place."""
    for v in list(values):
        if covering(v) is not None:
            for j, a in enumerate(v.args):
                shape = v.shape if v.op == "stack" else shape_of(a)
                part = Value(
                    "copy", [a], {"part": True}, shape, v.dtype, v.name, v.lo, v.hi, serial=v.serial
                )
                values.append(part)
                v.args[j] = Arg(
                    "one" if v.lo is None else "step", part, None if v.lo is None else 0
                )


def in_order(values: list[Value], views: set[Value]) -> list[Value]:
    """The values of one step, each after what it reads of the same step, itself or by views."""
    inside, done, order = set(values), set[Value](), list[Value]()
    turn = {v: (v.serial, k) for k, v in enumerate(values)}
    todo = sorted(values, key=turn.__getitem__, reverse=True)
    while todo:
        v = todo[-1]
        reads, through = set[Value](), list(v.args)
        for a in through:
            if isinstance(a.value, Value) and a.kind in ("step", "one") and not a.k:
                if a.value in inside:
                    reads.add(a.value)
                elif a.value in views:
                    through += a.value.args
        if missing := sorted(reads - done, key=turn.__getitem__, reverse=True):
            todo += missing
            continue
        todo.pop()
        if v not in done:
            done.add(v)
            order.append(v)
    return order
