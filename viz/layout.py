"""Where does every block stand? On a grid: time to the right, layers upwards, lines if need be."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

from viz import theme
from viz.parts import Block, Edge, Parts
from viz.template import Template, template

STEPS = ("step", "cell", "gap")
OUTSIDE = {"before": -2, "initial": -1}  # their columns, left of all steps


@dataclass(slots=True)
class Frame:
    """A block's place: line, row and slot; its lower left corner and the box around it (points)."""

    template: Template
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
    """Places of all blocks and nodes (x, y, width, height); the size of the picture (points)."""

    parts: Parts
    home: dict[str, Block]
    frames: dict[Block, Frame] = field(default_factory=dict)
    at: dict[str, tuple[float, float, float, float]] = field(default_factory=dict)
    rows: int = 1  # in one line
    width: float = 0.0
    height: float = 0.0
    floors: dict[int, float] = field(default_factory=dict)  # the first track below each row
    tracks: dict[tuple[object, ...], int] = field(default_factory=dict)

    roles: dict[str, float] = field(default_factory=dict)  # the states, numbered from the top

    def wire(self, edge: Edge) -> tuple[str, str, int, int]:
        """Links that carry the same value of the same lane share a track, as one wire."""
        tail = self.home[edge.tail]
        return edge.kind, edge.role, tail.order, tail.row

    def track(self, edge: Edge) -> int | None:
        """The row below which a link runs; None for a direct one, from neighbour to neighbour."""
        tail, head = self.home[edge.tail], self.home[edge.head]
        a, b = self.frames[tail], self.frames[head]
        if tail.kind == "hub":
            return None
        if a.line != b.line:
            return (min(a.line, b.line) + 1) * self.rows - 1
        if a.row == b.row:
            return None if abs(a.slot - b.slot) == 1 or tail.kind == "initial" else a.row
        return None if tail.kind == head.kind == "cell" and a.slot == b.slot else min(a.row, b.row)


def place(parts: Parts, per_line: int | None = None) -> Layout:
    """Put all blocks on the grid, `per_line` steps in a line (default: what fits `theme.LINE`)."""
    plan = Layout(parts, {node.id: block for block in parts.blocks for node in block.nodes})
    states = dict.fromkeys(e.role for e in parts.links if e.kind in ("state", "recurrent"))
    plan.roles = {role: float(k) for k, role in enumerate(states)}
    for block in parts.blocks:
        plan.frames[block] = Frame(template(block))
    _grid(plan, per_line)
    widths, heights = _sizes(plan)
    left = _columns(plan, widths)
    bottom = _levels(plan, heights)
    for block, frame in plan.frames.items():
        if block.kind not in ("hub", "note"):
            _settle(
                block,
                frame,
                left[frame.slot],
                widths[frame.slot],
                bottom[frame.row],
                heights[frame.row],
            )
    _align(plan)
    _hubs(plan)
    for block, frame in plan.frames.items():
        for node, (x, y, w, h) in zip(block.nodes, frame.template.nodes, strict=True):
            plan.at[node.id] = (frame.x + x, frame.y + y, w, h)
    return plan


# -- the grid -------------------------------------------------------------------------------------


def _grid(plan: Layout, per_line: int | None) -> None:
    """Line, row and slot of every block."""
    steps = [block for block in plan.parts.blocks if block.kind in STEPS]
    rows = _rows(plan, steps)
    plan.rows = max(rows.values(), default=0) + 1
    columns = sorted({block.column for block in steps})
    number = {column: k for k, column in enumerate(columns)}
    if per_line is None:
        widths: dict[int, float] = defaultdict(float)
        for block in steps:
            needed = plan.frames[block].template.width + 2 * theme.MARGIN + theme.COLUMN_GAP
            widths[block.column] = max(widths[block.column], needed)
        lines = max(1, math.ceil(sum(widths.values()) / theme.LINE))
        per_line = math.ceil(len(columns) / lines)
    per_line = max(per_line, 1)
    last = (len(columns) - 1) // per_line if columns else 0
    for block, frame in plan.frames.items():
        slot = number.get(block.column, 0)
        if block.kind == "after":
            frame.line, frame.slot = last, len(columns) - last * per_line
        elif block.kind in OUTSIDE:
            frame.slot = OUTSIDE[block.kind]
        else:
            frame.line, frame.slot = divmod(slot, per_line)
        frame.row = frame.line * plan.rows + rows.get(block, 0)
    for edge in plan.parts.links:
        a, b = plan.frames[plan.home[edge.tail]], plan.home[edge.head]
        if b.kind == "after" and a.line != last:
            plan.frames[b].slot = per_line  # to the right of all lines, where wires can come down
    used = sorted({frame.slot for frame in plan.frames.values()})
    for frame in plan.frames.values():
        frame.slot = used.index(frame.slot)


