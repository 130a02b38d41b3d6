"""Pictures of recorded graphs, the gradient in them, and the curves and maps of its numbers."""

from typing import TYPE_CHECKING

from tinygrad_rnn.hints import of_package
from viz.keep import keep

if TYPE_CHECKING:  # imported when they are first asked for
    from viz.charts.activation import activation
    from viz.charts.batch import padded_batch
    from viz.charts.carousel import carousel
    from viz.charts.connectivity import text_activation, text_connectivity
    from viz.charts.figure import Plot
    from viz.charts.gates import gate_map, gate_saturation
    from viz.charts.interventions import clamped, gate_differences
    from viz.charts.jacobians import jacobian_spectra, reach
    from viz.charts.lengths import bytes_by_length, success_by_length
    from viz.charts.matrix import gradient_bars, gradient_matrix
    from viz.charts.norms import gradient_norms, parameter_gradients
    from viz.charts.probe import memory_probe
    from viz.charts.receptive import receptive_field
    from viz.charts.series import forecast, windows
    from viz.charts.surface import loss_surface
    from viz.charts.training import learning_curves, seed_spread
    from viz.charts.trajectories import attractors, trajectories
    from viz.graphs.cell import cell
    from viz.graphs.compare import differences, unfolding
    from viz.graphs.forward_backward import forward_backward
    from viz.graphs.options import Options
    from viz.graphs.program import program
    from viz.graphs.shapes import sequence_shapes
    from viz.graphs.side_by_side import sheet
    from viz.graphs.truncation import truncation
    from viz.graphs.unrolled import folded, gradient_flow, graph, unrolled
    from viz.graphs.unrolled import folded as fold  # the names of the command line
    from viz.graphs.unrolled import gradient_flow as flow
    from viz.graphs.zoom import zoom
    from viz.layout.graphviz import NoRenderer, use_renderer
    from viz.player import Frames, Player, Steps, frames, play, steps
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
    "Steps",
    "activation",
    "attractors",
    "bytes_by_length",
    "carousel",
    "cell",
    "clamped",
    "differences",
    "flow",
    "fold",
    "folded",
    "forecast",
    "forward_backward",
    "frames",
    "gate_differences",
    "gate_map",
    "gate_saturation",
    "gradient_bars",
    "gradient_flow",
    "gradient_matrix",
    "gradient_norms",
    "graph",
    "jacobian_spectra",
    "keep",
    "learning_curves",
    "loss_surface",
    "memory_probe",
    "padded_batch",
    "parameter_gradients",
    "play",
    "program",
    "reach",
    "receptive_field",
    "seed_spread",
    "sequence_shapes",
    "sheet",
    "steps",
    "success_by_length",
    "text_activation",
    "text_connectivity",
    "trajectories",
    "truncation",
    "unfolding",
    "unrolled",
    "use_renderer",
    "windows",
    "zoom",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = of_package(__name__, __all__)
