"""Does every picture show what was recorded, all of it, and nothing else?"""

import weakref
from itertools import pairwise

import numpy as np
import pytest

import tinygrad_rnn as tr
import viz
from tinygrad_rnn import Tensor, ancestors, grad, named, nn, scope
from viz.layout import block as block_file
from viz.layout import edges as edges_file
from viz.layout.edges import placed
from viz.record import labels as labels_of

CELLS = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("detail", ["cell", "gate", "op"])
def test_svg_has_a_cluster_per_step_and_a_group_per_node_and_edge(
    name, detail, record, parsed, count
):
    drawing = viz.unrolled(record(CELLS[name](3, 4, rng=0)), detail)
    shown, expected = parsed(drawing).counts, count(drawing)
    assert shown["cluster"] == 3
    assert shown["node"] == expected.total() - expected["edges"]
    assert shown["edge"] == expected["edges"]
    assert all(shown[kind] == expected[kind] for kind in ("op", "cell", "parameter", "input"))


def test_at_op_detail_every_operation_is_one_node(record, count):
    loss = record(nn.LSTMCell(3, 4, rng=0), steps=4)
    operations = [node for node in ancestors(loss) if node.op is not None]
    counts = count(viz.unrolled(loss, "op"))
    assert sum(counts[kind] for kind in ("op", "value", "state", "result")) == len(operations)


def test_at_gate_detail_the_named_values_and_their_formulas_show(record, parsed):
    texts = parsed(viz.unrolled(record(nn.LSTMCell(3, 4, rng=0)), "gate")).texts
    assert texts.count("c = f×c[t−1] + i×g") == 3
    assert texts.count("h = o×tanh(c)") == 3


def test_at_cell_detail_a_step_is_one_box_with_its_input_and_states(record, count, parsed):
    drawing = viz.unrolled(record(nn.LSTMCell(3, 4, rng=0), steps=5), "cell")
    assert count(drawing)["cell"] == count(drawing)["input"] == 5
    states = [edge for edge in drawing.parts.links if edge.kind == "state"]
    assert len(states) == 2 * 5  # h and c, into the first step too
    assert parsed(drawing).texts.count("lstm") == 5


def test_at_scalar_detail_every_multiplication_shows(record, count):
    loss = record(nn.RNNCell(1, 2, rng=0, bias=False), steps=2, inputs=1, batch=1)
    drawing = viz.unrolled(loss, "scalar")
    labels = [node.label for block in drawing.parts.blocks for node in block.nodes]
    products = 2 * (1 * 2 + 2 * 2) + 2  # each step x W_x and h W_h; two squares in the loss
    assert sum("×" in label for label in labels) == products
    assert labels.count("h[0,1] = tanh") == 2


def test_layers_are_rows_and_steps_are_columns(record):
    loss = record(nn.RNNCell(3, 4, rng=0), nn.RNNCell(4, 4, rng=1), steps=4)
    blocks = [b for b in viz.unrolled(loss, "cell").parts.blocks if b.kind == "cell"]
    assert sorted((b.row, b.column) for b in blocks) == [(r, t) for r in (0, 1) for t in range(4)]


def test_an_operation_added_to_a_cell_appears_in_its_picture(record, count):
    class Plain(nn.RNNCell):
        def __call__(self, x, h):
            return super().__call__(x, h)

    class Clipped(nn.RNNCell):
        def __call__(self, x, h):
            return super().__call__(x, tr.clip(h, -1, 1))

    before = viz.unrolled(record(Plain(3, 4, rng=0), steps=4))
    after = viz.unrolled(record(Clipped(3, 4, rng=0), steps=4))
    assert "clip" in after.source
    assert "clip" not in before.source
    assert (
        count(after)["op"] == count(before)["op"] + 3
    )  # the first h is an array: nothing recorded


def test_a_square_has_two_edges(parsed):
    x = Tensor(3.0, name="x")
    drawing = viz.graph(x * x)
    assert parsed(drawing).counts["edge"] == 2
    with scope("rnn", t=0):
        h = named(h=tr.tanh(x))
    tails = [edge for block in viz.unrolled(h * h).parts.blocks for edge in block.edges]
    assert [edge.kind for edge in tails].count("data") == 2


