"""How is a program written down in NumPy?

One statement per value: for all steps at once, or in its loop. Around them the room they need and
the functions they call.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass

import numpy as np

from tinygrad_rnn.program.backends.numpy.buffers import Layout
from tinygrad_rnn.program.backends.numpy.fusion import Fusion
from tinygrad_rnn.program.backends.numpy.source import Source
from tinygrad_rnn.program.backends.numpy.statement import Operand, bare, expression, statement
from tinygrad_rnn.program.ir.graph import Arg, Value, only_last
from tinygrad_rnn.program.ir.ops import HELPERS, REDUCTIONS, direct, is_count, liftable, shifted
from tinygrad_rnn.program.ir.recurrences import Component, loop_range

__all__ = ["NumPySource", "write"]

WIDE = 104  # columns of what is wrapped
BLOCKS = "and ..._b the same in blocks: gate by gate, or some columns at a time"
REQUIRED = "required by the function: how many elements fail"
NESTED = 70  # characters of a call that still stands among the operands of another


@dataclass
class NumPySource(Source):
    """A program in NumPy: its text, and the values it was written from.

    Attributes
    ----------
    components, values, outputs
        Its values in order, and which of them are the results.
    buffers, reused, inlined, loop_fusion
        Bytes of its memory, buffers that serve twice, operations computed where they are read, and
        those on all steps at once computed in the loop that reads them.
    names
        The names of values in the source, each step of a sequence by the name of its rows.
    """

    components: list[Component]
    values: list[Value]
    outputs: list[Value]
    buffers: int
    reused: int
    inlined: int
    loop_fusion: int
    names: dict[Value, str]

    @property
    def loops(self) -> list[Component]:
        """Those components that are loops."""
        return [c for c in self.components if c.loop]


class Writer(Layout):
    """Writes the statements of one program; see `write`."""

    def __init__(self, fusion: Fusion, transposes: bool, liveness: bool) -> None:
        super().__init__(fusion, transposes, liveness)
        self.helpers: set[str] = set()

    def statement(self, v: Value, t: str | None, lifted: bool, out: str) -> list[str]:
        """The lines that compute a value into `out`, of the step called `t` or of all at once.

        Values nested in it stand in the same line, or in one before if that became too long.
        """
        before, operands = list[str](), list[Operand]()
        for a in v.args:
            if isinstance(a.value, Value) and a.value in self.fusion.expressions:
                text = self.expression(a.value)
            elif isinstance(a.value, Value) and self.fusion.nested.get(a.value) is v:
                *others, text = self.statement(a.value, t, lifted, out)
                before += others
                if len(text) > NESTED:
                    before.append(text)
                    text = out
            else:
                text = self.arg(a, t, v if lifted else None)
            operands.append(_operand(a, text, lifted))
        return before + statement(v, operands, out, lifted, self)

    def expression(self, v: Value) -> str:
        """A value as an expression, for all steps if it is a sequence."""
        lifted = v if v.lo is not None else None
        operands = list[Operand]()
        for a in v.args:
            if isinstance(a.value, Value) and a.value in self.fusion.expressions:
                text = self.expression(a.value)
                text = bare(text) if v.op == a.value.op == "add" else text
            else:
                text = self.arg(a, None, lifted)
            operands.append(_operand(a, text, lifted is not None))
        return expression(v, operands)

    def component(self, c: Component) -> None:
        """The statements of one component."""
        for v in sorted(c.values, key=lambda v: v.op == "divided"):  # views of what is placed
            if v not in self.places and v not in self.fusion.nested:
                self.place(v)
        if c.loop:
            self.loop(c)
            return
        v = c.values[0]
        if v in self.fusion.nested:
            return
        place = self.places[v]
        if place.kind in ("argument", "view") or self.is_view(v):
            return
        self.start(v)
        if self.fusion.is_put_together(v):
            return
        if v in self.fusion.counted and direct(v) and not v.shape:
            self.body.append(f"{place.name} = {bare(self.expression(v))}")
        elif v.lo is None:
            lines = self.statement(v, None, False, place.name)
            self.body += lines if place.persistent else _fresh(lines, place.name, v)
        elif liftable(v):
            assert v.hi is not None
            out = self.cut(place.name, v.lo - place.base, v.hi - place.base + 1, place.n)
            self.body += self.statement(v, None, True, out)
        else:
            self.loop(c)

    def start(self, v: Value) -> None:
        """Initial values of a recurrence."""
        place = self.places[v]
        for first, last, a in v.starts:
            target = place.name
            if last > first:
                target = self.cut(target, first - place.base, last - place.base + 1, place.n)
            elif place.kind != "local":
                target = f"{target}[{self.row(first - place.base, place.n)}]"
            if (
                not v.shape and last == first and place.kind != "local"
            ):  # a row is a number, and no array
                self.body.append(f"{target} = {self.arg(a, None)}")
            elif a.kind != "const" or np.any(a.value):
                self.body.append(f"{target}[...] = {self.arg(a, None)}")
            elif self.body and self.body[-1].endswith("[...] = 0") and len(self.body[-1]) < 80:
                self.body[-1] = f"{target}[...] = {self.body[-1]}"
            else:
                self.body.append(f"{target}[...] = 0")

    def loop(self, c: Component) -> None:
        """A loop over time."""
        lo, hi = (c.values[0].lo, c.values[0].hi)
        direction = 1
        if c.loop:
            (lo, hi), direction = loop_range(c), c.direction
            for v in c.values:
                if (
                    v not in self.fusion.nested
                    and self.places[v].kind in ("rows", "local")
                    and not self.is_view(v)
                ):
                    self.start(v)
        assert lo is not None
        assert hi is not None
        end = self.span(hi + 1)
        steps = f"range({end})" if lo == 0 else f"range({lo}, {end})"
        self.body.append(f"for t in {steps}:" if direction == 1 else f"for t in reversed({steps}):")
        count = len(self.body)
        for v in c.values:
            if v in self.fusion.nested:
                continue
            place = self.places[v]
            if place.kind == "view" or self.is_view(v) or self.fusion.is_put_together(v):
                continue
            out = place.name
            if place.kind == "rows":
                dots = ", ..." if not v.shape and not place.rows else ""
                out = f"{place.rows or place.name}[{shifted('t', -place.base)}{dots}]"
            self.body += [f"    {line}" for line in self.statement(v, "t", False, out)]
        if len(self.body) == count:
            self.body.append("    pass")


def write(
    values: list[Value],
    outputs: list[Value],
    leaves: list[Value],
    fusion: bool = True,
    transposes: bool = True,
    liveness: bool = True,
    loop_fusion: bool = True,
    requires: bool = False,
) -> NumPySource:
    """The program that computes `outputs` from `leaves`; the last may be what `requires` counts."""
    counted = only_last(outputs) if requires else set[Value]()
    w = Writer(Fusion(values, outputs, fusion, loop_fusion, counted), transposes, liveness)
    for v in leaves:
        w.place(v)
    title = ""
    for c, part in _parts(w.fusion, outputs, counted):
        count = len(w.body)
        w.component(c)
        if part != title and len(w.body) > count:
            w.body.insert(count, f"# {part}")
            title = part
    results = [_result(w, v) for v in outputs]
    if requires:
        results[-1] = w.places[outputs[-1]].name
    lines = list[str]()
    for name in sorted(w.helpers):
        lines += [HELPERS[name], ""]
    alone = list[str]()
    for (shape, dtype), names in w.buffers.items():
        made = f"np.empty({shape})" if dtype == "float64" else f"np.empty({shape}, np.{dtype})"
        if len(names) <= 2:
            alone += [f"{name} = {made}" for name in names]
        else:
            lines += _wrapped(f"{', '.join(names)} = (", f"{made} for _ in range({len(names)}))")
    lines += _joined([*alone, *w.made])
    again = "  # the same memory again"
    lines += [line + again for line in _joined(w.aliases, WIDE - len(again))]
    lines += _joined(w.views)
    numbers = {w.places[v].rows for v in w.places if not v.shape} - {None}
    views = [(rows, name) for rows, name in w.listed if rows in numbers]
    lines += [f"{rows} = [{name}[t, ...] for t in range(len({name}))]" for rows, name in views]
    lists = [pair for pair in w.listed if pair not in views]
    lines += _packed(lists, "{} = list({})", "{} = map(list, ({}))")
    arguments = ", ".join([w.places[v].name for v in leaves] + list(w.constants))
    lines += ["", *_wrapped("def step(", f"{arguments}):")]
    lines += [f"    {line}" for line in w.body]
    lines += [f"    {line}" for line in _wrapped("return (", f"{', '.join(results)},)")]
    shapes = [
        f"{w.places[v].name} {v.shape}" for v in leaves if v.shape and "drawn" not in v.options
    ]
    drawn = [_drawn(w.places[v].name, v) for v in leaves if "drawn" in v.options]
    header = ["import numpy as np", "", *w.header[:1], *_joined(w.header[1:])]
    if any(v.op in ("divided", "joined") for v in values):
        shapes.append(BLOCKS)
    header += [f"# {line}" for line in _filled(shapes)]
    header += [f"# {line}" for line in _filled(drawn)]
    return NumPySource(
        w.T,
        "\n".join(header) + "\n\n",
        "\n".join(lines) + "\n",
        w.numbers,
        w.constants,
        w.fusion.components,
        values,
        outputs,
        w.bytes,
        w.reused,
        len(w.fusion.nested) + len(w.fusion.parts),
        w.fusion.fusions,
        {v: place.rows or place.name for v, place in w.places.items()},
    )


def _drawn(name: str, v: Value) -> str:
    """A comment on an argument that is drawn instead of passed."""
    return f"{name} = rng.{v.options['drawn']}({v.shape}) at each call"


def _operand(a: Arg, text: str, lifted: bool) -> Operand:
    """An operand, written so, with what is known of it."""
    if isinstance(a.value, Value):
        shape, dtype = a.value.shape, a.value.dtype
        if a.kind == "all":
            shape = (a.k[1] - a.k[0] + 1, *shape)
    else:
        x = np.asarray(a.value)
        shape, dtype = (x.shape[1:] if a.kind == "consts" else x.shape), x.dtype
    return Operand(text, shape, dtype, lifted and a.kind in ("step", "consts"), a)


def _parts(
    fusion: Fusion, outputs: list[Value], counted: set[Value]
) -> list[tuple[Component, str]]:
    """The part of the program each component belongs to: the loss, or the way back from it."""
    loss = set(outputs[:1])
    todo = [*loss]
    while todo:
        for a in todo.pop().operands:
            if isinstance(a.value, Value) and a.value not in loss:
                loss.add(a.value)
                todo.append(a.value)
    loops = [k for k, c in enumerate(fusion.components) if c.loop]
    loops = [k for k in loops if fusion.components[k].values[0] not in counted]
    there = [k for k in loops if fusion.components[k].values[0] in loss]
    found = []
    for k, c in enumerate(fusion.components):
        if c.values[0] in counted:
            part = REQUIRED
        elif c.values[0] in loss:
            part = "forward" if not there or k <= there[-1] else "the loss"
        elif not loops or k <= loops[-1]:
            part = "backward in time" if len(loops) > len(there) else "backward"
        else:
            part = "sums over time" if loops else "backward"
        found.append((c, part))
    return found


def _fresh(lines: list[str], name: str, v: Value) -> list[str]:
    """Lines that compute into an array of their own."""
    tail = f", out={name})"
    plain = v.op in ("gemm_t", "sum_t", "matmul") or v.op in REDUCTIONS or direct(v)
    if plain and not v.shape and len(lines) == 1 and lines[0].endswith(tail):
        return [f"{name} = {lines[0].replace(tail, ')')}"]  # numbers, however deep
    once = len(lines) == 1 and len(re.findall(rf"\b{name}\b", lines[0])) == 1
    if plain and once and lines[0].startswith("np.") and lines[0].endswith(tail):
        return [f"{name} = {lines[0].removesuffix(tail)})"]
    return [f"{name} = np.empty({v.shape}, np.{v.dtype})", *lines]


def _result(w: Writer, v: Value) -> str:
    place = w.places[v]
    fresh = place.kind == "one" and not place.persistent and w.fusion.outputs.count(v) == 1
    if not fresh:
        return f"np.array({place.name})"
    return f"np.{v.dtype}({place.name})" if is_count(v) else place.name


def _joined(lines: list[str], wide: int = WIDE) -> list[str]:
    """Assignments, several on a line, and none before what it reads."""
    pairs = [(name, text) for name, _, text in (line.partition(" = ") for line in lines)]
    return _packed(pairs, "{} = {}", "{} = {}", wide)


def _packed(pairs: list[tuple[str, str]], one: str, many: str, wide: int = WIDE) -> list[str]:
    """Names and what they stand for, each on the first line that has room."""

    def written(row: list[tuple[str, str]]) -> str:
        names, texts = zip(*row, strict=True)
        return (one if len(row) == 1 else many).format(", ".join(names), ", ".join(texts))

    rows = list[list[tuple[str, str]]]()
    for pair in pairs:
        reads = set(re.findall(r"\w+", pair[1]))
        made = [k + 1 for k, row in enumerate(rows) if not reads.isdisjoint(x for x, _ in row)]
        for row in rows[max(made, default=0) :]:
            if len(written([*row, pair])) <= wide:
                row.append(pair)
                break
        else:
            rows.append([pair])
    return [written(row) for row in rows]


def _filled(words: list[str]) -> list[str]:
    """A list on as few lines as it needs, none of its items broken."""
    lines = textwrap.wrap(", ".join(word.replace(" ", "~") for word in words), WIDE)
    return [line.replace("~", " ") for line in lines]


def _wrapped(head: str, tail: str) -> list[str]:
    """A long bracket on two lines or more."""
    if len(head) + len(tail) <= WIDE:
        return [head + tail]
    return [head, f"    {tail}"]
