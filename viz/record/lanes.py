"""In which row and column does each operation of a record stand?

`steps` says which step of which lane it is in; lanes become rows of the picture, and time its
columns. Operations outside of every step stand before the steps, after them, or between two.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile

from tinygrad_rnn import Step, Tensor, steps


@dataclass(eq=False, slots=True)
class Lane:
    """One run through time: a layer, a direction, or the gradient of one."""

    name: str
    path: tuple[str, ...]
    run: int  # 0 for the first of this path, 1 for the second …
    order: int  # 0 forward, 1 gradient, 2 gradient of the gradient …
    sections: list[Section] = field(default_factory=list)
    row: int = 0
    offset: int = 0

    @property
    def key(self) -> tuple[tuple[str, ...], int, int]:
        """Path, run and order, which no two lanes share."""
        return self.path, self.run, self.order

    @property
    def between(self) -> bool:
        """True if it holds operations between steps, and no step of its own."""
        return self.path == ("",)

    @property
    def mirrored(self) -> bool:
        """True if it runs against time."""
        return (
            self.sections[0].t > self.sections[-1].t
            if len(self.sections) > 1
            else self.order % 2 == 1
        )

    @property
    def columns(self) -> tuple[int, int]:
        """Its first and its last column."""
        columns = [section.column for section in self.sections]
        return min(columns), max(columns)


@dataclass(eq=False, slots=True)
class Section:
    """One step of a lane, or (`lane` None) one side of all steps: before or after."""

    lane: Lane | None
    order: int
    t: int = 0
    side: str = ""

    @property
    def timed(self) -> bool:
        """True if it is a step, and not between two."""
        return self.lane is not None and not self.lane.between

    @property
    def column(self) -> int:
        """The step's column; meaningless outside of time."""
        return self.t + self.lane.offset if self.lane else 0


def sections(
    nodes: list[Tensor], inside: Mapping[Tensor, Tensor] | None = None
) -> dict[Tensor, Section]:
    """The section of every operation of a record, given in the order of birth; in linear work.

    What is `inside` of a function that is drawn as one stands where its result does.
    """
    recorded = steps(nodes)
    recorded.update({node: recorded[result] for node, result in (inside or {}).items()})
    found = _inside(recorded)
    _outside(nodes, recorded, found)
    _arrange(nodes, found)
    return found


def _inside(recorded: dict[Tensor, Step]) -> dict[Tensor, Section]:
    """The sections inside time: one for each step, in lanes as they are recorded."""
    found: dict[Step, Section] = {}
    lanes: dict[object, Lane] = {}
    for step in dict.fromkeys(recorded.values()):
        if step.t is not None:
            known = step.lane
            lane = lanes.setdefault(known, Lane(known.name, known.path, known.run, known.order))
            found[step] = Section(lane, lane.order, step.t)
            lane.sections.append(found[step])
    return {node: found[step] for node, step in recorded.items() if step in found}


def _outside(
    nodes: list[Tensor], recorded: dict[Tensor, Step], found: dict[Tensor, Section]
) -> None:
    """Operations without a step: before the steps if they only feed them, else after.

    What both follows a step and feeds one stands at the step that it follows.
    """
    order = {node: step.lane.order for node, step in recorded.items()}
    latest: dict[Tensor, Section] = {}  # the last step, of the same order, that a node depends on
    feeds = set()
    for node in nodes:
        ways = [found.get(x) or latest.get(x) for x in node.inputs if type(x) is Tensor]
        before = [
            section for section in ways if section is not None and section.order == order[node]
        ]
        if before:
            latest[node] = max(before, key=lambda section: section.t)
    for node in reversed(nodes):
        if node in feeds or node in found:
            inputs = (x for x in node.inputs if type(x) is Tensor)
            feeds.update(x for x in inputs if order.get(x) == order[node])
    if not found:  # no time at all: one expression
        found.update(dict.fromkeys(nodes, Section(None, 0, side="after")))
        return
    found.update(_step_by_step([n for n in nodes if not order[n] and n not in feeds], found))
    sides: dict[object, Section] = {}
    between: dict[Lane, Lane] = {}
    for node in nodes:
        if node in found:
            continue
        step = latest.get(node)
        if order[node] == 0 and node in feeds and step is not None and step.lane is not None:
            lane = between.setdefault(step.lane, Lane("", ("",), len(between), 0))
            section = sides.get((lane, step.t))
            if section is None:
                section = sides[lane, step.t] = Section(lane, 0, step.t)
                lane.sections.append(section)
        else:
            # gradients flow to the left, so what they end in stands there
            left = (step is None and node in feeds) if order[node] == 0 else step is not None
            side = "before" if left else "after"
            section = sides.setdefault((order[node], left), Section(None, order[node], side=side))
        found[node] = section


