"""Do the commands of the README draw, and say in one line why not?"""

import subprocess
import sys

import pytest

from viz.__main__ import main


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize(
    "options",
    [
        ["unroll", "--steps", "4"],
        ["unroll", "--layers", "2", "--detail", "cell"],
        ["fold", "--detail", "gate"],
        ["flow", "--steps", "6", "--hidden", "8", "--inputs", "2"],
    ],
    ids=" ".join,
)
def test_every_picture_of_every_cell_is_drawn(cell, options, tmp_path, capsys):
    picture, *more = options
    path = tmp_path / "picture.svg"
    assert main([picture, cell, *more, "-o", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}\n"
    assert "<svg" in path.read_text(encoding="utf-8")


def test_it_runs_as_a_module_and_fails_in_one_line(tmp_path):
    command = [sys.executable, "-m", "viz", "fold", "gru", "-o"]
    done = subprocess.run([*command, tmp_path / "gru.dot"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "digraph" in (tmp_path / "gru.dot").read_text(encoding="utf-8")
    failed = subprocess.run([*command, tmp_path / "no" / "a.dot"], capture_output=True, text=True)
    assert failed.returncode == 2
    assert failed.stdout == ""
    assert failed.stderr.count("\n") == 1
    assert "cannot write" in failed.stderr


def test_the_matrix_comes_as_numbers_too(tmp_path):
    path = tmp_path / "m.csv"
    assert main(["flow", "gru", "--matrix", "--steps", "3", "-o", str(path)]) == 0
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "t,k,norm"
    assert [line.rsplit(",", 1)[0] for line in lines[1:]] == [
        "0,0",
        "1,0",
        "1,1",
        "2,0",
        "2,1",
        "2,2",
    ]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["unroll", "rnn", "-o", "a.jpg"], "Name it .svg, .png, .pdf or .dot"),
        (["unroll", "rnn", "--steps", "0", "-o", "a.svg"], "--steps must be 1 … 10000, got 0"),
        (["flow", "rnn", "--hidden", "-3", "-o", "a.svg"], "--hidden must be 1 … 10000, got -3"),
        (["unroll", "rnn", "--steps", "99999999", "-o", "a.svg"], "must be 1 … 10000"),
        (["flow", "rnn", "--matrix", "--steps", "501", "-o", "a.svg"], "viz.carousel draws longer"),
        (["flow", "rnn", "--matrix", "-o", "a.gif"], "Name it .svg, .png or .pdf"),
        (
            ["fold", "rnn", "--hidden", "9999", "--batch", "9999", "-o", "a.svg"],
            "too large together",
        ),
        (["fold", "gru", "--steps", "5000", "--layers", "9", "-o", "a.svg"], "more than 10000"),
    ],
)
def test_mistakes_are_explained_in_one_line(options, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(options) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "options", [["unroll", "cnn", "-o", "a.svg"], ["draw", "rnn"], ["unroll", "rnn"]]
)
def test_unknown_words_and_missing_ones_exit_with_2(options, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(options)
    assert exit_.value.code == 2


def test_a_matrix_has_no_detail(tmp_path, capsys):
    path = str(tmp_path / "m.svg")
    words = ["flow", "rnn", "--steps", "3", "--matrix", "--detail", "gate", "-o", path]
    assert main(words) == 2
    assert "no --detail" in capsys.readouterr().err
