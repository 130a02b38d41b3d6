"""The program in C: written, built by the system's compiler, and called."""

from tinygrad_rnn.program.native.alone import alone, save
from tinygrad_rnn.program.native.build import NoCompiler
from tinygrad_rnn.program.native.call import Native
from tinygrad_rnn.program.native.operands import Unwritable
from tinygrad_rnn.program.native.write import Function, write

__all__ = ["Function", "Native", "NoCompiler", "Unwritable", "alone", "save", "write"]
