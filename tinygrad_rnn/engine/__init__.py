"""The engine: it records what is computed, and differentiates the record. It knows NumPy and nothing else."""

from tinygrad_rnn.engine.tensor import Tensor as Tensor  # first: everything else needs it
