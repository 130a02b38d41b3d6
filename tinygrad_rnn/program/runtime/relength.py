"""What is a program in C at another length, if two of one text are known?

That text. Of its arguments, results and memory the sizes lie on the line through those of the two;
a constant is the one that stands in the graph where both have theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_rnn.program.backends.c import Function, Native
from tinygrad_rnn.program.constants import same_constant
from tinygrad_rnn.program.ir.graph import Value
from tinygrad_rnn.program.ir.lengths import Line, Mismatch, Sample
from tinygrad_rnn.program.locks import cached
from tinygrad_rnn.program.passes.simplify import alive, folded
from tinygrad_rnn.program.runtime.pipeline import Program, copied
from tinygrad_rnn.program.runtime.run import Running

__all__ = ["Relengthed", "function_at"]


class Relengthed(Running):
    """A program in C for another length; what else is known of it is found out when asked for."""

    interpolated = True

    def __init__(
        self, function: Function, like: Running, make: Callable[[], Program], *facts: Any
    ) -> None:
        """`like` is one that differs by lengths alone; `facts` are those of `Running`."""
        super().__init__(*facts)
        self.function_in_c, self.native, self._make = function, Native(function), make
        self._body, self._structure = like.body, like.structure

    def numbers(self, program: Running) -> tuple[int, dict[Any, Any]] | None:
        """Those in C, as there is no text in NumPy."""
        return program.in_c.T, dict(enumerate(program.in_c.constants))

    @property
    def body(self) -> str:
        """Its text in NumPy but for lengths and numbers."""
        return self._body

    @property
    def structure(self) -> str:
        """A digest, the same for all programs that differ by lengths alone."""
        return self._structure

    @cached
    def full(self) -> Program:
        """The same, made from its graph."""
        return self._make()

    @cached
    def program(self) -> Any:  # type: ignore[override]
        """The program in NumPy."""
        return self.full.program

    @property
    def in_c(self) -> Function:
        """The step in C."""
        return self.function_in_c


def function_at(a: Function, b: Function, graphs: tuple[Sample, Sample, Sample]) -> Function:
    """The function for the last of three graphs, from those for the first two.

    Raises
    ------
    Mismatch
        They differ by more than lengths, or a constant of theirs is made in a way not known here.
    """
    if (a.text, a.rooms) != (b.text, b.rooms):
        raise Mismatch("the two are not one text")
    line = Line(*graphs[:2], graphs[2].dims)
    known = list(zip(*map(_constants, graphs), strict=True))
    constants = [
        x if same_constant(x, y) else _between(x, y, known)
        for x, y in zip(a.constants, b.constants, strict=True)
    ]
    return replace(
        b,
        constants=constants,
        T=line(a.T, b.T),
        arguments=line(a.arguments, b.arguments),
        results=line(a.results, b.results),
    )


def _constants(graph: Sample) -> list[Any]:
    """The constants of a graph after those made of constants alone are computed."""
    values, outputs, leaves = copied(graph.values, graph.outputs, graph.leaves)
    folded(values, outputs)
    return [
        a.value
        for v in alive(values, outputs, leaves)
        for a in v.operands
        if not isinstance(a.value, Value)
    ]


def _between(x: np.ndarray, y: np.ndarray, known: Iterable[tuple[Any, Any, Any]]) -> np.ndarray:
    """A constant of the third graph, where those of the first two are `x` and `y`."""
    for u, v, w in known:
        if _matches(u, x) and _matches(v, y):
            return _converted(w, x)
    raise Mismatch("a constant of the program is not one of the graph")


def _matches(u: Any, x: np.ndarray) -> bool:
    """True if a constant of a graph is one of the program."""
    return np.size(u) == x.size and same_constant(_converted(u, x), x)


def _converted(u: Any, x: np.ndarray) -> np.ndarray:
    """A constant of a graph in the form of one of the program: see `kernel.Constants`."""
    if x.shape == (1,) and np.ndim(u) == 0:
        return np.full(1, np.asarray(u, x.dtype))
    return np.ascontiguousarray(u, x.dtype)
