"""Does no line run through what is written?"""

import re

import numpy as np
import pytest

import tinygrad_rnn as tr
import viz
from tinygrad_rnn import nn
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
