"""How are the equations of a step written down, forward and backward?"""

from __future__ import annotations

from typing import Any

from tinygrad_rnn.program.equations import Equations
from tinygrad_rnn.program.formula import ZERO, Formula
from tinygrad_rnn.program.graph import Value
from tinygrad_rnn.program.tex import Letter, Printer

__all__ = ["latex"]

WIDE = 118  # characters of a line
HEAD = r"""% \bar x is the gradient of the loss L with respect to x. Examples are rows, as in x_t W.
% Lines are for t = 1, ..., T if they do not say otherwise; the gradients of what runs from t = 1 up
% run from t = T down."""
NOTES = {
    r"\odot": r"\odot multiplies element by element, as do powers.",
    r"\mathrm{sum}_{": r"\mathrm{sum}_{0,1} adds up along the first two axes.",
    r"\mathrm{put}": r"\mathrm{put} adds each to what is at its place in an array of zeros.",
    r"\mathbf{1}^\top": r"\mathbf{1}^\top x adds up the rows of x.",
    r"\mathbf{1}_{": r"\mathbf{1}_y is 1 at place y of each row, else 0; x[y] is what x has there.",
    r"\mathbf{1}[": r"\mathbf{1}[...] is 1 where it is true, else 0.",
    "N}": "N is how many numbers are averaged.",
    "K": "K is an array that the record has from outside.",
}


def latex(e: Equations) -> str:
    """The forward and the backward equations, as two ``align*`` environments."""
    names: dict[Any, Letter] = {**e.names}
    p = Printer(names)
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
                lines.append(f"{names[v].tex(step.tex())} &= {p.tex(f)}")
        lines.append(_line(names[v].tex("t" if v.lo is not None else ""), q.formula, p, e, v))
    whole = {q.value: q.formula for q in e.equations}
    backward += [_line(" = ".join(left), whole[v], p, e, v) for v, left in sums.items()]
    text = "\n".join([*_aligned(forward), *_aligned(backward)]) + "\n"
    told = [f"% {note}" for sign, note in NOTES.items() if sign in text]
    return "\n".join([HEAD, *told, text])


def _line(left: str, f: Formula, p: Printer, e: Equations, v: Value) -> str:
    """One equation, on several lines if it is long; with its steps if they are not all."""
    when = e.notation.range_of(v)
    text = p.tex(f)
    if len(left) + len(text) > WIDE and f.head == "sum":
        terms = [p.tex(x) for x in f.parts]
        text = terms[0]
        width = len(text)
        for term in terms[1:]:
            sign, rest = ("-", term[1:]) if term[0] == "-" else ("+", term)
            if width + len(rest) > WIDE:
                text, width = f"{text} \\\\\n  &\\quad {sign} {rest}", len(rest)
            else:
                text, width = f"{text} {sign} {rest}", width + len(rest)
    return f"{left} &= {text}{when}"


def _aligned(lines: list[str]) -> list[str]:
    body = " \\\\\n  ".join(lines)
    return ["\\begin{align*}", f"  {body}", "\\end{align*}"] if lines else []
