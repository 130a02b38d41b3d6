"""Are outputs, states and gradients those of torch, on a machine without torch?"""

import itertools
from pathlib import Path

import numpy as np
import pytest

from tinygrad_rnn import Tensor, grad, nn, stack
from tinygrad_rnn.interop import from_torch

with np.load(Path(__file__).parents[1] / "golden" / "cells.npz", allow_pickle=False) as kept:
    GOLDEN = dict(kept)


def run(case, dtype):
    """What the generator records, by the name of each part, made by our own cells."""
    kind, *sizes = case.split()
    kind, _, activation = kind.partition("-")
    batch, inputs, hidden, steps, bias = (int(size.partition("=")[2]) for size in sizes)
    rng = np.random.default_rng([batch, inputs, hidden, steps, bias])

    def draw(*shape):
        return rng.random(shape) * 1.5 - 0.5

    make = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}[kind]
    options = {"activation": activation} if activation else {}
    cell = make(inputs, hidden, bias=bool(bias), dtype=dtype, **options)
    width = cell.gates * hidden
    shapes = {"weight_ih": (width, inputs), "weight_hh": (width, hidden)}
    if bias:
        shapes |= {"bias_ih": (width,), "bias_hh": (width,)}
    from_torch(cell, {name: draw(*shape) * hidden**-0.5 for name, shape in shapes.items()})

    xs = Tensor(draw(steps, batch, inputs), dtype=dtype)
    lstm = kind == "lstm"
    states = [Tensor(draw(1, batch, hidden)[0], dtype=dtype) for _ in range(1 + lstm)]
    outputs, final = nn.unroll(cell, xs, tuple(states) if lstm else states[0])
    outputs, finals = stack(outputs), final if lstm else (final,)
    loss = (draw(*outputs.shape).astype(dtype) * outputs).sum()
    for final in finals:
        loss = loss + (draw(1, *final.shape)[0].astype(dtype) * final).sum()

    leaves = {"d xs": xs} | {f"d {'hc'[k]} before": s for k, s in enumerate(states)}
    slopes = grad(loss, {"cell": cell.parameters(), **leaves})
    parts = {"outputs": outputs.data}
    parts |= {f"{letter} after": s.data for letter, s in zip("hc", finals, strict=False)}
    parts |= {f"d {name}": g.T for name, g in zip(shapes, slopes["cell"], strict=True)}
    return parts | {name: slopes[name] for name in leaves}


def largest_difference(case, dtype):
    """The part that differs most, relative to the size of what is compared (absolute below 1)."""
    parts = run(case, dtype)
    assert all(part.dtype == dtype for part in parts.values())
    ends = list(itertools.accumulate((part.size for part in parts.values()), initial=0))
    assert ends[-1] == GOLDEN[case].size
    found = []
    for (name, part), (start, end) in zip(parts.items(), itertools.pairwise(ends), strict=True):
        expected = GOLDEN[case][start:end]
        difference = np.abs(part.ravel() - expected) / np.maximum(1, np.abs(expected))
        found.append((float(difference.max()), name))
    return max(found)


@pytest.mark.parametrize("case", GOLDEN)
def test_float64_is_torch_to_1e_12(case):
    difference, part = largest_difference(case, np.float64)
    assert difference <= 1e-12, f"{part} differs by {difference:.1e}"


@pytest.mark.parametrize("case", GOLDEN)
def test_float32_is_torch_to_1e_5(case):
    difference, part = largest_difference(case, np.float32)
    assert difference <= 1e-5, f"{part} differs by {difference:.1e}"


def test_golden_numbers_cover_the_grid():
    cells = {case.split()[0] for case in GOLDEN}
    assert cells == {"rnn-tanh", "rnn-relu", "lstm", "gru"}
    assert len(GOLDEN) == len(cells) * 2**5  # batch, input, hidden, steps, bias: two of each
    silent = [case for case, numbers in GOLDEN.items() if np.abs(numbers).max() < 1e-2]
    assert all("rnn-relu" in case and "hidden=1" in case for case in silent)  # one dead unit
