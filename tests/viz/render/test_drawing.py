"""Does a picture reach the reader: as DOT, as a file, in a notebook, with or without a renderer?"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import graphviz
import numpy as np
import pytest

import viz
from tinygrad_rnn import Tensor, nn, no_grad, scalars
from viz.layout import block as block_file
from viz.layout import graphviz as paint
from viz.layout.graphviz import arrange

GOLDEN = Path(__file__).parent / "golden"
PICTURES = {
    "rnn_op": lambda record: viz.unrolled(record(nn.RNNCell(3, 4, rng=0), steps=2)),
    "lstm_gate": lambda record: viz.unrolled(record(nn.LSTMCell(3, 4, rng=0), steps=2), "gate"),
    "gru_folded": lambda record: viz.folded(record(nn.GRUCell(3, 4, rng=0)), "gate"),
    "rnn_cell_hub": lambda record: viz.unrolled(
        record(nn.RNNCell(3, 4, rng=0), steps=2), "cell", weights="hub"
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_source_is_the_golden_text_whatever_was_recorded_before(name, record, no_renderer):
    path = GOLDEN / f"{name}.dot"
    source = PICTURES[name](record).source
    if os.environ.get("REWRITE_GOLDEN"):
        path.write_text(source, encoding="utf-8")
    assert source == path.read_text(encoding="utf-8")
    assert PICTURES[name](record).source == source


def test_source_has_no_positions(record):
    assert "pos=" not in viz.gradient_flow(record(nn.LSTMCell(3, 4, rng=0))).source


def test_source_is_understood_by_graphviz_alone(record):
    assert b'"objects"' in arrange(viz.unrolled(record(nn.LSTMCell(3, 4, rng=0))).source)


@pytest.mark.parametrize(
    ("ending", "begins"),
    [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF"), ("dot", b"digraph")],
)
def test_save_writes_what_the_ending_says_and_returns_the_path(ending, begins, record, tmp_path):
    path = tmp_path / f"picture.{ending}"
    assert viz.unrolled(record(nn.RNNCell(3, 4, rng=0))).save(path) == path
    assert path.read_bytes().startswith(begins)
    assert list(tmp_path.iterdir()) == [path]  # nothing is left beside it


def test_a_picture_that_fails_leaves_the_old_file_alone(record, tmp_path, no_renderer):
    path = tmp_path / "picture.svg"
    path.write_text("old")
    with pytest.raises(viz.NoRenderer):
        viz.unrolled(record(nn.RNNCell(3, 4, rng=0))).save(path)
    assert path.read_text() == "old"


def test_a_notebook_gets_svg_that_fits_and_png_on_request(record):
    drawing = viz.unrolled(record(nn.RNNCell(3, 4, rng=0)))
    bundle = drawing._repr_mimebundle_()
    assert '<svg style="max-width: 100%' in bundle["image/svg+xml"]
    assert list(bundle) == ["image/svg+xml", "text/plain"]
    bundle = drawing._repr_mimebundle_(include=["image/png"])
    assert bundle["image/png"].startswith(b"\x89PNG")


def test_a_long_dot_text_is_cut_in_a_notebook_without_a_renderer(record, no_renderer):
    drawing = viz.unrolled(record(nn.LSTMCell(3, 4, rng=0), steps=30))
    text = drawing._repr_mimebundle_()["text/plain"]
    assert text.count("\n") < 210
    assert "more lines: .source" in text


def test_a_drawing_is_a_source_of_graphviz_and_plain_data(record):
    drawing = viz.unrolled(record(nn.RNNCell(3, 4, rng=0)))
    assert isinstance(drawing.graphviz, graphviz.Source)
    assert drawing.graphviz.source.strip() == drawing.source.strip()
    data = json.loads(json.dumps(drawing.node_link()))
    names = {node["id"] for node in data["nodes"]}
    assert all({edge["source"], edge["target"]} <= names for edge in data["edges"])


def test_another_renderer_draws_what_it_is_given(record):
    asked = []

    def renderer(dot, form, program):
        asked.append((form, program))
        if form != "json":
            return b"<svg/>"
        with pygraphviz.AGraph(string=dot) as laid:
            return laid.draw(format=form, prog=program)

    pygraphviz = pytest.importorskip("pygraphviz")
    drawing = viz.unrolled(record(nn.RNNCell(3, 4, rng=0)), "cell")
    viz.use_renderer(renderer)
    try:
        assert drawing.svg() == "<svg/>"
    finally:
        viz.use_renderer(None)
    assert asked[-1] == ("svg", "nop2")
    assert "<svg" in drawing.svg()
    with pytest.raises(TypeError, match="use_renderer: expected a function"):
        viz.use_renderer("dot")


def test_nothing_of_fontconfig_reaches_the_reader(tmp_path):
    command = [sys.executable, "-m", "viz", "unroll", "rnn", "-o", tmp_path / "a.png"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_a_renderer_a_notebook_gets_dot_and_the_way_to_one(record, no_renderer):
    drawing = viz.unrolled(record(nn.RNNCell(3, 4, rng=0)))
    bundle = drawing._repr_mimebundle_()
    assert list(bundle) == ["text/plain"]
    assert drawing.source in bundle["text/plain"]
    assert "apt install graphviz" in bundle["text/plain"]


def test_without_a_renderer_dot_is_saved_all_the_same(record, no_renderer, tmp_path):
    assert viz.unrolled(record(nn.RNNCell(3, 4, rng=0))).save(tmp_path / "a.dot").exists()


def test_no_renderer_names_every_way_to_get_one(record, no_renderer, tmp_path):
    with pytest.raises(viz.NoRenderer) as error:
        viz.unrolled(record(nn.RNNCell(3, 4, rng=0))).save(tmp_path / "a.svg")
    for way in (
        "apt install graphviz",
        "brew install graphviz",
        "winget install Graphviz.Graphviz",
    ):
        assert way in str(error.value)
    assert 'pip install "pygraphviz>=' in str(error.value)


@pytest.fixture
def broken_dot(monkeypatch, tmp_path_factory):
    """A dot on PATH that cannot run."""
    folder = tmp_path_factory.mktemp("bin")
    dot = folder / "dot"
    dot.write_text(
        "#!/bin/sh\nwhile read -r _; do :; done\necho 'libgvc is missing' >&2\nexit 127\n"
    )
    dot.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_a_broken_dot_on_path_is_no_obstacle(broken_dot, record, monkeypatch):
    block_file._by_dot.cache_clear()
    drawing = viz.unrolled(record(nn.RNNCell(3, 4, rng=0)))
    assert "<svg" in drawing.svg()
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    with pytest.raises(viz.NoRenderer, match=r"dot on PATH fails: libgvc is missing.*apt install"):
        drawing.svg()


@pytest.fixture
def endless_dot(monkeypatch, tmp_path_factory):
    """A dot on PATH that does not come back."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "dot").write_text(f"#!{sys.executable}\nimport time\ntime.sleep(600)\n")
    (folder / "dot").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(paint, "SECONDS", 0.3)