@pytest.mark.parametrize("weights", ["stub", "hub", "hide"])
def test_parameters_are_drawn_per_step_or_once_or_not(weights, record, count):
    drawing = viz.unrolled(record(nn.RNNCell(3, 4, rng=0), steps=5), "op", weights=weights)
    assert count(drawing)["parameter"] == {"stub": 4 * 5, "hub": 4, "hide": 0}[weights]
    assert sum(edge.kind == "hub" for edge in drawing.parts.links) == (
        20 if weights == "hub" else 0
    )


def test_labels_survive_names_that_mean_something_to_graphviz(parsed):
    name = 'a "b" <c> {d|e} \\n & é ∂'
    x = Tensor([1.0], name=name)
    with scope('odd "scope" \\N', t=0):
        y = tr.exp(x)
    texts = parsed(viz.unrolled(y, "cell", weights="stub")).texts
    assert name in texts
    assert 'odd "scope" \\N' in texts
    assert name in parsed(viz.graph(y)).texts


def test_steps_beyond_the_budget_are_left_out_and_the_picture_says_so(record, parsed):
    loss = record(nn.LSTMCell(3, 4, rng=0), nn.LSTMCell(4, 4, rng=0), steps=100)
    shown = parsed(viz.unrolled(loss, "cell", budget=6))
    assert shown.texts.count("⋯ × 97") == 2  # one in each layer
    assert "97 of 100 steps are left out, to draw no more than 6 cells." in shown.texts
    assert shown.counts["cell"] == 6
    assert "left out" not in viz.unrolled(loss, "cell").source


def test_one_step_of_one_unit_is_drawn(record, count, parsed):
    loss = record(nn.LSTMCell(1, 1, rng=0), steps=1, batch=1, inputs=1)
    for detail in ("cell", "gate", "op", "scalar"):
        assert parsed(viz.unrolled(loss, detail)).counts["cluster"] == 1
    assert count(viz.unrolled(loss))["parameter"] == 4


def test_outputs_joined_over_all_steps_come_in_by_one_edge(count):
    outputs, _ = nn.unroll(nn.RNNCell(3, 4, rng=0), np.ones((30, 2, 3)))
    drawing = viz.unrolled(tr.stack(outputs).sum())
    stack = next(n for b in drawing.parts.blocks for n in b.nodes if n.label == "stack")
    assert sum(edge.head == stack.id for edge in drawing.parts.edges()) == 1


def test_a_loss_added_up_step_by_step_is_one_sum(parsed):
    total, h, cell = 0.0, np.zeros((2, 4)), nn.RNNCell(3, 4, rng=0)
    for t in range(20):
        with scope("rnn", t=t):
            h = cell(np.ones((2, 3)), h)
            loss = nn.mse_loss(h, np.ones((2, 4)))
        total = total + loss
    shown = parsed(viz.unrolled(total))
    assert "sum of 20" in shown.texts
    assert shown.texts.count("loss = · / 8") == 20


def test_what_stands_outside_of_time_stands_before_or_after_the_steps():
    h = named(start=tr.tanh(Tensor(np.ones((2, 4)), name="s")))
    _, h = nn.unroll(nn.RNNCell(3, 4, rng=0), np.ones((3, 2, 3)), h)
    kinds = {}
    for block in viz.unrolled(h.sum()).parts.blocks:
        kinds |= {node.label: block.kind for node in block.nodes if node.label}
    assert kinds["start = tanh"] == "before"
    assert kinds["h = tanh"] == "step"
    assert kinds["Σ"] == "after"


def test_a_decoder_continues_to_the_right_of_its_encoder():
    xs = np.ones((3, 2, 3))
    _, h = nn.unroll(nn.GRUCell(3, 4, rng=0), xs, name="encoder")
    _, h = nn.unroll(nn.GRUCell(3, 4, rng=1), xs, h, name="decoder")
    blocks = [b for b in viz.unrolled(h.sum(), "cell").parts.blocks if b.kind == "cell"]
    assert [(b.nodes[0].label, b.column) for b in blocks] == [
        *(("encoder", t) for t in range(3)),
        *(("decoder", t) for t in range(3, 6)),
    ]
    assert {b.row for b in blocks} == {0}


