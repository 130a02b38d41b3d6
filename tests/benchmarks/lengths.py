"""What do sequences of many lengths cost a program: a long one, and thousands of short ones?

``python tests/benchmarks/lengths.py`` measures both, each in processes of their own that take
turns, with a new folder for what the compiler builds. A long one is a language model's first call
at 10,000 steps where two shorter lengths are known; ``--against FOLDER`` compares it with the first
call of another checkout. Short ones are sequences of 5 to 30 steps that `fit` trains on one by one,
compared with the same sequences padded to 30. What counts is CPU time.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from measure import machine, table

HERE = Path(__file__).parent
LONG, KNOWN = 10_000, (1_000, 2_000)
SHORTEST, LONGEST = 5, 30
BATCH, SYMBOLS, HIDDEN = 4, 16, 16  # of the long one


def child(what: str, *words: str, checkout: Path = HERE.parent.parent) -> dict[str, float]:
    """The numbers that a process of its own writes, which runs the package of a checkout."""
    with tempfile.TemporaryDirectory() as cache:
        given = {**os.environ, "PYTHONPATH": str(checkout), "XDG_CACHE_HOME": cache}
        command = [sys.executable, str(HERE / "lengths.py"), "--part", what, *words]
        run = subprocess.run(command, env=given, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def cpu(call) -> float:
    """CPU seconds of a call, those of the C compiler included."""
    before = os.times()
    call()
    return sum(os.times()[:4]) - sum(before[:4])


# -- in a process of its own -----------------------------------------------------------------------


def long(target: str, *known: str) -> dict[str, float]:
    """The first call at the long length, after those at known ones, and eager forward, backward."""
    from tinygrad_rnn import compile, grad, nn

    class Model(nn.Module):
        def __init__(self):
            self.embed = nn.Embedding(SYMBOLS, HIDDEN, rng=0)
            self.lstm = nn.LSTM(HIDDEN, HIDDEN, rng=1)
            self.out = nn.Linear(HIDDEN, SYMBOLS, rng=2)

    def loss(m, x, y):
        return nn.cross_entropy(m.out(m.lstm(m.embed(x))[0]), y)

    def batch(T):
        rng = np.random.default_rng(T)
        return rng.integers(0, SYMBOLS, (T, BATCH)), rng.integers(0, SYMBOLS, (T, BATCH))

    model, step = Model(), compile(loss, target=target)
    for T in map(int, known):
        step(model, *batch(T))
    first = cpu(lambda: step(model, *batch(LONG)))
    assert not step.reason, step.reason
    eager = cpu(lambda: grad(loss(model, *batch(LONG)), list(model.parameters())))
    return {"first": first, "eager": eager}


def short(kind: str, steps: str) -> dict[str, float]:
    """Training on sequences of a few steps: of their lengths, or padded, with lengths or as is."""
    from tinygrad_rnn import nn
    from tinygrad_rnn.train import SGD, fit

    class Model(nn.Module):
        def __init__(self):
            self.lstm = nn.LSTM(8, 16, rng=0)
            self.out = nn.Linear(16, 8, rng=1)

        def loss(self, x, y, lengths=None):
            outputs, _ = self.lstm(x, lengths=lengths)
            return nn.cross_entropy(self.out(outputs), y, lengths=lengths)

    rng, sequences = np.random.default_rng(0), []
    for T in rng.integers(SHORTEST, LONGEST + 1, int(steps)):
        x, y = rng.standard_normal((T, 1, 8)), rng.integers(0, 8, (T, 1))
        if kind != "own":
            x, y = (
                np.concatenate([a, np.zeros((LONGEST - T, *a.shape[1:]), a.dtype)]) for a in (x, y)
            )
        sequences.append((x, y, np.array([T])) if kind == "masked" else (x, y))

    model = Model()
    run = None

    def train():
        nonlocal run
        optimiser = SGD(model.parameters(), lr=0.01)
        run = fit(
            model, sequences.__getitem__, optimiser, steps=int(steps), target="c", progress=False
        )

    seconds = cpu(train)
    assert run is not None
    assert run.target == "c", run.explain()
    return {"seconds": seconds}


# -- all of them, in turns -------------------------------------------------------------------------


def compared(rounds: int, ways: dict[str, tuple]) -> dict[str, dict[str, float]]:
    """The median of each number of each way, all of which take turns."""
    found: dict[str, list] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (checkout, *words) in ways.items():
            found[name].append(child(*words, checkout=checkout))
            print(f"  {name}: {found[name][-1]}", file=sys.stderr)
    return {
        name: {key: statistics.median(x[key] for x in runs) for key in runs[0]}
        for name, runs in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", nargs="+", help="one of the two, in this process")
    parser.add_argument("--only", choices=("long", "short"), help="one of the two")
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6_000, help="short sequences")
    words = parser.parse_args()
    if words.part:
        part, *rest = words.part
        print(json.dumps({"long": long, "short": short}[part](*rest)))
        return
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    here, known = HERE.parent.parent, tuple(map(str, KNOWN))
    started = time.strftime("%Y-%m-%d %H:%M")
    print(f"{machine()}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {started}")
    if words.only != "short":
        ways = {target: (here, "long", target, *known) for target in ("numpy", "c")}
        if words.against:
            ways["against, c"] = (words.against, "long", "c")
        found = compared(words.rounds, ways)
        base = found.get("against, c", {}).get("first", float("nan"))
        rows = [
            [n, x["first"], x["first"] / x["eager"], x["first"] / base] for n, x in found.items()
        ]
        head = [f"first call, T = {LONG:,}", "seconds", "of eager", "of the other (goal 0.25)"]
        print(table(head, rows))
    if words.only != "long":
        kinds = {"own": "own lengths", "masked": "padded, lengths=", "padded": "padded"}
        ways = {name: (here, "short", kind, str(words.steps)) for kind, name in kinds.items()}
        found = compared(words.rounds, ways)
        own = found["own lengths"]["seconds"]
        rows = [[name, x["seconds"], own / x["seconds"]] for name, x in found.items()]
        head = [f"fit, {words.steps:,} short ones", "seconds", "own lengths to it (goal 1.5)"]
        print(table(head, rows))


if __name__ == "__main__":
    main()
