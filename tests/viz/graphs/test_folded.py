"""Does folding draw equal steps once, and only equal ones?"""

import numpy as np
import pytest

import tinygrad_rnn as tr
import viz
from tinygrad_rnn import Tensor, named, nn, scope


@pytest.mark.parametrize("cell", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
@pytest.mark.parametrize("detail", ["cell", "gate", "op"])
def test_equal_steps_become_one_with_a_dashed_edge_per_state(cell, detail, record, parsed):
    drawing = viz.folded(record(cell(3, 4, rng=0), steps=7), detail)
    shown = parsed(drawing)
    assert shown.counts["cluster"] == 1
    assert "t = 0 … 6" in shown.texts
    again = [edge for edge in drawing.parts.links if edge.kind == "recurrent"]
    assert len(again) == shown.counts["recurrent"] == (2 if cell is nn.LSTMCell else 1)
    assert all("t → t+1" in edge.label for edge in again)


def test_the_users_own_cell_folds(parsed):
    W = Tensor(np.ones((2, 2)), name="W")

    def leaky(x, h):
        return named(h=0.9 * h + tr.tanh(x @ W))

    outputs, _ = nn.unroll(leaky, np.ones((5, 1, 2)), Tensor(np.zeros((1, 2))))
    shown = parsed(viz.folded(outputs[-1]))
    assert shown.counts["cluster"] == 1
    assert "0.9 × ·" in shown.texts


def test_a_step_that_differs_keeps_a_block_of_its_own(parsed):
    h, cell = np.zeros((2, 4)), nn.RNNCell(3, 4, rng=0)
    for t in range(6):
        with scope("rnn", t=t):
            h = cell(np.ones((2, 3)), tr.stop_gradient(h) if t == 3 else h)
    shown = parsed(viz.folded(h.sum()))
    assert {"t = 0 … 2", "t = 3", "t = 4 … 5"} <= set(shown.texts)
    assert shown.counts["cluster"] == 3


def test_steps_that_differ_in_one_option_do_not_fold(parsed):
    h = Tensor(np.ones((2, 4)), name="h0")
    for t in range(4):
        with scope("step", t=t):
            h = named(h=tr.sum(h, axis=t % 2, keepdims=True) * np.ones((2, 4)))
    assert parsed(viz.folded(h.sum())).counts["cluster"] == 4


def test_layers_fold_each_for_itself(record, parsed):
    loss = record(nn.LSTMCell(3, 4, rng=0), nn.LSTMCell(4, 4, rng=0), steps=5)
    assert parsed(viz.folded(loss)).counts["cluster"] == 2


def test_what_leaves_every_step_says_so(parsed):
    outputs, _ = nn.unroll(nn.RNNCell(3, 4, rng=0), np.ones((4, 2, 3)))
    assert "every t" in parsed(viz.folded(tr.stack(outputs).sum())).texts
    assert "t = 3" in parsed(viz.folded(outputs[-1].sum())).texts


def test_a_lane_that_runs_backwards_folds_whole_and_says_which_way(parsed):
    cells = nn.LSTMCell(3, 4, rng=0), nn.LSTMCell(3, 4, rng=1)
    outputs, _ = nn.Recurrent(cells)(np.ones((5, 2, 3)))
    for detail in ("cell", "gate", "op"):
        drawing = viz.folded(outputs.sum(), detail)
        assert parsed(drawing).counts["cluster"] == 3  # forward, reverse, concat
        again = [edge.label for edge in drawing.parts.links if edge.kind == "recurrent"]
        assert again == ["h  t → t+1", "c  t → t+1", "h  t+1 → t", "c  t+1 → t"]
        assert len({b.column for b in drawing.parts.blocks if b.kind in ("step", "cell")}) == 1


def test_what_skips_a_step_says_so():
    h, hs, cell = np.zeros((2, 4)), [], nn.RNNCell(4, 4, rng=0)
    for t in range(6):
        with scope("clockwork", t=t):
            h = cell(hs[t - 2] if t > 1 else np.zeros((2, 4)), h)
        hs.append(h)
    labels = [edge.label for edge in viz.folded(h.sum(), "cell").parts.links]
    assert {"h  t → t+1", "h  t → t+2"} <= set(labels)


@pytest.mark.parametrize("detail", ["cell", "gate", "op"])
def test_steps_on_both_sides_of_a_cut_do_not_fold_into_one(detail, parsed):
    outputs, _ = nn.unroll(nn.LSTMCell(3, 4, rng=0), np.ones((6, 2, 3)), truncate=3)
    drawing = viz.folded(tr.stack(outputs).sum(), detail)
    cuts = [edge for edge in drawing.parts.links if edge.style.get("class") == "cut"]
    assert len(cuts) == 2  # of h and of c
    assert len({edge.head for edge in drawing.parts.links if "every" in edge.label}) <= 1
    assert parsed(drawing).counts["cluster"] == (2 if detail == "cell" else 3)
