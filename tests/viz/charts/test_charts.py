"""Do curves and maps show the numbers that were measured, also where these are extreme?"""

import csv
import importlib.util
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import tinygrad_rnn as tr
import viz
from tinygrad_rnn import Tensor, measure, nn

pytest.importorskip("matplotlib")

TEXT = "read me"


def run(cell, steps=7, **how):
    xs = Tensor(np.random.default_rng(0).standard_normal((steps, 2, 3)))
    outputs, _ = nn.unroll(cell, xs, **how)
    return [(h * h).sum() for h in outputs]


@pytest.fixture
def losses():
    return run(nn.LSTMCell(3, 4, rng=0))


def axes_of(plot):
    """The axes of a plot without its colour bars, and the figure, which must outlive them."""
    figure = plot.figure()
    figure.canvas.draw()
    return [ax for ax in figure.axes if ax.get_label() != "<colorbar>"], figure


PLOTS = {
    "gradient_matrix": lambda losses: viz.gradient_matrix(losses),
    "gradient_bars": lambda losses: viz.gradient_bars(losses),
    "gate_map": lambda losses: viz.gate_map(losses[-1], text=TEXT),
    "gate_saturation": lambda losses: viz.gate_saturation(losses[-1]),
    "carousel": lambda losses: viz.carousel(losses[-1]),
    "jacobian_spectra": lambda losses: viz.jacobian_spectra(losses[-1]),
    "reach": lambda losses: viz.reach(losses[-1]),
    "loss_surface": lambda losses: viz.loss_surface(
        a=np.linspace(2, 8, 9), b=np.linspace(-4, 0, 7)
    ),
    "attractors": lambda losses: viz.attractors(nn.RNNCell(2, 2, rng=0), [0, 0], steps=5),
    "trajectories": lambda losses: viz.trajectories(losses[-1], text=TEXT, example=0),
    "text_activation": lambda losses: viz.text_activation(losses[-1], text=TEXT, unit=2),
    "text_connectivity": lambda losses: viz.text_connectivity(losses[-1], text=TEXT),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", PLOTS)
def test_every_plot_is_drawn_labelled_and_written_with_its_numbers(name, losses, tmp_path):
    plot = PLOTS[name](losses)
    axes, figure = axes_of(plot)
    if not name.startswith("text"):
        assert all(ax.get_xlabel() or len(axes) > 1 for ax in axes)
        assert axes[-1].get_xlabel()
        assert any(ax.get_ylabel() for ax in axes)
    assert plot.save(tmp_path / "a.svg").read_bytes().startswith(b"<?xml")
    ElementTree.parse(tmp_path / "a.svg")
    with plot.csv(tmp_path / "a.csv").open(newline="") as file:
        assert len(list(csv.reader(file))) > 1
    assert figure is not None
    assert plot.save(tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert plot.save(tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    assert len(list(tmp_path.iterdir())) == 4


def test_png_and_pdf_are_written_and_the_same_plot_gives_the_same_svg(losses, tmp_path):
    plot = viz.gradient_matrix(losses)
    assert plot.save(tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert plot.save(tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    assert plot.svg() == viz.gradient_matrix(losses).svg()
    bundle = plot._repr_mimebundle_()
    assert "<svg" in bundle["image/svg+xml"]
    assert bundle["image/png"].startswith(b"\x89PNG")


# -- what is shown is what was measured ------------------------------------------------------------


def test_the_map_shows_the_matrix_and_leaves_the_other_triangle_empty(losses):
    (ax,), _figure = axes_of(viz.gradient_matrix(losses))
    shown = next(im.get_array() for im in ax.images if im.norm.vmin != 0)
    expected = measure.gradient_matrix(losses).norms
    lower = np.tri(7, dtype=bool)
    np.testing.assert_array_equal(np.ma.getmaskarray(shown), ~lower)
    np.testing.assert_array_equal(shown[lower], expected[lower])


@pytest.mark.parametrize(
    ("chosen", "rows"),
    [
        ([0, 1, 2, 3, 4, 5, 6], [(6.5, -0.5)]),
        ([6, 5, 4], [(3.5, 6.5)]),
        ([2, 6], [(2.5, 1.5), (6.5, 5.5)]),
        ([1, 2, 5], [(2.5, 0.5), (5.5, 4.5)]),
        ([3], [(3.5, 2.5)]),
    ],
)
def test_each_loss_has_its_row_at_its_time_and_each_state_its_column(chosen, rows, losses):
    (ax,), _figure = axes_of(viz.gradient_matrix([losses[t] for t in chosen]))
    extents = [tuple(im.get_extent()) for im in ax.images]
    right = max(chosen) + 0.5
    assert extents == [(-0.5, right, *row) for row in rows for _ in range(2)]
    assert ax.get_ylim() == (rows[-1][0], rows[0][1])


def test_panels_share_one_logarithmic_scale():
    plot = viz.gradient_matrix(
        {"RNN": run(nn.RNNCell(3, 4, rng=0)), "GRU": run(nn.GRUCell(3, 4, rng=0))}
    )
    axes, figure = axes_of(plot)
    assert [ax.get_title() for ax in axes] == ["RNN", "GRU"]
    limits = {(im.norm.vmin, im.norm.vmax) for ax in axes for im in ax.images[:1]}
    assert len(limits) == 1
    assert sum(ax.get_label() == "<colorbar>" for ax in figure.axes) == 1
    assert list(plot.numbers) == ["RNN", "GRU"]


def test_the_bars_add_up_to_the_column_and_say_that_norms_do_not_add(losses):
    (ax, _tail), figure = axes_of(viz.gradient_bars(losses))
    corners = np.concatenate(
        [path.vertices for part in ax.collections[:7] for path in part.get_paths()]
    )
    near = [corners[np.abs(corners[:, 0] - (k - 0.5)) < 0.1, 1] for k in range(8)]
    tops = [max(set(near[k].round(12)) & set(near[k + 1].round(12))) for k in range(7)]
    expected = measure.gradient_matrix(losses).norms.sum(axis=0)
    np.testing.assert_allclose(tops, expected)
    assert "Norms do not add" in figure.get_supxlabel()


def test_the_gate_map_shows_the_gates_of_one_example(losses):
    axes, _figure = axes_of(viz.gate_map(losses[-1], ["f", "c"], example=1))
    lane = measure.lanes(losses[-1])[0]
    np.testing.assert_array_equal(axes[0].images[0].get_array(), lane.array("f")[:, 1].T)
    assert axes[0].images[0].get_clim() == (0, 1)
    low, high = axes[1].images[0].get_clim()
    assert -low == high  # around 0
    letters, _figure = axes_of(viz.gate_map(losses[-1], text=TEXT))
    assert [t.get_text() for t in letters[-1].get_xticklabels()] == list(TEXT)


def test_the_scatter_shows_the_fractions(losses):
    axes, _figure = axes_of(viz.gate_saturation(losses[-1]))
    for ax, fractions in zip(axes, measure.gates(losses[-1]).saturated().values(), strict=True):
        np.testing.assert_array_equal(ax.collections[0].get_offsets(), fractions)


def test_the_carousel_shows_relative_norms_and_products_of_gates(losses):
    rnn = run(nn.RNNCell(3, 4, rng=0))[-1]
    plot = viz.carousel({"LSTM": losses[-1], "RNN": rnn})
    (_, ax), _figure = axes_of(plot)
    norms = measure.state_gradients(losses[-1])["c"].norms
    np.testing.assert_allclose(ax.lines[0].get_ydata(), norms / norms[-1])
    lane, g = measure.lanes(losses[-1])[0], measure.state_gradients(losses[-1])["c"].gradients[-1]
    kept = [np.prod(lane.array("f")[t + 1 :], axis=0) for t in range(7)]
    expected = [np.linalg.norm(g * f) / np.linalg.norm(g) for f in kept]
    np.testing.assert_allclose(ax.lines[1].get_ydata(), expected)
    assert ax.lines[1].get_linestyle() == ":"
    h = measure.state_gradients(rnn)["h"].norms
    np.testing.assert_allclose(ax.lines[2].get_ydata(), h / h[-1])
    assert ax.get_yscale() == "log"


def test_every_net_of_the_carousel_has_a_look_of_its_own():
    nets = [nn.RNNCell(3, 4, rng=0), nn.GRUCell(3, 4, rng=0), nn.RNNCell(3, 4, rng=1)]
    plot = viz.carousel({f"net {k}": run(cell)[-1] for k, cell in enumerate(nets)})
    (_, ax), _figure = axes_of(plot)
    looks = [(line.get_color(), line.get_linestyle()) for line in ax.lines]
    assert len(set(looks)) == len(nets)


def test_the_carousel_compares_with_the_last_step_that_has_a_gradient(losses):
    plot = viz.carousel(losses[4] + 0.0 * losses[-1])
    (_, ax), _figure = axes_of(plot)
    curves = plot.numbers
    norms = measure.state_gradients(losses[4] + 0.0 * losses[-1])["c"].norms
    assert (curves.unit, norms[5:].tolist()) == (4, [0.0, 0.0])
    np.testing.assert_allclose(curves.relative, norms / norms[4])
    lane = measure.lanes(losses[-1])[0]
    g = measure.state_gradients(losses[4])["c"].gradients[-1]
    kept = [np.prod(lane.array("f")[t + 1 : 5], axis=0) for t in range(5)]
    expected = [np.linalg.norm(g * f) / np.linalg.norm(g) for f in kept]
    np.testing.assert_allclose(curves.gates[:5], expected)
    assert ax.get_ylabel() == "gradient norm, last step that is not 0 = 1"
    assert "1 at t = 4" in ax.lines[0].get_label()


def test_the_carousel_shows_no_product_of_gates_that_are_not_what_carries():
    leaky = nn.LeakyCell(nn.LSTMCell(3, 4, rng=0), 0.5)
    assert viz.carousel(run(leaky)[-1]).numbers.gates is None
    assert viz.carousel(run(nn.CoupledLSTMCell(3, 4, rng=0))[-1]).numbers.gates is not None


@pytest.mark.parametrize("reverse", [False, True])
def test_the_lanes_of_the_carousel_stand_over_its_curves(reverse):
    losses = run(nn.RNNCell(3, 4, rng=0), reverse=reverse)
    plot = viz.carousel(losses[0 if reverse else -1])
    (strips, _), _figure = axes_of(plot)
    (lane,) = strips.collections
    np.testing.assert_array_equal(lane.get_coordinates()[0, :, 0], np.arange(8) - 0.5)
    expected = plot.numbers.relative[::-1] if reverse else plot.numbers.relative
    np.testing.assert_array_equal(lane.get_array().ravel(), expected)


def test_spectra_show_every_singular_value(losses):
    plot = viz.jacobian_spectra(losses[-1])
    (ax,), _figure = axes_of(plot)
    s = np.exp(np.log(plot.numbers.singular_values()).mean(axis=1))
    curves = {tuple(line.get_ydata()) for line in ax.lines}
    assert {tuple(column) for column in s.T} <= curves


def test_reach_draws_a_line_to_where_the_gradient_ends():
    losses = run(nn.GRUCell(3, 4, rng=0), truncate=3)
    plot = viz.reach(losses[-1] + losses[2])
    (ax,), _figure = axes_of(plot)
    lines, cuts = (part.get_segments() for part in ax.collections)
    assert [(a[0], b[0]) for a, b in lines] == [(3 * (t // 3), t) for t in range(7)]
    assert [a[0] for a, _ in cuts] == [2.5, 5.5]
    with pytest.raises(ValueError, match="no such state is handed on; there are: h of gru"):
        viz.reach(losses[-1], "c")


def test_the_surface_shows_the_loss_and_both_steps():
    plot = viz.loss_surface(a=np.linspace(4, 6, 5), b=np.linspace(-3, -2, 5), at=(5.1, -2.45))
    (left, right), _figure = axes_of(plot)
    np.testing.assert_array_equal(left.collections[0].get_array(), plot.numbers.loss.T)
    np.testing.assert_array_equal(right.lines[0].get_ydata(), plot.numbers.loss[:, 2])
    whole, clipped = (text.get_text() for text in _figure.legends[0].get_texts())
    assert whole.startswith("the whole step, |g| = ")
    assert clipped.startswith("clipped to |g| ≤ 1: to w = ")


def test_attractors_are_filled_and_what_pushes_away_is_open():
    latch = nn.RNNCell(2, 2, bias=False, rng=0)
    latch.W_h.data = np.array([[1.5, -1.0], [-1.0, 1.5]])
    plot = viz.attractors(latch, {"at rest": [0, 0]}, steps=80)
    (ax,), _figure = axes_of(plot)
    marked = [line for line in ax.lines if line.get_markersize() == 13]
    assert [line.get_color() == "white" for line in marked] == [False, False, True]
    assert [line.get_marker() for line in marked] == ["o", "s", "o"]
    shown = [[line.get_xdata()[0], line.get_ydata()[0]] for line in marked]
    np.testing.assert_allclose(shown, plot.numbers["at rest"].points)


@pytest.mark.parametrize("units", [1, 2, 3])
def test_a_trajectory_is_drawn_in_its_units_or_their_principal_components(units):
    losses = run(nn.RNNCell(3, units, rng=0))
    plot = viz.trajectories(losses[-1], text=TEXT, example=1)
    (ax,), _figure = axes_of(plot)
    r = plot.numbers
    h = measure.lanes(losses[-1])[0].array("h")[:, 1]
    seen = {1: np.c_[np.arange(7), h], 2: h, 3: r.plane.project(h)}[units]
    np.testing.assert_allclose(ax.collections[0].get_offsets(), seen, rtol=1e-12)
    assert [note.get_text() for note in ax.texts] == [c.replace(" ", "␣") for c in TEXT]
    share = f"component 2 ({100 * r.plane.explained[1]:.0f} % of variance)" if units == 3 else ""
    assert ax.get_ylabel() == {1: "$h$", 2: "$h_2$", 3: share}[units]


@pytest.mark.parametrize("units", [1, 3])
def test_attractors_of_any_size_are_seen_from_where_their_paths_vary_most(units):
    cell = nn.RNNCell(2, units, rng=0)
    plot = viz.attractors(cell, {"a": [0, 0], "b": [1, 0]}, steps=9)
    axes, _figure = axes_of(plot)
    paths = plot.numbers["b"].paths
    every = np.concatenate([plot.numbers[k].paths for k in "ab"])
    seen = measure.principal_plane(every).project(paths) if units == 3 else paths
    np.testing.assert_allclose(axes[1].lines[0].get_ydata(), seen[:, 0, -1])


def test_what_is_negative_is_underlined_because_paper_has_no_blue(losses):
    plot = viz.text_activation(losses[-1], text=TEXT, unit=2)
    (ax,), _figure = axes_of(plot)
    under = [int(line.get_xdata()[0]) for line in ax.lines]
    assert under == np.nonzero(plot.numbers.values < 0)[0].tolist()


def test_a_text_is_coloured_by_a_unit_and_by_connectivity(losses):
    plot = viz.text_activation(losses[-1], text=TEXT, unit=2, example=1)
    np.testing.assert_array_equal(
        plot.numbers.values, measure.lanes(losses[-1])[0].array("h")[:, 1, 2]
    )
    (ax,), _figure = axes_of(plot)
    assert [text.get_text() for text in ax.texts] == list(TEXT)
    plot = viz.text_connectivity(losses[4], text=TEXT)
    np.testing.assert_array_equal(plot.numbers.values[:5], measure.connectivity(losses[4]).squared)
    assert np.isnan(plot.numbers.values[5:]).all()  # not yet read


def test_marks_that_mean_something_to_matplotlib_stay_text(losses):
    (ax,), _figure = axes_of(viz.text_activation(losses[-1], text="$x_1^2\n", unit=0))
    assert "".join(text.get_text() for text in ax.texts) == "$x_1^2↵"


# -- extremes --------------------------------------------------------------------------------------


def chain(factor, steps=30):
    h, found = Tensor(np.ones((1, 1)), name="h0"), []
    for t in range(steps):
        with tr.scope("step", t=t), np.errstate(all="ignore"):
            h = tr.named(h=h * factor)
        found.append(h.sum())
    return found


@pytest.mark.sampled(3)
@pytest.mark.parametrize("factor", [1e40, 1e-40, 0.0, np.inf, np.nan])
def test_extreme_gradients_have_a_picture(factor):
    losses = chain(factor)
    for plot in (
        viz.gradient_matrix(losses),
        viz.gradient_bars(losses),
        viz.carousel(losses[-1]),
        viz.jacobian_spectra(losses[-1]),
        viz.reach(losses[-1]),
        viz.trajectories(losses[-1]),
        viz.text_activation(losses[-1], text="." * 30, unit=0),
    ):
        assert "<svg" in plot.svg()


def unusual(cell, steps, units, x=1.0, weights=None):
    cell = cell(1, units, rng=0)
    if weights is not None:
        for p in cell.parameters():
            p.data = np.full_like(p.data, weights)
    xs = Tensor(np.full((steps, 1, 1), x))
    with np.errstate(all="ignore"):
        outputs, _ = nn.unroll(cell, xs)
        return cell, [h.sum() for h in outputs]


EXTREMES = {
    "one step": lambda: unusual(nn.LSTMCell, 1, 3),
    "one unit": lambda: unusual(nn.LSTMCell, 5, 1),
    "one step of one unit": lambda: unusual(nn.LSTMCell, 1, 1),
    "many steps": lambda: unusual(nn.LSTMCell, 100, 2),
    "NaN": lambda: unusual(nn.LSTMCell, 5, 3, x=np.nan),
    "infinite": lambda: unusual(nn.LSTMCell, 5, 3, x=np.inf),
    "all weights 0": lambda: unusual(nn.LSTMCell, 5, 3, weights=0.0),
    "all weights huge": lambda: unusual(nn.LSTMCell, 5, 3, weights=1e200),
}
OF_EACH = {
    "gradient_matrix": lambda cell, losses: viz.gradient_matrix(losses),
    "gradient_bars": lambda cell, losses: viz.gradient_bars(losses),
    "gate_map": lambda cell, losses: viz.gate_map(losses[-1], ["f", "c"]),
    "gate_saturation": lambda cell, losses: viz.gate_saturation(losses[-1]),
    "carousel": lambda cell, losses: viz.carousel(losses[-1]),
    "jacobian_spectra": lambda cell, losses: viz.jacobian_spectra(losses[-1]),
    "reach": lambda cell, losses: viz.reach(losses[-1]),
    "trajectories": lambda cell, losses: viz.trajectories(losses[-1]),
    "attractors": lambda cell, losses: viz.attractors(
        lambda x, h: cell(x, (h, h))[1], [1.0], np.ones((3, cell.hidden_size)), steps=5
    ),
    "loss_surface": lambda cell, losses: viz.loss_surface(
        lambda a, b: a * b * float(losses[-1].data), np.arange(3.0), np.arange(2.0)
    ),
    "gradient_norms": lambda cell, losses: viz.gradient_norms(losses[-1]),
    "parameter_gradients": lambda cell, losses: viz.parameter_gradients(
        losses[-1], cell.parameters()
    ),
    "activation": lambda cell, losses: viz.activation("tanh", losses[-1]),
    "learning_curves": lambda cell, losses: viz.learning_curves(
        {"log": [float(x.data) for x in losses], "seeds": [[float(x.data)] for x in losses]},
        log=True,
    ),
    "seed_spread": lambda cell, losses: viz.seed_spread([float(x.data) for x in losses]),
    "clamped": lambda cell, losses: viz.clamped(losses[-1], "f", 1.0),
    "padded_batch": lambda cell, losses: viz.padded_batch(
        np.stack([np.full((2, 1), x.data) for x in losses]), [len(losses), 1]
    ),
    "text_activation": lambda cell, losses: viz.text_activation(
        losses[-1], text="." * len(losses), unit=0
    ),
    "text_connectivity": lambda cell, losses: viz.text_connectivity(
        losses[-1], text="." * len(losses), log=True
    ),
}


@pytest.mark.sampled(5)
@pytest.mark.parametrize("extreme", EXTREMES)
@pytest.mark.parametrize("name", OF_EACH)
def test_every_plot_of_every_extreme_is_sensible_or_refused_with_its_reason(
    name, extreme, tmp_path
):
    cell, losses = EXTREMES[extreme]()
    if name == "jacobian_spectra" and extreme.startswith("one step"):
        with pytest.raises(ValueError, match="one step alone has no Jacobian"):
            OF_EACH[name](cell, losses)
        return
    plot = OF_EACH[name](cell, losses)
    figure = plot.figure()
    assert np.isfinite([[*ax.get_xlim(), *ax.get_ylim()] for ax in figure.axes]).all()
    assert "<svg" in plot.svg()
    assert plot.csv(tmp_path / "a.csv").stat().st_size


def test_where_no_gradient_flows_the_picture_says_so_or_the_error():
    xs = Tensor(np.ones((4, 1, 2)))
    outputs, _ = nn.unroll(nn.RNNCell(2, 3, rng=0), xs)
    losses = [tr.stop_gradient(h).sum() for h in outputs]
    matrix = viz.gradient_matrix(losses)
    assert not matrix.numbers.reached.any()
    for plot in (matrix, viz.gradient_bars(losses), viz.carousel(losses[-1])):
        assert "<svg" in plot.svg()
    assert not viz.text_connectivity(losses[-1], text="abcd").numbers.values.any()


# -- errors ----------------------------------------------------------------------------------------


def test_mistakes_are_named(losses, tmp_path):
    plot = viz.gradient_matrix(losses)
    with pytest.raises(ValueError, match=r"'\.gif'.*\.csv\(path\) writes the numbers"):
        plot.save(tmp_path / "a.gif")
    with pytest.raises(FileNotFoundError, match=r"cannot write .*folder that exists"):
        plot.save(tmp_path / "no" / "a.svg")
    with pytest.raises(ValueError, match="dict of panels is empty"):
        viz.gradient_matrix({})
    with pytest.raises(ValueError, match="one character for each of 7 steps, got 3"):
        viz.gate_map(losses[-1], text="abc")
    with pytest.raises(ValueError, match=r"examples 0 … 1, not 2"):
        viz.gate_map(losses[-1], example=2)
    with pytest.raises(ValueError, match="text_activation: there are units 0 … 3, not 9"):
        viz.text_activation(losses[-1], text=TEXT, unit=9)
    with pytest.raises(ValueError, match="7 characters were read, the text has 2"):
        viz.text_connectivity(losses[-1], text="ab")
    assert not list(tmp_path.iterdir())


WRONG = {
    "example": (
        lambda L: viz.gate_map(L, example=0.5),
        TypeError,
        "example must be a whole number",
    ),
    "text": (
        lambda L: viz.trajectories(L, text=7),
        TypeError,
        "expected a text, one char.* got int",
    ),
    "bytes": (lambda L: viz.text_connectivity(L, text=b"read me"), TypeError, "got bytes"),
    "unit": (
        lambda L: viz.text_activation(L, text=TEXT, unit="1"),
        TypeError,
        "unit must be a who",
    ),
    "too long": (lambda L: viz.text_connectivity(L, text="a" * 6000), ValueError, "Show a part"),
    "lane": (lambda L: viz.carousel(L, lane="gru"), ValueError, "'gru'; there are: lstm"),
    "state": (
        lambda L: viz.carousel(L, "s"),
        ValueError,
        "no state is called 's'; there are: c, h",
    ),
    "gate": (lambda L: viz.carousel(L, gate="q"), ValueError, "no gate 'q' decides what 'c' keeps"),
    "letters": (lambda L: viz.gate_map(measure.gates(L), "q"), ValueError, "there are: i, f, o"),
    "lr": (lambda L: viz.loss_surface(lr=-1), ValueError, "lr must be a positive number, got -1"),
    "clip": (lambda L: viz.loss_surface(clip="1"), ValueError, "clip must be a positive number"),
    "axis": (lambda L: viz.loss_surface(a=[3, 2]), ValueError, "two or more numbers that rise"),
    "at": (lambda L: viz.loss_surface(at=(np.nan, 0)), ValueError, "at must be two numbers"),
    "names": (lambda L: viz.loss_surface(names="w"), ValueError, "names must be two, one per axis"),
    "loss": (lambda L: viz.loss_surface(3), TypeError, r"expected loss\(a, b\).*got int"),
    "cell": (lambda L: viz.attractors(4, [0]), TypeError, "expected a cell.*got int"),
    "steps": (lambda L: viz.attractors(nn.RNNCell(2, 2), [0, 0], steps=0), ValueError, "1 or more"),
    "inputs": (
        lambda L: viz.attractors(nn.RNNCell(2, 2), {}),
        ValueError,
        "dict of inputs is empty",
    ),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_argument_is_named_with_what_would_be_right(mistake, losses):
    draw, kind, says = WRONG[mistake]
    with pytest.raises(kind, match=says):
        draw(losses[-1])


def test_a_character_that_no_font_has_and_numbers_near_overflow_draw_without_a_warning(losses):
    assert "<svg" in viz.text_activation(losses[-1], text="a😀b\t日\u202e$", unit=0).svg()
    steep = viz.loss_surface(lambda a, b: a * b * 1e300, np.arange(3.0), np.arange(3.0))
    assert "<svg" in steep.svg()


def test_without_matplotlib_the_way_to_it_is_named_and_the_numbers_are_there(
    losses, monkeypatch, tmp_path
):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *a: None if name == "matplotlib" else find(name, *a),
    )
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    plot = viz.gradient_matrix(losses)
    with pytest.raises(viz.NoRenderer, match=r'pip install "matplotlib>='):
        plot.save(tmp_path / "a.svg")
    assert 'pip install "matplotlib>=' in plot._repr_mimebundle_()["text/plain"]
    assert plot.csv(tmp_path / "a.csv").exists()
    assert plot.numbers.norms.shape == (7, 7)


@pytest.mark.parametrize("draw", [viz.gradient_matrix, viz.gradient_bars])
def test_more_losses_than_the_budget_are_refused_before_the_first_walk(draw):
    loss = (Tensor(np.ones(2)) * 2).sum()
    with pytest.raises(ValueError, match=r"1,000 losses are more than the budget of 250.*::4\]"):
        draw([loss] * 1000)
