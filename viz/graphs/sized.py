"""What is left out of a picture for its text to be read where it is shown?"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from functools import partial

from viz import theme
from viz.graphs.options import Options, dressed, without
from viz.layout.fit import Page, letters_in, lines, page, smallest
from viz.layout.grid import STEPS
from viz.record.formula import narrow
from viz.record.parts import Block, Node, Parts
from viz.render.drawing import Drawing

MOST = 60  # steps that are worth a try on one page
LEVELS = ("shapes", "weights", "constants", "the loss")  # that are left out one after the other
BESIDE = ("port", "input", "parameter", "constant", "legend", "caption", "reference")


def fitted(
    picture: str,
    make: Callable[[int, bool], Parts],
    budget: int,
    per_line: int | None,
    options: Options,
) -> Drawing:
    """The picture that `make` gives for a budget, on the page that the options ask for, if any.

    It is broken into lines; if its text is still too small, shapes are left out, then weights, then
    constants, then steps from the middle, as few as possible; and then the loss, unless gradients
    start at it.
    """
    room = page(picture, options.get("size"), options.get("min_font"))
    if room is None:
        return Drawing(dressed(make(budget, False), picture, options), per_line)
    parts = dressed(make(budget, True), picture, options)
    columns, shown = _columns(parts), _shown(parts)
    fewer = min(columns - 2, MOST)
    tries: dict[tuple[int, int], tuple[float, Parts, int | None, float]] = {}

    def fits(keep: int, level: int) -> bool:
        """True if so many steps are legible without so much; kept in `tries`."""
        if (keep, level) not in tries:
            most = budget if keep >= columns else int(keep * shown / columns) + 1
            found = _less(dressed(make(most, True), picture, options), level, room)
            per, scale = lines(found, room, per_line)
            tries[keep, level] = scale * smallest(found), found, per, scale
        return tries[keep, level][0] >= room.font

    def candidates() -> Iterator[tuple[int, int]]:
        enough = len(LEVELS) - 1
        for level in range(enough + 1 + (parts.numbers is None)):
            if columns <= MOST:
                yield columns, level
            if level >= enough and fewer > 0:
                yield _most(partial(fits, level=level), fewer), level

    for candidate in candidates():
        if fits(*candidate):
            _, found, per, scale = tries[candidate]
            return Drawing(found, per, (room, scale))
    finer = any(block.kind == "step" for block in parts.blocks)
    coarser = 'detail="cell", viz.cell for a circuit of one step, ' if finer else ""
    best = max(size for size, *_ in tries.values())
    raise ValueError(
        f"{picture}: the smallest text would have {best:.1f} points, and is to have {room.font:g}. "
        f"Choose {coarser}hide=, a larger size, or a smaller min_font."
    )


def _less(parts: Parts, level: int, room: Page) -> Parts:
    """Without what is dispensable, as many of `LEVELS` as asked for, and with a line that says so.

    A cell's layer is written as large as its name, and a loss below its name.
    """
    gone: list[str] = []
    for block in parts.blocks:
        for node in block.nodes:
            if node.kind in theme.STEPS and node.note:
                node.label, node.note = f"{node.label}\n{node.note}", ""
            if node.kind == "result" and any(n.kind == "port" for n in block.nodes):
                node.label = node.label.replace(" = ", " =\n", 1)
    if level > 0 and any(node.note for block in parts.blocks for node in block.nodes):
        gone.append(LEVELS[0])
        for block in parts.blocks:
            for node in block.nodes:
                node.note = ""
                node.label = node.label if node.html else narrow(node.label)
    for name in LEVELS[1:level]:
        if ids := {n.id for b in parts.blocks for n in b.nodes if _dispensable(b, n, name)}:
            without(parts, ids)
            gone.append(name)
    if gone:
        note = Block("note")
        parts.add(note, "caption", f"Left out for its size: {', '.join(gone)}.")
        parts.blocks.append(note)
    for block in parts.blocks:
        for node in block.nodes:
            if node.kind == "caption":
                node.label = textwrap.fill(node.label, letters_in(room))
    return parts


def _dispensable(block: Block, node: Node, what: str) -> bool:
    if what == "weights":
        return node.kind == "parameter"
    if what == "constants":
        return node.kind == "constant" or block.kind == "initial"
    return block.loss


def _most(fits: Callable[[int], bool], high: int) -> int:
    """The largest number from 1 that fits, by bisection; 1 if none does."""
    low = 1
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low


def _columns(parts: Parts) -> int:
    return len({b.column for b in parts.blocks if b.kind in STEPS})


def _shown(parts: Parts) -> int:
    return sum(node.kind not in BESIDE for b in parts.blocks for node in b.nodes)
