"""With which cells does a test of all cells run? Those that `nn` shows, by their own samples."""

import pytest

from tinygrad_rnn import nn


class Enrolled:
    """Sample number `k` of a kind of cell, made anew for each test."""

    def __init__(self, kind, k):
        self.kind, self.k = kind, k

    def __repr__(self):
        return f"{self.kind.__name__}-{self.k}"

    def __call__(self, **how):
        """The cell, inputs (3, 2, …) and a state; `how` makes the cell: bias, rng, dtype."""
        return self.kind.samples(**{"rng": 0} | how)[self.k]


def enrolled(first=False, without=()):
    """All samples, or the first of each kind; without the kinds of these names."""
    kinds = [x for name, x in nn.cells_of(nn).items() if name not in without]
    return [Enrolled(x, k) for x in kinds for k in range(1 if first else len(x.samples(rng=0)))]


def every_sample(first=False, without=()):
    """A mark that runs a test with each as `sample`."""
    return pytest.mark.parametrize("sample", enrolled(first, without), ids=repr)
