"""Which lines of a picture run through a node, a letter or a number they do not belong to?"""

import numpy as np

from viz import theme
from viz.layout.edges import LIFT, _label, _route, placed, uprights

SLACK = 2.0  # points by which a line may reach into a box


def bezier(points):
    """Points on a spline of cubic pieces."""
    found = []
    for k in range(0, len(points) - 3, 3):
        a, b, c, d = (np.array(p) for p in points[k : k + 4])
        for t in np.linspace(0, 1, 16):
            s = 1 - t
            found.append(s**3 * a + 3 * s * s * t * b + 3 * s * t * t * c + t**3 * d)
    return np.array(found)


def lines_of(drawing, plan):
    """Each edge with points on its line."""
    found = [(edge, bezier(_route(edge, plan)[0])) for edge in drawing.parts.links]
    for block, frame in plan.frames.items():
        for edge, spline in zip(block.edges, frame.layout.edges, strict=True):
            points = [(x + frame.x, y + frame.y) for mark, x, y in spline if not mark]
            found.append((edge, bezier(points)))
    return [(edge, points) for edge, points in found if len(points)]


def crossed(drawing):
    """Lines that run through a node which is at neither of their ends, or through a label.

    Each as (what lies under the line, tail, head).
    """
    plan = placed(drawing.parts)
    lines = lines_of(drawing, plan)
    return nodes_crossed(drawing, plan, lines) + labels_crossed(drawing, plan, lines)


def nodes_crossed(drawing, plan, lines):
    """Nodes under lines that lead neither from them nor to them."""
    boxes = {
        node.id: (node, *plan.at[node.id])
        for block in drawing.parts.blocks
        for node in block.nodes
        if node.kind not in ("port", "caption", "legend", "title")
    }
    found = []
    for edge, points in lines:
        for name, (node, x, y, w, h) in boxes.items():
            if name in (edge.tail, edge.head):
                continue
            inside = within(points, x, y, w, h)
            if node.kind == "parameter":
                inside = ((points - (x, y)) / (w / 2 - SLACK, h / 2 - SLACK)) ** 2 @ (1, 1) < 1
            if inside.any():
                found.append((node.label, edge.tail, edge.head))
    return found


def within(points, x, y, w, h):
    """Which points lie in a box around a point."""
    return (abs(points[:, 0] - x) < w / 2 - SLACK) & (abs(points[:, 1] - y) < h / 2 - SLACK)


def labels_of(drawing, plan):
    """The letters and numbers at lines: the edge, and the box of its text."""
    found, upright = [], uprights(plan)
    for edge in drawing.parts.links:
        if edge.label:
            large = plan.home[edge.head].kind in ("cell", "gap") and bool(plan.roles)
            points = _route(edge, plan)[0]
            x, y = _label(edge, points, plan.track(edge) is None, upright, large)
            size = float(theme.HANDED if large else theme.EDGE["fontsize"])
            found.append((edge, x, y, 0.5 * size * len(edge.label), size))
    for block, frame in plan.frames.items():
        for k, (x, y) in frame.layout.labels.items():
            edge, size = block.edges[k], float(theme.EDGE["fontsize"])
            wide = 0.5 * size * len(edge.label)
            found.append((edge, x + frame.x, y + frame.y + LIFT, wide, size))
    return found


def labels_crossed(drawing, plan, lines):
    """Letters and numbers at a line through which another one runs."""
    return [
        (edge.label, other.tail, other.head)
        for edge, x, y, w, h in labels_of(drawing, plan)
        for other, points in lines
        if other is not edge and within(points, x, y, w, h).any()
    ]