def _step_by_step(nodes: list[Tensor], found: Mapping[Tensor, Section]) -> dict[Tensor, Section]:
    """What follows several steps, done to each by itself and to all alike: an answer, a loss.

    It stands at its step, in a lane for each outermost scope.
    """
    reads: dict[Tensor, int | None] = {}  # the one step that an operation reads; None: several
    alone: dict[int, list[Tensor]] = defaultdict(list)
    for node in nodes:
        known = [x for x in node.inputs if type(x) is Tensor and (x in found or x in reads)]
        times = {found[x].t if x in found else reads[x] for x in known}
        if node not in found and times:
            reads[node] = t = times.pop() if len(times) == 1 else None
            if t is not None:
                alone[t].append(node)
    if len(alone) < 2:
        return {}
    # the first operation of each step, the second, … as long as all do the same
    rows = zip(*alone.values(), strict=False)
    alike = list(takewhile(lambda row: len({node.op for node in row}) == 1, rows))
    outer = [next((frame.name for frame in row[0].scope), "") for row in alike]
    # without a scope it goes by what it ends in
    ends = {scope: last for scope, (last, *_) in zip(outer, alike, strict=True)}
    names = {scope: scope or x.name or str(x.op and x.op.name) for scope, x in ends.items()}
    known = {section.lane for section in found.values()}
    lanes = {
        name: Lane(name, (name,), sum(x is not None and x.path == (name,) for x in known), 0)
        for name in names.values()
    }
    for lane in lanes.values():
        lane.sections += [Section(lane, 0, t) for t in alone]
    return {
        node: section
        for scope, row in zip(outer, alike, strict=True)
        for node, section in zip(row, lanes[names[scope]].sections, strict=True)
    }


def _arrange(nodes: list[Tensor], found: dict[Tensor, Section]) -> None:
    """Rows and columns: a layer above its input, a decoder to the right of its encoder."""
    sources: dict[
        Lane, dict[tuple[Section, Section], None]
    ] = {}  # by lane: (where from, where to), each once
    for node in nodes:
        section = found[node]
        if section.lane is not None:
            ways = sources.setdefault(section.lane, {})
            origins = (found.get(x) for x in node.inputs if type(x) is Tensor)
            ways.update(
                {(a, section): None for a in origins if a and a.lane not in (None, section.lane)}
            )
    placed: dict[object, Lane] = {}
    spans: dict[int, tuple[int, int]] = {}  # the first and the last column used in each row
    for lane, ways in sources.items():
        twin = placed.get((lane.path, lane.run, 0))
        placed[lane.key] = lane
        if twin is not None:
            lane.offset, lane.row = twin.offset, twin.row
            continue
        earlier = [
            (a, b, a.lane)
            for a, b in ways
            if a.lane is not None and a.order == lane.order and placed.get(a.lane.key) is a.lane
        ]
        # t is the column, unless the lane counts anew what comes later than where it takes from
        late = {(a, b): a.column - b.t for a, b, c in earlier if not _against(c, lane)}
        lane.offset, lane.row = max([0, *late.values()]), len(spans)
        first = [(a, c) for a, b, c in earlier if b is lane.sections[0]]
        if first and all(a.t != lane.sections[0].t for a, _ in first):
            beside = [late[a, lane.sections[0]] + 1 for a, c in first if not _against(c, lane)]
            offset = max([lane.offset, *beside])
            low, high = (at - lane.offset + offset for at in lane.columns)
            if all(low > spans[c.row][1] or high < spans[c.row][0] for _, c in first):
                lane.offset, lane.row = offset, first[0][1].row  # on where the other ended
        low, high = spans.get(lane.row, lane.columns)
        spans[lane.row] = min(low, lane.columns[0]), max(high, lane.columns[1])


def _against(one: Lane, other: Lane) -> bool:
    """True if both run against time, so that the later stands left; a single step may."""
    ways = {lane.mirrored for lane in (one, other) if len(lane.sections) > 1}
    return ways == {True}
