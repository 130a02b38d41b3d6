"""Do charts of several nets show each on the same scale?"""

import csv

import numpy as np
import pytest

import viz
from tinygrad_rnn import Tensor, measure, nn

pytest.importorskip("matplotlib")


def nets():
    """An LSTM and a GRU whose states are ten times as large."""
    found = {}
    for name, cell, scale in (("LSTM", nn.LSTMCell, 1.0), ("GRU", nn.GRUCell, 10.0)):
        x = Tensor(np.ones((7, 2, 3)), name="x")
        h0 = np.full((2, 4), scale)
        state = (h0, h0) if name == "LSTM" else h0
        outputs, _ = nn.unroll(cell(3, 4, rng=0), x, state)
        found[name] = (outputs[-1] * outputs[-1]).sum() * scale
    return found


def drawn(plot):
    figure = plot.figure()
    figure.canvas.draw()
    return figure


def images(plot):
    figure = drawn(plot)
    return [ax.images[0] for ax in figure.axes if ax.images], figure


def test_gate_maps_of_several_nets_have_one_scale_for_each_letter(tmp_path):
    plot = viz.gate_map(nets(), ["f", "z", "h"], text="letters")
    assert list(plot.numbers) == ["LSTM", "GRU"]
    assert (list(plot.numbers["LSTM"].values), list(plot.numbers["GRU"].values)) == (
        ["f", "h"],
        ["z", "h"],
    )
    shown, figure = images(plot)
    assert len(shown) == 4
    h = [image.get_clim() for image in shown if image.get_cmap().name == "RdBu_r"]
    largest = max(np.abs(g.values["h"]).max() for g in plot.numbers.values())
    assert h == [(-largest, largest)] * 2
    words = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert sorted(words) == ["has no f", "has no z"]
    labels = [[t.get_text() for t in ax.get_xticklabels()] for ax in figure.axes]
    assert labels.count(list("letters")) >= 2  # below each net
    single = viz.gate_map(nets()["LSTM"], "f")
    assert single.numbers.values.keys() == {"f"}
    with plot.csv(tmp_path / "gates.csv").open(encoding="utf-8") as file:
        assert {row["panel"] for row in csv.DictReader(file)} == {"LSTM", "GRU"}


@pytest.mark.parametrize(
    "draw",
    [
        lambda loss: viz.text_activation(loss, text="letters", unit=1),
        lambda loss: viz.text_connectivity(loss, text="letters", log=True),
    ],
    ids=["activation", "connectivity"],
)
def test_texts_of_several_nets_have_one_scale(draw):
    plot = draw(nets())
    alone = {name: draw(loss) for name, loss in nets().items()}
    colours = {}
    for name, one in (("both", plot), *alone.items()):
        figure = drawn(one)
        colours[name] = [ax.images[0].get_array() for ax in figure.axes if ax.images]
    for name, numbers in plot.numbers.items():
        assert np.allclose(numbers.values, alone[name].numbers.values)
    assert len(colours["both"]) == 2
    differ = [
        not np.allclose(both, colours[name][0])
        for both, name in zip(colours["both"], alone, strict=True)
    ]
    assert any(differ)  # on a scale of its own each would look as large


def test_a_unit_may_be_another_in_each_net():
    plot = viz.text_activation(nets(), text="letters", unit={"LSTM": 0, "GRU": 3})
    states = {name: measure.trajectories(loss).states for name, loss in nets().items()}
    assert np.allclose(plot.numbers["LSTM"].values, states["LSTM"][:, 0, 0])
    assert np.allclose(plot.numbers["GRU"].values, states["GRU"][:, 0, 3])
    with pytest.raises(TypeError, match="unit must be a whole number"):
        viz.text_activation(nets(), text="letters", unit={"LSTM": 0})


def test_surfaces_of_several_losses_have_one_scale():
    axis = np.linspace(-1, 1, 9)
    plot = viz.loss_surface(
        {"bowl": lambda a, b: a * a + b * b, "steep": lambda a, b: 9.0 * (a * a + b * b)},
        axis, axis,
    )  # fmt: skip
    figure = drawn(plot)
    meshes = [ax.collections[0] for ax in figure.axes if ax.get_title() in ("bowl", "steep")]
    assert [mesh.get_clim() for mesh in meshes] == [(0.0, 18.0)] * 2
    words = [t.get_text() for t in figure.legends[0].get_texts()]
    assert [word.split(":")[0] for word in words] == ["bowl", "bowl", "steep", "steep"]
