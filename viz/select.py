"""What does a record show? One walk over its operations, in the order of birth, makes the parts."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import numpy as np

from tinygrad_rnn import Tensor, ancestors
from viz.collapse import CHAIN, Gap, View, view
from viz.labels import array_name, formula, is_number, number_text, shape_text, title
from viz.parts import Block, Edge, Parts
from viz.places import Place, places


def select(roots: list[Tensor], detail: str, weights: str, budget: int) -> Parts:
    """The parts of the record behind `roots`.

    Parameters
    ----------
    detail
        ``"cell"``, ``"gate"`` or ``"op"``.
    weights
        ``"stub"`` (one small node per step), ``"hub"`` (one shared node) or ``"hide"``.
    budget
        More nodes than this, and the middle steps are left out.
    """
    record = ancestors(*roots)
    nodes = [node for node in record if node.op is not None]
    seen = view(nodes, places(nodes), detail, budget, set(roots))
    picture = _Selection(record, seen, set(roots), detail, weights)
    for node in nodes:
        picture.visit(node)
    picture.finish()
    if seen.left_out:
        text = f"{seen.left_out} of {seen.columns} steps are left out, to draw no more than {budget} nodes."
        note = Block("note")
        picture.parts.add(note, "caption", text)
        picture.parts.blocks.append(note)
    return picture.parts


class _Selection:
    """The parts so far, and the names under which nodes, stubs and ports are known."""

    def __init__(
        self, record: list[Tensor], seen: View, roots: set[Tensor], detail: str, weights: str
    ) -> None:
        self.parts, self.view, self.roots = Parts(), seen, roots
        self.detail, self.weights = detail, weights
        self.blocks: dict[object, Block] = {}
        self.names: dict[object, str] = {}
        self.merged: dict[object, Edge] = {}
        self.members: dict[object, list[Tensor]] = defaultdict(list)
        self.states: set[tuple[object, str]] = set()  # (lane, role) of what goes on to another step
        self.roles: dict[Tensor, str] = {}
        self.homes: dict[Tensor, set[object]] = defaultdict(set)  # the places that use a leaf
        counts: Counter[tuple[object, str]] = Counter()
        nodes = [node for node in record if node.op is not None]
        for node in nodes:
            here = seen.place[node]
            self.members[seen.owner[node]].append(node)
            letter = node.name or "·"
            counts[here, letter] += 1
            self.roles[node] = f"{letter} {counts[here, letter]}"
            for x in node.inputs:
                if type(x) is Tensor and x.op is None:
                    self.homes[x].add(here)
                elif (
                    type(x) is Tensor
                    and here is not seen.place[x]
                    and _lane(here) is _lane(seen.place[x])
                ):
                    if _lane(here) is not None:
                        self.states.add((_lane(here), self.roles[x]))
        self.born = {x.serial: x for x in record}
        self.initial = _initial_states(nodes, seen, self.roles)
        self.timed = any(_lane(place) is not None for place in seen.place.values())

    # -- nodes ------------------------------------------------------------------------------------

    def visit(self, node: Tensor) -> None:
        """Draw the edges into `node`, and `node` if it is the last of those drawn as one."""
        owner, here = self.view.owner[node], self.view.place[node]
        name = self.node(owner, here)
        for k, x in enumerate(node.inputs):
            if (node, k) in self.initial:
                self.start(node, k, x, name)
            elif type(x) is not Tensor:
                if not is_number(x) and not isinstance(here, Gap):
                    self.constant(node, k, x, name)
            elif x.op is None:
                self.leaf(node, k, x, name)
            elif self.view.owner[x] is owner:
                continue
            elif self.view.place[x] is here:
                self.inside(here, self.node(self.view.owner[x], here), name, node, k)
            else:
                self.across(node, k, x, name)

    def finish(self) -> None:
        """What a state is in other steps it is in the last as well: it leaves, though nothing drawn uses it."""
        for node, role in self.roles.items():
            place = self.view.place[node]
            if (
                (_lane(place), role) in self.states
                and not self.bare(place)
                and (place, ("out", role)) not in self.names
            ):
                tail, out = (
                    self.names[self.view.owner[node]],
                    self.port(place, ("out", role), "sink", role),
                )
                self.block(place).edges.append(Edge(tail, out, "state", role=role))

    def block(self, place: Place | Gap) -> Block:
        """The block of a place, made when its first node appears."""
        if place not in self.blocks:
            lane = place.lane
            if lane is None:
                block = Block(place.side if isinstance(place, Place) else "", row=-1)
                block.mirrored = isinstance(place, Place) and place.order % 2 == 1
            else:
                block = Block(
                    "step",
                    _title(place, self.detail),
                    lane.row,
                    place.column,
                    mirrored=lane.mirrored,
                )
                block.kind = (
                    "gap" if isinstance(place, Gap) else "cell" if self.detail == "cell" else "step"
                )
            block.order = lane.order if lane else place.order if isinstance(place, Place) else 0
            self.blocks[place] = block
            self.parts.blocks.append(block)
        return self.blocks[place]

    def node(self, owner: Any, place: Place | Gap) -> str:
        """The name of what stands for some operations; drawn at the first call."""
        if owner not in self.names:
            block = self.block(place)
            if isinstance(owner, Gap):
                name = self.parts.add(block, "elision", f"⋯ × {owner.steps}")
            elif isinstance(owner, Place):
                *outer, label = owner.lane.path if owner.lane else ("",)
                name = self.parts.add(block, "cell", label or "·", " · ".join(outer))
            else:
                name = self.parts.add(
                    block, self.kind(owner), self.text(owner), shape_text(owner.shape)
                )
            self.names[owner] = name
        return self.names[owner]

    def kind(self, node: Tensor) -> str:
        """The look of one operation, a key of the theme."""
        if node.op is not None and node.op.name == "stop_gradient":
            return "cut"
        if node in self.roots:
            return "result"
        if any(frame.of is not None for frame in node.scope):
            return "backward"
        return "state" if self.is_state(node) else "value" if node.name else "op"

    def is_state(self, node: Tensor) -> bool:
        """Whether the value, here or in another step of the lane, goes on to another step."""
        return (_lane(self.view.place[node]), self.roles[node]) in self.states

    def is_own(self, x: Tensor, here: Place | Gap) -> bool:
        """Whether a value was made by (another) step of the same lane."""
        return _lane(here) is not None and _lane(self.view.place[x]) is _lane(here)

    def text(self, node: Tensor) -> str:
        """The label of one operation and of those it stands for."""
        members = self.members[node]
        name = node.name or self.derivative(node)
        if len(members) == 1 and self.detail == "op":
            return title(
                node, name, [k for k in range(len(node.inputs)) if (node, k) in self.initial]
            )
        if all(n.op and n.op.name == "add" for n in members) and len(members) >= CHAIN:
            return f"{name + ' = ' if name else ''}sum of {len(members) + 1}"
        here = self.view.place[node]
        letters: dict[tuple[Tensor, int], str] = {}
        for n in members:
            for k, x in enumerate(n.inputs):
                if (n, k) in self.initial:
                    letters[n, k] = f"{_letter(self.initial[n, k])}[t−1]"
                elif type(x) is Tensor and x.name:
                    before = (
                        x.op is not None and self.view.place[x] is not here and self.is_own(x, here)
                    )
                    letters[n, k] = f"{x.name}[t−1]" if before else x.name
                elif isinstance(x, np.ndarray) and x.ndim:
                    letters[n, k] = array_name(x, n) or "data"
        return formula(members, node, name, letters)

    def derivative(self, node: Tensor) -> str | None:
        """``∂W`` for a gradient that was asked for, and for a sum of gradients; by what the record says it is of."""
        frame = next((f for f in reversed(node.scope) if f.of is not None), None)
        if frame is None or (node not in self.roots and frame.argument is not None):
            return None
        of = self.born.get(frame.of)
        target = of if of is None or frame.argument is None else of.inputs[frame.argument]
        return f"∂{target.name}" if type(target) is Tensor and target.name else None

    # -- edges ------------------------------------------------------------------------------------

    def edge(
        self,
        edges: list[Edge],
        tail: str,
        head: str,
        kind: str,
        use: tuple[Tensor, int],
        role: str = "",
        label: str = "",
    ) -> None:
        """An edge; where operations are drawn as one, so are the edges between the same two nodes."""
        key: object = (tail, head, role)
        if kind in ("data", "carry") and self.detail == "op":
            key = use
        if key not in self.merged:
            self.merged[key] = Edge(tail, head, kind, label, role)
            edges.append(self.merged[key])
        self.merged[key].uses.append(use)

    def inside(
        self, place: Place | Gap, tail: str, head: str, node: Tensor, k: int, kind: str = "data"
    ) -> None:
        """An edge within one block."""
        self.edge(self.block(place).edges, tail, head, kind, (node, k))

    def start(self, node: Tensor, k: int, x: Any, head: str) -> None:
        """The state before the first step, to the left of it, where the state of a step before would come from."""
        place = self.view.place[node]
        block = self.blocks.get(("initial", _lane(place)))
        if block is None:
            block = self.blocks["initial", _lane(place)] = Block("initial")
            self.parts.blocks.append(block)
        role = self.initial[node, k]
        key = (block, id(x), role)
        if key not in self.names:
            tensor = type(x) is Tensor
            letter = (
                (x.name or "leaf")
                if tensor
                else number_text(x)
                if is_number(x)
                else array_name(x, node) or "data"
            )
            kind = (
                "parameter"
                if tensor and len(self.homes[x]) > 1
                else "input"
                if tensor
                else "constant"
            )
            self.names[key] = self.parts.add(
                block, kind, letter, shape_text(np.shape(x.data if tensor else x))
            )
        if not self.bare(place):
            into = self.port(place, ("in", "initial", role), "source", role)
            self.edge(self.block(place).edges, into, head, "carry", (node, k))
            head = into
        self.edge(self.parts.links, self.names[key], head, "state", (node, k), role=_letter(role))

    def constant(self, node: Tensor, k: int, x: np.ndarray, head: str) -> None:
        """A plain array: a stub with its letter."""
        place = self.view.place[node]
        key = (place, id(x))
        if key not in self.names:
            letter = array_name(x, node)
            named = letter and not letter[0].isdigit() and letter[0] not in "−ni"
            self.names[key] = self.parts.add(
                self.block(place),
                "input" if named else "constant",
                letter or "data",
                shape_text(x.shape),
            )
        self.inside(place, self.names[key], head, node, k)

    def leaf(self, node: Tensor, k: int, x: Tensor, head: str) -> None:
        """A Tensor that was not computed: a stub per block, or one hub, or nothing."""
        place = self.view.place[node]
        shared = len(self.homes[x]) > 1 or not self.timed or _lane(place) is None
        if isinstance(place, Gap) or (shared and self.weights == "hide"):
            return
        kind = "parameter" if shared else "input"
        if shared and self.weights == "hub" and self.timed and _lane(place) is not None:
            hub = self.blocks.get("hub")
            if hub is None:
                hub = self.blocks["hub"] = Block("hub")
                self.parts.blocks.append(hub)
            if x not in self.names:
                self.names[x] = self.parts.add(hub, kind, x.name or "leaf", shape_text(x.shape))
            if self.detail == "cell":
                self.edge(
                    self.parts.links, self.names[x], head, "hub", (node, k), role=self.names[x]
                )
                return
            port = self.port(place, ("hub", x), "source")
            self.edge(self.parts.links, self.names[x], port, "hub", (node, k))
            self.inside(place, port, head, node, k, "parameter")
            return
        key = (place, x)
        if key not in self.names:
            self.names[key] = self.parts.add(
                self.block(place), kind, x.name or "leaf", shape_text(x.shape)
            )
        self.inside(place, self.names[key], head, node, k, "parameter" if shared else "data")

    def across(self, node: Tensor, k: int, x: Tensor, head: str) -> None:
        """A value from another block: out by a port, over by one link, in by a port."""
        here, there = self.view.place[node], self.view.place[x]
        if _order(here) > _order(there) and self.timed:
            self.reference(node, k, x, head)
            return
        tail = self.node(self.view.owner[x], there)
        role = self.roles[x]
        state = _lane(here) is _lane(there) and _lane(here) is not None
        kind = "state" if state else "cross"
        letter = x.name or ""
        if not self.bare(there):
            out = self.port(there, ("out", role), "sink", role)
            style = "state" if (_lane(there), role) in self.states else "link"
            self.edge(self.block(there).edges, tail, out, style, (node, k))
            tail = out
        if not self.bare(here):
            # what is outside of time takes the same value of all steps in by one port
            source = (
                (_lane(there) or there, role)
                if _lane(here) is None
                else x
                if not isinstance(there, Gap)
                else role
            )
            into = self.port(here, ("in", source), "source", role if state else "")
            self.edge(self.block(here).edges, into, head, "carry" if state else "data", (node, k))
            head = into
        self.edge(
            self.parts.links,
            tail,
            head,
            kind,
            (node, k),
            role=letter or role,
            label=letter if state else "",
        )

    def reference(self, node: Tensor, k: int, x: Tensor, head: str) -> None:
        """A value of the forward pass that a gradient uses: quoted beside it, for a line to each would hide the rest."""
        place = self.view.place[node]
        if isinstance(place, Gap):
            return
        key = (place, "reference", x)
        if key not in self.names:
            where = self.view.place[x]
            before = (
                isinstance(where, Place)
                and isinstance(place, Place)
                and where.lane
                and where.t != place.t
            )
            letter = (
                f"{x.name}[t−1]" if x.name and before and place.lane else x.name or title(x, None)
            )
            self.names[key] = self.parts.add(
                self.block(place), "reference", letter, shape_text(x.shape)
            )
        self.inside(place, self.names[key], head, node, k)

    def port(self, place: Place | Gap, key: object, rank: str, role: str = "") -> str:
        """The point at a block's edge where a value comes in or goes out."""
        if (place, key) not in self.names:
            self.names[place, key] = self.parts.add(self.block(place), "port", rank=rank, role=role)
        return self.names[place, key]

    def bare(self, place: Place | Gap) -> bool:
        """Whether links end at the one node of a block itself, which then needs no ports."""
        return isinstance(place, Gap) or (self.detail == "cell" and place.lane is not None)


