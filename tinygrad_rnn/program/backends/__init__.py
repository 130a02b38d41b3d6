"""Graphs to text: NumPy, C and LaTeX."""
