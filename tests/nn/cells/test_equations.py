"""Is each cell its paper's equations, written a second time in plain NumPy, gate by gate?"""

from types import SimpleNamespace

import numpy as np
import pytest

from tinygrad_rnn import Tensor, nn

H = 4


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def zipped(*sequences):
    return zip(*sequences, strict=True)


def cut(a, parts):
    return np.split(a, parts, axis=-1)


# -- the equations: new state from weights p, input x, state ---------------------------------------


def rnn(p, x, h):
    return np.tanh(x @ p.W_x + p.b_x + h @ p.W_h + p.b_h)


def jordan(p, x, y):
    h = sigmoid(x @ p.W_x + p.b_x + y @ p.W_h + p.b_h)
    return np.tanh(h @ p.W_y + p.b_y)


def irnn(p, x, h):
    return np.maximum(x @ p.W_x + p.b_x + h @ p.W_h + p.b_h, 0)


def indrnn(p, x, h):
    return np.maximum(x @ p.W_x + h @ np.diag(p.u) + p.b_x, 0)


def lstm(p, x, state):
    h, c = state
    a = [x @ W + h @ U + b for W, U, b in zipped(cut(p.W_x, 4), cut(p.W_h, 4), biases(p, 4))]
    i, f, g, o = sigmoid(a[0]), sigmoid(a[1]), np.tanh(a[2]), sigmoid(a[3])
    c = f * c + i * g
    return o * np.tanh(c), c


def biases(p, n):
    both = p.b_x + getattr(p, "b_h", 0)
    return cut(both, n)


def peephole(p, x, state):
    h, c = state
    a = [x @ W + h @ U + b for W, U, b in zipped(cut(p.W_x, 4), cut(p.W_h, 4), cut(p.b_x, 4))]
    i, f = sigmoid(a[0] + c @ np.diag(p.p_i)), sigmoid(a[1] + c @ np.diag(p.p_f))
    c = f * c + i * np.tanh(a[2])
    return sigmoid(a[3] + c @ np.diag(p.p_o)) * np.tanh(c), c


def coupled(p, x, state):
    h, c = state
    a = [x @ W + h @ U + b for W, U, b in zipped(cut(p.W_x, 3), cut(p.W_h, 3), cut(p.b_x, 3))]
    i = sigmoid(a[0])
    c = (1 - i) * c + i * np.tanh(a[1])
    return sigmoid(a[2]) * np.tanh(c), c


def projected(p, x, state):
    h, c = lstm(p, x, state)
    return h @ p.W_r, c


def normal_over_last(a):
    return (a - a.mean(-1, keepdims=True)) / np.sqrt(a.var(-1, keepdims=True) + 1e-5)


def layernorm_lstm(p, x, state):
    h, c = state
    i, f, g, o = cut(
        normal_over_last(x @ p.W_x) * p.g_x + normal_over_last(h @ p.W_h) * p.g_h + p.b_x, 4
    )
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(normal_over_last(c) * p.g_c + p.b_c), c


def layernorm_gru(p, x, h):
    (xr, xz, xn), (hr, hz, hn) = cut(x @ p.W_x, 3), cut(h @ p.W_h, 3)
    gx, gh, b = cut(p.g_x, 3), cut(p.g_h, 3), cut(p.b_x, 3)
    xr, xz = cut(normal_over_last(np.concatenate([xr, xz], -1)), 2)
    hr, hz = cut(normal_over_last(np.concatenate([hr, hz], -1)), 2)
    r = sigmoid(xr * gx[0] + b[0] + hr * gh[0])
    z = sigmoid(xz * gx[1] + b[1] + hz * gh[1])
    n = np.tanh(normal_over_last(xn) * gx[2] + b[2] + r * (normal_over_last(hn) * gh[2]))
    return (1 - z) * h + z * n


