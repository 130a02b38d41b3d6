"""Is a compiled step as fast as one written by hand, and as torch's own module?

Forward over T steps, a projection to V classes at every step, cross-entropy, all gradients; no
update. torch is skipped if it is not installed.
"""

import importlib.util

import bptt_by_hand
import numpy as np
import pytest
from measure import machine, table, take_turns

from tinygrad_rnn import compile, nn, stack

SIZES = {"tiny": (25, 1, 64, 32), "small": (50, 16, 64, 128), "medium": (100, 32, 128, 256)}
ROUNDS = {"tiny": 15, "small": 9, "medium": 7}
CELLS = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}

pytestmark = pytest.mark.filterwarnings("ignore")  # peers' warnings are not ours


class Model(nn.Module):
    def __init__(self, cell, V, H):
        self.cell = cell(V, H, rng=0, dtype=np.float32)
        self.readout = nn.Linear(H, V, rng=1, dtype=np.float32)


def loss_fn(m, x, y):
    outputs, _ = nn.unroll(m.cell, x)
    return nn.cross_entropy(m.readout(stack(outputs)), y)


def torch_module(name, m, x, y):
    import torch

    V, H = m.readout.W.shape[1], m.readout.W.shape[0]
    cell, readout = getattr(torch.nn, name.upper())(V, H), torch.nn.Linear(H, V)
    parameters = [*cell.parameters(), *readout.parameters()]
    with torch.no_grad():
        for p, value in zip(parameters, m.parameters(), strict=True):
            p.copy_(torch.from_numpy(np.ascontiguousarray(value.data.T)))
    x, y = torch.from_numpy(x), torch.from_numpy(y).ravel()

    def step():
        logits = readout(cell(x)[0]).reshape(-1, V)
        loss = torch.nn.functional.cross_entropy(logits, y)
        found = torch.autograd.grad(loss, parameters)
        return loss.item(), *(g.mT.numpy() if g.ndim == 2 else g.numpy() for g in found)

    return step


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", CELLS)
def test_compiled_step(name, size, show):
    T, B, V, H = SIZES[size]
    symbols = np.random.default_rng(0).integers(V, size=(T + 1, B))
    x, y = np.eye(V, dtype=np.float32)[symbols[:-1]], symbols[1:]
    m = Model(CELLS[name], V, H)
    step, hand = compile(loss_fn), getattr(bptt_by_hand, name)(T, B, V, H)
    arrays = [p.data for p in m.parameters()]
    calls = {"compiled": lambda: step(m, x, y), "by hand": lambda: hand(*arrays, x, y)}
    if importlib.util.find_spec("torch"):
        calls[f"torch nn.{name.upper()}"] = torch_module(name, m, x, y)
    loss, grads = step(m, x, y)
    for call in list(calls.values())[1:]:
        for a, b in zip(call(), [loss, *grads.values()], strict=True):
            assert np.linalg.norm(np.subtract(a, b)) <= 1e-4 * np.linalg.norm(b)
    times = take_turns(calls, ROUNDS[size], at_least=0.02)
    us = times["compiled"]
    rows = [
        [who, t.fastest * 1e3, t.median * 1e3, us.fastest / t.fastest, us.median / t.median]
        for who, t in times.items()
    ]
    head = [f"{name}, {size}", "ms", "median", "compiled / this", "medians"]
    lines = step.source.count("\n")
    show(f"{machine()} · T={T} B={B} V={V} H={H}, {lines} lines", table(head, rows))