def _rows(plan: Layout, steps: list[Block]) -> dict[Block, int]:
    """Rows within a line: layers upwards, gradients below; what is outside beside what it joins."""
    keys = {block: (block.order, block.row) for block in steps}
    ordered = sorted(set(keys.values()), key=lambda key: (key[0], key[1] if key[0] else -key[1]))
    number = {key: k for k, key in enumerate(ordered)}
    rows = {block: number[key] for block, key in keys.items()}
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


# -- sizes ----------------------------------------------------------------------------------------


def _sizes(plan: Layout) -> tuple[dict[int, float], dict[int, float]]:
    """The width of each slot and the height of each row: those of the largest block in it."""
    widths: dict[int, float] = defaultdict(float)
    heights: dict[int, float] = defaultdict(float)
    for block, frame in plan.frames.items():
        if block.kind not in ("hub", "note"):
            head = theme.TITLE if block.title else 0
            widths[frame.slot] = max(widths[frame.slot], frame.template.width + 2 * theme.MARGIN)
            heights[frame.row] = max(
                heights[frame.row], frame.template.height + 2 * theme.MARGIN + head
            )
    return widths, heights


def _columns(plan: Layout, widths: dict[int, float]) -> dict[int, float]:
    """The left edge of each slot."""
    longest = max((len(edge.label) for edge in plan.parts.links if edge.kind == "state"), default=0)
    gap = theme.COLUMN_GAP + 4 * max(0, longest - 2)
    x, left = float(theme.MARGIN), dict[int, float]()
    for slot in sorted(widths):
        left[slot], x = x, x + widths[slot] + gap
    plan.width = x - gap + theme.MARGIN
    return left


def _levels(plan: Layout, heights: dict[int, float]) -> dict[int, float]:
    """The lower edge of each row, above the notes and the tracks that run below it."""
    used: dict[int, int] = defaultdict(int)
    for edge in plan.parts.links:
        row, key = plan.track(edge), plan.wire(edge)
        if row is not None and (row, *key) not in plan.tracks:
            plan.tracks[row, *key] = used[row]
            used[row] += 1
    y, bottom = float(theme.MARGIN), dict[int, float]()
    for block in reversed([block for block in plan.parts.blocks if block.kind == "note"]):
        frame = plan.frames[block]
        frame.x, frame.y = theme.MARGIN, y
        y += frame.template.height + 12
        plan.width = max(plan.width, frame.template.width + 2 * theme.MARGIN)
    for row in sorted(heights, reverse=True):
        plan.floors[row] = y + used[row] * theme.TRACK
        y += used[row] * theme.TRACK + (theme.ROW_GAP / 2 if used[row] else 0)
        bottom[row] = y
        y += heights[row] + theme.ROW_GAP
    plan.height = y - theme.ROW_GAP + theme.MARGIN
    return bottom


def _settle(
    block: Block, frame: Frame, left: float, width: float, low: float, height: float
) -> None:
    """Put a block into the middle of its cell of the grid; titles are below cells, above steps."""
    head = theme.TITLE if block.title else 0
    frame.left, frame.right, frame.low, frame.high = left, left + width, low, low + height
    frame.x = left + (width - frame.template.width) / 2
    frame.y = low + (height - head - frame.template.height) / 2
    if block.kind == "cell":  # in line with each other, whatever stands below them
        frame.y = frame.high - theme.MARGIN - frame.template.height


# -- what is outside of time ----------------------------------------------------------------------


def _align(plan: Layout) -> None:
    """Move what is outside of time, or left out, up or down, so that a line to it runs straight."""
    done = set()
    for edge in reversed(plan.parts.links):
        ends = (edge.tail, edge.head)
        for mine, theirs in (ends, ends[::-1]):
            block, other = plan.home[mine], plan.home[theirs]
            frame = plan.frames[block]
            beside = frame.row == plan.frames[other].row and other.kind in ("step", "cell")
            if block.kind in ("before", "after", "gap") and beside and block not in done:
                done.add(block)
                top = plan.height - theme.MARGIN - frame.template.height
                wanted = frame.y + _level(plan, theirs) - _level(plan, mine)
                frame.y = max(min(wanted, top), theme.MARGIN)


def _level(plan: Layout, node: str) -> float:
    block = plan.home[node]
    k = next(k for k, n in enumerate(block.nodes) if n.id == node)
    return plan.frames[block].y + plan.frames[block].template.nodes[k][1]


def _hubs(plan: Layout) -> None:
    """Shared parameters in a row above everything, with room for a track each."""
    for block, frame in plan.frames.items():
        if block.kind == "hub":
            plan.width = max(plan.width, frame.template.width + 2 * theme.MARGIN)
            frame.x = (plan.width - frame.template.width) / 2
            frame.y = plan.height + theme.TRACK * (len(block.nodes) + 1)
            plan.height = frame.y + frame.template.height + theme.MARGIN
