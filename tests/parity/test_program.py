"""Does a printed program, run by NumPy alone, give torch's loss and gradients?"""

import numpy as np
import pytest
import torch

from tinygrad_rnn import compile, nn, stack

T, B, V, H = 9, 3, 5, 4
CELLS = {"RNN": nn.RNNCell, "LSTM": nn.LSTMCell, "GRU": nn.GRUCell}


class Model(nn.Module):
    def __init__(self, cell):
        self.cell, self.readout = cell(V, H, rng=0), nn.Linear(H, V, rng=1)


def loss_fn(m, x, y):
    outputs, _ = nn.unroll(m.cell, x)
    return nn.cross_entropy(m.readout(stack(outputs)), y)


def in_torch(name, parameters, x, y):
    cell = getattr(torch.nn, name)(V, H).double()
    readout = torch.nn.Linear(H, V).double()
    theirs = [*cell.parameters(), *readout.parameters()]
    with torch.no_grad():
        for p, ours in zip(theirs, parameters, strict=True):
            p.copy_(torch.from_numpy(np.ascontiguousarray(ours.T)))
    logits = readout(cell(torch.from_numpy(x))[0])
    loss = torch.nn.functional.cross_entropy(logits.reshape(-1, V), torch.from_numpy(y).ravel())
    return [loss.detach().numpy(), *(g.numpy().T for g in torch.autograd.grad(loss, theirs))]


@pytest.mark.parametrize("memory", [None, "sqrt"])
@pytest.mark.parametrize("name", CELLS)
def test_a_printed_program_gives_the_gradients_of_torch(name, memory):
    m, rng = Model(CELLS[name]), np.random.default_rng(0)
    x, y = rng.standard_normal((T, B, V)), rng.integers(V, size=(T, B))
    step = compile(loss_fn, memory=memory)
    step(m, x, y)
    printed = {}
    exec(step.source, printed)
    parameters = [p.data for p in m.parameters()]
    *found, broken = printed["step"](*parameters, x, y)
    assert broken == 0  # labels outside of the classes
    for a, b in zip(found, in_torch(name, parameters, x, y), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
