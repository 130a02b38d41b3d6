"""Which lines does a program for a reader have, and in which loops do they stand?

The lines are those of the equations, and what is carried from step to step. Lines that may run in
one loop over time do: layers of cells in one forward, all gradients in one backward. A sum over
time is added up in the loop that computes its terms, if there is one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tinygrad_rnn.program.formula.equations import Equation, Equations
from tinygrad_rnn.program.formula.exact import Exact
from tinygrad_rnn.program.formula.tree import Formula, Step, plus, scalars, times
from tinygrad_rnn.program.ir.graph import Value
from tinygrad_rnn.program.ir.recurrences import components

__all__ = ["Arrangement", "Block", "Line", "Lines", "Read", "reads"]


@dataclass(frozen=True)
class Read:
    """A value in a formula: at which step, and whether a sum over other steps is around it."""

    value: Any
    step: Step | None
    inside: bool

    @property
    def now(self) -> bool:
        """True if it is read at the step of the loop."""
        return not self.inside and self.step is not None and self.step[:] == (1, 0, "")

    @property
    def away(self) -> int | None:
        """The number of steps from that of the loop; None if it differs from step to step."""
        if self.inside or self.step is None or self.step.sign != 1 or self.step.end:
            return None
        return self.step.shift


def reads(x: Formula, inside: bool = False) -> Iterator[Read]:
    """All values in a formula."""
    if x.head == "letter":
        yield Read(x.what, x.step, inside)
    for p in x.parts:
        yield from reads(p, inside or x.head in ("over", "all"))


@dataclass(eq=False)
class Line:
    """A value and its formula.

    It `adds` to a sum, in a loop. A `carried` value is read at the next step alone, so its name
    stands for the value of the step before.
    """

    value: Value
    formula: Formula
    starts: list[tuple[Step, Formula]] = field(default_factory=list)
    adds: bool = False
    carried: bool = False


@dataclass(eq=False)
class Block:
    """Lines that run together: once, or in a loop over the steps from `lo` to `hi`."""

    backward: bool
    lo: int | None = None
    hi: int | None = None
    direction: int = 0  # 1 or -1; 0 if both will do
    lines: list[Line] = field(default_factory=list)

    @property
    def way(self) -> int:
        """The direction in which it runs."""
        return self.direction or (-1 if self.backward else 1)


class Lines(Equations):
    """The equations of a program, with a line for all that is carried from step to step."""

    notation_of = Exact

    def _gradients(self) -> dict[Value, Value]:
        found = super()._gradients()
        self.notation.shifts.clear()  # each line stands at the step that computes it
        return found

    def _lines(self) -> set[Value]:
        found = super()._lines()
        for p, (source, _) in [*self.parts.items()]:
            here = 0 if p.lo is not None else None
            if (p.args[0].k, p.lo, p.hi) != (here, source.lo, source.hi):
                del self.parts[p]
                found.add(p)
        return found

    def _starts_at_zero(self, v: Value, f: Formula) -> bool:
        """True if its first values need no line: a program computes with them."""
        return False


class Arrangement:
    """Lines in blocks, in the order in which they run, each as early as what it reads allows.

    Attributes
    ----------
    blocks
        The blocks.
    local
        Values of a loop that are read at their own step only.
    sums
        Values that are added up in loops.
    """

    def __init__(self, e: Lines) -> None:
        self.e = e
        self.blocks: list[Block] = []
        self.at: dict[Value, int] = {}  # the block after, or in, which a value is known
        self.local: set[Value] = set()
        self.sums: set[Value] = set()
        equations = {q.value: q for q in e.equations}
        units = [
            (c, [equations[v] for v in c.values if v in equations]) for c in components(e.order)
        ]
        for backward in (False, True):
            for c, unit in units:
                mine = [q for q in unit if (q.value not in e.forward) == backward]
                if mine:
                    self.put(mine, c.direction if c.loop else 0, backward)
        self.keep()

    def source(self, v: Any) -> Any:
        """The line that computes a value, of which it may be a part."""
        while v in self.e.parts:
            v = self.e.parts[v][0]
        return v

    def known(self, x: Formula) -> list[tuple[Read, int]]:
        """The lines that a formula reads, and their blocks."""
        found = ((r, self.source(r.value)) for r in reads(x))
        return [(r, self.at[v]) for r, v in found if v in self.at]

    def put(self, unit: list[Equation], direction: int, backward: bool) -> None:
        """Put lines that wait for each other into one block."""
        lines = [Line(q.value, q.formula, q.starts) for q in unit]
        first = unit[0].value
        if first.lo is None:
            if len(unit) > 1 or not self.added(unit[0], backward):
                self.once(lines, backward)
            return
        least = 0
        now, before = list[tuple[Read, int]](), list[tuple[Read, int]]()
        for line in lines:
            now += self.known(line.formula)
            before += [pair for _, f in line.starts for pair in self.known(f)]
        least = max((b + 1 for _, b in before), default=0)
        k = self.loop(now, least, backward, first.lo, first.hi, direction)
        if k is None:
            self.blocks.append(Block(backward, first.lo, first.hi, direction))
            k = len(self.blocks) - 1
        self.blocks[k].lines += lines
        self.at |= {line.value: k for line in lines}

    def loop(
        self,
        found: list[tuple[Read, int]],
        least: int,
        backward: bool,
        lo: int | None,
        hi: int | None,
        direction: int,
    ) -> int | None:
        """The first loop that may compute something that reads this; its direction is set."""
        for _, b in found:
            least = max(least, b)
        for k in range(least, len(self.blocks)):
            block = self.blocks[k]
            if (block.backward, block.lo, block.hi) != (backward, lo, hi) or lo is None:
                continue
            ways = {direction, block.direction} - {0}
            fits = True
            for r, b in found:
                if b != k:
                    continue
                away = r.away
                if away is None:
                    fits = False
                elif away:
                    ways.add(1 if away < 0 else -1)
            if fits and len(ways) < 2:
                block.direction = next(iter(ways), 0)
                return k
        return None

    def once(self, lines: list[Line], backward: bool) -> None:
        """Put a line into the first block outside of loops that may compute it."""
        least = 0
        for line in lines:
            for _, b in self.known(line.formula):
                least = max(least, b if self.blocks[b].lo is None else b + 1)
        for k in range(least, len(self.blocks)):
            if self.blocks[k].lo is None and self.blocks[k].backward == backward:
                break
        else:
            self.blocks.append(Block(backward))
            k = len(self.blocks) - 1
        self.blocks[k].lines += lines
        self.at |= {line.value: k for line in lines}

    def added(self, q: Equation, backward: bool) -> bool:
        """Add up a sum over time in loops that are there; False if there are none."""
        terms = q.formula.parts if q.formula.head == "sum" else (q.formula,)
        found = list[tuple[int, Formula]]()
        for term in terms:
            front, rest = scalars(term)
            if len(rest) != 1 or rest[0].head != "over":
                return False
            (inner,), (first, last) = rest[0].parts, rest[0].what
            lo, hi = (self.number(s) for s in (first, last))
            k = self.loop(self.known(inner), 0, backward, lo, hi, 0)
            if k is None:
                return False
            found.append((k, times(*front, inner)))
        for k, f in found:
            self.blocks[k].lines.append(Line(q.value, f, adds=True))
        # known after the loop
        self.at[q.value] = max(k for k, _ in found)
        self.sums.add(q.value)
        return True

    def number(self, s: Step) -> int:
        """A step alone as the number it is."""
        ends = {name: hi for hi, name in self.e.notation.ends.items()}
        return s.shift + (ends[s.end] + 1 if s.end else 0)

    # -- what is kept -------------------------------------------------------------------------

    def keep(self) -> None:
        """Find values that are read at their own step only, or at the next."""
        users = defaultdict[Any, list[tuple[int, Line | None, Read]]](list)
        for k, block in enumerate(self.blocks):
            for line in block.lines:
                for r in reads(line.formula):
                    users[r.value].append((k, line, r))
                for _, f in line.starts:
                    for r in reads(f):
                        users[r.value].append((k, None, r))
        for p, (source, _) in self.e.parts.items():
            k = self.at.get(source, -1)
            if k >= 0 and all(b == k and user and r.now for b, user, r in users[p]):
                self.local.add(p)
        split = {source for source, _ in self.e.parts.values()}
        for k, block in enumerate(self.blocks):
            for line in block.lines if block.lo is not None else ():
                mine = users[line.value]
                if line.adds or line.value in self.e.outputs:
                    continue
                if not all(b == k and user is not None for b, user, _ in mine):
                    continue
                if all(r.now for *_, r in mine) and not line.starts:
                    self.local.add(line.value)
                elif line.value not in split and self.passed_on(line, block, mine):
                    line.carried = True
            self.together(block)
            block.lines.sort(key=lambda line: line.carried)

    def together(self, block: Block) -> None:
        """Make one carried value of several that one line adds up.

        The sum of gradients from two gates, ``dh = dy + dh_next + dh_next2``, is then
        ``dh = dy + dh_next``.
        """
        carried = {line.value: line for line in block.lines if line.carried}
        for line in list(block.lines):
            if line.formula.head != "sum":
                continue
            seen = [r.value for r in reads(line.formula)]
            terms = [p for p in line.formula.parts if p.head == "letter" and p.what in carried]
            terms = [p for p in terms if seen.count(p.what) == 1 and self.readers_in(p.what) == 1]
            alike = len({p.what.shape for p in terms}) == 1
            if len(terms) < 2 or not alike or any(p.what is line.value for p in terms):
                continue
            first, *rest = (carried[p.what] for p in terms)
            first.formula = plus(first.formula, *(x.formula for x in rest))
            (step, start), *starts = (x.starts[0] for x in (first, *rest))
            first.starts = [(step, plus(start, *(f for _, f in starts)))]
            left = tuple(p for p in line.formula.parts if p not in terms[1:])
            line.formula = Formula("sum", left) if len(left) > 1 else left[0]
            block.lines = [x for x in block.lines if x not in rest]

    def readers_in(self, v: Value) -> int:
        """The number of lines that read a value."""
        lines = (line for block in self.blocks for line in block.lines)
        return sum(any(r.value is v for r in reads(line.formula)) for line in lines)

    def passed_on(self, line: Line, block: Block, mine: list[Any]) -> bool:
        """True if a value is only read at the next step of the loop, by what runs before it."""
        others = {x.value for x in block.lines if x.carried}
        return (
            {r.away for *_, r in mine} == {-block.way}
            and len(line.starts) == 1
            and not any(user.carried for _, user, _ in mine)
            and others.isdisjoint(r.value for r in reads(line.formula))
        )