def _initial_states(
    nodes: list[Tensor], seen: View, roles: dict[Tensor, str]
) -> dict[tuple[Tensor, int], str]:
    """What the first step of a lane is given in the place where the second step is given a state, and that state's role."""
    steps: dict[Place, list[Tensor]] = defaultdict(list)
    for node in nodes:
        place = seen.place[node]
        if isinstance(place, Place) and place.lane is not None and place in place.lane.places[:2]:
            steps[place].append(node)
    found = {}
    for first, program in steps.items():
        lane = first.lane
        if lane is None or lane.mirrored or first is not lane.places[0] or len(lane.places) < 2:
            continue
        for a, b in zip(program, steps[lane.places[1]], strict=False):
            if a.op is not b.op or len(a.inputs) != len(b.inputs):
                break
            for k, (x, y) in enumerate(zip(a.inputs, b.inputs, strict=True)):
                recorded = type(x) is Tensor and x.op is not None
                if (
                    type(y) is Tensor
                    and y.op is not None
                    and seen.place[y] is first
                    and not recorded
                ):
                    found[a, k] = roles[y]
    return found


def _letter(role: str) -> str:
    return role.rpartition(" ")[0]


def _lane(place: Place | Gap) -> object:
    return place.lane


def _order(place: Place | Gap) -> int:
    return place.order if isinstance(place, Place) else place.lane.order


def _title(place: Place | Gap, detail: str) -> str:
    """``t = 3``; of cells only in the lowest row, for the lines between layers run where a title would stand."""
    lane = place.lane
    if (
        isinstance(place, Gap)
        or lane is None
        or lane.path[-1] == ""
        or (detail == "cell" and lane.row)
    ):
        return ""
    return f"t = {place.t}" + (
        " · backward" if place.order == 1 else f" · backward {place.order}" if place.order else ""
    )
