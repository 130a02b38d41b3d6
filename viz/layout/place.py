"""Where does every block stand? On a grid: time to the right, layers upwards, lines if need be."""

from __future__ import annotations

from collections import Counter, defaultdict

from viz import theme
from viz.layout.belt import levelled
from viz.layout.block import BlockLayout, bar_layout, block_layout
from viz.layout.grid import STEPS, Frame, Layout, arrange
from viz.layout.states import order
from viz.layout.tree import tree
from viz.record.parts import Block, Edge, Parts


def place(
    parts: Parts, per_line: int | None = None, font: float = 0.0, raised: bool = True
) -> Layout:
    """Put all blocks on the grid, `per_line` steps in a line (default: what fits `theme.LINE`).

    `font` is the smallest size of letters outside of steps; `raised`: what gathers the values of
    cells stands above them, if they are in one line, and else to their right.
    """
    plan = Layout(parts, {node.id: block for block in parts.blocks for node in block.nodes})
    plan.font, plan.tree = font, tree(parts)
    for edge in parts.links:
        if edge.kind in ("state", "recurrent"):
            for block in (plan.home[edge.tail], plan.home[edge.head]):
                if block.kind in ("cell", "gap"):
                    plan.roles.setdefault((block.order, block.row), {}).setdefault(edge.role)
    read: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    for edge in parts.links:
        if edge.kind == "cross":
            tail = plan.home[edge.tail]
            read[tail.order, tail.row][edge.role] += 1
    for lane, roles in plan.roles.items():
        plan.roles[lane] = dict.fromkeys(order(roles, read[lane]))
    for block, layout in _layouts(plan).items():
        plan.frames[block] = Frame(layout)
    arrange(plan, per_line, raised)
    if plan.bar is not None:
        plan.frames[plan.bar].layout = bar_layout(plan.bar, 0.0, plan.font)
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
    _centre(plan)
    _align(plan)
    _over(plan)
    _turns(plan)
    _notes(plan)
    _hubs(plan)
    for block, frame in plan.frames.items():
        for node, (x, y, w, h) in zip(block.nodes, frame.layout.nodes, strict=True):
            plan.at[node.id] = (frame.x + x, frame.y + y, w, h)
    return plan


def _layouts(plan: Layout) -> dict[Block, BlockLayout]:
    """The layout of every block; through the steps of a lane each state runs at one height."""
    nodes = {node.id: node for block in plan.parts.blocks for node in block.nodes}
    leaving: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    for edge in plan.parts.links:
        if edge.kind == "cross":
            tail = plan.home[edge.tail]
            leaving[tail.order, tail.row][nodes[edge.tail].role] += 1
    layouts = {
        b: block_layout(b, leaving[b.order, b.row], 0.0 if b.kind in STEPS else plan.font)
        for b in plan.parts.blocks
    }
    lanes: dict[tuple[int, int], dict[Block, BlockLayout]] = defaultdict(dict)
    for block, layout in layouts.items():
        if block.kind == "step" and not plan.tree.slot:
            lanes[block.order, block.row][block] = layout
    for lane in lanes.values():
        layouts.update(levelled(lane))
    return layouts


# -- sizes ----------------------------------------------------------------------------------------


def _sizes(plan: Layout) -> tuple[dict[int, float], dict[int, float]]:
    """The width of each slot and the height of each row: those of the largest block in it."""
    widths: dict[int, float] = defaultdict(float)
    heights: dict[int, float] = defaultdict(float)
    for block, frame in plan.frames.items():
        if block.kind not in ("hub", "note"):
            head = theme.TITLE if block.title else 0
            wide = 0.0 if block is plan.bar else frame.layout.width + 2 * theme.MARGIN
            widths[frame.slot] = max(widths[frame.slot], wide)
            heights[frame.row] = max(
                heights[frame.row], frame.layout.height + 2 * theme.MARGIN + head
            )
    return widths, heights


def _columns(plan: Layout, widths: dict[int, float]) -> dict[int, float]:
    """The left edge of each slot."""
    longest = max((len(edge.label) for edge in plan.parts.links if edge.kind == "state"), default=0)
    gap = theme.COLUMN_GAP + 6.0 * max(0, longest - 2)
    if plan.roles:
        number = plan.number = 0.64 * max(float(theme.HANDED), plan.font) * longest
        # between cells stand numbers alone, or also lines that go from row to row
        lines = any(_upright(plan, edge) for edge in plan.parts.links)
        gap = max(30.0, number + theme.COLUMN_GAP if lines else number - theme.CELL_GAP)
    if plan.tree.slot:
        gap = 2.0 * theme.COLUMN_GAP + plan.number
    x, left = float(theme.MARGIN), dict[int, float]()
    for slot in sorted(widths):
        left[slot], x = x, x + widths[slot] + gap
    plan.width = x - gap + theme.MARGIN
    return left


def _upright(plan: Layout, edge: Edge) -> bool:
    """True for a line that goes up or down in the gap between two columns of one line."""
    tail, head = plan.home[edge.tail], plan.home[edge.head]
    a, b = plan.frames[tail], plan.frames[head]
    beside = head.kind in ("cell", "gap", "step") and tail.kind in ("cell", "gap", "step")
    if plan.track(edge) is None:
        return beside and a.slot == b.slot and abs(a.row - b.row) > 1
    return a.line == b.line and beside


