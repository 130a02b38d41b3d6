"""Which values does a record hand on from step to step, and under which letters?

Read from the record alone: `steps` says which step an operation belongs to, its name which letter
it is, and a value that another step of the same lane uses is a state. No cell is known here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tinygrad_rnn.engine.backward import ancestors
from tinygrad_rnn.engine.kinds import IDENTITY
from tinygrad_rnn.engine.steps import Step, order_of, step_frame, steps
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.measure.arguments import check_steps, stacked, tensors
from tinygrad_rnn.measure.results import Brief

__all__ = ["Lane", "lanes", "lanes_of", "one_lane", "time_of"]


@dataclass(eq=False, slots=True, repr=False)
class Lane(Brief):
    """One cell on its way through time: a layer, or one direction of it.

    Attributes
    ----------
    name
        Its scopes in words: ``"lstm"``, ``"layer 2 · lstm"``; with a number where one name runs
        through time again.
    steps
        The steps t in the order they were run; against time in a lane that was run in reverse.
    values
        By letter the named values, one Tensor per step, None where a step has none. Where a step
        has several of one letter they are ``"h 1"``, ``"h 2"`` …
    states
        The letters of what is handed on from step to step.
    members
        The operations of each step, in the order of birth.
    """

    name: str
    steps: list[int] = field(default_factory=list)
    values: dict[str, list[Tensor | None]] = field(default_factory=dict)
    states: tuple[str, ...] = ()
    members: list[list[Tensor]] = field(default_factory=list)

    def of(self, letter: str) -> tuple[list[int], list[Tensor]]:
        """The indices of the `steps` that have this letter, and its Tensors."""
        if letter not in self.values:
            known = ", ".join(self.values) or "none"
            raise ValueError(
                f"measure: {self.name} has no value {letter!r}; its letters are: {known}. Name "
                f"it in the cell, named({letter}=…), inside the scope of its step."
            )
        found = [(k, x) for k, x in enumerate(self.values[letter]) if x is not None]
        return [k for k, _ in found], [x for _, x in found]

    def array(self, letter: str) -> np.ndarray:
        """The values of a letter at all steps that have it, (T, *shape)."""
        ks, xs = self.of(letter)
        return stacked(
            f"{letter} of {self.name}", [self.steps[k] for k in ks], [x.data for x in xs]
        )


def lanes(roots: Tensor | Sequence[Tensor]) -> list[Lane]:
    """All lanes in the record behind `roots`, in the order they began.

    Raises
    ------
    TypeError, ValueError
        `roots` are no Tensors, nothing behind them was recorded inside a time step, or the steps
        were not kept (``checkpoint=True``).
    """
    nodes = ancestors(*tensors(roots))
    check_steps(nodes)
    return lanes_of(nodes)


def lanes_of(nodes: list[Tensor]) -> list[Lane]:
    """The lanes of these nodes in the order of birth; checkpointed segments count as steps."""
    own = steps(node for node in nodes if not order_of(node))
    inside = {node: step for node, step in own.items() if step.t is not None}
    found = _collected(inside)
    if not found:
        raise ValueError(
            "measure: nothing in this record belongs to a time step. Run the cell by nn.unroll, "
            'or inside `with scope("rnn", t=t)`.'
        )
    handed, leaving = _handed_on(nodes, inside)
    for lane in found:
        _letters(lane)
        _states(lane, handed, leaving)
    return found


def _collected(inside: dict[Tensor, Step]) -> list[Lane]:
    """The lanes with their steps and members; what values they have is not yet known."""
    members: dict[Step, list[Tensor]] = defaultdict(list)
    for node, step in inside.items():
        members[step].append(node)
    found: dict[object, Lane] = {}
    for step, nodes in members.items():
        lane = found.setdefault(step.lane, Lane(step.lane.name))
        assert step.t is not None
        lane.steps.append(step.t)
        lane.members.append(nodes)
    return list(found.values())


def one_lane(roots: Tensor | Sequence[Tensor], name: str | None = None) -> Lane:
    """The lane of this name; without one the last that is recurrent (the top layer).

    A recurrent lane hands a state on over several steps, and a state is no scalar, as a loss is
    that a step has or adds to. Where no lane does both, steps count before shape.

    Raises
    ------
    ValueError
        There is no lane of this name; says which there are.
    """
    every = lanes(roots)
    if name is not None:
        for lane in every:
            if lane.name == name:
                return lane
        known = ", ".join(lane.name for lane in every)
        raise ValueError(f"measure: no lane is called {name!r}; there are: {known}.")
    return max(reversed(every), key=_recurrence)  # of equals the last


def _recurrence(lane: Lane) -> tuple[bool, bool, bool]:
    """Marks of a recurrent net: a state, several steps, a state that is no scalar."""
    xs = [x for letter in lane.states for x in lane.values[letter] if x is not None]
    return bool(xs), len(lane.steps) > 1, any(x.ndim for x in xs)


def time_of(node: Tensor) -> int | None:
    """The step that a node was recorded in; None outside of time, and for gradients."""
    frame = step_frame(node)
    return None if frame is None or order_of(node) else frame.t


def _handed_on(nodes: list[Tensor], inside: dict[Tensor, Step]) -> tuple[set[Tensor], set[Tensor]]:
    """Values that another step of their lane uses, and values that anything else uses."""
    handed: set[Tensor] = set()
    leaving = set(inside)
    behind: dict[Tensor, Tensor] = {}  # outside of steps: the one value that was changed on its way
    for node in nodes:
        if node.op is None:
            continue
        here = inside.get(node)
        sources = [x for x in node.inputs if type(x) is Tensor and (x in inside or x in behind)]
        if here is None and len(sources) == 1:
            behind[node] = behind.get(sources[0], sources[0])
        for x in sources:
            origin = behind.get(x, x)
            there = inside[origin]
            if here is not None and here is not there and here.lane is there.lane:
                handed.add(origin)
            if here is there and x is origin:
                leaving.discard(origin)
    return handed, leaving


def _letters(lane: Lane) -> None:
    """The named values of each step, counted from its end: a first step may lack the beginning."""
    by_step = [defaultdict[str, list[Tensor]](list) for _ in lane.steps]
    for named, members in zip(by_step, lane.members, strict=True):
        own = set(members)
        for node in members:
            for x in node.inputs:  # an input of its own: a leaf
                if type(x) is Tensor and x.op is None and x.name and x not in own:
                    own.add(x)
                    named[x.name].append(x)
            if node.name and node.op is not None and node.op.kind is not IDENTITY:
                named[node.name].append(node)
    _drop_shared(by_step)
    counts: dict[str, int] = {}
    for named in by_step:
        for letter, found in named.items():
            counts[letter] = max(counts.get(letter, 0), len(found))
    for letter, count in counts.items():
        for k in range(count, 0, -1):
            key = letter if count == 1 else f"{letter} {count - k + 1}"
            lane.values[key] = [
                named[letter][-k] if len(named[letter]) >= k else None for named in by_step
            ]


def _drop_shared(by_step: list[defaultdict[str, list[Tensor]]]) -> None:
    """A leaf that several steps use is a parameter, not a value of a step."""
    seen: dict[Tensor, int] = defaultdict(int)
    for named in by_step:
        for x in {x for found in named.values() for x in found if x.op is None}:
            seen[x] += 1
    for named in by_step:
        for letter in list(named):
            named[letter] = [x for x in named[letter] if seen.get(x, 0) < 2]
            if not named[letter]:
                del named[letter]


def _states(lane: Lane, handed: set[Tensor], leaving: set[Tensor]) -> None:
    """The letters of what is handed on; a single step hands nothing on: of what leaves it."""
    wanted = handed if len(lane.steps) > 1 else leaving
    found = [
        key for key, xs in lane.values.items() if any(x in wanted for x in xs if x is not None)
    ]
    named = {x for key in found for x in lane.values[key]}
    for key in found:  # the state is h, and what it was made from "h 1"
        letter, _, number = key.partition(" ")
        alone = number and sum(other.partition(" ")[0] == letter for other in found) == 1
        lane.values[letter if alone else key] = lane.values.pop(key)
    found = [
        key for key, xs in lane.values.items() if any(x in wanted for x in xs if x is not None)
    ]
    if len(lane.steps) > 1:
        for role, letter in _unnamed(lane, handed - named).items():
            lane.values[letter] = [_from_end(members, role) for members in lane.members]
            found.append(letter)
    lane.states = tuple(key for key in lane.values if key in found)


Role = tuple[str, str, int]


def _unnamed(lane: Lane, handed: set[Tensor]) -> dict[Role, str]:
    """The letters of unnamed states: each has the letter of the value it was made from.

    As under a mask, where the state is ``where(valid, h, h_before)``. A role is the primitive, that
    letter, and which of them it is, counted from the end of the step.
    """
    roles: dict[Role, str] = {}
    for members in lane.members:
        for x in members:
            if x in handed and not x.name:
                same = _alike(members, x)
                letter = _made_from(x, set(members))
                role = _op(x), letter, next(k for k, y in enumerate(same[::-1], 1) if y is x)
                if role not in roles:
                    again = sum(r.partition(" ")[0] == letter for r in roles.values())
                    roles[role] = f"{letter} {again + 1}" if again else letter
    return roles


def _op(x: Tensor) -> str:
    return x.op.name if x.op is not None else ""


def _alike(members: list[Tensor], x: Tensor) -> list[Tensor]:
    """The unnamed values of the step that the same primitive made from the same letter."""
    step = set(members)
    letter = _made_from(x, step)
    same = [y for y in members if y.op is x.op and not y.name]
    return [y for y in same if _made_from(y, step) == letter]


def _made_from(x: Tensor, step: set[Tensor]) -> str:
    """The letter of the nearest named value of the step behind `x`, its inputs aside."""
    todo, seen = [x], {x}
    while todo:
        node = todo.pop(0)
        given = _op(node) == "getitem" and node.inputs[0] not in step  # x_t of a sequence xs
        passes = node.op is not None and node.op.kind is IDENTITY
        if node.name and not passes and not given:
            return node.name
        for y in node.inputs:
            if type(y) is Tensor and y in step and y not in seen:
                seen.add(y)
                todo.append(y)
    return "state"


def _from_end(members: list[Tensor], role: Role) -> Tensor | None:
    name, letter, k = role
    step = set(members)
    same = [y for y in members if _op(y) == name and not y.name]
    same = [y for y in same if _made_from(y, step) == letter]
    return same[-k] if len(same) >= k else None
