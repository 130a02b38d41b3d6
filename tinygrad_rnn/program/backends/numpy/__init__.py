"""A graph as a program in NumPy."""
