"""Which steps are the same?

Equal neighbours become one, and what passed between them runs out of it and back into it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, field

from viz.record.parts import Block, Edge, Node, Parts

NAMED = 4  # letters of one step that a note names


def fold(parts: Parts) -> Parts:
    """The same picture with equal neighbouring steps of each lane drawn once.

    Steps are equal if they are the same operations on the same things: whatever their values are,
    whatever their inputs are called, and in whatever order they come. A step that lacks some, which
    nothing uses there or which are constants in the first step, is drawn with the others too, and a
    note says what it lacks. Nothing is assumed: a step that differs otherwise, or lies behind a
    cut, keeps a block of its own.
    """
    home = {node.id: block for block in parts.blocks for node in block.nodes}
    groups = _groups(parts, home)
    twin = {block: group.one for group in groups for block in group.blocks}
    size = {group.one: group for group in groups}
    named = {node.id: key for block in twin for key, node in block.looks.items()}
    whole = {group.one: group.complete() for group in groups}

    def of(node: str) -> str:
        block = home[node]
        return whole[twin[block]][named[node]].id if block in twin else node

    shown = {group.one.nodes[0].id: group for group in groups if group.one.nodes}
    found = Parts(blocks=[], next=parts.next)
    for block in parts.blocks:
        if block not in twin:
            found.blocks.append(block)
        elif twin[block] not in found.blocks:
            found.blocks.append(twin[block])
    links: dict[tuple[object, ...], Edge] = {}
    times: Counter[tuple[object, ...]] = Counter()
    when: dict[tuple[object, ...], str] = {}
    onward: dict[tuple[object, ...], str] = {}
    parents = _parents(parts, home)
    spans = {block: block.steps[0] for block in parts.blocks}
    for edge in parts.links:
        a, b = home[edge.tail], home[edge.head]
        tail, head = of(edge.tail), of(edge.head)
        again = a is not b and a in twin and b in twin and twin[a] is twin[b]
        kind = "recurrent" if again else edge.kind
        role = edge.role if kind in ("state", "recurrent") else ""
        steps = spans[b] - spans[a] if again and a not in parents else 0
        key = (tail, head, kind, role, steps)
        links.setdefault(key, Edge(tail, head, kind, role=edge.role, style=edge.style))
        times[key] += 1
        onward[key] = f"t → t+{steps}" if steps > 0 else f"t+{-steps} → t" if steps else "to parent"
        when[key] = f"t = {spans[b if b in twin else a]}"
    del shown
    for key, edge in links.items():
        a, b = home[edge.tail], home[edge.head]
        steps = max(len(size[x].blocks) if x in size else 1 for x in (a, b))
        letter = edge.role if edge.role[:1] != "·" else ""
        if edge.kind == "recurrent":
            edge.label = f"{letter}  {onward[key]}" if letter else onward[key]
        elif steps > 1 and (a.kind in _OUTSIDE) != (b.kind in _OUTSIDE) and edge.kind != "hub":
            edge.label = (
                "every t" if times[key] == steps else when[key] if times[key] == 1 else "some t"
            )
    found.links = list(links.values())
    for group in groups:
        group.draw()
    notes = list(dict.fromkeys(note for group in groups for note in group.notes))
    if notes:
        block = Block("note")
        found.blocks.append(block)
        found.add(block, "caption", " · ".join(notes))
    return found


def _parents(parts: Parts, home: dict[str, Block]) -> set[Block]:
    """The steps of a tree that have a parent: each hands on to one step, not always the next."""
    onward: dict[Block, set[Block]] = defaultdict(set)
    children: dict[Block, set[Block]] = defaultdict(set)
    for edge in parts.links:
        a, b = home[edge.tail], home[edge.head]
        if edge.kind == "state" and (a.order, a.row) == (b.order, b.row) and a.kind in STEPS:
            onward[a].add(b)
            children[b].add(a)
    branching = any(len(x) > 1 for x in children.values())
    return {*onward} if branching and all(len(x) == 1 for x in onward.values()) else set()


STEPS = ("step", "cell")
_OUTSIDE = ("before", "after", "initial")

Looks = dict[Hashable, Node]
State = tuple[Hashable, ...]  # what passes a block's edge: its port, where from, whether cut


@dataclass
class _Group:
    """Steps of one lane that are drawn as `one` of them."""

    one: Block
    looks: Looks
    blocks: list[Block]
    states: set[State] | None = None  # what its steps take from the step before; None at first
    notes: list[str] = field(default_factory=list)

    def take(self, block: Block, states: set[State]) -> bool:
        """Draw `block` with the others, if it is the same; it may be the more complete one."""
        looks = block.looks
        if not _fits(looks, self.looks):
            return False
        if self.states is not None and states != self.states:
            cuts = {state[-1] for state in states | self.states}
            if len(cuts) > 1 or not (states <= self.states or self.states <= states):
                return False
        if len(_inside(looks)) > len(_inside(self.looks)):
            self.one, self.looks = block, looks
        self.states = states | (self.states or set())
        self.blocks.append(block)
        return True

    def complete(self) -> Looks:
        """The nodes drawn, with those points at the edge that only other steps have."""
        for block in self.blocks:
            ids = {node.id: key for key, node in block.looks.items()}
            fresh = {key for key in ids.values() if key not in self.looks}
            for key, node in block.looks.items():
                if key in fresh:
                    self.one.nodes.append(node)
                    self.looks[key] = node
            for edge in block.edges:
                if ids[edge.tail] in fresh or ids[edge.head] in fresh:
                    tail, head = (self.looks[ids[end]].id for end in (edge.tail, edge.head))
                    self.one.edges.append(Edge(tail, head, edge.kind, edge.label, edge.role))
        return self.looks

    def draw(self) -> None:
        """Which steps it shows, and what some of them lack; letters that are not those of all."""
        times = sorted(block.steps[0] for block in self.blocks)
        first = min(self.blocks, key=lambda block: block.steps[0])
        everything = _inside(self.looks)
        for block in self.blocks:
            lacking = [everything[key] for key in everything.keys() - block.looks.keys()]
            if lacking and block is not self.one:
                what = _words(lacking, [*everything.values()])
                starts = block is self.blocks[0] and block is not self.blocks[-1]
                why = "constant" if starts else "unused"
                lane = f"{block.name} · " if block.name else ""
                self.notes.append(f"{lane}t = {block.steps[0]}: {what} {why}")
            for key, node in block.looks.items():
                shown = self.looks[key]
                if shown.label != node.label and shown.plain:
                    shown.label = shown.plain
                if node.kind == "result" != shown.kind:
                    shown.kind = "result"
        self.one.column = min(block.column for block in self.blocks)
        self.one.titled, self.one.name = first.titled, first.name
        self.one.steps = (times[0], times[-1])


def _words(lacking: list[Node], order: list[Node]) -> str:
    """The letters of nodes, or their number."""
    letters = [node.label.partition(" = ")[0] for node in order if node in lacking]
    named = [x for x in letters if x.isidentifier() or x.rstrip("′").isidentifier()]
    if len(named) == len(letters) <= NAMED:
        return ", ".join(named)
    return f"{len(lacking)} operation{'s' * (len(lacking) > 1)}"


def _inside(looks: Looks) -> Looks:
    """Operations alone: without points at the edge, and what is given."""
    outer = ("port", "parameter", "input", "constant", "reference")
    return {key: node for key, node in looks.items() if node.kind not in outer}


def _fits(a: Looks, b: Looks) -> bool:
    """Whether one of two steps is the other without some operations, all of them known by form."""
    more = a.keys() ^ b.keys()
    if any((a.get(key) or b[key]).same is None for key in more):
        return False
    inner = _inside(a).keys(), _inside(b).keys()
    return inner[0] <= inner[1] or inner[1] <= inner[0]


def _groups(parts: Parts, home: dict[str, Block]) -> list[_Group]:
    """Neighbouring steps of each lane that are the same."""
    key_of = {node.id: key for b in parts.blocks for key, node in b.looks.items()}
    carried: dict[Block, set[State]] = defaultdict(set)
    for edge in parts.links:
        if edge.kind == "state" and home[edge.tail].kind != "initial":
            cut = edge.style.get("class") == "cut"
            carried[home[edge.head]].add((key_of[edge.head], key_of[edge.tail], cut))
    lanes: dict[tuple[int, int], list[Block]] = defaultdict(list)
    for block in parts.blocks:
        if block.kind in ("step", "cell"):
            lanes[block.order, block.row].append(block)
    groups: list[_Group] = []
    for lane in lanes.values():
        group: _Group | None = None
        for block in lane:
            if group is None or not group.take(block, carried[block]):
                group = _Group(block, block.looks, [block])
                groups.append(group)
    return groups
