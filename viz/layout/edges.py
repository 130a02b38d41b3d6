"""How do lines run between blocks, and what does the finished picture say in DOT?"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import replace
from itertools import pairwise

from viz import theme
from viz.layout import routes
from viz.layout.dot import attributes, edge_line, enlarged, graph, node_line, title
from viz.layout.grid import Frame, Layout
from viz.layout.place import place
from viz.layout.routes import ARROW, Point
from viz.record.parts import Block, Edge, Node, Parts

# Of a line past a step: from its box, and from the middle of a cell.
PAST, ASIDE = 8.0, 20.0
LIFT = 3.0  # of a label above a thick line
LEVEL = 0.5  # heights that differ by less are equal

Upright = tuple[float, float, float]  # x, the lower and the upper end


def positioned(parts: Parts, per_line: int | None = None) -> tuple[str, float, float]:
    """DOT with a position for everything; width and height of the picture in points."""
    plan = placed(parts, per_line)
    box = f"0,0,{plan.width:.1f},{plan.height:.1f}"
    return graph(lines(plan), bb=box), plan.width, plan.height


def placed(
    parts: Parts, per_line: int | None = None, font: float = 0.0, raised: bool = True
) -> Layout:
    """A position for everything, as `place` has it."""
    if any(block.kind == "cell" for block in parts.blocks):
        font = max(font, float(theme.HANDED))
    plan = place(parts, per_line, font, raised)
    for block in parts.blocks:
        if block.kind == "initial":
            spread(plan, block)
    return plan


def lines(plan: Layout, first: int = 0) -> list[str]:
    """All that stands in a layout, in DOT; `first` is the number of its first block."""
    parts = plan.parts
    found = [_block(k, block, plan) for k, block in enumerate(parts.blocks, first)]
    upright = uprights(plan)
    return found + [_link(edge, plan, upright) for edge in parts.links]


def uprights(plan: Layout) -> list[Upright]:
    """All upright pieces of the lines between blocks, from left to right."""
    return sorted(
        (x, min(y, end), max(y, end))
        for edge in plan.parts.links
        for (x, y), (other, end) in pairwise(_route(edge, plan)[0])
        if x == other and y != end
    )


def crossings(upright: list[Upright], left: float, right: float, y: float) -> list[float]:
    """Where upright pieces cross a height between two x."""
    some = upright[bisect_left(upright, (left,)) : bisect_right(upright, (right, math.inf))]
    return [x for x, low, high in some if low < y < high]


def _block(k: int, block: Block, plan: Layout) -> str:
    """A block's nodes and edges, moved to its position in the picture."""
    frame = plan.frames[block]
    lines = []
    for node in block.nodes:
        x, y, w, h = plan.at[node.id]
        size = {"width": f"{w / 72:.4f}", "height": f"{h / 72:.4f}"}
        if block.kind == "cell" and node.kind not in (*theme.STEPS, "result"):
            size["fontsize"] = theme.GIVEN
        elif block.kind not in ("step", "cell", "gap"):
            size |= enlarged(node, plan.font)
        lines.append(node_line(node, pos=f"{x:.1f},{y:.1f}", **size, **_tip(node)))
    for n, (edge, spline) in enumerate(zip(block.edges, frame.layout.edges, strict=True)):
        tip = next(((x + frame.x, y + frame.y) for mark, x, y in spline if mark), None)
        points = [(x + frame.x, y + frame.y) for mark, x, y in spline if not mark]
        more = _tip(edge)
        if edge.label and n in frame.layout.labels:
            x, y = frame.layout.labels[n]
            more = {**more, "lp": f"{x + frame.x:.1f},{y + frame.y + LIFT:.1f}"}
        lines.append(edge_line(edge, pos=_pos(edge, points, tip), **more))
    if block.kind not in ("step", "cell"):
        return "\n".join(f"  {line}" for line in lines)
    below = block.kind == "cell"
    middle = frame.low + theme.TITLE / 2 if below else frame.high - theme.TITLE / 2
    box = {
        **(theme.CELL_CLUSTER if block.kind == "cell" else theme.CLUSTER),
        **title(block),
        "bb": f"{frame.left:.1f},{frame.low:.1f},{frame.right:.1f},{frame.high:.1f}",
        "lp": f"{(frame.left + frame.right) / 2:.1f},{middle:.1f}",
        "fontsize": f"{max(plan.font, float(theme.CLUSTER['fontsize'])):g}",
        "lheight": "0.2",
        "lwidth": "0.6",
    }
    inside = [f"graph [{attributes(box)}]", *lines]
    return "\n".join([f"  subgraph cluster_{k} {{", *(f"    {line}" for line in inside), "  }"])


def _tip(thing: Node | Edge) -> dict[str, str]:
    return {"tooltip": thing.tip} if thing.tip else {}


