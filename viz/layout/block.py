"""How is one block laid out? By dot, once for all blocks that are alike; a single cell by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

from viz import theme
from viz.layout.dot import block_source
from viz.layout.graphviz import arrange
from viz.layout.routes import ARROW
from viz.layout.states import carried, order, port_order, ways
from viz.record.parts import Block, Node

LARGEST = 5_000  # nodes that dot lays out in one piece within seconds
STARTS = ((50, False), (5, True), (5, False))  # weights of the states' ways; a spine beside them
NONE: Mapping[str, int] = MappingProxyType({})

Spline = list[tuple[str, float, float]]  # marks ("e," for the arrow's tip) and points


@dataclass(frozen=True, slots=True)
class BlockLayout:
    """Positions of nodes (x, y, width, height) and edges, in points from the lower left corner."""

    nodes: list[tuple[float, float, float, float]]
    edges: list[Spline]
    width: float
    height: float
    labels: dict[int, tuple[float, float]] = field(default_factory=dict)  # by number of the edge

    def mirror(self) -> BlockLayout:
        """The same, flowing from right to left."""
        return BlockLayout(
            [(self.width - x, y, w, h) for x, y, w, h in self.nodes],
            [[(mark, self.width - x, y) for mark, x, y in spline] for spline in self.edges],
            self.width,
            self.height,
            {k: (self.width - x, y) for k, (x, y) in self.labels.items()},
        )


def block_layout(block: Block, leaving: Mapping[str, int] = NONE, font: float = 0.0) -> BlockLayout:
    """The layout of a block, from the cache if an equal one was laid out before.

    `leaving` counts, by state, the lines to blocks that are not the next step; `font` is the
    smallest size of letters outside of steps.
    """
    if block.kind == "cell":
        return _cell(block)
    if block.kind == "hub":
        return _row(block, font)
    if block.kind == "initial":
        return _column(block, font).mirror() if block.mirrored else _column(block, font)
    if len(block.nodes) == 1:
        width, height = _size(block.nodes[0], font)
        return BlockLayout([(width / 2, height / 2, width, height)], [], width, height)
    if len(block.nodes) > LARGEST:
        where = f"step {block.title!r}" if block.title else "expression without steps"
        raise ValueError(
            f"drawing: one {where} shows {len(block.nodes):,} nodes; beyond {LARGEST:,} its layout "
            "takes minutes. Record the steps of a loop under scope(name, t=t), or show less: "
            'detail="gate" or "cell". The DOT text is there all the same: .source.'
        )
    laid = _straightest(block, order(carried(block), leaving), font)
    return laid.mirror() if block.mirrored else laid


def _straightest(block: Block, roles: list[str], font: float) -> BlockLayout:
    """The layout whose states run most nearly straight through, in this order from the top.

    dot stops at an order of nodes that it cannot easily improve, and finds another one from another
    start: other weights, or a spine beside the lower states, which holds their room free.
    """
    if block.order:  # a gradient's states leave in the order that suits dot, and come in so too
        laid = _by_dot(block_source(block, straight=dict.fromkeys(ways(block), 5)))
        sinks = [k for k, node in enumerate(block.nodes) if node.rank == "sink" and node.role]
        leave = [block.nodes[k].role for k in sorted(sinks, key=lambda k: -laid.nodes[k][1])]
        roles = [role for role in leave if role in roles]
        held, starts = [port_order(block, "source", roles)], STARTS[:1]
    else:
        held = [port_order(block, rank, roles) for rank in ("source", "sink")]
        starts = STARTS
    best, least = None, math.inf
    for weight, spine in starts:
        beside = roles[1:] or roles
        rods = [(k, n) for k, n in _pairs(block) if spine and block.nodes[k].role in beside]
        laid = _by_dot(block_source(block, held, dict.fromkeys(ways(block), weight), rods, font))
        bent = _bent(block, laid)
        if best is None or bent < least - 1:
            best, least = laid, bent
        if least < 1:
            break
    assert best is not None
    return best


def _bent(block: Block, laid: BlockLayout) -> float:
    """By how much the states' ways rise and fall; above all, how far their two ends are apart."""
    y = {node.id: at[1] for node, at in zip(block.nodes, laid.nodes, strict=True)}
    bent = sum(abs(y[block.edges[k].tail] - y[block.edges[k].head]) for k in ways(block))
    return bent + 4 * sum(abs(laid.nodes[k][1] - laid.nodes[n][1]) for k, n in _pairs(block))


def _pairs(block: Block) -> list[tuple[int, int]]:
    """By number of the node: where each state comes in and where it leaves."""
    out = {n.role: k for k, n in enumerate(block.nodes) if n.rank == "sink" and n.role}
    coming = [(k, n.role) for k, n in enumerate(block.nodes) if n.rank == "source" and n.role]
    return [(k, out[role]) for k, role in coming if role in out]


@lru_cache(maxsize=256)
def _by_dot(dot: str) -> BlockLayout:
    drawing = json.loads(arrange(dot))
    nodes: dict[int, tuple[float, float, float, float]] = {}
    for thing in drawing.get("objects", []):
        if "pos" in thing:
            x, y = map(float, thing["pos"].split(","))
            w, h = float(thing["width"]) * 72, float(thing["height"]) * 72
            nodes[int(thing["name"][1:])] = (x, y, w, h)
    # dot gives the edges in an order of its own
    found = [edge for edge in drawing.get("edges", []) if "id" in edge]
    found.sort(key=lambda edge: int(edge["id"]))
    edges = [_spline(edge["pos"]) for edge in found]
    labels: dict[int, tuple[float, float]] = {}
    for k, edge in enumerate(found):
        if "lp" in edge:
            x, y = map(float, edge["lp"].split(","))
            labels[k] = x, y
    _, _, width, height = map(float, drawing["bb"].split(","))
    return BlockLayout([nodes[k] for k in sorted(nodes)], edges, width, height, labels)


