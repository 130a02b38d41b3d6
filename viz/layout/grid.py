"""In which line, row and slot does a block stand, and which links need a track of their own?"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

from viz import theme
from viz.layout.block import BlockLayout
from viz.layout.tree import Tree
from viz.record.parts import Block, Edge, Parts

STEPS = ("step", "cell", "gap")
OUTSIDE = {"before": -2, "initial": -1}  # their columns, left of all steps; mirrored, right of them


@dataclass(slots=True)
class Frame:
    """Line, row and slot of a block; its lower left corner and the box around it, in points."""

    layout: BlockLayout
    line: int = 0
    row: int = 0
    slot: int = 0
    x: float = 0.0
    y: float = 0.0
    left: float = 0.0
    right: float = 0.0
    low: float = 0.0
    high: float = 0.0


@dataclass(slots=True)
class Layout:
    """Positions of all blocks and nodes (x, y, width, height); the size of the picture (points)."""

    parts: Parts
    home: dict[str, Block]
    frames: dict[Block, Frame] = field(default_factory=dict)
    at: dict[str, tuple[float, float, float, float]] = field(default_factory=dict)
    rows: int = 1  # in one line
    number: float = 0.0  # the width of the widest number between cells
    font: float = 0.0  # the smallest letters outside of steps
    width: float = 0.0
    height: float = 0.0
    floors: dict[int, float] = field(default_factory=dict)  # the first track below each row
    tracks: dict[tuple[object, ...], int] = field(default_factory=dict)
    stacks: dict[int, list[Block]] = field(default_factory=dict)  # the steps in each slot
    # the states of each lane of cells (order, row), from the top
    roles: dict[tuple[int, int], dict[str, None]] = field(default_factory=dict)
    bar: Block | None = None  # what gathers the values of steps, above all of them
    under: list[Block] = field(default_factory=list)  # these steps
    tree: Tree = field(default_factory=Tree)  # of the steps, if they branch
    # by node of a tree the lines between it and its children, from the top
    branches: dict[str, list[Edge]] = field(default_factory=dict)

    def carried(self, edge: Edge) -> tuple[str, str, int, int]:
        """The value that a link carries, and its lane: links that carry the same share a track."""
        tail = self.home[edge.tail]
        return edge.kind, edge.role, tail.order, tail.row

    def lift(self, block: Block, role: str) -> float:
        """How far above the middle of a cell, or below it, the state of this letter runs."""
        roles = list(self.roles.get((block.order, block.row), ()))
        if block.kind not in ("cell", "gap") or role not in roles or len(roles) < 2:
            return 0.0
        gap = min(1, 1.6 / (len(roles) - 1)) * theme.STATE_GAP  # all within the cell's height
        return ((len(roles) - 1) / 2 - roles.index(role)) * gap

    def turn(self, edge: Edge) -> float:
        """The room for a number where a line goes on in another line of cells; 0 elsewhere."""
        a, b = self.frames[self.home[edge.tail]], self.frames[self.home[edge.head]]
        if a.line == b.line or not self.roles or not edge.label:
            return 0.0
        return self.number

    def bare(self, node: str) -> bool:
        """True for a node at whose edge links end: that of a cell, or one that gathers steps."""
        block = self.home[node]
        if block.kind in ("cell", "gap"):
            return True
        return block.kind == "after" and next(n for n in block.nodes if n.id == node).kind != "port"

    def upright(self, tail: Block, head: Block) -> bool:
        """True if a line from block to block runs straight up or down."""
        alike = tail.kind == head.kind and tail.kind in ("cell", "gap")
        return alike and self.frames[tail].slot == self.frames[head].slot

    def track(self, edge: Edge) -> int | None:
        """The row below which a link runs; None for a direct one, from neighbour to neighbour."""
        tail, head = self.home[edge.tail], self.home[edge.head]
        a, b = self.frames[tail], self.frames[head]
        branch = head in self.tree.slot and tail in self.tree.slot
        if tail.kind == "hub" or head is self.bar or branch:
            return None
        if a.line != b.line:
            return (min(a.line, b.line) + 1) * self.rows - 1
        if a.row == b.row:
            ahead = (b.slot - a.slot) * (-1 if tail.mirrored else 1)
            return None if ahead == 1 or tail.kind == "initial" else a.row
        return None if self.upright(tail, head) else min(a.row, b.row)


def arrange(plan: Layout, per_line: int | None, raised: bool) -> None:
    """Line, row and slot of every block."""
    steps = [block for block in plan.parts.blocks if block.kind in STEPS]
    rows = _rows(plan, steps)
    plan.rows = max(rows.values(), default=0) + 1
    column = plan.tree.slot or {block: block.column for block in steps}
    columns = sorted(set(column.values()))
    number = {k: slot for slot, k in enumerate(columns)}
    if plan.tree.slot:
        per_line = len(columns)
    if per_line is None:
        widths: dict[int, float] = defaultdict(float)
        for block in steps:
            needed = plan.frames[block].layout.width + 2 * theme.MARGIN + theme.COLUMN_GAP
            widths[block.column] = max(widths[block.column], needed)
        lines = max(1, math.ceil(sum(widths.values()) / theme.LINE))
        per_line = math.ceil(len(columns) / lines)
    per_line = max(per_line, 1)
    last = (len(columns) - 1) // per_line if columns else 0
    starts = {rows[b] for b in plan.parts.blocks if b.kind == "initial" and b.mirrored}
    for block, frame in plan.frames.items():
        slot = number.get(column.get(block, block.column), 0)
        if block.kind == "after" or (block.kind == "initial" and block.mirrored):
            frame.line, frame.slot = last, len(columns) - last * per_line
            frame.slot += block.kind == "after" and rows[block] in starts
        elif block.kind in OUTSIDE:
            frame.slot = OUTSIDE[block.kind]
        else:
            frame.line, frame.slot = divmod(slot, per_line)
        frame.row = frame.line * plan.rows + rows.get(block, 0)
    for edge in plan.parts.links:
        a, b = plan.frames[plan.home[edge.tail]], plan.home[edge.head]
        if b.kind == "after" and a.line != last:
            plan.frames[b].slot = per_line + (
                rows[b] in starts
            )  # to the right of all lines, where edges can come down
    if raised and not last:
        _raise(plan, steps)
    used = sorted({frame.slot for frame in plan.frames.values()})
    number = {slot: k for k, slot in enumerate(used)}
    for frame in plan.frames.values():
        frame.slot = number[frame.slot]
    for block in steps:
        plan.stacks.setdefault(plan.frames[block].slot, []).append(block)


def _raise(plan: Layout, steps: list[Block]) -> None:
    """Put what gathers the values of several steps above them, if no other step is in between."""
    top: dict[int, int] = {}
    for block in steps:
        frame = plan.frames[block]
        top[frame.slot] = min(top.get(frame.slot, frame.row), frame.row)
    for bar in [block for block in plan.parts.blocks if block.kind == "after"]:
        links = [edge for edge in plan.parts.links if plan.home[edge.head] is bar]
        under = dict.fromkeys(plan.home[edge.tail] for edge in links)
        frames = [plan.frames[block] for block in under if block.kind in ("cell", "gap")]
        if (
            len({frame.slot for frame in frames}) > 1
            and len(frames) == len(under)
            and all(frame.row == top[frame.slot] for frame in frames)
            and all(plan.bare(edge.head) for edge in links)
        ):
            plan.bar, plan.under, plan.rows = bar, list(under), plan.rows + 1
            for frame in plan.frames.values():
                frame.row += 1
            plan.frames[bar].row, plan.frames[bar].slot = 0, frames[0].slot
            return


def _rows(plan: Layout, steps: list[Block]) -> dict[Block, int]:
    """Rows within a line: layers upwards, gradients below; what is outside beside what it joins."""
    keys = {block: (block.order, block.row) for block in steps}
    ordered = sorted(set(keys.values()), key=lambda key: (key[0], key[1] if key[0] else -key[1]))
    number = {key: k for k, key in enumerate(ordered)}
    rows = dict(plan.tree.row) or {block: number[key] for block, key in keys.items()}
    for edge in plan.parts.links:
        a, b = plan.home[edge.tail], plan.home[edge.head]
        for block, other in ((a, b), (b, a)):
            if (
                block not in rows
                and other in rows
                and (block.order == other.order or block.kind == "initial")
            ):
                rows[block] = rows[other]
    taken = {(block.kind, row) for block, row in rows.items()}
    for block in plan.parts.blocks:
        if block not in rows and block.kind not in ("hub", "note"):
            rows[block] = next(
                k for k in range(len(plan.parts.blocks)) if (block.kind, k) not in taken
            )
            taken.add((block.kind, rows[block]))
    return rows
