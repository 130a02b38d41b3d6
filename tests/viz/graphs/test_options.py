"""Does a picture show what its options say, and refuse what it would ignore?"""

from itertools import pairwise

import numpy as np
import pytest

import viz
from tinygrad_rnn import named, nn, scope
from viz.gallery import small
from viz.layout.edges import placed


def nodes(drawing, kind):
    return [n.label for b in drawing.parts.blocks for n in b.nodes if n.kind == kind]


def test_a_gradient_flow_of_cells_shows_one_glance_of_it(record):
    drawing = viz.gradient_flow(record(nn.LSTMCell(3, 4, rng=0)), "cell")
    assert nodes(drawing, "input") == ["x₀", "x₁", "x₂"]
    assert nodes(drawing, "constant") == []  # no zeros before the first step, no target
    every = viz.gradient_flow(
        record(nn.LSTMCell(3, 4, rng=0)), "cell", initial=True, targets=True, shapes=True
    )
    assert len(nodes(every, "constant")) == 3
    assert any(n.note == "2×3" for b in every.parts.blocks for n in b.nodes)


def test_shapes_initial_states_and_given_values_can_be_left_out(record):
    loss = record(nn.RNNCell(3, 4, rng=0))
    bare = viz.unrolled(loss, "gate", shapes=False, initial=False, hide=("b_x", "b_h"))
    assert not any(n.note for b in bare.parts.blocks for n in b.nodes)
    assert not any(b.kind == "initial" for b in bare.parts.blocks)
    assert set(nodes(bare, "parameter")) == {"W_x", "W_h"}
    assert set(nodes(viz.unrolled(loss, "gate", show=("W_h",)), "parameter")) == {"W_h"}
    assert bare.svg()


def test_names_and_labels_are_read(record):
    loss = record(nn.LSTMCell(3, 4, rng=0))
    drawing = viz.gradient_flow(loss, "cell", names={"lstm": "LSTM", "c": "s"}, labels="BTX")
    assert nodes(drawing, "cell") == ["LSTM"] * 3
    assert nodes(drawing, "input") == ["x₀\nB", "x₁\nT", "x₂\nX"]
    assert {e.label.split()[0] for e in drawing.parts.links if e.label} == {"s", "h"}


def answered(steps=3):
    """A loss at each step, of an answer."""
    outputs, _ = nn.unroll(nn.LSTMCell(3, 4, rng=0), np.ones((steps, 1, 3)))
    head, total = nn.Linear(4, 2, rng=0), 0
    for t, h in enumerate(outputs):
        with scope("readout", t=t):
            y = named(y=head(h))
        with scope("loss", t=t):
            loss = nn.cross_entropy(y, np.array([1]))
        total = total + loss
    return total


def test_the_loss_can_be_left_out():
    for detail in ("cell", "gate", "op"):
        every, bare = (viz.unrolled(answered(), detail, loss=shown) for shown in (True, False))
        assert any("loss" in n.label for b in every.parts.blocks for n in b.nodes)
        assert not any("loss" in n.label for b in bare.parts.blocks for n in b.nodes)
        names = [b.name for b in bare.parts.blocks]
        assert detail == "cell" or names.count("readout") == 3
        assert bare.svg()


def test_numbers_tell_apart_what_cells_hand_on():
    drawing = viz.unrolled(answered(), "cell", numbered=True)
    labels = [edge.label for edge in drawing.parts.links if edge.label]
    states = ["h₀", "c₀", "h₁", "c₁"]
    assert sorted(labels) == sorted([*states, "y₀", "y₁", "y₂"])
    assert not any("₀" in e.label for e in viz.unrolled(answered(), "cell").parts.links)


def test_a_step_without_a_state_looks_otherwise():
    kinds = {
        n.label: n.kind for b in viz.unrolled(answered(), "cell").parts.blocks for n in b.nodes
    }
    assert (kinds["lstm"], kinds["readout"], kinds["loss"]) == ("cell", "layer", "loss")


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"shape": True}, TypeError, "unknown option 'shape'. Did you mean shapes"),
        ({"loss": 0.5}, TypeError, "loss must be True or False.*comes first"),
        ({"shapes": 1}, TypeError, "shapes must be True or False"),
        ({"hide": "W_h"}, TypeError, r"names in a tuple: hide=\('W_h',\)"),
        ({"hide": ("W_hh",)}, ValueError, "nothing that is given is called 'W_hh'. Did you mean"),
        ({"names": {"q": "p"}}, ValueError, "nothing in the picture is called 'q'"),
        ({"labels": "BT"}, ValueError, "there are 2, none for t = 2"),
    ],
)
def test_options_that_would_be_ignored_are_refused(options, error, says, record):
    with pytest.raises(error, match=f"unrolled: .*{says}"):
        viz.unrolled(record(nn.RNNCell(3, 4, rng=0)), "gate", **options)


