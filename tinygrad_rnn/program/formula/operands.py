"""How are steps, letters and operands written in formulas?"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from tinygrad_rnn.border import REAL
from tinygrad_rnn.program.formula.shapes import Shapes, filled
from tinygrad_rnn.program.formula.tree import (
    EXACT,
    Formula,
    Step,
    call,
    number,
    plus,
    scalars,
    times,
)
from tinygrad_rnn.program.ir.graph import Arg, Value

__all__ = ["TRIVIAL", "Operands", "shape_at_step"]

TRIVIAL = frozenset(("copy", "astype", "reshape", "broadcast_to", "transpose"))
SINGLE = 6e-8  # relative: one ulp of a float32


class Operands:
    """Formulas of operands; `formulas` are those of the values that are read, known beforehand."""

    def __init__(self, values: list[Value], forward: list[Value]) -> None:
        ends = Counter(v.hi for v in values if v.hi is not None)
        self.ends: dict[int, str] = {}
        for hi, _ in sorted(ends.items(), key=lambda item: (-item[1], -item[0])):
            near = [k for k in self.ends if abs(k - hi) <= 2]
            if not near:
                self.ends[hi] = "T" + "'" * len(self.ends)
        self.formulas: dict[Value, Formula] = {}
        self.shifts: dict[Value, int] = {}  # by which the step of a letter is another than t
        self.constants: dict[Any, Any] = {}
        self.shapes = Shapes(self.shape_of, self.ends)
        self.counts = counted(forward)
        self.forward = set(forward)

    def step(self, t: int) -> Step:
        """A step alone, counted from 0 or from their number."""
        for hi, name in self.ends.items():
            if abs(t - hi) <= 2 and t > 1:
                return Step(0, t - hi - 1, name)
        return Step(0, t)

    def step_of(self, v: Value, t: int) -> Step:
        """A step of a value, of which the first is never called the last."""
        if v.lo is not None and t <= v.lo:
            return Step(0, t)
        for hi, name in self.ends.items():
            if v.hi is not None and abs(v.hi - hi) <= 2 and abs(t - hi) <= 2:
                return Step(0, t - hi - 1, name)
        return self.step(t)

    def range_of(self, v: Value) -> str:
        """At which steps, if it is not from 0 to T - 1."""
        shift = self.shifts.get(v, 0)
        if (
            v.lo is None
            or v.hi is None
            or (v.lo + shift == 0 and self.ends.get(v.hi + shift) == "T")
        ):
            return ""
        first, last = (self.step_of(v, t).moved_alone(shift).tex() for t in (v.lo, v.hi))
        return f" \\qquad (t = {first}, \\dots, {last})"

    def letter(self, v: Value) -> Formula:
        """A value by its name."""
        return Formula(
            "letter", what=v, step=None if v.lo is None else Step(1, self.shifts.get(v, 0))
        )

    def read(self, a: Arg) -> Formula:
        """An operand."""
        if a.kind == "const":
            return self.constant(a.value)
        if a.kind == "consts":
            return self.each_constant(a)
        f = self.formulas[a.value]
        if a.kind == "step":
            return f.later(a.k)
        if a.kind == "at":
            return f.each(lambda s: self.alone(s, a.value, a.k))
        if a.kind == "all":
            ends = (self.step_of(a.value, a.k[0]), self.step_of(a.value, a.k[1]))
            return call("all", filled(f, a.value.shape), what=ends)
        return f

    def alone(self, s: Step, v: Value, t: int) -> Step:
        """A step that may go with time, where v is at step t."""
        if s.sign == 1 or not s.sign:
            return s.at(self.step_of(v, t))
        ends = {name: hi + 1 for hi, name in self.ends.items()}
        return self.step(s.sign * t + s.shift + ends.get(s.end, 0))

    def in_shape(self, a: Arg) -> Formula:
        """An operand in its shape, which that of a number is not."""
        return filled(self.read(a), shape_at_step(a))

    def constant(self, x: Any) -> Formula:
        """A number, or the letter of an array."""
        x = np.asarray(x)
        if x.size and x.dtype.kind in REAL and np.all(x == x.flat[0]):
            return number(x.flat[0].item(), SINGLE if x.dtype == np.float32 else EXACT)
        return self.array(x)

    def array(self, x: Any) -> Formula:
        """The letter of an array."""
        key = (x.shape, str(x.dtype), x.tobytes())
        self.constants[key] = x
        return Formula("letter", what=key)

    def each_constant(self, a: Arg) -> Formula:
        """Constants that change from step to step: t, if they count, or a letter."""
        x = np.asarray(a.value)
        flat = x.reshape(len(x), -1)
        if flat.shape[1] and np.array_equal(flat, np.arange(len(x))[:, None] + flat[:1, :1]):
            shift = int(flat[0, 0]) - a.k
            return Formula("index of time", step=Step(1, shift))
        key = ("each", x.shape, str(x.dtype), x.tobytes())
        self.constants[key] = x
        return Formula("letter", what=key, step=Step(1, -a.k))

    def shape_of(self, x: Formula) -> tuple[int, ...]:
        """The shape of a letter, at one step if it has one."""
        key = x.what
        if isinstance(key, Value):
            return key.shape if key.lo is not None or x.step is None else key.shape[1:]
        return self.constants[key].shape[x.step is not None :]

    def over(self, x: Formula, first: Step, last: Step) -> Formula:
        """A sum over time, with the number before it."""
        front, rest = scalars(x)
        if front and rest:
            return times(*front, self.over(times(*rest), first, last))
        return Formula("over", (x,), (first, last))

    def together(self, args: list[Arg]) -> Formula:
        """The sum of operands at one place: over time, if they are all steps of a sequence."""
        a, steps = args[0], sorted(a.k for a in args if a.kind == "at")
        run = len(steps) == len(args) > 2 and steps == list(range(steps[0], steps[-1] + 1))
        if run and all(b.value is a.value for b in args):
            ends = (self.step_of(a.value, t) for t in (steps[0], steps[-1]))
            return self.over(self.formulas[a.value], *ends)
        return plus(*map(self.read, args))


def counted(values: list[Value]) -> dict[float, str]:
    """Letters for divisors of sums: N, the count of numbers in a mean, or T."""
    found: dict[float, str] = {}
    for v in values:
        if v.op != "divide" or v.args[1].kind != "const" or np.size(v.args[1].value) != 1:
            continue
        n = float(np.asarray(v.args[1].value).flat[0])
        x: Any = v.args[0].value
        size = steps = 1
        while isinstance(x, Value) and x.op in ("sum", "sum_t", "negative", *TRIVIAL):
            a = x.args[0]
            if x.op in ("sum", "sum_t") and isinstance(a.value, Value):
                size *= int(np.prod(a.value.shape)) // max(1, int(np.prod(x.shape)))
                steps *= a.k[1] - a.k[0] + 1 if a.kind == "all" else 1
            x = a.value
        if n > 1 and n == size * steps:
            found[n] = "T" if size == 1 and steps > 1 else "N"
    several = [n for n in found if found[n] == "N"]
    for k, n in enumerate(several, start=1):
        found[n] = "N" if len(several) == 1 else f"N_{k}"
    return found


def shape_at_step(a: Arg) -> tuple[int, ...]:
    """The shape of an operand at one step, as of all steps too."""
    if isinstance(a.value, Value):
        return a.value.shape
    return np.shape(a.value)[a.kind == "consts" :]
