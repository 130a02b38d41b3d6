"""Does no line run through a node, a letter or a number that it does not belong to?"""

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


def attending():
    """A decoder that looks back at all steps of an encoder."""
    outputs, (h, _) = nn.unroll(nn.LSTMCell(3, 4, rng=0), np.ones((3, 2, 3)))
    memory, cell, total = tr.stack(outputs), nn.GRUCell(3, 4, rng=1), 0
    for t in range(3):
        with scope("decoder", t=t):
            h = cell(np.ones((2, 3)), h)
            context, _ = nn.dot_attention(h, memory)
            total = total + (context * context).sum()
    return total


def differentiated(times):
    """A loss of gradients of gradients."""
    x = tr.Tensor(np.ones((3, 1, 2)), name="x")
    outputs, _ = nn.unroll(nn.RNNCell(2, 2, rng=0), x)
    loss = (outputs[-1] * outputs[-1]).sum()
    for _ in range(times):
        loss = (tr.grad(loss, x, create_graph=True) ** 2).sum()
    return loss


@pytest.mark.parametrize("detail", ["cell", "gate", "op"])
@pytest.mark.parametrize(
    "loss",
    [attending, lambda: differentiated(1), lambda: differentiated(2)],
    ids=["attention", "second order", "third order"],
)
def test_no_line_runs_through_a_node_of_attention_and_of_gradients(loss, detail):
    assert not crossed(viz.unrolled(loss(), detail))


@pytest.mark.parametrize("detail", ["cell", "gate", "op"])
def test_no_line_runs_through_a_node_of_attention_and_of_gradients_where_steps_are_one(detail):
    for loss in (attending(), differentiated(1)):
        assert not crossed(viz.folded(loss, detail))


@pytest.mark.parametrize("detail", ["cell", "gate"])
def test_no_line_runs_through_the_numbers_of_gradients(detail):
    losses = [attending()]
    for layers, both in ((1, True), (2, False)):  # two layers of two directions are too crowded
        net = nn.LSTM(1, 2, num_layers=layers, bidirectional=both, rng=0)
        outputs, _ = net(np.ones((3, 1, 1)))
        losses.append((outputs * outputs).sum())
    for loss in losses:
        assert not crossed(viz.gradient_flow(loss, detail))
