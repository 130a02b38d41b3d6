"""Where is one cell another one, and what do the special ones promise?"""

import copy

import numpy as np
import pytest

from tinygrad_rnn import Tensor, ancestors, grad, nn, stack, stop_gradient, tanh

XS = np.random.default_rng(1).standard_normal((6, 2, 3))


def run(cell, xs=XS, state=None):
    """All outputs, one below the other, as plain numbers."""
    return stack(nn.unroll(cell, xs, state)[0]).data


def load(cell, **weights):
    """The cell with these weights; what is not named is taken over from none: it must fit all."""
    cell.load_state_dict(weights)
    return cell


def same(a, b, atol=1e-14):
    np.testing.assert_allclose(a, b, rtol=0, atol=atol)


# -- Elman's relatives -----------------------------------------------------------------------------


def test_irnn_starts_as_a_sum_of_what_came_in():
    cell = nn.IRNNCell(3, 4, rng=0)
    np.testing.assert_array_equal(cell.W_h.data, np.eye(4))
    assert not cell.b_x.data.any()
    assert not cell.b_h.data.any()
    assert 0 < np.abs(cell.W_x.data).max() < 0.005
    cell.W_x.data = np.abs(cell.W_x.data)
    xs = np.abs(XS)
    same(run(cell, xs)[-1], (xs @ cell.W_x.data).sum(axis=0))
    assert (nn.IRNNCell(3, 4, scale=0.01).W_h.data == 0.01 * np.eye(4)).all()


def test_irnn_is_elmans_network_with_relu():
    cell = nn.IRNNCell(3, 4, rng=0)
    same(run(cell), run(load(nn.RNNCell(3, 4, "relu"), **cell.state_dict())), 0)


def test_indrnn_is_elmans_network_with_a_diagonal():
    cell = nn.IndRNNCell(3, 4, "tanh", rng=0)
    W = cell.state_dict()
    elman = load(nn.RNNCell(3, 4), W_x=W["W_x"], W_h=np.diag(W["u"]), b_x=W["b_x"], b_h=np.zeros(4))
    same(run(cell), run(elman))
    assert 0 <= W["u"].min() <= W["u"].max() < 1


def test_jordan_with_an_identity_read_out_is_elman():
    elman = nn.RNNCell(3, 4, rng=0)
    read_out = {"W_y": np.eye(4), "b_y": np.zeros(4)}
    same(run(load(nn.JordanCell(3, 4, 4), **elman.state_dict(), **read_out)), run(elman))


@pytest.mark.parametrize("periods", [(1,), (1, 1)])
def test_clockwork_with_period_one_is_elman(periods):
    cell = nn.ClockworkCell(3, 4, periods, rng=0)
    same(run(cell), run(load(nn.RNNCell(3, 4), **cell.state_dict(), b_h=np.zeros(4))))


def test_clockwork_modules_move_when_their_period_divides_the_step():
    cell = nn.ClockworkCell(3, 6, (1, 2, 5), rng=0)
    h = run(cell, np.random.default_rng(2).standard_normal((11, 2, 3)))
    moved = (h[1:] != h[:-1]).all(axis=1)
    for t in range(1, 11):
        assert moved[t - 1].tolist() == [t % T == 0 for T in (1, 1, 2, 2, 5, 5)]


def test_slow_modules_of_a_clockwork_hear_nothing_of_fast_ones():
    cell = nn.ClockworkCell(3, 4, (1, 3), rng=0)
    g = grad(stack(nn.unroll(cell, XS)[0]).sum(), cell.W_h)
    assert not g[:2, 2:].any()
    assert g[2:, :2].all()


def test_two_inputs_side_by_side_are_one():
    cell = nn.TwoInputCell((2, 1), 4, rng=0)
    W = cell.state_dict()
    W_x = np.concatenate([W["W_u"], W["W_v"]])
    elman = load(nn.RNNCell(3, 4), W_x=W_x, W_h=W["W_h"], b_x=W["b"], b_h=np.zeros(4))
    same(run(cell), run(elman))
    x, h = XS[0], np.ones((2, 4))
    same(cell((x[:, :2], x[:, 2:]), h).data, cell(x, h).data, 0)
    with pytest.raises(ValueError, match=r"expected x of a pair of \(2, 1\) features"):
        cell((x, x), h)
    with pytest.raises(
        ValueError, match=r"expected h of shape \(2, 4\) beside x of shape \(2, 3\)"
    ):
        cell((x[:, :2], x[:, 2:]), np.ones((3, 4)))


