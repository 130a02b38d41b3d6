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
    "Step",
    "find_operands",
    "linear_options",
    "place_extra",
    "source",
]

Source = tuple[Any, ...]  # ("at", sequence, t), ("one", node) or ("const", value)
Term = tuple[Source, int]  # of a sum: its form, and how many of the same stand before it


class NoSequence(Exception):
    """Nodes that do not repeat, at step t if that is known; the message says why."""

    def __init__(self, sequence: Sequence | None, why: str, t: int | None = None) -> None:
        super().__init__(why)
        self.sequence, self.t = sequence, t


class Extra(NamedTuple):
    """Terms that the sum at one step has and others lack, and those that it lacks."""

    sequence: Sequence
    t: int
    missing: list[Source]
    terms: list[Source]


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


def find_operands(sequence: Sequence, later: list[Extra]) -> None:
    """Fill in the operands of a sequence; NoSequence if its members do not agree.

    Terms that a sum has at one step alone are added to `later`: which terms they stand for is known
    only when all operands are.
    """
    if sequence.op == "addn":
        _terms(sequence, later)
        return
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
    forms = Counter(_form(s, t) for t, s in given.items())

    def explains(form: Source) -> tuple[int, bool, int]:
        against = sum(_form(s, t) != form and _exists(form, t) for t, s in given.items())
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
    for t in (t for t, s in given.items() if _form(s, t) != form):
        _boundary(sequence, form, t, given[t])
    return form


def _is_sum(form: Source) -> bool:
    return form[0] == "step" and form[1].op == "addn"


def _form(s: Source, t: int) -> Source:
    if s[0] == "at":
        return ("step", s[1], s[2] - t)
    return ("const",) if s[0] == "const" else s


def _exists(form: Source, t: int) -> bool:
    """True if an operand is computed somewhere: then nothing else can stand in its place."""
    return form[0] != "step" or t + form[2] in form[1].members


def _boundary(user: Sequence, form: Source, t: int, s: Source) -> None:
    """Let the operand that `user` reads at step t, and nobody computes, be `s`: an initial value.

    A state h reads itself one step before. At step 0 that is h[-1], which no member computes, so
    the node that is read there becomes the initial value; the operand itself stays as it is:

    >>> def node(name, t=None):
    ...     return Node("tanh", [], {}, (3,), float, name, 0, t=t)
    >>> h = Sequence({t: node("h", t) for t in range(5)}, 0, 4)
    >>> form = "step", h, -1  # what h reads at steps 1 … 4
    >>> _boundary(h, form, 0, ("one", node("h0")))
    >>> {t: (kind, x.name) for t, (kind, x) in h.initial.items()}
    {-1: ('one', 'h0')}

    A step that is computed has no room for another value:

    >>> _boundary(h, form, 2, ("one", node("h0")))
    Traceback (most recent call last):
    ...
    tinygrad_rnn.program.ir.sequences.NoSequence: at step 2 it reads h0, elsewhere h
    """
    if _exists(form, t):
        raise NoSequence(user, f"at step {t} it reads {_called(s)}, elsewhere {_called(form)}", t)
    if not same(form[1].initial.setdefault(t + form[2], s), s):
        raise NoSequence(user, f"step {t} starts from something else than its neighbours do", t)


def _called(s: Source) -> str:
    """A source in a sentence."""
    if s[0] in ("const", "consts"):
        return "a constant"
    node = s[1] if s[0] == "one" else next(iter(s[1].members.values()))
    return node.name or node.op


