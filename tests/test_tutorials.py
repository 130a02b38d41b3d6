"""Does every lesson run, keep to the frame, and have exercises that can be graded?"""

import copy
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

TUTORIALS = Path(__file__).parents[1] / "tutorials"
LESSONS = sorted(TUTORIALS.glob("[0-9]*.py"))
MAX_SECONDS = 600  # a lesson takes a tenth of that; one that hangs is ended
FRAME = [  # the headings of a lesson, in any order but the first and the last two
    "Predict",
    "The problem",
    "The picture",
    "The number",
    "The wrong way",
    "Play with it",
    "In the library this is",
    "In torch",
    "The check",
    "Exercises",
    "Questions",
    "Read on",
]
# a lesson with exercises keeps to the frame
FRAMED = {path.stem for path in (TUTORIALS / "solutions").glob("*.py")}


def seconds(lesson):
    """How long it takes to run, as its first cell says."""
    found = re.search(r"(\d+)\s(?:# )?seconds to\s(?:# )?run", lesson.read_text(encoding="utf-8"))
    return int(found[1]) if found else 0


def each(found, *, run=False):
    """A test per lesson; those that run a lesson of more than five seconds are slow."""
    slow = [pytest.mark.slow]
    return pytest.mark.parametrize(
        "lesson",
        [
            pytest.param(lesson, id=lesson.stem, marks=slow if run and seconds(lesson) > 5 else ())
            for lesson in found
        ],
    )


FRAMED_LESSONS = [lesson for lesson in LESSONS if lesson.name[:2] in FRAMED]
lessons, framed = each(LESSONS), each(FRAMED_LESSONS)


def promised_pictures(lesson):
    """The names of the files that stand in the script."""
    number = lesson.name[:2]
    return set(re.findall(rf'"({number}_\w+\.(?:svg|html))"', lesson.read_text(encoding="utf-8")))


def cells(lesson, kind):
    """The text of the cells that begin with the line `kind`."""
    parts = re.split(r"^(# %%.*)\n", lesson.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [text for head, text in zip(parts[1::2], parts[2::2], strict=True) if head == kind]


def code_lines(cell):
    """How many lines of a cell are neither empty nor a comment."""
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in cell.split("\n"))


@each(LESSONS, run=True)
def test_lesson_runs_from_anywhere_and_draws_what_it_promises(lesson, tmp_path):
    pytest.importorskip("matplotlib")
    out = tmp_path / "pictures"
    environment = {**os.environ, "VIZ_OUT": str(out), "PYTHONIOENCODING": "utf-8"}
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
        if name.endswith(".svg"):
            assert ElementTree.parse(out / name).getroot().tag.endswith("svg")
    assert {path.name for path in tmp_path.iterdir()} == {"pictures"}


@lessons
def test_lesson_is_in_percent_format(lesson):
    lines = lesson.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# %% [markdown]"
    assert re.fullmatch(rf"# # {int(lesson.name[:2])} · .+", lines[1])
    heads = [line for line in lines if line.startswith("# %%")]
    assert set(heads) == {"# %% [markdown]", "# %%"}
    kind = None
    for number, line in enumerate(lines, start=1):
        if line.startswith("# %%"):
            kind = line
        elif kind == "# %% [markdown]":
            assert not line or line.startswith("#"), f"line {number} is code in a text cell"


@lessons
def test_lesson_ends_in_a_claim(lesson):
    assert re.search(r"^ *assert ", cells(lesson, "# %%")[-1], re.MULTILINE)


@lessons
def test_lesson_shows_at_least_one_picture_and_one_number(lesson):
    text = lesson.read_text(encoding="utf-8")
    assert promised_pictures(lesson)
    assert "print(f" in text
    assert text.count("assert ") > 3


@framed
def test_lesson_keeps_to_the_frame(lesson):
    text = "\n".join(cells(lesson, "# %% [markdown]"))
    able = r"^# \*\*You will be able to\*\*\n#\n(# \* .+\n(#  .+\n)*){3}"
    assert re.search(able, text, re.MULTILINE)
    assert re.search(r"^# \*Needs:\* .+ \*Takes:\* \d+ minutes to read,", text, re.MULTILINE)
    headings = re.findall(r"^# ## (.+)$", text, re.MULTILINE)
    missing = [part for part in FRAME if not any(h.startswith(part) for h in headings)]
    assert not missing
    assert headings[0] == "Predict"
    assert headings[-3:] == ["Exercises", "Questions", "Read on"]
    exercises, questions = (text.partition(f"# ## {h}")[2] for h in ("Exercises", "Questions"))
    for stars in ("★ ", "★★ ", "★★★ "):
        assert f" {stars}" in exercises
    assert len(re.findall(r"^# \d\. ", questions, re.MULTILINE)) == 5