def _spline(pos: str) -> Spline:
    found: Spline = []
    for token in pos.split():
        *mark, x, y = token.split(",")
        found.append((f"{mark[0]}," if mark else "", float(x), float(y)))
    return found


def _cell(block: Block) -> BlockLayout:
    """A cell, with what it is given in a row below it; beside a line that comes up from a layer."""
    sizes = {
        node.id: _size(node, 0 if node.kind in (*theme.STEPS, "result") else float(theme.GIVEN))
        for node in block.nodes
    }
    cell = next(node.id for node in block.nodes if node.kind in (*theme.STEPS, "result"))
    below = [node.id for node in block.nodes if node.id != cell]
    (width, height), gap, drop = sizes[cell], 8.0, 20.0
    row = sum(sizes[n][0] + gap for n in below) - gap if below else 0.0
    deep = max(sizes[n][1] for n in below) + drop if below else 0.0
    beside = 0.0 if block.titled else theme.ASIDE - gap  # how far left of the middle it may begin
    total = max(width, row if block.titled else 2 * (row - beside))
    at = {cell: (total / 2, deep + height / 2)}
    x = (total - row) / 2 if block.titled else total / 2 - beside
    for n in below:
        at[n] = (x + sizes[n][0] / 2, deep - drop - sizes[n][1] / 2)
        x += sizes[n][0] + gap
    edges: list[Spline] = []
    for edge in block.edges:
        x, y = at[edge.tail]
        start, tip = (
            (x, y + sizes[edge.tail][1] / 2),
            (total / 2 + max(-1, min(1, 2 * (x - total / 2) / row)) * 0.35 * min(row, width), deep),
        )
        step = ((tip[0] - start[0]) / 3, (tip[1] - 6 - start[1]) / 3)
        edges.append(
            [
                ("e,", *tip),
                *(("", start[0] + k * step[0], start[1] + k * step[1]) for k in range(4)),
            ]
        )
    return BlockLayout(
        [(*at[n.id], *sizes[n.id]) for n in block.nodes], edges, total, deep + height
    )


def bar_layout(block: Block, width: float, font: float) -> BlockLayout:
    """A node that gathers steps, so wide, with what it is given in a row above it."""
    sizes = {node.id: _size(node, font) for node in block.nodes}
    heads = {edge.head for edge in block.edges}
    bar = next((n.id for n in block.nodes if n.id in heads), block.nodes[0].id)
    above, gap, drop = [n.id for n in block.nodes if n.id != bar], 12.0, 20.0
    row = sum(sizes[n][0] + gap for n in above) - gap if above else 0.0
    width, height = max(width, row, sizes[bar][0]), sizes[bar][1]
    at, x = {bar: (width / 2, height / 2, width, height)}, (width - row) / 2
    for n in above:
        at[n] = (x + sizes[n][0] / 2, height + drop + sizes[n][1] / 2, *sizes[n])
        x += sizes[n][0] + gap
    edges: list[Spline] = []
    for edge in block.edges:
        x, y, _, h = at[edge.tail]
        low, high = height + ARROW, y - h / 2
        edges.append([("e,", x, height), *(("", x, high + k * (low - high) / 3) for k in range(4))])
    top = max((y + h / 2 for _, y, _, h in at.values()), default=height)
    return BlockLayout([at[n.id] for n in block.nodes], edges, width, top)


def _row(block: Block, font: float) -> BlockLayout:
    """Nodes side by side."""
    x, nodes = 0.0, list[tuple[float, float, float, float]]()
    for node in block.nodes:
        width, height = _size(node, font)
        nodes.append((x + width / 2, height / 2, width, height))
        x += width + 60
    return BlockLayout(nodes, [], x - 60, max(h for *_, h in nodes))


def _column(block: Block, font: float) -> BlockLayout:
    """Nodes on top of each other, the first at the top, right-aligned."""
    sizes = [_size(node, font) for node in block.nodes]
    widest, y = max(w for w, _ in sizes), 0.0
    nodes: list[tuple[float, float, float, float]] = []
    for width, height in reversed(sizes):
        nodes.append((widest - width / 2, y + height / 2, width, height))
        y += height + 6
    return BlockLayout(nodes[::-1], [], widest, y - 6)


def _size(node: Node, font: float = 0.0) -> tuple[float, float]:
    """Width and height of a node that dot is not asked about: a guess, wide enough for its text."""
    own = float(theme.NODES[node.kind].get("fontsize", theme.NODE["fontsize"]))
    font = max(font, own)
    lines = [(line, font) for line in node.label.split("\n")] + [
        (node.note, float(theme.SHAPE_SIZE))
    ] * bool(node.note)
    width = max((0.62 * size * len(line) for line, size in lines), default=0) + 14
    height = sum(1.25 * size for _, size in lines) + 6
    if node.kind in theme.STEPS:  # a cell has room for its states
        return max(width + 12, 70), max(
            height, (2.2 if node.kind == "cell" else 1.4) * theme.STATE_GAP
        )
    if node.kind == "parameter":
        return max(width, 28) * 1.45, height * 1.3
    return max(width, 26), max(height, 20)
