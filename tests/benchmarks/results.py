"""Is it as fast as it set out to be? Everything measured, as results.json and results.md.

``python tests/benchmarks/results.py`` measures all; options choose a part, whose numbers replace
those of an earlier run: ``--quick --sizes tiny,small --dtype float32 --threads 1 --parts times``.
It uses the peers installed beside the Python that runs it, and says which are absent.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import report

HERE = Path(__file__).parent
PARTS = ("times", "memory", "compiling", "long", "scalars")
ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
COMPILERS = ("ours, NumPy", "ours, C", "jax.jit scan")


def environment(threads: int, cache: str | None = None) -> dict[str, str]:
    """As many threads for every library; kernels of their own choice; waiting without spinning."""
    count = str(threads)
    given = {**os.environ, "PYTHONPATH": str(HERE.parent.parent), "OMP_WAIT_POLICY": "PASSIVE"}
    given |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), count)
    given |= {"XLA_FLAGS": ONE_THREAD} if threads == 1 else {}
    given |= {"XDG_CACHE_HOME": cache} if cache else {}
    given.pop("OPENBLAS_CORETYPE", None)
    return given


def run(script: str, *words: str, threads: int = 1, cache: str | None = None):
    """The lines of JSON that another process writes, as they come."""
    command = [sys.executable, str(HERE / script), *words]
    env = environment(threads, cache)
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            yield json.loads(line)
    if process.returncode:
        print(f"        no answer: {script} {' '.join(words)}", file=sys.stderr)


def machine() -> str:
    """The processor and the system."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(x.split(":")[1].strip() for x in lines if x.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor()
    wide = [w for w in ("avx512f", "avx2") if w in " ".join(lines[:60])] if model else []
    return f"{model} ({', '.join(wide[:1])}), {os.cpu_count()} cores, {platform.system()}"


def load() -> str:
    """How busy the machine was: processes that want to run, on average of one minute."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="tiny,small,medium,large")
    parser.add_argument("--cells", default="rnn,lstm,gru")
    parser.add_argument("--dtype", default="float32,float64")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--parts", default=",".join(PARTS), help="of " + ", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="three rounds: for development")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of results.json, .md")
    words = parser.parse_args()
    parts, raw = words.parts.split(","), words.out / "results.json"
    unknown = {*parts} - {*PARTS}
    if unknown:
        parser.error(f"--parts: there is no {', '.join(unknown)}; there are {', '.join(PARTS)}")
    words.out.mkdir(parents=True, exist_ok=True)
    known = json.loads(raw.read_text()) if raw.exists() else {}
    began = time.perf_counter()

    def keep() -> None:
        known["machine"] = machine()
        raw.write_text(json.dumps(rounded(known), indent=1) + "\n")
        (words.out / "results.md").write_text(report.written(known))

    def say(what: str) -> None:
        print(f"{time.perf_counter() - began:5.0f} s  {what}", file=sys.stderr, flush=True)

    def about(threads: int) -> dict:
        return {"threads": threads, "date": time.strftime("%Y-%m-%d"), "load before": load()}

    if "times" in parts:
        for dtype in words.dtype.split(","):
            for threads in map(int, words.threads.split(",")):
                section = known.setdefault("times", {}).setdefault(f"{dtype}, {threads}", {})
                section.update(about(threads))
                choice = ["--dtype", dtype, "--sizes", words.sizes, "--cells", words.cells]
                choice += ["--quick"] if words.quick else []
                for found in run("turns.py", *choice, threads=threads):
                    if "step" not in found:
                        section.update(found)
                        continue
                    step = found.pop("step")
                    section.setdefault("steps", {})[step] = found
                    say(f"{dtype}, {threads} threads: {report.one_line(section, step)}")
                    keep()
    if "scalars" in parts:
        for found in run("turns.py", "--scalars"):
            known.setdefault("scalars", {}).update(found)
        say("scalars")
        keep()
    if "memory" in parts:
        for name in report.PEERS:
            for found in run("footprint.py", "memory", name):
                known.setdefault("memory", {})[name] = found
            say(f"memory: {name}")
            keep()
    if "compiling" in parts:
        for size in words.sizes.replace(",large", "").split(
            ","
        ):  # no other program, but slow steps
            for cell in words.cells.split(","):
                for name in COMPILERS:
                    seconds = compiling(name, cell, size)
                    known.setdefault("compiling", {}).setdefault(f"{cell} {size}", {})[name] = (
                        seconds
                    )
                say(f"compiling: {cell} {size}")
                keep()
    if "long" in parts:
        for name in report.LONG:
            for T in (1000, 10000):
                for found in run("footprint.py", "long", name, "--T", str(T)):
                    known.setdefault("long", {}).setdefault(name, {})[str(T)] = found
                say(f"long: {name}, T = {T}")
                keep()
    keep()
    say(f"written: {words.out / 'results.md'}")


def compiling(name: str, cell: str, size: str) -> dict:
    """Compile seconds with an empty cache, and with what that left in it."""
    with tempfile.TemporaryDirectory() as cache:
        first, again = (
            list(
                run("footprint.py", "compiling", name, "--cell", cell, "--size", size, cache=cache)
            )
            for _ in range(2)
        )
    return {"first": first[-1], "cached": again[-1]} if first and again else {}


def rounded(x):
    """Four digits are more than such numbers have."""
    if isinstance(x, dict):
        return {k: rounded(v) for k, v in x.items()}
    if isinstance(x, list):
        return [rounded(v) for v in x]
    return float(f"{x:.4g}") if isinstance(x, float) else x


if __name__ == "__main__":
    main()
