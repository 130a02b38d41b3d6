"""Cells, modules, the loop over time, layers, losses and start values."""

from typing import TYPE_CHECKING

from tinygrad_rnn.hints import of_package
from tinygrad_rnn.nn import cells, start
from tinygrad_rnn.nn.attention import dot_attention
from tinygrad_rnn.nn.cells import *  # noqa: F403  (the list of cells is theirs)
from tinygrad_rnn.nn.ctc import ctc_loss
from tinygrad_rnn.nn.decode import decode
from tinygrad_rnn.nn.dropout import dropout
from tinygrad_rnn.nn.encoder_decoder import EncoderDecoder
from tinygrad_rnn.nn.layers import Embedding, Linear, TiedLinear
from tinygrad_rnn.nn.losses import (
    binary_cross_entropy,
    cross_entropy,
    huber_loss,
    mse_loss,
    squared_error,
)
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.nn.recurrent import Recurrent
from tinygrad_rnn.nn.rtrl import rtrl
from tinygrad_rnn.nn.samples import cells_of, sampled
from tinygrad_rnn.nn.sequential import ModuleDict, ModuleList, Sequential
from tinygrad_rnn.nn.shapes import (
    SequenceModel,
    many_to_many,
    many_to_one,
    one_to_many,
    one_to_one,
    sequence_to_sequence,
)
from tinygrad_rnn.nn.state import detach
from tinygrad_rnn.nn.summary import Summary, SummaryRow, summary
from tinygrad_rnn.nn.time import Cell, unroll
from tinygrad_rnn.nn.torch_layers import GRU, LSTM, RNN
from tinygrad_rnn.nn.truncation import RandomTruncation
from tinygrad_rnn.nn.unroll_tree import unroll_tree
from tinygrad_rnn.nn.wrappers import ClippedGradient, LearnedState, VariationalDropout, Zoneout

__all__ = [
    *cells.__all__,
    "GRU",
    "LSTM",
    "RNN",
    "Cell",
    "ClippedGradient",
    "Embedding",
    "EncoderDecoder",
    "LearnedState",
    "Linear",
    "Module",
    "ModuleDict",
    "ModuleList",
    "RandomTruncation",
    "Recurrent",
    "SequenceModel",
    "Sequential",
    "Summary",
    "SummaryRow",
    "TiedLinear",
    "VariationalDropout",
    "Zoneout",
    "binary_cross_entropy",
    "cells_of",
    "cross_entropy",
    "ctc_loss",
    "decode",
    "detach",
    "dot_attention",
    "dropout",
    "huber_loss",
    "many_to_many",
    "many_to_one",
    "mse_loss",
    "one_to_many",
    "one_to_one",
    "rtrl",
    "sampled",
    "sequence_to_sequence",
    "squared_error",
    "start",
    "summary",
    "unroll",
    "unroll_tree",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = of_package(__name__, __all__)
