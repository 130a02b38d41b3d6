"""The record of a training step, rolled up again and printed as a program."""

from tinygrad_rnn.program.step import CompiledStep, compile

__all__ = ["CompiledStep", "compile"]
