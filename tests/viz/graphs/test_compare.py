"""Do pictures of several pictures show what each of them shows, and what tells them apart?"""

import numpy as np
import pytest

import tinygrad_rnn as tr
import viz
from tinygrad_rnn import Tensor, measure, named, nn, stack
from viz import theme

CELLS = {"RNN": nn.RNNCell, "LSTM": nn.LSTMCell, "GRU": nn.GRUCell}


def nodes(parts):
    return [node for block in parts.blocks for node in block.nodes]


def truncated(truncate, steps=6, cell=nn.RNNCell):
    xs = np.random.default_rng(0).standard_normal((steps, 2, 3))
    outputs, _ = nn.unroll(cell(3, 4, rng=0), xs, truncate=truncate)
    return nn.mse_loss(stack(outputs), np.zeros((steps, 2, 4)))


# -- folded and unfolded ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("detail", ["cell", "gate", "op"])
def test_folded_and_unfolded_show_the_same_record(name, detail, record, parsed):
    loss = record(CELLS[name](3, 4, rng=0), steps=4)
    sheet = viz.unfolding(loss, detail)
    alone = viz.folded(loss, detail), viz.unrolled(loss, detail)
    for panel, drawing in zip(sheet.panels, alone, strict=True):
        expected = [(node.kind, node.label) for node in nodes(drawing.parts)]
        assert [(node.kind, node.label) for node in nodes(panel.parts)] == expected
    shown = parsed(sheet)
    assert shown.counts["cluster"] == 1 + 4
    assert {"folded", "unfolded"} <= set(shown.texts)
    ids = [node.id for node in nodes(sheet.parts)]
    assert len(set(ids)) == len(ids)


def test_both_stand_side_by_side_where_there_is_room(record):
    def size(loss, **how):
        _, width, height = viz.unfolding(loss, "cell", **how)._positioned
        return width, height

    short, long = (record(nn.RNNCell(3, 4, rng=0), steps=steps) for steps in (3, 14))
    assert size(short) == size(short, across=True)
    assert size(long) == size(long, across=False)
    (wide, low), (narrow, high) = size(short, across=True), size(short, across=False)
    assert wide > narrow
    assert low < high


def test_a_sheet_is_saved_in_every_format(record, tmp_path):
    sheet = viz.unfolding(record(nn.RNNCell(3, 4, rng=0)))
    for ending, begins in (("svg", b"<?xml"), ("png", b"\x89PNG"), ("dot", b"digraph")):
        assert sheet.save(tmp_path / f"a.{ending}").read_bytes().startswith(begins)
    assert "pos=" not in sheet.source
    assert "<svg" in sheet._repr_mimebundle_()["image/svg+xml"]


# -- from cell to cell -----------------------------------------------------------------------------


def test_what_the_cell_before_does_not_have_is_coloured(record):
    losses = {name: record(cell(3, 4, rng=0)) for name, cell in CELLS.items()}
    sheet = viz.differences(losses)
    fresh = [
        {n.label.partition(" = ")[0] for n in nodes(panel.parts) if n.kind == "new"}
        for panel in sheet.panels
    ]
    assert not fresh[0]
    assert {"i", "f", "g", "o", "c"} <= fresh[1]
    assert {"r", "z", "n"} <= fresh[2]
    assert not {"h", "x"} & (fresh[1] | fresh[2])
    assert theme.NODES["new"]["color"] in sheet.svg()
    assert "orange: what LSTM does not have" in sheet.panels[2].title


def test_what_is_computed_otherwise_differs_though_it_has_the_same_letters(record):
    W, U, r = (Tensor(np.full((4, 4), 0.1), name=name) for name in ("W", "U", "r"))
    losses = {}
    for title, f in {
        "reset after": lambda x, h: named(h=tr.tanh(x @ W + r * (h @ U))),
        "reset before": lambda x, h: named(h=tr.tanh(x @ W + (r * h) @ U)),
    }.items():
        losses[title] = nn.unroll(f, np.ones((3, 4, 4)), Tensor(np.ones((4, 4))))[0][-1]
    sheet = viz.differences(losses)
    assert [[n.label.partition(" ")[0] for n in nodes(panel.parts) if n.kind == "changed"]
            for panel in sheet.panels] == [[], ["h"]]  # fmt: skip
    assert "framed" in sheet.panels[1].title


