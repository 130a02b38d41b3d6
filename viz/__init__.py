"""Pictures of recorded graphs, the gradient in them, and the curves and maps of its numbers."""

from viz.carousel import carousel
from viz.compare import differences, unfolding
from viz.curves import jacobian_spectra, reach
from viz.drawing import Drawing
from viz.forward_backward import forward_backward
from viz.gates import gate_map, gate_saturation
from viz.maps import gradient_bars, gradient_matrix
from viz.paint import NoRenderer
from viz.pictures import folded, gradient_flow, graph, unrolled
from viz.planes import loss_surface
from viz.player import Frames, Player, frames, play
from viz.plot import Plot
from viz.program import program
from viz.reading_text import text_activation, text_connectivity
from viz.sheet import Sheet
from viz.states import attractors, trajectories
from viz.truncation import truncation
from viz.zoom import zoom

__all__ = [
    "Drawing",
    "Frames",
    "NoRenderer",
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
    "zoom",
]
