"""How is a graph written down, to be read by people?

A line for each value, in Python's syntax. `text_of` writes such lines and `graph_from` reads them,
so a pass can be shown by some lines before it and some after::

    a[t] = matmul(h[t - 1], W)
    h[t] = tanh(a[t]); h[-1] = h0
    loss = sum_t(h[0:5], axis=(0, 1, 2))

Names in brackets are sequences: ``h[t - 1]`` is the element of the step before, ``h[4]`` that of
step 4, ``h[0:5]`` all of these steps in one array. Initial values follow a semicolon, and so do the
steps of a sequence where it lacks some that others have, as in ``t = 1 … 4``. Names that no line
defines are arguments.
"""

from __future__ import annotations

import ast
import re
from typing import Any

import numpy as np

from tinygrad_rnn.engine.primitives import Input
from tinygrad_rnn.program.ir.graph import Arg, Value, ancestors
from tinygrad_rnn.program.ir.recurrences import components
from tinygrad_rnn.program.ir.sequences import Step

__all__ = ["graph_from", "text_of"]

HIDDEN = frozenset(("sequence", "leaf", "drawn"))  # options that say nothing of what is computed


def graph_from(
    lines: str, T: int = 5, **known: tuple[int, ...] | np.ndarray
) -> tuple[list[Value], list[Value]]:
    """The values that lines like those above define, and the last of them as the output.

    All are float64. Shapes are those of one step, (2, 3) unless others are `known` by name; an
    array that is known is a constant. Sequences have the steps 0 … T - 1.

    >>> print(text_of(*graph_from("d[t] = multiply(g[t], y[t + 1]); t = 0 … 3; d[4] = 0.0")))
    d[t] = multiply(g[t], y[t + 1]); t = 0 … 3; d[4] = 0.0
    """
    names: dict[str, Value] = {}

    def value(name: str, sequence: bool, op: str = "leaf") -> Any:
        shape, ends = known.get(name, (2, 3)), (0, T - 1) if sequence else (None, None)
        if name not in names and isinstance(shape, tuple):
            names[name] = Value(op, [], {}, shape, np.dtype(float), name, *ends)
        return names.get(name, shape)

    parts = [line.split(";") for line in lines.strip().splitlines()]
    statements = [_statement(first) for first, *_ in parts]
    for target, call in statements:
        v = value(_name(target), isinstance(target, ast.Subscript), call.func.id)
        v.serial = len(names)
    for (target, call), (_, *more) in zip(statements, parts, strict=True):
        v = names[_name(target)]
        v.args = [_arg(a, value) for a in call.args]
        v.options = {k.arg: _option(k.value) for k in call.keywords}
        for clause in more:
            if steps := re.fullmatch(r"\s*t = (\d+) … (\d+)\s*", clause):
                v.lo, v.hi = int(steps[1]), int(steps[2])
                continue
            at, start = _statement(clause)
            a = _arg(start, value)
            if a.kind == "const":
                a = Arg("const", np.full(v.shape, a.value))
            v.initial[ast.literal_eval(at.slice)] = a
    values = sorted(names.values(), key=lambda v: v.op != "leaf")
    return values, values[-1:]


def _statement(line: str) -> tuple[Any, Any]:
    (assignment,) = ast.parse(line.strip()).body
    assert isinstance(assignment, ast.Assign)
    return assignment.targets[0], assignment.value


def _name(x: Any) -> str:
    name: Any = x.value if isinstance(x, ast.Subscript) else x
    return name.id


def _arg(x: Any, value: Any) -> Arg:
    """An operand as it is written."""
    if isinstance(x, ast.Name):
        found = value(x.id, False)
        return Arg("one" if isinstance(found, Value) else "const", found)
    if not isinstance(x, ast.Subscript):
        return Arg("const", ast.literal_eval(x))
    v, at = value(_name(x), True), x.slice
    if isinstance(at, ast.Slice):
        first, end = (ast.literal_eval(k) for k in (at.lower, at.upper) if k is not None)
        return Arg("all", v, (first, end - 1))
    if isinstance(at, ast.Name | ast.BinOp):
        return Arg("step", v, _option(at).shift)
    return Arg("at", v, ast.literal_eval(at))


