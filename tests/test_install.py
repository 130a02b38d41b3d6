"""Do the lines that say what to install work before anything is on an index?"""

import doctest
import importlib.util
import re
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = {x for xs in PROJECT["optional-dependencies"].values() for x in xs}


@pytest.mark.parametrize(
    "file",
    ["tinygrad_rnn/tasks/digits.py", "tinygrad_rnn/train/progress.py", "viz/charts/figure.py",
     "viz/layout/graphviz.py"],
)  # fmt: skip
def test_a_sentence_names_the_requirement_of_an_extra_and_not_this_package(file):
    text = (ROOT / file).read_text("utf-8")
    (asked,) = set(re.findall(r'pip install "?([^"\s]+)', text))
    assert any(x == asked or x.startswith(f"{asked}>=") for x in EXTRAS), asked


def test_no_text_for_users_installs_this_package_from_an_index():
    for folder in ("tinygrad_rnn", "viz", "tutorials"):
        for path in (ROOT / folder).rglob("*.py"):
            assert "install tinygrad_rnn" not in path.read_text("utf-8"), path
            assert 'install "tinygrad_rnn[' not in path.read_text("utf-8"), path


@pytest.fixture
def hook(monkeypatch):
    """The file that hatchling runs when it builds; here there need be no hatchling."""
    stub = SimpleNamespace(MetadataHookInterface=object)
    monkeypatch.setitem(sys.modules, "hatchling.metadata.plugin.interface", stub)
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_its_examples_hold(hook):
    assert doctest.testmod(hook).failed == 0


def test_every_picture_and_file_that_readme_shows_is_found_from_anywhere(hook):
    text = (ROOT / "README.md").read_text("utf-8")
    found = hook.absolute(text, "https://example.org/rnn", "1f")
    shown = re.findall(r"https://example\.org/rnn/(?:raw|blob)/1f/([^)\s]+)", found)
    assert len(shown) > 10
    assert all((ROOT / path).exists() for path in shown)
    assert not [m[0] for m in hook.RELATIVE.finditer(re.sub(r"(?ms)^```.*?^```$", "", found))]
    code = re.compile(r"(?ms)^```.*?^```$")
    assert code.findall(found) == code.findall(text)


@pytest.mark.parametrize("origin", ["", "git@example.org:someone/rnn.git"])
def test_metadata_names_the_address_that_it_was_cloned_from_if_there_is_one(
    hook, origin, monkeypatch
):
    answers = {"remote": origin, "rev-parse": "1f"}
    monkeypatch.setattr(hook, "git", lambda root, *words: answers[words[0]])
    home, metadata = hook.Home(), {}
    home.root = str(ROOT)
    home.update(metadata)
    assert ("urls" in metadata) == bool(origin)
    if origin:
        assert metadata["urls"]["Source"] == "https://example.org/someone/rnn"
    else:
        assert metadata["readme"]["text"] == (ROOT / "README.md").read_text("utf-8")
