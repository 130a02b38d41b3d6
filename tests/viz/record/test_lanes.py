"""Does every step stand in the column of its time?"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_rnn as tr
import viz
from tinygrad_rnn import ancestors, nn
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
