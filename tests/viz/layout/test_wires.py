"""Does no line run through a node that it does not belong to?"""

import numpy as np
import pytest

import tinygrad_rnn as tr
import viz
from tinygrad_rnn import nn, scope
from viz.layout.edges import _route, placed


def bezier(points):
    """Points on a spline of cubic pieces."""
    found = []
    for k in range(0, len(points) - 3, 3):
        a, b, c, d = (np.array(p) for p in points[k : k + 4])
        for t in np.linspace(0, 1, 16):
            s = 1 - t
            found.append(s**3 * a + 3 * s * s * t * b + 3 * s * t * t * c + t**3 * d)
    return np.array(found)


def crossed(drawing):
    """Lines that run through a node which is at neither of their ends: (tail, head, node)."""
    plan = placed(drawing.parts)
    boxes = {
        node.id: (node, *plan.at[node.id])
        for block in drawing.parts.blocks
        for node in block.nodes
        if node.kind not in ("port", "caption", "legend", "title")
    }
    lines = [(edge, bezier(_route(edge, plan)[0])) for edge in drawing.parts.links]
    for block, frame in plan.frames.items():
        for edge, spline in zip(block.edges, frame.layout.edges, strict=True):
            points = [(x + frame.x, y + frame.y) for mark, x, y in spline if not mark]
            lines.append((edge, bezier(points)))
    found = []
    for edge, points in lines:
        for name, (node, x, y, w, h) in boxes.items():
            if name in (edge.tail, edge.head) or not len(points):
                continue
            dx, dy = abs(points[:, 0] - x) - w / 2 + 2, abs(points[:, 1] - y) - h / 2 + 2
            inside = (dx < 0) & (dy < 0)
            if node.kind == "parameter":
                inside = ((points - (x, y)) / (w / 2 - 2, h / 2 - 2)) ** 2 @ (1, 1) < 1
            if inside.any():
                found.append((edge.tail, edge.head, node.label))
    return found


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
