"""How long do numbers of gradient flow take, and the curves and maps that show them?"""

import numpy as np
import pytest

import viz
from tinygrad_rnn import measure, nn

NUMBERS = {
    "state_gradients": lambda losses: measure.state_gradients(losses[-1]),
    "step_jacobians": lambda losses: measure.step_jacobians(losses[-1]),
    "parameter_gradients": lambda losses: measure.parameter_gradients(losses[-1]),
    "reach": lambda losses: measure.reach(losses[-1]),
    "cost": lambda losses: measure.cost(losses[-1]),
    "gradient_matrix": lambda losses: measure.gradient_matrix(losses),
}
PLOTS = {
    "gate_map": lambda losses: viz.gate_map(losses[-1]),
    "gate_saturation": lambda losses: viz.gate_saturation(losses[-1]),
    "carousel": lambda losses: viz.carousel(losses[-1]),
    "jacobian_spectra": lambda losses: viz.jacobian_spectra(losses[-1]),
    "reach": lambda losses: viz.reach(losses[-1]),
    "gradient_matrix": lambda losses: viz.gradient_matrix(losses),
    "gradient_bars": lambda losses: viz.gradient_bars(losses),
}


def run(steps):
    xs = np.random.default_rng(0).standard_normal((steps, 2, 3))
    outputs, _ = nn.unroll(nn.LSTMCell(3, 8, rng=0), xs)
    return [(h * h).sum() for h in outputs]


@pytest.mark.parametrize("steps", [10, 100, 1000])
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(benchmark, name, steps):
    losses = run(steps if name != "gradient_matrix" else min(steps, 300))  # T × T of them
    benchmark.pedantic(lambda: NUMBERS[name](losses), rounds=1, warmup_rounds=0)


@pytest.mark.parametrize("steps", [10, 100, 1000])
@pytest.mark.parametrize("name", PLOTS)
def test_plot(benchmark, name, steps):
    plot = PLOTS[name](run(steps if not name.startswith("gradient") else min(steps, 300)))
    svg = benchmark.pedantic(plot.svg, rounds=1, warmup_rounds=0)
    benchmark.extra_info["megabytes"] = len(svg) / 1e6
    assert "<svg" in svg
