"""What do the tests of pictures draw?"""

import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from tinygrad_rnn import nn, scope

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def record():
    """A function that unrolls a cell (several: layers) and gives the loss of its last output."""

    def run(*cells, steps=3, batch=2, inputs=3):
        rng = np.random.default_rng(0)
        outputs = rng.standard_normal((steps, batch, inputs))
        for k, cell in enumerate(cells):
            if len(cells) == 1:
                outputs, _ = nn.unroll(cell, outputs)
            else:
                with scope(f"layer {k + 1}"):
                    outputs, _ = nn.unroll(cell, outputs)
        return nn.mse_loss(outputs[-1], rng.standard_normal(outputs[-1].shape))

    return run


@pytest.fixture
def parsed():
    """A function that reads a drawing's SVG: how many of which class, its titles, its texts."""

    def read(drawing):
        tree = ElementTree.fromstring(drawing.svg())
        groups = [g.get("class", "").split() for g in tree.iter(f"{SVG}g")]
        return SimpleNamespace(
            counts=Counter(kind for classes in groups for kind in classes),
            texts=["".join(text.itertext()).strip() for text in tree.iter(f"{SVG}text")],
            root=tree,
        )

    return read


@pytest.fixture
def count():
    """A function that counts the nodes of a drawing by kind, and its edges as "edges"."""

    def kinds(drawing):
        counts = Counter(node.kind for block in drawing.parts.blocks for node in block.nodes)
        counts["edges"] = sum(1 for _ in drawing.parts.edges())
        return counts

    return kinds


@pytest.fixture
def looks():
    """A function that counts how the edges of a gradient flow look."""

    def classes(drawing):
        return Counter(edge.style.get("class", "plain") for edge in drawing.parts.edges())

    return classes


@pytest.fixture
def no_renderer(monkeypatch, tmp_path):
    """A machine without Graphviz: nothing on PATH, no pygraphviz."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
