"""Which ways do the wires of a circuit take?

Rails, lanes and the uprights from lanes to gates are straight and laid first. All other wires find
their way in the maze that these, the boxes and the letters leave: straight and short ones first,
then what goes out of the cell.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from viz.layout.circuit.lanes import Lane, Lanes
from viz.layout.circuit.places import ENTRY, Places
from viz.layout.circuit.plan import LETTER, PORT, SIZE, Box, Dot, Plan, Side, Text, Wire, half
from viz.layout.maze import BRANCH, DOWN, LEFT, RIGHT, UP, Cell, Maze, Path, Way, cells
from viz.record.circuit import Circuit
from viz.record.equations import Equations
from viz.record.one_step import State
from viz.record.rich import Pieces, letter

OUT, ABOVE = 15, 5  # cells from the last element to the exits; from the highest to the outline
TURN = 2  # cells before its end where a lane turns up


class Wires:
    """The plan of a circuit whose elements have their places.

    Raises
    ------
    NoWay
        A wire finds none.
    """

    def __init__(self, circuit: Circuit, equations: Equations, places: Places) -> None:
        self.circuit, self.equations, self.places = circuit, equations, places
        self.boxes, self.lanes = places.boxes, Lanes(circuit, places)
        self.plan = Plan(boxes=list(self.boxes.values()))
        self.states = [s for s in circuit.step.states if s.leaves is not None]
        self.readers: dict[int, set[int]] = {}
        for at, e in circuit.elements.items():
            for x in (*e.lanes, *e.operands):
                self.readers.setdefault(id(x), set()).add(at)
        self.used: set[tuple[int, Side]] = set()
        self.exit = places.right + OUT
        self.up = self.exit - 7
        self.plan.panel = (4, self.lanes.low - 4, self.exit - 4, places.top + ABOVE)
        self.maze = Maze((0, self.lanes.low - 8), (self.exit, places.top + ABOVE + 4))
        self._walls()
        self.column = 9  # the next at which a source goes up or down to its lane
        for state in places.rails:
            self._rail(state)
        for lane in self.lanes.lanes:
            self._lane(lane)
        for at in circuit.sources:
            self._beside_lanes(at)
        for at, box in self.boxes.items():
            self._tap(at, box)
        self._between()
        self._exits()
        self._size()

    # -- walls and letters ------------------------------------------------------------------------

    def _walls(self) -> None:
        """The outline of the cell, with gaps for what goes out; boxes, and letters beside them."""
        _, low, right, high = self.plan.panel
        exits = {self._exit(state) for state in self.states}
        walls = self.maze.walls
        for y in range(low - 6, high + 6):
            if y not in exits:
                walls |= {(x, y) for x in range(right - 1, self.exit + 1)}
        for x in range(self.exit + 1):
            if x != self.up:
                walls |= {(x, y) for y in range(high - 1, high + 6)}
            walls |= {(x, y) for y in range(low - 4, low + 1)}
        walls |= {(x, y) for x in range(6) for y in range(low, high)}
        for at, box in self.boxes.items():
            x, y, w, h = box.x, box.y, box.w + 1, box.h + 1
            self.maze.block(x - w, y - h, x + w, y + h)
            self._letter(at, box)

    def _letter(self, at: int, box: Box) -> None:
        """The letter of a value, left above its box; wires keep off it.

        That of a result which nobody reads stands where it goes out.
        """
        rich, readers = self.equations.name(box.element.node), self.readers.get(at, set())
        result = at in self.circuit.leaving and not readers
        if not rich or result or at in self.places.on_rail:
            return
        w = math.ceil(half(rich, SIZE))
        x, y = box.x - 1 - w, box.y + box.h + 2
        self.maze.block(x - w, y, box.x - 1, y + 1)
        self.plan.texts.append(Text(rich, x, y + 0.3, {at} | readers))

    def _coming(self, state: State, y: int) -> None:
        """The letter of a state at the left, where it comes in."""
        rich, at = self.equations.name(state.enters), id(state.enters)
        readers = {at} | self.readers.get(at, set())
        self.plan.texts.append(Text(rich, -1 - half(rich, LETTER), y, readers))

    def _going(self, state: State, x: float, y: float) -> None:
        """The letter of a state to the right of where it goes out."""
        rich: Pieces = letter(state.letter, "t")
        self.plan.texts.append(Text(rich, x + half(rich, LETTER), y, {id(state.leaves)}))

    def _exit(self, state: State) -> int:
        """The height at which a state goes out."""
        if state.letter in self.circuit.carries:
            return self.places.levels[state.letter]
        return self.lanes.leaving[state.letter]

    # -- what is straight -------------------------------------------------------------------------

    def _lay(self, of: object, corners: Path, readers: set[int], **more: bool) -> None:
        self.maze.lay(of, corners)
        self.plan.wires.append(Wire(of, corners, readers, **more))

    def _rail(self, state: State) -> None:
        """A straight line from the left to the right, through the elements on it."""
        y, x, of = self.places.levels[state.letter], 0, id(state.enters)
        for e in self.circuit.carries[state.letter]:
            at = id(e.node)
            if self.places.on_rail[at] is not state:
                continue
            box = self.boxes[at]
            self._lay(of, [(x, y), (box.x - box.w, y)], {at}, rail=True, arrow=True)
            self.used |= {(at, (LEFT, 0)), (at, (RIGHT, 0))}
            x, of = box.x + box.w, at
        self._lay(of, [(x, y), (self.exit, y)], {id(state.leaves)}, rail=True, arrow=True)
        if state.enters is not None:
            self._coming(state, y)
        self._going(state, self.exit + 1, y)

    def _next_column(self) -> int:
        self.column += ENTRY
        return self.column - ENTRY

    def _lane(self, lane: Lane) -> None:
        """A lane, in pieces: each is for the gates that still come."""
        who = set(lane.readers)
        start = self._entry(lane.main, lane.y, who)
        joins = [(self._next_column(), at) for at in lane.members if at != lane.main]
        turns = sorted(self.boxes[at].x for at in who)
        turns[-1] -= TURN
        first = joins[0][0] if joins else turns[0]
        self._lay(lane.main, [*start, (first, lane.y)], who)
        x = first
        for turn in turns:
            if turn > x:
                rest = {at for at in who if self.boxes[at].x >= turn}
                self._lay(lane.net, [(x, lane.y), (turn, lane.y)], rest)
                x = turn
        for x, at in joins:
            self._lay(at, self._joining(at, x, lane.y, who), who)
            self.plan.dots.append(Dot((x, lane.y), who))

    def _entry(self, source: int, y: int, who: set[int]) -> Path:
        """How the main source of a lane comes to it: straight, or around one corner."""
        if self.lanes.free(source):
            self._coming(self.lanes.state_of[source], y)
            return [(0, y)]
        return self._joining(source, self._next_column(), y, who)

    def _joining(self, source: int, x: int, y: int, who: set[int]) -> Path:
        """How a source comes to a lane in a column: from below, from its rail, or from the left."""
        if source in self.lanes.inputs:
            return [self._input(source, x, who), (x, y)]
        if self.lanes.on_rail(source):
            start = (x, self.lanes.rail(source))
            self.plan.dots.append(Dot(start, who, rail=True))
            return [start, (x, y)]
        level = self.lanes.entries[source]
        self._coming(self.lanes.state_of[source], level)
        return [(0, level), (x, level), (x, y)]

    def _input(self, source: int, x: int, who: set[int]) -> Cell:
        """Where an input comes in from below, with its letter."""
        value = next(x for _, x in self.circuit.step.inputs if id(x) == source)
        y = self.plan.panel[1] - 3
        self.plan.texts.append(Text(self.equations.name(value), x, y - 2, who | {source}))
        return x, y

    def _beside_lanes(self, source: int) -> None:
        """The beginning of a source that no gate reads."""
        if any(source in lane.members for lane in self.lanes.lanes) or self.lanes.on_rail(source):
            return
        who, x = self.readers.get(source, set()), self._next_column()
        if source in self.lanes.inputs:
            path = [self._input(source, x, who), (x, self.lanes.low - 1)]
        else:
            path = [(0, self.lanes.entries[source]), (x, self.lanes.entries[source])]
            self._coming(self.lanes.state_of[source], self.lanes.entries[source])
        self._lay(source, path, who)

    def _tap(self, at: int, box: Box) -> None:
        """From the lanes up to a gate; a lane that ends there turns up."""
        lanes = sorted((x for x in self.lanes.lanes if at in x.readers), key=lambda x: x.y)
        if not lanes:
            return
        lowest = lanes[0]
        path = [(box.x, lowest.y), (box.x, box.y - box.h)]
        for lane in lanes:
            turn = (box.x - TURN, lane.y)
            if lane.end == box.x and lane is lowest:
                path = [turn, *path]
                continue
            if lane.end == box.x:
                self._lay(lane.net, [turn, (box.x, lane.y)], {at})
            self.plan.dots.append(Dot((box.x, lane.y), {at}))
        self._lay(lowest.net if len(lanes) == 1 else ("tap", at), path, {at}, arrow=True)
        self.used |= {(at, side) for side in box.sides(DOWN)}

    # -- what is routed ---------------------------------------------------------------------------

    def _between(self) -> None:
        """From what is computed to who reads it."""
        pairs: list[tuple[bool, int, int, Any, int]] = []
        for at, element in self.circuit.elements.items():
            box = self.boxes[at]
            for x in element.operands:
                if self._rides(x, at):
                    continue
                other = self.boxes.get(id(x))
                far = abs(box.x - other.x) + abs(box.y - other.y) if other else 99
                pairs.append((other is None or other.x != box.x, far, len(pairs), x, at))
        for *_, x, at in sorted(pairs, key=lambda pair: pair[:3]):
            self._wire(id(x), at)

    def _rides(self, x: Any, at: int) -> bool:
        """Whether an operand comes along the rail itself."""
        state = self.places.on_rail.get(at)
        if state is None:
            return False
        path = [id(e.node) for e in self.circuit.carries[state.letter]]
        path = [k for k in path if self.places.on_rail[k] is state]
        before = path.index(at) - 1
        return id(x) == (path[before] if before >= 0 else id(state.enters))

    def _wire(self, of: int, at: int) -> None:
        """One wire into an element; the top of a gate is for what comes out of it."""
        box, ends, sides = self.boxes[at], dict[tuple[Cell, Way], float](), dict[Cell, Side]()
        above = 8.0 if box.element.gate else 1.0
        for way, price in ((UP, 0.0), (RIGHT, 0.5), (LEFT, 0.5), (DOWN, above)):
            for side in box.sides((-way[0], -way[1])):
                if (at, side) not in self.used:
                    ends[box.port(side), way] = price + 8 * (side[1] != 0)
                    sides[box.port(side)] = side
        path = self._route(of, ends)
        side = sides[path[-1]]
        self.used.add((at, side))
        self._draw(of, [*path, box.port(side, 0)], {at})

    def _route(self, of: int, ends: dict[tuple[Cell, Way], float]) -> Path:
        """A way from what is laid of a value already, or else from a side of its box."""
        starts: dict[tuple[Cell, Way | None], float] = {}
        laid = [wire for wire in self.plan.wires if wire.of == of]
        for wire in laid:
            starts |= {(cell, None): BRANCH for cell in self._free_cells(wire)}
        if not laid:
            box = self.boxes[of]
            aside = 4.0 if box.element.gate else 1.0
            for way, price in ((UP, 0.0), (RIGHT, aside), (LEFT, aside + 0.5), (DOWN, aside)):
                if (of, (way, 0)) not in self.used:
                    starts[box.port((way, 0)), way] = price
        return self.maze.route(of, starts, ends)

    def _free_cells(self, wire: Wire) -> list[Cell]:
        """Where a wire can begin on another of its value: not at its arrow, on no crossing."""
        tip = wire.corners[-1]
        return [
            cell
            for cell in _passed(wire)
            if cell not in self.maze.walls
            and self.maze.free(wire.of, cell)
            and (not wire.arrow or abs(cell[0] - tip[0]) + abs(cell[1] - tip[1]) > PORT + 1)
        ]

    def _draw(self, of: int, path: Path, readers: set[int]) -> None:
        """Lay a wire that was routed: from its box, or from a dot on another wire."""
        start, laid = path[0], [wire for wire in self.plan.wires if wire.of == of]
        if not laid:
            box = self.boxes[of]
            side = next(s for w in (UP, RIGHT, LEFT, DOWN) if box.port(s := (w, 0)) == start)
            self.used.add((of, side))
            path = [box.port(side, 0), *path]
        elif not any(wire.corners[-1] == start and not wire.arrow for wire in laid):
            on_rail = any(wire.rail and start in _passed(wire) for wire in laid)
            self.plan.dots.append(Dot(start, readers, on_rail))
        self._lay(of, _straightened(path), readers, arrow=True)

    def _exits(self) -> None:
        """Results that no rail carries go out at the right, and the output also at the top."""
        for state in self.states:
            if state.letter not in self.circuit.carries:
                y, of = self._exit(state), id(state.leaves)
                self._draw(of, self._route(of, {((self.exit, y), RIGHT): 0.0}), {of})
                self._going(state, self.exit + 1, y)
        if self.circuit.step.states[0].leaves is not None:
            output, of = self.states[0], id(self.states[0].leaves)
            y = self.plan.panel[3] + 4
            self._draw(of, self._route(of, {((self.up, y), UP): 0.0}), {of})
            self._going(output, self.up + 1.5, y - 1)

    def _size(self) -> None:
        """How far everything reaches."""
        _, low, _, high = self.plan.panel
        ends = [(text.x, half(text.rich, LETTER)) for text in self.plan.texts]
        self.plan.low = (min([0, *(x - w for x, w in ends)]) - 1, low - 7)
        self.plan.high = (max([self.exit, *(x + w for x, w in ends)]) + 1, high + 5)


def _passed(wire: Wire) -> list[Cell]:
    """All cells through which a wire passes."""
    return [cell for a, b in pairwise(wire.corners) for cell in cells(a, b)]


def _straightened(path: Path) -> Path:
    """Without corners that are none."""
    found = [path[0]]
    for before, at, after in zip(path, path[1:], path[2:], strict=False):
        if not (before[0] == at[0] == after[0] or before[1] == at[1] == after[1]):
            found.append(at)
    return [*found, path[-1]]
