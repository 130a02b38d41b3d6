"""Does every step stand in the column of its time?"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_rnn as tr
import viz
from tinygrad_rnn import Tensor, ancestors, nn, scope
from viz.record.lanes import sections


def lanes_of(*roots):
    """The lanes behind `roots`, each once."""
    found = sections([node for node in ancestors(*roots) if node.op is not None]).values()
    return list(dict.fromkeys(section.lane for section in found if section.timed))


def windows(steps, k1, k2, reverse, which=slice(None)):
    outputs, _ = nn.unroll(
        nn.RNNCell(1, 1, rng=0), np.ones((steps, 1, 1)), truncate=(k1, k2), reverse=reverse
    )
    return outputs[which]


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 3), st.booleans(), st.data())
def test_the_windows_of_one_sequence_share_its_columns(steps, k1, more, reverse, data):
    outputs = windows(steps, k1, k1 + more, reverse)
    used = data.draw(st.lists(st.sampled_from(outputs), min_size=1, unique_by=id))
    taken = set()
    for lane in lanes_of(*used):
        for section in lane.sections:
            assert section.column == section.t
            assert (lane.row, section.column) not in taken  # one step, one place
            taken.add((lane.row, section.column))


@pytest.mark.parametrize("both", [False, True])
def test_the_windows_of_layers_and_directions_share_their_columns(both):
    net = nn.LSTM(1, 1, num_layers=2, bidirectional=both, rng=0)
    outputs, _ = net(np.ones((7, 1, 1)), truncate=(2, 3))
    assert {lane.offset for lane in lanes_of(outputs)} == {0}


@pytest.mark.parametrize("reverse", [False, True])
def test_a_title_says_the_step_of_the_column_it_stands_in(reverse):
    drawing = viz.unrolled(tr.stack(windows(7, 2, 3, reverse)).sum(), "cell")
    cells = [block for block in drawing.parts.blocks if block.kind == "cell"]
    assert len(cells) == 2 + 3 + 3 + 3
    assert all(block.steps == (block.column, block.column) for block in cells)
    assert sorted(block.title for block in cells if block.title) == [f"t = {t}" for t in range(7)]


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 5), st.integers(1, 5), st.integers(0, 3))
def test_what_counts_anew_stands_after_what_it_follows(first, second, third):
    """Three cells, each started by the state that the one before it ended with."""
    h, begin = None, 0
    for k, steps in enumerate((first, second + 1, third + 2)):
        _, h = nn.unroll(nn.RNNCell(1, 1, rng=k), np.ones((steps, 1, 1)), h, name=f"cell {k}")
    for lane, steps in zip(lanes_of(h), (first, second + 1, third + 2), strict=True):
        assert [section.column for section in lane.sections] == list(range(begin, begin + steps))
        assert lane.row == 0
        begin += steps


# -- outside of time, and gradients -----------------------------------------------------------


def sectioned(*roots):
    return sections([node for node in ancestors(*roots) if node.op is not None])


def test_what_only_feeds_the_steps_stands_before_them_and_what_they_end_in_after():
    x = Tensor(np.ones((3, 2, 3)), name="x")
    scaled = x * 2.0
    outputs, _ = nn.unroll(nn.RNNCell(3, 4, rng=0), scaled)
    loss = tr.sum(tr.stack(outputs) ** 2)
    found = sectioned(loss)
    assert (found[scaled].lane, found[scaled].side) == (None, "before")
    assert (found[loss].lane, found[loss].side) == (None, "after")
    assert all(found[h].timed and found[h].t == t for t, h in enumerate(outputs))


def test_what_follows_a_step_and_feeds_the_next_stands_between_them():
    h, cell, halves = np.zeros((2, 4)), nn.RNNCell(3, 4, rng=0), []
    for t in range(3):
        with scope("rnn", t=t):
            h = cell(np.ones((2, 3)), h)
        h = h * 0.5
        halves.append(h)
    found = sectioned(h)
    for t, half in enumerate(halves[:-1]):
        assert (found[half].lane.between, found[half].timed, found[half].t) == (True, False, t)
    assert found[halves[-1]].side == "after"  # nothing comes after it


def test_an_expression_without_steps_is_one_section():
    x = Tensor(np.ones(3))
    (only,) = set(sectioned(tr.sum(tr.exp(x) * x)).values())
    assert (only.lane, only.side, only.timed) == (None, "after", False)


def test_a_gradient_stands_below_in_the_row_and_column_of_its_twin():
    outputs, _ = nn.LSTM(1, 2, num_layers=2, rng=0)(np.ones((4, 1, 1)))
    W = next(x for x in ancestors(outputs) if x.op is None and x.dtype.kind == "f")
    slope = tr.grad(tr.sum(outputs**2), W, create_graph=True)
    found = set(sectioned(slope).values())
    lanes = dict.fromkeys(section.lane for section in found if section.timed)
    forward = {(lane.path, lane.run): lane for lane in lanes if lane.order == 0}
    backward = [lane for lane in lanes if lane.order == 1]
    assert backward
    for lane in backward:
        twin = forward[lane.path, lane.run]
        assert (lane.row, lane.offset) == (twin.row, twin.offset)
        assert lane.mirrored != twin.mirrored
    sides = {section.side for section in found if section.lane is None and section.order == 1}
    assert "before" in sides  # gradients flow to the left, and what they end in stands there


def test_a_layer_has_the_next_row_and_a_decoder_goes_on_in_that_of_its_encoder():
    hs, _ = nn.unroll(nn.RNNCell(1, 2, rng=0), np.ones((3, 1, 1)))
    hs, _ = nn.unroll(nn.RNNCell(2, 2, rng=1), hs)
    assert [(lane.name, lane.row, lane.offset) for lane in lanes_of(*hs)] == [
        ("rnn", 0, 0),
        ("rnn 2", 1, 0),
    ]
    _, h = nn.unroll(nn.RNNCell(1, 2, rng=0), np.ones((3, 1, 1)), name="encoder")
    hs, _ = nn.unroll(nn.RNNCell(1, 2, rng=1), np.ones((2, 1, 1)), h, name="decoder")
    assert [(lane.name, lane.row, lane.offset) for lane in lanes_of(*hs)] == [
        ("encoder", 0, 0),
        ("decoder", 0, 3),
    ]


@pytest.mark.parametrize("reverse", [False, True])
def test_a_lane_knows_which_way_it_runs(reverse):
    outputs, _ = nn.unroll(nn.RNNCell(1, 2, rng=0), np.ones((3, 1, 1)), reverse=reverse)
    (lane,) = lanes_of(*outputs)
    assert lane.mirrored is reverse
    assert lane.columns == (0, 2)


def losses(steps, where=None, more=lambda loss, t: loss):
    """The loss of each step, outside of every step unless `where` gives it a scope."""
    outputs, _ = nn.unroll(nn.RNNCell(1, 2, rng=0), np.ones((steps, 1, 1)))
    found = []
    for t, h in enumerate(outputs):
        with scope("loss", t=t if where == "scope" else None):
            found.append(more((h * h).sum(), t))
    return found


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 6), st.booleans())
def test_losses_of_single_steps_stand_above_them_as_in_a_scope_of_each(steps, start):
    total = sum(losses(steps)) if start else tr.stack(losses(steps)).sum()
    [_, lane] = lanes_of(total)
    assert [(s.column, lane.row, lane.name) for s in lane.sections] == [
        (t, 1, "loss") for t in range(steps)
    ]
    asked = [s.column for s in lanes_of(tr.stack(losses(steps, "scope")).sum())[1].sections]
    assert asked == list(range(steps))


def test_only_what_is_done_alike_to_all_steps_stands_above_them():
    total = sum(losses(3, more=lambda loss, t: loss * loss if t == 1 else loss))
    found = sections([node for node in ancestors(total) if node.op is not None])
    last = [node.op.name for node, s in found.items() if not s.timed]
    assert last == ["multiply", "add", "add", "add"]  # one adds the 0 of the sum
    assert len(lanes_of(losses(1)[0])) == 1
