"""How does a wire find its way between boxes, without crossing one?

A* on a grid. Boxes and texts are walls; a bend costs as much as some steps, so wires are straight
where they can be. Wires of different values may cross at right angles, where both go straight on.
All wires of one value are one net: the second begins anywhere on the first, and a dot marks where.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

Cell = tuple[int, int]
Way = tuple[int, int]
Path = list[Cell]

RIGHT, LEFT, UP, DOWN = (1, 0), (-1, 0), (0, 1), (0, -1)
WAYS = (RIGHT, LEFT, UP, DOWN)
BEND, CROSSING, BESIDE, WALL, BRANCH = 6.0, 4.0, 0.7, 0.1, 3.0  # what they cost, in steps


class NoWay(ValueError):
    """There is no way: the grid is too crowded."""


@dataclass(slots=True)
class Maze:
    """A grid with walls and wires.

    Attributes
    ----------
    low, high
        Its corners; wires stay within.
    walls
        Cells of boxes and texts.
    level, upright
        By cell, the net of the wire that passes horizontally or vertically.
    fixed
        Cells in which a wire ends, bends or branches, by net: nothing else can pass.
    """

    low: Cell
    high: Cell
    walls: set[Cell] = field(default_factory=set)
    level: dict[Cell, object] = field(default_factory=dict)
    upright: dict[Cell, object] = field(default_factory=dict)
    fixed: dict[Cell, object] = field(default_factory=dict)

    def block(self, x0: int, y0: int, x1: int, y1: int) -> None:
        """Put up a wall on a rectangle, corners included."""
        self.walls |= {(x, y) for x in range(x0, x1 + 1) for y in range(y0, y1 + 1)}

    def lay(self, net: object, corners: Path) -> None:
        """Lay a wire of a net along corners."""
        for (x0, y0), (x1, y1) in pairwise(corners):
            lanes = self.level if y0 == y1 else self.upright
            for cell in cells((x0, y0), (x1, y1)):
                lanes.setdefault(cell, net)
        for cell in corners:
            self.fixed.setdefault(cell, net)

    def route(
        self, net: object, starts: Mapping[tuple[Cell, Way | None], float],
        ends: Mapping[tuple[Cell, Way], float],
    ) -> Path:  # fmt: skip
        """The cheapest way from one of the starts to one of the ends, as its corners.

        Parameters
        ----------
        starts
            By cell, and the direction in which it is left (None: any), the cost of beginning there.
        ends
            By cell, and the direction in which it is reached, the cost of ending there.

        Raises
        ------
        NoWay
            There is none.
        """
        goals: dict[Cell, dict[Way, float]] = {}
        for (cell, way), price in ends.items():
            goals.setdefault(cell, {})[way] = price
        queue: list[tuple[float, float, int, Cell, Way]] = []
        best: dict[tuple[Cell, Way], float] = {}
        came: dict[tuple[Cell, Way], tuple[Cell, Way] | None] = {}
        count = 0

        def push(cost: float, cell: Cell, way: Way, before: tuple[Cell, Way] | None) -> None:
            nonlocal count
            if cost < best.get((cell, way), float("inf")):
                best[cell, way], came[cell, way] = cost, before
                count += 1
                far = min(abs(cell[0] - x) + abs(cell[1] - y) for x, y in goals)
                heapq.heappush(queue, (cost + far, cost, count, cell, way))

        for (cell, way), price in starts.items():
            for direction in WAYS if way is None else (way,):
                push(price, cell, direction, None)
        end: tuple[Cell, Way] | None = None
        final = float("inf")
        while queue and queue[0][0] < final:
            _, cost, _, cell, way = heapq.heappop(queue)
            if cost > best[cell, way]:
                continue
            for into, price in goals.get(cell, {}).items():  # the last step may be a turn
                total = cost + price + BEND * (into != way)
                if into != (-way[0], -way[1]) and total < final:
                    final, end = total, (cell, way)
            for turn in WAYS:
                if turn == (-way[0], -way[1]):
                    continue
                if turn != way and not self.free(net, cell):
                    continue  # on top of another wire one goes straight on
                after = (cell[0] + turn[0], cell[1] + turn[1])
                step = self._step(net, after, turn, after in goals)
                if step is not None:
                    push(cost + step + BEND * (turn != way), after, turn, (cell, way))
        if end is None:
            raise NoWay("no way between two boxes: there is too little room around them.")
        return self._corners(end, came)

    def free(self, net: object, cell: Cell) -> bool:
        """Whether nothing of another net is in a cell."""
        return all(lanes.get(cell, net) == net for lanes in (self.level, self.upright, self.fixed))

    def _step(self, net: object, cell: Cell, way: Way, goal: bool) -> float | None:
        """What a step into a cell costs; None if it is not allowed."""
        x, y = cell
        if not (self.low[0] <= x <= self.high[0] and self.low[1] <= y <= self.high[1]):
            return None
        if cell in self.walls or self.fixed.get(cell, net) != net:
            return None
        along, across = (self.level, self.upright) if way[1] == 0 else (self.upright, self.level)
        if along.get(cell, net) != net:
            return None
        crossed = across.get(cell, net) != net
        if crossed and goal:
            return None
        sides = ((x, y + 1), (x, y - 1)) if way[1] == 0 else ((x + 1, y), (x - 1, y))
        wires = sum(along.get(side, net) != net for side in sides)
        walls = sum(side in self.walls for side in sides)
        again = along.get(cell) == net or across.get(cell) == net  # a second wire upon the first
        return 1 + CROSSING * crossed + BESIDE * wires + WALL * walls + 4.0 * again

    def _corners(
        self, end: tuple[Cell, Way], came: Mapping[tuple[Cell, Way], tuple[Cell, Way] | None]
    ) -> Path:
        found: list[tuple[Cell, Way]] = []
        at: tuple[Cell, Way] | None = end
        while at is not None:
            found.append(at)
            at = came[at]
        found.reverse()
        corners = [found[0][0]]
        for (cell, way), (_, after) in pairwise(found):
            if after != way and cell != corners[-1]:
                corners.append(cell)
        return [*corners, end[0]] if end[0] != corners[-1] else corners


def cells(a: Cell, b: Cell) -> Iterable[Cell]:
    """All cells of a straight piece, ends included."""
    (x0, y0), (x1, y1) = a, b
    if y0 == y1:
        return [(x, y0) for x in range(min(x0, x1), max(x0, x1) + 1)]
    return [(x0, y) for y in range(min(y0, y1), max(y0, y1) + 1)]
