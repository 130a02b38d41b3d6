"""What changes the parameters."""

from tinygrad_rnn.train.clipping import clip_grad_norm
from tinygrad_rnn.train.optimisers import SGD, Adam

__all__ = ["SGD", "Adam", "clip_grad_norm"]
