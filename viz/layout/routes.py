"""Which way does a line between two blocks take?"""

from __future__ import annotations

import math
from collections.abc import Sequence

Point = tuple[float, float]

RADIUS = 9.0
ARROW = 6.0  # the length of an arrow's head, by which a line ends before a node


def curve(a: Point, b: Point) -> list[Point]:
    """One S: leaves `a` and reaches `b` horizontally."""
    bend = (b[0] - a[0]) / 2
    return [a, (a[0] + bend, a[1]), (b[0] - bend, b[1]), b]


def fall(a: Point, b: Point) -> list[Point]:
    """One S standing up: leaves `a` and reaches `b` vertically."""
    bend = (b[1] - a[1]) / 2
    return [a, (a[0], a[1] + bend), (b[0], b[1] - bend), b]


def rounded(corners: Sequence[Point]) -> list[Point]:
    """A line along right angles with round corners, as cubic Bézier points."""
    points = [corners[0]]
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        start, end = _towards(corner, before), _towards(corner, after)
        points += [points[-1], start, start]  # straight up to the corner
        points += [corner, corner, end]
    return [*points, points[-1], corners[-1], corners[-1]]


def text(points: Sequence[Point], arrow: Point | None = None, back: Point | None = None) -> str:
    """The points as Graphviz's ``pos`` of an edge; `arrow` and `back` are tips at its two ends."""
    head = f"s,{back[0]:.1f},{back[1]:.1f} " if back else ""
    head += f"e,{arrow[0]:.1f},{arrow[1]:.1f} " if arrow else ""
    return head + " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def turned(points: Sequence[Point], tip: Point | None) -> tuple[list[Point], Point]:
    """The same line with its arrow at the beginning: its points, and the tip there."""
    found = [*points[:-1], tip or points[-1]]
    (x, y), (to_x, to_y) = found[0], next((p for p in found[1:] if p != found[0]), found[-1])
    length = math.hypot(to_x - x, to_y - y)
    step = min(ARROW, length / 2) / length if length else 0.0
    start = (x + (to_x - x) * step, y + (to_y - y) * step)
    straight = len(found) > 1 and found[1] == found[0]  # a control point on the end
    return [start, start if straight else found[1], *found[2:]], (x, y)


def _towards(corner: Point, other: Point) -> Point:
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = abs(dx) + abs(dy)  # one of them is zero
    step = min(RADIUS, length / 2) / length if length else 0
    return corner[0] + dx * step, corner[1] + dy * step
