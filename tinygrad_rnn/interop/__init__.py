"""Weights in and out of other frameworks, without importing them."""

from tinygrad_rnn.interop.torch_weights import from_torch, torch_weights

__all__ = ["from_torch", "torch_weights"]
