"""Pictures of recorded graphs: unrolled and folded, with the gradient that flows through them."""

from viz.drawing import Drawing
from viz.paint import NoRenderer
from viz.pictures import folded, gradient_flow, graph, unrolled
from viz.player import Frames, Player, frames, play

__all__ = [
    "Drawing",
    "Frames",
    "NoRenderer",
    "Player",
    "folded",
    "frames",
    "gradient_flow",
    "graph",
    "play",
    "unrolled",
]
