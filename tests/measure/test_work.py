"""Does twice the time cost twice the work, and not four times?"""

import functools
import sys
import tracemalloc

import numpy as np
import pytest

import tinygrad_rnn as tr
from tinygrad_rnn import Tensor, measure, nn

LINEAR = {
    "lanes": lambda xs, hs, loss: measure.lanes(loss),
    "state_gradients": lambda xs, hs, loss: measure.state_gradients(loss),
    "step_jacobians": lambda xs, hs, loss: measure.step_jacobians(loss),
    "singular_values": lambda xs, hs, loss: measure.step_jacobians(loss).singular_values(),
    "log_norms": lambda xs, hs, loss: measure.step_jacobians(loss).log_norms(),
    "lyapunov": lambda xs, hs, loss: measure.step_jacobians(loss).lyapunov(),
    "product": lambda xs, hs, loss: measure.step_jacobians(loss).product(),
    "carousel": lambda xs, hs, loss: measure.carousel(loss),
    "gates": lambda xs, hs, loss: measure.gates(loss).saturated(),
    "saturation": lambda xs, hs, loss: measure.saturation(loss),
    "connectivity": lambda xs, hs, loss: measure.connectivity(loss),
    "receptive_field": lambda xs, hs, loss: measure.receptive_field(loss, xs),
    "parameter_gradients": lambda xs, hs, loss: measure.parameter_gradients(loss, parameters(loss)),
    "memory_probe": lambda xs, hs, loss: measure.memory_probe(hs, xs, [0, 1, 3]),
    "reach": lambda xs, hs, loss: measure.reach(loss),
    "cost": lambda xs, hs, loss: measure.cost(loss),
    "gradient_matrix of one loss": lambda xs, hs, loss: measure.gradient_matrix([loss]),
}


def parameters(loss):
    """The matrices and vectors of the cells, not the inputs."""
    return [x for x in tr.ancestors(loss) if x.op is None and x.name]


@functools.cache
def record(steps):
    """Two layers, a loss at every step, inputs that a gradient reaches."""
    xs = Tensor(np.random.default_rng(0).standard_normal((steps, 2, 3)))
    hs, _ = nn.unroll(nn.LSTMCell(3, 4, rng=0), xs)
    hs, _ = nn.unroll(nn.LSTMCell(4, 4, rng=1), hs)
    return xs, hs, tr.sum(tr.stack(hs) ** 2)


def calls(function, *arguments):
    """How many functions, Python's and C's, are called in here."""
    count = 0

    def see(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        function(*arguments)
    finally:
        sys.setprofile(before)
    return count


def peak(function, *arguments):
    """The most bytes at a time."""
    tracemalloc.start()
    try:
        function(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", LINEAR)
def test_calls_grow_with_the_steps(name):
    measured = LINEAR[name]
    measured(*record(5))  # what is done once, such as imports
    a, b, c = (calls(measured, *record(steps)) for steps in (20, 40, 60))
    np.testing.assert_allclose(c - b, b - a, rtol=0.02)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", LINEAR)
def test_bytes_grow_with_the_steps(name):
    measured = LINEAR[name]
    measured(*record(5))
    few, many = (peak(measured, *record(steps)) for steps in (20, 80))
    assert many < 5 * few  # a table that doubles is not four times as large; a square is 16 times


def test_the_matrix_alone_grows_with_their_square():
    def losses(steps):
        hs, _ = nn.unroll(nn.RNNCell(3, 4, rng=0), np.ones((steps, 2, 3)))
        return [(h * h).sum() for h in hs]

    counts = [calls(measure.gradient_matrix, losses(steps)) for steps in (10, 20, 30, 40)]
    second = np.diff(counts, 2)
    assert second[0] > 0
    np.testing.assert_allclose(second[1], second[0], rtol=0.05)


def test_the_surface_and_the_attractors_are_linear_in_the_steps():
    a, b = np.linspace(2, 8, 5), np.linspace(-4, 0, 5)

    def wall(steps):
        return lambda w, b: measure.pascanu_wall(w, b, steps)

    counts = [calls(measure.loss_surface, wall(steps), a, b) for steps in (20, 40, 60)]
    assert np.diff(counts, 2)[0] == pytest.approx(0, abs=0.05 * counts[0])
    cell, starts = nn.RNNCell(2, 2, rng=0), np.zeros((3, 2))
    counts = [calls(measure.attractors, cell, np.zeros(2), starts, n) for n in (20, 40, 60)]
    assert np.diff(counts, 2)[0] == pytest.approx(0, abs=0.05 * counts[0])
