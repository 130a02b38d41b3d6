"""Where does everything go? Blocks on the grid of layers and time, then the lines between them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from viz import routes, theme
from viz.dot import attributes, edge_line, graph, node_line, title
from viz.parts import Block, Edge, Parts
from viz.routes import Point
from viz.template import Template, template

WIDEST_PNG = 32_767  # pixels; beyond, renderers shrink the picture until nothing can be read


@dataclass(slots=True)
class _Frame:
    """A block's place on paper: its lower left corner, and the cell of the grid it stands in."""

    template: Template
    slot: int
    row: int
    x: float = 0.0
    y: float = 0.0
    left: float = 0.0
    right: float = 0.0
    low: float = 0.0
    high: float = 0.0


@dataclass(slots=True)
class Layout:
    """Positions of all nodes, and the bounding box, in points."""

    parts: Parts
    frames: dict[Block, _Frame]
    at: dict[str, tuple[float, float, float, float]]
    home: dict[str, Block]
    width: float = 0.0
    height: float = 0.0
    floors: dict[int, float] = field(default_factory=dict)  # the y of the gap below each row
    tracks: dict[tuple[int, str], int] = field(default_factory=dict)


def positioned(parts: Parts) -> tuple[str, float]:
    """DOT with a position for everything, and its width in points."""
    plan = _place(parts)
    lines = [_block_lines(k, block, plan) for k, block in enumerate(parts.blocks)]
    links = [_link(edge, plan) for edge in parts.links]
    box = f"0,0,{plan.width:.1f},{plan.height:.1f}"
    return graph([*lines, *links], bb=box), plan.width


# -- blocks -----------------------------------------------------------------------------------------------------------


def _place(parts: Parts) -> Layout:
    """Columns as wide as their widest block, rows as high as their highest, everything else around them."""
    home = {node.id: block for block in parts.blocks for node in block.nodes}
    rows = _rows(parts, home)
    slots = _slots(parts.blocks)
    frames = {b: _Frame(template(b), slots[b], rows[b]) for b in parts.blocks if b.kind not in ("hub", "note")}
    widths: dict[int, float] = defaultdict(float)
    heights: dict[int, float] = defaultdict(float)
    for block, frame in frames.items():
        head = theme.TITLE if block.title else 0
        widths[frame.slot] = max(widths[frame.slot], frame.template.width + 2 * theme.MARGIN)
        heights[frame.row] = max(heights[frame.row], frame.template.height + 2 * theme.MARGIN + head)
    plan = Layout(parts, frames, {}, home)
    gap = theme.COLUMN_GAP + (16 if any(edge.label for edge in parts.links) else 0)
    x, left = theme.MARGIN, {}
    for slot in sorted(widths):
        left[slot], x = x, x + widths[slot] + gap
    plan.width = x - gap + theme.MARGIN
    lanes = _tracks(plan)
    y, bottom = float(theme.MARGIN), {}
    notes = [b for b in parts.blocks if b.kind == "note"]
    for block in reversed(notes):
        frame = frames[block] = _Frame(template(block), 0, -1, theme.MARGIN, y)
        y += frame.template.height + 10
        plan.width = max(plan.width, frame.template.width + 2 * theme.MARGIN)
    for row in sorted(heights, reverse=True):
        used = lanes.get(row, 0)
        plan.floors[row] = y + used * theme.TRACK
        y += used * theme.TRACK + (theme.ROW_GAP / 2 if used else 0)
        bottom[row] = y
        y += heights[row] + theme.ROW_GAP
    plan.height = y - theme.ROW_GAP + theme.MARGIN
    for block in frames:
        if block.kind != "note":
            _settle(block, plan, left, widths, bottom, heights)
    _align(plan)
    for block in parts.blocks:
        if block.kind == "hub":
            laid = template(block)
            plan.width = max(plan.width, laid.width + 2 * theme.MARGIN)
            frames[block] = _Frame(laid, 0, -1, (plan.width - laid.width) / 2, plan.height + theme.ROW_GAP)
            plan.height += theme.ROW_GAP + laid.height + theme.MARGIN
    for block, frame in frames.items():
        for node, (nx, ny, w, h) in zip(block.nodes, frame.template.nodes, strict=True):
            plan.at[node.id] = (frame.x + nx, frame.y + ny, w, h)
    return plan


