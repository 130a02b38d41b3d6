"""Is what is sooner computed again than read kept nowhere, and right wherever it is read?"""

import re

import numpy as np
import pytest

from tinygrad_rnn import Tensor, nn, scope, softmax, stack, tanh


@pytest.mark.parametrize("cell", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_biases_are_added_where_gates_are_computed(compiled, language_model, cell):
    """Not copied to where a product is then added to them."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((9, 4, 3)), rng.integers(3, size=(9, 4))
    text = compiled(*language_model(cell, 5), x, y)._last.native.written.text
    assert re.search(r"\+ b_h\[col", text)
    assert not re.search(r" = b_[xh]\[[^]]*\];", text)


def test_what_is_left_of_a_gate_is_not_kept_beside_it(compiled, language_model):
    """Of a GRU, 1 - z. With it, it was a row of each step more."""
    T, B, H = 40, 4, 32
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((T, B, 3)), rng.integers(3, size=(T, B))
    step = compiled(*language_model(nn.GRUCell, H), x, y)
    assert step._last.native.written.bytes < 12 * T * B * H * x.itemsize


def gates(p, x):
    h, found = Tensor(np.zeros(x.shape[1:])), []
    for t in range(len(x)):
        z = tanh(x[t] * p["w"] + h)
        s = 1.0 - z
        h = z * h + s * x[t]
        found.append(s)
    return found, h


def read_at_two_steps(p, x):
    ss, h = gates(p, x)
    return sum((ss[t] * ss[t + 1] * p["w"]).sum() for t in range(len(ss) - 1)) + h.sum()


def read_at_one_step(p, x):
    ss, h = gates(p, x)
    return (ss[2] * ss[-1] * h).sum()


def read_in_one_row(p, x):
    ss, h = gates(p, x)
    rows = stack(ss).reshape((len(x) * x.shape[1], x.shape[2]))
    return (rows @ p["w"]).sum() + h.sum()


def read_turned_over(p, x):
    ss, h = gates(p, x)
    return sum((s * s[:, ::-1] * p["w"]).sum() for s in ss) + h.sum()


def read_as_the_start_of_another(p, x):
    ss, h = gates(p, x)
    c = ss[-1]
    for t in range(len(x)):
        c = tanh(c * p["w"] + ss[t])
    return (c * h).sum()


@pytest.mark.parametrize(
    "f",
    [
        read_at_two_steps,
        read_at_one_step,
        read_in_one_row,
        read_turned_over,
        read_as_the_start_of_another,
    ],
)
def test_it_is_right_wherever_it_is_read(compiled, f):
    rng = np.random.default_rng(1)
    p = {"w": Tensor(rng.standard_normal(4))}
    compiled(f, p, rng.standard_normal((9, 3, 4)))


def fed_back(m, y):
    h, p, loss = m.cell.initial_state(2), np.zeros((2, 3)), 0.0
    for t in range(len(y)):
        with scope("decode", t=t):
            h = m.cell(p, h)
            logits = m.readout(h)
            p = softmax(logits)
            loss = loss + nn.cross_entropy(logits, y[t])
    return loss


def test_nothing_stands_in_what_stands_in_another(language_model, compiled):
    """Else it would be taken to live in the second, and the first to be free."""
    y = np.random.default_rng(0).integers(3, size=(8, 2))
    text = compiled(fed_back, language_model(nn.GRUCell, 4)[1], y)._last.native.written.text
    found = dict(re.findall(r"\*(\w+) = (\w+)[^;]*;  /\*.* is read last \*/", text))
    assert "exp_a" in found
    assert not found.keys() & set(found.values())
