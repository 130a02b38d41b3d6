"""Where do the boxes, circles and wires of a circuit stand?

The way of a state from step to step is a straight *rail* on top, with the circles that change it.
Under each of them hangs what it is given, gates in one row at the bottom. Below them run *lanes*
with what the gates read: inputs and states that have the same readers share one. What is computed
from a rail (``tanh(c)``) stands between it and who reads it. The wires between find their way in a
`Maze`. No cell is known here; everything follows from the elements of the circuit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from viz.layout.maze import BRANCH, DOWN, LEFT, RIGHT, UP, Cell, Maze, NoWay, Path, Way, cells
from viz.record.circuit import CIRCLE, Circuit, Element
from viz.record.equations import Equations
from viz.record.one_step import State
from viz.record.rich import Rich, letter, width, written

UNIT = 7.0  # points of a cell of the grid
SIZE = 16  # of the text in boxes, points
PORT = 2  # cells from the edge of a box to where its wires begin and end
TURN = 2  # cells before its end where a lane turns up
SPACING = ((4, 10), (6, 12), (9, 15), (14, 20))  # between columns and rows, tried in this order


Side = tuple[Way, int]  # of a box: its direction, and how far from its middle


@dataclass(slots=True, eq=False)
class Box:
    """An element at its place: centre and half its size, in cells."""

    element: Element
    text: Rich
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

    rich: Rich
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


def place(circuit: Circuit, equations: Equations) -> Plan:
    """A position for everything; roomier if the wires find no way.

    Raises
    ------
    NoWay
        They find none in the roomiest layout either.
    """
    for k, (column, row) in enumerate(SPACING):
        try:
            return _Layout(circuit, equations, column, row).plan
        except NoWay:
            if k == len(SPACING) - 1:
                raise
    raise NoWay("no way")


class _Layout:
    """One attempt at a layout, with a given space between columns and rows."""

    def __init__(self, circuit: Circuit, equations: Equations, gap: int, pitch: int) -> None:
        self.circuit, self.equations, self.gap, self.pitch = circuit, equations, gap, pitch
        self.plan = Plan()
        self.rails = [s for s in circuit.step.states if s.letter in circuit.carries]
        self.on_rail = {
            id(e.node): s for s in self.rails for e in circuit.carries[s.letter]
        }  # a value on two rails stands on the last
        self.boxes = {at: self._box(e) for at, e in circuit.elements.items()}
        self.plan.boxes = list(self.boxes.values())
        self.owned: dict[int, list[int]] = {at: [] for at in self.boxes}
        self.roots = self._roots()
        self.late = self._late()
        self.groups = self._groups()
        self.left = self._entries()
        self._columns()
        self._rows()
        self.maze = Maze((0, 0), (0, 0))
        self.used: set[tuple[int, Side]] = set()
        self._frame()
        self._rails()
        self._lanes()
        self._wires()
        self._exits()

    # -- sizes and order --------------------------------------------------------------------------

    def _box(self, element: Element) -> Box:
        text = self.equations.weights.get(id(element.node)) or written(element.text)
        if element.kind == CIRCLE and width(text, SIZE) < 1.9 * SIZE:
            return Box(element, text, 2)
        half = math.ceil((width(text, SIZE) + 0.9 * SIZE) / UNIT / 2)
        return Box(element, text, max(3, half))

    def _roots(self) -> list[int]:
        """Elements on rails and results, in the order of birth; each owns what hangs below it."""
        wanted = [at for at in self.boxes if at in self.on_rail or at in self.circuit.leaving]
        taken, roots = set(self.on_rail), list[int]()
        for root in wanted:
            if root in taken and root not in self.on_rail:
                continue
            taken.add(root)
            roots.append(root)
            waiting = [root]
            while waiting:
                at = waiting.pop()
                for x in self.circuit.elements[at].operands:
                    if id(x) in self.boxes and id(x) not in taken:
                        taken.add(id(x))
                        self.owned[at].append(id(x))
                        waiting.append(id(x))
        return roots

    def _late(self) -> set[int]:
        """What is computed elementwise from a new value on a rail."""
        found: set[int] = set()
        for at, e in self.circuit.elements.items():
            after = any(id(x) in found or id(x) in self.on_rail for x in e.operands)
            if after and not e.gate and at not in self.on_rail:
                found.add(at)
        return found

    def _hangs(self, at: int) -> bool:
        """Whether an element stands right below the rail, and is read from above."""
        operands = self.circuit.elements[at].operands
        return at in self.late and len(operands) == 1 and id(operands[0]) in self.on_rail

    def _columns(self) -> None:
        """Where each element stands from left to right: children first, parents above or after."""
        right = self.left
        for root in self.roots:
            for at in self._post(root):
                box, below = self.boxes[at], [self.boxes[k] for k in self.owned[at]]
                hanging = [self.boxes[k] for k in self.owned[at] if self._hangs(k)]
                late = any(k in self.late and not self._hangs(k) for k in self.owned[at])
                if hanging and at not in self.on_rail and not box.element.gate:
                    box.x = hanging[-1].x
                elif below and not box.element.gate and not late:
                    box.x = round(sum(b.x for b in below) / len(below))
                else:
                    box.x = right + self.gap + box.w
                right = max(right, box.x + box.w)
        self.right = right

    def _post(self, root: int) -> list[int]:
        """An element's tree, children before parents and in their order, late ones last."""
        found, waiting = list[int](), [(root, False)]
        while waiting:
            at, done = waiting.pop()
            if done:
                found.append(at)
                continue
            waiting.append((at, True))
            gate = self.circuit.elements[at].gate  # what it is given by a gate stands beside it
            children = sorted(
                self.owned[at],
                key=lambda k: (k in self.late, gate and self.circuit.elements[k].gate),
            )
            waiting += [(k, False) for k in reversed(children)]
        return found

    def _rows(self) -> None:
        row: dict[int, int] = {}
        top: dict[int, int] = {}
        for at, e in self.circuit.elements.items():
            below = [k for k in self.owned[at] if not self._hangs(k)]
            high = max((top[k] for k in below), default=0)
            late = [k for k in below if k in self.late]
            if e.gate:
                row[at] = 0
            elif late and at not in self.on_rail:
                row[at] = max(1, row[late[-1]])
            else:
                row[at] = 1 + high
            if at in self.on_rail or self._hangs(at):
                row[at] = 0
            top[at] = max(high, row[at])
        rail = 1 + max((top[at] for at in self.boxes if at not in self.on_rail), default=0)
        hanging = [at for at in self.boxes if self._hangs(at)]
        for at in self.boxes:
            if any(k in hanging for k in self.owned[at]):
                rail = max(rail, row[at] + 2)
        # of two rails the one whose state comes first, h, lies below
        self.levels = {
            s.letter: rail * self.pitch + k * (self.pitch - 2) for k, s in enumerate(self.rails)
        }
        for at, box in self.boxes.items():
            box.y = row[at] * self.pitch
            if at in self.on_rail:
                box.y = self.levels[self.on_rail[at].letter]
            elif at in hanging:
                box.y = (rail - 1) * self.pitch
        free = [b.y + 3 for at, b in self.boxes.items() if at not in self.on_rail]
        self.top = max([*self.levels.values(), *free], default=0)
        self._apart()

    def _apart(self) -> None:
        """No two elements at one place: the later one moves to the right, and all right of it."""
        boxes = list(self.boxes.values())
        for k, box in enumerate(boxes):
            for other in boxes[:k]:
                near = abs(box.x - other.x) < box.w + other.w + self.gap
                if near and abs(box.y - other.y) < box.h + other.h + self.gap:
                    first, second = (other, box) if box.x >= other.x else (box, other)
                    move = first.w + second.w + self.gap - (second.x - first.x)
                    edge = second.x
                    for one in boxes:
                        if one.x >= edge and one is not first:
                            one.x += move
        self.right = max([self.left, *(b.x + b.w for b in boxes)])

    # -- what comes in, and lanes -----------------------------------------------------------------

    def _groups(self) -> list[list[int]]:
        """The sources that gates read, those with the same readers together."""
        readers: dict[int, list[int]] = {at: [] for at in self.circuit.sources}
        for at, e in self.circuit.elements.items():
            for x in e.lanes:
                readers[id(x)].append(at)
        groups: dict[frozenset[int], list[int]] = {}
        for at, who in readers.items():
            if who:
                groups.setdefault(frozenset(who), []).append(at)
        self.readers = {tuple(members): sorted(who) for who, members in groups.items()}
        return list(groups.values())

    def _entries(self) -> int:
        """Count the columns needed at the left, where sources reach their lanes."""
        return 9 + 3 * len(self.circuit.sources) - (2 if len(self.circuit.sources) > 4 else 0)

    def _frame(self) -> None:
        """The outline of the cell, and the way out of it."""
        self.inputs = {id(x) for _, x in self.circuit.step.inputs}
        self.state_of = {id(s.enters): s for s in self.circuit.step.states if s.enters is not None}
        ends = {
            tuple(g): max(self.boxes[at].x for at in self.readers[tuple(g)]) for g in self.groups
        }
        self.groups.sort(key=lambda g: ends[tuple(g)])
        self.ends = ends
        self.lane_y = {tuple(g): -6 - 4 * k for k, g in enumerate(self.groups)}
        low = -6 - 4 * max(0, len(self.groups) - 1)
        self.entry_y: dict[int, int] = {}
        self.main: dict[tuple[int, ...], int] = {}
        for g in self.groups:
            straight = [at for at in g if at in self.state_of and not self._railed(at)]
            tapped = [at for at in g if at in self.state_of and self._railed(at)]
            self.main[tuple(g)] = (straight or tapped or g)[0]
            if straight:
                self.entry_y[straight[0]] = self.lane_y[tuple(g)]
        for at in self.state_of:
            if not self._railed(at) and at not in self.entry_y:
                low -= 4
                self.entry_y[at] = low
        for s in self.circuit.step.states:
            if s.enters is None and s.leaves is not None and s.letter not in self.levels:
                low -= 4
                self.levels[s.letter] = low
        self.low = low
        first = self.circuit.step.states[0]
        outs = [s for s in self.circuit.step.states if s.leaves is not None]
        self.exit = self.right + 15
        self.up = self.exit - 7 if first.leaves is not None else 0
        self.plan.panel = (4, low - 4, self.exit - 4, self.top + 5)
        self.maze.low, self.maze.high = (0, low - 8), (self.exit, self.top + 9)
        _, y0, x1, y1 = self.plan.panel
        exits = {self._exit_y(s) for s in outs}
        for y in range(y0 - 6, y1 + 6):
            if y not in exits:
                self.maze.walls |= {(x, y) for x in range(x1 - 1, self.exit + 1)}
        for x in range(self.exit + 1):
            if x != self.up:
                self.maze.walls |= {(x, y) for y in range(y1 - 1, y1 + 6)}
            self.maze.walls |= {(x, y) for y in range(y0 - 4, y0 + 1)}
        self.maze.walls |= {(x, y) for x in range(6) for y in range(y0, y1)}
        for box in self.boxes.values():
            self.maze.block(
                box.x - box.w - 1, box.y - box.h - 1, box.x + box.w + 1, box.y + box.h + 1
            )
            self._label(box)

    def _label(self, box: Box) -> None:
        """The letter of a value, left above its box; other wires keep off it."""
        at = id(box.element.node)
        rich = self.equations.name(box.element.node)
        readers = {k for k, e in self.circuit.elements.items() if at in _ids(e)}
        result = at in self.circuit.leaving and not readers  # its letter stands where it goes out
        if not rich or result or at in self.on_rail:
            return
        half = math.ceil(width(rich, SIZE) / UNIT / 2)
        x, y = box.x - 1 - half, box.y + box.h + 2
        self.maze.block(x - half, y, box.x - 1, y + 1)
        self.plan.texts.append(Text(rich, x, y + 0.3, {at} | readers))

    def _railed(self, source: int) -> bool:
        state = self.state_of.get(source)
        return state is not None and state.letter in self.circuit.carries

    def _exit_y(self, state: State) -> int:
        if state.letter in self.levels:
            return self.levels[state.letter]
        return self.entry_y.get(id(state.enters), self.low)

    # -- wires ------------------------------------------------------------------------------------

    def _lay(self, of: object, corners: Path, readers: set[int], **more: bool) -> None:
        self.maze.lay(of, corners)
        self.plan.wires.append(Wire(of, corners, readers, **more))

    def _rails(self) -> None:
        """Straight lines from the left to the right, through the elements on them."""
        for state in self.rails:
            y, x, of = self.levels[state.letter], 0, id(state.enters)
            for e in self.circuit.carries[state.letter]:
                if self.on_rail[id(e.node)] is not state:
                    continue
                box = self.boxes[id(e.node)]
                self._lay(of, [(x, y), (box.x - box.w, y)], {id(e.node)}, rail=True, arrow=True)
                self.used |= {(id(e.node), (LEFT, 0)), (id(e.node), (RIGHT, 0))}
                x, of = box.x + box.w, id(e.node)
            readers = {id(state.leaves)}
            self._lay(of, [(x, y), (self.exit, y)], readers, rail=True, arrow=True)
            self._name(state, y, both=True)

    def _name(self, state: State, y: int, both: bool = False) -> None:
        """Letters where a state comes in and where it goes out."""
        if state.enters is not None:
            rich = self.equations.name(state.enters)
            x = -1 - width(rich, SIZE + 2) / UNIT / 2
            at = id(state.enters)
            readers = {k for k, e in self.circuit.elements.items() if at in _ids(e)}
            self.plan.texts.append(Text(rich, x, y, {at} | readers))
        if both:
            rich = letter(state.letter, "t")
            x = self.exit + 1 + width(rich, SIZE + 2) / UNIT / 2
            self.plan.texts.append(Text(rich, x, y, {id(state.leaves)}))

    def _lanes(self) -> None:
        """Lanes, what comes into them, and the uprights from them to the gates."""
        column = 9
        bottom = self.plan.panel[1] - 3
        named = set[int]()
        for g in self.groups:
            key, y, who = tuple(g), self.lane_y[tuple(g)], set(self.readers[tuple(g)])
            main = self.main[key]
            start = 0
            if main in self.inputs:
                start, corner = column, (column, bottom)
                column += 3
            elif self._railed(main):
                start, corner = column, (column, self._level_of(main))
                self.plan.dots.append(Dot(corner, who, True))
                column += 3
            else:
                corner = (0, y)
            joins = []
            for at in g:
                if at != main:
                    joins.append((column, at))
                    column += 3
            turns = sorted(self.boxes[k].x for k in who)
            turns[-1] -= TURN
            first = joins[0][0] if joins else turns[0]
            path = (
                [corner, (start, y), (first, y)] if corner != (start, y) else [corner, (first, y)]
            )
            self._lay(main, path, who)
            x = first
            for turn in turns:  # in pieces: each is for the gates that still come
                if turn > x:
                    rest = {k for k in who if self.boxes[k].x >= turn}
                    self._lay(("lane", key) if joins else main, [(x, y), (turn, y)], rest)
                    x = turn
            for x, at in joins:
                if at in self.inputs:
                    path = [(x, bottom), (x, y)]
                elif self._railed(at):
                    path = [(x, self._level_of(at)), (x, y)]
                    self.plan.dots.append(Dot(path[0], who, True))
                else:
                    path = [(0, self.entry_y[at]), (x, self.entry_y[at]), (x, y)]
                self._lay(at, path, who)
                self.plan.dots.append(Dot((x, y), who))
            for at in g:
                named.add(at)
                if at in self.inputs:
                    x = start if at == main else next(x for x, other in joins if other == at)
                    self._input(at, x, bottom, who)
                elif not self._railed(at):
                    self._name(self.state_of[at], self.entry_y[at])
        for at in self.circuit.sources:
            if at in named or self._railed(at):
                continue
            who = {
                k for k, e in self.circuit.elements.items() if any(id(x) == at for x in e.operands)
            }
            if at in self.inputs:
                self._lay(at, [(column, bottom), (column, self.low - 1)], who)
                self._input(at, column, bottom, who)
                column += 3
            else:
                self._lay(at, [(0, self.entry_y[at]), (column, self.entry_y[at])], who)
                self._name(self.state_of[at], self.entry_y[at])
                column += 3
        self._taps()

    def _input(self, at: int, x: int, bottom: int, who: set[int]) -> None:
        """The letter of an input, below where it comes in."""
        source = next(x for _, x in self.circuit.step.inputs if id(x) == at)
        self.plan.texts.append(Text(self.equations.name(source), x, bottom - 2, who | {at}))

    def _level_of(self, source: int) -> int:
        return self.levels[self.state_of[source].letter]

    def _taps(self) -> None:
        """From the lanes up to each gate."""
        for at, box in self.boxes.items():
            lanes = [g for g in self.groups if at in self.readers[tuple(g)]]
            if not lanes:
                continue
            heights = sorted(self.lane_y[tuple(g)] for g in lanes)
            of: object = ("tap", at)
            if len(lanes) == 1:
                key = tuple(lanes[0])
                of = ("lane", key) if len(key) > 1 else key[0]
            path = [(box.x, heights[0]), (box.x, box.y - box.h)]
            for g in lanes:
                if self.ends[tuple(g)] == box.x:  # the lane ends here, and turns up
                    y = self.lane_y[tuple(g)]
                    turn = [(box.x - TURN, y), (box.x, y)]
                    if y == heights[0]:
                        path = [turn[0], *path]
                    else:
                        key = tuple(g)
                        self._lay(("lane", key) if len(key) > 1 else key[0], turn, {at})
            self._lay(of, path, {at}, arrow=True)
            for g in lanes:
                y, last = self.lane_y[tuple(g)], self.ends[tuple(g)] == box.x
                if not (last and y == heights[0]):
                    self.plan.dots.append(Dot((box.x, y), {at}))
            self.used |= {(at, side) for side in box.sides(DOWN)}

    def _wires(self) -> None:
        """From what is computed to who reads it, short wires first."""
        pairs = []
        for at, e in self.circuit.elements.items():
            box = self.boxes[at]
            for x in e.operands:
                if self._rides(x, at):
                    continue
                other = self.boxes.get(id(x))
                far = abs(box.x - other.x) + abs(box.y - other.y) if other else 99
                straight = other is not None and other.x == box.x
                pairs.append((not straight, far, len(pairs), x, at))
        for *_, x, at in sorted(pairs, key=lambda p: p[:3]):
            box = self.boxes[at]
            ends: dict[tuple[Cell, Way], float] = {}
            sides: dict[Cell, Side] = {}
            gate = box.element.gate
            for way, price in ((UP, 0.0), (RIGHT, 0.5), (LEFT, 0.5), (DOWN, 8.0 if gate else 1.0)):
                for side in box.sides((-way[0], -way[1])):
                    if (at, side) not in self.used:
                        ends[box.port(side), way] = price + 8 * (side[1] != 0)
                        sides[box.port(side)] = side
            path = self._route(id(x), ends)
            side = sides[path[-1]]
            self.used.add((at, side))
            self._draw(id(x), [*path, box.port(side, 0)], {at}, arrow=True)

    def _rides(self, x: Any, at: int) -> bool:
        """Whether an operand comes along the rail itself."""
        state = self.on_rail.get(at)
        if state is None:
            return False
        path = [e for e in self.circuit.carries[state.letter] if self.on_rail[id(e.node)] is state]
        k = next(k for k, e in enumerate(path) if id(e.node) == at)
        return x is (path[k - 1].node if k else state.enters)

    def _route(self, of: int, ends: dict[tuple[Cell, Way], float]) -> Path:
        """A way from what is laid of a net already, or from a side of its box."""
        starts: dict[tuple[Cell, Way | None], float] = {}
        for wire in self.plan.wires:
            if wire.of == of:
                starts |= {(cell, None): BRANCH for cell in self._free_cells(wire)}
        box = self.boxes.get(of)
        if box is not None and not any(wire.of == of for wire in self.plan.wires):
            gate = box.element.gate
            aside = 4.0 if gate else 1.0
            for way, price in ((UP, 0.0), (RIGHT, aside), (LEFT, aside + 0.5), (DOWN, aside)):
                if (of, (way, 0)) not in self.used:
                    starts[box.port((way, 0)), way] = price
        return self.maze.route(of, starts, ends)

    def _free_cells(self, wire: Wire) -> list[Cell]:
        """Where a wire can begin on another of its value: not at its arrow, on no crossing."""
        found = list[Cell]()
        for a, b in pairwise(wire.corners):
            found += [*cells(a, b)]
        tip = wire.corners[-1]
        return [
            cell
            for cell in found
            if cell not in self.maze.walls
            and self.maze.free(wire.of, cell)
            and (not wire.arrow or abs(cell[0] - tip[0]) + abs(cell[1] - tip[1]) > PORT + 1)
        ]

    def _draw(self, of: int, path: Path, readers: set[int], **more: bool) -> None:
        """Lay a wire that was routed: from its box, or from a dot on another wire."""
        box, start = self.boxes.get(of), path[0]
        laid = [w for w in self.plan.wires if w.of == of]
        if laid:
            on_end = any(w.corners[-1] == start and not w.arrow for w in laid)
            if not on_end:
                self.plan.dots.append(
                    Dot(start, readers, any(w.rail for w in laid if _on(w, start)))
                )
        elif box is not None:
            side = next(s for w in (UP, RIGHT, LEFT, DOWN) if box.port(s := (w, 0)) == start)
            self.used.add((of, side))
            path = [box.port(side, 0), *path]
        self._lay(of, _straightened(path), readers, **more)

    def _exits(self) -> None:
        """Results that no rail carries go out at the right, and the output also at the top."""
        states = [s for s in self.circuit.step.states if s.leaves is not None]
        for state in states:
            if state.letter not in self.circuit.carries:
                y, of = self._exit_y(state), id(state.leaves)
                path = self._route(of, {((self.exit, y), RIGHT): 0.0})
                self._draw(of, path, {of}, arrow=True)
                rich = letter(state.letter, "t")
                x = self.exit + 1 + width(rich, SIZE + 2) / UNIT / 2
                self.plan.texts.append(Text(rich, x, y, {of}))
        high = self.plan.panel[3] + 4
        if self.up:
            of = id(states[0].leaves)
            last = self.circuit.carries.get(states[0].letter)
            of = id(last[-1].node) if last else of
            path = self._route(of, {((self.up, high), UP): 0.0})
            self._draw(of, path, {id(states[0].leaves)}, arrow=True)
            rich = letter(states[0].letter, "t")
            x = self.up + 1.5 + width(rich, SIZE + 2) / UNIT / 2
            self.plan.texts.append(Text(rich, x, high - 1, {id(states[0].leaves)}))
        across = [width(t.rich, SIZE + 2) / UNIT / 2 for t in self.plan.texts]
        ends = list(zip(self.plan.texts, across, strict=True))
        self.plan.low = (min([0, *(t.x - w for t, w in ends)]) - 1, self.plan.panel[1] - 7)
        self.plan.high = (max([self.exit, *(t.x + w for t, w in ends)]) + 1, high + 1)


def _ids(element: Element) -> set[int]:
    return {id(x) for x in (*element.lanes, *element.operands)}


def _on(wire: Wire, cell: Cell) -> bool:
    return any(cell in cells(a, b) for a, b in pairwise(wire.corners))


def _straightened(path: Path) -> Path:
    """Without corners that are none."""
    found = [path[0]]
    for before, at, after in zip(path, path[1:], path[2:], strict=False):
        if not (before[0] == at[0] == after[0] or before[1] == at[1] == after[1]):
            found.append(at)
    return [*found, path[-1]]