@framed
def test_lesson_has_short_cells_and_no_plotting_of_its_own(lesson):
    code = cells(lesson, "# %%")
    assert max(map(code_lines, code)) <= 20
    # lesson 0 builds an engine
    assert sum(map(code_lines, code)) <= (150 if lesson.name[:2] != "00" else 180)
    assert "matplotlib" not in "".join(code)


@lessons
def test_the_notebook_beside_a_lesson_is_of_this_text(lesson):
    jupytext = pytest.importorskip("jupytext")
    script = jupytext.read(lesson, fmt="py:percent")
    notebook = json.loads(lesson.with_suffix(".ipynb").read_text(encoding="utf-8"))
    found = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]
    expected = [(cell.cell_type, cell.source) for cell in script.cells]
    assert found == expected, f"write it anew: make notebooks LESSONS={lesson.name[:2]}"
    assert not [
        o for c in notebook["cells"] for o in c.get("outputs", []) if o.get("name") == "stderr"
    ]


def grade(*arguments, folder):
    run = subprocess.run(
        [sys.executable, "-W", "error", str(TUTORIALS / "grade.py"), *map(str, arguments)],
        cwd=TUTORIALS.parent,
        env={**os.environ, "VIZ_OUT": str(folder / "pictures"), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        timeout=MAX_SECONDS,
    )
    return run.returncode, (run.stdout + run.stderr).decode("utf-8")


@each(FRAMED_LESSONS, run=True)
def test_solutions_are_right_and_sheets_are_not_done_yet(lesson, tmp_path):
    number = lesson.name[:2]
    assert grade("write", tmp_path, folder=tmp_path)[0] == 0
    for sheet in tmp_path.glob("*.py"):
        if sheet.stem != number:
            sheet.unlink()
    sheet = tmp_path / f"{number}.py"
    assert "SOLUTION" not in sheet.read_text(encoding="utf-8")
    solution = (TUTORIALS / "solutions" / sheet.name).read_text(encoding="utf-8")
    for exercise, stars in (("1", "★ "), ("2", "★★ "), ("3", "★★★ ")):
        assert f'def exercise_{exercise}():\n    """{stars}' in solution
    code, said = grade("check", tmp_path, folder=tmp_path)
    assert code == 1
    assert said.count("not done yet") == 3
    sheet.write_text(solution, encoding="utf-8")
    code, said = grade("check", tmp_path, folder=tmp_path)
    assert code == 0, said
    assert said.count(" right\n") == 4  # three exercises, and all of them


def test_a_sheet_that_is_there_is_never_overwritten(tmp_path):
    (tmp_path / "00.py").write_text("mine = 1\n")
    _, said = grade("write", tmp_path, folder=tmp_path)
    assert (tmp_path / "00.py").read_text() == "mine = 1\n"
    assert "stays as it is" in said


def test_a_wrong_answer_and_a_broken_one_are_told_apart(tmp_path):
    (tmp_path / "00.py").write_text(
        "def exercise_1():\n    return 2\n\ndef exercise_2():\n    1 / 0\n"
    )
    code, said = grade("check", tmp_path, folder=tmp_path)
    assert code == 1
    assert re.search(r"1 ★ +found 2, which is not right", said)
    assert re.search(r"2 ★★ +raised ZeroDivisionError: division by zero", said)
    assert re.search(r"3 ★★★ +is missing from the sheet", said)


@pytest.mark.parametrize("answer", [["NFG", "NIG"], "NFG", {"NFG": 1.0}, [1.0, 2.0], (True, 3)])
def test_an_answer_is_right_if_it_is_the_same_and_of_any_other_kind_wrong(answer):
    equal = runpy.run_path(str(TUTORIALS / "grade.py"))["equal"]
    assert equal(copy.deepcopy(answer), answer)
    for other in (["NIG", "NFG"], ["NFG"], "NIG", {"NFG": 2.0}, [1.0, 2.1], (False, 3), None):
        assert not equal(other, answer)
