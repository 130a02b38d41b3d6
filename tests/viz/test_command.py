"""Do the commands of the README draw, and say in one line why not?"""

import struct
import subprocess
import sys

import pytest

from viz import network
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


@pytest.mark.parametrize("cell", sorted(network.cells()))
def test_any_cell_is_drawn_by_its_name(cell, tmp_path, capsys):
    path = tmp_path / "a.dot"
    assert main(["unroll", cell.upper(), "--steps", "2", "-o", str(path)]) == 0
    assert "digraph" in path.read_text(encoding="utf-8")


def test_a_loss_of_ones_own_is_drawn(tmp_path, capsys):
    file, path = tmp_path / "my.py", tmp_path / "a.dot"
    file.write_text("from tinygrad_rnn import Tensor\ndef loss():\n    return Tensor(2.0) * 3.0\n")
    assert main(["unroll", f"{file}:loss", "--detail", "op", "-o", str(path)]) == 0
    assert "digraph" in path.read_text(encoding="utf-8")
    assert main(["unroll", f"{file}:los", "-o", str(path)]) == 2
    assert "Did you mean loss?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["unroll", "lsmt", "-o", "a.svg"], "did you mean lstm?"),
        (["unrol", "lstm", "-o", "a.svg"], "did you mean unroll?"),
        (["flow", "run.npz", "-o", "a.svg"], "a saved run has values but no record"),
    ],
)
def test_a_word_that_is_nearly_right_is_recognised(options, says, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(options)
    assert exit_.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["flow", "rnn", "--matrix", "--size", "slide"], "it has no --size"),
        (["play", "rnn", "--text", "hello", "--steps", "9"], "--steps would be ignored"),
        (["unroll", "my.py:loss", "--hidden", "9"], "--hidden would be ignored"),
        (["unroll", "convlstm2d", "--hidden", "9"], "--hidden would be ignored"),
        (["unroll", "rnn", "--directions", "3"], "--directions must be 1 or 2"),
    ],
)
def test_options_that_would_be_ignored_are_refused(options, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*options, "-o", "a.svg"]) == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "options",
    [
        ["flow", "rnn", "--steps", "30", "--hidden", "32"],
        ["unroll", "lstm", "--steps", "1000", "--detail", "gate"],
        ["Flow", "LSTM", "--steps", "50", "--layers", "2", "--size", "Slide"],
        ["unroll", "gru", "--directions", "2", "--weights", "hub"],
    ],
    ids=" ".join,
)
def test_long_and_deep_nets_give_something_to_show(options, tmp_path, capsys):
    path = tmp_path / "a.png"
    assert main([*options, "-o", str(path)]) == 0
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    assert width <= 5000
    assert height <= 5000


def test_the_version_is_said(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out.startswith("tinygrad_rnn ")


def test_the_deck_has_every_figure_in_three_formats(tmp_path, capsys):
    assert main(["deck", "-o", str(tmp_path / "slides")]) == 0
    paths = sorted((tmp_path / "slides").iterdir())
    assert [p.suffix for p in paths] == [".pdf", ".png", ".svg"] * (len(paths) // 3)
    for path in paths[1::3]:
        width, height = struct.unpack(">II", path.read_bytes()[16:24])
        assert (width, height) == (1920, 1080)
