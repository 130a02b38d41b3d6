"""What does a candidate take once: bytes over what the process has anyway, seconds to compile?

Run by `results.py`, a process for each question; writes one line of JSON.
"""

import argparse
import ctypes
import gc
import importlib
import json
import resource
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import peers
from measure import seconds
from turns import SIZES

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def largest() -> float:
    """Megabytes of memory at most so far, since `forget`."""
    if STATUS.exists():
        line = next(x for x in STATUS.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def forget() -> None:
    """Begin anew, where the system can: Linux.

    What is free goes back first: the allocator keeps what a recording took, ten times what lives.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if CLEAR.exists() else None
    if trim:
        trim(0)
    if CLEAR.exists():
        CLEAR.write_text("5")


def memory(name: str, cell: str, size: str, dtype: str) -> dict:
    """Peak of the first step, which may record and compile, and of the later ones."""
    package, build = peers.CANDIDATES[name]
    importlib.import_module(package)
    task = peers.Task.random(cell, *SIZES[size], np.dtype(dtype))
    forget()
    before = largest()
    step = build(task)
    step()
    first = largest() - before
    forget()
    for _ in range(3):
        step()
    return {"first": first, "later": largest() - before}


def compiling(name: str, cell: str, size: str, dtype: str) -> dict:
    """Seconds of wall time of the first call, of another length then, of a replay; of eager."""
    T, B, V, H = SIZES[size]
    first, second = (peers.Task.random(cell, n, B, V, H, np.dtype(dtype)) for n in (T, T + 7))
    warm = peers.ours_eager(peers.Task.random(cell, 2, 1, 3, 4))
    warm()  # imports
    step = peers.CANDIDATES[name][1](first)
    times = [timed(step) for _ in range(4)]
    found = {"first": times[0], "replay": min(times[1:])}
    compiled = getattr(step, "compiled", None)
    if compiled is not None:
        model = step.model
        for key in ("another length", "its replay"):
            found[key] = timed(lambda: compiled(model, second.x, second.y))
        found["said"] = compiled.reason
    eager = peers.ours_eager(first)
    found["eager"] = min(timed(eager) for _ in range(2))
    return found


def long(name: str, T: int) -> dict:
    """A tiny LSTM over T steps: seconds of the first call, CPU seconds of a replay, and states.

    A state is what passes from one step to the next, h and c; `states` says how many there are at
    one time where time is divided into pieces.
    """
    _, B, V, H = SIZES["tiny"]
    task = peers.Task.random("lstm", T, B, V, H)
    options = {"ours, NumPy": {}, "ours, C": {"target": "c"}, 'memory="sqrt"': {"memory": "sqrt"}}
    step = peers.ours(task, **options[name])
    first = timed(step)
    replay = min(seconds(step)[0] for _ in range(5))
    compiled = step.compiled
    return {
        "first": first,
        "replay": replay,
        "states": None if compiled.reason else compiled.outline.states,
        "said": compiled.reason if compiled.stats["eager"] else "",
    }


def timed(call) -> float:
    before = time.perf_counter()
    call()
    return time.perf_counter() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question", choices=["memory", "compiling", "long"])
    parser.add_argument("name")
    parser.add_argument("--cell", default="lstm")
    parser.add_argument("--size", default="medium")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--T", type=int, default=1000)
    words = parser.parse_args()
    warnings.simplefilter("ignore")  # what falls back is seen in the numbers
    try:
        if words.question == "long":
            found = long(words.name, words.T)
        else:
            ask = memory if words.question == "memory" else compiling
            found = ask(words.name, words.cell, words.size, words.dtype)
    except Exception as error:  # what a peer cannot do is told, and the others go on
        sys.exit(f"{words.name}: {type(error).__name__}: {str(error)[:200]}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
