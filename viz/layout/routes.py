"""Which way does a line between two blocks take?"""

from __future__ import annotations

from collections.abc import Sequence

Point = tuple[float, float]

RADIUS = 9.0


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


def text(points: Sequence[Point], arrow: Point | None = None) -> str:
    """The points as Graphviz's ``pos`` of an edge; `arrow` is the tip of its head."""
    head = f"e,{arrow[0]:.1f},{arrow[1]:.1f} " if arrow else ""
    return head + " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _towards(corner: Point, other: Point) -> Point:
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = abs(dx) + abs(dy)  # one of them is zero
    step = min(RADIUS, length / 2) / length if length else 0
    return corner[0] + dx * step, corner[1] + dy * step
