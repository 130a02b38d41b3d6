"""How does a state move one step on?

Each cell is pure: ``state = cell(x, state)``, in the letters of its paper. A row is one example, so
products are written ``x @ W_x``, and `W_x` has shape (input, gates · hidden).

`named` gives the gates the letters under which they appear in pictures and errors. No cell has a
backward pass of its own, and your own cells need no registration.
"""

from tinygrad_rnn.nn.cells.base import GatedCell, SizedCell, affine
from tinygrad_rnn.nn.cells.clockwork import ClockworkCell
from tinygrad_rnn.nn.cells.conv import ConvLSTM1dCell, ConvLSTM2dCell
from tinygrad_rnn.nn.cells.echo import EchoStateCell
from tinygrad_rnn.nn.cells.elman import IndRNNCell, IRNNCell, RNNCell
from tinygrad_rnn.nn.cells.greff import GreffLSTMCell
from tinygrad_rnn.nn.cells.gru import GRUCell
from tinygrad_rnn.nn.cells.historic import HISTORIC, HistoricNet, historic_net
from tinygrad_rnn.nn.cells.jordan import JordanCell
from tinygrad_rnn.nn.cells.layernorm import LayerNormGRUCell, LayerNormLSTMCell, layer_norm
from tinygrad_rnn.nn.cells.lstm import CoupledLSTMCell, LSTMCell, PeepholeLSTMCell
from tinygrad_rnn.nn.cells.lstm1997 import MemoryBlockCell, centred, doubly_centred
from tinygrad_rnn.nn.cells.minimal import JANETCell, MGUCell, SimplifiedMGUCell
from tinygrad_rnn.nn.cells.multiplicative import MultiplicativeLSTMCell
from tinygrad_rnn.nn.cells.mutants import MUT1Cell, MUT2Cell, MUT3Cell
from tinygrad_rnn.nn.cells.orthogonal import OrthogonalCell
from tinygrad_rnn.nn.cells.projected import ProjectedLSTMCell
from tinygrad_rnn.nn.cells.readout import LeakyCell, ReadOutCell
from tinygrad_rnn.nn.cells.tree import ChildSumTreeLSTMCell, NaryTreeLSTMCell
from tinygrad_rnn.nn.cells.two_input import TwoInputCell

__all__ = [
    "HISTORIC",
    "ChildSumTreeLSTMCell",
    "ClockworkCell",
    "ConvLSTM1dCell",
    "ConvLSTM2dCell",
    "CoupledLSTMCell",
    "EchoStateCell",
    "GRUCell",
    "GatedCell",
    "GreffLSTMCell",
    "HistoricNet",
    "IRNNCell",
    "IndRNNCell",
    "JANETCell",
    "JordanCell",
    "LSTMCell",
    "LayerNormGRUCell",
    "LayerNormLSTMCell",
    "LeakyCell",
    "MGUCell",
    "MUT1Cell",
    "MUT2Cell",
    "MUT3Cell",
    "MemoryBlockCell",
    "MultiplicativeLSTMCell",
    "NaryTreeLSTMCell",
    "OrthogonalCell",
    "PeepholeLSTMCell",
    "ProjectedLSTMCell",
    "RNNCell",
    "ReadOutCell",
    "SimplifiedMGUCell",
    "SizedCell",
    "TwoInputCell",
    "affine",
    "centred",
    "doubly_centred",
    "historic_net",
    "layer_norm",
]
