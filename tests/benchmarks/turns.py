"""How long does each candidate take for the same step? All take turns in this one process.

Run by `results.py`, which sets threads; writes one line of JSON for each step, and its progress to
the terminal.
"""

import argparse
import gc
import json
import os
import sys
import warnings
from collections.abc import Callable

import numpy as np
import peers
import scalar_steps
from measure import collector_off, take_turns

SIZES = {"tiny": (25, 1, 64, 32), "small": (50, 16, 64, 128)}
SIZES |= {"medium": (100, 32, 128, 256), "large": (100, 64, 256, 512)}  # T, B, V, H
ROUNDS = {"tiny": 15, "small": 11, "medium": 7, "large": 5}
FEW = 3  # rounds for those that are slow
TOLERANCE = {"float32": 1e-4, "float64": 1e-10}
SQUARES = (256, 512, 1024)  # rows and columns of products: the best rate is the machine's


def told(turn: int, name: str) -> None:
    """The turn, on the line of the step."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{told.step}: round {turn + 1}, {name}")
        sys.stderr.flush()


def one(cell: str, size: str, dtype: str, quick: bool) -> dict:
    """Times of all candidates at one step, and why some have none."""
    told.step = f"{cell} {size}, {dtype}"
    task = peers.Task.random(cell, *SIZES[size], np.dtype(dtype))
    steps, losses, notes = {}, {}, {}
    for name, (package, build) in peers.CANDIDATES.items():
        if package in peers.absent() or size not in peers.ONLY.get(name, SIZES):
            continue
        told(-1, f"{name} compiles")
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                step = build(task)
                losses[name] = step()
            except Exception as error:  # whatever a peer cannot do is told, and the others go on
                notes[name] = f"fails: {type(error).__name__}: {str(error)[:200]}"
                continue
            steps[name] = step
        compiled = getattr(step, "compiled", None)
        if compiled is not None:
            reasons = [str(w.message) for w in said if "runs instead of C" in str(w.message)]
            if compiled.stats["eager"]:
                reasons = [f"runs eagerly: {compiled.reason}"]
            if reasons:
                notes[name] = reasons[0]
    for name, distance in peers.disagreement(steps, losses).items():
        if not distance <= TOLERANCE[dtype]:
            notes[name] = f"gives other numbers than eager: {distance:.1e}"
            del steps[name]
    steps["gates"] = peers.without_products(task)
    steps |= {f"square {n}": square(n, dtype) for n in SQUARES}
    rounds = {n: min(FEW if n in peers.SLOW or quick else 99, ROUNDS[size]) for n in steps}
    gc.collect()
    gc.freeze()  # what peers keep from their imports is not looked through in each round
    times = take_turns(steps, rounds, at_least=0.01 if quick else 0.02, each=told)
    gc.unfreeze()
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    gates = times.pop("gates")
    squares = [[2e-9 * n**3 / s for s in times.pop(f"square {n}")] for n in SQUARES]
    gflops = [max(rates) for rates in zip(*squares, strict=True)]
    limit = [1e-9 * peers.products(task) / r + g for r, g in zip(gflops, gates, strict=True)]
    return {
        "step": f"{cell} {size}",
        "times": {name: list(t) for name, t in times.items()},  # as measure.Time
        "limit": limit,
        "gflops": gflops,
        "notes": notes,
        "quick": quick,
    }


def square(n: int, dtype: str) -> Callable[[], np.ndarray]:
    """A product of two square matrices, 2 n³ operations."""
    A = np.random.default_rng(0).standard_normal((n, n)).astype(dtype)
    product = np.empty_like(A)
    return lambda: np.dot(A, A, out=product)


def scalars() -> dict:
    """Micrograd's own demo, with Python's cycle collector and without it."""
    steps = {"ours, eager": scalar_steps.ours(), "micrograd": scalar_steps.micrograd()}
    gc.collect()
    gc.freeze()
    on = take_turns(steps, rounds=3, at_least=2.0)
    with collector_off():
        off = take_turns(steps, rounds=5)
    gc.unfreeze()
    return {
        "step": "scalars",
        "times": {k: {n: t.median for n, t in v.items()} for k, v in (("on", on), ("off", off))},
    }


def versions() -> list[str]:
    """What is compared, by version."""
    from importlib.metadata import PackageNotFoundError, version

    found = [f"Python {sys.version.split()[0]}"]
    for package in ("numpy", "torch", "jax", "autograd", "mygrad", "tinygrad", "micrograd"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--cells", default="rnn,lstm,gru")
    parser.add_argument("--sizes", default=",".join(SIZES))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--scalars", action="store_true")
    words = parser.parse_args()
    warnings.simplefilter("ignore")  # peers' warnings are not ours
    threads = int(os.environ["OPENBLAS_NUM_THREADS"])
    if "torch" not in peers.absent():
        import torch

        torch.set_num_threads(threads)
    if "jax" not in peers.absent():
        import jax

        jax.config.update("jax_enable_x64", True)  # what is float32 stays so

    def tell(what: dict) -> None:
        print(json.dumps(what), flush=True)

    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    tell({"versions": versions(), "blas": f"{blas['name']} {blas['version']}"})
    tell({"absent": peers.absent()})
    if words.scalars:
        if "micrograd" not in peers.absent():
            tell(scalars())
        return
    for size in words.sizes.split(","):
        for cell in words.cells.split(","):
            tell(one(cell, size, words.dtype, words.quick))


if __name__ == "__main__":
    main()
