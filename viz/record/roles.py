"""Which role does each value of a record play from step to step: a state, a result, a sum?"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cached_property

from tinygrad_rnn import Frame, Tensor
from tinygrad_rnn.program import Formula
from viz.record.alike import Forms, Use, clocks, first_states
from viz.record.collapse import View
from viz.record.labels import array_letter, is_number, short, value_text
from viz.record.lanes import Lane

FREE = "auvsqwpkmdjy"  # letters for values that have none


@dataclass
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
    absent
        By argument of the first step the operation that later steps have there, if the first has a
        constant, as it was computed from constants alone.
    partial
        Sums of gradients to which more is added.
    clock
        By operation and place in its index how far after its step it reads, 0 for ``x[t]``.
    forms
        Which operations of two steps are the same.
    words
        What could be written for an array or an input, by the form and the argument: the values
        that it has, or the names, at all steps.
    sequences
        Leaves of which each step reads its own part.
    letters
        By form the letter of a value without one, where a formula would write two dots.
    primes
        By lane and role, how many primes tell it from others of its letter.
    leaf_primes
        Of parameters of one name in one step, which of them it is: from 1, 0 if it is alone.
    known
        By node the letters in its formula, as far as they were asked for.
    """

    view: View
    roots: set[Tensor]
    born: dict[int, Tensor]
    members: dict[object, list[Tensor]]
    homes: dict[Tensor, Counter[object]]
    role: dict[Tensor, str]
    states: set[tuple[Lane | None, str]]
    initial: dict[tuple[Tensor, int], str]
    absent: dict[tuple[Tensor, int], Tensor]
    partial: set[Tensor]
    clock: dict[tuple[Tensor, int], int]
    forms: Forms
    words: dict[tuple[int, int], set[str]]
    sequences: set[Tensor]
    letters: dict[int, str] = field(default_factory=dict)
    primes: dict[tuple[Lane | None, str], int] = field(default_factory=dict)
    leaf_primes: dict[Tensor, int] = field(default_factory=dict)
    known: dict[Tensor, dict[Use, Formula]] = field(default_factory=dict)

    def called(self, lane: Lane | None, role: str) -> str:
        """The letter of a role; with a prime if another role of the lane has the plain letter."""
        return short(role.rpartition(" ")[0]) + "′" * self.primes.get((lane, role), 0)

    @cached_property
    def input_letter(self) -> str:
        """The letter of inputs that have a name of their own at each step: x, if it is free."""
        taken = {role.rpartition(" ")[0] for role in self.role.values()}
        return next(letter for letter in ("x", "u", "input") if letter not in taken)

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
        members[view.owner[node]].append(node)
        step, letter = view.step[node], node.name or "·"
        # a cut counts apart: a step behind one has the roles of the others all the same
        cut = "cut " * (node.op is not None and node.op.name == "stop_gradient")
        counts[step, cut + letter] += 1
        role[node] = f"{letter} {cut.strip()}{counts[step, cut + letter]}"
    initial, absent = first_states(nodes, view, role)
    for node in nodes:
        here, total = view.section[node], sum_of(node)
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
    clock = clocks(nodes)
    forms = Forms(nodes, view, role, homes, clock, initial, absent)
    words: dict[tuple[int, int], set[str]] = defaultdict(set)
    read_by_step, read_whole = set[Tensor](), set[Tensor]()
    timed = {node for node, _ in clock}
    for node in nodes:
        for k, x in enumerate(node.inputs):
            if type(x) is Tensor and x.op is None:
                (read_by_step if node in timed else read_whole).add(x)
            if type(x) is Tensor and x.op is None and x.name:
                words[forms.of[node], k].add(x.name)
            elif type(x) is not Tensor and not is_number(x) and array_letter(x, node) is None:
                words[forms.of[node], k].add(value_text(x))
    roles = Roles(
        view=view,
        roots=set(roots),
        born=born,
        members=members,
        homes=homes,
        role=role,
        states=states,
        initial=initial,
        absent=absent,
        partial=partial,
        clock=clock,
        forms=forms,
        words=words,
        sequences=read_by_step - read_whole,
    )
    _tell_apart(roles)
    _letter(record, roles)
    return roles


def _tell_apart(roles: Roles) -> None:
    """Primes for values of one letter in one step: the state, or else the first, is without."""
    of_letter: dict[tuple[Lane | None, str], dict[str, None]] = defaultdict(dict)
    for node, role in roles.role.items():
        lane = roles.view.step[node].lane
        if node.name and lane is not None:
            of_letter[lane, node.name].setdefault(role)
    leaves: dict[tuple[object, str], dict[Tensor, None]] = defaultdict(dict)
    for node in roles.role:
        for x in node.inputs:
            if type(x) is Tensor and x.op is None and x.name and len(roles.homes[x]) > 1:
                leaves[roles.view.step[node], x.name].setdefault(x)
    for several in leaves.values():
        roles.leaf_primes.update({x: k for k, x in enumerate(several, 1) if several.keys() != {x}})
    for (lane, _), several in of_letter.items():
        states = [role for role in several if (lane, role) in roles.states]
        plain = (states or [*several])[0]
        others = [role for role in several if role != plain]
        roles.primes.update({(lane, role): k for k, role in enumerate(others, start=1)})


def _letter(record: list[Tensor], roles: Roles) -> None:
    """Letters for values without one, where a formula reads two of them, or a gate its columns."""
    taken = {x.name for x in record if x.name}
    taken.update(letter for x in record for frame in x.scope for letter in frame.arrays)
    free = (letter for letter in FREE if letter not in taken)
    for owner, members in roles.members.items():
        own = set(members)
        if not isinstance(owner, Tensor) or roles.view.step[owner].lane is None:
            continue
        inputs = dict.fromkeys(x for n in members for x in n.inputs if type(x) is Tensor)
        dots = [x for x in inputs if x.op is not None and not x.name and x not in own]
        forms = dict.fromkeys(roles.forms.of[x] for x in dots)
        packed = {x for n in members if columns(n) and owner.name for x in n.inputs}
        if len(forms) > 1 or not packed.isdisjoint(dots):
            for form in forms:
                if form not in roles.letters and (letter := next(free, None)):
                    roles.letters[form] = letter


def columns(node: Tensor) -> bool:
    """Whether an operation of the forward pass takes a stretch of one axis, as gates do."""
    if node.op is None or node.op.name != "getitem" or len(node.inputs) > 1:
        return False
    parts = [part for part in node.options["index"] if part not in (Ellipsis, slice(None))]
    stretch = len(parts) == 1 and isinstance(parts[0], slice) and parts[0].step in (None, 1)
    return stretch and node.inputs[0].op is not None and mark(node) is None


def mark(node: Tensor) -> Frame | None:
    """The frame that says of a recorded gradient what it is a gradient of."""
    return next((frame for frame in reversed(node.scope) if frame.of is not None), None)


def sum_of(node: Tensor) -> int | None:
    """The serial number of the value to which the gradients flow that are added up here."""
    frame = mark(node)
    return None if frame is None or frame.argument is not None else frame.of
