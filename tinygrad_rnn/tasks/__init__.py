"""Data whose right answer is known, and text that is on every machine."""

from tinygrad_rnn.tasks.text import Alphabet, chunks, python_documentation

__all__ = ["Alphabet", "chunks", "python_documentation"]
