"""Which operations of two steps are the same, whatever their values and letters?

An operation is known by what it does, to what: by its primitive and options, its letter, its shape,
and the same of its inputs, down to where its step begins. There stand states, by their role and how
many steps they come over, parameters, which are the same in all steps, and inputs, of which only
the shape counts. Equal operations have equal *forms*, a number each.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable
from typing import Any

from tinygrad_rnn import Tensor, step_frame
from viz.record.collapse import View
from viz.record.labels import array_letter, is_number
from viz.record.lanes import Section

Use = tuple[Tensor, int]  # an edge of the record: a node and the number of its argument


def clocks(nodes: Iterable[Tensor]) -> dict[tuple[Tensor, int], int]:
    """By operation and place in its index, how far after its own step it reads: 0 for ``x[t]``.

    Only where one source is read so at two steps or more, or where there is but one step: ``W[0]``
    in step 0 is no ``W[t]``.
    """
    read: dict[tuple[int, int], list[tuple[Tensor, int, int]]] = defaultdict(list)
    times: dict[tuple[int, int], set[int]] = defaultdict(set)
    for node in nodes:
        frame = step_frame(node) if node.op is not None and node.op.name == "getitem" else None
        if frame is None or frame.t is None:
            continue
        source = node.inputs[0]
        if type(source) is Tensor and frame.t in [f.t for f in source.scope]:
            continue
        for place, part in enumerate(node.options["index"]):
            if type(part) is int:
                read[id(source), place].append((node, part, frame.t))
                times[id(source), place].add(frame.t)
    found = {}
    for key, uses in read.items():
        at: dict[int, set[int]] = defaultdict(set)
        for _, part, t in uses:
            at[part - t].add(t)
        for node, part, t in uses:
            away = part - t
            if len(at[away]) > 1 or (len(times[key]) == 1 and away == 0):
                found[node, key[1]] = away
    return found


def first_states(
    nodes: list[Tensor], view: View, role: dict[Tensor, str]
) -> tuple[dict[Use, str], dict[Use, Tensor]]:
    """The first states: where the second step of a lane takes a state, what does the first take?

    A constant, a parameter, or what was computed elsewhere, as by an encoder; not what the scope
    declares to be an input (``scope(..., x=x_t)``). The two steps are compared operation by
    operation, from their letters and their ends down.

    What is the same in both gets the same `role`.

    Returns
    -------
    By argument of the first step the role of the state that the second has there; and the operation
    that the second has there, if in the first it was computed from constants alone and so never
    recorded, as 0.7×h of an array h.
    """
    steps: dict[Section, list[Tensor]] = defaultdict(list)
    for node in nodes:
        section = view.step[node]  # drawn or left out
        if section.lane is not None and section in section.lane.sections[:2]:
            steps[section].append(node)
    initial: dict[Use, str] = {}
    absent: dict[Use, Tensor] = {}
    for first, program in steps.items():
        lane = first.lane
        if lane is None or lane.sections[0] is not first or len(lane.sections) < 2:
            continue
        second = lane.sections[1]
        pairs, taken = _twins(program, steps.get(second, []), view, role)
        role.update({a: role[b] for a, b in pairs})  # it may lack the first of a letter
        for a, k, y in taken:
            x = a.inputs[k]
            if any(x is array for frame in a.scope for array in frame.arrays.values()):
                continue
            if view.step[y] is first:
                initial[a, k] = role[y]
            elif type(x) is not Tensor and constant_cone(y, second, first, view):
                absent[a, k] = y
    return initial, absent


def _twins(
    program: list[Tensor], other: list[Tensor], view: View, role: dict[Tensor, str]
) -> tuple[set[tuple[Tensor, Tensor]], list[tuple[Tensor, int, Tensor]]]:
    """Operations of the first step with the same of the second; arguments that it did not compute.

    The latter with what the second step has there.
    """
    if not other:
        return set(), []
    first, second = view.step[program[0]], view.step[other[0]]
    by_role = {role[b]: b for b in other if b.name}
    todo = [(a, by_role[role[a]]) for a in program if a.name and role[a] in by_role]
    todo.append((program[-1], other[-1]))
    seen: set[tuple[Tensor, Tensor]] = set()
    found = []
    while todo:
        a, b = todo.pop()
        if (a, b) in seen or a.op is not b.op or len(a.inputs) != len(b.inputs):
            continue
        seen.add((a, b))
        for k, (x, y) in enumerate(zip(a.inputs, b.inputs, strict=True)):
            if type(y) is not Tensor or y.op is None:
                continue
            own = type(x) is Tensor and x.op is not None and view.step[x] is first
            if own and view.step[y] is second:
                todo.append((x, y))
            elif not own and view.step[y] in (first, second):
                found.append((a, k, y))
    return seen, found


def constant_cone(y: Tensor, here: Any, before: Any, view: View) -> list[Tensor]:
    """The operations of step `here` behind `y`, if they see no Tensor but states of `before`.

    In the order of birth; empty if they see any other.
    """
    todo, found = [y], {y}
    while todo:
        for x in todo.pop().inputs:
            if type(x) is not Tensor or view.section.get(x) is before or x in found:
                continue
            if x.op is None or view.section[x] is not here:
                return []
            found.add(x)
            todo.append(x)
    return sorted(found, key=lambda node: node.serial)


class Forms:
    """The forms of all operations, and of what they are given.

    Attributes
    ----------
    of
        By operation its form.
    given
        By argument what is taken there: the form of an operation, a state, a parameter, an input.
    """

    def __init__(
        self,
        nodes: list[Tensor],
        view: View,
        role: dict[Tensor, str],
        homes: dict[Tensor, Counter[object]],
        clock: dict[tuple[Tensor, int], int],
        initial: dict[Use, str],
        absent: dict[Use, Tensor],
    ) -> None:
        self.of: dict[Tensor, int] = {}
        self.given: dict[Use, Hashable] = {}
        self._view, self._role, self._homes, self._clock = view, role, homes, clock
        self._initial, self._absent = initial, absent
        self._known: dict[Hashable, int] = {}
        for (a, _), y in absent.items():  # they are younger than the step that lacks them
            for node in constant_cone(y, view.section[y], view.section[a], view):
                self._visit(node)
        for node in nodes:
            self._visit(node)

    def _visit(self, node: Tensor) -> None:
        if node in self.of:
            return
        for k, x in enumerate(node.inputs):
            self.given[node, k] = self._argument((node, k), x)
        inputs = tuple(self.given[node, k] for k in range(len(node.inputs)))
        places = range(len(node.options.get("index", ())))
        name = "" if any((node, place) in self._clock for place in places) else node.name
        form = (node.op, name, node.shape, self._options(node), inputs)
        self.of[node] = self._known.setdefault(form, len(self._known))

    def _argument(self, use: Use, x: Any) -> Hashable:
        node, _ = use
        here = self._view.step[node]
        if use in self._initial and here.lane is not None:
            first, second = here.lane.sections[:2]
            return "state", self._initial[use], second.t - first.t
        if use in self._absent:
            return "op", self.of[self._absent[use]]
        if type(x) is not Tensor:
            if is_number(x):
                return "number", repr(x.item() if hasattr(x, "item") else x)
            return "array", x.shape, x.dtype.kind, _part(x, node)
        if x.op is None:
            lane = here.lane
            shared = len(self._homes[x]) > 1 or lane is None or len(lane.sections) == 1
            return ("leaf", x.serial) if shared else ("input", x.shape)
        there = self._view.step[x]
        if there is here:
            return "op", self.of[x]
        if there.lane is here.lane is not None:
            return "state", self._role[x], here.t - there.t
        if there.lane is None or here.lane is None:
            return "outside", self.of[x]
        path = (there.lane.path, there.lane.run, there.lane.order)
        return "lane", path, self._role[x], here.column - there.column

    def _options(self, node: Tensor) -> Hashable:
        if not node.options:
            return ()
        words = []
        for key, value in node.options.items():
            if key == "index":
                value = tuple(
                    ("t", self._clock[node, place]) if (node, place) in self._clock else part
                    for place, part in enumerate(value)
                )
            words.append((key, "a function" if callable(value) else repr(value)))
        return tuple(words)


def _part(array: Any, node: Tensor) -> Hashable:
    """Which of the arrays of its scope it is, and which part of that, whatever its letter."""
    found = array_letter(array, node)
    if found is None:
        return None
    letters = [letter for frame in node.scope for letter in frame.arrays]
    return letters.index(found[0]), found[1]
