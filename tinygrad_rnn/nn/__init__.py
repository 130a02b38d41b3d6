"""Cells and what belongs around them: modules, time, layers, losses and start values."""

from tinygrad_rnn.nn import start
from tinygrad_rnn.nn.cells import GatedCell, GRUCell, LSTMCell, RNNCell, affine
from tinygrad_rnn.nn.ctc import ctc_loss
from tinygrad_rnn.nn.layers import Embedding, Linear, dropout
from tinygrad_rnn.nn.losses import binary_cross_entropy, cross_entropy, huber_loss, mse_loss
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.nn.time import Cell, unroll

__all__ = [
    "Cell",
    "Embedding",
    "GRUCell",
    "GatedCell",
    "LSTMCell",
    "Linear",
    "Module",
    "RNNCell",
    "affine",
    "binary_cross_entropy",
    "cross_entropy",
    "ctc_loss",
    "dropout",
    "huber_loss",
    "mse_loss",
    "start",
    "unroll",
]
