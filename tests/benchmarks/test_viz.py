"""How long does each picture of a graph take, from the record to the finished SVG, and how big?"""

import numpy as np
import pytest

import viz
from tinygrad_rnn import compile, grad, nn

EVERYTHING = 10**9  # operations: nothing is left out

PICTURES = {
    "unrolled, cell": lambda loss, cell: viz.unrolled(loss, "cell"),
    "unrolled, gate": lambda loss, cell: viz.unrolled(loss, "gate"),
    "unrolled, op": lambda loss, cell: viz.unrolled(loss),
    "unrolled, op, everything": lambda loss, cell: viz.unrolled(loss, budget=EVERYTHING),
    "folded": lambda loss, cell: viz.folded(loss),
    "gradient_flow, cell": lambda loss, cell: viz.gradient_flow(loss, "cell"),
    "gradient_flow, op": lambda loss, cell: viz.gradient_flow(loss),
    "graph of the gradients": lambda loss, cell: viz.graph(
        grad(loss, cell.parameters(), create_graph=True)
    ),
    "unfolding, cell": lambda loss, cell: viz.unfolding(loss, "cell"),
    "unfolding": lambda loss, cell: viz.unfolding(loss),
    "differences": lambda loss, cell: viz.differences({"one": loss, "two": loss}),
    "forward_backward": lambda loss, cell: viz.forward_backward(loss),
    "truncation": lambda loss, cell: viz.truncation(loss),
    "zoom": lambda loss, cell: viz.zoom(loss, t=1),
}


@pytest.mark.parametrize("steps", [10, 100, 1000])
@pytest.mark.parametrize("picture", PICTURES)
def test_lstm(benchmark, steps, picture):
    rng = np.random.default_rng(0)
    cell = nn.LSTMCell(3, 4, rng=0)
    cut = 5 if picture == "truncation" else None
    outputs, _ = nn.unroll(cell, rng.standard_normal((steps, 2, 3)), truncate=cut)
    loss = nn.mse_loss(outputs[-1], rng.standard_normal((2, 4)))
    made = []

    def draw():
        drawing = PICTURES[picture](loss, cell)
        made[:] = drawing, drawing.svg()

    benchmark.pedantic(draw, rounds=1, warmup_rounds=0)
    drawing, svg = made
    left_out = [n.label for b in drawing.parts.blocks for n in b.nodes if "left out" in n.label]
    benchmark.extra_info |= {"megabytes": len(svg) / 1e6, "left out": left_out}
    assert "<svg" in svg
    assert not (left_out and "everything" in picture)


@pytest.mark.parametrize("steps", [10, 100])
def test_program(benchmark, steps):
    step = compile(lambda cell, xs: nn.unroll(cell, xs)[0][-1].sum())
    step(nn.LSTMCell(3, 4, rng=0), np.ones((steps, 2, 3)))
    svg = benchmark(lambda: viz.program(step).svg())
    benchmark.extra_info["megabytes"] = len(svg) / 1e6
    assert "<svg" in svg
