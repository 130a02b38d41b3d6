"""What is a block, a node, a stub or a port called, and what does it look like?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from typing import Any

import numpy as np

from tinygrad_rnn import Tensor
from viz.record.alike import Use
from viz.record.collapse import Gap
from viz.record.labels import shape_text, short
from viz.record.lanes import Section
from viz.record.node_text import digest, first, given, kind, lane_title, text, tip
from viz.record.parts import Block, Parts
from viz.record.roles import Roles


class Nodes:
    """The nodes so far. What is asked for by the same key is drawn once."""

    def __init__(self, roles: Roles, detail: str, weights: str) -> None:
        self.roles, self.detail, self.weights = roles, detail, weights
        self.owner, self.section = roles.view.owner, roles.view.section
        lanes = {section.lane for section in self.section.values() if section.lane is not None}
        self.several = sum(lane.order == 0 and not lane.between for lane in lanes) > 1
        columns = [section.column for lane in lanes for section in lane.sections]
        self.lowest: dict[tuple[int, int], int] = {}  # by order and column, the lowest row of it
        for lane in lanes:
            for key in ((lane.order, section.column) for section in lane.sections if section.timed):
                self.lowest[key] = min(self.lowest.get(key, lane.row), lane.row)
        self.left, self.right = min(columns, default=0), max(columns, default=0)
        self.gathers = self._gathers() if detail == "cell" else set[object]()
        self.carrying = {lane for lane, _ in roles.states}
        self.carrying |= {x for x in lanes if len(x.sections) == 1} - self._fed()
        self.last = {section: node for node, section in self.section.items()}
        self.parts = Parts()
        self.blocks: dict[object, Block] = {}
        self.names: dict[object, str] = {}

    def _fed(self) -> set[object]:
        """Lanes that read another; one of a single step that does not is no answer, but a cell."""
        ways = (
            (step.lane, self.roles.view.step[x].lane)
            for node, step in self.roles.view.step.items()
            for x in node.inputs
            if type(x) is Tensor and x.op
        )
        return {lane for lane, other in ways if other is not None and other is not lane}

    def _gathers(self) -> set[object]:
        """What follows the steps, if it is one node that reads several: a mean of losses."""
        owners: dict[object, set[object]] = defaultdict(set)
        columns: dict[object, set[int]] = defaultdict(set)
        for node, section in self.section.items():
            if isinstance(section, Section) and section.side == "after" and not section.order:
                owners[section].add(self.owner[node])
                ways = (self.section[x] for x in node.inputs if type(x) is Tensor and x.op)
                columns[section].update(s.column for s in ways if isinstance(s, Gap) or s.timed)
        several = {section for section, found in columns.items() if len(found) > 1}
        return {section for section in several if len(owners[section]) == 1}

    def block(self, section: object, fresh: Block | None = None) -> Block:
        """The block of a section: `fresh`, or one made when it is first asked for."""
        if section not in self.blocks:
            if fresh is None:
                fresh = self.fresh(section)
            self.blocks[section] = fresh
            self.parts.blocks.append(fresh)
        return self.blocks[section]

    def fresh(self, section: object) -> Block:
        """An empty block for a step, a gap, or what is outside of time."""
        cells = self.detail == "cell"
        if isinstance(section, Gap):
            lane = section.lane
            block = Block("gap", row=lane.row, column=section.column, mirrored=lane.mirrored)
            block.order = lane.order
        elif isinstance(section, Section) and section.lane is not None:
            lane = section.lane
            block = Block("cell" if cells and section.timed else "step")
            block.steps = (section.t, section.t)
            block.lane = lane.name
            block.name = lane_title(lane) if self.several and not cells else ""
            block.row, block.column, block.mirrored = lane.row, section.column, lane.mirrored
            block.order = lane.order
            block.loss = section.timed and self.look(section) == "loss"
            # of cells the lowest only: lines between layers run where it would be
            lowest = section.timed and lane.row == self.lowest[lane.order, section.column]
            block.titled = lowest or (section.timed and not cells)
        else:
            assert isinstance(section, Section)
            block = Block(section.side, order=section.order, mirrored=section.order % 2 == 1)
            block.loss = section.side == "after" and not section.order
        return block

    def node(self, owner: Tensor | Section | Gap, section: Section | Gap) -> str:
        """The name of the node that stands for some operations; drawn at the first call."""
        if owner not in self.names:
            block = self.block(section)
            if isinstance(owner, Gap):
                name = self.parts.add(block, "elision", f"⋯ × {owner.steps}")
            elif isinstance(owner, Section):
                *outer, cell = owner.lane.path if owner.lane else ("",)
                around = short(" · ".join(outer))
                look = self.look(owner)
                name = self.parts.add(block, look, short(cell) or "·", around, same="cell")
            else:
                label = text(owner, self.roles, every=self.detail == "op")
                look = kind(owner, self.roles)
                note, more = shape_text(owner.shape), tip(owner, owner.name or "")
                same = ("op", self.roles.forms.of[owner])
                name = self.parts.add(block, look, label, note, tip=more, same=same)
                block.nodes[-1].what = (
                    owner.name or "",
                    digest(owner, self.roles, self.detail == "op"),
                )
            self.names[owner] = name
        return self.names[owner]

    def look(self, section: Section) -> str:
        """Of a step that is one box: whether it hands on a state, or else gives one number."""
        if section.lane in self.carrying:
            return "cell"
        return "loss" if self.last[section].ndim == 0 else "layer"

    def stub(self, section: object, x: Any, use: Use, key: object = None) -> str:
        """A small node for something given, once per block (and `key`)."""
        key = (section, key, x if type(x) is Tensor else id(x))
        if key not in self.names and x is None:  # a state that the record does not have
            label = first(str(key[1]), use, self.roles)
            self.names[key] = self.parts.add(self.block(section), "constant", label)
        if key not in self.names:
            shared = type(x) is Tensor and self.shared(x, use[0])
            look, label = given(x, *use, self.weight(x, use), self.roles)
            form = self.roles.forms.of[use[0]]
            same = ("leaf", x.serial) if shared else ("given", form, use[1])
            plain = label.partition(" = ")[0] if look == "input" else ""
            x = x if type(x) is Tensor else np.asarray(x)
            note, more = shape_text(x.shape), tip(x, getattr(x, "name", None) or label)
            block = self.block(section)
            name = self.parts.add(block, look, label, note, tip=more, same=same, plain=plain)
            self.names[key] = name
        return self.names[key]

    def shared(self, x: Tensor, node: Tensor) -> bool:
        """True if several steps have a leaf, or the only one; that of one of several is its own."""
        lane = self.section[node].lane
        return len(self.roles.homes[x]) > 1 or lane is None or len(lane.sections) == 1

    def weight(self, x: Any, use: Use) -> bool:
        """True if a leaf is drawn as a parameter: what is shared, but for a sequence of inputs.

        A leaf of one step alone is one, too, if it is called the same at all steps and is what
        inputs are multiplied by, or added to all rows: untied copies.
        """
        if type(x) is not Tensor or x in self.roles.sequences:
            return False
        if self.shared(x, use[0]):
            return True
        node, k = use
        if not x.name or len(self.roles.words[self.roles.forms.of[node], k]) > 1:
            return False
        form = node.op.kind.form if node.op is not None else ""
        return (form == "product" and k == 1) or (form == "elementwise" and x.ndim < node.ndim)

    def port(
        self,
        section: Section | Gap,
        key: tuple[object, ...],
        rank: str,
        role: str = "",
        same: Hashable = None,
    ) -> str:
        """The point at a block's edge where a value comes in or goes out."""
        if (section, *key) not in self.names:
            block = self.block(section)
            port = self.parts.add(block, "port", rank=rank, role=role, same=(rank, same))
            self.names[section, *key] = port
        return self.names[section, *key]

    def bare(self, section: Section | Gap) -> bool:
        """True if a block is one node, at which links end without a port."""
        if isinstance(section, Gap):
            return True
        return self.detail == "cell" and (section.timed or section in self.gathers)
