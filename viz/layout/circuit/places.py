"""Where do the boxes and circles of a circuit stand?

On a rail, one after the other, what happens to a state on its straight way. Below each what it
alone is given: children first, their parents above them, gates in one row at the bottom. What is
computed from a new value on a rail (``tanh(c)``) hangs right below it, and who reads that below.
"""

from __future__ import annotations

import math

from viz.layout.circuit.plan import SIZE, UNIT, Box
from viz.record.circuit import CIRCLE, Circuit, Element
from viz.record.equations import Equations
from viz.record.one_step import State
from viz.record.rich import width, written

ENTRY = 3  # columns that each source may need at the left


class Places:
    """Every element at its place.

    Attributes
    ----------
    boxes
        By the id of their node.
    rails, levels, on_rail
        The states with a straight way; the heights of their rails, by letter; the state that a
        value on a rail is of.
    top, right
        The highest and the rightmost that an element, with the room it needs, takes.
    """

    def __init__(self, circuit: Circuit, equations: Equations, gap: int, pitch: int) -> None:
        self.circuit, self.gap, self.pitch = circuit, gap, pitch
        self.rails = [s for s in circuit.step.states if s.letter in circuit.carries]
        self.on_rail: dict[int, State] = {
            id(e.node): s for s in self.rails for e in circuit.carries[s.letter]
        }  # a value on two rails stands on the last
        self.boxes = {at: _box(e, equations) for at, e in circuit.elements.items()}
        self._owned: dict[int, list[int]] = {at: [] for at in self.boxes}
        self._roots = self._own()
        self._late = self._after_rails()
        self._columns()
        self._rows()
        self._apart()

    def _own(self) -> list[int]:
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
                        self._owned[at].append(id(x))
                        waiting.append(id(x))
        return roots

    def _after_rails(self) -> set[int]:
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
        return at in self._late and len(operands) == 1 and id(operands[0]) in self.on_rail

    def _columns(self) -> None:
        """Where each element stands from left to right: children first, parents above or after."""
        left = right = 9 + ENTRY * len(self.circuit.sources)
        for root in self._roots:
            for at in self._post(root):
                box, below = self.boxes[at], [self.boxes[k] for k in self._owned[at]]
                hanging = [self.boxes[k] for k in self._owned[at] if self._hangs(k)]
                late = any(k in self._late and not self._hangs(k) for k in self._owned[at])
                if hanging and at not in self.on_rail and not box.element.gate:
                    box.x = hanging[-1].x
                elif below and not box.element.gate and not late:
                    box.x = round(sum(b.x for b in below) / len(below))
                else:
                    box.x = right + self.gap + box.w
                right = max(right, box.x + box.w)
        self._left = left

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
                self._owned[at],
                key=lambda k: (k in self._late, gate and self.circuit.elements[k].gate),
            )
            waiting += [(k, False) for k in reversed(children)]
        return found

    def _rows(self) -> None:
        row: dict[int, int] = {}
        top: dict[int, int] = {}
        for at, e in self.circuit.elements.items():
            below = [k for k in self._owned[at] if not self._hangs(k)]
            high = max((top[k] for k in below), default=0)
            late = [k for k in below if k in self._late]
            over = not e.lanes and any(self.circuit.elements[k].gate for k in below)
            if e.gate and not over:  # what reads gates alone stands above them
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
            if any(k in hanging for k in self._owned[at]):
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
        self.right = max([self._left, *(b.x + b.w for b in boxes)])


def _box(element: Element, equations: Equations) -> Box:
    """An element with its text, and as wide as that."""
    text = equations.weights.get(id(element.node)) or written(element.text)
    if element.kind == CIRCLE and width(text, SIZE) < 1.9 * SIZE:
        return Box(element, text, 2)
    return Box(element, text, max(3, math.ceil((width(text, SIZE) + 0.9 * SIZE) / UNIT / 2)))
