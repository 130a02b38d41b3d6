"""Is a new cell, once it is public, in every list of cells there is?"""

import ast
import importlib.util
import re
from pathlib import Path

import grimp
import numpy as np
import pytest
from enrolled import enrolled

from tinygrad_rnn import named, nn, tanh
from viz.gallery.exhibits import family

ROOT = Path(__file__).parents[1]


class ToyCell(nn.GatedCell):
    def __call__(self, x, h):
        return named(h=tanh(nn.affine(x, self.W_x, self.b_x) + h @ self.W_h))


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setattr(nn, "ToyCell", ToyCell, raising=False)
    monkeypatch.setattr(nn, "__all__", [*nn.__all__, "ToyCell"])


def of_docs(name):
    pytest.importorskip("sphinx", reason="the site is made by Sphinx")
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tests_run_with_it(toy):
    (sample,) = [x for x in enrolled() if x.kind is ToyCell]
    cell, xs, h = sample(bias=False)
    assert len(nn.unroll(cell, xs, h)[0]) == 3


def test_a_cell_that_says_no_size_of_inputs_is_refused_in_a_sentence():
    class Bare:
        def initial_state(self, *batch):
            return np.zeros((*batch, 3))

    with pytest.raises(ValueError, match=r"Bare has no input_size.*features=3"):
        nn.sampled(Bare())
    assert nn.sampled(Bare(), features=2)[1].shape == (3, 2, 2)


def test_the_gallery_draws_it(toy):
    drawn = dict(family())
    assert len(drawn) == len(nn.cells_of(nn))
    assert "<svg" in drawn["ToyCell"]().svg()


def test_the_table_in_readme_has_it(toy):
    cells = of_docs("cells")
    assert "`ToyCell`" in cells.with_table(cells.README.read_text("utf-8"))


def test_the_table_in_readme_is_the_one_that_is_made():
    cells = of_docs("cells")
    text = cells.README.read_text("utf-8")
    assert cells.with_table(text) == text, "run `python docs/cells.py`"


def test_the_site_looks_for_the_file_that_defines_it(toy):
    rooms = of_docs("rooms")
    with pytest.raises(rooms.ExtensionError, match="no file in nn defines"):
        rooms._by_file(nn.__all__, ROOT / "tinygrad_rnn" / "nn", nn)


def defined(file):
    """The names that a file gives at its top: functions, classes, assignments."""
    found = set()
    for part in ast.parse((ROOT / file).read_text("utf-8")).body:
        targets = getattr(part, "targets", [getattr(part, "target", part)])
        found |= {getattr(x, "id", getattr(x, "name", None)) for x in targets}
    return found


def test_the_tour_names_files_and_what_stands_in_them():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    stops = re.findall(r"`([\w/]+\.py): (\w+)`", text)
    assert len(stops) > 20
    assert not [(file, name) for file, name in stops if name not in defined(file)]


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "README.md"])
def test_every_file_that_a_page_names_is_there(page):
    text = (ROOT / page).read_text("utf-8")
    files = set(re.findall(r"`((?:[a-z_]+/)+\w+\.py)\b", text))
    assert files or page == "README.md"
    roots = (ROOT, ROOT / "tinygrad_rnn")
    assert not [file for file in files if not any((root / file).exists() for root in roots)]


def test_every_file_that_the_site_names_is_there():
    for page, base in {"reading": ROOT, "nn": ROOT / "tinygrad_rnn" / "nn"}.items():
        text = (ROOT / "docs" / f"{page}.rst").read_text("utf-8")
        files = re.findall(r"^   ([\w/]+\.py)$", text, re.MULTILINE)
        assert files
        assert not [file for file in files if not (base / file).exists()]


def test_the_house_says_which_room_knows_which():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    rows = re.findall(r"^  (\w+)/ .* knows (.*)$", text, re.MULTILINE)
    said = {room: set(re.findall(r"\w+", known)) - {"NumPy", "only"} for room, known in rows}
    graph = grimp.build_graph("tinygrad_rnn", cache_dir=None)
    for room, known in said.items():
        package = f"tinygrad_rnn.{room}"
        modules = {package} | graph.find_descendants(package)
        found = set().union(*(graph.find_modules_directly_imported_by(m) for m in modules))
        rooms = {name.split(".")[1] for name in found if "." in name}
        assert rooms - {room, "border", "files", "hints"} == known, room
    assert said.keys() == {x.name for x in (ROOT / "tinygrad_rnn").iterdir() if x.is_dir()} - {
        "__pycache__"
    }
