"""How are the equations of a step written down, forward and backward?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tinygrad_rnn.program.backends.latex.text import LatexText
from tinygrad_rnn.program.formula.columns import Gates
from tinygrad_rnn.program.formula.equations import Equations
from tinygrad_rnn.program.formula.letters import Letter
from tinygrad_rnn.program.formula.tex import Tex
from tinygrad_rnn.program.formula.tree import RELATIONS, ZERO, Formula, Step
from tinygrad_rnn.program.ir.graph import Value

__all__ = ["cell_latex", "latex"]

WIDE = 118  # characters of a line
HEAD = r"""% \bar x is the gradient of the loss L with respect to x. Examples are rows, as in x_t W.
% Steps count from 0, as in programs and pictures. Lines are for t = 0, ..., T-1 if they do not say
% otherwise; the gradients of what runs from t = 0 up run from t = T-1 down."""
OF_A_CELL = """% Examples are rows, as in x_t W. The state before step t has t-1 below it."""
NOTES = {
    "product": r"\odot multiplies element by element, as do powers.",
    "axes": r"\mathrm{sum}_{0,1} adds up along the first two axes.",
    "put": r"\mathrm{put}_{2,3}[y](x) is x added at [y] to zeros of that shape.",
    "rows": r"\mathbf{1}^\top x adds up the rows of x.",
    "columns": r"x \mathbf{1} adds up the columns of x.",
    "one_hot": r"\mathbf{1}_y is 1 at place y of each row, else 0.",
    "index": r"x[y] is what x has at place y, counted from 0; x[\cdot, y] is that of each row.",
    "transpose": r"What has one axis is a row; its transpose is a column.",
    "inverse": "N is how many numbers are averaged.",
    "as": r"\mathrm{int64}(x) is x in that type.",
}
TRUE = r"\mathbf{1}[...] is 1 where it is true, else 0."


def latex(e: Equations) -> LatexText:
    """The forward and the backward equations, as two ``align*`` environments."""
    names: dict[Any, Letter] = {**e.names}
    p = Tex(names)
    forward: list[str] = []
    backward: list[str] = []
    zeros: dict[bool, list[str]] = {True: [], False: []}
    zeros[False] += [names[v].tex(step.tex()) for v, step in e.zeros]
    for q in e.equations:
        for step, f in q.starts:
            if f == ZERO:
                zeros[q.value in e.forward].append(names[q.value].tex(step.tex()))
    for where, lines in ((True, forward), (False, backward)):
        lines += [f"{' = '.join(dict.fromkeys(zeros[where]))} &= 0"] if zeros[where] else []
    sums: dict[Value, list[str]] = {}
    for leaf, v in e.parameters.items():
        sums.setdefault(v, []).append(names[leaf]._replace(bar=True).tex())
    for q in e.equations:
        v = q.value
        if v in sums:
            continue
        lines = forward if v in e.forward else backward
        for step, f in q.starts:
            if f != ZERO:
                lines.append(f"{names[v].tex(step.tex())} &= {p.text(f)}")
        lines.append(_line(names[v].tex("t" if v.lo is not None else ""), q.formula, p, e, v))
    whole = {q.value: q.formula for q in e.equations}
    backward += [_line(" = ".join(left), whole[v], p, e, v) for v, left in sums.items()]
    text = "\n".join([*_aligned(forward), *_aligned(backward)]) + "\n"
    told = _notes(e, (f for q in e.equations for f in (q.formula, *(f for _, f in q.starts))))
    told += _packed(
        ((p, source, k, source.shape[-1] // p.shape[-1]) for p, (source, k) in e.parts.items()),
        names,
    )
    return LatexText("\n".join([HEAD, *(f"% {note}" for note in told), text]))


def cell_latex(e: Equations) -> LatexText:
    """The formulas of one step of a cell, gate by gate, as one ``align*`` environment."""
    gates = Gates(e)
    p = Tex(gates.names)
    lines = [
        _line(p.names[q.value].tex("t" if q.value.lo is not None else ""), q.formula, p, e, q.value)
        for q in gates.equations
    ]
    told = _notes(e, (q.formula for q in gates.equations)) + _packed(gates.columns(), gates.names)
    text = "\n".join(_aligned(lines)) + "\n"
    return LatexText("\n".join([OF_A_CELL, *(f"% {note}" for note in told), text]))


def _notes(e: Equations, formulas: Iterable[Formula]) -> list[str]:
    """Sentences that explain the notation of formulas."""
    heads = _heads(formulas)
    told = [note for head, note in NOTES.items() if head in heads]
    told += [TRUE] * (not heads.isdisjoint(RELATIONS))
    if e.given is not None:
        told.append(f"{e.given.tex()} is an array that the record has from outside.")
    return told


def _heads(formulas: Iterable[Formula]) -> set[str]:
    """The values that formulas show."""
    todo, found = [*formulas], set[str]()
    while todo:
        x = todo.pop()
        found.add(x.head)
        todo += x.parts
    return found


def _packed(columns: Iterable[tuple[Any, Value, int, int]], names: dict[Any, Letter]) -> list[str]:
    """Comments on the letters of parts: of which letter each is a part, and which."""
    alike: dict[tuple[str, int], dict[int, str]] = {}
    for p, source, k, many in columns:
        if p in names and source in names:
            a = p.args[0] if isinstance(p, Value) else None
            step = Step(1, a.k or 0).tex() if a is not None and a.kind == "step" else ""
            timed = isinstance(p, Value) and p.lo is not None
            whole = alike.setdefault((names[source].tex(step), many), {})
            whole.setdefault(k, names[p].tex("t" if timed else ""))
    return [
        f"{whole} = [{', '.join(found.get(k, '.') for k in range(many))}] in equal parts."
        for (whole, many), found in alike.items()
    ]


def _line(left: str, f: Formula, p: Tex, e: Equations, v: Value) -> str:
    """One equation, on several lines if it is long; with its steps if they are not all."""
    when = e.notation.range_of(v)
    text = p.text(f)
    if len(left) + len(text) > WIDE and f.head == "sum":
        text, width = "", 0
        for term in p.terms(f):
            if width and width + len(term) > WIDE:
                text, width = f"{text} \\\\\n  &\\quad{term}", 0
            else:
                text += term
            width += len(term)
    return f"{left} &= {text}{when}"


def _aligned(lines: list[str]) -> list[str]:
    body = " \\\\\n  ".join(lines)
    return ["\\begin{align*}", f"  {body}", "\\end{align*}"] if lines else []
