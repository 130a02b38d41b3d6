"""The record as a graph of sequences: what is computed once, and what at every step?"""
