"""Pictures of recorded graphs: unrolled and folded, with the gradient that flows through them."""

from viz.drawing import Drawing
from viz.paint import NoRenderer
from viz.pictures import folded, gradient_flow, graph, unrolled

__all__ = ["Drawing", "NoRenderer", "folded", "gradient_flow", "graph", "unrolled"]
