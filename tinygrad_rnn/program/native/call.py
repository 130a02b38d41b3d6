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
        self.shapes, self.dtypes = written.results, written.dtypes
        T = self.written.T
        self.step, self.T = found.step, T
        n = len(self.dtypes) + len(written.constants) + len(self.shapes) + 1
        self.step.argtypes = [ctypes.c_long, *[ctypes.c_void_p] * n]
        self.step.restype = ctypes.c_int
        self.room = np.empty(self.written.bytes + 64, np.uint8)
        start = -self.room.ctypes.data % 64
        self.start = self.room.ctypes.data + start
        self.lock = threading.Lock()
        self.constants = [_address(x) for x in self.written.constants]

    def __call__(self, arrays: list[Any]) -> tuple[Any, ...]:
        """The outputs, in new arrays."""
        given = [np.ascontiguousarray(x, d) for x, d in zip(arrays, self.dtypes, strict=True)]
        results = [np.empty(shape, dtype) for shape, dtype in self.shapes]
        places = [*map(_address, given), *self.constants, *map(_address, results)]
        with self.lock:  # one room for all calls
            if self.step(self.T, self.start, *places):
                raise IndexError("compiled step: an index is outside of the array it is for")
        return tuple(results)


def _address(x: Any) -> int:
    return x.__array_interface__["data"][0]
