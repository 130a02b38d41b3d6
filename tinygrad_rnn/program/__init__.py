"""The record of a training step, rolled up again and printed as a program."""

from tinygrad_rnn.program.runtime.outline import Operation, Outline, Part, Read
from tinygrad_rnn.program.runtime.step import CompiledStep, compile

__all__ = ["CompiledStep", "Operation", "Outline", "Part", "Read", "compile"]
