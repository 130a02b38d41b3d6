"""The engine records what is computed and differentiates the record; it knows NumPy alone."""

from tinygrad_rnn.engine import accumulate as accumulate  # what `Tensor.backward` calls
from tinygrad_rnn.engine.primitives import Input as Input
from tinygrad_rnn.engine.tensor import Tensor as Tensor
