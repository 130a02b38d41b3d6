"""How does a state move one step on?

Each cell is pure: ``state = cell(x, state)``, in the letters of its paper. Products stand row by
row, ``x @ W_x``: a row is one example, so `W_x` has shape (input, gates · hidden).

`named` gives the gates their letters, which is how they appear in pictures and errors. Nobody
writes a backward pass, and a cell of your own needs no registration.
"""

from tinygrad_rnn.nn.cells.base import GatedCell, affine
from tinygrad_rnn.nn.cells.elman import IndRNNCell, IRNNCell, JordanCell, RNNCell
from tinygrad_rnn.nn.cells.gru import GRUCell
from tinygrad_rnn.nn.cells.lstm import LSTMCell

__all__ = [
    "GRUCell",
    "GatedCell",
    "IRNNCell",
    "IndRNNCell",
    "JordanCell",
    "LSTMCell",
    "RNNCell",
    "affine",
]