# -- LSTMs -----------------------------------------------------------------------------------------


def test_greff_without_switches_is_the_peephole_lstm():
    cell = nn.PeepholeLSTMCell(3, 4, rng=0)
    same(run(load(nn.GreffLSTMCell(3, 4), **cell.state_dict())), run(cell), 0)


def test_greff_without_peepholes_is_the_lstm():
    cell = nn.GreffLSTMCell(3, 4, "NP", rng=0)
    same(run(load(nn.LSTMCell(3, 4), **cell.state_dict(), b_h=np.zeros(16))), run(cell))


def test_greff_with_coupled_gates_is_the_coupled_lstm():
    cell = nn.CoupledLSTMCell(3, 4, rng=0)
    same(run(load(nn.GreffLSTMCell(3, 4, "CIFG", "NP"), **cell.state_dict())), run(cell), 0)


def test_full_gate_recurrence_with_zero_weights_is_none():
    cell = nn.PeepholeLSTMCell(3, 4, rng=0)
    full = load(nn.GreffLSTMCell(3, 4, "FGR"), **cell.state_dict(), W_u=np.zeros((12, 12)))
    same(run(full), run(cell))


def test_a_gate_that_is_gone_is_a_gate_with_an_infinite_bias():
    for switch, k in [("NIG", 0), ("NFG", 1), ("NOG", 3)]:
        without = nn.GreffLSTMCell(3, 4, switch, "NP", rng=0)
        W = without.state_dict()
        for name, value in W.items():
            gap = np.full((*value.shape[:-1], 4), 1e3 if name == "b_x" else 0.0)
            W[name] = np.insert(value, [4 * k] * 4, gap, axis=-1)
        same(run(load(nn.GreffLSTMCell(3, 4, "NP"), **W)), run(without))


@pytest.mark.parametrize(
    ("switches", "count"),
    [
        ((), 4 * 4 * (3 + 4 + 1) + 12),
        (("NP",), 4 * 4 * (3 + 4 + 1)),
        (("NIG",), 3 * 4 * (3 + 4 + 1) + 8),
        (("CIFG",), 3 * 4 * (3 + 4 + 1) + 8),
        (("NIAF",), 4 * 4 * (3 + 4 + 1) + 12),
        (("FGR",), 4 * 4 * (3 + 4 + 1) + 12 + 9 * 16),
    ],
)
def test_greffs_variants_have_the_weights_of_what_is_left(switches, count):
    assert sum(p.size for p in nn.GreffLSTMCell(3, 4, *switches).parameters()) == count


def test_greffs_switches_are_refused_by_name():
    with pytest.raises(ValueError, match=r"switches are NIG, .*, got 'NXG'"):
        nn.GreffLSTMCell(3, 4, "NXG")
    with pytest.raises(ValueError, match=r"CIFG couples .* got CIFG, NFG"):
        nn.GreffLSTMCell(3, 4, "CIFG", "NFG")


def test_an_identity_projection_is_the_lstm():
    lstm = nn.LSTMCell(3, 4, rng=0)
    projected = load(nn.ProjectedLSTMCell(3, 4, 4), **lstm.state_dict(), W_r=np.eye(4))
    same(run(projected), run(lstm))


def test_a_projection_has_torchs_number_of_weights():
    found = sum(p.size for p in nn.ProjectedLSTMCell(3, 8, 2).parameters())
    assert found == 4 * 8 * (3 + 2 + 2) + 8 * 2


def test_an_mlstm_whose_product_passes_h_through_is_the_lstm():
    lstm = nn.LSTMCell(3, 4, rng=0)
    W = lstm.state_dict()
    W["b_x"] = W["b_x"] + W.pop("b_h")
    xs = np.concatenate([XS, np.ones((6, 2, 1))], axis=-1)  # a feature that is always 1
    W["W_x"] = np.concatenate([W["W_x"], np.zeros((1, 16))])
    W |= {"W_mx": np.eye(4)[[0, 0, 0, 0]] * 0, "W_mh": np.eye(4)}
    W["W_mx"][3] = 1
    same(run(load(nn.MultiplicativeLSTMCell(4, 4), **W), xs), run(lstm))