def test_equal_cells_have_no_difference(record):
    loss = record(nn.GRUCell(3, 4, rng=0))
    sheet = viz.differences({"one": loss, "two": record(nn.GRUCell(3, 4, rng=1))}, "op")
    assert not any(node.kind.startswith(("new", "changed")) for node in nodes(sheet.parts))
    with pytest.raises(ValueError, match="at least two records by their titles"):
        viz.differences({"one": loss})


# -- one product -----------------------------------------------------------------------------------


def test_a_product_opens_into_its_multiplications_and_sums(record):
    loss = record(nn.RNNCell(3, 2, rng=0), inputs=3)
    drawing = viz.zoom(loss, t=1)  # x (2, 3) @ W_x (3, 2)
    labels = [node.label for node in nodes(drawing.parts)]
    assert labels.count("×") == 2 * 3 * 2
    assert sum(label.endswith("+") for label in labels) == 2 * 2 * 2
    assert {"x[0,0]", "W_x[2,1]", "y[1,1] = +"} <= set(labels)
    one = [node.label for node in nodes(viz.zoom(loss, t=1, which=1, element=(0, 1)).parts)]
    assert one.count("×") == 2
    assert {"h[0,0]", "h[0,1]", "W_h[0,1]", "W_h[1,1]", "y[0,1] = +"} <= set(one)


def test_a_zoom_beyond_reason_is_refused(record):
    loss = record(nn.RNNCell(3, 4, rng=0))
    with pytest.raises(ValueError, match="in step 1 there are 2 operations 'matmul', and number 2"):
        viz.zoom(loss, t=1, which=2)
    with pytest.raises(ValueError, match=r"the result has shape \(2, 4\), no element \(2, 0\)"):
        viz.zoom(loss, t=1, element=(2, 0))
    with pytest.raises(ValueError, match=r"no more than 10. Look at one element, element=\(0, 0\)"):
        viz.zoom(loss, t=1, budget=10)


# -- there and back --------------------------------------------------------------------------------


def test_forward_and_backward_share_one_geometry_with_arrows_turned(record, parsed):
    sheet = viz.forward_backward(record(nn.RNNCell(3, 4, rng=0), steps=2))
    shown = parsed(sheet)
    assert shown.counts["cluster"] == 4
    assert {"δ (1 − h²)", "hᵀ @ δ", "δ @ W_hᵀ", "xᵀ @ δ"} <= set(shown.texts)
    places = {"0": {}, "1": {}}
    namespace = "{http://www.w3.org/2000/svg}"
    for group in shown.root.iter(f"{namespace}g"):
        title = group.findtext(f"{namespace}title") or ""
        if "op" in group.get("class", "").split():
            text = next(group.iter(f"{namespace}text"))
            places[title[1]][title[2:]] = float(text.get("x")), float(text.get("y"))
    there, back = places.values()
    assert there.keys() == back.keys()
    assert all(there[n][0] == back[n][0] for n in there)
    assert len({round(back[n][1] - there[n][1], 1) for n in there}) == 1
    heads = {e.head for block in sheet.parts.blocks for e in block.edges}
    parameters = {n.id for n in nodes(sheet.parts) if n.kind == "parameter"}
    assert parameters <= heads  # as the last panel left it: arrows end at the parameters


def test_two_arrows_of_one_rule_say_it_once(parsed):
    x = Tensor(3.0, name="x")
    assert parsed(viz.forward_backward(x * x)).texts.count("δ × x") == 1


def test_the_gate_g_and_the_gradient_do_not_share_a_letter(record, parsed):
    texts = parsed(viz.forward_backward(record(nn.LSTMCell(3, 4, rng=0), steps=2))).texts
    assert {"δ (1 − g²)", "δ × g", "δ × i", "δ i (1 − i)"} <= set(texts)


