"""What is left out of a picture for its text to be read where it is shown?"""

from __future__ import annotations

import textwrap
from collections.abc import Callable

from viz import theme
from viz.graphs.options import Options, dressed, without
from viz.layout.fit import Page, lines, page, smallest
from viz.layout.grid import STEPS
from viz.record.parts import Block, Parts
from viz.render.drawing import Drawing

MOST = 60  # steps that are worth a try on one page
FEWEST = 3
WIDE = 0.65  # of a letter, in parts of its size
LEVELS = ("shapes", "weights")  # that are left out one after the other
BESIDE = ("port", "input", "parameter", "constant", "legend", "caption", "reference")


def fitted(
    picture: str,
    make: Callable[[int], Parts],
    budget: int,
    per_line: int | None,
    options: Options,
) -> Drawing:
    """The picture that `make` gives for a budget, on the page that the options ask for, if any.

    It is broken into lines; if its text is still too small, shapes are left out, then weights, then
    steps from the middle, as few as possible.
    """
    room = page(picture, options.get("size"), options.get("min_font"))
    parts = dressed(make(budget), picture, options)
    if room is None:
        return Drawing(parts, per_line)
    columns, shown = _columns(parts), _shown(parts)
    tries: dict[tuple[int, int], tuple[Parts, int | None, float]] = {}

    def fits(keep: int, level: int) -> bool:
        """True if so many steps are legible; kept in `tries` with the lines they need."""
        most = budget if keep >= columns else int(keep * shown / columns) + 1
        found = _less(dressed(make(most), picture, options), level, room)
        per, scale = lines(found, room, per_line)
        tries[keep, level] = found, per, scale
        return scale * smallest(found) >= room.font

    last = len(LEVELS)
    if columns > MOST or not any(fits(columns, level) for level in range(last + 1)):
        high = max(FEWEST, min(columns - 2, MOST))
        columns = _most(lambda keep: fits(keep, last), FEWEST, high)
    found, per, scale = tries[columns, max(level for keep, level in tries if keep == columns)]
    if scale * smallest(found) < room.font:
        raise ValueError(
            f"{picture}: the smallest text would have {scale * smallest(found):.1f} points, and is "
            f'to have {room.font:g}. Choose a coarser detail ("gate", "cell"), hide=, a larger '
            "size, or a smaller min_font."
        )
    return Drawing(found, per, (room, scale))


def _less(parts: Parts, level: int, room: Page) -> Parts:
    """Without what is dispensable, as many of `LEVELS` as asked for, and with a line that says so.

    A cell's layer is written as large as its name, and a loss below its name.
    """
    gone: set[str] = set()
    for block in parts.blocks:
        for node in block.nodes:
            if node.kind in theme.STEPS and node.note:
                node.label, node.note = f"{node.label}\n{node.note}", ""
            if node.kind == "result":
                node.label = node.label.replace(" = ", " =\n", 1)
            if level > 0 and node.note:
                node.note = ""
                gone.add(LEVELS[0])
    if level > 1:
        weights = {n.id for b in parts.blocks for n in b.nodes if n.kind == "parameter"}
        without(parts, weights)
        gone |= {LEVELS[1]} if weights else set()
    if gone:
        note = Block("note")
        parts.add(note, "caption", f"Left out for its size: {' and '.join(sorted(gone))}.")
        parts.blocks.append(note)
    letters = int(room.width / room.font / WIDE)
    for block in parts.blocks:
        for node in block.nodes:
            if node.kind == "caption":
                node.label = textwrap.fill(node.label, letters)
    return parts


def _most(fits: Callable[[int], bool], low: int, high: int) -> int:
    """The largest number that fits, by bisection; `low` if none does."""
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    fits(low)
    return low


def _columns(parts: Parts) -> int:
    return len({b.column for b in parts.blocks if b.kind in STEPS})


def _shown(parts: Parts) -> int:
    return sum(node.kind not in BESIDE for b in parts.blocks for node in b.nodes)