def _settle(
    block: Block,
    plan: Layout,
    left: dict[int, float],
    widths: dict[int, float],
    bottom: dict[int, float],
    heights: dict[int, float],
) -> None:
    """Put a block into the middle of its cell of the grid, below its title."""
    frame = plan.frames[block]
    head = theme.TITLE if block.title else 0
    frame.left, frame.right = left[frame.slot], left[frame.slot] + widths[frame.slot]
    frame.x = (frame.left + frame.right - frame.template.width) / 2
    frame.y = bottom[frame.row] + (heights[frame.row] - head - frame.template.height) / 2
    if block.kind == "cell":
        frame.y += head
    frame.low, frame.high = bottom[frame.row], bottom[frame.row] + heights[frame.row]


def _slots(blocks: list[Block]) -> dict[Block, int]:
    """Columns without the empty ones; -1 before the steps, the last after them."""
    columns = sorted({b.column for b in blocks if b.kind in ("step", "cell", "gap")})
    number = {column: k for k, column in enumerate(columns)}
    sides = {"before": -2, "initial": -1, "after": len(columns)}
    return {b: sides[b.kind] if b.kind in sides else number.get(b.column, 0) for b in blocks}


def _rows(parts: Parts, home: dict[str, Block]) -> dict[Block, int]:
    """Rows from the top: layers upwards, below them their gradients; what is outside of time beside what it joins."""
    keys = {b: (b.order, b.row) for b in parts.blocks if b.kind in ("step", "cell", "gap")}
    ordered = sorted(set(keys.values()), key=lambda key: (key[0], -key[1] if key[0] == 0 else key[1]))
    number = {key: k for k, key in enumerate(ordered)}
    rows = {block: number[key] for block, key in keys.items()}
    for edge in parts.links:
        a, b = home[edge.tail], home[edge.head]
        for block, other in ((a, b), (b, a)):
            if block not in rows and other in rows and block.order == other.order:
                rows[block] = rows[other]
    taken = {(b.kind, rows[b]) for b in rows if b not in keys}
    for block in parts.blocks:
        if block not in rows:
            row = 0
            while (block.kind, row) in taken:
                row += 1
            rows[block] = row
            taken.add((block.kind, row))
    return rows


def _align(plan: Layout) -> None:
    """Move what stands outside of time up or down, so that the first line to it runs straight."""
    done = set()
    for edge in reversed(plan.parts.links):
        for block, mine, theirs in (
            (plan.home[edge.head], edge.head, edge.tail),
            (plan.home[edge.tail], edge.tail, edge.head),
        ):
            other = plan.home[theirs]
            if block.kind in ("before", "initial", "after") and block not in done and other.kind in ("step", "cell"):
                done.add(block)
                frame = plan.frames[block]
                level = _height(plan, theirs) - _height(plan, mine)
                top = plan.height - theme.MARGIN - frame.template.height
                if frame.row == plan.frames[other].row:
                    frame.y = min(max(frame.y + level, theme.MARGIN), max(top, theme.MARGIN))


def _height(plan: Layout, node: str) -> float:
    block = plan.home[node]
    k = next(k for k, n in enumerate(block.nodes) if n.id == node)
    return plan.frames[block].y + plan.frames[block].template.nodes[k][1]


def _block_lines(k: int, block: Block, plan: Layout) -> str:
    frame = plan.frames[block]
    lines = []
    for node in block.nodes:
        x, y, w, h = plan.at[node.id]
        lines.append(node_line(node, pos=f"{x:.1f},{y:.1f}", width=f"{w / 72:.4f}", height=f"{h / 72:.4f}"))
    for edge, spline in zip(block.edges, frame.template.edges, strict=True):
        points = (f"{m + ',' if m else ''}{x + frame.x:.1f},{y + frame.y:.1f}" for m, x, y in spline)
        lines.append(edge_line(edge, pos=" ".join(points)))
    if block.kind not in ("step", "cell"):
        return "\n".join(f"  {line}" for line in lines)
    middle = frame.low + theme.TITLE / 2 if block.kind == "cell" else frame.high - theme.TITLE / 2
    box = {
        **theme.CLUSTER,
        **title(block),
        "bb": f"{frame.left:.1f},{frame.low:.1f},{frame.right:.1f},{frame.high:.1f}",
        "lp": f"{(frame.left + frame.right) / 2:.1f},{middle:.1f}",
        "lheight": "0.2",
        "lwidth": "0.6",
    }
    inside = [f"graph [{attributes(box)}]", *lines]
    return "\n".join([f"  subgraph cluster_{k} {{", *(f"    {line}" for line in inside), "  }"])


