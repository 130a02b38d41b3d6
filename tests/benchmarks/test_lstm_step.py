"""How long does a training step of an LSTM take, and how long elsewhere?

Peers that are not installed are skipped with their reason; for all of them:
``pip install torch autograd mygrad micrograd`` into the environment.
"""

import gc
import tracemalloc

import lstm_steps
import numpy as np
import pytest
from measure import machine, table, take_turns

SIZES = {"tiny": (25, 1, 64, 32), "small": (50, 16, 64, 128)}
SIZES |= {"medium": (100, 32, 128, 256), "large": (100, 64, 256, 512)}
ROUNDS = {"tiny": 15, "small": 9, "medium": 7, "large": 3}
GOALS = {  # time of ours, divided by theirs
    "torch primitives": {"tiny": 1.5, "small": 1.5, "medium": 1.0, "large": 1.0},
    "HIPS autograd": {"tiny": 1 / 4},
    "MyGrad": {"tiny": 1 / 2},
}
SLOW = {"HIPS autograd", "MyGrad", "MyGrad, unguarded"}  # measured at tiny and small only

pytestmark = pytest.mark.filterwarnings("ignore")  # peers' warnings are not ours


@pytest.mark.parametrize(
    "size", ["tiny", "small", "medium", pytest.param("large", marks=pytest.mark.slow)]
)
def test_lstm_training_step(size, show):
    task = lstm_steps.Task.random(*SIZES[size])
    peers, skipped = lstm_steps.installed()
    if size in ("medium", "large"):
        peers = {name: build for name, build in peers.items() if name not in SLOW}
    steps = {"ours": lstm_steps.ours(task)}
    steps |= {name: build(task) for name, build in peers.items()}
    same_numbers(steps)

    times = take_turns(steps, ROUNDS[size], at_least=0.02)
    us = times["ours"]
    rows = [
        [name, t.fastest * 1e3, t.median * 1e3, us.fastest / t.fastest, us.median / t.median, goal]
        for name, t in times.items()
        for goal in [GOALS.get(name, {}).get(size, "")]
    ]
    sizes = "T={} B={} V={} H={}".format(*SIZES[size])
    head = [f"LSTM step, {size}", "ms", "median", "ours / theirs", "medians", "goal"]
    show(f"{machine()} · {sizes}, float32", table(head, rows), *skipped)


def same_numbers(steps):
    """Every candidate's loss and gradients are those of the first, before anything is timed."""
    losses = {name: step() for name, step in steps.items()}
    expected = steps["ours"].gradients()
    for name, step in steps.items():
        assert losses[name] == pytest.approx(losses["ours"], rel=1e-5), name
        for g, e in zip(step.gradients(), expected, strict=True):
            assert np.abs(g - e).max() <= 1e-4 * np.abs(e).max(), name


@pytest.mark.parametrize("size", ["tiny", "small", "medium"])
def test_memory_of_a_step(size, show):
    T, B, V, H = SIZES[size]
    peaks, kept = {}, {}
    for steps in (T, 2 * T):
        task = lstm_steps.Task.random(steps, B, V, H)
        record, differentiate = lstm_steps.ours_in_two(task)
        differentiate(record())
        gc.collect()
        tracemalloc.start()
        loss = record()
        kept[steps] = tracemalloc.get_traced_memory()[0]
        differentiate(loss)
        peaks[steps] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    rows = [
        [f"T = {n}", kept[n] / 2**20, kept[n] / n / 2**10, peaks[n] / 2**20, peaks[n] / n / 2**10]
        for n in peaks
    ]
    head = [
        f"LSTM memory, {size}",
        "record MB",
        "KB per step",
        "peak with backward MB",
        "KB per step",
    ]
    show(table(head, rows))
    assert kept[2 * T] < 2.1 * kept[T], "the record grows faster than the number of steps"
    assert peaks[2 * T] < 2.1 * peaks[T], "the backward pass grows faster than the number of steps"
