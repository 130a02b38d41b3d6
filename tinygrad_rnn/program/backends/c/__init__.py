"""The program in C: written, built by the system's compiler, and called."""

from tinygrad_rnn.program.backends.c.build import NoCompiler
from tinygrad_rnn.program.backends.c.call import Native
from tinygrad_rnn.program.backends.c.emit import Function, write
from tinygrad_rnn.program.backends.c.operands import Unwritable
from tinygrad_rnn.program.backends.c.standalone import alone, save

__all__ = ["Function", "Native", "NoCompiler", "Unwritable", "alone", "save", "write"]
