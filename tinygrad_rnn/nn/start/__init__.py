"""From which values does training start?

Functions that give a cell other start values, in place, and return it:
``cell = start.chrono(nn.LSTMCell(3, 64), t_max=200, rng=0)``.
"""

from tinygrad_rnn.nn.start.biases import chrono, forget_bias
from tinygrad_rnn.nn.start.parameter import uniform
from tinygrad_rnn.nn.start.weights import glorot, he, identity, orthogonal, uniform_all

__all__ = [
    "chrono",
    "forget_bias",
    "glorot",
    "he",
    "identity",
    "orthogonal",
    "uniform",
    "uniform_all",
]