# -- links ------------------------------------------------------------------------------------------------------------


def _tracks(plan: Layout) -> dict[int, int]:
    """How many parallel lines run in the gap below each row. Lines to the same kind of input share one: a bus."""
    count: dict[int, int] = defaultdict(int)
    for edge in plan.parts.links:
        row = _track_row(edge, plan)
        if row is not None and (row, edge.role) not in plan.tracks:
            plan.tracks[row, edge.role] = count[row]
            count[row] += 1
    return count


def _track_row(edge: Edge, plan: Layout) -> int | None:
    """The row below which a link runs; None for a direct one."""
    tail, head = plan.home[edge.tail], plan.home[edge.head]
    if "hub" in (tail.kind, head.kind):
        return None
    a, b = plan.frames[tail], plan.frames[head]
    if a.row == b.row:
        return None if abs(a.slot - b.slot) == 1 or tail.kind == "initial" else a.row
    if tail.kind == head.kind == "cell" and a.slot == b.slot:
        return None
    return min(a.row, b.row)


def _link(edge: Edge, plan: Layout) -> str:
    tail, head = plan.home[edge.tail], plan.home[edge.head]
    a, b = plan.frames[tail], plan.frames[head]
    more: dict[str, str] = {}
    tip: Point | None = None
    row = _track_row(edge, plan)
    if tail.kind == "hub":
        start, end = _rim(plan, edge.tail, 0, -1), _rim(plan, edge.head, 0, 1)
        points = routes.fall(start, end)
    elif tail.kind == head.kind == "cell" and a.slot == b.slot and row is None:
        up = plan.at[edge.head][1] > plan.at[edge.tail][1]
        start, end = _rim(plan, edge.tail, 0, 1 if up else -1), _rim(plan, edge.head, 0, -1 if up else 1)
        tip, end = end, (end[0], end[1] + (-6 if up else 6))
        points = routes.fall(start, end)
    else:
        forward = 1 if not tail.mirrored else -1
        start = _side(plan, edge, edge.tail, forward)
        end = _side(plan, edge, edge.head, -1 if not head.mirrored else 1)
        if head.kind in ("cell", "gap"):
            back = -6 if not head.mirrored else 6
            tip, end = end, (end[0] + back, end[1])
        if row is None:
            points = routes.curve(start, end)
        else:
            floor = plan.floors[row] - plan.tracks[row, edge.role] * theme.TRACK
            xa = (a.right if not tail.mirrored else a.left) + 12 * forward
            xb = (b.left if not head.mirrored else b.right) - 12 * (1 if not head.mirrored else -1)
            points = routes.rounded([start, (xa, start[1]), (xa, floor), (xb, floor), (xb, end[1]), end])
    if edge.label:
        x, y = _label(edge, points, row is None)
        more["lp"] = f"{x:.1f},{y:.1f}"
    if tip:
        more["arrowhead"] = "normal"
    return "  " + edge_line(edge, pos=routes.text(points, tip), **more)


def _label(edge: Edge, points: list[Point], direct: bool) -> Point:
    """The middle of a link's label: above its beginning, or above the long straight piece of a detour."""
    if direct:
        (x, y), half = points[0], 2.6 * len(edge.label) + 5
        return x + (half if points[-1][0] > x else -half), y + 7
    flat = [p for p in points if p[1] == min(y for _, y in points)]
    return (flat[0][0] + flat[-1][0]) / 2, flat[0][1] + 7


def _rim(plan: Layout, node: str, right: int, up: int) -> Point:
    x, y, w, h = plan.at[node]
    return x + right * w / 2, y + up * h / 2


def _side(plan: Layout, edge: Edge, node: str, side: int) -> Point:
    """Where a link touches a node: a port is a point, a cell has a height of its own for each value."""
    x, y, w, h = plan.at[node]
    block = plan.home[node]
    if block.kind == "initial":
        return x + w / 2, y
    if block.kind not in ("cell", "gap"):
        return x, y
    roles = [e.role for e in plan.parts.links if e.kind == "state"][:16]
    order = sorted(dict.fromkeys(roles), key=roles.index)
    k = order.index(edge.role) if edge.role in order else len(order) // 2
    spread = (k - (len(order) - 1) / 2) * theme.STATE_GAP
    return x + side * w / 2, y - (spread if block.kind == "cell" else 0)
