"""Do start values have the size, the range and the shape that their names promise?"""

import numpy as np
import pytest

from tinygrad_rnn import Tensor, named, nn, sigmoid, split, tanh
from tinygrad_rnn.nn import start

CELLS = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}
every_cell = pytest.mark.parametrize("make", CELLS.values(), ids=CELLS)
INPUT, HIDDEN = 30, 50


def blocks(W, cell):
    return np.split(W.data, cell.gates, axis=1)


def others(cell, *changed):
    return {
        name: p.data.copy() for name, p in cell.named_parameters().items() if name not in changed
    }


def assert_variance(sample, expected, fourth):
    """Within five standard errors; `fourth` is E x⁴ / (E x²)² of the distribution."""
    error = expected * np.sqrt((fourth - 1) / sample.size)
    assert abs((sample**2).mean() - expected) < 5 * error
    assert abs(sample.mean()) < 5 * np.sqrt(expected / sample.size)


class OneGate(nn.GatedCell):
    """A user's own cell: a forget gate, and what is not forgotten is not written (JANET)."""

    gates = 2
    two_biases = False

    def __call__(self, x, h):
        g, f = split(nn.affine(x, self.W_x, self.b_x) + h @ self.W_h, 2)
        f = named(f=sigmoid(f))
        return named(h=f * h + (1 - f) * tanh(g))


# -- weights ----------------------------------------------------------------------------------


@every_cell
def test_uniform_fills_its_range_in_weights_and_biases(make):
    cell = start.uniform_all(make(INPUT, HIDDEN), 0.1, rng=0)
    values = np.concatenate([p.data.ravel() for p in cell.parameters()])
    assert -0.1 <= values.min() < -0.0999
    assert 0.0999 < values.max() < 0.1
    assert_variance(values, 0.1**2 / 3, fourth=9 / 5)


@every_cell
@pytest.mark.parametrize("per", ["gate", "whole"])
def test_glorot_has_the_variance_of_rows_and_columns(make, per):
    cell = make(INPUT, HIDDEN, rng=1)
    before = others(cell, "W_x", "W_h")
    start.glorot(cell, rng=0, per=per)
    columns = HIDDEN if per == "gate" else cell.gates * HIDDEN
    for W, rows in ((cell.W_x, INPUT), (cell.W_h, HIDDEN)):
        for block in blocks(W, cell):
            assert np.abs(block).max() <= np.sqrt(6 / (rows + columns))
            assert_variance(block, 2 / (rows + columns), fourth=9 / 5)
    for name, value in before.items():
        np.testing.assert_array_equal(value, getattr(cell, name).data)


@pytest.mark.parametrize("make", [nn.Linear, nn.RNNCell, nn.GRUCell])
def test_he_has_a_variance_of_two_over_the_inputs(make):
    module = start.he(make(INPUT, HIDDEN), rng=0)
    for W in (p for p in module.parameters() if p.ndim == 2):
        assert_variance(W.data, 2 / W.shape[0], fourth=3)


def test_he_keeps_the_size_of_what_goes_through_relu():
    x, rng = np.random.default_rng(0).standard_normal((400, 300)), np.random.default_rng(1)
    for _ in range(5):
        layer = start.he(nn.Linear(300, 300, bias=False), rng=rng)
        x = np.maximum(layer(x).data, 0)
    assert 0.5 < (x**2).mean() < 2  # from 1; with half of that variance, 1/32


@every_cell
@pytest.mark.parametrize("gain", [1.0, 0.3])
def test_orthogonal_is_orthogonal_in_the_block_of_each_gate(make, gain):
    cell = make(INPUT, HIDDEN, rng=1)
    before = others(cell, "W_h")
    start.orthogonal(cell, rng=0, gain=gain)
    for block in blocks(cell.W_h, cell):
        for product in (block.T @ block, block @ block.T):
            np.testing.assert_allclose(product, gain**2 * np.eye(HIDDEN), rtol=0, atol=1e-12)
    for name, value in before.items():
        np.testing.assert_array_equal(value, getattr(cell, name).data)


def test_orthogonal_as_a_whole_is_so_as_a_whole_only():
    cell = start.orthogonal(nn.LSTMCell(3, 64), rng=0, per="whole")
    W = cell.W_h.data
    np.testing.assert_allclose(W @ W.T, np.eye(64), rtol=0, atol=1e-12)
    for block in blocks(cell.W_h, cell):
        assert np.linalg.svd(block, compute_uv=False).min() < 0.1


