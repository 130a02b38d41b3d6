"""Is the gradient in the picture the gradient?"""

import numpy as np
import pytest

import tinygrad_rnn as tr
import viz
from tinygrad_rnn import Tensor, ancestors, grad, named, nn, scope
from viz import theme


def states(drawing):
    links = [edge for edge in drawing.parts.links if edge.kind == "state" and edge.label]
    return [edge.label.split() for edge in links if edge.style["class"] == "gradient"]


@pytest.mark.parametrize("detail", ["cell", "gate", "op"])
def test_numbers_on_the_states_are_the_norms_of_their_gradients(detail, record):
    loss = record(nn.LSTMCell(3, 4, rng=0), steps=4)
    shown = states(viz.gradient_flow(loss, detail))
    values = {(x.name, x.scope[0].t): x for x in ancestors(loss) if x.name in ("h", "c", "f")}
    # all of ∂loss/∂h comes from the next step; of ∂loss/∂c what the forget gate lets through
    through_h = grad(loss, [values["h", t] for t in range(3)])
    later_c = grad(loss, [values["c", t + 1] for t in range(3)])
    through_c = [g * values["f", t + 1].data for t, g in enumerate(later_c)]
    for letter, gradients in (("h", through_h), ("c", through_c)):
        found = [float(number) for name, number in shown if name == letter]
        norms = [np.linalg.norm(g) for g in gradients]
        np.testing.assert_allclose(found, norms, rtol=0.06)  # two digits are shown


def test_a_state_read_in_slices_shows_the_norm_of_the_whole():
    h = Tensor(np.array([1.0, 2.0, 3.0, 4.0]), name="h0")
    for t in range(2):
        with scope("step", t=t):
            a, b = tr.split(h, 2)
            h = named(h=tr.concatenate([3.0 * a, 4.0 * b]))
    # ∂Σh/∂h of the first step is (3, 3, 4, 4)
    assert states(viz.gradient_flow(h.sum())) == [["h", "7.1"]]


def test_no_gradient_looks_different_from_zero_gradient(looks):
    x, w = Tensor(np.ones(3), name="x"), Tensor(np.ones(3), name="w")
    loss = (x * np.zeros(3)).sum() + (w * tr.stop_gradient(x)).sum()
    counts = looks(viz.gradient_flow(loss))
    assert counts["zero-gradient"] == 1  # x, multiplied by zeros
    assert counts["no-gradient"] == 3  # the zeros; into and out of the cut
    flow = viz.gradient_flow(loss)
    colours = {e.style["class"]: (e.style["color"], e.style["style"]) for e in flow.parts.edges()}
    assert colours["zero-gradient"] != colours["no-gradient"] != colours["gradient"]


def test_a_cut_is_visible_and_no_colour_passes_it(looks, count):
    h, cell = np.zeros((2, 4)), nn.RNNCell(3, 4, rng=0)
    for t in range(4):
        with scope("rnn", t=t):
            h = cell(np.ones((2, 3)), tr.stop_gradient(h) if t == 2 else h)
    drawing = viz.gradient_flow(h.sum())
    assert count(drawing)["cut"] == 1
    early = [e for b in drawing.parts.blocks if b.column < 2 and b.kind == "step" for e in b.edges]
    assert {edge.style["class"] for edge in early} == {"no-gradient"}


@pytest.mark.parametrize(("factor", "sign"), [(np.inf, "∞"), (np.nan, "NaN")])
def test_what_is_not_finite_is_drawn_and_named(factor, sign, looks, parsed):
    h = Tensor(np.ones(2), name="h0")
    for t in range(3):
        with scope("step", t=t):
            h = named(h=h * (np.full(2, factor) if t == 2 else 2.0))
    with np.errstate(all="ignore"):
        drawing = viz.gradient_flow(h.sum())
    assert looks(drawing)["not-finite"] > 2
    assert f"h {sign}" in parsed(drawing).texts
    assert "NaN or ∞" in parsed(drawing).texts


def test_larger_gradients_are_darker_and_thicker():
    h = Tensor(np.ones(2), name="h0")
    for t in range(5):
        with scope("step", t=t):
            h = named(h=h * 0.01)
    links = [e for e in viz.gradient_flow(h.sum()).parts.links if e.style["class"] == "gradient"]
    widths = [float(edge.style["penwidth"]) for edge in links]
    greens = [int(edge.style["color"][3:5], 16) for edge in links]
    assert widths == sorted(widths)
    assert greens == sorted(greens, reverse=True)


def test_the_legend_names_powers_of_ten_zero_and_none(record, parsed):
    texts = parsed(viz.gradient_flow(record(nn.RNNCell(3, 4, rng=0)))).texts
    assert {"exactly zero", "no gradient", "1e0"} <= set(texts)