def test_a_renderer_that_does_not_come_back_is_stopped(endless_dot, record, tmp_path):
    block_file._by_dot.cache_clear()
    loss = record(nn.RNNCell(3, 4, rng=0))
    for drawing in (viz.unrolled(loss), viz.unrolled(loss, "cell"), viz.unfolding(loss)):
        with pytest.raises(TimeoutError, match=r"more than 0\.3 seconds .*detail=\"cell\""):
            drawing.save(tmp_path / "a.svg")
        assert drawing.source
    with pytest.raises(TimeoutError, match=r"smaller budget.*viz\.play\(loss\).*graphviz\.SECONDS"):
        viz.gradient_flow(loss).svg()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(shutil.which("dot") is not None, reason="dot on PATH draws")
def test_a_layout_that_takes_long_can_be_stopped_without_dot_on_path(monkeypatch):
    dense = [f"n{a} -> n{b}" for a in range(60) for b in range(a + 1, 60)]  # takes minutes
    monkeypatch.setattr(paint, "SECONDS", 1)
    with pytest.raises(TimeoutError, match="Graphviz was stopped"):
        arrange("digraph { " + "; ".join(dense) + " }")


def test_a_picture_drawn_in_a_process_of_its_own_is_the_same(record, monkeypatch):
    loss = record(nn.LSTMCell(3, 4, rng=0))
    here = viz.unrolled(loss, "gate").svg()
    monkeypatch.setattr(paint, "BRIEF_LAYOUT", 0)
    monkeypatch.setattr(paint, "BRIEF_PAINTING", 0)
    block_file._by_dot.cache_clear()
    assert viz.unrolled(loss, "gate").svg() == here


