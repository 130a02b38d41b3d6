"""How long does a picture take, from the record to the finished SVG?"""

import numpy as np
import pytest

import viz
from tinygrad_rnn import nn

EVERYTHING = 10**9  # nodes: nothing is left out


@pytest.mark.parametrize(
    ("steps", "detail", "draw"),
    [
        (10, "op", viz.unrolled),
        (100, "op", viz.unrolled),  # target: below 1 s
        (300, "op", viz.unrolled),
        (1000, "cell", viz.unrolled),  # target: below 2 s
        (100, "op", viz.gradient_flow),
    ],
)
def test_lstm(benchmark, steps, detail, draw):
    rng = np.random.default_rng(0)
    outputs, _ = nn.unroll(nn.LSTMCell(3, 4, rng=0), rng.standard_normal((steps, 2, 3)))
    loss = nn.mse_loss(outputs[-1], rng.standard_normal((2, 4)))
    svg = benchmark.pedantic(
        lambda: draw(loss, detail, budget=EVERYTHING).svg(), rounds=3, warmup_rounds=0
    )
    benchmark.extra_info["megabytes"] = len(svg) / 1e6
    assert svg.count('class="cluster"') == steps
