"""Under which name is a block, a node, a stub or a port known, and what does it look like?"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn import Tensor
from viz.record.collapse import Gap
from viz.record.labels import shape_text, short
from viz.record.lanes import Place
from viz.record.node_text import given, kind, lane_title, text, tip
from viz.record.parts import Block, Parts
from viz.record.roles import Reading


class Nodes:
    """The nodes so far. What is asked for by the same key is drawn once."""

    def __init__(self, reading: Reading, detail: str, weights: str) -> None:
        self.reading, self.detail, self.weights = reading, detail, weights
        self.owner, self.place = reading.view.owner, reading.view.place
        lanes = {place.lane for place in self.place.values() if place.lane is not None}
        self.several = sum(lane.order == 0 and not lane.between for lane in lanes) > 1
        columns = [place.column for lane in lanes for place in lane.places]
        self.lowest: dict[tuple[int, int], int] = {}  # by order and column, the lowest row of it
        for lane in lanes:
            for key in ((lane.order, place.column) for place in lane.places if place.timed):
                self.lowest[key] = min(self.lowest.get(key, lane.row), lane.row)
        self.left, self.right = min(columns, default=0), max(columns, default=0)
        self.parts = Parts()
        self.blocks: dict[object, Block] = {}
        self.names: dict[object, str] = {}

    def block(self, place: object, fresh: Block | None = None) -> Block:
        """The block of a place; `fresh` or one made for the place when it is first asked for."""
        if place not in self.blocks:
            if fresh is None:
                fresh = self.fresh(place)
            self.blocks[place] = fresh
            self.parts.blocks.append(fresh)
        return self.blocks[place]

    def fresh(self, place: object) -> Block:
        """An empty block for a step, a gap, or what is outside of time."""
        cells = self.detail == "cell"
        if isinstance(place, Gap):
            lane = place.lane
            block = Block("gap", row=lane.row, column=place.column, mirrored=lane.mirrored)
            block.order = lane.order
        elif isinstance(place, Place) and place.lane is not None:
            lane = place.lane
            block = Block("cell" if cells and place.timed else "step")
            block.steps = (place.t, place.t)
            block.name = lane_title(lane) if self.several and not cells else ""
            block.row, block.column, block.mirrored = lane.row, place.column, lane.mirrored
            block.order = lane.order
            # of cells the lowest only: lines between layers run where it would be
            lowest = place.timed and lane.row == self.lowest[lane.order, place.column]
            block.titled = lowest or (place.timed and not cells)
        else:
            assert isinstance(place, Place)
            block = Block(place.side, order=place.order, mirrored=place.order % 2 == 1)
        return block

    def node(self, owner: Tensor | Place | Gap, place: Place | Gap) -> str:
        """The name of what stands for some operations; drawn at the first call."""
        if owner not in self.names:
            block = self.block(place)
            if isinstance(owner, Gap):
                name = self.parts.add(block, "elision", f"⋯ × {owner.steps}")
            elif isinstance(owner, Place):
                *outer, cell = owner.lane.path if owner.lane else ("",)
                name = self.parts.add(block, "cell", short(cell) or "·", short(" · ".join(outer)))
            else:
                label = text(owner, self.reading, every=self.detail == "op")
                look = kind(owner, self.reading)
                note, more = shape_text(owner.shape), tip(owner, owner.name or "")
                name = self.parts.add(block, look, label, note, tip=more)
            self.names[owner] = name
        return self.names[owner]

    def stub(self, place: object, x: Any, node: Tensor, key: object = None) -> str:
        """A small node for something given, once per block (and `key`)."""
        key = (place, key, x if type(x) is Tensor else id(x))
        if key not in self.names:
            shared = type(x) is Tensor and self.shared(x, node)
            look, label = given(x, node, shared)
            x = x if type(x) is Tensor else np.asarray(x)
            note, more = shape_text(x.shape), tip(x, getattr(x, "name", None) or label)
            self.names[key] = self.parts.add(self.block(place), look, label, note, tip=more)
        return self.names[key]

    def shared(self, x: Tensor, node: Tensor) -> bool:
        """Whether a leaf is a parameter; what only one step of several uses is an input of it."""
        lane = self.place[node].lane
        return len(self.reading.homes[x]) > 1 or lane is None or len(lane.places) == 1

    def port(self, place: Place | Gap, key: tuple[object, ...], rank: str, role: str = "") -> str:
        """The point at a block's edge where a value comes in or goes out."""
        if (place, *key) not in self.names:
            port = self.parts.add(self.block(place), "port", rank=rank, role=role)
            self.names[place, *key] = port
        return self.names[place, *key]

    def bare(self, place: Place | Gap) -> bool:
        """Whether a block is one node, at which links end without a port."""
        return isinstance(place, Gap) or (self.detail == "cell" and place.timed)
