"""Optimisers, gradient clipping, schedules, checkpoints, and the training loop `fit`."""

from typing import TYPE_CHECKING

from tinygrad_rnn.hints import of_package
from tinygrad_rnn.train.checkpoint import CheckpointError
from tinygrad_rnn.train.clipping import clip_grad_norm, clip_grad_norm_each, clip_grad_value
from tinygrad_rnn.train.information_flow import information_flow
from tinygrad_rnn.train.loop import fit
from tinygrad_rnn.train.noise import add_gradient_noise
from tinygrad_rnn.train.optimiser import Optimiser
from tinygrad_rnn.train.optimisers import SGD, Adagrad, Adam, AdamW, RMSprop
from tinygrad_rnn.train.run import Run, load_run, save_run
from tinygrad_rnn.train.schedules import Plateau, constant, cosine, exponential, staircase, warm_up

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "CheckpointError",
    "Optimiser",
    "Plateau",
    "RMSprop",
    "Run",
    "add_gradient_noise",
    "clip_grad_norm",
    "clip_grad_norm_each",
    "clip_grad_value",
    "constant",
    "cosine",
    "exponential",
    "fit",
    "information_flow",
    "load_run",
    "save_run",
    "staircase",
    "warm_up",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = of_package(__name__, __all__)
