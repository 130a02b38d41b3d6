"""How long does it take, compared with something else, on a machine that others use too?

Only by comparison: all candidates take turns in one process, so that a busy neighbour disturbs them
alike, and what counts is CPU time. Of each candidate's rounds the fastest and the median are kept.
"""

import gc
import os
import statistics
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np


class Time(NamedTuple):
    """Seconds of CPU time per call: the fastest round, and the median round."""

    fastest: float
    median: float


def take_turns(
    calls: dict[str, Callable[[], Any]], rounds: int = 9, at_least: float = 0.01
) -> dict[str, Time]:
    """Time every call `rounds` times, taking turns; a round repeats it for `at_least` seconds."""
    repeats = {}
    for name, call in calls.items():
        call()  # caches fill, allocators settle
        repeats[name] = max(1, round(at_least / max(seconds(call), 1e-7)))
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            gc.collect()  # each pays for its own cycles only
            samples[name].append(seconds(call, repeats[name]))
    return {name: Time(min(s), statistics.median(s)) for name, s in samples.items()}


def seconds(call: Callable[[], Any], repeats: int = 1) -> float:
    """CPU seconds per call, over a loop that costs 20 ns a turn."""
    before = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - before) / repeats


@contextmanager
def collector_off():
    """Without Python's cycle collector."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def machine() -> str:
    """What the numbers depend on: NumPy, its BLAS, threads."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    threads = os.environ.get("OPENBLAS_NUM_THREADS", "all")
    kernels = os.environ.get("OPENBLAS_CORETYPE", "chosen by the library")
    return (
        f"CPU time, interleaved · NumPy {np.__version__} · {blas['name']} {blas['version']}, "
        f"threads: {threads}, kernels: {kernels}"
    )


def table(head: list[str], rows: list[list[Any]]) -> str:
    """Columns aligned: the first to the left, the others to the right; three significant digits."""
    cells = [head, *([c if isinstance(c, str) else f"{c:.3g}" for c in row] for row in rows)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(head))]
    return "\n".join(
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in cells
    )
