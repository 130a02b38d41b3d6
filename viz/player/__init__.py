"""How is a record played? One page that runs it, operation by operation, forward and backward."""

from viz.player.frames import Frames, frames
from viz.player.page import Player, play
from viz.player.steps import Steps, steps

__all__ = ["Frames", "Player", "Steps", "frames", "play", "steps"]
