"""How is a record played? One page that runs it, operation by operation, forward and backward."""

from viz.player.page import Player, play

__all__ = ["Player", "play"]
