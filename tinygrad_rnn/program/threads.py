"""On how many threads do products run?

On one, where they are small: OpenBLAS shares products of a few hundred thousand multiplications
between all processors, waits for the last of them, and lets threads spin in between. On a busy
machine that takes ten times as long as one thread does, and is faster nowhere below a few million.
Whoever sets a number of threads is left alone: by OPENBLAS_NUM_THREADS or OMP_NUM_THREADS before
the start, or by another library (threadpoolctl) later, if it is not the number of processors.

The number is the process's: while a call has it at one, so have products of other threads.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.program.openblas import functions

__all__ = ["limited", "small"]

SMALL = 3e6  # multiplications; two idle processors gain nothing at 1e6, a fifth at 7e6
MOST = 64  # threads that the BLAS in NumPy's wheels is built for
CHOSEN = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS")


def small(nodes: Iterable[Tensor]) -> bool:
    """True if the products of a record are small: that in which the average multiplication is."""
    sizes = [size for x in nodes if (size := _multiplications(x))]
    return sum(n * n for n in sizes) < SMALL * sum(sizes)


def _multiplications(x: Tensor) -> int:
    name = x.op.name if x.op else ""
    if name not in ("matmul", "conv"):
        return 0
    a, b = (np.shape(values(y)) for y in x.inputs)
    return x.size * (a[-1] if name == "matmul" else int(np.prod(b[:-1])))


class OneThread:
    """One thread for products inside a ``with`` block, and as many as before after it."""

    def __init__(self, get: Callable[[], int], put: Callable[[int], None]) -> None:
        self.get, self.put = get, put
        self.lowered = False

    def __enter__(self) -> None:
        self.lowered = self.get() == all_processors() > 1
        if self.lowered:
            self.put(1)

    def __exit__(self, *_: object) -> None:
        if self.lowered and self.get() == 1:  # nobody has set another number meanwhile
            self.put(all_processors())


def limited(wanted: bool) -> AbstractContextManager[None]:
    """One thread for products in a ``with`` block, if it is `wanted` and nobody set a number."""
    found = _functions() if wanted else []
    return OneThread(*found) if found else nullcontext()


@functools.cache
def all_processors() -> int:
    """The number of threads OpenBLAS takes by default."""
    here = getattr(os, "sched_getaffinity", None)
    return min(len(here(0)) if here else os.cpu_count() or 1, MOST)


@functools.cache
def _functions() -> list[Any]:
    if any(os.environ.get(name) for name in CHOSEN):
        return []
    return functions(["openblas_get_num_threads", "openblas_set_num_threads"])[0]