def test_a_line_from_layer_to_layer_passes_beside_what_the_upper_cell_is_given():
    outputs, _ = nn.LSTM(1, 2, num_layers=2, rng=0)(np.ones((3, 1, 1)))
    plan = placed(viz.unrolled((outputs * outputs).sum(), "cell", weights="stub").parts)
    for block, frame in plan.frames.items():
        if block.kind == "cell" and not block.titled:
            cell = next(n for n in block.nodes if n.kind == "cell")
            given = [plan.at[n.id] for n in block.nodes if n is not cell]
            left = min(x - w / 2 for x, _, w, _ in given)
            assert left > plan.at[cell.id][0] - 28 + 4
            assert frame.layout.width > 0


def test_two_nets_stand_on_one_sheet_on_one_scale_with_one_legend(record):
    losses = {"RNN": record(nn.RNNCell(3, 4, rng=0)), "LSTM": record(nn.LSTMCell(3, 4, rng=0))}
    sheet = viz.gradient_flow(losses, "cell")
    assert repr(sheet) == "<sheet of RNN, LSTM>"
    assert sheet.source.count("exactly zero") == 1
    looks = {}
    for panel in sheet.panels:
        for edge in panel.parts.edges():
            if edge.tip.startswith("‖") and edge.style["class"] == "gradient":
                looks.setdefault(edge.style["color"], set()).add(float(edge.tip.split("= ")[1]))
    spans = sorted((min(norms), max(norms)) for norms in looks.values())
    assert all(a[1] <= b[0] * 1.2 for a, b in pairwise(spans))
    table = sheet.numbers.columns()
    assert set(table["panel"]) == {"RNN", "LSTM"}
    assert len(table["panel"]) == len(table["norm"])


def test_drawings_on_a_sheet_stay_as_they_are(record):
    one = viz.unrolled(record(nn.RNNCell(3, 4, rng=0)), "cell")
    before = one.source
    sheet = viz.sheet({"a": one, "b": one})
    assert one.source == before
    assert "<svg" in sheet.svg()
    with pytest.raises(TypeError, match="'a' is a str, and no drawing"):
        viz.sheet({"a": "picture"})


def test_names_are_those_of_one_of_several_nets_at_least(record):
    losses = {"RNN": record(nn.RNNCell(3, 4, rng=0)), "LSTM": record(nn.LSTMCell(3, 4, rng=0))}
    sheet = viz.gradient_flow(losses, "cell", names={"rnn": "Elman", "lstm": "LSTM"})
    assert set(nodes(sheet, "cell")) == {"Elman", "LSTM"}
    with pytest.raises(ValueError, match="nothing in the picture is called 'gru'"):
        viz.gradient_flow(losses, "cell", names={"gru": "GRU"})


def test_a_single_step_that_reads_no_other_is_a_cell_and_what_reads_it_an_answer():
    kinds = {
        n.label: n.kind for b in viz.unrolled(answered(1), "cell").parts.blocks for n in b.nodes
    }
    assert (kinds["lstm"], kinds["readout"]) == ("cell", "layer")
    sheet = viz.sequence_shapes()
    assert len(nodes(sheet, "cell")) == 1 + 3 + 3 + 3 + 5
    assert len(nodes(sheet, "layer")) == 1 + 3 + 1 + 3 + 3


def test_beside_what_gathers_several_lines_there_are_no_letters(parsed):
    loss = small.answering(4)
    one, two = (viz.unrolled(loss, "cell", numbered=True, per_line=k) for k in (4, 2))
    letters = {"loss₀", "loss₁", "loss₂", "loss₃"}
    assert letters <= set(parsed(one).texts)
    assert not letters & set(parsed(two).texts)
    assert "h₀" in parsed(two).texts