def test_layer_norm_forgets_shift_and_scale():
    a = np.random.default_rng(0).standard_normal((3, 5))
    gain = np.linspace(1, 2, 5)
    normal = nn.layer_norm(a, gain, eps=0.0)
    same(nn.layer_norm(7 * a + 3, gain, eps=0.0), normal, 1e-13)
    same((normal / gain).mean(axis=-1), np.zeros(3))
    same((normal / gain).var(axis=-1), np.ones(3))


def test_with_beta_zero_janet_couples_its_gates():
    cell = nn.JANETCell(3, 4, beta=0.0, rng=0)
    W_x, W_h, b = (p.data for p in cell.parameters())
    h = np.zeros((2, 4))
    for x in XS:
        f, g = np.split(x @ W_x + h @ W_h + b, 2, axis=1)
        f = 1 / (1 + np.exp(-f))
        h_new = f * h + (1 - f) * np.tanh(g)
        same(cell(x, h).data, h_new)
        h = h_new


def test_the_unknown_is_refused_by_name():
    with pytest.raises(ValueError, match="form must be 1, 2 or 3, got 4"):
        nn.SimplifiedMGUCell(3, 4, 4)
    with pytest.raises(ValueError, match='MGUCell: reset must be "before"'):
        nn.MGUCell(3, 4, reset="never")
    with pytest.raises(ValueError, match='MGUCell: update must be "replaces"'):
        nn.MGUCell(3, 4, update="never")
    with pytest.raises(
        ValueError, match=r"MUT1Cell: .*input_size must equal hidden_size; got 3 and"
    ):
        nn.MUT1Cell(3, 4)
    for periods in [(2, 1), ()]:
        with pytest.raises(ValueError, match="expected periods in ascending order, at least one"):
            nn.ClockworkCell(3, 4, periods)
    for periods in [(0, 1), (1, 1.5)]:
        with pytest.raises(ValueError, match="period must be a whole number of at least 1"):
            nn.ClockworkCell(3, 4, periods)
    with pytest.raises(ValueError, match="hidden_size 4 does not fall into 3 equal modules"):
        nn.ClockworkCell(3, 4, (1, 2, 4))
    with pytest.raises(ValueError, match="JordanCell: output_size must be a whole number"):
        nn.JordanCell(3, 4, 0)
    with pytest.raises(ValueError, match="IndRNNCell: activation must be one of"):
        nn.IndRNNCell(3, 4, "rely")


# -- around a cell ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.LSTMCell, nn.GRUCell, nn.ClockworkCell])
def test_with_alpha_one_nothing_leaks(kind):
    cell = kind(3, 4, rng=0)
    same(run(nn.LeakyCell(cell, 1)), run(cell), 0)


def test_a_leaky_unit_with_constant_input_decays_geometrically():
    class Zero:
        def initial_state(self, *batch):
            return np.zeros((*batch, 1))

        def __call__(self, x, h):
            return 0 * h

    outputs = run(nn.LeakyCell(Zero(), 0.25), np.zeros((5, 2, 1)), Tensor(np.ones((2, 1))))
    same(outputs[:, 0, 0], 0.75 ** np.arange(1, 6))


def test_alpha_is_learned_if_it_is_a_tensor():
    cell = nn.LeakyCell(nn.RNNCell(3, 4, rng=0), Tensor(0.5))
    assert "alpha" in cell.named_parameters()
    assert grad(run_loss(cell), cell.alpha) != 0


def test_a_constant_never_widens_float32():
    x, alpha = XS[0].astype(np.float32), np.float64(0.5)
    leaky = nn.LeakyCell(nn.RNNCell(3, 4, rng=0, dtype=np.float32), alpha)
    janet = nn.JANETCell(3, 4, beta=alpha, rng=0, dtype=np.float32)
    for cell in (leaky, janet):
        assert cell(x, cell.initial_state(2)).dtype == np.float32