def _link(edge: Edge, plan: Layout, upright: list[Upright]) -> str:
    """One line between blocks."""
    points, tip = _route(edge, plan)
    more = {**_tip(edge), "arrowhead": "normal"} if tip else _tip(edge)
    # beside what gathers steps of several lines, their letters would stand on each other
    crowded = plan.home[edge.head].kind == "after" and plan.bare(edge.head) and not plan.bar
    if crowded and edge.role and edge.label.startswith(edge.role):
        edge = replace(edge, label="")
    if edge.label:
        large = plan.bare(edge.head) and bool(plan.roles)
        x, y = _label(edge, points, plan.track(edge) is None, upright, large)
        more["lp"] = f"{x:.1f},{y:.1f}"
        own = float(theme.HANDED if large else theme.EDGE["fontsize"])
        if large or own < plan.font:
            more["fontsize"] = f"{max(own, plan.font):g}"
    return "  " + edge_line(edge, pos=_pos(edge, points, tip), **more)


def _pos(edge: Edge, points: list[Point], tip: Point | None) -> str:
    """A line's ``pos``, with its arrow at the end, or at the beginning where it points back."""
    if edge.style.get("dir") != "back":
        return routes.text(points, tip)
    if edge.style.get("arrowtail") == "none":
        return routes.text([*points[:-1], tip or points[-1]])
    points, back = routes.turned(points, tip)
    return routes.text(points, back=back)


def _route(edge: Edge, plan: Layout) -> tuple[list[Point], Point | None]:
    """The points of a line, and the tip of its arrow where it ends at a box instead of a port."""
    tail, head = plan.home[edge.tail], plan.home[edge.head]
    a, b, row = plan.frames[tail], plan.frames[head], plan.track(edge)
    if tail.kind == "hub":
        return _from_hub(edge, plan)
    if head is plan.bar:
        start, end = _rim(plan, edge.tail, 0, 1), _rim(plan, edge.head, 0, -1)
        return routes.fall(start, (start[0], end[1] - ARROW)), (start[0], end[1])
    if plan.upright(tail, head) and row is None:
        up = 1 if b.y > a.y else -1
        start, tip = _rim(plan, edge.tail, 0, up), _rim(plan, edge.head, 0, -up)
        between = _between(plan, a, b)
        if between:
            return _around(start, tip, a, b, -1 if not between[0].mirrored else 1)
        if len((head if up > 0 else tail).nodes) > 1:  # beside what the upper cell is given
            start, tip = (start[0] - theme.ASIDE, start[1]), (tip[0] - theme.ASIDE, tip[1])
        return routes.fall(start, (tip[0], tip[1] - up * ARROW)), tip
    out = -1 if tail.mirrored else 1
    into = -1 if head.mirrored else 1
    start, end = _touch(plan, edge, edge.tail, out), _touch(plan, edge, edge.head, -into)
    tip = end if plan.bare(edge.head) else None
    if tip:
        end = (end[0] - into * ARROW, end[1])
    if head in plan.tree.slot and tail in plan.tree.slot:  # past its label and what stands below
        leave = (a.right if out > 0 else a.left) + out * plan.number, start[1]
        arrive = b.left if into > 0 else b.right, end[1]
        return [start, start, leave, *routes.curve(leave, arrive), arrive, end, end], tip
    if row is None:
        return routes.curve(start, end), tip
    track = plan.tracks[row, *plan.carried(edge)]
    floor, away = plan.floors[row] - track * theme.TRACK, 10 + 4 * track
    away += 5 * ((a.row - b.row) % plan.rows != 0)  # not on top of a loop from step to step
    turn = plan.turn(edge)  # a number stands before the corner
    xa = (a.right if out > 0 else a.left) + out * (away + turn)
    xb = (b.left if into > 0 else b.right) - into * away
    return routes.rounded([start, (xa, start[1]), (xa, floor), (xb, floor), (xb, end[1]), end]), tip


def _between(plan: Layout, a: Frame, b: Frame) -> list[Block]:
    """The steps that stand between two of one column."""
    low, high = sorted((a.row, b.row))
    return [block for block in plan.stacks[a.slot] if low < plan.frames[block].row < high]


def _around(start: Point, tip: Point, a: Frame, b: Frame, side: int) -> tuple[list[Point], Point]:
    """Past the steps between two, on one side: where their state arrives, for its label is not.

    Lines from neighbouring rows keep a distance, where one ends and the next begins.
    """
    away = 2 * PAST + PAST * (a.row % 2)
    x = a.right + away if side > 0 else a.left - away
    up = 1 if tip[1] > start[1] else -1
    leave, arrive = (a.high + PAST, b.low - PAST) if up > 0 else (a.low - PAST, b.high + PAST)
    start, tip = (start[0] + side * ASIDE, start[1]), (tip[0] + side * ASIDE, tip[1])
    corners = [(start[0], leave), (x, leave), (x, arrive), (tip[0], arrive)]
    return routes.rounded([start, *corners, (tip[0], tip[1] - up * ARROW)]), tip


