"""What does a circuit say in DOT, with a position for everything, and how does it get to files?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

from viz import theme
from viz.layout import routes
from viz.layout.circuit import LETTER, SIZE, UNIT, Dot, Plan, Text, Wire, place
from viz.layout.dot import attributes
from viz.layout.fit import Page, framed, largest
from viz.layout.maze import Cell, cells
from viz.record.circuit import BOX, CIRCLE, Circuit
from viz.record.equations import Equation, Equations
from viz.record.one_step import OneStep
from viz.record.parts import Block, Edge, Parts
from viz.record.rich import Pieces, letter, markup, plain, text_of, width, written
from viz.render.drawing import Drawing

MARGIN, LINE = 10.0, 24.0  # points; of the picture, between equations
GAP = 0.62  # of a wire that passes below another, in cells on both sides
EQUATION = 15  # size of the equations, and of notes


class CircuitDrawing(Drawing):
    """One step of a cell as a circuit, with its equations below.

    Attributes
    ----------
    circuit, formulas
        The elements and the equations that are drawn.
    """

    def __init__(self, step: OneStep, equations: bool = True, room: Page | None = None) -> None:
        self.circuit = Circuit(step)
        self.formulas = Equations(self.circuit)
        self.shows_equations, self.dropped = equations, False
        super().__init__(_parts(self.circuit, self.formulas))
        if room is not None:
            self.fit = room, self._scale(room)

    def _scale(self, room: Page) -> float:
        """As large as the page allows; without equations if they are too small with them."""
        _, width, height = positioned(self.plan, self._lines(), self.notes(), None)
        scale = largest(width, height, room)
        if scale * EQUATION >= room.font:
            return scale
        if self.shows_equations:
            self.shows_equations, self.dropped = False, True
            return self._scale(room)
        raise ValueError(
            f"cell: the smallest text would have {scale * EQUATION:.1f} points, and is to have "
            f"{room.font:g}. Choose a larger size, or a smaller min_font."
        )

    @cached_property
    def plan(self) -> Plan:
        """All places, in cells of a grid."""
        return place(self.circuit, self.formulas)

    @property
    def letters(self) -> list[str]:
        """The letters of all values with an equation, in the order in which they are computed."""
        return [text_of(line.left).removesuffix("_t") for line in self.formulas.lines]

    @cached_property
    def _positioned(self) -> tuple[str, float, float]:
        return positioned(self.plan, self._lines(), self.notes(), None, fit=self.fit)

    def _lines(self) -> list[Equation]:
        return self.formulas.lines if self.shows_equations else []

    def notes(self) -> list[Pieces]:
        """What neither the circuit nor its equations show."""
        said = [written(note) for note in self.circuit.step.notes]
        less = [plain("Left out for its size: equations.")] if self.dropped else []
        return [*said, *(self.formulas.notes if self.shows_equations else less)]

    def frame(self, now: set[int], lines: list[Equation]) -> tuple[str, float, float]:
        """DOT with these values in full colour, all else pale, and these equations."""
        return positioned(self.plan, self._lines(), [], now, lines)

    def __repr__(self) -> str:
        return f"<circuit of {', '.join(self.letters)}>"


def positioned(
    plan: Plan,
    lines: list[Equation],
    notes: list[Pieces],
    now: set[int] | None,
    bright: list[Equation] | None = None,
    fit: tuple[Page, float] | None = None,
) -> tuple[str, float, float]:
    """DOT, width and height in points; with `now`, all but these values is pale."""
    texts, wide, high = _columns(lines, notes, (plan.high[0] - plan.low[0]) * UNIT)
    width_, height = max(wide, (plan.high[0] - plan.low[0]) * UNIT) + 2 * MARGIN, 0.0
    left = (width_ - (plan.high[0] - plan.low[0]) * UNIT) / 2
    height = high + (plan.high[1] - plan.low[1]) * UNIT + 2 * MARGIN

    def at(x: float, y: float) -> tuple[float, float]:
        return left + (x - plan.low[0]) * UNIT, MARGIN + high + (y - plan.low[1]) * UNIT

    pen = _Pen(at, now)
    x0, y0, x1, y1 = plan.panel
    pen.panel(at(x0, y0), at(x1, y1))
    for pale in (True, False):  # what is in colour lies on top
        for wire in plan.wires:
            if pen.pale(wire.readers) is pale:
                pen.wire(wire, plan)
        for dot in plan.dots:
            if pen.pale(dot.readers) is pale:
                pen.dot(dot)
    for box in plan.boxes:
        look = "circle" if box.element.kind == CIRCLE and box.w == 2 else "gate"
        look = "function" if look == "gate" and not box.element.gate else look
        pen.box(box.text, at(box.x, box.y), box.w, box.h, look, {id(box.element.node)})
    for text in plan.texts:
        pen.text(text)
    for rich, x, y, size, equation in texts:
        shown = bright is None or equation is None or equation in bright
        pen.line(rich, (width_ - wide) / 2 + x, MARGIN + high - y, size, shown)
    look = {"fontname": theme.FONT, "margin": "0", "outputorder": "breadthfirst"}
    look["bb"] = f"0,0,{width_:.1f},{height:.1f}"
    if fit is not None:
        corners, more, width_, height = framed(width_, height, *fit)
        look, pen.lines = look | more, pen.lines + corners
    head = attributes(look)
    return "\n".join(["digraph {", f"  graph [{head}]", *pen.lines, "}", ""]), width_, height


class _Pen:
    """Writes the lines of DOT."""

    def __init__(
        self, at: Callable[[float, float], tuple[float, float]], now: set[int] | None
    ) -> None:
        self.at, self.now = at, now
        self.lines: list[str] = []
        self.count = 0

    def pale(self, readers: set[int]) -> bool:
        """Whether it belongs to nothing that is talked about now."""
        return self.now is not None and not readers & self.now

    def _node(self, **values: str) -> str:
        name = f"n{self.count}"
        self.count += 1
        html = values.pop("html", "")
        label = f"<{html}>" if html else '""'
        self.lines.append(f"  {name} [label={label}, {attributes(values)}]")
        return name

    def panel(self, low: tuple[float, float], high: tuple[float, float]) -> None:
        """The outline of the cell."""
        (x0, y0), (x1, y1) = low, high
        self._node(
            **theme.CIRCUIT["panel"], pos=f"{(x0 + x1) / 2:.1f},{(y0 + y1) / 2:.1f}",
            width=f"{(x1 - x0) / 72:.4f}", height=f"{(y1 - y0) / 72:.4f}",
        )  # fmt: skip

    def wire(self, wire: Wire, plan: Plan) -> None:
        """A wire, interrupted where it passes below another."""
        look = theme.CIRCUIT["rail" if wire.rail else "wire"]
        if self.pale(wire.readers):
            look = {**look, "color": theme.PALE}
        for piece, ends in _pieces(wire, plan):
            points = [self.at(x, y) for x, y in piece]
            tip = None
            if ends and wire.arrow:
                tip = points[-1]
                points[-1] = _before(points[-2], tip, 7.5 if wire.rail else 6.0)
            a = self._ghost(points[0])
            b = self._ghost(points[-1])
            values = {**look, "pos": routes.text(routes.rounded(points), tip)}
            values["arrowhead"] = "normal" if tip else "none"
            self.lines.append(f"  {a} -> {b} [{attributes(values)}]")

    def _ghost(self, point: tuple[float, float]) -> str:
        return self._node(
            shape="point", style="invis", width="0.01", height="0.01",
            pos=f"{point[0]:.1f},{point[1]:.1f}",
        )  # fmt: skip

    def dot(self, dot: Dot) -> None:
        """A dot on a wire."""
        x, y = self.at(*dot.cell)
        colour = theme.CIRCUIT["rail" if dot.rail else "wire"]["color"]
        colour = theme.PALE if self.pale(dot.readers) else colour
        size = "0.105" if dot.rail else "0.085"
        self._node(
            shape="point", width=size, height=size, color=colour, fillcolor=colour,
            pos=f"{x:.1f},{y:.1f}",
        )  # fmt: skip

    def box(
        self, rich: Pieces, point: tuple[float, float], w: int, h: int, look: str, own: set[int]
    ) -> None:
        """A box or a circle with its text."""
        style = theme.CIRCUIT[look]
        if self.pale(own):
            style = {**style, "fillcolor": "#ffffff", "color": theme.PALE, "fontcolor": theme.PALE}
        size = 22.0 if look == "circle" and len(text_of(rich)) == 1 else float(SIZE)
        if look == "circle" and len(text_of(rich)) > 2:
            size = 12.0
        self._node(
            **style, html=markup(rich, size), fontsize=f"{size:g}",
            pos=f"{point[0]:.1f},{point[1]:.1f}",
            width=f"{2 * w * UNIT / 72:.4f}", height=f"{2 * h * UNIT / 72:.4f}",
        )  # fmt: skip

    def text(self, text: Text) -> None:
        """A letter at a wire."""
        x, y = self.at(text.x, text.y)
        self.free(text.rich, x, y, LETTER, not self.pale(text.readers))

    def free(self, rich: Pieces, x: float, y: float, size: float, shown: bool) -> None:
        """A text with its middle at a point."""
        self._node(
            **theme.CIRCUIT["text"], html=markup(rich, size), fontsize=f"{size:g}",
            fontcolor=theme.BLACK if shown else theme.PALE, pos=f"{x:.1f},{y:.1f}",
        )  # fmt: skip

    def line(self, rich: Pieces, x: float, y: float, size: float, shown: bool) -> None:
        """A text that begins at a point; a cell of a table, for its exact width is not known."""
        wide = 1.2 * width(rich, size)
        cell = f'<TD WIDTH="{wide:.0f}" ALIGN="LEFT">{markup(rich, size)}</TD>'
        html = f'<TABLE BORDER="0" CELLPADDING="0" CELLSPACING="0"><TR>{cell}</TR></TABLE>'
        self._node(
            **theme.CIRCUIT["text"], html=html, fontsize=f"{size:g}",
            fontcolor=theme.BLACK if shown else theme.PALE, pos=f"{x + wide / 2:.1f},{y:.1f}",
        )  # fmt: skip


def _before(a: tuple[float, float], b: tuple[float, float], far: float) -> tuple[float, float]:
    """A point on the way from `a` to `b`, so far before it."""
    length = abs(b[0] - a[0]) + abs(b[1] - a[1])
    share = min(1.0, far / length) if length else 0.0
    return b[0] + (a[0] - b[0]) * share, b[1] + (a[1] - b[1]) * share


def _pieces(wire: Wire, plan: Plan) -> Iterable[tuple[list[tuple[float, float]], bool]]:
    """The pieces of a wire between crossings, each with whether it is the last.

    Where two cross, the upright one passes below; a rail passes above all.
    """
    dots = {dot.cell for dot in plan.dots}
    piece: list[tuple[float, float]] = [wire.corners[0]]
    for a, b in zip(wire.corners, wire.corners[1:], strict=False):
        if a[0] == b[0]:
            step = 1 if b[1] > a[1] else -1
            for cell in _along(a, b):
                if cell in (a, b) or cell in dots or not _crossed(cell, wire, plan):
                    continue
                before = (cell[0], cell[1] - step * GAP)
                yield [*piece, before], False
                piece = [(cell[0], cell[1] + step * GAP)]
        piece.append(b)
    yield piece, True


def _along(a: Cell, b: Cell) -> list[Cell]:
    """The cells of an upright piece in the order in which they are passed."""
    found = list(cells(a, b))
    return found if b[1] > a[1] else found[::-1]


def _crossed(cell: Cell, wire: Wire, plan: Plan) -> bool:
    """Whether a level wire of another value passes through a cell."""
    return any(
        a[1] == b[1] == cell[1] and min(a[0], b[0]) < cell[0] < max(a[0], b[0])
        for other in plan.wires
        if other.of != wire.of
        for a, b in zip(other.corners, other.corners[1:], strict=False)
    )


def _columns(
    lines: list[Equation], notes: list[Pieces], room: float
) -> tuple[list[tuple[Pieces, float, float, float, Equation | None]], float, float]:
    """Equations in up to three columns, notes below: their places, width and height."""
    rich = [(*line.left, *plain(" = "), *line.right) for line in lines]
    wide = [width(text, EQUATION) for text in rich]
    found: list[tuple[Pieces, float, float, float, Equation | None]] = []
    total, rows = 0.0, 0
    for columns in (3, 2, 1):
        rows = -(-len(rich) // columns)
        starts, x = list[float](), 0.0
        for k in range(columns):
            starts.append(x)
            part = wide[k * rows : (k + 1) * rows]
            x += max(part, default=0) + 34
        total = x - 34 if rich else 0.0
        if total <= max(room, 420) or columns == 1:
            found = [
                (text, starts[k // rows], LINE * (k % rows + 0.7), EQUATION, line)
                for k, (text, line) in enumerate(zip(rich, lines, strict=True))
            ]
            break
    height = LINE * rows + (8 if rows else 0)
    for note in notes:
        height += LINE
        found.append((note, 0.0, height - 8, EQUATION, None))
        total = max(total, width(note, EQUATION))
    return found, total, height


def _parts(circuit: Circuit, equations: Equations) -> Parts:
    """The same as nodes and edges, for DOT without positions."""
    parts, block = Parts(), Block("cell")
    parts.blocks.append(block)
    ids: dict[int, str] = {}
    for at, name in circuit.sources.items():
        given = any(id(x) == at for _, x in circuit.step.inputs)
        ids[at] = parts.add(
            block, "input" if given else "state", text_of(letter(name, "t" if given else "t−1"))
        )
    for at, e in circuit.elements.items():
        sign = text_of(equations.weights.get(at) or written(e.text))
        name = text_of(equations.name(e.node))
        kind = "state" if at in circuit.leaving else "value" if e.kind == BOX else "op"
        ids[at] = parts.add(block, kind, f"{name} = {sign}" if name else sign)
        block.edges += [Edge(ids[id(x)], ids[at]) for x in (*e.lanes, *e.operands)]
    return parts


__all__ = ["CircuitDrawing", "positioned"]
