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
    """Seconds per call: CPU time of the fastest round and of the median round, and wall time."""

    fastest: float
    median: float
    wall: float
    median_wall: float


def take_turns(
    calls: dict[str, Callable[[], Any]],
    rounds: int | dict[str, int] = 9,
    at_least: float = 0.01,
    each: Callable[[int, str], Any] = lambda turn, name: None,
) -> dict[str, Time]:
    """Time every call `rounds` times, taking turns; a round repeats it for `at_least` seconds.

    A dict gives each its own number of rounds; `each` is told of every turn as it begins.
    """
    todo = rounds if isinstance(rounds, dict) else dict.fromkeys(calls, rounds)
    repeats = {}
    for name, call in calls.items():
        first = seconds(call)[0]  # caches fill, allocators settle
        settled = seconds(call)[0] if first < at_least else first
        repeats[name] = max(1, round(at_least / max(settled, 1e-7)))
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for turn in range(max(todo.values())):
        for name, call in calls.items():
            if turn < todo[name]:
                each(turn, name)
                gc.collect()  # each pays for its own cycles only
                samples[name].append(seconds(call, repeats[name]))
    found = {}
    for name, sample in samples.items():
        cpu, wall = zip(*sample, strict=True)
        found[name] = Time(min(cpu), statistics.median(cpu), min(wall), statistics.median(wall))
    return found


def seconds(call: Callable[[], Any], repeats: int = 1) -> tuple[float, float]:
    """CPU and wall seconds per call, over a loop that costs 20 ns a turn."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(repeats):
        call()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return cpu / repeats, wall / repeats


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
