"""Does one page show every picture there is?"""

import re
import xml.etree.ElementTree as ET

import pytest

import viz
from viz.__main__ import main
from viz.gallery.exhibits import Exhibit
from viz.gallery.gallery import gallery
from viz.gallery.page import page as page_of

NO_PICTURES = {"Drawing", "Frames", "NoRenderer", "Options", "Player", "Plot", "Sheet", "Steps"}
NOT_IN_IT = NO_PICTURES | {"keep", "use_renderer", "flow", "fold"}  # two by another name
AS_FLOW = {"graph"}  # the same drawing as unrolled, of anything


def noting(drawn, name):
    picture = getattr(viz, name)

    def draw(*args, **options):
        drawn.add(name)
        return picture(*args, **options)

    return draw


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The page, and the names of the pictures that were drawn for it."""
    drawn = set()
    with pytest.MonkeyPatch.context() as patch:
        for name in set(viz.__all__) - NOT_IN_IT:
            patch.setattr(viz, name, noting(drawn, name))
        page = gallery(tmp_path_factory.mktemp("gallery"), seconds=0.1, progress=False)
    return page, drawn


@pytest.fixture(scope="module")
def page(made):
    return made[0]


def test_the_page_shows_each_file_beside_it_and_nothing_else(page):
    text = page.read_text(encoding="utf-8")
    shown = re.findall(r'<img src="([^"]+)"', text)
    assert len(shown) >= 14
    assert sorted(shown) == sorted(p.name for p in page.parent.glob("*.svg"))
    assert re.findall(r'<iframe src="([^"]+)"', text) == [
        "player.html",
        "frames.html",
        "steps.html",
    ]
    linked = set(re.findall(r'(?:src|href)="([^"#]+)"', text))
    assert {p.name for p in page.parent.iterdir()} == {"index.html", *linked}
    assert "http" not in text  # it works without a network


def test_every_picture_of_something_measured_lies_there_as_its_numbers(page):
    numbers = {p.stem for p in page.parent.glob("*.csv")}
    not_measured = {"02", "03", "09", "11", "15", "ce", "ci"}  # graphs without gradient
    for path in page.parent.glob("*.svg"):
        assert (path.stem in numbers) != (path.stem[:2] in not_measured), path.name


@pytest.mark.parametrize(("broad", "narrow"), [(1, 0), (1, 1), (2, 1), (3, 0), (1, 4)])
def test_a_broad_picture_with_none_beside_it_takes_the_line(broad, narrow):
    every = [Exhibit("one", f"{k}.svg", "title", "caption", list) for k in range(broad + narrow)]
    text = page_of(every, {}, {f"{k}.svg" for k in range(broad)})
    assert text.count("<figure class=wide>") == min(broad, narrow)
    assert text.count("<figure class=full>") == max(0, broad - narrow)


def test_interrupted_it_leaves_whole_files_only_and_says_how_far_it_was(
    tmp_path, monkeypatch, capsys
):
    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(viz, "folded", stop)
    assert main(["gallery", "--seconds", "0.1", "-o", str(tmp_path / "g")]) == 130
    done = {p.name for p in (tmp_path / "g").iterdir()}
    circuits = {name for name in done if name.startswith("circuit_")}
    assert done - circuits == {
        "player.html", "frames.html", "steps.html", "01_gradient.svg", "01_gradient.csv",
    }  # fmt: skip
    ET.fromstring((tmp_path / "g" / "01_gradient.svg").read_text(encoding="utf-8"))
    assert len(circuits) == 9
    assert re.search(r"gallery: 14 of \d+, 02_folded.svg", capsys.readouterr().err)


def test_each_file_is_a_drawing(page):
    for path in page.parent.glob("*.svg"):
        root = ET.fromstring(path.read_text(encoding="utf-8"))
        assert root.tag.endswith("svg")
        assert len(list(root.iter())) > 20, path.name


def test_no_public_picture_is_forgotten(made):
    assert set(viz.__all__) - NOT_IN_IT - made[1] == AS_FLOW


def test_training_for_no_time_is_refused(tmp_path):
    with pytest.raises(ValueError, match="seconds must be positive"):
        gallery(tmp_path, seconds=0)
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_draws_the_matrix(tmp_path, capsys):
    path = tmp_path / "matrix.svg"
    assert main(["flow", "rnn", "--steps", "5", "--matrix", "-o", str(path)]) == 0
    assert capsys.readouterr().out.strip() == str(path)
    assert ET.fromstring(path.read_text(encoding="utf-8")).tag.endswith("svg")
