"""How is a program for a reader written down?"""

from __future__ import annotations

import builtins
import keyword
import re
import textwrap
from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_rnn.program.backends.latex.formula import ZERO, Formula, Step
from tinygrad_rnn.program.backends.latex.printer import Letter
from tinygrad_rnn.program.backends.plain.expressions import HELPERS, Infix, heads_of
from tinygrad_rnn.program.backends.plain.lines import Arrangement, Block, Line, Lines
from tinygrad_rnn.program.ir.graph import Value

__all__ = ["PlainText", "plain"]

HEAD = "The loss and its gradients: dx is the gradient of the loss with respect to x."
TIME = "Steps count from t = 0, so that h[-1] is what h starts from."
WIDE = 100
UNBROKEN: Any = {"break_long_words": False, "break_on_hyphens": False}
MANY = 8  # sequences that one line makes
SMALL = 64  # numbers of a constant that is written out
BUILT_IN = frozenset((*keyword.kwlist, *dir(builtins), "np", "t", "step"))


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


class Names:
    """Identifiers: the letters of the equations, each once."""

    def __init__(self, taken: Iterable[str]) -> None:
        self.taken = {*BUILT_IN, *taken}

    def name(self, wish: str) -> str:
        """An identifier close to the wish."""
        wish = re.sub(r"\W", "_", wish, flags=re.ASCII) or "x"
        wish = f"_{wish}" if wish[0].isdigit() else wish
        found, k = wish, 1
        while found in self.taken:
            k += 1
            found = f"{wish}{k}"
        self.taken.add(found)
        return found


class Writer:
    """Writes one program; see `plain`."""

    def __init__(self, e: Lines, rng: dict[Value, str]) -> None:
        self.e, self.drawn = e, rng
        self.a = Arrangement(e)
        formulas = [line.formula for b in self.a.blocks for line in b.lines]
        formulas += [f for b in self.a.blocks for line in b.lines for _, f in line.starts]
        self.helpers = sorted(HELPERS.keys() & set[str]().union(*map(heads_of, formulas)))
        self.unique = Names(self.helpers)
        self.text: dict[Any, str] = {}
        self.header = list[str]()
        self.constants: dict[str, np.ndarray] = {}
        self.carried = {line.value for b in self.a.blocks for line in b.lines if line.carried}
        self.split = self._split()
        self._names()
        self.ends = {name: self._number(name, hi + 1) for hi, name in e.notation.ends.items()}
        counts = {name: n for n, name in e.notation.counts.items()}
        used = {f.what for g in formulas for f in _all(g) if f.head == "inverse"}
        known = {name: hi + 1 for hi, name in e.notation.ends.items()}
        self.counts = {
            name: self.ends[name] if known.get(name) == n else self._number(name, int(n))
            for name, n in counts.items()
            if name in used
        }
        self.infix = Infix(self.read, self.step, self.counts, e.notation.shapes)
        self._outside()

    def _number(self, name: str, n: int) -> str:
        found = self.unique.name(name.replace("_", "").replace("'", "2"))
        self.header.append(f"{found} = {n}")
        return found

    # -- names --------------------------------------------------------------------------------

    def _names(self) -> None:
        """A name for everything: arguments first, then letters, then gradients of these."""
        e, text = self.e, self.text
        for v in e.leaves:
            text[v] = self.unique.name(v.name or "x")
        mine = [line.value for b in self.a.blocks for line in b.lines]
        lines = list(dict.fromkeys(mine))
        text[e.outputs[0]] = self.unique.name("loss")
        here = [*lines, *(p for p in e.parts if p in e.names)]
        leaf_of = {v: leaf for leaf, v in reversed(e.parameters.items())}
        for v in here:
            if v in e.forward and v not in text:
                text[v] = self.unique.name(_identifier(e.names[v]))
        of = {v: u for u, v in e.gradient_of.items()}
        for v in here:
            u = leaf_of.get(v) or of.get(v)
            if v not in text and u in text:
                text[v] = self.unique.name(f"d{text[u]}")
        for v in here:
            if v not in text:
                wish = v.name or _identifier(e.names[v])
                text[v] = self.unique.name(f"{wish}_next" if v in self.carried else wish)

    def _outside(self) -> None:
        """Arrays that the function took from outside."""
        for key, x in self.e.notation.constants.items():
            if key not in self.e.names:
                continue
            name = self.text[key] = self.unique.name(_identifier(self.e.names[key]))
            words = _written(x)
            if words:
                self.header.append(f"{name} = {words}")
            else:
                self.constants[name] = x

    def _split(self) -> dict[Value, dict[int, list[Value]]]:
        """The parts of each value by how many there are."""
        found: dict[Value, dict[int, list[Value]]] = {}
        used = {x for b in self.a.blocks for line in b.lines for x in _values(line)}
        for p, (source, _) in self.e.parts.items():
            if p in used:
                many = source.shape[-1] // p.shape[-1]
                found.setdefault(source, {}).setdefault(many, []).append(p)
        return found

    # -- text ---------------------------------------------------------------------------------

    def step(self, s: Step) -> str:
        """A step, counted from 0."""
        shift = s.shift
        t = {1: "t", -1: "-t", 0: ""}.get(s.sign, f"{s.sign} * t")
        words = [w for w in (self.ends[s.end] if s.end else "", t) if w]
        if s.sign < 0:  # the number first
            words = [*words[:-1], *([str(shift)] if shift else []), words[-1]]
        elif shift or not words:
            words.append(str(shift))
        return _signed(words)

    def read(self, key: Any, step: Step | None) -> str:
        """A letter at a step."""
        name = self.text[key]
        if step is None or key in self.a.local or key in self.carried:
            return name
        return f"{name}[{self.step(step)}]"

    def target(self, v: Value) -> str:
        """What a line assigns to."""
        timed = v.lo is not None and v not in self.a.local and v not in self.carried
        return f"{self.text[v]}[t]" if timed else self.text[v]

    def line(self, line: Line) -> list[str]:
        """A line, and the parts of its value."""
        v = line.value
        if line.adds:
            f = self.infix.text(line.formula)
            sign, f = ("-", f[1:]) if f[0] == "-" and line.formula.head != "sum" else ("+", f)
            return _wrapped(f"{self.text[v]} {sign}= ", [f])
        head, f = f"{self.target(v)} = ", line.formula
        text = [self.infix.text(f)]
        if (
            len(head) + len(text[0]) > WIDE - 8
            and f.head == "sum"
            and not self.infix.is_bool(f.parts[0])
        ):
            text = [self.infix.text(f.parts[0]), *(self.infix.signed(p)[1:] for p in f.parts[1:])]
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
        """What a loop starts from: sequences, carried values and sums that are 0."""
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
            starts = [(self.step(s), self._start(f, v)) for s, f in line.starts]
            if line.carried:
                alike.setdefault(starts[0][1], []).append(name)
            elif starts:
                words = "{" + ", ".join(f"{t}: {x}" for t, x in starts) + "}"
                alike.setdefault(words, []).append(name)
            elif v not in self.a.local:
                empty.append(name)
            for some in self.split.get(v, {}).values():
                empty += [self.text[p] for p in some if p not in self.a.local]
        lines = list[str]()
        for words, names in alike.items():
            if words[0] == "{":  # each its own
                lines += [f"{name} = {words}" for name in names]
            else:
                lines.append(f"{' = '.join(names)} = {words}")
        for k in range(0, len(empty), MANY):
            some = empty[k : k + MANY]
            lines.append(f"{', '.join(some)} = {', '.join(['{}'] * len(some))}")
        return lines

    def _start(self, f: Formula, v: Value) -> str:
        return f"np.zeros({v.shape})" if f == ZERO and v.shape else self.infix.text(f)

    def program(self, notes: list[str]) -> PlainText:
        """All of it."""
        self.begun = set[Value]()
        e, body = self.e, list[str]()
        for v in e.leaves:
            body += self.parts(v)
        titles = set[str]()
        for b in self.a.blocks:
            title = "# backward" if b.backward else "# forward"
            body += [title] * (title not in titles)
            titles.add(title)
            body += self.block(b)
        results = list[str]()
        shared: dict[Value, str] = {}
        for leaf, v in e.parameters.items():
            name = self.text[v]
            if v in shared:
                other = self.unique.name(f"d{self.text[leaf]}")
                body.append(f"{other} = {name}")
                name = other
            shared[v] = name
            results.append(name)
        aux = [self.text[v] for v in e.outputs[1 + len(e.parameters) :]]
        results = [self.text[e.outputs[0]], *results, *aux]
        time = [TIME] * any(b.lo is not None for b in self.a.blocks)
        head = ["import numpy as np", "", *_comments([HEAD, *time, *notes]), *_joined(self.header)]
        shapes = [f"{self.text[v]} {v.shape}" for v in e.leaves if v.shape]
        shapes += [f"{name} {x.shape}" for name, x in self.constants.items()]
        head += _comments([", ".join(shapes)] if shapes else [])
        head += _comments([f"{self.text[v]} = {how}" for v, how in self.drawn.items()])
        for name in self.helpers:
            head += ["", HELPERS[name]]
        arguments = ", ".join([self.text[v] for v in e.leaves] + list(self.constants))
        lines = [*head, "", *_call("def step(", arguments, "):")]
        lines += [f"    {text}" for text in body]
        lines += [f"    {text}" for text in _call("return ", ", ".join(results), "")]
        found = PlainText("\n".join(lines) + "\n")
        found.constants = self.constants
        found.names = {v: name for v, name in self.text.items() if isinstance(v, Value)}
        return found


