"""Cells and what belongs around them: modules, time, layers, losses and start values."""

from tinygrad_rnn.nn.cells import GRUCell, LSTMCell, RNNCell
from tinygrad_rnn.nn.layers import Embedding, Linear, dropout
from tinygrad_rnn.nn.losses import cross_entropy, mse_loss
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.nn.time import Cell, unroll

__all__ = [
    "Cell",
    "Embedding",
    "GRUCell",
    "LSTMCell",
    "Linear",
    "Module",
    "RNNCell",
    "cross_entropy",
    "dropout",
    "mse_loss",
    "unroll",
]
