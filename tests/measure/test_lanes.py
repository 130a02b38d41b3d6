"""Are states, letters and steps found in the record of any cell?"""

import numpy as np
import pytest

import tinygrad_rnn as tr
from tinygrad_rnn import Tensor, measure, nn, scope


def unrolled(cell, steps=5, **how):
    xs = np.random.default_rng(0).standard_normal((steps, 2, 3))
    outputs, _ = nn.unroll(cell, xs, **how)
    return tr.sum(tr.stack(outputs) ** 2)


@pytest.mark.parametrize(
    ("cell", "states"),
    [
        (nn.RNNCell(3, 4, rng=0), {"h"}),
        (nn.LSTMCell(3, 4, rng=0), {"h", "c"}),
        (nn.GRUCell(3, 4, rng=0), {"h"}),
        (nn.JordanCell(3, 4, 2, rng=0), {"y"}),
        (nn.PeepholeLSTMCell(3, 4, rng=0), {"h", "c"}),
        (nn.MemoryBlockCell(3, 2, 2, rng=0), {"h", "c", "i", "o"}),
        (nn.Zoneout(nn.LSTMCell(3, 4, rng=0), 0.1), {"h", "c"}),
    ],
    ids=lambda x: type(x).__name__,
)
@pytest.mark.parametrize(
    "how", [{}, {"truncate": 2}, {"reverse": True}, {"lengths": [5, 3]}], ids=str
)
def test_the_states_of_any_cell_are_what_it_hands_on(cell, states, how):
    (lane,) = measure.lanes(unrolled(cell, **how))
    assert set(lane.states) == states
    assert lane.steps == (list(range(5))[::-1] if "reverse" in how else list(range(5)))


def test_a_state_is_the_value_that_is_handed_on():
    outputs, (h, c) = nn.unroll(nn.LSTMCell(3, 4, rng=0), np.ones((4, 2, 3)))
    (lane,) = measure.lanes([h, c])
    assert all(a is b for a, b in zip(lane.values["h"], outputs, strict=True))
    assert lane.values["c"][-1] is c
    np.testing.assert_array_equal(lane.array("h")[-1], h.data)


def test_under_a_mask_the_state_is_the_masked_one():
    xs = np.random.default_rng(0).standard_normal((4, 2, 3))
    _, h = nn.unroll(nn.RNNCell(3, 4, rng=0), xs, lengths=[4, 2])
    (lane,) = measure.lanes(h)
    assert lane.values["h"][-1] is h
    np.testing.assert_array_equal(lane.array("h")[1:, 1], np.repeat(h.data[1:], 3, axis=0))


def test_layers_and_directions_are_lanes():
    net = nn.LSTM(3, 4, num_layers=2, bidirectional=True, rng=0)
    outputs, _ = net(np.ones((3, 2, 3)))
    names = [lane.name for lane in measure.lanes(outputs) if lane.states]
    assert names == [f"layer {k} · {way} · lstm" for k in (1, 2) for way in ("forward", "reverse")]


def test_layers_of_one_name_are_numbered():
    hs, _ = nn.unroll(nn.RNNCell(3, 4, rng=0), np.ones((3, 2, 3)))
    hs, _ = nn.unroll(nn.RNNCell(4, 4, rng=0), hs)
    assert [lane.name for lane in measure.lanes(hs[-1])] == ["rnn", "rnn 2"]


def test_a_loop_of_ones_own_with_two_layers_in_a_step():
    one, two = nn.RNNCell(3, 4, rng=0), nn.RNNCell(4, 4, rng=1)
    a = b = np.zeros((2, 4))
    for t in range(3):
        with scope("net", t=t):
            a = one(np.ones((2, 3)), a)
            b = two(a, b)
    (lane,) = measure.lanes(b.sum())
    assert lane.states == ("h 1", "h 2")
    assert lane.values["h 1"][-1] is a
    assert lane.values["h 2"][-1] is b


def test_a_state_changed_on_its_way_between_two_steps_is_still_a_state():
    h, cell = np.zeros((2, 4)), nn.RNNCell(3, 4, rng=0)
    for t in range(3):
        with scope("rnn", t=t):
            h = cell(np.ones((2, 3)), h)
        h = h * 0.5
    assert measure.lanes(h.sum())[0].states == ("h",)


def test_one_step_has_the_state_that_leaves_it():
    assert measure.lanes(unrolled(nn.GRUCell(3, 4, rng=0), steps=1))[0].states == ("h",)


def test_a_state_without_a_name_is_called_state():
    h = Tensor(np.ones(2))
    for t in range(3):
        with scope("step", t=t):
            h = h * 2.0
    assert measure.lanes(h.sum())[0].states == ("state",)


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("inside", [True, False], ids=["added up inside", "added up outside"])
def test_without_a_name_the_lane_is_the_recurrent_one_and_not_a_loss(steps, inside):
    cell, h, total = nn.GRUCell(3, 4, rng=0), np.zeros((2, 4)), Tensor(0.0)
    for t in range(steps):
        with scope("gru", t=t):
            h = cell(np.ones((2, 3)), h)
        with scope("loss", t=t):
            loss = nn.mse_loss(h, np.ones((2, 4)))
            added = total + loss
        total = added if inside else total + loss
    for root in (loss, total):
        assert measure.step_jacobians(root).lane == "gru"
        assert measure.gates(root).steps.tolist() == list(range(steps))


def test_without_a_name_the_lane_of_many_steps_comes_before_a_single_one():
    outputs, _ = nn.unroll(nn.RNNCell(3, 4, rng=0), np.ones((5, 2, 3)))
    with scope("readout", t=4):
        y = nn.Linear(4, 3, rng=0)(outputs[-1])
    assert measure.step_jacobians(y).lane == "rnn"


@pytest.mark.parametrize("steps", [1, 3])
def test_without_a_name_the_lane_of_several_layers_is_the_top_one(steps):
    outputs, _ = nn.LSTM(3, 4, num_layers=2, rng=0)(np.ones((steps, 2, 3)))
    assert measure.step_jacobians(outputs).lane == "layer 2 · lstm"


def test_gradients_belong_to_no_step():
    loss = unrolled(nn.RNNCell(3, 4, rng=0))
    slope = tr.grad(loss, measure.lanes(loss)[0].values["h"][0], create_graph=True)
    assert [lane.name for lane in measure.lanes(slope)] == ["rnn"]


def test_mistakes_name_what_there_is():
    with pytest.raises(ValueError, match=r"nothing in this record belongs to a time step.*scope"):
        measure.lanes(tr.exp(Tensor(1.0)))
    with pytest.raises(TypeError, match="got ndarray, which remembers nothing"):
        measure.lanes([np.ones(3)])
    loss = unrolled(nn.LSTMCell(3, 4, rng=0))
    with pytest.raises(
        ValueError, match="lstm has no value 'q'; its letters are: i, f, g, o, c, h"
    ):
        measure.lanes(loss)[0].of("q")
    with pytest.raises(ValueError, match="no lane is called 'gru'; there are: lstm"):
        measure.gates(loss, lane="gru")


def test_the_work_is_linear_in_the_steps():
    sizes = []
    for steps in (20, 40, 60):
        (lane,) = measure.lanes(unrolled(nn.GRUCell(3, 4, rng=0), steps=steps))
        sizes.append(sum(map(len, lane.members)))
    assert sizes[2] - sizes[1] == sizes[1] - sizes[0]