def _terms(sequence: Sequence, later: list[Extra]) -> None:
    """Find the operands of a sum of gradients.

    A term belongs to all steps if it is missing only where nobody computes it: there it is zero.
    Other terms come from outside, as the gradient of a last state does::

        dh[t] = add(dy[t], da[t + 1]); t = 0 … 3        dh[t] = add(dy[t], da[t + 1])
        dh[4] = add(dy[4], dlast)                       da[5] = dlast

    >>> def sequence(name):
    ...     nodes = {t: Node("copy", [], {}, (3,), float, name, t, t=t) for t in range(5)}
    ...     found = Sequence(nodes, 0, 4)
    ...     for x in nodes.values():
    ...         x.sequence = found
    ...     return found
    >>> dy, da, dh = map(sequence, ["dy", "da", "dh"])
    >>> last = Node("copy", [], {}, (3,), float, "dlast", 5)
    >>> for t, x in dh.members.items():
    ...     x.op, x.ins = "addn", [dy.members[t], da.members.get(t + 1, last)]
    >>> later = []
    >>> _terms(dh, later)
    >>> [(kind, of.op, away) for kind, of, away in dh.operands]
    [('step', 'copy', 0), ('step', 'copy', 1)]
    >>> [(x.t, [s[1].name for s in x.terms]) for x in later]
    [(4, ['dlast'])]

    `place_extra` then makes it the initial value of the term that is missing:

    >>> place_extra(later[0])
    []
    >>> {t: x.name for t, (_, x) in da.initial.items()}
    {5: 'dlast'}
    """
    here = {t: _counted(node, t) for t, node in sequence.members.items()}
    often = Counter(term for terms in here.values() for term in terms)
    if any(form == ("const",) for form, _ in often):
        raise NoSequence(sequence, "a sum of gradients has a constant term")
    operands = [
        term
        for term, n in often.most_common()
        if 2 * n > len(here) or all(term in ts or not _exists(term[0], t) for t, ts in here.items())
    ]
    sequence.operands = [form for form, _ in operands]
    for t, terms in here.items():
        missing = [form for form, k in operands if (form, k) not in terms]
        extra = [s for term, s in terms.items() if term not in operands]
        left_out = [form for form in missing if _exists(form, t)]
        if left_out or (extra and not missing):
            which = "lacks, as others do not," if left_out else "has, as others have not,"
            raise NoSequence(
                sequence, f"the sum at step {t} {which} {_named(left_out or extra)}", t
            )
        later += [Extra(sequence, t, missing, extra)] if missing else []


def _counted(node: Node, t: int) -> dict[Term, Source]:
    """The terms of a sum at step t, with how many of the same stand before each."""
    found: dict[Term, Source] = {}
    for x in node.ins:
        s = source(x)
        k = sum(form == _form(s, t) for form, _ in found)
        found[_form(s, t), k] = s
    return found


def place_extra(x: Extra) -> list[Node]:
    """Make terms from outside the initial values of the terms that are missing; the rest is zero.

    A term that is left of a missing sum stands for that sum. All others together stand for a term
    that is carried from step to step, which is read here alone; their sum is a new node.
    """
    missing, rest, new = list(x.missing), list[Source](), list[Node]()
    for s in x.terms:
        form = next((f for f in missing if _may_be(f, x.t, s)), None)
        if form is None:
            rest.append(s)
        else:
            missing.remove(form)
            _boundary(x.sequence, form, x.t, s)
    if rest and missing:
        form = max(missing, key=lambda f: (bool(f[2]), not _is_sum(f)))
        missing.remove(form)
        if len(rest) > 1:
            new.append(
                _sum(x.sequence, [s[1] if s[0] == "one" else s[1].members[s[2]] for s in rest])
            )
            rest = [("one", new[0])]
        _boundary(x.sequence, form, x.t, rest[0])
    elif rest:
        raise NoSequence(
            x.sequence, f"the sum at step {x.t} has, as others have not, {_named(rest)}", x.t
        )
    for form in missing:
        node = next(iter(form[1].members.values()))
        _boundary(x.sequence, form, x.t, ("const", np.zeros(node.shape, node.dtype)))
    return new


def _sum(sequence: Sequence, terms: list[Any]) -> Node:
    like, serial = sequence.members[sequence.lo], max(x.serial for x in terms)
    return Node("addn", terms, {}, like.shape, like.dtype, like.name, serial)


def _named(sources: list[Source]) -> str:
    return " and ".join(map(_called, sources))


def _may_be(form: Source, t: int, s: Source) -> bool:
    """True if a missing operand is a sum whose one remaining term is `s`."""
    _, of, away = form
    at = t + away
    return of.op == "addn" and any(
        same(
            ("at", f[1], at + f[2]) if at + f[2] in f[1].members else f[1].initial.get(at + f[2]), s
        )
        for f in of.operands
        if f[0] == "step"
    )


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
