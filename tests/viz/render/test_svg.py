"""Is text in the middle of its box, and a formula in one piece, whatever fonts the reader has?"""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import viz
from tinygrad_rnn import nn

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def drawings(record):
    loss = record(nn.LSTMCell(3, 4, rng=0))
    cell = nn.LSTMCell(3, 4, rng=0)
    return {
        "gates": viz.unrolled(loss, "gate"),
        "slide": viz.gradient_flow(loss, size="slide"),
        "sheet": viz.unfolding(record(nn.RNNCell(3, 4, rng=0))),
        "hub": viz.unrolled(record(nn.RNNCell(3, 4, rng=0)), "cell", weights="hub"),
        "truncation": viz.truncation(loss),
        "circuit": viz.cell(cell),
        "circuit on a slide": viz.cell(cell, size="slide"),
    }


def boxes(svg):
    """Nodes with a shape and text: the middle of the shape, and the elements of the text."""
    for group in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        texts = list(group.iter(f"{SVG}text"))
        shapes = [x for tag in ("path", "polygon") for x in group.iter(f"{SVG}{tag}")]
        rounds = list(group.iter(f"{SVG}ellipse"))
        kind = group.get("class", "").split()
        if "node" not in kind or "legend" in kind or not texts or not shapes + rounds:
            continue  # a legend is a table
        outline = shapes[0].get("d") or shapes[0].get("points") if shapes else ""
        across = [float(x) for x in re.findall(r"(-?[\d.]+),-?[\d.]+", outline)]
        yield float(rounds[0].get("cx")) if rounds else (min(across) + max(across)) / 2, texts


@pytest.mark.parametrize(
    "name", ["gates", "slide", "sheet", "hub", "truncation", "circuit", "circuit on a slide"]
)
def test_each_line_is_anchored_in_the_middle_of_its_box(name, drawings):
    found = list(boxes(drawings[name].svg()))
    assert len(found) >= 4
    for middle, texts in found:
        for text in texts:
            assert text.get("text-anchor") == "middle"
            assert float(text.get("x")) == pytest.approx(middle, abs=0.6)


def test_a_line_of_a_formula_is_one_element_and_returns_from_its_subscripts(drawings):
    tree = ElementTree.fromstring(drawings["circuit"].svg())
    lines = ["".join(text.itertext()) for text in tree.iter(f"{SVG}text")]
    assert "f = σ(xt Wf + ht−1 Uf + bf)" in lines
    for text in tree.iter(f"{SVG}text"):
        moved = np.cumsum([float(x.get("dy", 0)) for x in text.iter(f"{SVG}tspan")])
        sizes = [float(x.get("font-size")) for x in text.iter(f"{SVG}tspan")]
        for at, size in zip(moved, sizes, strict=True):
            assert at == pytest.approx(0.25 * size if size < max(sizes) else 0, abs=0.01)
    assert "baseline-shift" not in drawings["circuit"].svg()
