"""Does each state run at one height through all steps, so that a carousel is seen at a glance?"""

from collections import defaultdict

import numpy as np
import pytest

import viz
from tinygrad_rnn import nn, tree
from viz.layout.edges import placed
from viz.layout.states import carried

CELLS = [
    getattr(nn, name)
    for name in nn.__all__
    if name.endswith("Cell") and hasattr(getattr(nn, name), "samples")
]
PLAIN = [cell for cell in CELLS if cell.__name__ not in ("GatedCell", "SizedCell")]


def heights(drawing):
    """The heights of all ports of each state: {(row, state): {height}}."""
    plan, found = placed(drawing.parts, drawing.per_line), defaultdict(set)
    for block in drawing.parts.blocks:
        states = carried(block)
        for node in block.nodes:
            if block.kind == "step" and node.kind == "port" and node.role in states:
                at = (plan.frames[block].line, block.row, node.role)
                found[at].add(round(plan.at[node.id][1]))
    return found


@pytest.mark.parametrize("detail", ["gate", "op"])
@pytest.mark.parametrize("cell", PLAIN, ids=lambda cell: cell.__name__)
def test_each_state_comes_in_and_leaves_at_one_height(cell, detail):
    one, xs, state = cell.samples(rng=0)[0]
    outputs, _ = nn.unroll(one, xs, state)
    last = tree.leaves(outputs[-1])[0]
    if isinstance(last, np.ndarray):
        pytest.skip("nothing is recorded")
    found = heights(viz.unrolled((last * last).sum(), detail, per_line=100))
    assert found
    for state, ys in found.items():
        assert max(ys) - min(ys) <= 1, (state, ys)


@pytest.mark.parametrize("detail", ["gate", "op"])
def test_the_carousel_of_an_lstm_is_a_straight_line_above_all_else(detail, record):
    drawing = viz.unrolled(record(nn.LSTMCell(3, 4, rng=0)), detail, per_line=100)
    plan = placed(drawing.parts, drawing.per_line)
    (row, c), *_ = ((k[1:]) for k in heights(drawing) if k[2].startswith("c "))
    (top,) = heights(drawing)[0, row, c]
    for block in drawing.parts.blocks:
        if block.kind == "step":
            names = {node.label.split(" ")[0]: plan.at[node.id][1] for node in block.nodes}
            assert names["c"] == pytest.approx(top, abs=1)
            assert all(plan.at[node.id][1] <= top + 1 for node in block.nodes)


@pytest.mark.parametrize("cell", [nn.LSTMCell, nn.PeepholeLSTMCell])
def test_cells_hand_on_what_only_goes_to_the_next_step_above_what_is_also_read(cell, record):
    plan = placed(viz.unrolled(record(cell(3, 4, rng=0)), "cell").parts)
    assert [list(roles) for roles in plan.roles.values()] == [["c", "h"]]


def test_both_directions_and_layers_keep_their_heights():
    outputs, _ = nn.LSTM(1, 2, num_layers=2, bidirectional=True, rng=0)(np.ones((3, 1, 1)))
    found = heights(viz.unrolled((outputs * outputs).sum(), "gate", per_line=100))
    assert len(found) == 8
    assert all(max(ys) - min(ys) <= 1 for ys in found.values())