def test_orthogonal_draws_from_all_rotations_and_reflections_alike():
    rng = np.random.default_rng(0)
    drawn = np.stack([start.orthogonal(nn.RNNCell(1, 2), rng).W_h.data for _ in range(2000)])
    assert abs((np.linalg.det(drawn) > 0).mean() - 0.5) < 5 * 0.5 / np.sqrt(2000)
    assert np.abs(drawn.mean(axis=0)).max() < 5 * np.sqrt(0.5 / 2000)  # a bare QR fails here


@every_cell
def test_identity_is_the_identity_in_each_block_and_has_no_biases(make):
    cell = start.identity(make(INPUT, HIDDEN), scale=0.5)
    for block in blocks(cell.W_h, cell):
        np.testing.assert_array_equal(block, 0.5 * np.eye(HIDDEN))
    assert not cell.b_x.data.any()
    assert not cell.b_h.data.any()


def test_a_relu_state_that_nothing_disturbs_stays_after_identity():
    cell, h = start.identity(nn.RNNCell(2, 5, "relu")), np.arange(5.0)
    _, last = nn.unroll(cell, np.zeros((20, 2)), h)
    np.testing.assert_array_equal(last.data, h)


# -- biases -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [1.0, -2.5])
def test_forget_bias_sets_the_sum_of_both_biases_of_that_gate_alone(bias):
    cell = nn.LSTMCell(3, 4, rng=0)
    before = cell.b_x.data + cell.b_h.data
    start.forget_bias(cell, bias)
    total = np.split(cell.b_x.data + cell.b_h.data, 4)
    np.testing.assert_array_equal(total[1], np.full(4, bias))
    for k in (0, 2, 3):
        np.testing.assert_array_equal(total[k], np.split(before, 4)[k])


def test_the_forget_gate_of_a_cell_of_ones_own_is_found_by_its_letter():
    cell = start.forget_bias(OneGate(3, 4, rng=0), 2.0)
    np.testing.assert_array_equal(cell.b_x.data[4:], np.full(4, 2.0))
    assert (cell.b_x.data[:4] != 2).all()
    bias = start.chrono(cell, 50, rng=0).b_x.data[4:]
    assert (bias >= 0).all()
    assert (bias <= np.log(49)).all()


def test_chrono_draws_times_evenly_and_opens_the_input_gate_as_the_forget_gate_closes():
    cell = start.chrono(nn.LSTMCell(3, 1000, rng=0), t_max=101, rng=0)
    i, f, _, _ = np.split(cell.b_x.data + cell.b_h.data, 4)
    np.testing.assert_array_equal(i, -f)
    times = np.exp(f)
    assert 1 <= times.min() < 2
    assert 99 < times.max() < 100
    assert abs(times.mean() - 50.5) < 5 * 99 / np.sqrt(12 * 1000)
    assert abs((times < 25.75).mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 1000)


def test_the_forget_bias_lets_a_gate_that_replaces_replace_less():
    keeps, replaces = (nn.MGUCell(3, 4, update=u, rng=0) for u in ("keeps", "replaces"))
    np.testing.assert_array_equal(start.forget_bias(keeps).b_x.data[:4], np.ones(4))
    np.testing.assert_array_equal(start.forget_bias(replaces).b_x.data[:4], -np.ones(4))


@pytest.mark.parametrize(
    ("make", "sign"),
    [
        (nn.CoupledLSTMCell, 1),
        (nn.JANETCell, 1),
        (nn.PeepholeLSTMCell, 1),
        (nn.LayerNormLSTMCell, 1),
        (nn.MultiplicativeLSTMCell, 1),
        (nn.LayerNormGRUCell, -1),  # h' = (1-z)h + z n
        (nn.MUT3Cell, -1),
        (nn.MGUCell, -1),
    ],
)
def test_chrono_finds_its_gate_in_every_cell_that_names_it(make, sign):
    cell = start.chrono(make(3, 40, rng=0), t_max=50, rng=0)
    drawn = np.log(np.random.default_rng(0).uniform(1, 49, 40))
    blocks = cell.b_x.data.reshape(-1, 40)
    assert sum(np.array_equal(block, sign * drawn) for block in blocks) == 1