def greff(*on):
    """The vanilla LSTM of Greff et al. with changes, each gate on its own."""
    gone = {"NIG": "i", "NFG": "f", "NOG": "o", "CIFG": "f"}
    columns = [s for s in "ifgo" if s not in {gone.get(switch) for switch in on}]
    gates = [s for s in columns if s != "g"]

    def step(p, x, state):
        h, c, *before = state
        W, U, b = (dict(zipped(columns, cut(a, len(columns)))) for a in (p.W_x, p.W_h, p.b_x))
        a = {s: x @ W[s] + h @ U[s] + b[s] for s in columns}
        for k, s in enumerate(gates if "FGR" in on else []):
            for m, u in enumerate(before):
                a[s] = a[s] + u @ p.W_u[m * H : (m + 1) * H, k * H : (k + 1) * H]

        def gate(s, c):
            if s not in gates:
                return np.ones_like(c)
            return sigmoid(a[s] + (0 if "NP" in on else getattr(p, f"p_{s}") * c))

        i = gate("i", c)
        f = 1 - i if "CIFG" in on else gate("f", c)
        c = f * c + i * (a["g"] if "NIAF" in on else np.tanh(a["g"]))
        o = gate("o", c)
        now = {"i": i, "f": f, "o": o}
        h = o * (c if "NOAF" in on else np.tanh(c))
        return (h, c, *(now[s] for s in gates if "FGR" in on))

    return step


def memory_blocks(gates, sees, *, peepholes=False, n=2, size=2):
    """The papers' units one by one, as they count them: cells, then gates, block by block."""

    def step(p, x, state):
        h, c, *before = state
        past = {"all": [h, *before], "cells": [h], "input": []}[sees]
        net = x @ p.W_x
        if past:
            net = net + np.concatenate(past, -1) @ p.W_h
        b = getattr(p, "b", np.zeros(0))
        net = net + np.concatenate([np.zeros(net.shape[-1] - len(b)), b])
        new_h, new_c = np.zeros_like(h), np.zeros_like(c)
        new = {s: np.zeros((*x.shape[:-1], n)) for s in gates}
        for j in range(n):
            cells = range(j * size, (j + 1) * size)

            def gate(s, c, j=j, cells=cells):
                at = n * size + gates.index(s) * n + j
                peep = sum(getattr(p, f"p_{s}")[m] * c[..., m] for m in cells) if peepholes else 0
                return sigmoid(net[..., at] + peep)

            i = gate("i", c)
            f = gate("f", c) if "f" in gates else 1
            for m in cells:
                g = 4 / (1 + np.exp(-net[..., m])) - 2
                new_c[..., m] = f * c[..., m] + i * g
            o = gate("o", new_c) if "o" in gates else 1
            for m in cells:
                new_h[..., m] = o * (2 / (1 + np.exp(-new_c[..., m])) - 1)
            for s, value in {"i": i, "f": f, "o": o}.items():
                if s in gates:
                    new[s][..., j] = value
        return (new_h, new_c, *(new[s] for s in gates if sees == "all"))

    return step


def gru(p, x, h):
    (xr, xz, xn), (hr, hz, hn) = cut(x @ p.W_x + p.b_x, 3), cut(h @ p.W_h + p.b_h, 3)
    r, z = sigmoid(xr + hr), sigmoid(xz + hz)
    return (1 - z) * np.tanh(xn + r * hn) + z * h


def mgu(p, x, h):
    (W_f, W_n), (U_f, U_n), (b_f, b_n) = cut(p.W_x, 2), cut(p.W_h, 2), cut(p.b_x, 2)
    f = sigmoid(x @ W_f + h @ U_f + b_f)
    n = np.tanh(x @ W_n + (f * h) @ U_n + b_n)
    return (1 - f) * h + f * n


def mgu_after_keeps(p, x, h):
    (W_f, W_n), (U_f, U_n), (b_f, b_n) = cut(p.W_x, 2), cut(p.W_h, 2), cut(p.b_x, 2)
    f = sigmoid(x @ W_f + h @ U_f + b_f)
    n = np.tanh(x @ W_n + f * (h @ U_n) + b_n)
    return (1 - f) * n + f * h