def test_a_backward_graph_is_blue_and_runs_against_time(record, parsed):
    cell = nn.RNNCell(1, 2, rng=0)
    gradients = grad(record(cell, inputs=1), cell.parameters(), create_graph=True)
    drawing = viz.graph(gradients)
    shown = parsed(drawing)
    assert {f"t = {t} · backward" for t in range(3)} <= set(shown.texts)
    assert shown.counts["backward"] > 20
    assert any(text.startswith("∂W_h = ") for text in shown.texts)
    mirrored = {b.order for b in drawing.parts.blocks if b.mirrored}
    assert mirrored == {1}


def test_a_gradient_of_an_expression_without_time_is_one_graph(parsed):
    x = Tensor(3.0, name="x")
    shown = parsed(viz.graph(grad(x * x * x, x, create_graph=True)))
    assert shown.counts["cluster"] == 0
    assert shown.counts["backward"] >= 3
    assert shown.counts["parameter"] == 2  # x and the cotangent


def test_long_pictures_go_on_in_lines_below(record, parsed):
    loss = record(nn.RNNCell(3, 4, rng=0), steps=12)
    sizes = {}
    for per_line in (12, 4):
        root = parsed(viz.unrolled(loss, "cell", per_line=per_line)).root
        sizes[per_line] = [float(n) for n in root.get("viewBox").split()[2:]]
    assert sizes[4][0] < sizes[12][0] / 2
    assert sizes[4][1] > sizes[12][1] * 2


def test_parts_grow_linearly_with_the_steps(record, count):
    totals = [
        count(viz.unrolled(record(nn.LSTMCell(3, 4, rng=0), steps=steps))).total()
        for steps in (10, 20, 30)
    ]
    assert totals[2] - totals[1] == totals[1] - totals[0]


def test_one_layout_serves_all_equal_steps(record, monkeypatch):
    asked = []
    arrange = block_file.arrange
    monkeypatch.setattr(block_file, "arrange", lambda dot: asked.append(dot) or arrange(dot))
    block_file._by_dot.cache_clear()
    viz.unrolled(record(nn.GRUCell(3, 5, rng=0), steps=12)).svg()
    assert len(asked) <= 4  # a step, its ports sorted, and what is before and after


def test_a_picture_does_not_keep_the_record_alive(record):
    loss = record(nn.RNNCell(3, 4, rng=0))
    drawing, alive = viz.unrolled(loss), weakref.ref(loss)
    del loss
    assert alive() is None
    assert drawing.source


def writing(steps=3):
    """An encoder, then a writer that reads what it wrote, its steps counted on."""
    _, h = nn.unroll(nn.GRUCell(3, 4, rng=0), np.ones((steps, 2, 3)), name="encoder")
    y, cell, read = np.zeros((2, 3)), nn.RNNCell(3, 4, rng=1), nn.Linear(4, 3, rng=2)
    for t in range(steps, 2 * steps):
        with scope("writer", t=t):
            h = cell(y, h)
            y = named(y=read(h))
    return y.sum()


def test_a_state_handed_from_one_cell_to_another_is_drawn_as_a_state():
    for detail in ("cell", "gate", "op"):
        drawing = viz.unrolled(writing(), detail)
        columns = {n.id: b.column for b in drawing.parts.blocks for n in b.nodes}
        between = [e for e in drawing.parts.links if columns[e.tail] == 2 and columns[e.head] == 3]
        assert [(e.kind, e.label) for e in between] == [("state", "h")]


def test_what_a_later_cell_starts_with_stands_in_its_first_step(parsed):
    drawing = viz.unrolled(writing(), "gate")
    starts = [
        b.column for b in drawing.parts.blocks for n in b.nodes if n.label.endswith("[−1] = 0")
    ]
    assert starts == [0, 3]  # the encoder's to the left of it, the writer's inside
    assert len({n.label for b in drawing.parts.blocks for n in b.nodes if "y[t−1]" in n.label}) == 1


def test_several_lanes_are_told_apart_by_their_titles(record, parsed):
    texts = parsed(viz.unrolled(writing(), "gate")).texts
    assert {"encoder · t = 2", "writer · t = 3"} <= set(texts)
    layers = [nn.RNNCell(3, 3, rng=0), nn.RNNCell(3, 3, rng=0)]
    assert "layer 2 · rnn · t = 0" in parsed(viz.unrolled(record(*layers), "op")).texts
    assert "layer 1 · rnn · t = 0 … 2" in parsed(viz.folded(record(*layers), "gate")).texts
    outputs, _ = nn.unroll(layers[0], np.ones((3, 2, 3)))
    outputs, _ = nn.unroll(layers[1], outputs)
    assert {"rnn · t = 0", "rnn 2 · t = 0"} <= set(parsed(viz.unrolled(outputs[-1])).texts)
    assert "t = 0" in parsed(viz.unrolled(record(layers[0]))).texts


