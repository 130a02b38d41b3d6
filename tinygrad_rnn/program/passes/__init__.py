"""Graphs to graphs: each pass makes one better."""
