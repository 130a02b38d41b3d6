"""What must stay in a loop over time?

Only what waits for itself: the strongly connected components of the graph of values (Allen and
Kennedy's loop distribution). All else is computed for all steps at once.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any

from tinygrad_rnn.program.ir.boundaries import Boundaries
from tinygrad_rnn.program.ir.graph import Value
from tinygrad_rnn.program.ir.sequences import NoSequence

__all__ = ["Component", "complete_loop", "components", "loop_range"]


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
        raise NoSequence(
            self.values[0].options.get("sequence"), "it reads both earlier and later steps"
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
        raise NoSequence(component.values[0].options.get("sequence"), "a step waits for itself")
    return done


def loop_range(component: Component) -> tuple[int, int]:
    """The first and last step of a loop, all of which every value in it computes.

    Raises
    ------
    NoSequence
        A value computes other steps than the first one does, see `complete_loop`.
    """
    first, *others = component.values
    for v in others:
        if (v.lo, v.hi) != (first.lo, first.hi):
            raise NoSequence(
                v.options.get("sequence"), f"{v.name} and {first.name} have other steps"
            )
    assert first.lo is not None
    assert first.hi is not None
    return first.lo, first.hi


def complete_loop(component: Component, boundaries: Boundaries | None = None) -> None:
    """Let every value of a loop compute all of its steps.

    `boundaries` know what the readers of its values need.

    Raises
    ------
    NoSequence
        It is no loop over time, or its values cannot compute the same steps.
    """
    inside = set(component.values)
    single = next((v for v in component.values if v.lo is None or v.hi is None), None)
    if single is not None:
        owner = next(v for v in component.values if v.lo is not None)
        alone = single.options.get("sequence")
        why = f"it waits for {single.name}, which is computed once"
        raise NoSequence(owner.options.get("sequence"), why, None if alone is None else alone.lo)
    component.direction  # noqa: B018  (raises if there is none)
    known = boundaries or Boundaries([inside])
    known.complete(component.values)
    if boundaries is None:
        known.let_be_zero()
    for v in component.values:
        for t, a in [*((None, a) for a in v.args), *v.initial.items()]:
            if a.kind in ("at", "all") and a.value in inside:
                raise NoSequence(
                    v.options.get("sequence"), "it starts from a step of its own loop", t
                )
