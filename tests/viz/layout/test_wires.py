"""Does no line run through a node that it does not belong to?"""

import numpy as np
import pytest
from crossing import crossed

import tinygrad_rnn as tr
import viz
from tinygrad_rnn import nn, scope


def last(cell):
    one, xs, state = cell.samples(rng=0)[0]
    out = tr.tree.leaves(nn.unroll(one, xs, state)[0][-1])[0]
    return (out * out).sum() if isinstance(out, tr.Tensor) else None


CELLS = nn.cells_of(nn)


@pytest.mark.parametrize("detail", ["cell", "gate", pytest.param("op", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", CELLS)
def test_no_line_runs_through_a_node_of_any_cell(name, detail):
    loss = last(CELLS[name])
    if loss is None:
        pytest.skip("nothing is recorded")
    for draw in (viz.unrolled, viz.folded):
        assert not crossed(draw(loss, detail))


@pytest.mark.parametrize("detail", ["cell", "gate"])
@pytest.mark.parametrize("weights", ["stub", "hide"])
@pytest.mark.parametrize("layers", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("both", [False, True], ids=["forward", "both ways"])
def test_no_line_runs_through_a_node_of_layers_and_directions(detail, weights, layers, both):
    net = nn.LSTM(1, 2, num_layers=layers, bidirectional=both, rng=0)
    outputs, _ = net(np.ones((3, 1, 1)))
    assert not crossed(viz.unrolled((outputs * outputs).sum(), detail, weights=weights))


def test_no_line_runs_through_a_node_where_each_step_has_a_loss():
    outputs, _ = nn.unroll(nn.LSTMCell(3, 4, rng=0), np.ones((4, 2, 3)))
    head, total = nn.Linear(4, 5, rng=0), 0
    for t, h in enumerate(outputs):
        with scope("loss", t=t):
            total = total + nn.cross_entropy(head(h), np.array([1, 2]))
    for detail in ("cell", "gate"):
        for weights in ("stub", "hide"):
            assert not crossed(viz.unrolled(total, detail, weights=weights))