@pytest.mark.parametrize("alpha", [0, -0.1, 1.1, Tensor([0.5, 2.0])])
def test_alpha_outside_of_its_range_is_refused(alpha):
    with pytest.raises(ValueError, match=r"LeakyCell: alpha must lie in \(0, 1\]"):
        nn.LeakyCell(nn.RNNCell(3, 2), alpha)


@pytest.mark.parametrize(
    "wrapped", [lambda cell: nn.LeakyCell(cell, 0.5), lambda cell: nn.ReadOutCell(cell, 2, rng=1)]
)
def test_what_the_cell_inside_draws_in_training_is_drawn(wrapped):
    cell = wrapped(nn.Zoneout(nn.LSTMCell(3, 4, rng=0), 0.5))
    tested, *trained = (
        stack(nn.unroll(cell, XS, rng=rng and np.random.default_rng(rng))[0]).data
        for rng in (None, 1, 1, 2)
    )
    np.testing.assert_array_equal(trained[0], trained[1])
    assert np.abs(trained[0] - trained[2]).max() > 1e-3
    assert np.abs(trained[0] - tested).max() > 1e-3
    assert cell.input_size == 3


def learn(cell, loss, rate=0.05):
    """One step downhill."""
    for p, g in zip(cell.parameters(), grad(loss, cell.parameters()), strict=True):
        p.data = p.data - rate * g


def run_loss(cell, xs=XS):
    y = stack(nn.unroll(cell, xs)[0])
    return (y * y).sum()


def test_a_shortcut_needs_to_know_the_size_of_the_input():
    class Bare:
        def initial_state(self, *batch):
            return np.zeros((*batch, 2))

        def __call__(self, x, h):
            return tanh(h + 1)

    assert nn.ReadOutCell(Bare(), 3).W_y.shape == (2, 3)
    with pytest.raises(ValueError, match="with a shortcut: the cell's: input_size must be"):
        nn.ReadOutCell(Bare(), 3, shortcut=True)


# -- the reservoir ---------------------------------------------------------------------------------


@pytest.mark.parametrize("radius", [0.5, 0.9, 1.25])
@pytest.mark.parametrize("density", [0.2, 1.0])
def test_the_spectral_radius_is_the_one_asked_for(radius, density):
    W = nn.EchoStateCell(3, 50, radius=radius, density=density, rng=0).W_h
    assert abs(np.abs(np.linalg.eigvals(W)).max() - radius) < 1e-12
    assert abs((W != 0).mean() - density) < 0.05


def test_only_the_read_out_of_an_echo_state_network_learns():
    cell = nn.ReadOutCell(nn.EchoStateCell(3, 20, rng=0), 2, shortcut=True, rng=1)
    before = copy.deepcopy(cell.around.state_dict())
    assert set(cell.named_parameters().keys()) == {"W_y", "W_s", "b_y"}
    loss = run_loss(cell)
    leaves = [node for node in ancestors(loss) if node.op is None]
    assert {id(leaf) for leaf in leaves} == {id(p) for p in cell.parameters()}
    learn(cell, loss)
    assert run_loss(cell).item() != loss.item()
    for name, value in cell.around.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_a_reservoir_forgets_its_first_state():
    cell, xs = nn.EchoStateCell(3, 20, radius=0.8, rng=0), np.tile(XS, (30, 1, 1))
    outputs = nn.unroll(cell, xs, np.ones((2, 20)))[0]
    assert type(outputs[-1]) is np.ndarray  # nothing learns, so nothing is recorded
    same(outputs[-1], nn.unroll(cell, xs, -np.ones((2, 20)))[0][-1], 1e-8)


def test_a_reservoir_without_a_loop_is_refused():
    with pytest.raises(ValueError, match=r"with density 0\.0 the 5 units drew no loop"):
        nn.EchoStateCell(3, 5, density=0.0)


# -- orthogonal ------------------------------------------------------------------------------------