class _Time(Step):
    """The t in ``t + 1``."""

    def __neg__(self) -> _Time:
        return _Time(-self.sign, -self.shift)

    def __add__(self, k: Any) -> Any:
        return _Time(self.sign, self.shift + k)

    def __sub__(self, k: Any) -> Any:
        return _Time(self.sign, self.shift - k)


def _option(x: Any) -> Any:
    found = eval(ast.unparse(x), {"t": _Time(1, 0), "slice": slice, "Input": Input})
    return _plain(found)


def _plain(x: Any) -> Any:
    if isinstance(x, Step):
        return Step(*x)
    return type(x)(map(_plain, x)) if type(x) in (tuple, list) else x


def text_of(values: list[Value], outputs: list[Value]) -> str:
    """The lines of those values that outputs need, each after what it reads."""
    needed = ancestors(*outputs)
    values = [v for v in values if v in needed]
    spans = [(v.lo, v.hi) for v in values if v.lo is not None and v.hi is not None]
    longest = max(spans, key=lambda span: span[1] - span[0], default=None)
    names, lines = _names(values), list[str]()
    for v in (v for c in components(values) for v in c.values if v.op != "leaf"):
        options = {k: x for k, x in v.options.items() if k not in HIDDEN}
        words = [_read(a, names) for a in v.args]
        words += [f"{k}={_written(x)}" for k, x in options.items()]
        clauses = [f"{names[v]}{'' if v.lo is None else '[t]'} = {v.op}({', '.join(words)})"]
        if v.lo is not None and (v.lo, v.hi) != longest:
            clauses.append(f"t = {v.lo} … {v.hi}")
        clauses += [f"{names[v]}[{t}] = {_read(a, names)}" for t, a in sorted(v.initial.items())]
        lines.append("; ".join(clauses))
    return "\n".join(lines)


def _names(values: list[Value]) -> dict[Value, str]:
    """Names, with a number where several values have one."""
    names, taken = dict[Value, str](), set[str]()
    for v in values:
        name = wish = v.name or v.op
        k = 1
        while name in taken:
            k += 1
            name = f"{wish}{k}"
        taken.add(name)
        names[v] = name
    return names


def _read(a: Arg, names: dict[Value, str]) -> str:
    """An operand as `graph_from` reads it."""
    if a.kind in ("const", "consts"):
        x = np.asarray(a.value)
        if x.size and (x == x.flat[0]).all():
            return str(x.flat[0])
        return f"array{x.shape}{'[t]' if a.kind == 'consts' else ''}"
    name = names.get(a.value, a.value.name)
    if a.kind == "all":
        return f"{name}[{a.k[0]}:{a.k[1] + 1}]"
    if a.kind == "step":
        return f"{name}[{_written(Step(1, a.k))}]"
    return f"{name}[{a.k}]" if a.kind == "at" else name


def _written(x: Any) -> str:
    """An option, with integers that move with t in terms of t."""
    if type(x) is Step:
        t = "t" if x.sign == 1 else "-t" if x.sign == -1 else f"{x.sign} * t"
        return f"{t} {'-' if x.shift < 0 else '+'} {abs(x.shift)}" if x.shift else t
    if type(x) is Input:
        return f"Input({int(x)})"
    if type(x) is slice:
        ends = (x.stop,) if x.start is x.step is None else (x.start, x.stop, x.step)
        return f"slice({', '.join(map(str, ends[: 2 if x.step is None else 3]))})"
    if type(x) in (tuple, list):
        words = ", ".join(map(_written, x))
        return f"({words}{',' * (len(x) == 1)})" if type(x) is tuple else f"[{words}]"
    return repr(x)