def simplified_mgu(p, x, h):
    gate = (h @ p.W_f if hasattr(p, "W_f") else 0) + getattr(p, "b_f", 0)
    f = sigmoid(gate)
    return (1 - f) * h + f * np.tanh(x @ p.W_x + (f * h) @ p.W_h + p.b_x)


def janet(p, x, h):
    (W_f, W_g), (U_f, U_g), (b_f, b_g) = cut(p.W_x, 2), cut(p.W_h, 2), cut(p.b_x, 2)
    s = x @ W_f + h @ U_f + b_f
    return sigmoid(s) * h + (1 - sigmoid(s - 1)) * np.tanh(x @ W_g + h @ U_g + b_g)


def mut1(p, x, h):
    (W_xz, W_xr), (W_hr, W_hh), (b_z, b_r, b_h) = cut(p.W_x, 2), cut(p.W_h, 2), cut(p.b_x, 3)
    z = sigmoid(x @ W_xz + b_z)
    r = sigmoid(x @ W_xr + h @ W_hr + b_r)
    return np.tanh((r * h) @ W_hh + np.tanh(x) + b_h) * z + h * (1 - z)


def mut2(p, x, h):
    (W_xz, W_xh), (W_hz, W_hr, W_hh), (b_z, b_r, b_h) = (
        cut(p.W_x, 2),
        cut(p.W_h, 3),
        cut(p.b_x, 3),
    )
    z = sigmoid(x @ W_xz + h @ W_hz + b_z)
    r = sigmoid(x + h @ W_hr + b_r)
    return np.tanh((r * h) @ W_hh + x @ W_xh + b_h) * z + h * (1 - z)


def mut3(p, x, h):
    (W_xz, W_xr, W_xh), (W_hz, W_hr, W_hh), (b_z, b_r, b_h) = (
        cut(p.W_x, 3),
        cut(p.W_h, 3),
        cut(p.b_x, 3),
    )
    z = sigmoid(x @ W_xz + np.tanh(h) @ W_hz + b_z)
    r = sigmoid(x @ W_xr + h @ W_hr + b_r)
    return np.tanh((r * h) @ W_hh + x @ W_xh + b_h) * z + h * (1 - z)


def clockwork(p, x, state):
    """Two modules of two units with periods 1 and 3; the fast hears both."""
    h, t = state
    new = np.array(h)
    for at, period, ears in [(slice(0, 2), 1, slice(0, 4)), (slice(2, 4), 3, slice(2, 4))]:
        moved = np.tanh(x @ p.W_x[:, at] + h[..., ears] @ p.W_h[ears, at] + p.b_x[at])
        if (t % period == 0).all():
            new[..., at] = moved
    return new, t + 1


def multiplicative(p, x, state):
    m = (x @ p.W_mx) * (state[0] @ p.W_mh)
    return lstm(p, x, (m, state[1]))


def echo(p, x, h):
    return np.tanh(x @ p.W_x + h @ p.W_h + p.b)


def orthogonal(p, x, h):
    W = np.eye(H)
    for v in p.V:
        W = W @ (np.eye(H) - 2 * np.outer(v, v) / (v @ v))
    return np.tanh(x @ p.W_x + h @ W + p.b)


def two_input(p, x, h):
    u, v = x[..., :2], x[..., 2:]
    return np.tanh(u @ p.W_u + v @ p.W_v + h @ p.W_h + p.b)