@pytest.mark.parametrize("reflections", [1, 3, 8])
def test_the_recurrence_stays_orthogonal_while_it_learns(reflections):
    cell = nn.OrthogonalCell(3, 8, reflections, rng=0)
    start = cell.W_h.data
    for _ in range(10):
        learn(cell, run_loss(cell))
        W = cell.W_h.data
        same(W @ W.T, np.eye(8), 1e-12)
        same(np.linalg.det(W), (-1) ** reflections, 1e-12)
    assert np.abs(cell.W_h.data - start).max() > 1e-3


def test_the_matrix_is_what_a_step_multiplies_with():
    cell = nn.OrthogonalCell(3, 8, rng=0)
    W = {"W_x": cell.W_x.data, "W_h": cell.W_h.data, "b_x": cell.b.data, "b_h": np.zeros(8)}
    same(run(cell), run(load(nn.RNNCell(3, 8), **W)))


def test_a_linear_orthogonal_recurrence_keeps_the_norm_of_the_gradient():
    cell = nn.OrthogonalCell(3, 8, activation=lambda a: a, rng=0)
    h = Tensor(np.ones((1, 8)))
    last = nn.unroll(cell, np.zeros((100, 1, 3)), h)[1]
    g = np.random.default_rng(0).standard_normal((1, 8))
    assert abs(np.linalg.norm(grad(last, h, g)) - np.linalg.norm(g)) < 1e-12


# -- convolutions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "axes"), [(nn.ConvLSTM1dCell, 1), (nn.ConvLSTM2dCell, 2)])
def test_on_one_pixel_with_a_kernel_of_one_it_is_the_lstm(kind, axes):
    lstm, ones = nn.LSTMCell(3, 4, rng=0), (1,) * axes
    W = lstm.state_dict()
    W = {
        "W_x": W["W_x"].reshape(*ones, 3, 16),
        "W_h": W["W_h"].reshape(*ones, 4, 16),
        "b": W["b_x"] + W["b_h"],
    }
    found = run(load(kind(3, 4, 1), **W), XS.reshape(6, 2, *ones, 3))
    same(found.reshape(6, 2, 4), run(lstm))


def test_a_convolution_sees_its_neighbourhood_grow_by_one_each_step():
    cell = nn.ConvLSTM1dCell(1, 2, rng=0)
    xs = Tensor(np.random.default_rng(0).standard_normal((4, 11, 1)))
    h = nn.unroll(cell, xs)[0][-1]
    g = grad(h[5].sum(), xs)[..., 0]
    for t in range(4):
        reach = 1 + (3 - t)
        seen = np.abs(np.arange(11) - 5) <= reach
        assert (g[t] != 0).tolist() == seen.tolist()


def test_a_first_state_without_space_is_that_of_every_place():
    cell, x = nn.ConvLSTM1dCell(3, 2, rng=0), np.ones((5, 3))
    h = np.array([0.5, -0.3])
    everywhere = np.tile(h, (5, 1))
    same(cell(x, (h, h))[0].data, cell(x, (everywhere, everywhere))[0].data, 0)
    with pytest.raises(ValueError, match="ConvLSTM1dCell: expected x of 1 axes of space"):
        cell(np.ones(3), (h, h))


# -- the error carousel ----------------------------------------------------------------------------


def test_the_carousel_multiplies_gradients_by_the_forget_gates_alone():
    class CutLSTM(nn.LSTMCell):
        """An LSTM whose way through h lets no gradient back."""

        def __call__(self, x, state):
            return super().__call__(x, (stop_gradient(state[0]), state[1]))

    cell = CutLSTM(3, 4, rng=0)
    c_0 = Tensor(np.random.default_rng(0).standard_normal((2, 4)))
    _, (_, c_T) = nn.unroll(cell, XS, (np.zeros((2, 4)), c_0))
    gates = [node.data for node in ancestors(c_T) if node.name == "f"]
    assert len(gates) == 6
    same(grad(c_T, c_0, np.ones((2, 4))), np.prod(gates, axis=0), 1e-16)
    _, (_, c_T) = nn.unroll(nn.LSTMCell(3, 4, rng=0), XS, (np.zeros((2, 4)), c_0))
    full = grad(c_T, c_0, np.ones((2, 4)))
    assert np.abs(full - np.prod(gates, axis=0)).max() > 1e-3  # by h there are other ways