def plain(e: Lines, said: list[str], requires: bool) -> PlainText:
    """The program of these equations.

    Its header says why parts do not repeat, and that what the function `requires` is not checked.
    """
    drawn = {
        v: f"rng.{v.options['drawn']}({v.shape}) at each call"
        for v in e.leaves
        if "drawn" in v.options
    }
    more = f" ({len(said) - 1} more of this: explain() says which)" if len(said) > 1 else ""
    notes = [f"Not repeated: {why}{more}." for why in said[:1]]
    notes += ["What the function requires of its arguments is not checked here."] * requires
    return Writer(e, drawn).program(notes)


def _identifier(x: Letter) -> str:
    """A letter as one word."""
    words = [x.base, *x.below.split(), *(w for label in x.above for w in label.split())]
    return ("d" if x.bar else "") + "_".join(words)


def _all(x: Formula) -> Iterable[Formula]:
    yield x
    for p in x.parts:
        yield from _all(p)


def _values(line: Line) -> set[Any]:
    formulas = [line.formula, *(f for _, f in line.starts)]
    return {x.what for f in formulas for x in _all(f) if x.head == "letter"}


def _signed(words: list[str]) -> str:
    first, *rest = words
    return first + "".join(f" - {w[1:]}" if w[0] == "-" else f" + {w}" for w in rest)


def _written(x: np.ndarray) -> str:
    """A constant in a few words, or number by number; nothing if it is large."""
    if x.size > SMALL or not np.isfinite(x).all():
        return ""
    dtype = "" if x.dtype in (np.float64, np.int64, np.bool_) else f", np.{x.dtype}"
    if x.ndim == 1 and x.dtype == np.int64 and np.array_equal(x, np.arange(x.size)):
        return f"np.arange({x.size})"
    return f"np.array({x.tolist()}{dtype})"


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