def _levels(plan: Layout, heights: dict[int, float]) -> dict[int, float]:
    """The lower edge of each row, above the notes and the tracks that run below it."""
    used: dict[int, int] = defaultdict(int)
    for edge in plan.parts.links:
        row, key = plan.track(edge), plan.carried(edge)
        if row is not None and (row, *key) not in plan.tracks:
            plan.tracks[row, *key] = used[row]
            used[row] += 1
    y, bottom = float(theme.MARGIN), dict[int, float]()
    for block in reversed([block for block in plan.parts.blocks if block.kind == "note"]):
        frame = plan.frames[block]
        frame.x, frame.y = theme.MARGIN, y
        y += frame.layout.height + 8
        plan.width = max(plan.width, frame.layout.width + 2 * theme.MARGIN)
    for row in sorted({*heights, *used}, reverse=True):  # a line may have nothing in its last row
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
    frame.x = left + (width - frame.layout.width) / 2
    frame.y = low + (height - head - frame.layout.height) / 2
    if block.kind == "initial" and block.mirrored:  # beside the last step, however wide the slot
        frame.x = left + theme.MARGIN
    if block.kind == "cell":  # in line with each other, whatever stands below them
        frame.y = frame.high - theme.MARGIN - frame.layout.height


def _centre(plan: Layout) -> None:
    """Each step of a tree in the middle of its children, which stand in earlier columns."""
    frames = plan.frames
    for block in sorted(plan.tree.children, key=lambda block: plan.tree.slot[block]):
        below = [frames[child] for child in plan.tree.children[block]]
        if below:
            middle = (below[0].low + below[0].high + below[-1].low + below[-1].high) / 4
            move = middle - (frames[block].low + frames[block].high) / 2
            for side in ("y", "low", "high"):
                setattr(frames[block], side, getattr(frames[block], side) + move)
    for edge in plan.parts.links:
        tail, head = plan.home[edge.tail], plan.home[edge.head]
        for end, block, child in ((edge.head, head, tail), (edge.tail, tail, head)):
            if child in plan.tree.children.get(block, ()):
                plan.branches.setdefault(end, []).append(edge)
    for end, lines in plan.branches.items():
        lines.sort(key=lambda e: _from_top(plan, e, plan.home[e.tail if e.head == end else e.head]))


def _from_top(plan: Layout, edge: Edge, child: Block) -> tuple[int, float]:
    """A key that is smaller, the higher a line to a child leaves it."""
    return plan.frames[child].row, -plan.lift(child, edge.role)


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
                top = plan.height - theme.MARGIN - frame.layout.height
                wanted = frame.y + _level(plan, edge, theirs) - _level(plan, edge, mine)
                frame.y = max(min(wanted, top), theme.MARGIN)
    boxes: dict[int, float] = {}  # by row the middle of its cells
    for block, frame in plan.frames.items():
        for node, (_, y, _, _) in zip(block.nodes, frame.layout.nodes, strict=True):
            if node.kind in theme.STEPS:
                boxes[frame.row] = frame.y + y
    for block, frame in plan.frames.items():
        if block.kind == "gap" and block not in done and frame.row in boxes:
            frame.y = boxes[frame.row] - frame.layout.height / 2


def _over(plan: Layout) -> None:
    """Stretch what gathers steps from the first to the last of them."""
    if plan.bar is None:
        return
    frame, ends = plan.frames[plan.bar], list[float]()
    for block in plan.under:
        k = next(k for k, node in enumerate(block.nodes) if node.kind in (*theme.STEPS, "elision"))
        x, _, w, _ = plan.frames[block].layout.nodes[k]
        ends += [plan.frames[block].x + x + side * w / 2 for side in (-1, 1)]
    left, right = min(ends), max(ends)
    frame.layout = bar_layout(plan.bar, right - left, plan.font)
    frame.x = (left + right - frame.layout.width) / 2
    frame.left, frame.right = frame.x, frame.x + frame.layout.width


def _level(plan: Layout, edge: Edge, node: str) -> float:
    """The height at which an edge touches a node."""
    block = plan.home[node]
    k = next(k for k, n in enumerate(block.nodes) if n.id == node)
    y = plan.frames[block].y + plan.frames[block].layout.nodes[k][1]
    return y + plan.lift(block, edge.role)


def _turns(plan: Layout) -> None:
    """Room at the right for what goes on in the line below."""
    for edge in plan.parts.links:
        a, b = plan.frames[plan.home[edge.tail]], plan.frames[plan.home[edge.head]]
        if a.line != b.line:
            right = a.right + plan.turn(edge) + theme.COLUMN_GAP / 2
            plan.width = max(plan.width, right + theme.MARGIN)


def _notes(plan: Layout) -> None:
    """Legends and captions in the middle."""
    for block, frame in plan.frames.items():
        if block.kind == "note":
            frame.x = (plan.width - frame.layout.width) / 2


def _hubs(plan: Layout) -> None:
    """Shared parameters in a row above everything, with room for a track each."""
    for block, frame in plan.frames.items():
        if block.kind == "hub":
            plan.width = max(plan.width, frame.layout.width + 2 * theme.MARGIN)
            frame.x = (plan.width - frame.layout.width) / 2
            frame.y = plan.height + theme.TRACK * (len(block.nodes) + 1)
            plan.height = frame.y + frame.layout.height + theme.MARGIN