def _from_hub(edge: Edge, plan: Layout) -> tuple[list[Point], Point | None]:
    """From a shared parameter down to its own track, along it, and down to one step."""
    hub, head = plan.home[edge.tail], plan.home[edge.head]
    k = next(k for k, node in enumerate(hub.nodes) if node.id == edge.tail)
    start = _rim(plan, edge.tail, 0, -1)
    floor = plan.frames[hub].y - theme.TRACK * (k + 1)
    x, y, _, h = plan.at[edge.head]
    if head.kind == "cell":
        drop = x + (k - (len(hub.nodes) - 1) / 2) * theme.TRACK
        top = y + h / 2
        return routes.rounded([start, (start[0], floor), (drop, floor), (drop, top + ARROW)]), (
            drop,
            top,
        )
    drop = plan.frames[head].left - 7 * (k + 1)
    return routes.rounded([start, (start[0], floor), (drop, floor), (drop, y), (x, y)]), None


def _label(
    edge: Edge, points: list[Point], direct: bool, upright: list[Upright], large: bool
) -> Point:
    """The middle of a link's label: beside its beginning, or above the long piece of a detour.

    A `large` one is in the middle. Where other lines come down through a label it moves along its
    own, to where the fewest do.
    """
    half = (3.4 if large else 2.3) * len(edge.label) + 2
    places: list[Point] = []
    if direct or edge.kind == "state":
        (x, y), (end, level) = points[0], points[-1]
        if x == end:  # beside a line that goes straight up or down
            return x + half + 3, (y + level) / 2
        rises = points[1][1] == y < level - 4  # then the label would be in its way
        out = 1 if points[1][0] >= x else -1
        up = _above(edge) if large else 7.0
        y += -up if rises else up
        places = [(x + out * half, y)]
        if direct and abs(level - points[0][1]) < LEVEL:
            middle = (x + end) / 2, y
            places = [middle, *places] if large else [*places, middle]
            places += [(end - out * (half + ARROW), y), *_gaps(upright, x, end, y)]
    if not direct:
        floor = min(y for _, y in points)
        flat = [x for x, y in points if y == floor]
        places.append(((flat[0] + flat[-1]) / 2, floor + 7))
        if places[1:]:
            places += _gaps(upright, flat[0], flat[-1], floor + 7)
    return min(places, key=lambda at: len(crossings(upright, at[0] - half, at[0] + half, at[1])))


def _gaps(upright: list[Upright], one: float, other: float, y: float) -> list[Point]:
    """The middles between lines that cross a height between two x."""
    low, high = sorted((one, other))
    return [((a + b) / 2, y) for a, b in pairwise([low, *crossings(upright, low, high, y), high])]


def _above(edge: Edge) -> float:
    """From a line up to the middle of its number: past its width and its arrow."""
    return 0.6 * float(theme.HANDED) + 0.8 * float(edge.style.get("penwidth", 1))


def _rim(plan: Layout, node: str, right: int, up: int) -> Point:
    x, y, w, h = plan.at[node]
    return x + right * w / 2, y + up * h / 2


def _touch(plan: Layout, edge: Edge, node: str, side: int) -> Point:
    """Where a link touches a node: ports are points, a cell has a height for each state."""
    block = plan.home[node]
    if plan.bare(node):
        x, y = _rim(plan, node, side, 0)
        return x, y + (_branch(plan, edge, node) or plan.lift(block, edge.role))
    return _rim(plan, node, side, 0) if block.kind == "initial" else plan.at[node][:2]


def _branch(plan: Layout, edge: Edge, node: str) -> float:
    """How far above the middle of a cell a state of one of several children comes in."""
    lines = plan.branches.get(node, [])
    if len(plan.tree.children.get(plan.home[node], ())) < 2 or edge not in lines:
        return 0.0
    height = 0.8 * plan.at[node][3]
    return height * (0.5 - (lines.index(edge) + 0.5) / len(lines))


def spread(plan: Layout, block: Block) -> None:
    """Put each first state beside the port it goes to, in the order of the ports."""
    goal: dict[str, float] = {}
    for edge in plan.parts.links:
        if plan.home[edge.tail] is block:
            goal[edge.tail] = _touch(plan, edge, edge.head, -1)[1]
    top, low = math.inf, math.inf
    for node in sorted(block.nodes, key=lambda node: -goal[node.id]):
        x, _, w, h = plan.at[node.id]
        y = min(goal[node.id], top - h / 2)
        plan.at[node.id], top, low = (x, y, w, h), y - h / 2 - 6, y - h / 2
    lift = max(0.0, theme.MARGIN - low)
    for node in block.nodes:
        x, y, w, h = plan.at[node.id]
        plan.at[node.id] = (x, y + lift, w, h)
