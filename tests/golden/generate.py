"""What does torch say?

Runs torch's own RNN, LSTM and GRU over a grid of small cases in float64 and keeps outputs, final
states and all gradients in cells.npz, one flat array per case, so that the ordinary tests can
compare without torch; in layers.npz the same of several layers, directions and lengths. Weights and
inputs are not kept: both sides draw them from the same seed.

    python tests/golden/generate.py          writes both files
    python tests/golden/generate.py --check  compares with torch of today; exits 1 if they differ
"""

import argparse
import itertools
import sys
from pathlib import Path

import numpy as np

VERSION = "2.13.0"
HERE = Path(__file__).parent
TOLERANCE = 1e-12

CELLS = ("rnn-tanh", "rnn-relu", "lstm", "gru")
BATCH, INPUT, HIDDEN, STEPS, BIAS = (1, 3), (1, 4), (1, 5), (1, 6), (0, 1)

LAYERS = ("rnn-tanh", "lstm", "lstm-projected", "gru")  # two, both ways, of three units (or two)
LENGTHS = ((5, 5, 5), (5, 3, 1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args().check
    torch = imported_torch()
    grid = itertools.product(CELLS, BATCH, INPUT, HIDDEN, STEPS, BIAS)
    cells = {
        f"{cell} batch={b} input={i} hidden={h} steps={t} bias={bias}": run(torch, cell, *sizes)
        for cell, *sizes in grid
        for b, i, h, t, bias in [sizes]
    }
    layers = {
        f"{kind} lengths={','.join(map(str, lengths))}": run_layers(torch, kind, lengths)
        for kind, lengths in itertools.product(LAYERS, LENGTHS)
    }
    complaints = []
    for file, fresh in ((HERE / "cells.npz", cells), (HERE / "layers.npz", layers)):
        if check:
            sentences, worst = compare(file, fresh)
            complaints += sentences
            print(f"golden: {file.name}, {len(fresh)} cases; largest difference {worst:.1e}")
        else:
            np.savez_compressed(file, **fresh)
            print(f"golden: wrote {len(fresh)} cases to {file.name}, {file.stat().st_size:,} bytes")
    if complaints:
        sys.exit("\n".join([*complaints, f"golden: this is not what torch {VERSION} says"]))


def imported_torch():
    advice = f"golden: this needs torch {VERSION} (pip install torch=={VERSION}); "
    try:
        import torch
    except ImportError:
        sys.exit(f"{advice}there is none in {sys.executable}")
    if torch.__version__.partition("+")[0] != VERSION:
        sys.exit(f"{advice}this is {torch.__version__}")
    return torch


def run(torch, cell, batch, inputs, hidden, steps, bias):
    """Outputs, final states, gradients of weights, inputs and first states: all in one row."""
    kind, _, activation = cell.partition("-")
    options = {"nonlinearity": activation} if activation else {}
    layer = getattr(torch.nn, kind.upper())(
        inputs, hidden, bias=bool(bias), dtype=torch.float64, **options
    )

    rng = np.random.default_rng([batch, inputs, hidden, steps, bias])

    def draw(*shape):  # more above 0 than below: few relu units are dead
        return torch.from_numpy(rng.random(shape) * 1.5 - 0.5)

    bound = hidden**-0.5
    weights = list(layer.parameters())  # weight_ih, weight_hh, bias_ih, bias_hh
    with torch.no_grad():
        for weight in weights:
            weight.copy_(draw(*weight.shape) * bound)
    xs = draw(steps, batch, inputs).requires_grad_()
    states = [draw(1, batch, hidden).requires_grad_() for _ in range(1 + (kind == "lstm"))]
    outputs, finals = layer(xs, tuple(states) if kind == "lstm" else states[0])
    finals = finals if kind == "lstm" else (finals,)

    loss = (draw(*outputs.shape) * outputs).sum()
    for final in finals:
        loss = loss + (draw(*final.shape) * final).sum()
    gradients = torch.autograd.grad(loss, [*weights, xs, *states])
    return np.concatenate(
        [part.detach().numpy().ravel() for part in (outputs, *finals, *gradients)]
    )


def run_layers(torch, kind, lengths):
    """As `run`, for two layers that read both ways, of sequences padded to one length."""
    name = kind.partition("-")[0]
    options = {"proj_size": 2} if kind == "lstm-projected" else {}
    inputs, hidden, steps, batch = 2, 3, max(lengths), len(lengths)
    layer = getattr(torch.nn, name.upper())(
        inputs, hidden, 2, bidirectional=True, dtype=torch.float64, **options
    )
    rng = np.random.default_rng(lengths)

    def draw(*shape):
        return torch.from_numpy(rng.random(shape) * 1.5 - 0.5)

    weights = dict(layer.named_parameters())
    with torch.no_grad():
        for name in sorted(weights):
            weights[name].copy_(draw(*weights[name].shape) * hidden**-0.5)
    xs = draw(steps, batch, inputs).requires_grad_()
    packed = torch.nn.utils.rnn.pack_padded_sequence(xs, lengths)
    outputs, finals = layer(packed)
    outputs, _ = torch.nn.utils.rnn.pad_packed_sequence(outputs, total_length=steps)
    finals = finals if kind.startswith("lstm") else (finals,)

    loss = (draw(*outputs.shape) * outputs).sum()
    for final in finals:
        loss = loss + (draw(*final.shape) * final).sum()
    gradients = torch.autograd.grad(loss, [*(weights[name] for name in sorted(weights)), xs])
    return np.concatenate(
        [part.detach().numpy().ravel() for part in (outputs, *finals, *gradients)]
    )


def compare(file, fresh):
    """Sentences about what differs from the file, and the largest difference that was found."""
    if not file.exists():
        return [f"golden: there is no {file.name}; run this without --check"], np.nan
    complaints, worst = [], 0.0
    with np.load(file, allow_pickle=False) as kept:
        complaints += [f"golden: {case}: only kept" for case in sorted({*kept} - {*fresh})]
        complaints += [f"golden: {case}: only in the grid" for case in sorted({*fresh} - {*kept})]
        for case in sorted({*fresh} & {*kept}):
            if kept[case].shape != fresh[case].shape:
                complaints.append(
                    f"golden: {case}: {kept[case].size} numbers kept, {fresh[case].size} now"
                )
                continue
            difference = np.abs(kept[case] - fresh[case]) / np.maximum(1, np.abs(fresh[case]))
            worst = max(worst, float(difference.max()))
            if not difference.max() <= TOLERANCE:
                complaints.append(f"golden: {case}: differs by {difference.max():.1e}")
    return complaints, worst


if __name__ == "__main__":
    main()
