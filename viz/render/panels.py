"""How do several pictures become one? Beside or below each other, each under its title."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from tinygrad_rnn.measure import Table, Tables
from viz import theme
from viz.layout.dot import graph, node_line
from viz.layout.edges import lines, placed
from viz.layout.fit import Page, framed, largest, letters, smallest
from viz.layout.grid import Layout
from viz.record.parts import Block, Node, Parts
from viz.render.drawing import Drawing

GAP, HEAD = 34.0, 30.0  # between pictures; for a title (points)


@dataclass(slots=True)
class Panel:
    """One picture of several.

    For panels that share parts, and so one geometry, but do not look alike: `room` is called before
    they are laid out, to show all that needs room in any of them, and `dress` before one is written
    down, with its layout if there is one.
    """

    title: str
    parts: Parts
    dress: Callable[[Layout | None], None] | None = None
    room: Callable[[], None] | None = None


class Sheet(Drawing):
    """Several pictures as one drawing.

    Attributes
    ----------
    panels
        The pictures in their order.
    across
        Whether they stand beside each other, and not below; None: if there is room in a line.
    """

    def __init__(
        self,
        panels: list[Panel],
        across: bool | None,
        per_line: int | None = None,
        room: Page | None = None,
    ) -> None:
        self.panels, self.across, self.sized = panels, across, room is not None
        merged, seen, tables = Parts(), set[int](), dict[str, Table]()
        for k, panel in enumerate(panels):
            if id(panel.parts) not in seen:
                seen.add(id(panel.parts))
                _rename(panel.parts, f"p{k}")
                note = Block("note")
                merged.add(note, "title", panel.title)
                merged.blocks += [note, *panel.parts.blocks]
                merged.links += panel.parts.links
                if panel.parts.numbers is not None:
                    tables[panel.title] = panel.parts.numbers
        merged.numbers = Tables(tables) if len(tables) > 1 else next(iter(tables.values()), None)
        if panels[0].dress:
            panels[0].dress(None)
        super().__init__(merged, per_line)
        if room is not None:
            _, width, height = self._positioned
            del self._positioned
            self.fit = room, largest(width, height, room)

    @property
    def font(self) -> float:
        """The size of the smallest text on its page, in points."""
        return (self.fit[1] if self.fit else 1.0) * min(smallest(p.parts) for p in self.panels)

    @cached_property
    def _positioned(self) -> tuple[str, float, float]:
        plans: dict[int, Layout] = {}
        for panel in self.panels:
            if id(panel.parts) not in plans:
                if panel.room:
                    panel.room()
                font = letters(panel.parts) if self.sized else 0.0
                plans[id(panel.parts)] = placed(panel.parts, self.per_line, font)
        sizes = [(plans[id(p.parts)].width, plans[id(p.parts)].height + HEAD) for p in self.panels]
        beside = sum(w for w, _ in sizes) + GAP * (len(sizes) - 1)
        across = beside <= theme.LINE if self.across is None else self.across
        if across:
            width = beside
            height = max(h for _, h in sizes)
        else:
            width = max(w for w, _ in sizes)
            height = sum(h for _, h in sizes) + GAP * (len(sizes) - 1)
        found, x, top, first = list[str](), 0.0, height, 0
        for k, (panel, (w, h)) in enumerate(zip(self.panels, sizes, strict=True)):
            plan = plans[id(panel.parts)]
            if panel.dress:
                panel.dress(plan)
            shift(plan, x, top - h)
            words = lines(plan, first)
            if k and plans[id(self.panels[k - 1].parts)] is plan:
                words = [line.replace("p0n", f"p{k}n") for line in words]
            found += words
            title = Node(f"t{k}", "title", panel.title)
            middle = x + theme.MARGIN + 3.5 * len(panel.title) + 4
            found.append(f"  {node_line(title, pos=f'{middle:.1f},{top - HEAD / 2:.1f}')}")
            shift(plan, -x, h - top)
            first += len(panel.parts.blocks)
            x, top = (x + w + GAP, top) if across else (x, top - h - GAP)
        if self.fit is not None:
            corners, head, across, down = framed(width, height, *self.fit)
            return graph([*found, *corners], **head), across, down
        return graph(found, bb=f"0,0,{width:.1f},{height:.1f}"), width, height

    def __repr__(self) -> str:
        return f"<sheet of {', '.join(panel.title for panel in self.panels)}>"


def shift(plan: Layout, dx: float, dy: float) -> None:
    """Move everything in a layout."""
    for frame in plan.frames.values():
        frame.x, frame.left, frame.right = frame.x + dx, frame.left + dx, frame.right + dx
        frame.y, frame.low, frame.high = frame.y + dy, frame.low + dy, frame.high + dy
    for node, (x, y, w, h) in plan.at.items():
        plan.at[node] = (x + dx, y + dy, w, h)
    for row in plan.floors:
        plan.floors[row] += dy


def _rename(parts: Parts, prefix: str) -> None:
    for block in parts.blocks:
        for node in block.nodes:
            node.id = prefix + node.id
    for edge in parts.edges():
        edge.tail, edge.head = prefix + edge.tail, prefix + edge.head


__all__ = ["Panel", "Sheet", "shift"]
