"""Does a notebook that is to be committed get PNGs, and another one SVG?"""

import numpy as np
import pytest

import viz
from tinygrad_rnn import nn


@pytest.fixture(params=["drawing", "circuit", "sheet", "plot", "player"])
def picture(request):
    cell = nn.RNNCell(3, 4, rng=0)
    outputs, _ = nn.unroll(cell, np.ones((2, 1, 3)))
    if request.param == "plot":
        pytest.importorskip("matplotlib")
    return {
        "drawing": lambda: viz.folded(outputs),
        "circuit": lambda: viz.cell(cell),
        "sheet": lambda: viz.sheet({"RNN": viz.folded(outputs)}),
        "plot": lambda: viz.activation(["tanh"]),
        "player": lambda: viz.play((outputs[-1] * outputs[-1]).sum()),
    }[request.param]()


def test_a_notebook_gets_a_png_alone_where_the_environment_asks_for_that(picture, monkeypatch):
    monkeypatch.setenv("VIZ_NOTEBOOK", "png")
    bundle = picture._repr_mimebundle_()
    assert set(bundle) == {"image/png", "text/plain"}
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert len(bundle["image/png"]) < 100_000


def test_else_it_gets_what_is_sharp_at_any_size(picture, monkeypatch):
    monkeypatch.delenv("VIZ_NOTEBOOK", raising=False)
    bundle = picture._repr_mimebundle_()
    assert "image/svg+xml" in bundle or "image/svg+xml" in bundle["text/html"]


def test_another_format_is_refused(monkeypatch):
    monkeypatch.setenv("VIZ_NOTEBOOK", "gif")
    with pytest.raises(ValueError, match="VIZ_NOTEBOOK must be svg or png, got 'gif'"):
        viz.folded(nn.unroll(nn.RNNCell(3, 4, rng=0), np.ones((2, 1, 3)))[1])._repr_mimebundle_()
