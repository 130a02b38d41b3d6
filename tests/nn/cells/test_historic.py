"""Are the nets of the first papers theirs, weight by weight, and their truncated gradient?"""

import numpy as np
import pytest

from tinygrad_rnn import Tensor, ancestors, grad, nn, stack

PUBLISHED = {
    "1, 4x1": 264,
    "1, 3x2": 276,
    "2a": 10504,
    "2c": 364,
    "3": 102,
    "4": 93,
    "5": 93,
    "6a": 156,
    "6b": 308,
    "2000": 424,
    "2002": 17,
}


def data(net, steps=7):
    return np.random.default_rng(1).standard_normal((steps, 2, net.input_size))


def values(x):
    return x.data if isinstance(x, Tensor) else x


def weights(model):
    return sum(p.size for p in model.parameters())


@pytest.mark.parametrize(("name", "count"), PUBLISHED.items())
def test_a_net_has_as_many_weights_as_the_paper_counts(name, count):
    net = nn.historic_net(name, rng=0)
    assert weights(net) == nn.HISTORIC[name].weights == count


def test_every_net_in_the_table_is_counted():
    assert PUBLISHED.keys() == nn.HISTORIC.keys()


def test_the_long_lag_net_grows_to_the_published_size():
    cell = nn.MemoryBlockCell(1004, 2, bias="none", rng=0)  # p = 1000 distractors, b, e, x and y
    assert weights(nn.ReadOutCell(cell, 2, bias=False)) == 6064


def test_without_peepholes_the_timing_net_has_three_weights_less():
    net = nn.historic_net("2002", rng=0)
    bare = nn.MemoryBlockCell(1, 1, gates="ifo", sees="cells", bias="all")
    assert weights(net) - weights(nn.ReadOutCell(bare, 1)) == 3


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_weight_of_a_net_learns(name):
    net = nn.historic_net(name, rng=0)
    outputs = stack(nn.unroll(net, data(net))[0])
    assert outputs.shape == (7, 2, nn.HISTORIC[name].outputs)
    assert 0 < outputs.data.min() < outputs.data.max() < 1
    for letter, g in grad((outputs * outputs).sum(), net.named_parameters()).items():
        assert g.all(), letter


def test_biases_of_gates_start_where_the_papers_start_them():
    one = nn.historic_net("1, 3x2", rng=0).around
    np.testing.assert_array_equal(one.b.data[3:], [-1, -2, -3])  # columns i, o: only gates
    three = nn.historic_net("3", rng=0).around
    np.testing.assert_array_equal(three.b.data[3:], [-1, -3, -5, -2, -4, -6])  # cells, i, o
    gers = nn.historic_net("2000", rng=0).around
    np.testing.assert_array_equal(gers.b.data[4:8], [0.5, 1.0, 1.5, 2.0])
    assert np.abs(gers.W_x.data).max() <= 0.1
    assert 0.1 < np.abs(one.W_x.data).max() <= 0.2


def test_a_block_of_two_cells_has_one_gate_for_both():
    cell = nn.MemoryBlockCell(3, 2, 2, bound=1.0, rng=0)
    h, c, i, o = cell(np.ones((5, 3)), cell.initial_state(5))
    assert (h.shape, c.shape, i.shape, o.shape) == ((5, 4), (5, 4), (5, 2), (5, 2))
    squashed = 2 / (1 + np.exp(-c.data)) - 1
    np.testing.assert_allclose(h.data / squashed, np.repeat(o.data, 2, axis=1), rtol=1e-13)


def test_without_a_forget_gate_the_state_only_adds_up():
    cell = nn.MemoryBlockCell(3, 2, bound=1.0, rng=0)
    states = [cell.initial_state(2)]
    for x in np.random.default_rng(0).standard_normal((20, 2, 3)):
        states.append(cell(x, states[-1]))
    steps = np.diff([values(s[1]) for s in states], axis=0)
    gates = np.array([s[2].data for s in states[1:]])
    assert (np.abs(steps) <= 2 * gates).all()
    assert np.abs(states[-1][1].data).max() > 1


# -- the truncated gradient ------------------------------------------------------------------------


@pytest.mark.parametrize("gates", ["io", "ifo"])
@pytest.mark.parametrize("peepholes", [False, True])
def test_truncation_changes_no_value_and_leaves_the_carousel_alone(gates, peepholes):
    how = {"gates": gates, "peepholes": peepholes, "bound": 1.0, "rng": 0}
    full = nn.MemoryBlockCell(3, 2, 2, **how)
    cut = nn.MemoryBlockCell(3, 2, 2, truncated=True, **how)
    c_0 = Tensor(np.random.default_rng(2).standard_normal((2, 4)))
    carousel = []
    for cell in (full, cut):
        h, _, *before = cell.initial_state(2)
        outputs, state = nn.unroll(cell, data(cell), (h, c_0, *before))
        carousel.append((stack(outputs).data, grad(state[1], c_0, np.ones((2, 4))), state[1]))
    np.testing.assert_array_equal(carousel[0][0], carousel[1][0])
    forget = [node.data for node in ancestors(carousel[1][2]) if node.name == "f"]
    assert len(forget) == (7 if "f" in gates else 0)
    product = np.repeat(np.prod(forget or [np.ones((2, 2))], axis=0), 2, axis=1)
    np.testing.assert_allclose(carousel[1][1], product, rtol=7 * np.finfo(float).eps)  # 7 factors
    assert np.abs(carousel[0][1] - product).max() > 1e-3


def test_truncation_is_the_gradient_of_a_net_whose_past_is_a_constant():
    cut = nn.MemoryBlockCell(3, 2, 2, truncated=True, bound=1.0, rng=0)
    full = nn.MemoryBlockCell(3, 2, 2, bound=1.0, rng=0)
    xs = data(cut)
    pasts = [cut.initial_state(2)]
    for x in xs:
        pasts.append(cut(x, pasts[-1]))
    c, c_cut, state = pasts[0][1], [], cut.initial_state(2)
    for x, past in zip(xs, pasts[:-1], strict=True):
        h, _, *gates = map(values, past)
        c = full(x, (h, c, *gates))[1]
        state = cut(x, state)
        c_cut.append(state[1])
    expected = grad((c * c).sum(), full.parameters(), unused="zero")
    found = grad((c_cut[-1] * c_cut[-1]).sum(), cut.parameters(), unused="zero")
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-13)


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["gates", "sees", "bias"])
def test_an_unknown_topology_is_refused_by_name(option):
    with pytest.raises(ValueError, match=rf"MemoryBlockCell: {option} is one of .*, got 'some'"):
        nn.MemoryBlockCell(3, 2, **{option: "some"})


def test_biases_that_are_not_there_cannot_be_started():
    cell = nn.MemoryBlockCell(3, 2, rng=0)
    for letter, starts in [("f", (1, 1)), ("i", (1,))]:
        with pytest.raises(ValueError, match=r"start_bias sets one of the gates i, o to 2 values"):
            cell.start_bias(letter, *starts)
    with pytest.raises(ValueError, match="of a cell with biases"):
        nn.MemoryBlockCell(3, 2, bias="none").start_bias("i", 1, 1)


def test_an_unknown_net_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"there are '1, 4x1', .*; got '7'"):
        nn.historic_net("7")