def test_an_unknown_format_is_refused_by_name(record, tmp_path):
    drawing = viz.unrolled(record(nn.RNNCell(3, 4, rng=0)))
    with pytest.raises(ValueError, match=r"'\.jpeg'.*\.svg, \.png, \.pdf or \.dot"):
        drawing.save(tmp_path / "a.jpeg")
    with pytest.raises(ValueError, match="ends in 'nothing'"):
        drawing.save(tmp_path / "picture")


def test_a_file_that_cannot_be_written_is_named(record, tmp_path):
    drawing = viz.unrolled(record(nn.RNNCell(3, 4, rng=0)))
    with pytest.raises(FileNotFoundError, match=r"missing.*No such file.*folder that exists"):
        drawing.save(tmp_path / "missing" / "a.svg")
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(OSError, match=r"cannot write .*folder\.svg"):
        drawing.save(tmp_path / "folder.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.svg"]


def test_a_png_too_large_to_read_is_refused(record, tmp_path):
    drawing = viz.unrolled(record(nn.RNNCell(3, 4, rng=0), steps=300), "cell", per_line=300)
    with pytest.raises(ValueError, match=r"32,767.*Save \.svg or \.pdf"):
        drawing.save(tmp_path / "a.png")
    assert list(drawing._repr_mimebundle_()) == ["image/svg+xml", "text/plain"]


@pytest.mark.parametrize("draw", [viz.unrolled, viz.folded, viz.gradient_flow, viz.graph])
def test_what_was_not_recorded_is_refused_with_a_reason(draw):
    name = draw.__name__
    with pytest.raises(TypeError, match=f"{name}: expected a Tensor .* got an array"):
        draw(np.ones(3))
    with pytest.raises(TypeError, match="got a float"):
        draw(1.0)
    with pytest.raises(ValueError, match=f"{name}: nothing was recorded"):
        draw(Tensor(1.0))
    with no_grad():
        detached = Tensor(1.0) * 2.0
    with pytest.raises(ValueError, match="nothing was recorded"):
        draw(detached)


def test_unknown_choices_list_the_known_ones(record):
    loss = record(nn.RNNCell(3, 4, rng=0))
    with pytest.raises(ValueError, match="unknown detail 'fine'; choose one of \"cell\""):
        viz.unrolled(loss, "fine")
    with pytest.raises(ValueError, match="unknown weights 'all'; choose one of \"stub\""):
        viz.gradient_flow(loss, weights="all")


def test_a_gradient_starts_at_one_scalar(record):
    outputs, _ = nn.unroll(nn.RNNCell(3, 4, rng=0), np.ones((2, 2, 3)))
    with pytest.raises(ValueError, match=r"one scalar, got shape \(2, 4\)"):
        viz.gradient_flow(outputs[-1])
    with pytest.raises(ValueError, match="one scalar, got 2 Tensors"):
        viz.gradient_flow(outputs)


