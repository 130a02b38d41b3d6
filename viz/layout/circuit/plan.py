"""What stands in the picture of a circuit? Boxes, wires, dots and letters, in cells of a grid."""

from __future__ import annotations

from dataclasses import dataclass, field

from viz.layout.maze import Cell, Path, Way
from viz.record.circuit import CIRCLE, Element
from viz.record.rich import Pieces, width

UNIT = 7.0  # points of a cell of the grid
SIZE = 16  # of the text in boxes, points
LETTER = 18  # of the letters at wires
PORT = 2  # cells from the edge of a box to where its wires begin and end

Side = tuple[Way, int]  # of a box: its direction, and how far from its middle


@dataclass(slots=True, eq=False)
class Box:
    """An element at its place: centre and half its size, in cells."""

    element: Element
    text: Pieces
    w: int
    h: int = 2
    x: int = 0
    y: int = 0

    def port(self, side: Side, far: int = PORT) -> Cell:
        """The cell in front of a side, or of a point on it."""
        (dx, dy), along = side
        x = self.x + dx * (self.w + far) + (along if dy else 0)
        return x, self.y + dy * (self.h + far) + (along if dx else 0)

    def sides(self, way: Way) -> list[Side]:
        """The points of a side where wires may end; a box has more than its middle."""
        more = (-2, 2) if way[1] and self.element.kind != CIRCLE else ()
        return [(way, along) for along in (0, *more)]


@dataclass(slots=True, eq=False)
class Wire:
    """A wire along corners, `of` a value, as part of what its `readers` are given."""

    of: object
    corners: Path
    readers: set[int]
    arrow: bool = False
    rail: bool = False


@dataclass(slots=True, eq=False)
class Text:
    """A letter at a wire; `readers` as of a wire."""

    rich: Pieces
    x: float
    y: float
    readers: set[int]


@dataclass(slots=True, eq=False)
class Dot:
    """Where two wires of one value part, or two lanes become one."""

    cell: Cell
    readers: set[int]
    rail: bool = False


@dataclass(slots=True)
class Plan:
    """All places, in cells; y grows upwards.

    `panel` holds the corners of the cell's outline, `low` and `high` those of the picture.
    """

    boxes: list[Box] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    dots: list[Dot] = field(default_factory=list)
    panel: tuple[int, int, int, int] = (0, 0, 0, 0)
    low: tuple[float, float] = (0, 0)
    high: tuple[float, float] = (0, 0)


def half(rich: Pieces, size: float) -> float:
    """Half the width of a text, in cells."""
    return width(rich, size) / UNIT / 2
