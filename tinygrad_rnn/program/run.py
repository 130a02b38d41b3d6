"""What is called when a program runs?"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_rnn.engine.recorder import Draw, Recorder
from tinygrad_rnn.program.forked import cached, lock_of
from tinygrad_rnn.program.native import Function, Native, Unwritable, alone
from tinygrad_rnn.program.pieces import Pieces
from tinygrad_rnn.program.trace import leaves_of, rebuilt

if TYPE_CHECKING:
    from tinygrad_rnn.program.pipeline import Compiled

__all__ = ["Drawn", "Piece", "Printed", "Running", "Unmet"]

compile_source = compile


@dataclass
class Printed:
    """A program in NumPy as far as it is text.

    Attributes
    ----------
    T
        Steps of the longest loop.
    header, body
        The source in two parts: lengths and numbers of the record; all else, which is the same text
        for sequences of another length.
    numbers
        The constants of the header by name.
    constants
        Arrays it is given beside its arguments.
    """

    T: int
    header: str
    body: str
    numbers: dict[str, Any]
    constants: dict[str, np.ndarray]

    @property
    def source(self) -> str:
        """The whole program, to be pasted into a file."""
        return self.header + self.body


class Unmet(Exception):
    """A program was called with what the function refuses: run eagerly, it says what that is."""


class Drawn:
    """What a program is given beside its arguments: numbers drawn as the function draws them."""

    def __init__(self, draws: Sequence[Draw]) -> None:
        self.leaves = list(dict.fromkeys(draw.leaf for draw in draws))
        self.generators = list({id(draw.rng): draw.rng for draw in draws}.values())
        self.calls: list[tuple[np.random.Generator, str, int, int, int]] = []
        for draw in draws:  # those of one leaf in a row are one call
            j, k = self.leaves.index(draw.leaf), draw.k
            if self.calls and self.calls[-1][:3] == (draw.rng, draw.method, j):
                *_, start, stop = self.calls[-1]
                if stop == k:
                    self.calls[-1] = (draw.rng, draw.method, j, start, k + 1)
                    continue
            self.calls.append((draw.rng, draw.method, j, k, k + 1))

    def __call__(self) -> list[np.ndarray]:
        """The arrays, drawn now."""
        arrays = [np.empty(leaf.shape, leaf.dtype) for leaf in self.leaves]
        for rng, method, j, start, stop in self.calls:
            getattr(rng, method)(out=arrays[j][start:stop])
        return arrays

    def states(self) -> list[Any]:
        """Where the generators are."""
        return [rng.bit_generator.state for rng in self.generators]

    def set_back(self, states: list[Any]) -> None:
        """Put the generators back to where they were."""
        for rng, state in zip(self.generators, states, strict=True):
            rng.bit_generator.state = state


class Running:
    """A program that is called with arrays, in NumPy or in C.

    Attributes
    ----------
    program, native, pieces
        The text in NumPy; what runs instead of it, if anything does: C, or pieces of time.
    used, aux, paths
        Which parameters the loss depends on, what the function gives beside the loss, with
        ``...`` in place of each Tensor, and the paths of the parameters.
    no_c
        Why it is not C that runs, though it was asked for.
    drawn, requires
        What is drawn at each call; whether the last result says how much does not hold of what the
        function requires.
    """

    program: Any  # Printed, or what has more to tell
    native: Native | None = None
    pieces: Pieces | None = None
    no_c = ""

    def __init__(self, used: list[bool], aux: Any, recorder: Recorder) -> None:
        self.used, self.aux = used, aux
        self.paths: list[str] = []
        self.lock = lock_of(self)
        self.drawn = Drawn(recorder.draws)
        self.requires = bool(recorder.requirements)

    @property
    def source(self) -> str:
        """What runs, in NumPy; if pieces run in C, the whole that they are cut from."""
        in_numpy = self.pieces is not None and isinstance(self.pieces.begin, Piece)
        return self.pieces.source if self.pieces and in_numpy else self.program.source

    @cached
    def function(self) -> Callable[..., tuple[Any, ...]]:
        """The NumPy program, ready to be called."""
        return _ready(self.program)

    @property
    def whole(self) -> Compiled:
        """All that is known of the program."""
        raise NotImplementedError

    @property
    def in_c(self) -> Function:
        """The step in C, written but not built."""
        return self.whole.in_c

    @cached
    def c_source(self) -> str:
        """The program as one C file; empty if it cannot be written in C."""
        try:
            return alone(self.in_c, len(self.used))
        except Unwritable:
            return ""

    def beside(self, arrays: list[Any]) -> Any:
        """What the function gives beside the loss, of the last of the results."""
        rest = iter(arrays)
        ends = [x and next(rest) for _, x in leaves_of(self.aux, "aux")]
        return rebuilt(self.aux, iter(ends))

    def __call__(self, arrays: list[Any]) -> tuple[Any, ...]:
        """Loss and gradients, and what the function gives beside the loss.

        Raises
        ------
        Unmet
            What the function requires does not hold, or an index is outside; nothing is drawn then.
        """
        states = self.drawn.states()
        try:
            results = self._run([*arrays, *self.drawn()])
            if self.requires and results[-1]:
                raise Unmet("what the function requires of its arguments does not hold")
        except (IndexError, Unmet) as error:
            self.drawn.set_back(states)
            raise Unmet(str(error)) from error
        return results

    def _run(self, arrays: list[Any]) -> tuple[Any, ...]:
        if self.pieces is not None:
            with self.lock:
                return tuple(self.pieces(arrays))
        if self.native is not None:
            return self.native(arrays)
        with self.lock:  # the buffers are shared by all calls
            return self.function(*arrays, *self.program.constants.values())


class Piece:
    """A NumPy program with its text; called with arrays."""

    def __init__(self, program: Printed) -> None:
        self.source, self.function = program.source, _ready(program)

    def __call__(self, arrays: list[Any]) -> tuple[Any, ...]:
        """What it computes."""
        return self.function(*arrays)


def _ready(program: Printed) -> Callable[..., tuple[Any, ...]]:
    """A NumPy program, ready to be called: its T and numbers, and the code that serves them all."""
    names: dict[str, Any] = {}
    exec(program.header, names)
    exec(_code(program.body), names)
    return names["step"]


@functools.lru_cache(maxsize=64)
def _code(body: str) -> CodeType:
    return compile_source(body, "<tinygrad_rnn program>", "exec")