def test_a_cell_that_runs_backwards_takes_its_state_from_the_step_after(record):
    xs = np.ones((3, 2, 3))
    outputs, _ = nn.unroll(nn.LSTMCell(3, 4, rng=0), xs, reverse=True)
    labels = [
        n.label for b in viz.unrolled(outputs[0], "gate").parts.blocks for n in b.nodes if n.label
    ]
    assert labels.count("c = f×c[t+1] + i×g") == 3
    assert not any("t−1" in label for label in labels)


def test_what_is_declared_an_input_is_no_first_state():
    y, cell = np.ones((2, 4)), nn.RNNCell(4, 4, rng=0)
    for t in range(3):
        with scope("step", t=t, x=y):
            h = cell(y, np.zeros((2, 4)))
            y = named(y=tr.tanh(h))
    labels = [n.label for b in viz.unrolled(y, "gate").parts.blocks for n in b.nodes]
    assert sum("x@W_x" in label for label in labels) == 1
    assert sum("y[t−1]@W_x" in label for label in labels) == 2


def test_long_formulas_are_broken_before_an_operator(record):
    drawing = viz.unrolled(record(nn.RNNCell(3, 4, rng=0)), "gate")
    labels = [n.label for b in drawing.parts.blocks for n in b.nodes]
    assert labels.count("h = tanh(x@W_x + b_x\n+ h[t−1]@W_h + b_h)") == 3


def test_constants_without_a_letter_say_what_they_are_for():
    W = Tensor(np.ones((5, 2)), name="W")
    rows = W[np.array([3, 1])]
    y = tr.where(np.array([[True, False]] * 2), rows, 0.0) - np.array([[1.0, 2.0], [3.0, 4.0]])
    shown = {n.label for b in viz.graph(y).parts.blocks for n in b.nodes}
    assert {"index", "mask", "data"} <= shown
    [label] = [
        n.label for b in viz.unrolled(y, "gate").parts.blocks for n in b.nodes if n.kind == "result"
    ]
    assert label == "mask×W[index] − data"


def test_only_the_whole_sum_is_called_the_gradient(record):
    cell = nn.RNNCell(1, 2, rng=0)
    drawing = viz.graph(grad(record(cell, inputs=1), cell.parameters(), create_graph=True))
    names = [n.label.split(" = ")[0] for b in drawing.parts.blocks for n in b.nodes]
    assert sorted(name for name in names if name[:1] == "∂") == ["∂W_h", "∂W_x", "∂b_h", "∂b_x"]


def test_pointing_at_a_value_tells_name_shape_dtype_and_scope(record):
    drawing = viz.gradient_flow(record(nn.LSTMCell(3, 4, rng=0)), "gate")
    svg = drawing.svg()
    assert 'xlink:title="f · 2×4 · float64 · lstm · t = 1"' in svg
    assert 'xlink:title="W_x · 3×16 · float64"' in svg
    assert 'xlink:title="‖gradient‖ = ' in svg
    assert "tooltip" not in drawing.source


def test_names_longer_than_a_node_are_cut(parsed):
    name = "x" * 3000
    with scope(name, t=0):
        y = tr.exp(Tensor([1.0], name=name))
    shown = parsed(viz.unrolled(y))
    assert max(map(len, shown.texts)) < 50
    assert float(shown.root.get("viewBox").split()[2]) < 1500


# -- lanes in both directions ----------------------------------------------------------------------


def both_ways(steps=4, layers=1):
    cells = [
        (nn.RNNCell(3 if k == 0 else 8, 4, rng=k), nn.RNNCell(3 if k == 0 else 8, 4, rng=9))
        for k in range(layers)
    ]
    outputs, _ = nn.Recurrent(*cells)(np.ones((steps, 2, 3)))
    return (outputs * outputs).sum()


