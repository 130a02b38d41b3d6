"""What does a record show? One walk over its operations, in the order of birth, makes the parts."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tinygrad_rnn import Tensor, ancestors
from viz import theme
from viz.record.alike import Use, constant_cone
from viz.record.calls import calls, parameter
from viz.record.collapse import LEAST, Gap, view
from viz.record.labels import is_number, shape_text
from viz.record.lanes import Section, sections
from viz.record.node_text import called, dashes, quoted, tip
from viz.record.nodes import Nodes
from viz.record.parts import Block, Edge, Parts
from viz.record.roles import Roles, read

CUT = "a cut: values go on, gradients do not come back"
BUNDLE = 20  # lines from one parameter within a block; beyond, it is drawn once per use


def select(
    roots: list[Tensor],
    detail: str,
    weights: str,
    budget: int,
    page: bool = False,
    opened: Collection[str] = (),
) -> Parts:
    """The parts of the record behind `roots`.

    Parameters
    ----------
    detail
        ``"cell"``, ``"gate"`` or ``"op"``.
    weights
        ``"stub"`` (one small node per step), ``"hub"`` (one shared node) or ``"hide"``.
    budget
        More of these than this (what they are given not counted), and the middle steps are left
        out.
    page
        Whether they are left out for the rest to be read on a page; then a single one may stay.
    opened
        Functions that are drawn operation by operation.
    """
    record = ancestors(*roots)
    nodes = [node for node in record if node.op is not None]
    least = 1 if page else LEAST
    inside = {} if detail == "op" else calls(nodes, opened)
    seen = view(nodes, sections(nodes, inside), detail, budget, set(roots), least, inside)
    picture = _Selection(read(record, roots, seen), detail, weights)
    for node in nodes:
        picture.visit(node)
    picture.finish()
    if _mark_cuts(picture.parts):
        note = picture.block("cuts", Block("note"))
        sample = (
            '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="3" CELLPADDING="1"><TR>'
            f"<TD>{dashes(theme.CUT)}</TD><TD>{CUT}</TD></TR></TABLE>"
        )
        picture.parts.add(note, "legend", f"       {CUT}", html=sample)
    if seen.left_out and not page:  # on a page there is room for a "⋯ × 96" alone
        note = picture.block("note", Block("note"))
        steps = f"{seen.left_out} of {seen.columns} steps are left out"
        things = "cells" if detail == "cell" else "operations"
        picture.parts.add(note, "caption", f"{steps}, to draw no more than {budget:,} {things}.")
    return picture.parts


class _Selection(Nodes):
    """The edges between them."""

    def __init__(self, roles: Roles, detail: str, weights: str) -> None:
        super().__init__(roles, detail, weights)
        self.drawn: dict[object, Edge] = {}

    def visit(self, node: Tensor) -> None:
        """Draw what stands for `node`, and the edges into it."""
        owner, here = self.owner[node], self.section[node]
        name = self.node(owner, here)
        for k, x in enumerate(node.inputs):
            use = (node, k)
            if use in self.roles.initial and not (type(x) is Tensor and x.op is not None):
                self.start(use, x, name, self.roles.initial[use])
            elif use in self.roles.absent and self.detail != "op":
                for role, first in self.behind(use).items():
                    self.start(use, first, name, role)
            elif type(x) is not Tensor:
                hidden = node in self.roles.view.inside and parameter(node, x) is None
                if not (is_number(x) or isinstance(here, Gap) or hidden):
                    self.edge(here, self.stub(here, x, use), name, use)
            elif x.op is None:
                self.leaf(use, x, name)
            elif self.owner[x] is owner:
                continue
            elif self.section[x] is here:
                self.edge(here, self.node(self.owner[x], here), name, use)
            else:
                self.across(use, x, name)

    def finish(self) -> None:
        """A state leaves the last step as it leaves the others, though nothing drawn uses it."""
        for node, role in self.roles.role.items():
            section = self.section[node]
            known = self.bare(section) or (section, "out", role) in self.names
            if self.roles.is_state(node) and not known:
                out = self.port(section, ("out", role), "sink", role, role)
                self.blocks[section].edges.append(Edge(self.names[self.owner[node]], out, "state"))

    def draw(self, edges: list[Edge], edge: Edge, use: Use) -> None:
        """Add an edge. Where operations are drawn as one, so are the edges between two nodes."""
        every = self.detail == "op" and edge.kind in ("data", "carry", "weight")
        # what joins many, a stack or a sum over steps, gets one line from one port
        if len(use[0].inputs) > 3 or len(self.roles.members[self.owner[use[0]]]) > 1:
            every = False
        key: object = use if every else (edge.tail, edge.head, edge.role)
        if key not in self.drawn:
            self.drawn[key] = edge
            edges.append(edge)
        self.drawn[key].uses.append(use)

    def edge(self, section: object, tail: str, head: str, use: Use, look: str = "data") -> None:
        """An edge within one block."""
        self.draw(self.block(section).edges, Edge(tail, head, look), use)

    def link(self, tail: str, head: str, use: Use, look: str, role: str, label: str = "") -> None:
        """An edge from one block to another."""
        self.draw(self.parts.links, Edge(tail, head, look, label, role), use)

    def leaf(self, use: Use, x: Tensor, head: str) -> None:
        """A Tensor that was not computed: a stub per block; if shared, a hub or nothing."""
        section = self.section[use[0]]
        in_time, weight = section.lane is not None, self.weight(x, use)
        if isinstance(section, Gap) or (weight and self.weights == "hide"):
            return
        if not (self.shared(x, use[0]) and weight and in_time and self.weights == "hub"):
            look = "weight" if weight else "data"
            # a bundle of lines to one node hides the rest, and dot would untangle it for minutes
            many = self.roles.homes[x][section] > BUNDLE
            stub = self.stub(section, x, use, use if many and not self.bare(section) else None)
            self.edge(section, stub, head, use, look)
            return
        self.block("hub", Block("hub"))
        hub = self.stub("hub", x, use)
        if not self.bare(section):
            port = self.port(section, ("hub", x), "source", same=x.serial)
            self.edge(section, port, head, use, "weight")
            head = port
        self.link(hub, head, use, "hub", hub)

    def behind(self, use: Use) -> dict[str, Any]:
        """The states that a constant of the first step was computed from; None if not recorded."""
        node, _ = use
        y = self.roles.absent[use]
        first = self.section[node]
        cone = constant_cone(y, self.section[y], first, self.roles.view)
        states = (x for n in cone for x in n.inputs if type(x) is Tensor)
        known = {
            role: n.inputs[argument]
            for (n, argument), role in self.roles.initial.items()
            if self.section[n] is first
        }
        roles = dict.fromkeys(self.roles.role[x] for x in states if self.section.get(x) is first)
        return {role: known.get(role) for role in roles}

    def start(self, use: Use, x: Any, head: str, role: str) -> None:
        """The state before the first step, where the state of a step before would come from."""
        section = self.section[use[0]]
        lane = section.lane
        mirrored = lane is not None and lane.mirrored
        if lane is None or lane.order or section.column != (self.right if mirrored else self.left):
            # there is no room beside the step, so it stands inside
            self.edge(section, self.stub(section, x, use, role), head, use, "carry")
            return
        outside = ("initial", lane)
        self.block(outside, Block("initial", mirrored=mirrored))
        tail = self.stub(outside, x, use, role)
        if not self.bare(section):
            first, second = lane.sections[:2]
            passed = ("state", role, second.t - first.t)
            port = self.port(section, ("in", "initial", role), "source", role, passed)
            self.edge(section, port, head, use, "carry")
            head = port
        self.link(tail, head, use, "state", self.roles.called(lane, role))

    def across(self, use: Use, x: Tensor, head: str) -> None:
        """A value from another block: out by a port, over by one link, in by a port."""
        here, there = self.section[use[0]], self.section[x]
        if _order(here) > _order(there) and self.roles.timed:
            self.reference(use, x, head)
            return
        role, tail = self.roles.role[x], self.node(self.owner[x], there)
        first = self.roles.initial.get(use, "")  # the role that `x` plays from here on
        state = there.lane is here.lane is not None or bool(first)
        if not self.bare(there):
            out = self.port(there, ("out", role), "sink", role, role)
            look = "state" if self.roles.is_state(x) else "link"
            self.draw(self.block(there).edges, Edge(tail, out, look), use)
            tail = out
        if not self.bare(here):
            # what is outside of time takes the same value of all steps in by one port
            source: object = x if not isinstance(there, Gap) else role
            outside = here.lane is None or here.lane.between
            key = ("in", there.lane, role) if outside else ("in", source, first)
            port = self.port(
                here, key, "source", (first or role) if state else "", self.roles.forms.given[use]
            )
            self.edge(here, port, head, use, "carry" if state else "data")
            head = port
        name = called(x, self.roles)
        travels = self.roles.called(here.lane, first) if first else name or role
        self.link(tail, head, use, "state" if state else "cross", travels, name * state)

    def reference(self, use: Use, x: Tensor, head: str) -> None:
        """A forward value in a gradient: quoted, for a line to each would hide the rest."""
        here = self.section[use[0]]
        if isinstance(here, Gap):
            return
        key = (here, "reference", x)
        if key not in self.names:
            label = quoted(x, here, self.section[x], self.roles)
            note, given = shape_text(x.shape), self.roles.forms.given[use]
            more = tip(x, x.name or "")
            self.names[key] = self.parts.add(
                self.block(here), "reference", label, note, tip=more, same=("quoted", given)
            )
        self.edge(here, self.names[key], head, use)


def _mark_cuts(parts: Parts) -> bool:
    """Draw links that lead into `stop_gradient` alone as cuts; True if there are any."""
    found = False
    for edge in parts.links:
        ends = [node.op is not None and node.op.name == "stop_gradient" for node, _ in edge.uses]
        if ends and all(ends):
            edge.style, found = dict(theme.CUT), True
    return found


def _order(section: Section | Gap) -> int:
    return section.order if isinstance(section, Section) else section.lane.order