def test_scalars_refuse_what_has_no_meaning_on_them():
    logits = Tensor(np.ones((1, 3)), name="a")
    with pytest.raises(TypeError, match="log_softmax cannot run on an array of scalar Tensors"):
        viz.unrolled(nn.cross_entropy(logits, np.array([1])), "scalar")


def test_numbers_that_count_nothing_are_refused(record):
    loss = record(nn.RNNCell(3, 4, rng=0))
    with pytest.raises(ValueError, match=r"unrolled: per_line must be a whole number .* got 0"):
        viz.unrolled(loss, per_line=0)
    with pytest.raises(TypeError, match=r"graph: budget must be a whole number of nodes .* 'all'"):
        viz.graph(loss, budget="all")
    with pytest.raises(TypeError, match=r"gradient_flow: budget .* got 1\.5"):
        viz.gradient_flow(loss, budget=1.5)
    with pytest.raises(ValueError, match=r"unknown detail \['op'\]"):
        viz.folded(loss, ["op"])
    with pytest.raises(ValueError, match=r"nothing was passed: there is no Tensor in \[\]"):
        viz.unrolled([])


def test_what_unroll_returns_can_be_drawn_as_it_is(count):
    result = nn.unroll(nn.LSTMCell(3, 4, rng=0), np.ones((3, 2, 3)))  # outputs and (h, c)
    assert count(viz.unrolled(result, "cell"))["cell"] == 3
    cell = scalars(nn.RNNCell(1, 2, rng=0))
    outputs, _ = nn.unroll(cell, scalars(np.ones((2, 1, 1))))  # object arrays
    assert count(viz.unrolled(outputs))["op"] > 10


def test_what_is_no_path_is_refused(record, tmp_path):
    drawing = viz.unrolled(record(nn.RNNCell(3, 4, rng=0)))
    for path in (3, None, b"a.svg"):
        with pytest.raises(TypeError, match="save: expected a path"):
            drawing.save(path)
    with pytest.raises(ValueError, match=r"cannot write .* cannot contain a null byte"):
        drawing.save(tmp_path / "a\0.svg")


def test_a_name_as_long_as_the_system_allows_is_written(record, tmp_path):
    path = tmp_path / ("a" * 251 + ".svg")
    assert viz.unrolled(record(nn.RNNCell(3, 4, rng=0))).save(path).exists()


def test_nothing_is_saved_through_a_link(record, tmp_path):
    path, link = tmp_path / "picture.dot", tmp_path / "link.dot"
    path.touch()
    link.symlink_to(path)
    with pytest.raises(OSError, match=r"save: cannot write .*a symbolic link to .*picture\.dot"):
        viz.unrolled(record(nn.RNNCell(3, 4, rng=0))).save(link)
    assert link.is_symlink()
    assert not path.read_bytes()


def test_interrupting_a_save_leaves_nothing_behind(record, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    drawing = viz.unrolled(record(nn.RNNCell(3, 4, rng=0)))
    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        drawing.save(tmp_path / "picture.dot")
    assert not list(tmp_path.iterdir())


def test_an_expression_too_large_for_one_layout_says_how_to_divide_it():
    h = Tensor(np.ones(2), name="h")
    for _ in range(6000):
        h = h * 1.0
    drawing = viz.graph(h)
    assert "digraph" in drawing.source
    with pytest.raises(ValueError, match=r"6,001 nodes; beyond 5,000 .* scope\(name, t=t\)"):
        drawing.svg()


def test_a_loop_without_scopes_is_drawn_with_its_parameters_at_each_use(count):
    h, cell = np.zeros((2, 4)), nn.RNNCell(3, 4, rng=0)
    for _ in range(40):
        h = cell(np.ones((2, 3)), h)
    drawing = viz.unrolled(h.sum())
    assert count(drawing)["parameter"] == 4 * 40
    assert "<svg" in drawing.svg()  # with shared ones dot would not come back for minutes
