"""Is each of the GRU's four conventions its own equations, and none of the others?"""

import itertools

import numpy as np
import pytest

from tinygrad_rnn import nn

CONVENTIONS = list(itertools.product(("after", "before"), ("keeps", "replaces")))
H = 4


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def equations(cell, x, h, reset, update):
    """One step in plain NumPy, gate by gate, as the papers write it."""
    W_r, W_z, W_n = np.split(cell.W_x.data, 3, axis=1)
    U_r, U_z, U_n = np.split(cell.W_h.data, 3, axis=1)
    b_r, b_z, b_n = np.zeros((3, H)) if cell.b_x is None else np.split(cell.b_x.data, 3)
    c_r, c_z, c_n = np.zeros((3, H)) if cell.b_h is None else np.split(cell.b_h.data, 3)
    r = sigmoid(x @ W_r + h @ U_r + b_r + c_r)
    z = sigmoid(x @ W_z + h @ U_z + b_z + c_z)
    if reset == "after":
        n = np.tanh(x @ W_n + b_n + r * (h @ U_n + c_n))
    else:
        n = np.tanh(x @ W_n + b_n + (r * h) @ U_n + c_n)
    return (1 - z) * n + z * h if update == "keeps" else (1 - z) * h + z * n


def run(cell, reset, update):
    """The largest difference between the cell and the equations of a convention over five steps."""
    rng = np.random.default_rng(1)
    h = there = rng.standard_normal((2, H))
    worst = 0.0
    for x in rng.standard_normal((5, 2, 3)):
        h, there = cell(x, h), equations(cell, x, there, reset, update)
        worst = max(worst, np.abs(h.data - there).max())
    return worst


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("reset", "update"), CONVENTIONS)
def test_a_convention_is_its_equations(reset, update, bias):
    cell = nn.GRUCell(3, H, reset=reset, update=update, bias=bias, rng=0)
    assert run(cell, reset, update) < 1e-14


@pytest.mark.parametrize(("reset", "update"), CONVENTIONS)
def test_the_same_weights_in_another_convention_give_something_else(reset, update):
    cell = nn.GRUCell(3, H, reset=reset, update=update, rng=0)
    for other in CONVENTIONS:
        if other != (reset, update):
            assert run(cell, *other) > 0.01


def test_torchs_convention_is_the_default():
    cell = nn.GRUCell(3, H)
    assert (cell.reset, cell.update) == ("after", "keeps")


def test_z_updates_is_z_keeps_with_the_gate_turned_over():
    keeps = nn.GRUCell(3, H, rng=0)
    replaces = nn.GRUCell(3, H, update="replaces", rng=0)
    turned = {}
    for name, value in keeps.state_dict().items():
        value[..., H : 2 * H] *= -1  # 1 - σ(a) = σ(-a)
        turned[name] = value
    replaces.load_state_dict(turned)
    xs = np.random.default_rng(1).standard_normal((5, 2, 3))
    for a, b in zip(nn.unroll(keeps, xs)[0], nn.unroll(replaces, xs)[0], strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=0, atol=1e-14)
