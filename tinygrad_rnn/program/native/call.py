"""How is a program in C given arrays, and what does it give back?"""

from __future__ import annotations

import ctypes
import threading
from typing import Any

import numpy as np

from tinygrad_rnn.program.native.build import blas, library
from tinygrad_rnn.program.native.prelude import INCLUDES, prelude
from tinygrad_rnn.program.native.write import Function

__all__ = ["Native"]


class Native:
    """A program, built: call it with arrays, get arrays of one's own."""

    def __init__(self, written: Function) -> None:
        self.written = written
        *gemms, bits = blas()
        text = self.written.text
        head = f"{INCLUDES}#define BLAS_INT int{bits}_t\n"
        found = library("\n".join([head, prelude(text), text]))
        for letter, gemm in zip("fd", gemms, strict=True):
            if f"product_{letter}(" in text:
                use = getattr(found, f"use_blas_{letter}")
                use.argtypes, use.restype = [ctypes.c_void_p], None
                use(gemm or None)
        self.shapes = written.results
        T = self.written.T
        self.step, self.T = found.step, T
        n = len(written.arguments) + len(written.constants) + len(self.shapes) + 1
        self.step.argtypes = [ctypes.c_long, *[ctypes.c_void_p] * n]
        self.step.restype = ctypes.c_int
        self.room = np.empty(self.written.bytes + 64, np.uint8)
        start = -self.room.ctypes.data % 64
        self.start = self.room.ctypes.data + start
        self.lock = threading.Lock()
        # What an array's address costs to ask for, SMALL bytes cost to copy: where such stand is
        # known beforehand.
        self.dtypes = [dtype for _, dtype in written.arguments]
        self.given = [_fixed(shape, dtype) for shape, dtype in written.arguments]
        self.made = [_fixed(shape, dtype) for shape, dtype in written.results]
        self.known = [x is not None and _address(x) for x in (*self.given, *self.made)]
        self.constants = [_address(x) for x in self.written.constants]

    def __call__(self, arrays: list[Any]) -> tuple[Any, ...]:
        """The outputs, in new arrays."""
        with self.lock:  # one room for all calls
            given = list(map(_placed, arrays, self.given, self.dtypes))
            results = [
                np.empty(*shape) if here is None else here
                for here, shape in zip(self.made, self.shapes, strict=True)
            ]
            places = [
                known or _address(x)
                for x, known in zip((*given, *results), self.known, strict=True)
            ]
            n = len(given)
            if self.step(self.T, self.start, *places[:n], *self.constants, *places[n:]):
                raise IndexError("compiled step: an index is outside of the array it is for")
            return tuple([x if x is not here else x.copy()
                          for x, here in zip(results, self.made, strict=True)])  # fmt: skip


SMALL = 8192  # bytes


def _fixed(shape: tuple[int, ...], dtype: Any) -> np.ndarray | None:
    """An array that stays, for what is small."""
    x = np.empty(shape, dtype)
    return x if x.nbytes <= SMALL else None


def _placed(x: Any, here: np.ndarray | None, dtype: Any) -> np.ndarray:
    """An argument, copied to where it is looked for, or as it is if its numbers stand in order."""
    if here is None:
        return np.ascontiguousarray(x, dtype)
    here[...] = x
    return here


def _address(x: Any) -> int:
    return x.__array_interface__["data"][0]
