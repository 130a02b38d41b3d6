"""A graph as equations."""
