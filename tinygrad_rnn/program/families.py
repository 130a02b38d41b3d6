"""Where does each operand of a family come from?

From one node for all steps, or from another family at a fixed distance in time. What differs at the
first or last step is the initial value of a recurrence, if that step of the other family does not
exist; if it does, the nodes are no family, and stay single. Nothing is assumed: every operand of
every member is looked at.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.program.graph import same_constant

__all__ = [
    "Family",
    "NoFamily",
    "Node",
    "Step",
    "find_slots",
    "guess_terms",
    "let_be_zero",
    "linear_options",
    "source",
]

Missing = tuple[Any, Any, int, int]  # the arguments of `let_be_zero`
Source = tuple[Any, ...]  # ("fam", family, t), ("one", node) or ("const", value)
LINEAR = frozenset(
    ("multiply", "matmul", "transpose", "reshape", "getitem", "negative", "sum", "astype")
)
ADDS = frozenset(("addn", "add", "subtract", "scatter", "concatenate", "stack"))


class NoFamily(Exception):
    """These nodes do not repeat; the argument is the family, if known, the message says why."""

    def __init__(self, family: Family | None, why: str) -> None:
        super().__init__(why)
        self.family = family


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
    family: Family | None = None
    named: bool = False
    of: Any = None  # the Node whose whole gradient it is


@dataclass(eq=False)
class Family:
    """Nodes alike but for t: where each operand comes from, and what precedes the first step."""

    members: dict[int, Node]
    lo: int
    hi: int
    slots: list[Source] = field(default_factory=list)  # ("step", family, offset), ("one", node) …
    init: dict[int, Source] = field(default_factory=dict)
    means: dict[int, Source] = field(default_factory=dict)  # what added steps are known to be
    span: tuple[int, int] = (0, -1)  # the steps of all gradients that flow through the same scope
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def op(self) -> str:
        """What its members do."""
        return self.members[next(iter(self.members))].op

    def has(self, t: int) -> bool:
        """Whether it computes step t."""
        return self.lo <= t <= self.hi

    def extend(self, t: int, meaning: Source) -> None:
        """Compute step t too, which must be next to the others; its value is known."""
        if t not in (self.lo - 1, self.hi + 1):
            raise NoFamily(self, "its steps have a gap")
        self.lo, self.hi = min(self.lo, t), max(self.hi, t)
        self.means[t] = meaning


def source(x: Any) -> Source:
    """What an operand of one node is."""
    if type(x) is not Node:
        return ("const", x)
    return ("one", x) if x.family is None else ("fam", x.family, x.t)


def same(a: Source | None, b: Source) -> bool:
    """Whether two sources are the same value."""
    if a is None or a[0] != b[0]:
        return False
    return same_constant(a[1], b[1]) if a[0] == "const" else a[1:] == b[1:]


def find_slots(family: Family, later: list[Missing]) -> None:
    """Fill in the slots of a family; NoFamily if its members do not agree.

    What has to be zero for that is added to `later`: whether it can be is known when all slots are.
    """
    members = family.members
    if family.op == "addn":
        _terms(family, later)
        return
    family.slots = []
    nodes = list(members.values())
    for j in range(len(nodes[0].ins)):
        slot = _alike([node.ins[j] for node in nodes], family.lo)
        if slot is None:
            given = {t: source(node.ins[j]) for t, node in members.items()}
            slot = _slot(family, given, later)
        family.slots.append(slot)


def _alike(xs: list[Any], lo: int) -> Source | None:
    """The slot of an operand that is alike at all steps from `lo` on; most are."""
    x = xs[0]
    if type(x) is not Node:
        return None
    if x.family is None:
        return ("one", x) if all(y is x for y in xs) else None
    family, away = x.family, (x.t or 0) - lo
    for t, y in enumerate(xs, lo + away):
        if type(y) is not Node or y.family is not family or y.t != t:
            return None
    return "step", family, away


def _slot(family: Family, given: dict[int, Source], later: list[Missing]) -> Source:
    forms = Counter(_form(s, t) for t, s in given.items())
    form, often = max(
        forms.items(), key=lambda item: (_is_sum(item[0]), item[1], item[0][0] == "step")
    )
    if form[0] == "const":
        if often < len(given):
            raise NoFamily(family, "an operand is a constant at some steps only")
        values = [s[1] for s in given.values()]
        if all(same_constant(v, values[0]) for v in values):
            return ("const", values[0])
        if any(type(v) is not np.ndarray for v in values):
            raise NoFamily(family, "a number changes from step to step")
        if len({(v.shape, v.dtype) for v in values}) > 1:
            raise NoFamily(family, "a constant is of another shape or dtype at some steps")
        return ("consts", np.stack([given[t][1] for t in sorted(given)]), min(given))
    others = [t for t, s in given.items() if _form(s, t) != form]
    if others and form[0] == "step":  # from its ends on
        near = form[1].lo if others[-1] + form[2] > form[1].hi else form[1].hi
        others.sort(key=lambda t: abs(t + form[2] - near))
    for t in others:
        if form[0] != "step" or t + form[2] in form[1].members:
            raise NoFamily(family, f"step {t} is made from something else")
        _boundary(family, form[1], t, t + form[2], given[t], later)
    return form


def _is_sum(form: Source) -> bool:
    return form[0] == "step" and form[1].op == "addn"


def _form(s: Source, t: int) -> Source:
    if s[0] == "fam":
        return ("step", s[1], s[2] - t)
    return ("const",) if s[0] == "const" else s


def _terms(family: Family, later: list[Missing]) -> None:
    """The slots of a sum of gradients; a term that is missing at the end of time is a zero."""
    forms = guess_terms(family)
    if any(f[0] == "const" for f in forms):
        raise NoFamily(family, "a sum of gradients has a constant term")
    alone = [f for f in forms if forms[f] == 1 and len(family.members) > 2]
    for t, node in family.members.items():
        here = Counter(_form(source(x), t) for x in node.ins)
        if max(here.values()) > 1:
            raise NoFamily(family, "a sum has the same term twice")
        missing = [f for f in family.slots if f not in here and f not in alone]
        extra = [source(x) for x in node.ins if _form(source(x), t) in alone]
        if any(f[0] != "step" for f in missing) or len(extra) > len(missing):
            raise NoFamily(family, f"the sum at step {t} has other terms than the rest")
        for k, form in enumerate(missing):  # what comes from outside takes the place of what is not
            if k >= len(extra):
                later.append((family, form[1], t, t + form[2]))
            elif t + form[2] in form[1].members or form[2] == 0:
                raise NoFamily(family, f"the sum at step {t} has other terms than the rest")
            else:
                _boundary(family, form[1], t, t + form[2], extra[k], later)
    family.slots = [f for f in family.slots if f not in alone]


def guess_terms(family: Family) -> Counter[Source]:
    """The terms that occur, and they as slots, the most frequent first."""
    forms: Counter[Source] = Counter()
    for t, node in family.members.items():
        forms.update({_form(source(x), t): 1 for x in node.ins})
    family.slots = sorted(forms, key=lambda f: -forms[f])
    return forms


def _boundary(user: Family, of: Family, t: int, at: int, s: Source, later: list[Missing]) -> None:
    """Let `of` be `s` at the step `at` that it does not compute, where `user` reads it at `t`."""
    known = of.init.get(at, of.means.get(at))
    if known is not None:
        if not same(known, s):
            raise NoFamily(user, f"step {t} starts from something else than its neighbours do")
        return
    if of.op == "addn":
        reads = [read(of, k, at) for k in range(len(of.slots))]
        hits = [k for k, r in enumerate(reads) if same(r, s)]
        if not hits and of.span[0] <= at <= of.span[1]:  # what comes from outside is one of them
            hits = [k for k, r in enumerate(reads) if r is None and of.slots[k][2]][:1]
            if hits:
                _, other, shift = of.slots[hits[0]]
                _boundary(of, other, at, at + shift, s, later)
        if len(hits) == 1:
            for k, slot in enumerate(of.slots):
                if k != hits[0]:
                    if slot[0] != "step":
                        raise NoFamily(user, f"the sum at step {at} lacks a term")
                    later.append((of, slot[1], at, at + slot[2]))
            of.extend(at, s)
            return
    if at == t and s[0] == "const" and _computes(of, at, s[1]):
        of.extend(at, s)
        return
    of.init[at] = s


def read(family: Family, k: int, t: int) -> Source | None:
    """What operand k is at step t; None if it does not exist there."""
    slot = family.slots[k]
    if slot[0] != "step":
        return slot
    other, at = slot[1], t + slot[2]
    return ("fam", other, at) if other.has(at) else other.init.get(at)


def _computes(family: Family, t: int, value: Any) -> bool:
    """Whether a view of constants at step t is this constant."""
    reads = [read(family, k, t) for k in range(len(family.slots))]
    if len(reads) != 1 or reads[0] is None or reads[0][0] != "const":
        return False
    x = np.asarray(reads[0][1])
    if family.op == "transpose":
        axes = family.options.get("axes")
        return same_constant(x.transpose(axes), np.asarray(value))
    if family.op == "reshape":
        return same_constant(x.reshape(family.options["shape"]), np.asarray(value))
    return False


def let_be_zero(user: Family, of: Any, t: int, at: int) -> None:
    """Let `of` be zero at the step `at`, which it does not compute."""
    todo = [(of, t, at)]
    while todo:
        of, t, at = todo.pop()
        if type(of) is not Family or at in of.members:
            raise NoFamily(user, f"the sum at step {t} lacks a term")
        node = next(iter(of.members.values()))
        nothing = ("const", np.zeros(node.shape, node.dtype))
        known = of.init.get(at, of.means.get(at))
        if known is not None:
            if not same(known, nothing):
                raise NoFamily(user, f"the sum at step {t} lacks a term")
            continue
        missing = [
            (slot[1], at, at + slot[2])
            for k, slot in enumerate(of.slots)
            if slot[0] == "step" and read(of, k, at) is None
        ]
        nulls = [read(of, k, at) is None or _is_zero(of, k, at) for k in range(len(of.slots))]
        linear = any(nulls) if of.op in LINEAR else of.op in ADDS and all(nulls)
        if of.op == "where":  # zero if both branches are
            linear = all(nulls[1:])
        inside = at == t or of.span[0] <= at <= of.span[1]
        if of.op in LINEAR and inside:
            missing = _nulled(missing, at)
        elif of.op == "where" and inside:  # of its condition nobody says that it is zero
            missing = [x for x in missing if x[0] is not of.slots[0][1] or not _computed(x[0], at)]
        if inside and linear:
            of.extend(at, nothing)
            todo += missing
        else:
            of.init[at] = nothing


def _is_zero(family: Family, k: int, t: int) -> bool:
    """Whether operand k is known to be zero at step t."""
    slot = family.slots[k]
    if slot[0] == "step":
        at = t + slot[2]
        slot = slot[1].means.get(at, slot[1].init.get(at, slot))
    return slot[0] == "const" and not np.any(slot[1])


def _nulled(missing: list[Any], at: int) -> list[Any]:
    """Which factors that do not exist at a step have to be zero: those that cannot be computed."""
    found = list(missing)
    for factor in missing:
        other, _, when = factor
        if when == at and len(found) > 1 and _computed(other, at):
            found.remove(factor)
    return found


def _computed(family: Family, at: int) -> bool:
    """Whether a family can be, and now is, computed at one more step, with what it is made from."""
    chain, todo = list[Family](), [family]
    while todo:
        of = todo.pop()
        if of.has(at) or at in of.init or of in chain:
            continue
        reads = [read(of, k, at) for k in range(len(of.slots))]
        missing = [slot for slot, r in zip(of.slots, reads, strict=True) if r is None]
        if at not in (of.lo - 1, of.hi + 1) or any(slot[2] for slot in missing):
            return False
        if any(slot[0] == "consts" for slot in of.slots) or not _inside(of, at):
            return False
        chain.append(of)
        todo += [slot[1] for slot in missing]
    for of in chain:
        of.extend(at, ("computed",))
    return True


def _inside(family: Family, t: int) -> bool:
    """Whether what it takes by an index is there at step t."""
    index = family.options.get("index", ())
    for axis, p in enumerate(index):
        if type(p) is Step:
            source = family.slots[0]
            shape = source[1].shape if source[0] == "one" else ()
            if None in index[:axis] or axis >= len(shape):
                return False
            return 0 <= p.sign * t + p.shift < shape[axis]
    return True


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
