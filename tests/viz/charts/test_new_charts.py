"""Do the charts of training, norms, gates, lengths and batches show what was measured?"""

import csv
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import viz
from tinygrad_rnn import Tensor, measure, nn, tasks, train

pytest.importorskip("matplotlib")


def unrolled(cell, steps=7, seed=0):
    xs = Tensor(np.random.default_rng(seed).standard_normal((steps, 2, 3)))
    return nn.unroll(cell, xs)[0]


def loss_of(outputs):
    return (outputs[-1] * outputs[-1]).sum()


LSTM, RNN = nn.LSTMCell(3, 4, rng=0), nn.RNNCell(3, 4, rng=0)
OUTPUTS, PLAIN = unrolled(LSTM), unrolled(RNN)
SEEDS = [[3.0, 2.0, 1.0], [4.0, 2.5, 1.5], [3.5, 2.2, 0.5]]
SPACE = Tensor(np.random.default_rng(0).standard_normal((3, 1, 7, 7, 1)))
LINE = Tensor(np.random.default_rng(0).standard_normal((3, 1, 7, 1)))


def conv(cell, xs):
    return nn.unroll(cell(1, 2, rng=0), xs)[0][-1]


PLOTS = {
    "learning_curves": lambda: viz.learning_curves({"RNN": SEEDS, "LSTM": SEEDS[0]}, baseline=0.7),
    "one run": lambda: viz.learning_curves(train.Run(losses=[3.0, 1.0]), log=True),
    "seed_spread": lambda: viz.seed_spread({"a": SEEDS, "b": [1.0, 2.0]}, baseline={"chance": 3}),
    "gradient_norms": lambda: viz.gradient_norms(
        {"RNN": loss_of(PLAIN), "LSTM": loss_of(OUTPUTS)}, W={"RNN": RNN.W_h}
    ),
    "parameter_gradients": lambda: viz.parameter_gradients(
        {"RNN": loss_of(PLAIN), "LSTM": loss_of(OUTPUTS)},
        {"RNN": RNN.parameters(), "LSTM": LSTM.parameters()},
    ),
    "activation": lambda: viz.activation(["tanh", "sigmoid"], OUTPUTS),
    "memory_probe": lambda: viz.memory_probe(
        {"RNN": PLAIN, "LSTM": OUTPUTS}, np.random.default_rng(0).standard_normal((7, 2, 3))
    ),
    "windows": lambda: viz.windows(np.sin(np.arange(40)), 6, horizon=2),
    "forecast": lambda: viz.forecast({"a": np.ones((5, 4)), "b": np.eye(4)}, [1, 2, 3], [1] * 4),
    "bytes_by_length": lambda: viz.bytes_by_length(
        {"RNN": lambda T: nn.unroll(RNN, np.ones((T, 1, 3)))[0][-1]}, [4, 8]
    ),
    "success_by_length": lambda: viz.success_by_length(
        {"RNN": {5: [1, 0], 10: [0, 0]}, "LSTM": {5: [1, 1], 10: [1, 0]}}, baseline=0.1
    ),
    "gate_map": lambda: viz.gate_map(OUTPUTS, inputs=np.ones((7, 2, 3)), states=True),
    "gate_differences": lambda: viz.gate_differences(
        {"one": OUTPUTS, "other": unrolled(LSTM, seed=1)}, texts=("read me", "read_me")
    ),
    "clamped": lambda: viz.clamped(OUTPUTS, "f", 1.0, text="read me"),
    "padded_batch": lambda: viz.padded_batch(tasks.reber(5, rng=0), letters="BTPSXVE"),
    "numbers in a batch": lambda: viz.padded_batch(np.ones((5, 3, 1)), [5, 2, 0]),
    "receptive_field": lambda: viz.receptive_field(
        {"2d": conv(nn.ConvLSTM2dCell, SPACE)[0, 3, 3]}, SPACE
    ),
    "on a line": lambda: viz.receptive_field(conv(nn.ConvLSTM1dCell, LINE)[0, 3], LINE),
}


def axes_of(plot):
    figure = plot.figure()
    figure.canvas.draw()
    return [ax for ax in figure.axes if ax.get_label() != "<colorbar>"], figure


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", PLOTS)
def test_every_chart_is_labelled_and_has_its_numbers_as_a_file(name, tmp_path):
    plot = PLOTS[name]()
    axes, _figure = axes_of(plot)
    assert axes[-1].get_xlabel()
    assert any(ax.get_ylabel() or len(ax.get_yticklabels()) for ax in axes)
    with plot.csv(tmp_path / "a.csv").open(newline="") as file:
        assert len(list(csv.reader(file))) > 1
    ElementTree.fromstring(plot.svg())


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", PLOTS)
def test_in_a_column_of_a_paper_nothing_lies_outside_and_text_is_readable(name):
    figure = PLOTS[name]().figure(width=3.3)
    figure.canvas.draw()
    assert figure.get_size_inches()[0] == 3.3
    right = figure.bbox.width
    for legend in [*figure.legends, *filter(None, (ax.get_legend() for ax in figure.axes))]:
        box = legend.get_window_extent()
        assert box.x0 >= -1
        assert box.x1 <= right + 1
        assert all(text.get_fontsize() >= 7 for text in legend.get_texts())
    for ax in figure.axes:
        for text in (ax.title, ax.xaxis.label):
            if text.get_text():
                assert text.get_window_extent().x1 <= right + 4, text.get_text()


