"""Is every number what the Jacobian says, for stacks, decoders and cells of one's own?"""

import numpy as np
import pytest

import tinygrad_rnn as tr
from tinygrad_rnn import Tensor, grad, jacobian, measure, nn

RNG = np.random.default_rng(0)
W = Tensor(RNG.standard_normal((3, 4)) / 2, name="W")
U = Tensor(RNG.standard_normal((4, 4)) / 2, name="U")


def unrolled(cell, xs, state=None, **how):
    return nn.unroll(cell, xs, state, **how)[0]


def layers(**how):
    return lambda xs: nn.LSTM(3, 4, rng=0, **how)(xs)[0]


def unnamed(x, h):
    """A cell in one line, whose state has no letter."""
    return tr.tanh(x @ W + h @ U)


def all_gates_at_once(x, state):
    """An LSTM in five lines, whose gates are parts of one sigmoid."""
    h, c = state
    i, f, o = tr.split(tr.sigmoid(tr.concatenate([x @ W + h @ U] * 3, axis=-1)), 3)
    tr.named(i=i, f=f, o=o)
    c = tr.named(c=f * c + i * tr.tanh(x @ W))
    return tr.named(h=o * tr.tanh(c)), c


def feedback(xs):
    """The first layer sees the second of the step before."""
    one, two = nn.RNNCell(7, 4, rng=0), nn.GRUCell(4, 4, rng=1)
    a = b = np.zeros((2, 4))
    found = []
    for t in range(len(xs.data)):
        with tr.scope("net", t=t):
            a = one(tr.concatenate([tr.named(x=xs[t]), b], axis=-1), a)
            b = two(a, b)
        found.append(b)
    return found


def decoder(attention):
    def run(xs):
        cell = nn.GRUCell(3, 4, rng=0), nn.GRUCell(4, 4, rng=1)
        read = nn.Linear(8 if attention else 4, 5, rng=2)
        embed = nn.Embedding(5, 4, rng=3)
        net = nn.EncoderDecoder(*cell, embed, read, attention=attention)
        return net(xs, np.array([[1, 2], [0, 3], [4, 4]]))

    return run


zeros = np.zeros((2, 4))
NETS = {
    "two layers": layers(num_layers=2),
    "both directions": layers(bidirectional=True),
    "two layers in both directions": layers(num_layers=2, bidirectional=True),
    "reversed": lambda xs: unrolled(nn.LSTMCell(3, 4, rng=0), xs, reverse=True),
    "lengths": lambda xs: unrolled(nn.GRUCell(3, 4, rng=0), xs, lengths=[5, 3]),
    "truncated": lambda xs: unrolled(nn.LSTMCell(3, 4, rng=0), xs, truncate=2),
    "encoder and decoder": decoder(attention=False),
    "attention": decoder(attention=True),
    "unnamed state": lambda xs: unrolled(unnamed, xs, zeros),
    "gates at once": lambda xs: unrolled(all_gates_at_once, xs, (zeros, zeros)),
    "one cell, two layers": lambda xs: unrolled(c := nn.RNNCell(3, 3, rng=0), unrolled(c, xs)),
    "feedback": feedback,
    "blocks of 1997": lambda xs: unrolled(nn.MemoryBlockCell(3, 2, 2, rng=0), xs),
    "zoneout": lambda xs: unrolled(nn.Zoneout(nn.LSTMCell(3, 4, rng=0), 0.1), xs),
}  # fmt: skip


@pytest.fixture(params=NETS)
def net(request):
    """The inputs, and one loss for each step."""
    xs = Tensor(np.random.default_rng(1).standard_normal((5, 2, 3)))
    outputs = NETS[request.param](xs)
    return xs, [(outputs[t] ** 2).sum() for t in range(len(outputs))]


def total(losses):
    return tr.sum(tr.stack(losses))


