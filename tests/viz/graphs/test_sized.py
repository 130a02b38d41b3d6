"""Is all text of a picture large enough where it is shown, and is what is left out said?"""

import importlib
import re
import struct

import numpy as np
import pytest

import viz
from tinygrad_rnn import nn
from viz.layout.fit import PAGES, smallest


def fonts(drawing):
    """All sizes of letters in a drawing's SVG, as they are shown, in points."""
    svg = drawing.svg()
    scale = float(re.search(r"scale\(([\d.]+)", svg)[1])
    unit = 1.0 if "pt" in svg.split("<svg", 1)[1].split(">")[0] else 0.75
    return [float(size) * scale * unit for size in re.findall(r'font-size="([\d.]+)"', svg)]


@pytest.mark.parametrize("size", [*PAGES, (600.0, 400.0)], ids=str)
@pytest.mark.parametrize("steps", [4, 30])
@pytest.mark.parametrize("draw", [viz.unrolled, viz.gradient_flow])
def test_all_text_is_large_enough(draw, steps, size, record):
    drawing = draw(record(nn.RNNCell(3, 4, rng=0), steps=steps), size=size)
    assert min(fonts(drawing)) >= (14 if size == "slide" else 9) - 0.05
    _, width, height = drawing._positioned
    room = PAGES[size][:2] if isinstance(size, str) else size
    assert width <= room[0] + 0.1
    assert height <= room[1] + 0.1


def test_thirty_steps_on_a_slide_show_their_beginning_and_end(record):
    drawing = viz.gradient_flow(record(nn.RNNCell(3, 32, rng=0), steps=30), size="slide")
    labels = [n.label for b in drawing.parts.blocks for n in b.nodes]
    assert {"x₀", "x₂₉"} <= set(labels)
    assert any(label.startswith("⋯ ×") for label in labels)


def test_a_slide_as_png_has_1920_by_1080_pixels_and_others_as_many_as_asked(record, tmp_path):
    loss = record(nn.LSTMCell(3, 4, rng=0))

    def pixels(path):
        return struct.unpack(">II", path.read_bytes()[16:24])

    assert pixels(viz.unrolled(loss, size="slide").save(tmp_path / "a.png")) == (1920, 1080)
    small, large = (viz.unrolled(loss, "cell") for _ in range(2))
    a = pixels(small.save(tmp_path / "a.png"))
    b = pixels(large.save(tmp_path / "b.png", dpi=192))
    assert b[0] == pytest.approx(2 * a[0], abs=2)
    with pytest.raises(ValueError, match=r"dpi is of a PNG"):
        small.save(tmp_path / "a.svg", dpi=100)


def test_what_does_not_fit_says_what_to_do(record):
    loss = record(nn.LSTMCell(3, 4, rng=0), steps=4)
    with pytest.raises(
        ValueError, match=r"smallest text would have .* Choose detail=\"cell\", viz.cell"
    ):
        viz.unrolled(loss, "op", size="column")
    with pytest.raises(ValueError, match=r"unknown size 'a4'; choose 'slide', 'page', 'column'"):
        viz.unrolled(loss, size="a4")
    with pytest.raises(ValueError, match="min_font needs a size"):
        viz.unrolled(loss, min_font=12)


def test_one_step_is_shown_by_its_gates_and_several_as_cells(record):
    one = viz.unrolled(record(nn.GRUCell(3, 4, rng=0), steps=1), size="slide")
    assert any(n.label.startswith("r = ") for b in one.parts.blocks for n in b.nodes)
    several = viz.unrolled(record(nn.GRUCell(3, 4, rng=0), steps=3), size="page")
    assert any(n.kind == "cell" for b in several.parts.blocks for n in b.nodes)
    assert smallest(several.parts) > 0


@pytest.mark.parametrize(
    ("cell", "steps"),
    [
        (nn.LSTMCell, 1),
        (nn.GRUCell, 1),
        (nn.LSTMCell, 30),
        pytest.param(nn.RNNCell, 30, marks=pytest.mark.slow),
    ],
)
def test_gates_are_legible_on_a_slide(cell, steps, record):
    drawing = viz.unrolled(record(cell(3, 4, rng=0), steps=steps), "gate", size="slide")
    assert min(fonts(drawing)) >= 14 - 0.05
    labels = [n.label for b in drawing.parts.blocks for n in b.nodes]
    assert any(label.startswith("Left out for its size: ") for label in labels)
    assert steps == 1 or any(label.startswith("⋯ ×") for label in labels)


def test_of_a_gradient_flow_the_loss_stays(record):
    loss = record(nn.RNNCell(3, 4, rng=0), steps=30)
    drawing = viz.gradient_flow(loss, "gate", size="slide")
    assert any(block.loss for block in drawing.parts.blocks)


@pytest.mark.parametrize("size", ["slide", "page"])
def test_two_nets_are_legible_on_one_page_and_show_both_ends(size, record):
    cells = {"RNN": nn.RNNCell(3, 4, rng=0), "LSTM": nn.LSTMCell(3, 4, rng=0)}
    losses = {name: record(cell, steps=20) for name, cell in cells.items()}
    sheet = viz.gradient_flow(losses, size=size)
    assert min(fonts(sheet)) >= (14 if size == "slide" else 9) - 0.05
    for panel in sheet.panels:
        labels = {n.label for b in panel.parts.blocks for n in b.nodes}
        assert {"x₀", "x₁₉"} <= labels
    _, width, height = sheet._positioned
    assert width <= PAGES[size][0] + 0.1
    assert height <= PAGES[size][1] + 0.1
    with pytest.raises(ValueError, match=r"gradient_flow: .* Choose fewer nets"):
        viz.gradient_flow(losses, size=(60.0, 60.0))


@pytest.mark.parametrize("size", ["slide", "page"])
@pytest.mark.parametrize("cell", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_a_circuit_fills_its_page_with_legible_text(cell, size):
    drawing = viz.cell(cell(3, 4, rng=0), size=size)
    below = 0.8  # of subscripts
    assert min(fonts(drawing)) >= below * (14 if size == "slide" else 9)
    assert drawing.shows_equations
    _, width, height = drawing._positioned
    assert width <= PAGES[size][0] + 0.1
    assert height <= PAGES[size][1] + 0.1


def test_a_circuit_drops_its_equations_before_it_is_refused():
    cell = nn.LSTMCell(3, 4, rng=0)
    room = (706.0, 450.0)
    bare = viz.cell(cell, size=room, min_font=14)
    assert not bare.shows_equations
    assert "Left out for its size: equations." in bare._positioned[0]
    with pytest.raises(ValueError, match=r"cell: the smallest text would have 5.4 points"):
        viz.cell(cell, size="column")


@pytest.mark.parametrize("decades", [1, 3, 4, 5, 9, 30])
def test_the_size_of_text_does_not_depend_on_how_far_gradients_spread(decades, monkeypatch):
    flow = "viz.graphs.gradient_flow"
    outputs, _ = nn.unroll(nn.LSTMCell(3, 4, rng=0), np.ones((7, 1, 3)))
    loss = sum((h * h).sum() for h in outputs)
    height = viz.gradient_flow(loss, size="slide").fit[1]
    look = importlib.import_module(flow).look
    monkeypatch.setattr(f"{flow}.decades", lambda norms: (-float(decades), 0.0))
    monkeypatch.setattr(f"{flow}.look", lambda norm, low, high: look(norm and 1.0, low, high))
    assert viz.gradient_flow(loss, size="slide").fit[1] == pytest.approx(height, rel=0.02)
