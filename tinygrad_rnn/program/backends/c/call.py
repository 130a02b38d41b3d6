"""How is a program in C given arrays, and what does it give back?"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from tinygrad_rnn.program.backends.c.build import blas, library, threads
from tinygrad_rnn.program.backends.c.emit import Function
from tinygrad_rnn.program.backends.c.names import COMMENT
from tinygrad_rnn.program.backends.c.prelude import INCLUDES, prelude
from tinygrad_rnn.program.locks import lock_of

__all__ = ["Native"]

SMALL = 8192  # bytes; to copy so many takes as long as to ask for an address


class Native:
    """A program, built: call it with arrays, get arrays of one's own."""

    def __init__(self, written: Function) -> None:
        self.written = written
        *gemms, bits = blas()
        text = self.written.text
        head = f"{INCLUDES}#define BLAS_INT int{bits}_t\n"
        count = len(written.arguments) + len(written.constants) + len(written.results)
        source = "\n".join([head, prelude(text), f"static {text}", entry(count)])
        found = library(COMMENT.sub("", source))  # (32,) may be (T,) in a comment, by chance
        for name, address in zip(
            ("use_blas_f", "use_blas_d", "use_threads"), (*gemms, threads()), strict=True
        ):
            use = getattr(found, name, None)  # if there is a product that asks for it
            if use is not None:
                use.argtypes, use.restype = [ctypes.c_void_p], None
                use(address or None)
        self.shapes, self.T, self.run = written.results, written.T, found.run
        self.run.argtypes = [ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        self.run.restype = ctypes.c_int
        self.room = np.empty(self.written.bytes + 64, np.uint8)
        start = -self.room.ctypes.data % 64
        self.start = self.room.ctypes.data + start
        self.lock = lock_of(self)
        # The address of each argument. Small ones are copied to and from a place of their own.
        self.given = [_fixed(*kind) for kind in written.arguments]
        self.made = [_fixed(*kind) for kind in written.results]
        self.places = (ctypes.c_void_p * count)()
        places = [*self.given, *written.constants, *self.made]
        for k, x in enumerate(places):
            self.places[k] = None if x is None else x.ctypes.data
        self.table, first = ctypes.addressof(self.places), count - len(self.made)
        self.small = [(k, x) for k, x in enumerate(self.given) if x is not None]
        self.large = [(k, x) for k, (_, x) in enumerate(written.arguments) if self.given[k] is None]
        self.new = [(k, first + k, *x) for k, x in enumerate(self.shapes) if self.made[k] is None]
        self.copied = [(k, x) for k, x in enumerate(self.made) if x is not None]

    def __call__(self, arrays: list[Any]) -> tuple[Any, ...]:
        """The outputs, in new arrays."""
        with self.lock:  # one room for all calls
            for k, here in self.small:
                here[...] = arrays[k]
            alive = list[Any]()  # until the call is over
            for k, dtype in self.large:
                x = np.ascontiguousarray(arrays[k], dtype)
                self.places[k] = _address(x)
                alive.append(x)
            results = list[Any](self.made)
            for k, place, shape, dtype in self.new:
                results[k] = x = np.empty(shape, dtype)
                self.places[place] = _address(x)
            if self.run(self.T, self.start, self.table):
                raise IndexError("compiled step: an index is outside of the array it is for")
            for k, here in self.copied:
                results[k] = here.copy()
            return tuple(results)


def entry(count: int) -> str:
    """A function that is given the addresses of all arrays at once, and hands them to the step."""
    places = ", ".join(f"at[{k}]" for k in range(count))
    return f"int run(long T, char *room, void **at) {{ return step(T, room, {places}); }}\n"


def _fixed(shape: tuple[int, ...], dtype: Any) -> np.ndarray | None:
    """An array that stays, for what is small."""
    x = np.empty(shape, dtype)
    return x if x.nbytes <= SMALL else None


def _address(x: Any) -> int:
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(x))
    except TypeError:  # it must not be written to
        return x.__array_interface__["data"][0]
