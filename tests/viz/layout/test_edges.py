"""Does no line run through what is written?"""

import re

import numpy as np
import pytest

import tinygrad_rnn as tr
import viz
from tinygrad_rnn import nn, scope
from viz.layout import edges as edges_file


def written(drawing):
    """Number labels of lines and captions of brackets: the words, their middle."""
    source, point = drawing._positioned[0], r'"(-?[\d.]+),(-?[\d.]+)"'
    found = re.findall(rf'lp={point}.*label="([hc] [^"]+)"', source)
    captions = re.findall(rf"label=<([^<>]*back to t = \d+)>.*pos={point}", source)
    found += [(x, y, words) for words, x, y in captions]
    return [(words, float(x), float(y)) for x, y, words in found]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("truncate", [3, (1, 2), (1, 3), (2, 3), (3, 4)], ids=str)
def test_no_line_comes_down_through_a_caption_of_a_window(truncate, reverse):
    outputs, _ = nn.unroll(
        nn.RNNCell(1, 2, rng=0), np.ones((7, 1, 1)), truncate=truncate, reverse=reverse
    )
    drawing = viz.truncation(tr.stack(outputs).sum())
    check_free(drawing, len(drawing.windows) + 2)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("both", [False, True], ids=["forward", "both ways"])
def test_no_line_comes_down_through_a_number(layers, both):
    net = nn.LSTM(1, 2, num_layers=layers, bidirectional=both, rng=0)
    outputs, _ = net(np.ones((4, 1, 1)))
    check_free(viz.gradient_flow((outputs * outputs).sum(), "cell"), 2 * 3 * layers)


def check_free(drawing, least):
    upright, found = edges_file.uprights(edges_file.placed(drawing.parts)), written(drawing)
    assert len(found) >= least
    for words, x, y in found:
        half = 2.4 * len(words)
        assert not edges_file.crossings(upright, x - half, x + half, y), words


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("each", [False, True], ids=["states", "losses"])
@pytest.mark.parametrize("draw", [viz.unrolled, viz.gradient_flow])
def test_what_gathers_all_steps_stands_above_them_as_wide_as_they_are(draw, each, layers):
    hs = np.ones((4, 1, 3))
    for layer in range(layers):
        with scope(f"layer {layer}"):
            hs, _ = nn.unroll(nn.LSTMCell(3, 3, rng=layer), hs)
    loss = sum(nn.mse_loss(h, np.zeros((1, 3))) for h in hs) if each else tr.stack(hs).sum()
    plan = edges_file.placed(draw(loss, "cell").parts)
    assert plan.bar is not None
    result = next(node for node in plan.bar.nodes if node.kind == "result")
    x, y, w, h = plan.at[result.id]
    ways = [edge for edge in plan.parts.links if edge.head == result.id]
    assert len(ways) == 4
    for edge in ways:
        points, tip = edges_file._route(edge, plan)
        assert len({round(at, 6) for at, _ in points}) == 1  # straight up
        assert tip == (points[0][0], y - h / 2)
        assert x - w / 2 < tip[0] < x + w / 2
    assert all(node == result.id or plan.at[node][1] < y for node in plan.at)


def test_in_several_lines_it_stands_at_their_right():
    outputs, _ = nn.unroll(nn.RNNCell(2, 3, rng=0), np.ones((6, 1, 2)))
    drawing = viz.unrolled(tr.stack(outputs).sum(), "cell", per_line=3)
    plan = edges_file.placed(drawing.parts, 3)
    assert plan.bar is None
    [result] = [n.id for b in plan.parts.blocks for n in b.nodes if n.kind == "result"]
    others = [x + w / 2 for node, (x, _, w, _) in plan.at.items() if node != result]
    assert plan.at[result][0] - plan.at[result][2] / 2 > max(others)
