"""What do a long sequence and each cell cost: bytes against T, steps per second?"""

import gc
import inspect
import time
import tracemalloc

import numpy as np

from tinygrad_rnn import grad, nn

BATCH, INPUT, HIDDEN = 16, 64, 128  # the "small" size


def peak(T, checkpoint):
    """The largest number of bytes alive during a forward and a backward pass."""
    rng = np.random.default_rng(0)
    cell = nn.LSTMCell(8, 32, rng=rng, dtype=np.float32)
    xs = rng.standard_normal((T, 8, 8)).astype(np.float32)
    gc.collect()
    tracemalloc.start()
    _, (h, _) = nn.unroll(cell, xs, checkpoint=checkpoint)
    grad((h * h).sum(), cell.parameters())
    largest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return largest


def test_bytes_against_T(capsys):
    lengths = [100, 400, 1600]
    bytes_of = {c: [peak(T, c) for T in lengths] for c in (False, True)}
    slopes = {c: np.polyfit(np.log(lengths), np.log(b), 1)[0] for c, b in bytes_of.items()}
    with capsys.disabled():
        print("\nLSTM, 32 units, batch 8, float32: largest MB in one step, T = 100, 400, 1600")
        for c, name in ((False, "plain"), (True, "checkpoint=True")):
            row = "  ".join(f"{b / 1e6:8.2f}" for b in bytes_of[c])
            print(f"{name:16s} {row}   grows as T^{slopes[c]:.2f}")
    assert slopes[True] < slopes[False] < 1.05


def cells():
    """Every cell that is built from two sizes alone, at the small size."""
    for name, kind in sorted(vars(nn.cells).items()):
        if not inspect.isclass(kind) or not name.endswith("Cell") or name == "GatedCell":
            continue
        try:
            cell = kind(INPUT, HIDDEN, rng=0, dtype=np.float32)
            cell(np.zeros((1, INPUT), np.float32), cell.initial_state(1))
        except (TypeError, ValueError, AttributeError):
            continue  # it needs more than sizes, such as another cell, or other shapes
        yield name, cell


def test_steps_per_second_of_each_cell(capsys):
    T, xs = 50, np.random.default_rng(0).standard_normal((50, BATCH, INPUT)).astype(np.float32)
    rows = []
    for name, cell in cells():
        seconds = []
        for _ in range(3):
            start = time.process_time()
            outputs, _ = nn.unroll(cell, xs)
            if cell.parameters():  # an echo state network has none
                grad((outputs[-1] * outputs[-1]).sum(), cell.parameters(), unused="zero")
            seconds.append(time.process_time() - start)
        rows.append((T / min(seconds), name))
    with capsys.disabled():
        print(f"\nTime steps a second (CPU), forward and backward, batch {BATCH}, {HIDDEN} units:")
        for rate, name in sorted(rows, reverse=True):
            print(f"{name:24s} {rate:10,.0f}")
    assert len(rows) >= 20