# -- truncation ------------------------------------------------------------------------------------


@pytest.mark.parametrize("detail", ["cell", "gate", "op"])
@pytest.mark.parametrize("cell", CELLS.values())
def test_brackets_span_the_steps_between_cuts(detail, cell, parsed):
    drawing = viz.truncation(truncated(2, cell=cell), detail)
    assert drawing.windows == [(0, 1), (2, 3), (4, 5)]
    shown = parsed(drawing)
    assert shown.counts["bracket"] >= 3
    assert any(text.endswith("back to t = 4") for text in shown.texts)
    links = [e for e in drawing.parts.links if e.style.get("class") == "cut"]
    assert len(links) == (4 if cell is nn.LSTMCell else 2)
    assert {e.style["color"] for e in links} == {theme.ORANGE}


def test_overlapping_windows_have_brackets_of_their_own():
    assert sorted(viz.truncation(truncated((2, 4))).windows) == [(0, 1), (0, 3), (2, 5)]


def test_brackets_are_those_of_the_measure_and_only_over_lanes_with_a_state(parsed):
    cells = nn.LSTMCell(3, 4, rng=0), nn.LSTMCell(3, 4, rng=1)  # joined by a lane without a state
    outputs, _ = nn.Recurrent(cells)(np.ones((6, 2, 3)), truncate=3)
    loss = outputs.sum()
    drawing = viz.truncation(loss)
    assert drawing.windows == [(0, 2), (3, 5), (5, 3), (2, 0)]
    assert not any("6 steps" in text for text in parsed(drawing).texts)
    found = {
        (first, t)
        for row in measure.reach(loss)
        for first, t in zip(row.first, row.steps, strict=True)
    }
    assert set(drawing.windows) <= found


def test_a_bracket_over_steps_that_are_left_out_counts_them_all():
    outputs, _ = nn.unroll(nn.RNNCell(3, 4, rng=0), np.ones((40, 2, 3)), truncate=10)
    drawing = viz.truncation(stack(outputs).sum(), budget=10)
    assert drawing.windows == [(0, 9), (30, 39)]


def test_without_a_cut_one_bracket_spans_all(record, parsed):
    drawing = viz.truncation(record(nn.GRUCell(3, 4, rng=0), steps=4))
    assert drawing.windows == [(0, 3)]
    assert not any("a cut" in text for text in parsed(drawing).texts)


def test_cells_of_a_truncation_are_drawn_as_those_of_a_gradient_flow(record):
    loss = record(nn.GRUCell(3, 4, rng=0), steps=4)
    nodes = [
        {node.label for block in draw(loss, "cell").parts.blocks for node in block.nodes}
        for draw in (viz.gradient_flow, viz.truncation)
    ]
    assert nodes[0] == nodes[1]
    assert {"x₀", "x₃"} <= nodes[0]


@pytest.mark.parametrize(
    "draw",
    [viz.unfolding, viz.zoom, viz.forward_backward, viz.truncation],
    ids=lambda f: f.__name__,
)
def test_what_was_not_recorded_is_refused(draw):
    with pytest.raises(TypeError, match=f"{draw.__name__}: expected a Tensor .* got an array"):
        draw(np.ones(3))
    with pytest.raises(ValueError, match="nothing was recorded"):
        draw(Tensor(1.0))


def test_one_step_of_one_unit_and_gradients_beyond_measure_are_drawn(record):
    loss = record(nn.LSTMCell(1, 1, rng=0), steps=1, batch=1, inputs=1)
    for draw in (viz.unfolding, viz.zoom, viz.forward_backward, viz.truncation):
        assert "<svg" in draw(loss).svg()
    h = Tensor(np.ones(2), name="h0")
    for t in range(3):
        with tr.scope("step", t=t), np.errstate(all="ignore"):
            h = tr.named(h=h * np.full(2, np.inf))
    drawing = viz.truncation(h.sum())
    not_finite = [e.label for e in drawing.parts.links if e.style["class"] == "not-finite"]
    assert not_finite == ["h ∞", "h ∞"]
    assert "<svg" in drawing.svg()