@pytest.mark.parametrize(("update", "sign"), [("keeps", 1), ("replaces", -1)])
@pytest.mark.parametrize("reset", ["after", "before"])
def test_chrono_keeps_a_grus_state_in_both_conventions(update, sign, reset):
    cell = nn.GRUCell(3, 200, update=update, reset=reset, rng=0)
    r, _, n = np.split(cell.b_x.data + cell.b_h.data, 3)
    start.chrono(cell, t_max=50, rng=0)
    fresh = np.split(cell.b_x.data + cell.b_h.data, 3)
    assert (sign * fresh[1] >= 0).all()
    assert (np.exp(sign * fresh[1]) <= 49).all()
    np.testing.assert_array_equal([r, n], [fresh[0], fresh[2]])
    h = np.linspace(-1, 1, 200)
    kept = np.abs(cell(np.zeros(3), h).data - h)
    plain = np.abs(nn.GRUCell(3, 200, update=update, reset=reset, rng=0)(np.zeros(3), h).data - h)
    assert kept.mean() < plain.mean() / 2


# -- of all -----------------------------------------------------------------------------------

APPLIED = {
    "uniform": lambda cell, rng: start.uniform_all(cell, 0.1, rng),
    "glorot": start.glorot,
    "he": start.he,
    "orthogonal": start.orthogonal,
    "chrono": lambda cell, rng: start.chrono(cell, 20, rng),
    "identity": lambda cell, _: start.identity(cell),
    "forget": lambda cell, _: start.forget_bias(cell),
}


@pytest.mark.parametrize("apply", APPLIED.values(), ids=APPLIED)
def test_the_same_seed_gives_the_same_in_place_and_in_float32(apply):
    cell = nn.LSTMCell(3, 4, rng=0, dtype=np.float32)
    tensors = cell.parameters()
    assert apply(cell, 7) is cell
    assert all(a is b for a, b in zip(cell.parameters(), tensors, strict=True))
    assert all(p.dtype == np.float32 for p in tensors)
    again = apply(nn.LSTMCell(3, 4, rng=0, dtype=np.float32), np.random.default_rng(7))
    for p, q in zip(tensors, again.parameters(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)


def frozen():
    cell = nn.LSTMCell(3, 4)
    cell.W_h = cell.W_h.data
    return cell


@pytest.mark.parametrize(
    ("apply", "sentence"),
    [
        (lambda: start.uniform_all(nn.Linear(2, 2), 0), "bound must be positive and finite, got 0"),
        (lambda: start.glorot(nn.Module()), "glorot: Module has no matrices of its own"),
        (lambda: start.orthogonal(nn.Linear(2, 2)), "Linear has no parameter matrix W_h"),
        (lambda: start.orthogonal(frozen()), "LSTMCell has no parameter matrix W_h"),
        (lambda: start.orthogonal(nn.RNNCell(2, 2), per="cell"), 'per must be "gate" or "whole"'),
        (lambda: start.chrono(nn.LSTMCell(2, 2), 2), "t_max must be more than 2 steps, got 2"),
        (lambda: start.chrono(nn.RNNCell(2, 2), 9), "RNNCell computes nothing named f or z"),
        (lambda: start.forget_bias(nn.GRUCell(2, 2)), "GRUCell computes nothing named f from"),
        (lambda: start.forget_bias(nn.SimplifiedMGUCell(2, 2)), "MGUCell computes nothing named f"),
        (lambda: start.orthogonal(nn.OrthogonalCell(2, 2)), "has no parameter matrix W_h"),
        (lambda: start.forget_bias(nn.ClockworkCell(2, 4)), "ClockworkCell computes nothing"),
        (lambda: start.forget_bias(nn.LSTMCell(2, 2, bias=False)), "LSTMCell has no bias b_x"),
    ],
)
def test_what_cannot_be_applied_says_why(apply, sentence):
    with pytest.raises(ValueError, match=sentence):
        apply()


def test_a_frozen_second_bias_is_refused_and_nothing_is_changed():
    cell = nn.LSTMCell(2, 2, rng=0)
    cell.b_h, before = cell.b_h.data, cell.b_x.data
    with pytest.raises(ValueError, match="the bias b_h of LSTMCell is frozen"):
        start.forget_bias(cell)
    np.testing.assert_array_equal(cell.b_x.data, before)
    assert isinstance(cell.b_x, Tensor)
