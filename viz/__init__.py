"""Pictures of recorded graphs, the gradient in them, and the curves and maps of its numbers."""

from viz.charts.carousel import carousel
from viz.charts.connectivity import text_activation, text_connectivity
from viz.charts.figure import Plot
from viz.charts.gates import gate_map, gate_saturation
from viz.charts.jacobians import jacobian_spectra, reach
from viz.charts.matrix import gradient_bars, gradient_matrix
from viz.charts.surface import loss_surface
from viz.charts.trajectories import attractors, trajectories
from viz.graphs.compare import differences, unfolding
from viz.graphs.forward_backward import forward_backward
from viz.graphs.options import Options
from viz.graphs.program import program
from viz.graphs.truncation import truncation
from viz.graphs.unrolled import folded, gradient_flow, graph, unrolled
from viz.graphs.zoom import zoom
from viz.layout.graphviz import NoRenderer, use_renderer
from viz.player import Frames, Player, frames, play
from viz.render.drawing import Drawing
from viz.render.panels import Sheet

__all__ = [
    "Drawing",
    "Frames",
    "NoRenderer",
    "Options",
    "Player",
    "Plot",
    "Sheet",
    "attractors",
    "carousel",
    "differences",
    "folded",
    "forward_backward",
    "frames",
    "gate_map",
    "gate_saturation",
    "gradient_bars",
    "gradient_flow",
    "gradient_matrix",
    "graph",
    "jacobian_spectra",
    "loss_surface",
    "play",
    "program",
    "reach",
    "text_activation",
    "text_connectivity",
    "trajectories",
    "truncation",
    "unfolding",
    "unrolled",
    "use_renderer",
    "zoom",
]
