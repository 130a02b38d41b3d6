"""How gradients flow, in numbers: read from the record of any cell."""

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