def assert_near(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


def test_state_gradients(net):
    loss = total(net[1])
    lanes = {lane.name: lane for lane in measure.lanes(loss)}
    found = measure.state_gradients(loss)
    assert {row.lane for row in found} == {name for name, lane in lanes.items() if lane.states}
    for row in found:
        states = lanes[row.lane].of(row.letter)[1]
        assert_near(row.gradients, [jacobian(loss, h) for h in states])
        assert_near(row.norms, [np.linalg.norm(jacobian(loss, h)) for h in states])


def test_gradient_matrix(net):
    _, losses = net
    for lane in measure.lanes(losses):
        for letter in lane.states:
            found = measure.gradient_matrix(losses, letter, lane.name)
            states = lane.of(letter)[1]
            expected = [[np.linalg.norm(jacobian(L, h)) for h in states] for L in losses]
            assert_near(found.norms, expected)
            assert not found.norms[~found.reached].any()


def test_step_jacobians(net):
    loss = total(net[1])
    for lane in measure.lanes(loss):
        if not lane.states:
            continue
        found = measure.step_jacobians(loss, lane=lane.name)
        states = [lane.of(letter)[1] for letter in found.letters]
        for t, J in enumerate(found.matrices):
            now, after = [xs[t] for xs in states], [xs[t + 1] for xs in states]
            for example in range(2):
                rows = []
                for y in after:
                    for unit in range(y.shape[-1]):
                        pick = np.zeros(y.shape)
                        pick[example, unit] = 1
                        gs = grad(y, now, pick, unused="zero", partial=True)
                        rows.append(np.concatenate([g[example] for g in gs]))
                assert_near(J[example], rows)


def test_connectivity_and_receptive_field(net):
    xs, losses = net
    for loss in (losses[0], losses[len(losses) // 2], total(losses)):
        found, J = measure.connectivity(loss), jacobian(loss, xs)
        assert_near(found.gradients, J[found.steps])
        assert_near(found.norms, np.linalg.norm(J[found.steps], axis=(1, 2)))
        assert not np.delete(J, found.steps, axis=0).any()
        np.testing.assert_array_equal(measure.receptive_field(loss, xs), J != 0)


def test_parameter_gradients(net):
    loss = total(net[1])
    found = measure.parameter_gradients(loss)
    leaves = [x for x in tr.ancestors(loss) if x.op is None]
    assert len(leaves) == len(found.by_step)
    for g, direct in zip(found.total(), grad(loss, leaves), strict=True):
        np.testing.assert_allclose(g, direct, rtol=1e-12, atol=1e-12)
    for by_step, norms in zip(found.by_step, found.norms, strict=True):
        assert_near(norms, [np.linalg.norm(g) for g in by_step])


def test_reach_says_what_the_gradient_does(net):
    loss = total(net[1])
    lanes = {lane.name: lane for lane in measure.lanes(loss)}
    for row in measure.reach(loss):
        lane = lanes[row.lane]
        states = [lane.values[letter] for letter in lane.states]
        places, xs = lane.of(row.letter)
        for place, first, back, x in zip(places, row.first, row.back, xs, strict=True):
            arrives = [
                any(s[k] is not None and jacobian(x, s[k]).any() for s in states)
                for k in range(place + 1)
            ]
            assert arrives == [False] * (place - back) + [True] * (back + 1)
            assert lane.steps[place - back] == first


def test_gates_and_saturation_are_values_of_the_record(net):
    loss = total(net[1])
    for lane in measure.lanes(loss):
        if lane.states:
            letter = "h" if "h" in lane.states else lane.states[-1]
            found = measure.saturation(loss, lane=lane.name).distance
            assert_near(found, 1 - np.abs([x.data for x in lane.of(letter)[1]]))
        for letter in {"i", "f", "o", "r", "z"} & set(lane.values):
            found = measure.gates(loss, letter, lane.name)
            assert_near(found.values[letter], lane.array(letter))
            shut = (lane.array(letter) < 0.1).mean(axis=(0, 1))
            assert_near(found.saturated()[letter][:, 0], shut)


def test_bytes_are_those_of_the_arrays_that_are_kept(net):
    loss = total(net[1])
    owners = {}
    for x in tr.ancestors(loss):
        data = x.data
        while isinstance(data, np.ndarray) and isinstance(data.base, np.ndarray):
            data = data.base
        owners.setdefault(id(data), (x.op is not None, data.nbytes))
    expected = sum(size for made, size in owners.values() if made)
    leaves = {id(x.data) for x in tr.ancestors(loss) if x.op is None}
    assert not leaves & {k for k, (made, _) in owners.items() if made}
    assert sum(row.bytes.sum() for row in measure.cost(loss)) == expected


def test_the_carousel_of_gates_at_once():
    xs = np.random.default_rng(0).standard_normal((6, 2, 3))
    _, state = nn.unroll(all_gates_at_once, xs, (zeros, zeros))
    found = measure.carousel(list(state))
    assert list(measure.gates(list(state)).values) == ["i", "f", "o"]
    np.testing.assert_allclose(found.direct, found.gates, rtol=1e-12)


def test_losses_of_some_steps_have_the_time_of_these_steps():
    outputs = unrolled(nn.RNNCell(3, 4, rng=0), np.ones((6, 2, 3)))
    found = measure.gradient_matrix([outputs[t].sum() for t in (1, 4)])
    assert found.losses.tolist() == [1, 4]
    assert found.by_distance()[:, 0].nonzero()[0].tolist() == [1, 4]
    assert_near(found.by_distance().sum(axis=1), found.norms.sum(axis=0))


def test_distance_in_a_reversed_lane_is_that_of_the_run():
    outputs = unrolled(nn.RNNCell(3, 4, rng=0), np.ones((4, 2, 3)), reverse=True)
    found = measure.gradient_matrix([h.sum() for h in outputs])
    assert found.losses.tolist() == [0, 1, 2, 3]
    assert found.steps.tolist() == [3, 2, 1, 0]
    assert_near(found.by_distance().sum(axis=1), found.norms.sum(axis=0))
    assert_near(found.by_distance()[0], found.norms[::-1, 0])


@pytest.mark.parametrize("index", [slice(None, None, -1), [2, 0, 1, 3], [0, 0, 1, 1]], ids=str)
def test_slices_of_the_shape_of_their_parameter_go_back_to_their_places(index):
    W_h = Tensor(np.random.default_rng(0).standard_normal((4, 4)), name="W_h")

    def turned(x, h):
        return tr.named(h=tr.tanh(x + h @ W_h[np.array(index) if type(index) is list else index]))

    outputs = unrolled(turned, np.ones((4, 2, 4)), zeros)
    loss = total([h.sum() for h in outputs])
    found = measure.parameter_gradients(loss, [W_h])
    np.testing.assert_allclose(found.total()[0], grad(loss, W_h), rtol=1e-12, atol=1e-12)


def test_a_gate_of_later_steps_alone_has_no_value_at_the_first():
    h = Tensor(zeros)
    for t in range(3):
        with tr.scope("net", t=t):
            h = tr.named(h=(tr.named(f=tr.sigmoid(h)) if t else 1.0) * tr.tanh(h + 1.0))
    found = measure.gates(h.sum())
    assert np.isnan(found.values["f"][0]).all()
    assert found.saturated(0.0, 0.5)["f"][:, 1].tolist() == [1, 1, 1, 1]
    columns = found.columns()
    assert len({len(column) for column in columns.values()}) == 1


def test_directions_lost_in_rounding_are_lost():
    cell = nn.RNNCell(3, 6, "relu", rng=1)
    outputs = unrolled(cell, np.random.default_rng(0).standard_normal((60, 1, 3)))
    J = measure.step_jacobians(outputs[-1])
    rank = np.linalg.matrix_rank(J.matrices).min()
    assert np.isneginf(J.lyapunov()[0, rank:]).all()
    tiny = np.diag([1.0, 1e-30])  # small, and known to the last digit
    found = measure.StepJacobians("net", ("h",), (2,), np.arange(5), np.tile(tiny, (4, 1, 1, 1)))
    assert_near(found.lyapunov(), [[0, np.log(1e-30)]])
