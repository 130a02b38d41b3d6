"""How is a program for a reader written down?"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_rnn.program.backends.plain.lines import Arrangement, Block, Line, Lines
from tinygrad_rnn.program.backends.plain.names import Names, identifier, names_of, written
from tinygrad_rnn.program.formula.python import HELPERS, Python, heads_of
from tinygrad_rnn.program.formula.tree import ZERO, Formula, Step, signed
from tinygrad_rnn.program.ir.graph import Value

__all__ = ["PlainText", "plain"]

HEAD = "The loss and its gradients: dx is the gradient of the loss with respect to x."
TIME = "Steps count from t = 0, so that h[-1] is what h starts from."
WIDE = 100
UNBROKEN: Any = {"break_long_words": False, "break_on_hyphens": False}
MANY = 8  # sequences that one line makes


class PlainText(str):
    """A program as text.

    Attributes
    ----------
    constants
        Large arrays that the function took from outside: arguments after those of the function.
    names
        The name of each value.
    """

    __slots__ = ("constants", "names")
    constants: dict[str, np.ndarray]
    names: dict[Value, str]


class Writer:
    """Writes one program; see `plain`."""

    def __init__(self, e: Lines) -> None:
        self.e, self.a = e, Arrangement(e)
        lines = [line for b in self.a.blocks for line in b.lines]
        formulas = [f for line in lines for f in (line.formula, *(f for _, f in line.starts))]
        self.helpers = sorted(HELPERS.keys() & set[str]().union(*map(heads_of, formulas)))
        self.unique = Names(self.helpers)
        self.carried = {line.value for line in lines if line.carried}
        self.text = names_of(e, [line.value for line in lines], self.carried, self.unique)
        self.split = self._split(formulas)
        self.header = list[str]()
        self.ends = {name: self._number(name, hi + 1) for hi, name in e.notation.ends.items()}
        dtype = e.outputs[0].dtype
        self.dtype = "" if dtype == np.float64 else f", dtype=np.{dtype}"
        counts = self._counts(formulas)
        self.python = Python(self.read, self.step, counts, e.notation.shapes, self.dtype)
        self.constants: dict[str, np.ndarray] = {}
        self._outside()
        self.begun = set[Value]()  # sums that are 0 so far

    def _counts(self, formulas: list[Formula]) -> dict[str, str]:
        """The names of numbers that means divide by; T, if it is the number of steps."""
        used = {f.what for g in formulas for f in _all(g) if f.head == "inverse"}
        steps = {name: hi + 1 for hi, name in self.e.notation.ends.items()}
        return {
            name: self.ends[name] if steps.get(name) == n else self._number(name, int(n))
            for n, name in self.e.notation.counts.items()
            if name in used
        }

    def _number(self, name: str, n: int) -> str:
        found = self.unique.name(name.replace("_", "").replace("'", "2"))
        self.header.append(f"{found} = {n}")
        return found

    # -- names --------------------------------------------------------------------------------

    def _outside(self) -> None:
        """Arrays that the function took from outside."""
        for key, x in self.e.notation.constants.items():
            if key not in self.e.names:
                continue
            name = self.text[key] = self.unique.name(identifier(self.e.names[key]))
            words = written(x)
            if words:
                self.header.append(f"{name} = {words}")
            else:
                self.constants[name] = x

    def _split(self, formulas: list[Formula]) -> dict[Value, dict[int, list[Value]]]:
        """The parts of each value that formulas read, by how many there are."""
        found: dict[Value, dict[int, list[Value]]] = {}
        used = {x.what for f in formulas for x in _all(f) if x.head == "letter"}
        for p, (source, _) in self.e.parts.items():
            if p in used:
                many = source.shape[-1] // p.shape[-1]
                found.setdefault(source, {}).setdefault(many, []).append(p)
        return found

    # -- text ---------------------------------------------------------------------------------

    def step(self, s: Step) -> str:
        """A step, counted from 0."""
        t = {1: "t", -1: "-t", 0: ""}.get(s.sign, f"{s.sign} * t")
        end, shift = self.ends[s.end] if s.end else "", str(s.shift) if s.shift else ""
        words = (end, t, shift) if s.sign >= 0 else (end, shift, t)  # T - 1 - t
        return _signed([w for w in words if w] or ["0"])

    def read(self, key: Any, step: Step | None) -> str:
        """A letter at a step."""
        name = self.text[key]
        if step is None or key in self.a.local or key in self.carried:
            return name
        return f"{name}[{self.step(step)}]"

    def target(self, v: Value) -> str:
        """The left side of a line."""
        timed = v.lo is not None and v not in self.a.local and v not in self.carried
        return f"{self.text[v]}[t]" if timed else self.text[v]

    def line(self, line: Line) -> list[str]:
        """A line, and the parts of its value."""
        v = line.value
        if line.adds:
            negative, f = signed(line.formula)
            return _wrapped(f"{self.text[v]} {'-' if negative else '+'}= ", [self.python.text(f)])
        head, f = f"{self.target(v)} = ", line.formula
        text = [self.python.text(f)]
        if len(head) + len(text[0]) > WIDE - 8 and f.head == "sum":
            text = [term.removeprefix(" ") for term in self.python.terms(f)]
        return [*_wrapped(head, text), *self.parts(v)]

    def parts(self, v: Value) -> list[str]:
        """Lines that split a value."""
        found = list[str]()
        for many, parts in self.split.get(v, {}).items():
            at = {self.e.parts[p][1]: self.target(p) for p in parts}
            names = [at.get(k, "_") for k in range(many)]
            if many == 1:
                found.append(f"{names[0]} = {self.target(v)}")
                continue
            found.append(f"{', '.join(names)} = np.split({self.target(v)}, {many}, axis=-1)")
        return found

    def block(self, b: Block) -> list[str]:
        """The lines of a block, after what its loop starts from."""
        if b.lo is None:
            return [text for line in b.lines for text in self.line(line)]
        assert b.hi is not None
        lines = self.started(b)
        first, end = self.bound(b.lo), self.bound(b.hi + 1)
        steps = f"range({end})" if first == "0" else f"range({first}, {end})"
        lines.append(f"for t in {steps}:" if b.way == 1 else f"for t in reversed({steps}):")
        return lines + [f"    {text}" for line in b.lines for text in self.line(line)]

    def bound(self, n: int) -> str:
        """The number of a step, counted from the end if that is near."""
        for hi, name in self.e.notation.ends.items():
            if abs(n - hi - 1) <= 2 and n > 1:
                k = n - hi - 1
                return (
                    f"{self.ends[name]} {'+' if k > 0 else '-'} {abs(k)}" if k else self.ends[name]
                )
        return str(n)

    def started(self, b: Block) -> list[str]:
        """The lines before a loop: sequences, carried values and sums that are 0."""
        alike: dict[str, list[str]] = {}
        empty = list[str]()
        for line in b.lines:
            v = line.value
            name = self.text[v]
            if line.adds:
                if v not in self.begun:
                    self.begun.add(v)
                    alike.setdefault("0", []).append(name)
                continue
            starts = [(s, self._start(f, v)) for s, f in line.starts]
            if line.carried:
                alike.setdefault(starts[0][1], []).append(name)
            elif starts:
                alike.setdefault(self._from(starts), []).append(name)
            elif v not in self.a.local:
                empty.append(name)
            for some in self.split.get(v, {}).values():
                empty += [self.text[p] for p in some if p not in self.a.local]
        lines = list[str]()
        for words, names in alike.items():
            if words.startswith(("{", "dict")):  # each its own
                lines += [f"{name} = {words}" for name in names]
            else:
                lines.append(f"{' = '.join(names)} = {words}")
        for k in range(0, len(empty), MANY):
            some = empty[k : k + MANY]
            lines.append(f"{', '.join(some)} = {', '.join(['{}'] * len(some))}")
        return lines

    def _from(self, starts: list[tuple[Step, str]]) -> str:
        """A dict of what a sequence starts from; steps in a row that start alike stand together."""
        runs = list[tuple[Step, Step, str]]()
        for s, x in starts:
            if runs and runs[-1][1].moved_alone(1) == s and runs[-1][2] == x:
                runs[-1] = runs[-1][0], s, x
            else:
                runs.append((s, s, x))
        words = list[str]()
        for first, last, x in runs:
            if last.shift - first.shift < 3:
                some = (first.moved_alone(k) for k in range(last.shift - first.shift + 1))
                words += [f"{self.step(s)}: {x}" for s in some]
            else:
                steps = f"range({self.step(first)}, {self.step(last.moved_alone(1))})"
                words.append(f"**dict.fromkeys({steps}, {x})")
        if len(words) == 1 and words[0].startswith("**"):
            return words[0].removeprefix("**")
        return "{" + ", ".join(words) + "}"

    def _start(self, f: Formula, v: Value) -> str:
        return f"np.zeros({v.shape}{self.dtype})" if f == ZERO and v.shape else self.python.text(f)

    def program(self, notes: list[str], drawn: list[str]) -> PlainText:
        """All of it."""
        body = [text for v in self.e.leaves for text in self.parts(v)]
        titles = set[str]()
        for b in self.a.blocks:
            title = "# backward" if b.backward else "# forward"
            body += [title] * (title not in titles)
            titles.add(title)
            body += self.block(b)
        body += self.returned()
        arguments = ", ".join([*(self.text[v] for v in self.e.leaves), *self.constants])
        lines = [*self.head(notes, drawn), "", *_call("def step(", arguments, "):")]
        lines += [f"    {text}" for text in body]
        found = PlainText("\n".join(lines) + "\n")
        found.constants = self.constants
        found.names = {v: name for v, name in self.text.items() if isinstance(v, Value)}
        return found

    def returned(self) -> list[str]:
        """The last lines; a gradient that two parameters share has both names."""
        e, lines = self.e, list[str]()
        names, seen = [self.text[e.outputs[0]]], set[Value]()
        for leaf, v in e.parameters.items():
            name = self.text[v]
            if v in seen:
                name = self.unique.name(f"d{self.text[leaf]}")
                lines.append(f"{name} = {self.text[v]}")
            seen.add(v)
            names.append(name)
        names += [self.text[v] for v in e.outputs[1 + len(e.parameters) :]]
        return lines + _call("return ", ", ".join(names), "")

    def head(self, notes: list[str], drawn: list[str]) -> list[str]:
        """The lines before the function: notes, numbers, shapes of arguments, helpers."""
        time = [TIME] * any(b.lo is not None for b in self.a.blocks)
        shapes = [f"{self.text[v]} {v.shape}" for v in self.e.leaves if v.shape]
        shapes += [f"{name} {x.shape}" for name, x in self.constants.items()]
        lines = ["import numpy as np", "", *_comments([HEAD, *time, *notes])]
        lines += _joined(self.header)
        lines += _comments([*([", ".join(shapes)] if shapes else []), *drawn])
        for name in self.helpers:
            lines += ["", HELPERS[name].format(dtype=self.dtype)]
        return lines


def plain(e: Lines, said: list[str], requires: bool) -> PlainText:
    """The program of these equations.

    Its header says why parts do not repeat, and that what the function `requires` is not checked.
    """
    w = Writer(e)
    drawn = [
        f"{w.text[v]} = rng.{v.options['drawn']}({v.shape}) at each call"
        for v in e.leaves
        if "drawn" in v.options
    ]
    more = f" ({len(said) - 1} more of this: explain() says which)" if len(said) > 1 else ""
    notes = [f"Not repeated: {why}{more}." for why in said[:1]]
    notes += ["What the function requires of its arguments is not checked here."] * requires
    return w.program(notes, drawn)


def _all(x: Formula) -> Iterable[Formula]:
    yield x
    for p in x.parts:
        yield from _all(p)


def _signed(words: list[str]) -> str:
    first, *rest = words
    return first + "".join(f" - {w[1:]}" if w[0] == "-" else f" + {w}" for w in rest)


def _comments(lines: list[str]) -> list[str]:
    return [f"# {text}" for line in lines for text in textwrap.wrap(line, WIDE - 2)]


def _joined(lines: list[str]) -> list[str]:
    """Numbers on one line, arrays each on its own."""
    short = [line.split(" = ") for line in lines if len(line) < 20]
    names, values = zip(*short, strict=True) if short else ((), ())
    first = [f"{', '.join(names)} = {', '.join(values)}"] if short else []
    return first + [line for line in lines if len(line) >= 20]


def _call(head: str, inside: str, tail: str) -> list[str]:
    """One line, or the names on lines of their own."""
    if len(head) + len(inside) + len(tail) <= WIDE - 4:
        return [head + inside + tail]
    open_, close = ("(", ")") if not tail else ("", "")
    body = textwrap.wrap(inside, WIDE - 8)
    return [head.rstrip() + (" (" if open_ else ""), *(f"    {x}" for x in body), f"{close}{tail}"]


def _wrapped(head: str, terms: list[str]) -> list[str]:
    """An assignment on one line, or each term on lines of its own."""
    if len(terms) == 1 and len(head) + len(terms[0]) <= WIDE - 8:
        return [head + terms[0]]
    lines = [x for term in terms for x in textwrap.wrap(term, WIDE - 12, **UNBROKEN)]
    return [f"{head}(", *(f"    {x}" for x in lines), ")"]
