"""Which lines of a picture run through a node that they do not belong to?"""

import numpy as np

from viz.layout.edges import _route, placed


def bezier(points):
    """Points on a spline of cubic pieces."""
    found = []
    for k in range(0, len(points) - 3, 3):
        a, b, c, d = (np.array(p) for p in points[k : k + 4])
        for t in np.linspace(0, 1, 16):
            s = 1 - t
            found.append(s**3 * a + 3 * s * s * t * b + 3 * s * t * t * c + t**3 * d)
    return np.array(found)


def crossed(drawing):
    """Lines that run through a node which is at neither of their ends: (tail, head, node)."""
    plan = placed(drawing.parts)
    boxes = {
        node.id: (node, *plan.at[node.id])
        for block in drawing.parts.blocks
        for node in block.nodes
        if node.kind not in ("port", "caption", "legend", "title")
    }
    lines = [(edge, bezier(_route(edge, plan)[0])) for edge in drawing.parts.links]
    for block, frame in plan.frames.items():
        for edge, spline in zip(block.edges, frame.layout.edges, strict=True):
            points = [(x + frame.x, y + frame.y) for mark, x, y in spline if not mark]
            lines.append((edge, bezier(points)))
    found = []
    for edge, points in lines:
        for name, (node, x, y, w, h) in boxes.items():
            if name in (edge.tail, edge.head) or not len(points):
                continue
            dx, dy = abs(points[:, 0] - x) - w / 2 + 2, abs(points[:, 1] - y) - h / 2 + 2
            inside = (dx < 0) & (dy < 0)
            if node.kind == "parameter":
                inside = ((points - (x, y)) / (w / 2 - 2, h / 2 - 2)) ** 2 @ (1, 1) < 1
            if inside.any():
                found.append((edge.tail, edge.head, node.label))
    return found
