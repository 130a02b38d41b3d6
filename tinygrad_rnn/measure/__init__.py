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
``norm(g)``                     the length of a gradient, without overflow on the way
``lanes(loss)``                 what all of this is read from: steps, named values, states
==============================  ===================================================================

A result has its arrays as attributes and ``.csv(path)``. The work grows with the number of steps,
and with its square for ``gradient_matrix`` alone, whose answer does. What overflows is inf, what
vanishes is 0, what is neither is NaN; a question without an answer is a `ValueError` or `TypeError`
that says why.

Examples
--------
>>> import numpy as np
>>> from tinygrad_rnn import measure, nn
>>> outputs, _ = nn.unroll(nn.LSTMCell(2, 3, rng=0), np.ones((5, 1, 2)))
>>> found = measure.state_gradients(outputs[-1].sum())["c"]
>>> found.steps, found.norms.shape
(array([0, 1, 2, 3, 4]), (5,))
"""

from tinygrad_rnn.engine.norm import norm
from tinygrad_rnn.measure.attractors import Attractors, attractors
from tinygrad_rnn.measure.carousel import Carousel, carousel
from tinygrad_rnn.measure.connectivity import Connectivity, connectivity, receptive_field
from tinygrad_rnn.measure.cost import Cost, cost
from tinygrad_rnn.measure.gates import Gates, Saturation, gates, saturation
from tinygrad_rnn.measure.gradients import StateGradient, StateGradients, state_gradients
from tinygrad_rnn.measure.jacobians import StepJacobians, growth_bound, step_jacobians
from tinygrad_rnn.measure.lanes import Lane, lanes
from tinygrad_rnn.measure.matrix import GradientMatrix, gradient_matrix
from tinygrad_rnn.measure.parameters import ParameterGradients, parameter_gradients
from tinygrad_rnn.measure.probe import Probe, memory_probe
from tinygrad_rnn.measure.reach import Reach, reach
from tinygrad_rnn.measure.results import Table, to_csv
from tinygrad_rnn.measure.surface import Surface, loss_surface, pascanu_wall
from tinygrad_rnn.measure.trajectories import Plane, Trajectories, principal_plane, trajectories

__all__ = [
    "Attractors",
    "Carousel",
    "Connectivity",
    "Cost",
    "Gates",
    "GradientMatrix",
    "Lane",
    "ParameterGradients",
    "Plane",
    "Probe",
    "Reach",
    "Saturation",
    "StateGradient",
    "StateGradients",
    "StepJacobians",
    "Surface",
    "Table",
    "Trajectories",
    "attractors",
    "carousel",
    "connectivity",
    "cost",
    "gates",
    "gradient_matrix",
    "growth_bound",
    "lanes",
    "loss_surface",
    "memory_probe",
    "norm",
    "parameter_gradients",
    "pascanu_wall",
    "principal_plane",
    "reach",
    "receptive_field",
    "saturation",
    "state_gradients",
    "step_jacobians",
    "to_csv",
    "trajectories",
]