def test_a_row_looked_up_twice_shows_the_sum_of_both_gradients():
    W = Tensor(np.ones((2, 1)), name="W")
    drawing = viz.gradient_flow((W[np.array([0, 0])] * 3.0).sum())
    widths = {e.kind: float(e.style["penwidth"]) for e in drawing.parts.edges() if e.uses == []}
    by_kind = {e.kind: e.style["class"] for e in drawing.parts.edges()}
    assert by_kind["weight"] == "gradient"
    assert widths["weight"] == max(widths.values())  # 6 at the row, 3√2 at the two places


@pytest.mark.parametrize("detail", ["cell", "gate", "op"])
def test_cuts_between_steps_are_orange_dashes_in_every_picture(detail, parsed):
    outputs, _ = nn.unroll(nn.LSTMCell(3, 4, rng=0), np.ones((4, 2, 3)), truncate=2)
    loss = tr.stack(outputs).sum()
    for drawing in (viz.unrolled(loss, detail), viz.gradient_flow(loss, detail)):
        cuts = [edge for edge in drawing.parts.links if edge.style.get("class") == "cut"]
        assert len(cuts) == 2  # h and c, into t = 2
        assert {(edge.style["color"], edge.style["style"]) for edge in cuts} == {
            (theme.ORANGE, "dashed")
        }
        assert any("gradients do not come back" in text for text in parsed(drawing).texts)
    plain, _ = nn.unroll(nn.LSTMCell(3, 4, rng=0), np.ones((4, 2, 3)))
    assert "come back" not in viz.unrolled(plain[-1], detail).source


@pytest.mark.parametrize("draw", [viz.gradient_flow, viz.truncation, viz.forward_backward])
def test_what_an_edge_says_is_had_as_a_number(draw, tmp_path):
    outputs, _ = nn.unroll(nn.LSTMCell(2, 3, rng=0), np.ones((4, 1, 2)), truncate=2)
    picture = draw((outputs[-1] * outputs[-1]).sum())
    told = [edge.tip for edge in picture.parts.edges() if "=" in edge.tip]
    norms = picture.numbers.norms
    assert len(told) == len(norms) > 3
    for tip, norm in zip(told, norms, strict=True):
        assert float(tip.split("= ")[1]) == pytest.approx(norm, rel=0.06)
    rows = picture.csv(tmp_path / "edges.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "from,to,letter,lane,t,norm"
    assert [float(row.rsplit(",", 1)[1]) for row in rows[1:]] == norms.tolist()


@pytest.mark.parametrize("detail", ["cell", "op"])
def test_an_edge_has_two_names_a_letter_and_the_time_it_leads_into(detail):
    outputs, _ = nn.unroll(nn.LSTMCell(2, 3, rng=0), np.ones((4, 1, 2)))
    table = viz.gradient_flow((outputs[-1] * outputs[-1]).sum(), detail).numbers
    assert all(table.tails)
    assert all(table.heads)
    rows = zip(table.letters, table.steps, strict=True)
    assert sorted(row for row in rows if row[0]) == [(v, t) for v in "ch" for t in (1, 2, 3)]


def test_a_picture_without_gradient_says_that_it_has_no_numbers(tmp_path):
    picture = viz.unrolled((Tensor(np.ones(2), name="x") * 2).sum())
    with pytest.raises(AttributeError, match="shows no gradient"):
        picture.csv(tmp_path / "no.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("detail", ["cell", "gate", "op"])
def test_arrows_point_the_way_that_the_gradient_goes(detail, record):
    drawing = viz.gradient_flow(record(nn.LSTMCell(3, 4, rng=0)), detail)
    ports = {n.id for b in drawing.parts.blocks for n in b.nodes if n.kind == "port"}
    for edge in drawing.parts.edges():
        carries = edge.style["class"] in ("gradient", "zero-gradient")
        assert (edge.style.get("dir") == "back") == carries
    # in the finished picture an arrow's tip, "s," stands at the tail, and none at the head
    lines = [line for line in drawing._positioned[0].splitlines() if " -> " in line]
    back = [line for line in lines if 'dir="back"' in line]
    assert back
    for line in back:
        tail = line.split(" -> ")[0].strip()
        assert ('pos="s,' in line) == (tail not in ports)
        assert "e," not in line.partition('pos="')[2].partition('"')[0]


def test_a_line_through_the_edge_of_a_step_has_no_gap(record):
    drawing = viz.gradient_flow(record(nn.RNNCell(3, 4, rng=0)), "gate")
    lines = drawing._positioned[0].splitlines()
    written = {line.split()[0]: line for line in lines if 'class="port"' in line}
    inside = [e for b in drawing.parts.blocks for e in b.edges if "color" in e.style]
    ends = [(end, e.style["color"]) for e in inside for end in (e.tail, e.head) if end in written]
    assert len(ends) >= 6
    for port, colour in ends:
        assert f'fillcolor="{colour}"' in written[port]
