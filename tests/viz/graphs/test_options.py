"""Does a picture show what its options say, and refuse what it would ignore?"""

import numpy as np
import pytest

import viz
from tinygrad_rnn import nn
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


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"shape": True}, TypeError, "unknown option 'shape'. Did you mean shapes"),
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
