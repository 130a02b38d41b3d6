"""Does every lesson run, draw what it says, and read as a notebook?"""

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

LESSONS = sorted((Path(__file__).parents[1] / "tutorials").glob("[0-9]*.py"))
MAX_SECONDS = 300  # a lesson takes about five; this is for slow machines, and ends one that hangs

lessons = pytest.mark.parametrize("lesson", LESSONS, ids=[lesson.stem for lesson in LESSONS])


def promised_pictures(lesson):
    """The names of the SVG files that stand in the script."""
    number = lesson.name[:2]
    return set(re.findall(rf'"({number}_\w+\.svg)"', lesson.read_text(encoding="utf-8")))


@lessons
def test_lesson_runs_from_anywhere_and_draws_what_it_promises(lesson, tmp_path):
    pytest.importorskip("matplotlib")
    out = tmp_path / "pictures"
    environment = {**os.environ, "TUTORIALS_OUT": str(out), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-W", "error", str(lesson)]
    run = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, timeout=MAX_SECONDS
    )
    printed = run.stdout.decode("utf-8")
    assert run.returncode == 0, printed + run.stderr.decode("utf-8", "replace")
    assert len(printed.splitlines()) > 10
    drawn = {path.name for path in out.iterdir()}
    assert drawn == promised_pictures(lesson)
    for name in drawn:
        assert ElementTree.parse(out / name).getroot().tag.endswith("svg")
    assert {path.name for path in tmp_path.iterdir()} == {"pictures"}


@lessons
def test_lesson_without_the_variable_writes_to_out_in_this_folder(lesson):
    text = lesson.read_text(encoding="utf-8")
    assert 'Path(os.environ.get("TUTORIALS_OUT", "out"))' in text


@lessons
def test_lesson_is_in_percent_format(lesson):
    lines = lesson.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# %% [markdown]"
    assert re.fullmatch(rf"# # {int(lesson.name[:2])} · .+", lines[1])
    cells = [line for line in lines if line.startswith("# %%")]
    assert set(cells) == {"# %% [markdown]", "# %%"}
    kind = None
    for number, line in enumerate(lines, start=1):
        if line.startswith("# %%"):
            kind = line
        elif kind == "# %% [markdown]":
            assert not line or line.startswith("#"), f"line {number} is code in a text cell"


@lessons
def test_lesson_ends_in_a_claim(lesson):
    last_cell = lesson.read_text(encoding="utf-8").rpartition("# %%\n")[2]
    assert re.search(r"^ *assert ", last_cell, re.MULTILINE)


@lessons
def test_lesson_shows_at_least_one_picture_and_one_number(lesson):
    text = lesson.read_text(encoding="utf-8")
    assert promised_pictures(lesson)
    assert "print(f" in text
    assert text.count("assert ") > 3
