"""What must stay in a loop over time?

Only what waits for itself: the strongly connected components of the graph of values (Allen and
Kennedy's loop distribution). All else is computed for all steps at once.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np

from tinygrad_rnn.program.families import NoFamily, Step
from tinygrad_rnn.program.graph import Arg, Value
from tinygrad_rnn.program.ops import ELEMENTWISE

__all__ = ["Component", "components", "loop_range", "padded"]


@dataclass(eq=False)
class Component:
    """Values that are computed together: one of them, or a loop of several."""

    values: list[Value]
    loop: bool

    @property
    def direction(self) -> int:
        """1 forward in time, -1 backward."""
        inside = set(self.values)
        offsets = {
            a.k for v in self.values for a in v.args if a.kind == "step" and a.value in inside
        } - {0}
        if offsets and max(offsets) < 0:
            return 1
        if offsets and min(offsets) > 0:
            return -1
        raise NoFamily(
            self.values[0].options.get("family"), "it reads both earlier and later steps"
        )


def components(values: list[Value]) -> list[Component]:
    """Strongly connected components, each after what it reads (Tarjan 1972, without recursion)."""
    order = sorted(values, key=lambda v: v.serial)
    index: dict[Value, int] = {}
    low: dict[Value, int] = {}
    on_path: set[Value] = set()
    path: list[Value] = []
    found: list[Component] = []
    for root in order:
        if root in index:
            continue
        todo: list[tuple[Value, Any]] = [(root, None)]
        while todo:
            v, reads = todo.pop()
            if reads is None:
                index[v] = low[v] = len(index)
                path.append(v)
                on_path.add(v)
                known = dict.fromkeys(a.value for a in v.operands if isinstance(a.value, Value))
                reads = iter(sorted(known, key=_serial))  # a set would differ from run to run
            for w in reads:
                if w not in index:
                    todo += [(v, reads), (w, None)]
                    break
                if w in on_path:
                    low[v] = min(low[v], index[w])
            else:
                if todo:
                    parent = todo[-1][0]
                    low[parent] = min(low[parent], low[v])
                if low[v] == index[v]:
                    members = [path.pop()]
                    while members[-1] is not v:
                        members.append(path.pop())
                    members.reverse()
                    on_path -= set(members)
                    itself = any(a.value is v for a in v.operands)
                    found.append(Component(members, len(members) > 1 or itself))
    for component in found:
        if component.loop:
            component.values = _in_order(component)
    return found


def _serial(v: Value) -> int:
    return v.serial


def _in_order(component: Component) -> list[Value]:
    """Each value of a step after what it reads of the same step."""
    inside = set(component.values)
    waits = {
        v: {a.value for a in v.args if a.kind == "step" and a.k == 0 and a.value in inside}
        for v in component.values
    }
    readers: dict[Value, list[Value]] = defaultdict(list)
    for v, reads in waits.items():
        for x in reads:
            readers[x].append(v)
    place = {v: k for k, v in enumerate(component.values)}
    ready = [(v.serial, place[v], v) for v, reads in waits.items() if not reads]
    heapify(ready)
    done: list[Value] = []
    while ready:
        *_, x = heappop(ready)
        done.append(x)
        for v in readers[x]:
            waits[v].remove(x)
            if not waits[v]:
                heappush(ready, (v.serial, place[v], v))
    if len(done) < len(component.values):
        raise NoFamily(component.values[0].options.get("family"), "a step waits for itself")
    return done


def loop_range(component: Component) -> tuple[int, int]:
    """The first and last step of a loop; every value in it is made to compute all of them."""
    inside = set(component.values)
    single = next((v for v in component.values if v.lo is None or v.hi is None), None)
    if single is not None:
        owner = next(v for v in component.values if v.lo is not None)
        raise NoFamily(
            owner.options.get("family"), f"it waits for {single.name}, which is computed once"
        )
    component.direction  # noqa: B018  (raises if there is none)
    lo = min(v.lo for v in component.values if v.lo is not None)
    hi = max(v.hi for v in component.values if v.hi is not None)
    for v in component.values:
        for a in v.operands:
            if a.kind in ("at", "all") and a.value in inside:
                raise NoFamily(v.options.get("family"), "it starts from a step of its own loop")
    short = [v for v in component.values if (v.lo, v.hi) != (lo, hi)]
    changed = True
    while changed and short:
        changed = False
        for v in short:
            assert v.lo is not None
            assert v.hi is not None
            for t in (v.lo - 1, v.hi + 1):
                there = lo <= t <= hi and t not in v.init
                if there and all(
                    _there(a, t) or _computed(a, t, inside) or _assumed(a, t, inside)
                    for a in v.args
                ):
                    v.lo, v.hi = min(v.lo, t), max(v.hi, t)
                    v.args = [padded(a, t) for a in v.args]
                    changed = True
        short = [v for v in short if (v.lo, v.hi) != (lo, hi)]
    if short:
        raise NoFamily(
            short[0].options.get("family"), "its first or last step is another than the rest"
        )
    return lo, hi


def _there(a: Any, t: int) -> bool:
    """Whether an operand exists at step t."""
    if a.kind == "step":
        return a.value.lo <= t + a.k <= a.value.hi or t + a.k in a.value.init
    return a.kind != "consts" or a.k - 1 <= t <= a.k + len(a.value)


def _computed(a: Any, t: int, loop: set[Value]) -> bool:
    """Whether an operand from outside of a loop can be, and now is, computed at step t as well."""
    chain, todo = list[tuple[Value, int]](), [(a, t)]
    while todo:
        a, t = todo.pop()
        if _there(a, t):
            continue
        v, at = a.value, t + (a.k or 0)
        if a.kind != "step" or v in loop or v.init or at not in (v.lo - 1, v.hi + 1):
            return False
        if any(v is w for w, _ in chain) or not (v.op in ELEMENTWISE or _taken(v, at)):
            return False
        chain.append((v, at))
        todo += [(b, at) for b in v.args]
    for v, at in chain:
        assert v.lo is not None
        assert v.hi is not None
        v.lo, v.hi = min(v.lo, at), max(v.hi, at)
        v.args = [padded(b, at) for b in v.args]
    return True


def _assumed(a: Any, t: int, loop: set[Value]) -> bool:
    """Whether a condition is, and now is, false at step t: nobody reads what is made of it."""
    v, at = a.value, t + (a.k or 0)
    if a.kind != "step" or v in loop or v.dtype != bool or at not in (v.lo - 1, v.hi + 1):
        return False
    v.init[at] = Arg("const", np.zeros(v.shape, v.dtype))
    return True


def _taken(v: Value, t: int) -> bool:
    """Whether it is the element of an array that belongs to a step, and there is one at step t."""
    index = v.options.get("index", ()) if v.op == "getitem" else ()
    if len(index) != 1 or type(index[0]) is not Step or v.args[0].kind != "one":
        return False
    return 0 <= index[0].sign * t + index[0].shift < v.args[0].value.shape[0]


def padded(a: Any, t: int) -> Any:
    """Constants with one more at the end that step t needs: nobody reads what it makes of it."""
    if a.kind != "consts" or a.k <= t < a.k + len(a.value):
        return a
    x = a.value
    parts = (x[:1], x) if t < a.k else (x, x[-1:])
    return a._replace(value=np.concatenate(parts), k=min(a.k, t))