def conv_lstm(p, x, state):
    """Every product a sum over the neighbours, place by place; outside there is nothing."""
    h, c = state
    kernel, space = p.W_x.shape[:-2], x.shape[-p.W_x.ndim + 1 : -1]
    a = np.zeros((*x.shape[:-1], p.W_x.shape[-1])) + p.b
    for s in np.ndindex(space):
        for k in np.ndindex(kernel):
            at = tuple(m + j - (n - 1) // 2 for m, j, n in zipped(s, k, kernel))
            if all(0 <= m < n for m, n in zipped(at, space)):
                a[(..., *s, slice(None))] += x[(..., *at, slice(None))] @ p.W_x[k]
                a[(..., *s, slice(None))] += h[(..., *at, slice(None))] @ p.W_h[k]
    i, f, g, o = cut(a, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def binary_with_one_child(p, x, state):
    h, c = state
    W_i, W_f, W_g, W_o = cut(p.W_x, 4)
    U_i, U_f1, _, U_g, U_o = cut(p.W_h[:H], 5)  # of the first child; the second is not there
    b_i, b_f, b_g, b_o = cut(p.b_x, 4)
    i, o = sigmoid(x @ W_i + h @ U_i + b_i), sigmoid(x @ W_o + h @ U_o + b_o)
    f1 = sigmoid(x @ W_f + h @ U_f1 + b_f)
    c = i * np.tanh(x @ W_g + h @ U_g + b_g) + f1 * c
    return o * np.tanh(c), c


def leaky_gru(p, x, h):
    return 0.7 * h + 0.3 * gru(inside(p), x, h)


def gru_with_read_out(p, x, state):
    h = gru(inside(p), x, state[1])
    return np.tanh(h @ p.W_y + x @ p.W_s + p.b_y), h


def inside(p):
    return SimpleNamespace(
        **{k.removeprefix("around."): v for k, v in vars(p).items() if k.startswith("around.")}
    )


# -- which cell should be which --------------------------------------------------------------------

GREFF = [(), "NIG", "NFG", "NOG", "NIAF", "NOAF", "NP", "CIFG", "FGR", ("FGR", "CIFG", "NOG")]
GREFF = [(on,) if isinstance(on, str) else on for on in GREFF]

EQUATIONS = {
    nn.RNNCell: [(lambda: nn.RNNCell(3, H, rng=0), rnn)],
    nn.JordanCell: [(lambda: nn.JordanCell(3, H, 2, "sigmoid", "tanh", rng=0), jordan)],
    nn.IRNNCell: [(lambda: nn.IRNNCell(3, H, rng=0), irnn)],
    nn.IndRNNCell: [(lambda: nn.IndRNNCell(3, H, rng=0), indrnn)],
    nn.LSTMCell: [(lambda: nn.LSTMCell(3, H, rng=0), lstm)],
    nn.PeepholeLSTMCell: [(lambda: nn.PeepholeLSTMCell(3, H, rng=0), peephole)],
    nn.CoupledLSTMCell: [(lambda: nn.CoupledLSTMCell(3, H, rng=0), coupled)],
    nn.ProjectedLSTMCell: [(lambda: nn.ProjectedLSTMCell(3, H, 2, rng=0), projected)],
    nn.LayerNormLSTMCell: [(lambda: nn.LayerNormLSTMCell(3, H, rng=0), layernorm_lstm)],
    nn.GreffLSTMCell: [
        (lambda on=on: nn.GreffLSTMCell(3, H, *on, rng=0), greff(*on)) for on in GREFF
    ],
    nn.MemoryBlockCell: [
        (
            lambda gates=gates, sees=sees, how=how: nn.MemoryBlockCell(
                3, 2, 2, gates=gates, sees=sees, bound=1, rng=0, **how
            ),
            memory_blocks(gates, sees, peepholes=how.get("peepholes", False)),
        )
        for gates in ("io", "ifo", "i")
        for sees in ("all", "cells", "input")
        for how in ({}, {"peepholes": True, "bias": "all"}, {"bias": "none", "truncated": True})
    ],
    nn.GRUCell: [(lambda: nn.GRUCell(3, H, rng=0), gru)],
    nn.LayerNormGRUCell: [(lambda: nn.LayerNormGRUCell(3, H, rng=0), layernorm_gru)],
    nn.MGUCell: [
        (lambda: nn.MGUCell(3, H, rng=0), mgu),
        (lambda: nn.MGUCell(3, H, reset="after", update="keeps", rng=0), mgu_after_keeps),
    ],
    nn.SimplifiedMGUCell: [
        (lambda form=form: nn.SimplifiedMGUCell(3, H, form, rng=0), simplified_mgu)
        for form in (1, 2, 3)
    ],
    nn.JANETCell: [(lambda: nn.JANETCell(3, H, rng=0), janet)],
    nn.MUT1Cell: [(lambda: nn.MUT1Cell(3, 3, rng=0), mut1)],
    nn.MUT2Cell: [(lambda: nn.MUT2Cell(3, 3, rng=0), mut2)],
    nn.MUT3Cell: [(lambda: nn.MUT3Cell(3, H, rng=0), mut3)],
    nn.ClockworkCell: [(lambda: nn.ClockworkCell(3, H, (1, 3), rng=0), clockwork)],
    nn.MultiplicativeLSTMCell: [(lambda: nn.MultiplicativeLSTMCell(3, H, rng=0), multiplicative)],
    nn.EchoStateCell: [(lambda: nn.EchoStateCell(3, H, rng=0), echo)],
    nn.OrthogonalCell: [
        (lambda count=count: nn.OrthogonalCell(3, H, count, rng=0), orthogonal)
        for count in (1, 3, H)
    ],
    nn.TwoInputCell: [(lambda: nn.TwoInputCell((2, 1), H, rng=0), two_input)],
    nn.ConvLSTM1dCell: [
        (lambda size=size: nn.ConvLSTM1dCell(3, 2, size, rng=0), conv_lstm) for size in (1, 2, 3)
    ],
    nn.ConvLSTM2dCell: [(lambda: nn.ConvLSTM2dCell(3, 2, rng=0), conv_lstm)],
    nn.ChildSumTreeLSTMCell: [(lambda: nn.ChildSumTreeLSTMCell(3, H, rng=0), lstm)],
    nn.NaryTreeLSTMCell: [(lambda: nn.NaryTreeLSTMCell(3, H, rng=0), binary_with_one_child)],
    nn.LeakyCell: [(lambda: nn.LeakyCell(nn.GRUCell(3, H, rng=0), 0.3), leaky_gru)],
    nn.ReadOutCell: [
        (
            lambda: nn.ReadOutCell(nn.GRUCell(3, H, rng=0), 2, "tanh", shortcut=True, rng=1),
            gru_with_read_out,
        )
    ],
}
PLACES = {nn.ConvLSTM1dCell: (4,), nn.ConvLSTM2dCell: (2, 3)}


def parts(state):
    if isinstance(state, (tuple, list)):
        return [leaf for part in state for leaf in parts(part)]
    return [state.data if isinstance(state, Tensor) else state]


def test_every_cell_has_its_equations_written_twice():
    shown = [getattr(nn.cells, name) for name in nn.cells.__all__ if name.endswith("Cell")]
    assert set(shown) - {nn.GatedCell, nn.SizedCell} == set(EQUATIONS)


@pytest.mark.parametrize(
    ("make", "step"),
    [
        pytest.param(make, step, id=f"{kind.__name__}-{k}")
        for kind, pairs in EQUATIONS.items()
        for k, (make, step) in enumerate(pairs)
    ],
)
def test_a_cell_is_its_equations(make, step):
    cell, rng = make(), np.random.default_rng(1)
    for p in cell.parameters():  # gains are 1 and some biases 0 at the start: any value must do
        p.data = p.data + 0.3 * rng.standard_normal(p.shape)
    p = SimpleNamespace(**cell.state_dict())
    space = PLACES.get(type(cell), ())
    state = there = cell.initial_state(2, *space)
    for x in rng.standard_normal((5, 2, *space, cell.input_size)):
        state, there = cell(x, state), step(p, x, there)
        for a, b in zip(parts(state), parts(there), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
    assert np.abs(parts(state)[0]).max() > 1e-3
