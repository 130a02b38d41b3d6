"""Does one page show every picture there is?"""

import inspect
import itertools
import re
import xml.etree.ElementTree as ET

import pytest

import viz
from viz.__main__ import main
from viz.exhibit import Exhibit
from viz.gallery.exhibits import exhibits
from viz.gallery.gallery import gallery
from viz.gallery.page import page as page_of

NO_PICTURES = {"Drawing", "Frames", "NoRenderer", "Options", "Player", "Plot", "Sheet", "Steps"}
NOT_IN_IT = NO_PICTURES | {"keep", "use_renderer", "flow", "fold"}  # the last two by another name


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page, with small exhibits for those that need long training."""
    return gallery(tmp_path_factory.mktemp("gallery"), seconds=0.1, progress=False)


def test_the_page_shows_each_file_beside_it_and_nothing_else(page):
    text = page.read_text(encoding="utf-8")
    shown = re.findall(r'<img src="([^"]+)"', text)
    assert len(shown) >= 14
    assert sorted(shown) == sorted(p.name for p in page.parent.glob("*.svg"))
    assert re.findall(r'<iframe src="([^"]+)"', text) == [
        "01_player.html",
        "13_steps.html",
        "31_frames.html",
    ]
    linked = set(re.findall(r'(?:src|href)="([^"#]+)"', text))
    assert {p.name for p in page.parent.iterdir()} == {"index.html", *linked}
    assert "http" not in text  # it works without a network


def test_every_picture_of_something_measured_lies_there_as_its_numbers(page):
    numbers = {p.stem for p in page.parent.glob("*.csv")}
    flows = (viz.gradient_flow, viz.truncation, viz.forward_backward)
    for exhibit in exhibits():
        if exhibit.file.endswith(".svg"):
            chart = exhibit.of is not None and exhibit.of.__module__.startswith("viz.charts.")
            measured = chart or exhibit.of in flows
            assert (exhibit.file.removesuffix(".svg") in numbers) == measured, exhibit.file


@pytest.mark.parametrize(("broad", "narrow"), [(1, 0), (1, 1), (2, 1), (3, 0), (1, 4)])
def test_a_broad_picture_with_none_beside_it_takes_the_line(broad, narrow):
    every = [
        Exhibit(None, "one", f"{k}.svg", "title", "caption", list) for k in range(broad + narrow)
    ]
    text = page_of(every, {}, {f"{k}.svg" for k in range(broad)})
    assert text.count("<figure class=wide>") == min(broad, narrow)
    assert text.count("<figure class=full>") == max(0, broad - narrow)


def test_interrupted_it_leaves_whole_files_only_and_says_how_far_it_was(
    tmp_path, monkeypatch, capsys
):
    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(viz.graphs.compare, "unfolding", stop)
    assert main(["gallery", "--seconds", "0.1", "-o", str(tmp_path / "g")]) == 130
    before = [e.file for e in exhibits() if e.file < "23"]
    done = {p.name for p in (tmp_path / "g").iterdir()}
    assert done == {*before, "00_first.csv", "21_gradient.csv"}
    ET.fromstring((tmp_path / "g" / "21_gradient.svg").read_text(encoding="utf-8"))
    assert re.search(r"gallery: 16 of \d+, 23_unfolding.svg", capsys.readouterr().err)


def test_each_file_is_a_drawing(page):
    for path in page.parent.glob("*.svg"):
        root = ET.fromstring(path.read_text(encoding="utf-8"))
        assert root.tag.endswith("svg")
        assert len(list(root.iter())) > 20, path.name


def test_every_public_picture_has_an_exhibit_that_it_draws():
    every = [e for e in exhibits() if e.of is not None]
    assert {e.of.__name__ for e in every} == set(viz.__all__) - NOT_IN_IT
    for exhibit in every:
        assert getattr(viz, exhibit.of.__name__) is exhibit.of
        assert exhibit.caption.endswith((".", "?")), exhibit.file
        helpers = [exhibit.of.__globals__.get(name) for name in exhibit.draw.__code__.co_names]
        names = {n for f in helpers if inspect.isfunction(f) for n in f.__code__.co_names}
        assert exhibit.of.__name__ in {*exhibit.draw.__code__.co_names, *names}, exhibit.file


def test_the_order_of_the_page_is_that_of_its_files_and_a_section_is_whole():
    numbered = [e for e in exhibits() if e.file[0].isdigit()]
    assert [e.file for e in numbered] == sorted({e.file for e in numbered})
    sections = [e.section for e in exhibits()]
    assert len(set(sections)) == 1 + sum(a != b for a, b in itertools.pairwise(sections))


def test_training_for_no_time_is_refused(tmp_path):
    with pytest.raises(ValueError, match="seconds must be positive"):
        gallery(tmp_path, seconds=0)
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_draws_the_matrix(tmp_path, capsys):
    path = tmp_path / "matrix.svg"
    assert main(["flow", "rnn", "--steps", "5", "--matrix", "-o", str(path)]) == 0
    assert capsys.readouterr().out.strip() == str(path)
    assert ET.fromstring(path.read_text(encoding="utf-8")).tag.endswith("svg")
