"""How do gradients flow? In numbers, read from the record of any cell that was unrolled.

==============================  ===================================================================
``state_gradients(loss)``       ∂L/∂h_t, ∂L/∂c_t … and their norms, per step and layer
``gradient_matrix(losses)``     ‖∂L_t/∂h_k‖: who sends how much gradient back to whom
``step_jacobians(loss)``        ∂h_{t+1}/∂h_t: singular values, products, Lyapunov exponents
``growth_bound(W, "tanh")``     γ·σ_max(W), which no step Jacobian exceeds
``carousel(loss)``              ∏ f_t beside ∂c_T/∂c_t
``gates(loss)``                 gate values, and the fractions of them below 0.1 and above 0.9
``saturation(loss)``            1 − |h_t|
``connectivity(output)``        ∂output/∂x_t for every step
``receptive_field(output, x)``  where that is not 0
``parameter_gradients(loss)``   ∂L/∂W, step by step
``memory_probe(hs, xs)``        how well a linear decoder reads x_{t−k} from h_t
``reach(loss)``                 how far back a gradient gets, where the record is cut
``cost(loss)``                  nodes, bytes and operations per step
``attractors(cell, x, starts)`` where a state comes to rest under a constant input
``trajectories(loss)``          the way h_t takes through its space
``principal_plane(points)``     the plane in which most of it is seen
``loss_surface(f, a, b)``       a loss over two of its numbers, such as ``pascanu_wall``
``gradient_norms(loss)``        ‖∂L/∂h_t‖ of each example, and a bound that no norm exceeds
``activation("tanh", loss)``    a function, its slope, and where a net uses it
``gate_differences(a, b)``      the gates of one cell on two inputs
``clamped(loss, "f", 1.0)``     the record run again with a gate held
``receptive_norms(output, xs)``  what a convolutional cell sees, place by place
``bytes_by_length(loss, Ts)``   the memory of a record against T
``success_by_length(trials)``   the share of successes against T, and how sure it is
``learning_curves(runs)``       losses by step, over seeds
``seed_spread(runs)``           one score for each seed
``forecast(paths)``             forecasts, the band around them, and how much of the truth is in it
``norm(g)``                     the length of a gradient, without overflow on the way
``lanes(loss)``                 what all of this is read from: steps, named values, states
==============================  ===================================================================

A result has its arrays as attributes and ``.csv(path)``. The work grows with the number of steps,
and with its square for ``gradient_matrix`` alone, whose answer does. Numbers that overflow are inf,
those that vanish 0, and those that are neither NaN; a question without an answer is a `ValueError`
or `TypeError` that says why.

Examples
--------
>>> import numpy as np
>>> from tinygrad_rnn import measure, nn
>>> outputs, _ = nn.unroll(nn.LSTMCell(2, 3, rng=0), np.ones((5, 1, 2)))
>>> found = measure.state_gradients(outputs[-1].sum())["c"]
>>> found.steps, found.norms.shape
(array([0, 1, 2, 3, 4]), (5,))
"""

from typing import TYPE_CHECKING

from tinygrad_rnn.engine.norm import norm
from tinygrad_rnn.hints import of_package
from tinygrad_rnn.measure.activation import Activation, activation
from tinygrad_rnn.measure.attractors import Attractors, attractors
from tinygrad_rnn.measure.carousel import Carousel, carousel
from tinygrad_rnn.measure.connectivity import Connectivity, connectivity, receptive_field
from tinygrad_rnn.measure.cost import Cost, cost
from tinygrad_rnn.measure.forecasts import Forecast, forecast
from tinygrad_rnn.measure.gates import Gates, Saturation, gates, saturation
from tinygrad_rnn.measure.gradients import StateGradient, StateGradients, state_gradients
from tinygrad_rnn.measure.interventions import GateDifferences, clamped, gate_differences
from tinygrad_rnn.measure.jacobians import StepJacobians, growth_bound, step_jacobians
from tinygrad_rnn.measure.lanes import Lane, lanes
from tinygrad_rnn.measure.lengths import (
    BytesByLength,
    SuccessByLength,
    bytes_by_length,
    success_by_length,
)
from tinygrad_rnn.measure.matrix import GradientMatrix, gradient_matrix
from tinygrad_rnn.measure.norms import GradientNorms, gradient_norms
from tinygrad_rnn.measure.parameters import ParameterGradients, parameter_gradients
from tinygrad_rnn.measure.probe import Probe, memory_probe
from tinygrad_rnn.measure.reach import Reach, reach
from tinygrad_rnn.measure.receptive import ReceptiveNorms, receptive_norms
from tinygrad_rnn.measure.results import Table, Tables, to_csv
from tinygrad_rnn.measure.seeds import LearningCurves, SeedSpread, learning_curves, seed_spread
from tinygrad_rnn.measure.surface import Surface, loss_surface, pascanu_wall
from tinygrad_rnn.measure.trajectories import Plane, Trajectories, principal_plane, trajectories

__all__ = [
    "Activation",
    "Attractors",
    "BytesByLength",
    "Carousel",
    "Connectivity",
    "Cost",
    "Forecast",
    "GateDifferences",
    "Gates",
    "GradientMatrix",
    "GradientNorms",
    "Lane",
    "LearningCurves",
    "ParameterGradients",
    "Plane",
    "Probe",
    "Reach",
    "ReceptiveNorms",
    "Saturation",
    "SeedSpread",
    "StateGradient",
    "StateGradients",
    "StepJacobians",
    "SuccessByLength",
    "Surface",
    "Table",
    "Tables",
    "Trajectories",
    "activation",
    "attractors",
    "bytes_by_length",
    "carousel",
    "clamped",
    "connectivity",
    "cost",
    "forecast",
    "gate_differences",
    "gates",
    "gradient_matrix",
    "gradient_norms",
    "growth_bound",
    "lanes",
    "learning_curves",
    "loss_surface",
    "memory_probe",
    "norm",
    "parameter_gradients",
    "pascanu_wall",
    "principal_plane",
    "reach",
    "receptive_field",
    "receptive_norms",
    "saturation",
    "seed_spread",
    "state_gradients",
    "step_jacobians",
    "success_by_length",
    "to_csv",
    "trajectories",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = of_package(__name__, __all__)
