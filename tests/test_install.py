"""Do the lines that say what to install work before anything is on an index?"""

import re
import tomllib
from pathlib import Path

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