def test_the_curve_is_the_median_of_the_seeds_and_the_band_their_extremes():
    (ax,), figure = axes_of(viz.learning_curves({"RNN": SEEDS}, baseline={"guessing": 0.7}))
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), np.median(SEEDS, axis=0))
    corners = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (corners.min(), corners.max()) == (np.min(SEEDS), np.max(SEEDS))
    assert [t.get_text() for t in ax.texts] == ["guessing"]
    assert "median of 3 seeds" in figure.get_supxlabel()


def test_each_seed_has_a_dot_and_the_box_holds_the_middle_half():
    (ax,), _figure = axes_of(viz.seed_spread({"a": [1.0, 2.0, 3.0, 4.0, 5.0]}))
    np.testing.assert_array_equal(ax.lines[-1].get_xdata(), [1, 2, 3, 4, 5])
    (box,) = ax.patches
    assert (box.get_x(), box.get_x() + box.get_width()) == (2, 4)


def test_norms_of_several_nets_share_one_scale_and_lie_below_their_bound():
    plot = PLOTS["gradient_norms"]()
    axes, _figure = axes_of(plot)
    assert axes[0].get_ylim() == axes[1].get_ylim()
    line, bound = (line.get_ydata() for line in axes[0].lines)
    np.testing.assert_allclose(line, np.median(plot.numbers["RNN"].norms, axis=1))
    assert (line <= bound).all()
    assert len(axes[1].lines) == 1


def test_the_share_of_each_step_in_the_gradient_of_a_weight_is_drawn():
    plot = viz.parameter_gradients(loss_of(PLAIN), RNN.parameters())
    (ax,), _figure = axes_of(plot)
    for line, norms in zip(ax.lines, plot.numbers.norms, strict=False):
        drawn = np.nan_to_num(line.get_ydata())
        np.testing.assert_array_equal(drawn, norms)


def test_the_shaded_part_of_an_activation_is_where_the_net_works():
    plot = viz.activation("tanh", OUTPUTS)
    (ax,), _figure = axes_of(plot)
    band = ax.patches[0]
    np.testing.assert_allclose([band.get_x(), band.get_x() + band.get_width()], plot.numbers.band)


def test_gate_maps_show_what_was_read_above_and_what_is_kept_below():
    x = np.random.default_rng(0).standard_normal((7, 2, 3))
    axes, _figure = axes_of(viz.gate_map(OUTPUTS, inputs=x, states=True, example=1))
    rows = [ax.get_ylabel().removeprefix("unit of ") for ax in axes]
    assert rows[0] == "x"
    assert set(rows[-2:]) == {"h", "c"}
    np.testing.assert_array_equal(axes[0].images[0].get_array(), x[:, 1].T)
    with pytest.raises(ValueError, match=r"expected inputs \(7, 2, features\).*\(3, 2, 3\)"):
        viz.gate_map(OUTPUTS, inputs=x[:3])
    with pytest.raises(ValueError, match="states are read from the record"):
        viz.gate_map(measure.gates(OUTPUTS), states=True)


def test_both_inputs_have_one_scale_and_their_difference_is_around_0():
    other = unrolled(LSTM, seed=1)
    plot = viz.gate_differences({"one": OUTPUTS, "other": other}, ["f", "c"])
    axes, _figure = axes_of(plot)
    (a, b, d), limits = axes[3:], [ax.images[0].get_clim() for ax in axes[3:]]
    assert limits[0] == limits[1]
    assert limits[2][0] == -limits[2][1]
    shown = [ax.images[0].get_array() for ax in (a, b, d)]
    np.testing.assert_allclose(shown[2], shown[1] - shown[0])
    assert [ax.get_title() for ax in axes[:3]] == ["one", "other", "difference"]


def test_a_clamped_gate_stands_beside_what_was_recorded():
    plot = viz.clamped(OUTPUTS, "f", 1.0)
    axes, _figure = axes_of(plot)
    assert [ax.get_title() for ax in axes[:3]] == ["as recorded", "f = 1", "difference"]
    np.testing.assert_array_equal(axes[1].images[0].get_array(), 1)