@pytest.mark.parametrize("layers", [1, 2])
def test_no_line_between_cells_runs_through_another_cell(layers):
    drawing = viz.unrolled(both_ways(layers=layers), "cell")
    plan = placed(drawing.parts)
    boxes = {n: plan.at[n] for n, block in plan.home.items() if block.kind == "cell"}
    for edge in drawing.parts.links:
        points, _ = edges_file._route(edge, plan)
        for name, (x, y, w, h) in boxes.items():
            if name in (edge.tail, edge.head):
                continue
            for (xa, ya), (xb, yb) in pairwise(points):
                apart = (
                    max(xa, xb) < x - w / 2
                    or min(xa, xb) > x + w / 2
                    or max(ya, yb) < y - h / 2
                    or min(ya, yb) > y + h / 2
                )
                assert apart, (edge, name)


def test_a_lane_against_time_starts_to_the_right_of_its_last_step():
    for detail in ("cell", "gate", "op"):
        drawing = viz.unrolled(both_ways(), detail)
        plan = placed(drawing.parts)
        first = next(b for b in drawing.parts.blocks if b.kind == "initial" and b.mirrored)
        last = [b for b in drawing.parts.blocks if b.kind in ("step", "cell") and b.column == 3]
        assert all(plan.frames[first].x > plan.frames[b].right for b in last)
    outputs, _ = nn.unroll(nn.RNNCell(3, 4, rng=0), np.ones((3, 2, 3)), reverse=True)
    drawing = viz.unrolled(outputs[0].sum(), "gate")
    frames = {b.kind: f for b, f in placed(drawing.parts).frames.items()}
    assert frames["after"].slot > frames["initial"].slot  # each has a place of its own


def test_a_lane_against_time_may_have_its_second_step_left_out(parsed):
    assert "⋯ × 37" in parsed(viz.unrolled(both_ways(40), budget=20)).texts


# -- what constants are called ---------------------------------------------------------------------


def test_a_slice_of_an_input_is_called_so(record):
    drawing = viz.unrolled(record(nn.TwoInputCell((1, 2), 4, rng=0)), "gate")
    labels = [n.label for b in drawing.parts.blocks for n in b.nodes if n.kind == "input"]
    assert labels == ["x[:, 0:1]", "x[:, 1:3]"] * 3
    whole = np.arange(24.0).reshape(2, 3, 4)
    for part, name in (
        (whole[1], ""),
        (whole[:, 1:2], ":, 1:2, :"),
        (whole[1:, :, :3], "1:2, :, 0:3"),
        (whole[:, ::2], ""),
        (whole.copy()[:, 1:], ""),
    ):
        assert labels_of._slices(part, whole) == name


def test_a_masked_loss_is_written_as_a_product_with_its_mask():
    outputs, _ = nn.unroll(nn.RNNCell(3, 4, rng=0), np.ones((3, 2, 3)), lengths=[3, 1])
    loss = nn.mse_loss(tr.stack(outputs), np.ones((3, 2, 4)), lengths=[3, 1])
    drawing = viz.unrolled(loss, "cell")
    (label,) = [n.label for b in drawing.parts.blocks for n in b.nodes if n.kind == "result"]
    assert "mask×" in label
    assert "where" not in label
    assert len(label) < 50


def test_states_leave_a_cell_at_its_side_however_many_there_are():
    cell = nn.RNNCell(1, 2, rng=0)
    outputs, _ = nn.unroll(cell, np.ones((3, 1, 1)))
    loss = (outputs[-1] * outputs[-1]).sum()
    (g,) = grad(loss, [cell.W_h], create_graph=True)
    drawing = viz.unrolled(grad((g * g).sum(), cell.W_h, create_graph=True), "cell")
    plan = placed(drawing.parts)
    for edge in drawing.parts.links:
        for node in (edge.tail, edge.head):
            if plan.home[node].kind == "cell":
                _, y, _, h = plan.at[node]
                assert abs(edges_file._touch(plan, edge, node, 1)[1] - y) < h / 2


def test_a_long_list_in_a_formula_is_broken_at_a_comma():
    scores = Tensor(np.zeros((3, 2, 5)), name="scores")
    loss = nn.cross_entropy(tr.stack([scores[0], scores[1]]), np.zeros((2, 2), int))
    drawing = viz.unrolled(loss, "gate")
    (label,) = [n.label for b in drawing.parts.blocks for n in b.nodes if n.kind == "result"]
    assert max(map(len, label.split("\n"))) < 50
