"""At which height does each state run? At one through all steps, and its way is seen at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from statistics import median

from viz.layout.block import BlockLayout, Spline
from viz.layout.states import carried
from viz.record.parts import Block, Edge

APART = 16.0  # points between the heights of two states, at least
LEAD = (12.0, 40.0)  # the shortest and the longest way from a port to where the block wants it
LEVEL = 0.5  # heights that differ by less are equal


def levelled(layouts: Mapping[Block, BlockLayout]) -> dict[Block, BlockLayout]:
    """The blocks of one lane, with the ports of each state at the height it has in most of them.

    Blocks of a lane are centred on one line, from which heights are measured.
    """
    heights: dict[str, list[float]] = defaultdict(list)
    for block, layout in layouts.items():
        states = carried(block)
        for node, (_, y, _, _) in zip(block.nodes, layout.nodes, strict=True):
            if node.kind == "port" and node.role in states:
                heights[node.role].append(y - layout.height / 2)
    belts: dict[str, float] = {}
    below = -float("inf")
    for role in sorted(heights, key=lambda role: median(heights[role])):
        belts[role] = below = max(median(heights[role]), below + APART)
    return {block: _led(block, layout, belts) for block, layout in layouts.items()}


def _led(block: Block, layout: BlockLayout, belts: Mapping[str, float]) -> BlockLayout:
    """The layout with its states' ports on their belts, and lines that lead to where they were."""
    wanted = {
        node.id: belts[node.role] + layout.height / 2
        for node in block.nodes
        if node.kind == "port" and node.rank in ("source", "sink") and node.role in belts
    }
    old = {node.id: place for node, place in zip(block.nodes, layout.nodes, strict=True)}
    far = max((abs(old[n][1] - y) for n, y in wanted.items()), default=0.0)
    if far < LEVEL:
        return layout
    lead = min(max(LEAD[0], far / 2), LEAD[1])
    # where a belt runs outside of the block, it grows, on both sides for its middle to stay
    room = max(0.0, *(max(-y, y - layout.height) + 4 for y in wanted.values()))
    nodes: list[tuple[float, float, float, float]] = []
    ports: dict[str, tuple[float, float]] = {}
    width = layout.width + 2 * lead
    for node in block.nodes:
        x, y, w, h = old[node.id]
        x, y = x + lead, y + room
        if node.kind == "port" and node.rank in ("source", "sink"):
            left = (node.rank == "source") != block.mirrored
            x = x - lead if left else x + lead
            y = wanted.get(node.id, y - room) + room
            ports[node.id] = (x, y)
        nodes.append((x, y, w, h))
    edges = [
        _extended(edge, [(mark, x + lead, y + room) for mark, x, y in spline], ports)
        for edge, spline in zip(block.edges, layout.edges, strict=True)
    ]
    labels = {k: (x + lead, y + room) for k, (x, y) in layout.labels.items()}
    return BlockLayout(nodes, edges, width, layout.height + 2 * room, labels)


def _extended(edge: Edge, spline: Spline, ports: Mapping[str, tuple[float, float]]) -> Spline:
    """An edge that starts or ends at a port, led to where the port now stands."""
    marks = [point for point in spline if point[0]]
    points = [(x, y) for mark, x, y in spline if not mark]
    if edge.tail in ports:
        start, (x, y) = ports[edge.tail], points[0]
        middle = (start[0] + x) / 2
        points = [start, (middle, start[1]), (middle, y), *points]
    if edge.head in ports:
        end, (x, y) = ports[edge.head], points[-1]
        middle = (end[0] + x) / 2
        points += [(middle, y), (middle, end[1]), end]
        marks.clear()  # a line ends at a port without an arrow
    return [*marks, *(("", x, y) for x, y in points)]