def test_padding_is_hatched_and_answers_are_underlined():
    batch = tasks.reber(5, rng=0)
    plot = viz.padded_batch(batch, letters="BTPSXVE")
    (ax,), _figure = axes_of(plot)
    np.testing.assert_array_equal(plot.numbers.valid.sum(axis=0), batch.lengths)
    hatched = [p.get_width() for p in ax.patches]
    assert hatched == (len(batch.xs) - batch.lengths).tolist()
    assert len(ax.texts) == batch.lengths.sum()
    assert len(ax.collections[0].get_segments()) == batch.mask.sum()
    assert ax.texts[0].get_text() == "B"


def test_what_is_not_seen_is_grey_and_told_from_what_is_not_finite():
    plot = PLOTS["receptive_field"]()
    axes, _figure = axes_of(plot)
    for ax, reached in zip(axes, plot.numbers["2d"].reached, strict=True):
        shown = ax.images[-1].get_array()
        np.testing.assert_array_equal(~np.ma.getmaskarray(shown), reached)
    wild = viz.receptive_field(measure.ReceptiveNorms(np.array([[1.0, np.nan, 0.0]])))
    assert len(axes_of(wild)[0][0].images) == 2


def test_one_window_in_the_picture_is_one_of_the_batch():
    plot = viz.windows(np.arange(10.0), 4, horizon=2)
    np.testing.assert_array_equal(plot.numbers.xs[1], [1, 2, 3, 4])
    columns = plot.numbers.columns()
    np.testing.assert_array_equal(columns["at"], columns["value"])


def test_the_five_shapes_read_and_answer_as_their_names_say():
    titles = [panel.title for panel in viz.sequence_shapes().panels]
    assert titles[:4] == ["one to one", "one to many", "many to one", "many to many"]
    for panel, reads, answers in zip(
        viz.sequence_shapes(nn.LSTMCell).panels, (1, 1, 3, 3, 3), (1, 3, 1, 3, 3), strict=True
    ):
        nodes = [node for block in panel.parts.blocks for node in block.nodes]
        assert sum(node.kind == "input" for node in nodes) == reads
        assert sum(node.label == "read" for node in nodes) == answers


WRONG = [
    (lambda: viz.learning_curves({}), "dict of runs is empty"),
    (lambda: viz.learning_curves(SEEDS, baseline="x"), "baseline 'baseline' must be a number"),
    (lambda: viz.gradient_norms({}), "dict of panels is empty"),
    (lambda: viz.activation([]), "no function is named"),
    (lambda: viz.memory_probe({}), "dict of states is empty"),
    (lambda: viz.windows(np.arange(9.0), 3, times=[1]), "expected 9 times"),
    (lambda: viz.forecast([1.0], share=0), "share must be between 0 and 1"),
    (lambda: viz.bytes_by_length({}), "dict of losses is empty"),
    (lambda: viz.gate_differences({"a": OUTPUTS}), "expected two records by their titles"),
    (lambda: viz.padded_batch(np.ones((3, 2)), [4, 1]), r"2 lengths in 0 … 3"),
    (lambda: viz.padded_batch(np.ones(3)), r"got shape \(3,\)"),
    (lambda: PLOTS["windows"]().figure(width=0), "width must be a positive number, got 0"),
    (lambda: PLOTS["windows"]().save("a.png", dpi=-1), "dpi must be a positive number"),
]


@pytest.mark.parametrize(("draw", "says"), WRONG)
def test_a_mistake_is_named(draw, says):
    with pytest.raises(ValueError, match=says):
        draw()


def test_receptive_fields_need_the_inputs():
    with pytest.raises(TypeError, match="give the inputs, too"):
        viz.receptive_field(conv(nn.ConvLSTM1dCell, LINE))


# -- paper -----------------------------------------------------------------------------------------


def test_a_pdf_embeds_its_fonts_as_type_42(tmp_path):
    pdf = PLOTS["learning_curves"]().save(tmp_path / "a.pdf", width=3.3).read_bytes()
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf


def test_the_size_of_the_text_and_of_the_picture_are_as_asked(tmp_path):
    plot = PLOTS["learning_curves"]()
    figure = plot.figure(width=3.3, fontsize=6)
    assert figure.axes[0].get_xticklabels()[0].get_fontsize() == 6
    small = plot.save(tmp_path / "a.png", width=4, dpi=100).read_bytes()
    assert int.from_bytes(small[16:20]) == 400


def test_what_the_reader_has_set_in_matplotlib_holds():
    import matplotlib as mpl

    with mpl.rc_context({"axes.grid.axis": "x", "font.size": 20, "axes.edgecolor": "#ff0000"}):
        ax = PLOTS["one run"]().figure().axes[0]
    assert ax.get_xticklabels()[0].get_fontsize() == 20
    assert ax.spines["left"].get_edgecolor() == (1, 0, 0, 1)
    assert ax.xaxis.label.get_fontsize() > 20  # in the proportion of the house


def test_a_formula_is_not_broken():
    from viz.charts.figure import wrapped

    assert wrapped("the norm of $a + b$ here", 9) == "the norm\nof\n$a + b$\nhere"
