"""How long do the curves and maps of gradient flow take, and how big are they?"""

import numpy as np
import pytest

import viz
from tinygrad_rnn import Tensor, measure, nn

PLOTS = {
    "gradient_matrix": lambda losses, T: viz.gradient_matrix(losses[:: -(-T // MATRIX)]),
    "gradient_bars": lambda losses, T: viz.gradient_bars(losses[:: -(-T // MATRIX)]),
    "gate_map": lambda losses, T: viz.gate_map(losses[-1]),
    "gate_saturation": lambda losses, T: viz.gate_saturation(losses[-1]),
    "carousel": lambda losses, T: viz.carousel(losses[-1]),
    "jacobian_spectra": lambda losses, T: viz.jacobian_spectra(losses[-1]),
    "reach": lambda losses, T: viz.reach(losses[-1]),
    "loss_surface": lambda losses, T: viz.loss_surface(lambda w, b: measure.pascanu_wall(w, b, T)),
    "trajectories": lambda losses, T: viz.trajectories(losses[-1]),
    "attractors": lambda losses, T: viz.attractors(nn.RNNCell(2, 2, rng=0), [0, 0], steps=T),
    "text_activation": lambda losses, T: viz.text_activation(losses[-1], text="a" * T, unit=0),
    "text_connectivity": lambda losses, T: viz.text_connectivity(losses[-1], text="a" * T),
}
MATRIX = 250  # losses, as many as the budget allows: at T = 1,000 every fourth


@pytest.mark.parametrize("steps", [10, 100, 1000])
@pytest.mark.parametrize("name", PLOTS)
def test_plot(benchmark, name, steps):
    """From the record to SVG, the measuring included; bytes beside the seconds."""
    xs = Tensor(np.random.default_rng(0).standard_normal((steps, 2, 3)))
    outputs, _ = nn.unroll(nn.LSTMCell(3, 8, rng=0), xs)
    losses = [(h * h).sum() for h in outputs]
    svg = benchmark.pedantic(lambda: PLOTS[name](losses, steps).svg(), rounds=1, warmup_rounds=0)
    benchmark.extra_info["megabytes"] = round(len(svg) / 1e6, 3)
    assert "<svg" in svg
