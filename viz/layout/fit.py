"""How does a picture fit on a page, a slide or a column, for all of its text to be read?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from viz import theme
from viz.layout import edges
from viz.layout.dot import graph, node_line
from viz.layout.grid import STEPS, Layout
from viz.record.parts import Node, Parts

SMALLEST = 9.0  # points, of text on paper
PAGES = {  # width and height in points, and the smallest text
    "slide": (960.0, 540.0, 14.0),
    "page": (468.0, 648.0, SMALLEST),
    "column": (252.0, 648.0, SMALLEST),
}
LINES = 12  # of one picture, at most
EDGE = 16.0  # points around what is on a slide
WIDE, BESIDE = 0.62, 2.3  # of a letter, and around a line of them, in parts of its size
LARGEST = 2.0  # times, so that a small graph is not blown up


@dataclass(frozen=True, slots=True)
class Page:
    """Room for a picture, in points, and its smallest text; a slide is `filled` to its edges."""

    width: float
    height: float
    font: float
    filled: bool = False


def letters_in(room: Page) -> int:
    """How many letters of the smallest size a line of the page has."""
    return int(((room.width - 2 * EDGE * room.filled) / room.font - BESIDE) / WIDE)


def page(picture: str, size: Any, min_font: Any) -> Page | None:
    """The room that is meant by ``size`` and ``min_font``; None if nothing is."""
    if min_font is not None and (
        isinstance(min_font, bool) or not isinstance(min_font, int | float) or not min_font > 0
    ):
        raise ValueError(f"{picture}: min_font must be a number of points, got {min_font!r}.")
    if size is None:
        if min_font is not None:
            raise ValueError(f'{picture}: min_font needs a size, such as size="slide".')
        return None
    if isinstance(size, str) and size in PAGES:
        width, height, font = PAGES[size]
        return Page(width, height, min_font or font, size == "slide")
    numbers: tuple[Any, ...] = size if isinstance(size, tuple) else ()
    if len(numbers) != 2 or not all(
        isinstance(x, int | float) and not isinstance(x, bool) and 0 < x < math.inf for x in numbers
    ):
        raise ValueError(
            f"{picture}: unknown size {size!r}; choose "
            f"{', '.join(map(repr, PAGES))} or (width, height) in points."
        )
    return Page(float(numbers[0]), float(numbers[1]), min_font or SMALLEST)


def letters(parts: Parts) -> float:
    """The size of letters outside of steps, before scaling: that of the letters in them."""
    cells = any(block.kind == "cell" for block in parts.blocks)
    return float(theme.NODES["cell"]["fontsize"] if cells else theme.NODE["fontsize"])


def smallest(parts: Parts) -> float:
    """The size of the smallest text in a picture, in points, before it is scaled."""
    steps = [node for b in parts.blocks if b.kind in STEPS for node in b.nodes]
    every = [node for b in parts.blocks for node in b.nodes]
    cells = any(block.kind == "cell" for block in parts.blocks)  # what they are given is as large
    looks = [theme.NODES[node.kind] for node in steps if not cells]
    sizes = [float(look.get("fontsize", theme.NODE["fontsize"])) for look in looks]
    inside = any(edge.label for block in parts.blocks for edge in block.edges)
    sizes += [float(theme.EDGE["fontsize"])] * inside
    sizes += [float(theme.SHAPE_SIZE)] * any(node.note for node in every)
    return min(sizes, default=letters(parts))


def lines(parts: Parts, room: Page, per_line: int | None) -> tuple[int | None, float]:
    """The steps in one line with which a picture becomes largest, and by how much it is scaled."""
    columns = len({b.column for b in parts.blocks if b.kind in STEPS})
    choices = sorted({math.ceil(columns / k) for k in range(1, LINES + 1)} - {0}, reverse=True)
    best, most, text = per_line, (False, False, False, 0.0), smallest(parts)
    for choice in [per_line] if per_line is not None or not choices else choices:
        plan = edges.placed(parts, choice, letters(parts))
        scale, lonely = largest(plan.width, plan.height, room), _lonely(plan)
        # rather in one line, where there is something above it
        found = (scale * text >= room.font, not lonely, plan.bar is not None, scale)
        if found > most:
            best, most = choice, found
    return best, most[-1]


def _lonely(plan: Layout) -> bool:
    """Whether steps that are left out stand alone in a line."""
    kinds: dict[int, set[str]] = {}
    for block, frame in plan.frames.items():
        if block.kind in STEPS:
            kinds.setdefault(frame.line, set()).add(block.kind)
    return {"gap"} in kinds.values()


def paged(parts: Parts, per_line: int | None, room: Page, scale: float) -> tuple[str, float, float]:
    """DOT as `edges.positioned` gives it, scaled; in the middle of a page that is to be filled."""
    plan = edges.placed(parts, per_line, letters(parts))
    corners, head, width, height = framed(plan.width, plan.height, room, scale)
    return graph([*edges.lines(plan), *corners], **head), width, height


def largest(width: float, height: float, room: Page) -> float:
    """By how much a picture of this size may be scaled."""
    edge = 2 * EDGE if room.filled else 0.0
    return min((room.width - edge) / width, (room.height - edge) / height, LARGEST)


def framed(
    width: float, height: float, room: Page, scale: float
) -> tuple[list[str], dict[str, str], float, float]:
    """What scales a picture of this size and centres it: DOT lines, attributes; its size then."""
    left, low, right, high = 0.0, 0.0, width, height
    if room.filled:
        x, y = (room.width / scale - width) / 2, (room.height / scale - height) / 2
        left, low, right, high = -x, -y, width + x, height + y
    half = 36 * float(theme.NODES["ghost"]["width"])
    # Graphviz cuts off what is empty
    corners = [
        f"  {node_line(Node(f'corner{k}', 'ghost'), pos=f'{x:.3f},{y:.3f}')}"
        for k, (x, y) in enumerate(((left + half, low + half), (right - half, high - half)))
    ]
    width, height = (right - left) * scale, (high - low) * scale
    head = {
        "bb": f"{left:.3f},{low:.3f},{right:.3f},{high:.3f}",
        "size": f"{width / 72:.4f},{height / 72:.4f}!",
        "margin": "0",
        "pad": "0",
    }
    return corners, head, width, height
