"""What runs when a program is called?"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any

import numpy as np

from tinygrad_rnn.engine.recorder import Draw
from tinygrad_rnn.program.backends.c import Function, Native, Unwritable, alone
from tinygrad_rnn.program.backends.numpy.source import Source
from tinygrad_rnn.program.locks import cached, lock_of
from tinygrad_rnn.program.record.surroundings import Ways, follow
from tinygrad_rnn.program.record.trace import leaves_of, rebuilt
from tinygrad_rnn.program.runtime.segments import Division, Segments
from tinygrad_rnn.program.threads import limited

__all__ = ["Drawn", "Running", "Segment", "Unmet", "in_segments"]

compile_source = compile


class Unmet(Exception):
    """A program was called with arguments that the function refuses, and says so if run eagerly."""


class Drawn:
    """The numbers that a program receives beside its arguments, drawn as the function draws them.

    Attributes
    ----------
    generators
        Those that it was recorded with.
    ways
        How each is reached from the function, its parameters and its arguments: another call
        draws from the generator found there.
    """

    def __init__(self, draws: Sequence[Draw]) -> None:
        leaves = {leaf: j for j, leaf in enumerate(dict.fromkeys(draw.leaf for draw in draws))}
        numbers = {rng: i for i, rng in enumerate(dict.fromkeys(draw.rng for draw in draws))}
        self.generators, self.ways = list(numbers), list[Ways]()
        self.leaves = [(leaf.shape, leaf.dtype) for leaf in leaves]
        self.calls: list[tuple[tuple[int, str, int], Any, Any]] = []
        for draw in draws:  # those of one leaf in a row are one call
            what = numbers[draw.rng], draw.method, leaves[draw.leaf]
            first, after = draw.k, None if draw.k is None else draw.k + 1
            if self.calls and first and self.calls[-1][0] == what and self.calls[-1][2] == first:
                first = self.calls.pop()[1]
            self.calls.append((what, first, after))

    def __call__(self, generators: Sequence[np.random.Generator]) -> list[np.ndarray]:
        """The arrays, drawn now."""
        arrays = [np.empty(shape, dtype) for shape, dtype in self.leaves]
        for (i, method, j), first, after in self.calls:
            getattr(generators[i], method)(out=arrays[j][first:after] if after else arrays[j])
        return arrays

    def reached(self, *roots: Any) -> list[np.random.Generator] | None:
        """The generators to draw from at a call; None if it takes another record."""
        found = list[np.random.Generator]()
        for ways in self.ways:
            pairs = zip(roots, ways, strict=True)
            there = [follow(root, way) for root, way in pairs if way is not None]
            if not there or any(
                x is not there[0] or not isinstance(x, np.random.Generator) for x in there
            ):
                return None
            found.append(there[0])
        return found if len({*map(id, found)}) == len(found) else None


class Running:
    """A program that is called with arrays, in NumPy or in C.

    Attributes
    ----------
    program, native, segments
        The text in NumPy, and C or segments of time if they run in its place.
    used, aux, paths
        For each parameter whether the loss depends on it; the results beside the loss, with
        ``...`` in place of each Tensor; and the paths of the parameters.
    no_c
        The reason why C does not run, though it was asked for.
    drawn, requires
        The numbers drawn at each call; whether the last result counts the elements that break a
        requirement of the function.
    small
        Whether its products are small, and run on one thread; see `threads`.
    interpolated
        Whether it was made from two programs for other lengths.
    compared
        Arguments on which it was just compared with the function, and its results.
    """

    program: Any  # a Source, or what has more to tell
    native: Native | None = None
    segments: Segments | None = None
    no_c = ""
    small = interpolated = False
    compared: tuple[list[Any], tuple[Any, ...]] | None = None

    def __init__(self, used: list[bool], aux: Any, draws: Sequence[Draw], requires: bool) -> None:
        self.used, self.aux = used, aux
        self.paths: list[str] = []
        self.lock = lock_of(self)
        self.drawn, self.requires = Drawn(draws), requires

    @property
    def source(self) -> str:
        """The program that runs, in NumPy; if segments run in C, the program they are parts of."""
        return self.segments.source if self.segments and self._in_numpy else self.program.source

    @property
    def _in_numpy(self) -> bool:
        return self.segments is not None and isinstance(self.segments.programs["begin"], Segment)

    @cached
    def function(self) -> Callable[..., tuple[Any, ...]]:
        """The NumPy program, ready to be called."""
        return _ready(self.program)

    @property
    def body(self) -> str:
        """Its text but for lengths and numbers."""
        return self.program.body

    @property
    def structure(self) -> str:
        """A digest, the same for all programs that differ by lengths alone."""
        return self.full.structure

    def numbers(self, program: Running) -> tuple[int, dict[Any, Any]] | None:
        """The length and the numbers of a program with this one's text, to compare them.

        None if it is given arrays from outside, too.
        """
        text = program.program
        return None if text.constants else (text.T, text.numbers)

    @property
    def bytes(self) -> int:
        """The size of the memory that it keeps between calls."""
        if self.native is not None:
            return self.native.room.nbytes
        if self.segments is not None:
            return 0  # made for a bound
        arrays = (x for x in self.function.__globals__.values() if isinstance(x, np.ndarray))
        return sum(x.nbytes for x in arrays if x.base is None)

    @property
    def flushes(self) -> bool:
        """True if numbers below the smallest normal one are 0 in it: in C they are."""
        return self.native is not None or (self.segments is not None and not self._in_numpy)

    @property
    def full(self) -> Any:  # a Program, which is a subclass
        """All that is known of the program."""
        raise NotImplementedError

    @property
    def in_c(self) -> Function:
        """The step in C, written but not built."""
        return self.full.in_c

    @cached
    def c_source(self) -> str:
        """The program as one C file; empty if it cannot be written in C."""
        try:
            return alone(self.in_c, len(self.used))
        except Unwritable:
            return ""

    def beside(self, arrays: list[Any]) -> Any:
        """The values that the function gives beside the loss, made of the last results."""
        rest = iter(arrays)
        ends = [x and next(rest) for _, x in leaves_of(self.aux, "aux")]
        return rebuilt(self.aux, iter(ends))

    def __call__(self, given: list[Any]) -> tuple[Any, ...]:
        """Loss and gradients, and the results beside the loss.

        Parameters
        ----------
        given
            Parameters and arguments as arrays, then the generators that it draws from.

        Raises
        ------
        Unmet
            A requirement of the function does not hold, or an index is outside; then nothing is
            drawn.
        """
        compared, self.compared = self.compared, None
        if compared is not None and compared[0] is given:
            return compared[1]
        if not self.drawn.generators:
            return self._checked(given)
        states = self.states(given)
        try:
            return self._checked(self.arrays(given))
        except Unmet:
            self.set_back(given, states)
            raise

    def _checked(self, arrays: list[Any]) -> tuple[Any, ...]:
        try:
            with limited(self.small):
                results = self._run(arrays)
        except IndexError as error:
            raise Unmet(str(error)) from error
        if self.requires and results[-1]:
            raise Unmet("what the function requires of its arguments does not hold")
        return results

    def arrays(self, given: list[Any]) -> list[Any]:
        """The arrays it runs on: those given, and those drawn now."""
        n = len(given) - len(self.drawn.generators)
        return [*given[:n], *self.drawn(given[n:])]

    def states(self, given: list[Any]) -> list[Any]:
        """The states of the generators given."""
        n = len(given) - len(self.drawn.generators)
        return [rng.bit_generator.state for rng in given[n:]]

    def set_back(self, given: list[Any], states: list[Any]) -> None:
        """Put the generators given back to where they were."""
        n = len(given) - len(self.drawn.generators)
        for rng, state in zip(given[n:], states, strict=True):
            rng.bit_generator.state = state

    def _run(self, arrays: list[Any]) -> tuple[Any, ...]:
        if self.segments is not None:
            with self.lock:
                return tuple(self.segments(arrays))
        if self.native is not None:
            return self.native(arrays)
        with self.lock:  # the buffers are shared by all calls
            return self.function(*arrays, *self.program.constants.values())


class Segment:
    """A NumPy program with its text; called with arrays."""

    def __init__(self, program: Source) -> None:
        self.source, self.function = program.source, _ready(program)

    def __call__(self, arrays: list[Any]) -> tuple[Any, ...]:
        """The results of the program."""
        return self.function(*arrays)


def in_segments(division: Division) -> Segments:
    """A step that is divided in time, ready to be called."""
    return Segments(division, lambda x: Segment(x) if isinstance(x, Source) else Native(x))


def _ready(program: Source) -> Callable[..., tuple[Any, ...]]:
    """A NumPy program, ready to be called: its T and numbers, and the code that serves them all."""
    names: dict[str, Any] = {}
    exec(program.header, names)
    exec(_code(program.body), names)
    return names["step"]


@functools.lru_cache(maxsize=64)
def _code(body: str) -> CodeType:
    return compile_source(body, "<tinygrad_rnn program>", "exec")
