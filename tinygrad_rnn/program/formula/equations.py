"""Which values of a step have an equation of their own, and what are they called?

Written from the values of the rolled-up record, before anything is done for speed: each named value
is a line, what has no name stands where it is read. Nothing here knows any cell.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from tinygrad_rnn.program.formula.indices import part_of
from tinygrad_rnn.program.formula.letters import Letter
from tinygrad_rnn.program.formula.notation import Notation
from tinygrad_rnn.program.formula.operands import TRIVIAL
from tinygrad_rnn.program.formula.shapes import filled
from tinygrad_rnn.program.formula.tree import ZERO, Formula, Step
from tinygrad_rnn.program.ir.graph import Value, ancestors
from tinygrad_rnn.program.ir.recurrences import components

__all__ = ["Equation", "Equations"]

LARGEST = 16  # letters of a formula that is written where it is read
LOSS = "\0"  # no letter, but of what is made for the loss alone
TWICE, DEEP = 2, 3  # and operations upon each other, if it is read more than once


@dataclass(eq=False)
class Equation:
    """The equation of a value: at each step its formula, at the ends its initial values."""

    value: Value
    formula: Formula
    starts: list[tuple[Step, Formula]] = field(default_factory=list)


class Equations:
    """The equations of one program: which values are lines, their formulas and letters."""

    notation_of: type[Notation] = Notation

    def __init__(
        self, values: list[Value], outputs: list[Value], leaves: list[Value], parameters: int
    ) -> None:
        self.outputs, self.leaves = outputs, leaves
        self.parameters = dict(zip(leaves[:parameters], outputs[1:], strict=False))
        self.order = [v for c in components(values) for v in c.values]
        self.loops = {v for c in components(values) if c.loop for v in c.values}
        computed = (outputs[0], *outputs[1 + parameters :])
        self.forward = set(leaves).union(*map(ancestors, computed))
        self.readers: dict[Value, list[Value]] = defaultdict(list)
        for v in self.order:
            for a in v.operands:
                if isinstance(a.value, Value):
                    self.readers[a.value].append(v)
        self.notation = self.notation_of(self.order, [v for v in self.order if v in self.forward])
        self.gradient_of = self._gradients()
        self.parts: dict[Value, tuple[Value, int]] = {}  # a slice: of what, which
        self.soft: dict[Value, set[Value]] = {}  # gradients, and what has a line because of them
        self.lines = self._lines()
        self.zeros: dict[tuple[Value, Step], None] = {}
        while not self._built() or self._shortened():
            pass
        self.names = self._names()

    def _gradients(self) -> dict[Value, Value]:
        """The gradient of each value, where the program has it whole."""
        by_serial = {v.serial: v for v in self.order if v in self.forward and v.op != "stack_t"}
        found: dict[Value, Value] = {}
        for v in sorted(self.order, key=lambda v: (v.op == "addn", v.serial)):
            of, away = v.of or (None, 0)
            u = None if v in self.forward or of is None else by_serial.get(of)
            if u is not None and u.shape == v.shape and (u.lo is None) == (v.lo is None):
                found[u] = v
                self.notation.shifts[v] = away
        return found

    def _lines(self) -> set[Value]:
        """Values with a line of their own, so far as that is known before any formula."""
        found = {*self.outputs}
        for v in self.order:
            if v.op == "leaf" or v not in self.forward:
                continue
            source = v.args[0].value if v.args else None
            part = part_of(v)
            if part is not None and isinstance(source, Value) and v.args[0].kind != "at":
                self.parts[v] = source, part
                if source.op != "leaf":
                    found.add(source)
            elif v.named and v.op not in ("getitem", "copy"):
                found.add(v)
        for u, v in self.gradient_of.items():
            if u in found or u in self.parts:
                found.add(v)
            elif u.op != "leaf" and self._uses(v) > 1:
                self.soft[v] = {u, v}
        for both in self.soft.values():
            found |= both
        return found

    def _uses(self, v: Value) -> int:
        """The count of its readers, also as its transpose or under another shape."""
        count, todo, seen = 0, [v], {v}  # a copy may copy itself from step to step
        while todo:
            for user in self.readers[todo.pop()]:
                if user.op in TRIVIAL and user not in self.outputs:
                    todo += [user] if user not in seen else []
                    seen.add(user)
                else:
                    count += 1
        return count

    def _built(self) -> bool:
        """Make all formulas, and lines of what is too long; False if a circle had to be cut."""
        n = self.notation
        n.formulas = {v: n.letter(v) for v in (*self.leaves, *self.lines, *self.parts)}
        self.zeros.clear()
        for v in self._inner():
            if not all(a.value in n.formulas for a in v.operands if isinstance(a.value, Value)):
                self.lines.add(v)
                return False
            f = n.formula(v)
            again = self._uses(v) > 1 and (f.size > TWICE or f.depth > DEEP)
            large = f.size > LARGEST or f.depth > LARGEST
            if large or again or (v.initial and not self._starts_at_zero(v, f)):
                self.lines.add(v)
            n.formulas[v] = n.letter(v) if v in self.lines else f
        self.equations = []
        gradients = {*self.gradient_of.values(), *self.parameters.values()}
        for v in self.order:
            if v in self.lines and v.op != "leaf":
                k = n.shifts.get(v, 0)
                ends = sorted(v.initial.items())
                first = [(t, n.read(a)) for t, a in ends]
                starts = [
                    (n.step_of(v, t).moved_alone(k), f if f == ZERO else filled(f, v.shape))
                    for t, f in first
                ]
                f = n.line(v, v in gradients).later(-k)
                self.equations.append(Equation(v, f, starts))
        return True

    def _shortened(self) -> bool:
        """True if there were gradients that are numbers or other ones, which need no line."""
        gone = [
            e.value
            for e in self.equations
            if e.value in self.soft
            and not e.starts
            and (e.formula.head == "letter" or not e.formula.size)
        ]
        for v in gone:
            self.lines -= self.soft.pop(v)
        return bool(gone)

    def _inner(self) -> list[Value]:
        """Values without a line, each after its operands; of a circle, the first is put anyway."""
        known = {*self.leaves, *self.lines, *self.parts}
        rest = [v for v in self.order if v not in known]
        waits = {
            v: {a.value for a in v.operands if isinstance(a.value, Value)} - known for v in rest
        }
        ready = [v for v in rest if not waits[v]]
        readers = self.readers
        found: list[Value] = []
        while ready:
            v = ready.pop()
            found.append(v)
            for user in readers[v]:
                if user in waits and v in waits[user]:
                    waits[user].discard(v)
                    if not waits[user]:
                        ready.append(user)
        left = [v for v in rest if waits[v]]
        return found + left[:1]

    def _starts_at_zero(self, v: Value, f: Formula) -> bool:
        """True if it is 0 at its ends because the letters in it are, which no step computes."""
        n, found = self.notation, dict[tuple[Value, Step], None]()
        for t, a in v.initial.items():
            if v in self.forward or n.read(a) != ZERO:
                return False
            nothing = set()
            for x in f.letters():
                u = x.what
                if u not in self.lines or u in self.forward or u.lo is None or x.step is None:
                    continue
                away = n.shifts.get(u, 0)
                at = t + x.step.shift - away
                if u.lo <= at <= u.hi or (at in u.initial and n.read(u.initial[at]) != ZERO):
                    continue
                nothing.add(x)
                if at not in u.initial:
                    found[u, n.step_of(u, at).moved_alone(away)] = None
            if not f.vanishes(nothing):
                return False
        self.zeros |= found
        return True

    # -- letters ----------------------------------------------------------------------------------

    def _names(self) -> dict[Value, Letter]:
        """The letter of everything that stands in the equations; no two are written alike."""
        names: dict[Any, Letter] = {}
        of = {v: u for u, v in self.gradient_of.items()}
        loss, lined = self.outputs[0], [q.value for q in self.equations]
        chosen = [v for v in lined if v in self.forward and v.named and v is not loss]
        wishes: dict[Letter, list[Value]] = defaultdict(list)
        for v in (*self.leaves, *chosen):
            wishes[Letter.of(v.name or "x", v.op != "leaf")].append(v)
        for letter, same in [*wishes.items()]:  # x_1 is x at the first step
            if letter.timely and (letter.without in wishes or {*same} & {*chosen}):
                wishes[letter.above_it].extend(wishes.pop(letter))
        taken = {x.base for x in wishes}
        free = (c for c in "azusqewvpkmnrdjy" if c not in taken)
        kinds: dict[Any, str] = {}
        for v in lined:
            if v in self.forward and not v.named and v is not loss:
                kind = tuple(map(self._read_as, self._pieces(v))), v in self.loops, self._read_as(v)
                kind = (*kind[:2], kind[2] == LOSS)
                if kind not in kinds:
                    kinds[kind] = next(free, "v")
                wishes[Letter(kinds[kind])].append(v)
        for letter, same in wishes.items():
            labels = [self._read_as(v) if v.op != "leaf" and not v.named else "" for v in same]
            if len(set(labels)) < len(same) or {"", LOSS} & set(labels):
                labels = [str(k) for k in range(1, len(same) + 1)]
            for v, label in zip(same, labels, strict=True):
                names[v] = letter.labelled(label) if len(same) > 1 else letter
        names[loss] = Letter("L")
        for p, (source, k) in self.parts.items():
            others = [self._read_as(q) for q in self._pieces(source)]
            mine = self._read_as(p)
            label = mine if mine and others.count(mine) == 1 else str(k + 1)
            if source in names:
                names[p] = names[source].labelled(label)
        used = set[str]()
        for v, letter in names.items():
            k, found = 1, letter
            while found.tex() in used:
                k, found = k + 1, letter.labelled(str(k))
            used.add(found.tex())
            names[v] = found
        for v in lined:
            if v not in self.forward and of.get(v) in names:
                names[v] = names[of[v]]._replace(bar=True)
        rest = [v for v in lined if v not in names]
        delta = next((x for x in ("delta", "epsilon", "zeta", "eta") if x not in taken), "delta")
        names |= {v: Letter(delta).labelled(str(k)) for k, v in enumerate(rest, start=1)}
        formulas = [f for q in self.equations for f in (q.formula, *(f for _, f in q.starts))]
        given = dict.fromkeys(x.what for f in formulas for x in f.letters() if x.what not in names)
        outside = Letter(next((c for c in "KCQJ" if c not in taken), "K"))
        many = len(given) > 1
        for k, key in enumerate(given, start=1):
            names[key] = outside.labelled(str(k)) if many else outside
        self.given = outside if given else None
        return names

    def _pieces(self, v: Value) -> list[Value]:
        return [p for p, (source, _) in self.parts.items() if source is v]

    def _read_as(self, v: Value) -> str:
        """The letter of what it is made for: of the first named value on the way from it."""
        seen = v
        while not seen.named:
            users = list(dict.fromkeys(u for u in self.readers[seen] if u in self.forward))
            if len(users) != 1:
                return ""
            seen = users[0]
        return (seen.name or "") if seen is not self.outputs[0] else LOSS
