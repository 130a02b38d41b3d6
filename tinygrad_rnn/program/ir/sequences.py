"""Where does each operand of a sequence come from?

From one node for all steps, or from another sequence at a fixed distance in time. An operand that
differs at the first or last step is the initial value of a recurrence, if the other sequence has no
such step; if it has one, the nodes are no sequence, and stay single. Nothing is assumed: every
operand of every member is looked at.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.program.constants import same_constant

__all__ = [
    "NoSequence",
    "Node",
    "Sequence",
    "Source",
    "Step",
    "called",
    "exists",
    "find_operands",
    "form_of",
    "linear_options",
    "source",
    "starts_from",
]

Source = tuple[Any, ...]  # ("at", sequence, t), ("one", node) or ("const", value)


class NoSequence(Exception):
    """Nodes that do not repeat, at step t if that is known; the message says why."""

    def __init__(self, sequence: Sequence | None, why: str, t: int | None = None) -> None:
        super().__init__(why)
        self.sequence, self.t = sequence, t


class Step(NamedTuple):
    """The integer ``sign * t + shift`` in an index."""

    sign: int
    shift: int


@dataclass(eq=False, slots=True)
class Node:
    """A node of the record, light: sums of gradients are one node of many terms."""

    op: str
    ins: list[Any]  # Nodes, and constants as they are
    options: dict[str, Any]
    shape: tuple[int, ...]
    dtype: Any
    name: str
    serial: int
    key: Any = None
    t: int | None = None
    sequence: Sequence | None = None
    named: bool = False
    of: Any = None  # the Node whose gradient it is, of all its uses
    flows: bool = False  # back from the loss: it is computed from a cotangent


@dataclass(eq=False)
class Sequence:
    """Nodes alike but for t: where each operand comes from, and the initial values."""

    members: dict[int, Node]
    lo: int
    hi: int
    operands: list[Source] = field(default_factory=list)  # ("step", sequence, k) …
    initial: dict[int, Source] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def op(self) -> str:
        """The operation of its members."""
        return self.members[next(iter(self.members))].op

    def has(self, t: int) -> bool:
        """True if it computes step t."""
        return self.lo <= t <= self.hi

    @property
    def cotangent(self) -> bool:
        """True if its members flow back from the loss."""
        return self.members[self.lo].flows


def source(x: Any) -> Source:
    """The source of an operand of one node."""
    if type(x) is not Node:
        return ("const", x)
    return ("one", x) if x.sequence is None else ("at", x.sequence, x.t)


def same(a: Source | None, b: Source) -> bool:
    """True if two sources are the same value."""
    if a is None or a[0] != b[0]:
        return False
    return same_constant(a[1], b[1]) if a[0] == "const" else a[1:] == b[1:]


def find_operands(sequence: Sequence) -> None:
    """Fill in the operands of a sequence; NoSequence if its members do not agree."""
    members = sequence.members
    sequence.operands = []
    nodes = list(members.values())
    for j in range(len(nodes[0].ins)):
        operand = _alike([node.ins[j] for node in nodes], sequence.lo)
        if operand is None:
            operand = _operand(sequence, {t: source(node.ins[j]) for t, node in members.items()})
        sequence.operands.append(operand)


def _alike(xs: list[Any], lo: int) -> Source | None:
    """The source of an operand that is alike at all steps from `lo` on; most are."""
    x = xs[0]
    if type(x) is not Node:
        return None
    if x.sequence is None:
        return ("one", x) if all(y is x for y in xs) else None
    sequence, away = x.sequence, (x.t or 0) - lo
    for t, y in enumerate(xs, lo + away):
        if type(y) is not Node or y.sequence is not sequence or y.t != t:
            return None
    return "step", sequence, away


def _operand(sequence: Sequence, given: dict[int, Source]) -> Source:
    forms = Counter(form_of(s, t) for t, s in given.items())

    def explains(form: Source) -> tuple[int, bool, int]:
        against = sum(form_of(s, t) != form and exists(form, t) for t, s in given.items())
        return -against, _is_sum(form), forms[form]

    form = max(forms, key=explains)
    if form[0] == "const":
        if len(forms) > 1:
            t = next(t for t, s in given.items() if s[0] != "const")
            raise NoSequence(sequence, "an operand is a constant at some steps only", t)
        values = [s[1] for s in given.values()]
        if all(same_constant(v, values[0]) for v in values):
            return ("const", values[0])
        if any(type(v) is not np.ndarray for v in values):
            raise NoSequence(sequence, "a number changes from step to step")
        if len({(v.shape, v.dtype) for v in values}) > 1:
            raise NoSequence(sequence, "a constant is of another shape or dtype at some steps")
        return ("consts", np.stack([given[t][1] for t in sorted(given)]), min(given))
    for t in (t for t, s in given.items() if form_of(s, t) != form):
        starts_from(sequence, form, t, given[t])
    return form


def _is_sum(form: Source) -> bool:
    return form[0] == "step" and form[1].op == "addn"


def form_of(s: Source, t: int) -> Source:
    """A source at step t as it is at all steps: an element so many steps away, or itself."""
    if s[0] == "at":
        return ("step", s[1], s[2] - t)
    return ("const",) if s[0] == "const" else s


def exists(form: Source, t: int) -> bool:
    """True if an operand is computed somewhere: then nothing else can stand in its place."""
    return form[0] != "step" or t + form[2] in form[1].members


def starts_from(user: Sequence, form: Source, t: int, s: Source) -> None:
    """Let the operand that `user` reads at step t, and nobody computes, be `s`: an initial value.

    A state h reads itself one step before. At step 0 that is h[-1], which no member computes, so
    the node that is read there becomes the initial value; the operand itself stays as it is:

    >>> def node(name, t=None):
    ...     return Node("tanh", [], {}, (3,), float, name, 0, t=t)
    >>> h = Sequence({t: node("h", t) for t in range(5)}, 0, 4)
    >>> form = "step", h, -1  # what h reads at steps 1 … 4
    >>> starts_from(h, form, 0, ("one", node("h0")))
    >>> {t: (kind, x.name) for t, (kind, x) in h.initial.items()}
    {-1: ('one', 'h0')}

    A step that is computed has no room for another value:

    >>> starts_from(h, form, 2, ("one", node("h0")))
    Traceback (most recent call last):
    ...
    tinygrad_rnn.program.ir.sequences.NoSequence: at step 2 it reads h0, elsewhere h
    """
    if exists(form, t):
        raise NoSequence(user, f"at step {t} it reads {called(s)}, elsewhere {called(form)}", t)
    if not same(form[1].initial.setdefault(t + form[2], s), s):
        raise NoSequence(user, f"step {t} starts from something else than its neighbours do", t)


def called(s: Source) -> str:
    """A source in a sentence."""
    if s[0] in ("const", "consts"):
        return "a constant"
    node = s[1] if s[0] == "one" else next(iter(s[1].members.values()))
    return node.name or node.op


def linear_options(members: dict[int, Node]) -> dict[str, Any] | None:
    """The options of all members, integers in an index as they move with t; None if they differ."""
    ts = sorted(members)
    first, second = members[ts[0]].options, members[ts[1]].options
    if "index" not in first:
        return first if all(members[t].options == first for t in ts) else None
    a, b = first["index"], second["index"]
    if len(a) != len(b):
        return None
    template = [
        Step(v - u, u - (v - u) * ts[0]) if type(u) is int and type(v) is int and u != v else u
        for u, v in zip(a, b, strict=True)
    ]
    for t in ts:
        expected = [p.sign * t + p.shift if type(p) is Step else p for p in template]
        got = list(members[t].options["index"])
        if [type(p) for p in got] != [type(p) for p in expected] or got != expected:
            return None
    for axis, p in enumerate(template):
        last = members[ts[-1]].options["index"][axis]
        if type(p) is Step and (a[axis] < 0 or last < 0):  # counted from the end
            if a[axis] >= 0 or last >= 0 or None in template[:axis] or Ellipsis in template[:axis]:
                return None
            n = members[ts[0]].ins[0].shape[axis]
            template[axis] = p._replace(shift=p.shift + n)
    return {**first, "index": tuple(template)}
