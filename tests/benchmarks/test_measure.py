"""How long does each number of gradient flow take, and how big is it?"""

import tracemalloc

import numpy as np
import pytest

from tinygrad_rnn import Tensor, measure, nn

NUMBERS = {
    "lanes": lambda xs, hs, losses: measure.lanes(losses[-1]),
    "state_gradients": lambda xs, hs, losses: measure.state_gradients(losses[-1]),
    "step_jacobians": lambda xs, hs, losses: measure.step_jacobians(losses[-1]),
    "lyapunov": lambda xs, hs, losses: measure.step_jacobians(losses[-1]).lyapunov(),
    "carousel": lambda xs, hs, losses: measure.carousel(losses[-1]),
    "gates": lambda xs, hs, losses: measure.gates(losses[-1]).saturated(),
    "saturation": lambda xs, hs, losses: measure.saturation(losses[-1]),
    "connectivity": lambda xs, hs, losses: measure.connectivity(losses[-1]),
    "receptive_field": lambda xs, hs, losses: measure.receptive_field(losses[-1], xs),
    "memory_probe": lambda xs, hs, losses: measure.memory_probe(hs, xs, range(6)),
    "reach": lambda xs, hs, losses: measure.reach(losses[-1]),
    "cost": lambda xs, hs, losses: measure.cost(losses[-1]),
    "gradient_matrix": lambda xs, hs, losses: measure.gradient_matrix(losses),
}


def run(steps):
    """An LSTM of 8 units, two examples, one loss per step; the weights of its cell."""
    xs = Tensor(np.random.default_rng(0).standard_normal((steps, 2, 3)))
    cell = nn.LSTMCell(3, 8, rng=0)
    hs, _ = nn.unroll(cell, xs)
    return cell, (xs, hs, [(h * h).sum() for h in hs])


def measured(benchmark, number, *what):
    """Seconds of one run, and the most megabytes at a time of another."""
    benchmark.pedantic(number, what, rounds=1, warmup_rounds=0)
    tracemalloc.start()
    number(*what)
    benchmark.extra_info["megabytes"] = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()


@pytest.mark.parametrize("steps", [10, 100, 1000])
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(benchmark, name, steps):
    _, what = run(min(steps, 200) if name == "gradient_matrix" else steps)  # T × T of them
    measured(benchmark, NUMBERS[name], *what)


@pytest.mark.parametrize("steps", [10, 100, 1000])
def test_parameter_gradients(benchmark, steps):
    cell, (_, _, losses) = run(steps)
    measured(benchmark, measure.parameter_gradients, losses[-1], cell.parameters())
