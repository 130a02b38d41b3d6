"""Is a program that was kept the one that would be made, and is nothing else ever taken for it?"""

import hashlib
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from tinygrad_rnn import Primitive, Tensor, compile, nn, stack, tanh
from tinygrad_rnn.engine import primitives
from tinygrad_rnn.engine.rules import RULES
from tinygrad_rnn.program.backends.c import build
from tinygrad_rnn.program.runtime import cache
from tinygrad_rnn.program.runtime import compile as make

T, B = 6, 2
TARGETS = pytest.mark.parametrize("target", ["numpy", "c"])


class Model(nn.Module):
    def __init__(self, dtype=np.float64):
        self.cell = nn.LSTMCell(3, 4, rng=0, dtype=dtype)
        self.readout = nn.Linear(4, 3, rng=1, dtype=dtype)


def loss_fn(m, x, y):
    outputs, (h, _) = nn.unroll(m.cell, x)
    return nn.cross_entropy(m.readout(stack(outputs)), y), {"h": h}


def data(T=T, dtype=np.float64):
    rng = np.random.default_rng(T)
    return rng.standard_normal((T, B, 3)).astype(dtype), rng.integers(3, size=(T, B))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty cache, and programs are looked for in it."""
    monkeypatch.setattr(make, "key_of", cache.key_of)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    build.library.cache_clear()  # what this process has loaded
    return tmp_path / "tinygrad_rnn"


@pytest.fixture
def made(monkeypatch):
    """The programs that were made, and not found."""
    found, real = [], make.Program.of

    def counted(*args):
        found.append(args)
        return real(*args)

    monkeypatch.setattr(make.Program, "of", counted)
    return found


def entries(folder):
    return sorted(folder.glob("*.program"))


def same(a, b):
    assert a[0][0] == b[0][0]
    np.testing.assert_array_equal(a[0][1]["h"], b[0][1]["h"])
    assert a[1].keys() == b[1].keys()
    for path in a[1]:
        assert a[1][path].dtype == b[1][path].dtype
        np.testing.assert_array_equal(a[1][path], b[1][path])


@TARGETS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_program_is_made_once_and_found_with_the_same_bits(target, dtype, folder, made):
    m, args = Model(dtype), data(dtype=dtype)
    first, again = compile(loss_fn, target=target), compile(loss_fn, target=target)
    results = first(m, *args)
    assert len(made) == len(entries(folder)) == 1
    same(again(m, *args), results)
    same(again(m, *args), results)
    assert len(made) == 1
    assert again.stats == first.stats | {"calls": 2}


@TARGETS
def test_all_that_is_said_of_a_program_is_the_same(target, folder):
    m, args = Model(), data()
    steps = [compile(loss_fn, target=target) for _ in range(2)]
    for step in steps:
        step(m, *args)
    assert type(steps[1]._last) is cache.CachedProgram
    for said in ("source", "c_source", "latex", "constants"):
        assert getattr(steps[1], said) == getattr(steps[0], said)
    assert steps[1].explain() == steps[0].explain()
    assert repr(steps[1].outline) == repr(steps[0].outline)


def test_the_file_of_arguments_is_the_same(folder, tmp_path):
    m, args = Model(), data()
    for k in range(2):
        compile(loss_fn, target="c").save_arguments(tmp_path / f"{k}", m, *args)
    assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes()


def test_another_process_finds_it(folder):
    script = (
        "import numpy as np\n"
        "from tinygrad_rnn import Tensor, compile, tanh\n"
        "step = compile(lambda p, x: tanh(x @ p['W']).sum())\n"
        "loss, grads = step({'W': Tensor(np.full((2, 2), 0.3))}, np.ones((3, 2)))\n"
        "print(type(step._last).__name__, loss.hex(), grads['W'].tobytes().hex())\n"
    )
    said = []
    for seed in "123":  # of Python's hashes
        done = subprocess.run(
            [sys.executable, "-c", script], env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        said.append(done.stdout.split())
    assert [words[0] for words in said] == ["Program", "CachedProgram", "CachedProgram"]
    assert said[0][1:] == said[1][1:] == said[2][1:]


def test_processes_that_make_it_at_once_all_get_it(folder):
    script = (
        "import numpy as np\n"
        "from tinygrad_rnn import Tensor, compile, tanh\n"
        "step = compile(lambda p, x: tanh(x @ p['W']).sum())\n"
        "assert step({'W': Tensor(np.zeros((2, 2)))}, np.ones((3, 2)))[0] == 0\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(3)]
    assert [process.wait(timeout=60) for process in running] == [0, 0, 0]
    assert len(list(folder.iterdir())) == 1


def variants():
    """Functions and arguments that are nearly the same, and no two of one program."""
    W, x = Tensor(np.full((3, 3), 0.5)), np.ones((2, 3))
    weights = np.arange(3.0)
    return {
        "itself": (lambda p, x: tanh(x @ p["W"]).sum(), {"W": W}, x),
        "another primitive": (lambda p, x: primitives.sin(x @ p["W"]).sum(), {"W": W}, x),
        "another order": (lambda p, x: tanh(p["W"] @ x.T).sum(), {"W": W}, x),
        "a constant": (lambda p, x: (tanh(x @ p["W"]) * weights).sum(), {"W": W}, x),
        "another constant": (lambda p, x: (tanh(x @ p["W"]) * (-weights)).sum(), {"W": W}, x),
        "a number": (lambda p, x: (tanh(x @ p["W"]) * 2).sum(), {"W": W}, x),
        "a number of another type": (lambda p, x: (tanh(x @ p["W"]) * 2.0).sum(), {"W": W}, x),
        "a negative zero": (lambda p, x: (tanh(x @ p["W"]) + -0.0).sum(), {"W": W}, x),
        "a zero": (lambda p, x: (tanh(x @ p["W"]) + 0.0).sum(), {"W": W}, x),
        "an option": (lambda p, x: tanh(x @ p["W"]).sum(axis=0).sum(), {"W": W}, x),
        "another option": (lambda p, x: tanh(x @ p["W"]).sum(axis=1).sum(), {"W": W}, x),
        "a slice": (lambda p, x: tanh(x @ p["W"])[:1].sum(), {"W": W}, x),
        "an element": (lambda p, x: tanh(x @ p["W"])[0].sum(), {"W": W}, x),
        "another shape": (lambda p, x: tanh(x @ p["W"]).sum(), {"W": W}, np.ones((4, 3))),
        "another dtype": (lambda p, x: tanh(x @ p["W"]).sum(), {"W": W}, x.astype(np.float32)),
        "another name": (lambda p, x: tanh(x @ p["V"]).sum(), {"V": W}, x),
        "the argument's name": (lambda p, y: tanh(y @ p["W"]).sum(), {"W": W}, x),
        "one more parameter": (lambda p, x: tanh(x @ p["W"]).sum(), {"W": W, "b": Tensor(x)}, x),
        "aux": (lambda p, x: ((y := tanh(x @ p["W"])).sum(), y), {"W": W}, x),
        "nothing in aux": (lambda p, x: (tanh(x @ p["W"]).sum(), None), {"W": W}, x),
    }


def test_each_difference_in_the_record_is_another_program(folder):
    found = {}
    for name, (f, p, x) in variants().items():
        result = compile(f)(p, x)
        found[name] = str(plain(result)), len(entries(folder))
    assert [n for _, n in found.values()] == [*range(1, len(found)), len(found) - 1]
    for name, (f, p, x) in variants().items():  # found now, and the same
        assert str(plain(compile(f)(p, x))) == found[name][0]
    assert len(entries(folder)) == len(found) - 1  # a pair with None in it is made the same way


def plain(result):
    """Loss, aux and gradients as lists."""
    value, grads = result
    value = [np.asarray(x).tolist() for x in value] if type(value) is tuple else value.tolist()
    return value, {k: (str(g.dtype), g.tolist()) for k, g in grads.items()}


def test_each_wish_is_another_program(folder):
    m, args = Model(), data()
    for k, wish in enumerate([{}, {"target": "c"}, {"without": ("gates",)}], start=1):
        compile(loss_fn, **wish)(m, *args)
        assert len(entries(folder)) == k


@pytest.mark.parametrize("what", ["_sources", "version", "RULES"])
def test_another_package_makes_it_anew(what, folder, made, monkeypatch):
    compile(loss_fn)(Model(), *data())
    if what == "_sources":
        monkeypatch.setattr(cache, "_sources", lambda: "changed")
    elif what == "version":
        monkeypatch.setattr(np, "__version__", "0.0")
    else:
        monkeypatch.setitem(RULES, primitives.tanh, (lambda g, y, x: g * (1 - y * y),))
    compile(loss_fn)(Model(), *data())
    assert len(made) == 2
    assert len(entries(folder)) == (1 if what == "RULES" else 2)  # whose rules nobody knows


def test_a_changed_file_of_the_package_changes_the_digest(tmp_path, monkeypatch):
    (tmp_path / "engine").mkdir()
    (tmp_path / "program" / "backends" / "c").mkdir(parents=True)
    found = []
    monkeypatch.setattr(cache, "__file__", str(tmp_path / "program" / "runtime" / "cache.py"))
    for path in (
        "engine/a.py",
        "program/backends/c/b.h",
        "program/backends/c/b.h",
        "program/c.txt",
    ):
        with (tmp_path / path).open("a") as file:
            file.write("more\n")
        found.append(cache._sources.__wrapped__())
    assert len(set(found)) == 3
    assert found[2] == found[3]  # which makes no programs


HARM = {
    "empty": lambda whole: b"",
    "cut": lambda whole: whole[:-1],
    "another digest": lambda whole: bytes(32) + whole[32:],
    "a bit": lambda whole: whole[:900] + bytes([whole[900] ^ 1]) + whole[901:],
    "no entry": lambda whole: signed(b"[]"),
    "not JSON": lambda whole: signed(b"\xff{"),
    "nothing in it": lambda whole: signed(b"{}"),
    "half of it": lambda whole: signed(json.dumps({"program": {"T": 3}}).encode()),
    "a number for a text": lambda whole: signed(whole[32:].replace(b'"header": "', b'"head": "')),
}


def signed(made):
    return hashlib.sha256(made).digest() + made


@pytest.mark.sampled(4)
@TARGETS
@pytest.mark.parametrize("harm", HARM)
def test_a_damaged_entry_is_made_again_not_run(harm, target, folder, made):
    m, args = Model(), data()
    results = compile(loss_fn, target=target)(m, *args)
    (path,) = entries(folder)
    whole = path.read_bytes()
    path.write_bytes(HARM[harm](whole))
    same(compile(loss_fn, target=target)(m, *args), results)
    assert len(made) == 2
    assert path.read_bytes() == whole
    same(compile(loss_fn, target=target)(m, *args), results)
    assert len(made) == 2


def test_a_folder_of_another_user_is_not_read_and_not_needed(folder, made, monkeypatch):
    m, args = Model(), data()
    results = compile(loss_fn)(m, *args)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    same(compile(loss_fn)(m, *args), results)
    assert len(made) == 2


def test_where_nothing_can_be_kept_programs_run_all_the_same(folder, monkeypatch, made):
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    m, args = Model(), data()
    same(compile(loss_fn)(m, *args), compile(loss_fn)(m, *args))
    assert len(made) == 2


def no_owners(monkeypatch):
    monkeypatch.delattr(os, "getuid")


def no_home(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda _: {}["no such user"])


@pytest.mark.parametrize("target", ["numpy", "c"])
@pytest.mark.parametrize(
    ("lacking", "said"), [(no_owners, "on Windows in WSL"), (no_home, "no cache of the user's own")]
)
def test_a_system_without_owners_or_homes_runs_numpy(target, lacking, said, folder, monkeypatch):
    m, args = Model(), data()
    results = compile(loss_fn)(m, *args)
    lacking(monkeypatch)
    step = compile(loss_fn, target=target)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        same(step(m, *args), results)
    assert step.stats["eager"] == 0
    assert [said in str(w.message) for w in told] == [True] * (target == "c")


def test_an_old_entry_that_another_process_removes_is_no_failure(folder, monkeypatch):
    build.cache_folder()

    def gone(path, pattern):
        return [path / "removed.program"]

    monkeypatch.setattr(Path, "glob", gone)
    build.keep(b"made", folder / "x.program")
    assert build.checked(folder / "x.program") == b"made"


def test_the_oldest_entries_make_room_and_libraries_stay(folder, monkeypatch):
    monkeypatch.setattr(build, "KEPT", 2)
    for n in range(2, 6):
        compile(loss_fn)(Model(), *data(n))
    compile(loss_fn, target="c")(Model(), *data())
    assert len(entries(folder)) == 2
    assert len(list(folder.glob("*.library"))) == 1


def test_an_entry_is_for_the_user_alone(folder):
    compile(loss_fn)(Model(), *data())
    (path,) = entries(folder)
    assert path.stat().st_mode & 0o777 == 0o600


NOT_KEPT = {
    "values that are asked for": lambda p, x: (x @ p["W"]).sum() * float(np.max(p["W"].data)),
    "a large constant": lambda p, x: (x @ p["W"]).sum() * (p["W"][0, 0] * LARGE).sum(),
    "a primitive like one of ours": lambda p, x: mine(x @ p["W"]).sum(),
}
LARGE = np.random.default_rng(0).standard_normal(200_000)
mine = Primitive("tanh", np.tanh, 1)


@pytest.mark.parametrize("name", NOT_KEPT)
def test_what_has_no_key_or_is_too_large_is_not_kept(name, folder, monkeypatch):
    monkeypatch.setitem(RULES, mine, RULES[primitives.tanh])
    step = compile(NOT_KEPT[name])
    step({"W": Tensor(np.full((3, 3), 0.5))}, np.ones((2, 3)))
    assert not entries(folder)


@pytest.mark.sampled(4)
@TARGETS
@pytest.mark.parametrize("memory", ["sqrt", 9_000])
def test_what_is_divided_in_time_is_found_divided(target, memory, folder, made):
    m, args = Model(), data(30)
    steps = [compile(loss_fn, target=target, memory=memory) for _ in range(3)]
    first, again, other = steps
    other.memory = 12_000
    results = first(m, *args)
    assert len(made) == len(entries(folder)) == 1
    same(again(m, *args), results)
    assert type(again._last) is cache.CachedProgram
    assert again._last.segments is not None
    assert again.source == first.source
    assert len(made) == 1
    assert again.outline == first.outline
    assert again.outline.piece < 30
    assert again.explain() == first.explain()
    other(m, *args)
    assert len(entries(folder)) == 2


def test_what_is_taken_from_arguments_is_refused_though_a_program_is_kept(folder):
    def f(p, x):
        return (x @ p["W"]).sum() * int(x.data.max())

    p, x = {"W": Tensor(np.ones((3, 3)))}, np.ones((2, 3))
    kept = compile(lambda p, x: (x @ p["W"]).sum() * 1)
    kept(p, x)
    assert len(entries(folder)) == 1
    step = compile(f)
    assert step(p, x)[0] == 18
    assert "baked in" in step.reason
    assert step(p, 2 * x)[0] == 72


def test_lengths_of_a_program_that_was_found_are_found_too(folder, made):
    runs = Mock()

    def f(m, x, y):
        runs(len(x))
        return loss_fn(m, x, y)[0]

    for count in (2, 4):  # the graphs of two that are found are made again for the third
        runs.reset_mock()
        step = compile(f)
        for n in (7, 9, 20):
            step(Model(), *data(n))
        assert step.stats["structures"] == 1
        assert len(made) == count
    assert [T for (T,), _ in runs.call_args_list] == [
        7,
        7,
        9,
        20,
    ]  # nothing is compared, and a known structure is moved once
