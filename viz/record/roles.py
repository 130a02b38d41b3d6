"""Which role does each value of a record play from step to step: a state, a result, a sum?"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from tinygrad_rnn import Frame, Tensor
from viz.record.collapse import View
from viz.record.lanes import Lane, Section


@dataclass(slots=True)
class Roles:
    """The roles of all values of a record, and what else must be known before it is drawn.

    Attributes
    ----------
    view
        The node that is drawn for each operation.
    roots, born
        The Tensors that were asked for; all Tensors by serial number.
    members
        The operations that one node stands for, in the order of birth.
    homes
        The sections that use a leaf, and how often.
    role
        The name of a value from step to step: its letter, and which of that letter it is.
    states
        The roles, with their lane, that go on to another step of the lane.
    initial
        By argument of the first step the role of the state that later steps have there.
    partial
        Sums of gradients to which more is added.
    """

    view: View
    roots: set[Tensor]
    born: dict[int, Tensor]
    members: dict[object, list[Tensor]]
    homes: dict[Tensor, Counter[object]]
    role: dict[Tensor, str]
    states: set[tuple[Lane | None, str]]
    initial: dict[tuple[Tensor, int], str]
    partial: set[Tensor]

    @property
    def timed(self) -> bool:
        """True if there are steps at all."""
        return self.view.columns > 0

    def is_state(self, x: Tensor) -> bool:
        """True if the value, here or in another step of its lane, goes on to another step."""
        return (self.view.section[x].lane, self.role[x]) in self.states


def read(record: list[Tensor], roots: list[Tensor], view: View) -> Roles:
    """Read `record`, all ancestors of `roots` in the order of birth. Work linear in its length."""
    nodes = [node for node in record if node.op is not None]
    members: dict[object, list[Tensor]] = defaultdict(list)
    homes: dict[Tensor, Counter[object]] = defaultdict(Counter)
    role: dict[Tensor, str] = {}
    states: set[tuple[Lane | None, str]] = set()
    partial: set[Tensor] = set()
    counts: Counter[tuple[object, str]] = Counter()
    for node in nodes:
        here, total = view.section[node], sum_of(node)
        members[view.owner[node]].append(node)
        step, letter = view.step[node], node.name or "·"
        # a cut counts apart: a step behind one has the roles of the others all the same
        cut = "cut " * (node.op is not None and node.op.name == "stop_gradient")
        counts[step, cut + letter] += 1
        role[node] = f"{letter} {cut.strip()}{counts[step, cut + letter]}"
        for x in node.inputs:
            if type(x) is not Tensor:
                continue
            if x.op is None:
                homes[x][here] += 1
            elif (there := view.section[x]) is not here and there.lane is here.lane is not None:
                states.add((here.lane, role[x]))
            if total is not None and sum_of(x) == total:
                partial.add(x)
    born = {x.serial: x for x in record}
    initial = _initial(nodes, view, role)
    return Roles(view, set(roots), born, members, homes, role, states, initial, partial)


def mark(node: Tensor) -> Frame | None:
    """The frame that says of a recorded gradient what it is a gradient of."""
    return next((frame for frame in reversed(node.scope) if frame.of is not None), None)


def sum_of(node: Tensor) -> int | None:
    """The serial number of the value to which the gradients flow that are added up here."""
    frame = mark(node)
    return None if frame is None or frame.argument is not None else frame.of


def _initial(
    nodes: list[Tensor], view: View, role: dict[Tensor, str]
) -> dict[tuple[Tensor, int], str]:
    """The first states: where the second step of a lane takes a state, what does the first take?

    A constant, a parameter, or what was computed elsewhere, as by an encoder; not what the scope
    declares to be an input (``scope(..., x=x_t)``). The two steps are compared operation by
    operation, as far as they are alike.
    """
    steps: dict[Section, list[Tensor]] = defaultdict(list)
    for node in nodes:
        section = view.section[node]
        if (
            isinstance(section, Section)
            and section.lane is not None
            and section in section.lane.sections[:2]
        ):
            steps[section].append(node)
    found = {}
    for first, program in steps.items():
        lane = first.lane
        if lane is None or lane.sections[0] is not first or len(lane.sections) < 2:
            continue
        for a, b in zip(program, steps.get(lane.sections[1], ()), strict=False):
            if a.op is not b.op or len(a.inputs) != len(b.inputs):
                break
            for k, (x, y) in enumerate(zip(a.inputs, b.inputs, strict=True)):
                if type(y) is not Tensor or y.op is None or view.section[y] is not first:
                    continue
                of_its_own = type(x) is Tensor and x.op is not None and view.section[x] is first
                declared = any(x is array for f in a.scope for array in f.arrays.values())
                if not of_its_own and not declared:
                    found[a, k] = role[y]
    return found
