"""Is every picture shown on request, also where a cell or a script draws several?"""

import sys
import urllib.request
import webbrowser
from types import SimpleNamespace

import numpy as np
import pytest

import viz
from tinygrad_rnn import nn

KINDS = {
    "drawing": lambda loss, hs: viz.unrolled(loss),
    "sheet": lambda loss, hs: viz.unfolding(loss),
    "circuit": lambda loss, hs: viz.cell(loss),
    "plot": lambda loss, hs: viz.gradient_matrix([(h * h).sum() for h in hs]),
    "player": lambda loss, hs: viz.play(loss),
    "frames": lambda loss, hs: viz.frames(loss, count=2),
    "steps": lambda loss, hs: viz.steps(loss, ["h"]),
}


@pytest.fixture
def draw():
    outputs, _ = nn.unroll(nn.RNNCell(2, 3, rng=0), np.ones((3, 1, 2)))
    loss = (outputs[-1] * outputs[-1]).sum()
    return lambda kind: KINDS[kind](loss, outputs)


@pytest.mark.parametrize("kind", KINDS)
def test_in_a_notebook_it_is_displayed(kind, draw, monkeypatch):
    shown = []
    fake = SimpleNamespace(get_ipython=lambda: True, display=SimpleNamespace(display=shown.append))
    monkeypatch.setitem(sys.modules, "IPython", fake)
    picture = draw(kind)
    picture.show()
    assert shown == [picture]


@pytest.mark.parametrize("kind", KINDS)
def test_elsewhere_a_browser_opens_it(kind, draw, monkeypatch):
    opened = []
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    monkeypatch.setattr(webbrowser, "open", opened.append)
    draw(kind).show()
    [address] = opened
    page = kind in ("player", "frames", "steps")
    assert address.endswith(".html" if page else ".svg")
    with urllib.request.urlopen(address) as file:
        assert ("<html" if kind == "player" else "<svg").encode() in file.read()
