"""Which programs of a function are known, and do two of them say what it is at another length?

A function called with sequences of another length records the same operations, more or fewer of
them. Then its record is neither differentiated nor rolled up: its graph is the one that lies on the
line through two known graphs, if every node of the record is found in it.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.engine.recorder import Recorder
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.program.ir.lengths import Mismatch, Sample, dims_of, interpolated, shorter
from tinygrad_rnn.program.ir.recognise import recognise
from tinygrad_rnn.program.record.trace import (
    NUMBERS,
    Call,
    Forward,
    Refused,
    broken,
    forward,
    leaves_of,
    rebuilt,
    recording,
    trace,
)
from tinygrad_rnn.program.runtime.pipeline import Options, Program, rolled, same_program, sample_of
from tinygrad_rnn.program.runtime.run import Running

__all__ = ["Known", "Pair", "shortened"]

KINDS = 16  # of calls that are remembered
HELD = 4  # programs, and pairs of graphs, of one kind of call
VAIN = 3  # times that no graph was found, after which none is looked for

Dims = tuple[int, ...]


class Pair(NamedTuple):
    """Two graphs, and their programs if there are some."""

    a: Sample
    b: Sample
    programs: tuple[Running, ...] = ()


@dataclass
class _Kind:
    """Programs of one kind of call; pairs that others were found by; how often none was found."""

    programs: list[tuple[Dims, Running]] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    vain: int = 0


class Known:
    """Programs by their bodies, and by the kind of call, which is all of it but lengths.

    Attributes
    ----------
    bodies
        One program for each body, found free of values of its arguments.
    """

    def __init__(self) -> None:
        self.bodies: dict[str, Running] = {}
        self._kinds = OrderedDict[Any, _Kind]()

    def _of(self, kind: Any) -> _Kind:
        found = self._kinds.setdefault(kind, _Kind())
        self._kinds.move_to_end(kind)
        while len(self._kinds) > KINDS:
            self._kinds.popitem(last=False)
        return found

    def add(self, kind: Any, arrays: list[Any], program: Running) -> None:
        """Remember a program that was made for a call."""
        self.bodies.setdefault(program.body, program)
        if not program.interpolated:  # which two others are known to make
            of = self._of(kind)
            of.programs = [(dims_of(x.shape for x in arrays), program), *of.programs][:HELD]

    def free(self, program: Running) -> bool:
        """True if one like it is known to have nothing of its arguments in it."""
        alike = self.bodies.get(program.body)
        if alike is None:
            return False
        known, found = program.numbers(alike), program.numbers(program)
        return known is not None and found is not None and same_program(*known, *found)

    def knows(self, kind: Any) -> bool:
        """True if there is a program for a call of a kind."""
        return bool(self._of(kind).programs)

    def pairs(self, kind: Any, arrays: list[Any], call: Call, options: Options) -> Iterator[Pair]:
        """Pairs of graphs for other lengths, between or beyond which that of a call may lie."""
        of = self._of(kind)
        programs = of.programs
        if not programs or of.vain >= VAIN:
            return
        tried = {pair.programs for pair in of.pairs}
        yield from [pair for pair in of.pairs if pair.programs]
        both = list(itertools.combinations([x for _, x in programs], 2))
        alike = [x for x in both if x[0].body == x[1].body and all(type(y) is Program for y in x)]
        yield from (_pair(*x) for x in alike if x not in tried)
        yield from [pair for pair in of.pairs if not pair.programs]
        dims = dims_of(x.shape for x in arrays)
        try:
            short = [shorter(programs[0][0], dims, k) for k in (0, 1)]
            yield Pair(_short(call, short[0], options), _short(call, short[1], options))
        except (Mismatch, Refused):
            yield from (_pair(*x) for x in both if x not in tried and x not in alike)

    def graph(
        self, kind: Any, pairs: Iterable[Pair], record: Forward
    ) -> tuple[Pair, Sample, list[Tensor]] | str:
        """The graph of a record and its gradients, if a pair says what it is; else why none does.

        With it that pair, and the nodes of the record.
        """
        why = ""
        nodes, outputs = _forward(record)
        dims, of = dims_of(x.shape for x in record.leaves), self._of(kind)
        for pair in pairs:
            try:
                found = interpolated(pair.a, pair.b, dims)
                recognise(found, record.leaves, nodes, outputs)
            except Mismatch as error:
                why = str(error)
                continue
            of.vain = 0
            of.pairs = [pair, *(x for x in of.pairs if x is not pair)][:HELD]
            return pair, found, nodes
        of.vain += 1
        return why


def _pair(a: Running, b: Running) -> Pair:
    return Pair(a.full.sample, b.full.sample, (a, b))


def _forward(record: Forward) -> tuple[list[Tensor], dict[int, Tensor]]:
    """The nodes of a record; its results by their places among those of its graph."""
    counting = Recorder(record.recorder.shapes)
    with recording(counting):
        requires = [broken(record.recorder)] if record.recorder.requirements else []
    beside = [*record.beside, *requires]
    nodes = [*record.nodes, *counting.operations]
    return nodes, {0: record.loss, **dict(enumerate(beside, 1 + record.parameters))}


def shortened(call: Call, dims: Dims) -> Call:
    """The same function with the beginnings of its arguments; `dims` are all shapes in a row."""
    ends = iter(dims)
    for _, p in leaves_of(call.params, ""):
        _take(p.ndim, ends)
    leaves = [[x for _, x in leaves_of(arg, "")] for arg in call.args]
    arrays = [np.asarray(values(x)) for xs in leaves for x in xs if isinstance(x, NUMBERS)]
    shapes = [_take(x.ndim, ends) for x in arrays]
    pairs = zip(dims_of(x.shape for x in arrays), dims_of(shapes), strict=True)
    least = min(short for n, short in pairs if short < n)
    short = (
        np.minimum(y, least).astype(y.dtype) if y.dtype.kind in "iu" else y  # as lengths
        for y in (x[tuple(map(slice, shape))] for x, shape in zip(arrays, shapes, strict=True))
    )
    args = tuple(
        rebuilt(arg, iter([next(short) if isinstance(x, NUMBERS) else x for x in xs]), True)
        for arg, xs in zip(call.args, leaves, strict=True)
    )
    return call._replace(args=args)


def _short(call: Call, dims: Dims, options: Options) -> Sample:
    """The graph of the same function for the beginnings of its arguments."""
    record = forward(shortened(call, dims))
    whole = trace(record)
    graph, _ = rolled(whole, record.recorder, options.longest, loops="loops" in options.passes)
    return sample_of(graph, whole)


def _take(n: int, ends: Iterator[int]) -> tuple[int, ...]:
    return tuple(itertools.islice(ends, n))
