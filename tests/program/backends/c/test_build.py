"""Is what is loaded always what was built here, and is there always something that runs?"""

import os
import re
import signal
import stat
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from tinygrad_rnn import Tensor, compile, grad, nn, stack, tanh
from tinygrad_rnn.program.backends.c import build

SOURCE = "int answer(void) { return 42; }\n"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and a `library` that remembers nothing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    build.library.cache_clear()
    yield tmp_path / "tinygrad_rnn"
    build.library.cache_clear()


@pytest.fixture
def counted(monkeypatch):
    """The calls of the compiler."""
    calls, run = [], build.run

    def counting(words, folder):
        calls.append(words)
        return run(words, folder)

    monkeypatch.setattr(build, "run", counting)
    return calls


def again():
    """As the next process would have it."""
    build.library.cache_clear()
    return build.library(SOURCE).answer()


def test_a_source_is_built_once_and_kept_for_the_user_alone(cache, counted):
    assert again() == again() == 42
    assert len(counted) == 1
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    (file,) = cache.iterdir()  # nothing is left lying about
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert re.fullmatch(r"[0-9a-f]{32}\.library", file.name)


def test_another_source_other_flags_or_another_processor_is_another_library(cache, monkeypatch):
    again()
    monkeypatch.setattr(build, "FLAGS", (*build.FLAGS, "-DOTHER"))
    again()
    monkeypatch.setattr(build, "machine", lambda command: ("another",))
    again()
    build.library(SOURCE + "\n")
    assert len(list(cache.iterdir())) == 4


@pytest.mark.parametrize("harm", [
    lambda bytes_: b"",
    lambda bytes_: bytes_[:31],
    lambda bytes_: bytes_[:-1],
    lambda bytes_: bytes(32) + bytes_[32:],
    lambda bytes_: bytes_[:5000] + bytes([bytes_[5000] ^ 1]) + bytes_[5001:],
])  # fmt: skip
def test_a_damaged_library_is_built_again_not_loaded(cache, counted, harm):
    again()
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    file.write_bytes(harm(whole))
    assert again() == 42
    assert len(counted) == 2
    assert file.read_bytes() == whole


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o720])
def test_a_cache_that_others_could_write_to_is_closed_to_them_and_emptied(cache, counted, mode):
    again()
    (file,) = cache.iterdir()
    (cache / "theirs.library").symlink_to("/dev/null")
    (cache / "folder").mkdir()
    cache.chmod(mode)
    assert again() == 42
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert len(counted) == 2
    assert {*cache.iterdir()} == {file, cache / "folder"}


def test_a_cache_that_others_could_read_is_closed_to_them_and_kept(cache, counted):
    again()
    cache.chmod(0o755)
    assert again() == 42
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert len(counted) == 1


THEIRS = {
    "written by a group": lambda file: file.chmod(0o620),
    "written by all": lambda file: file.chmod(0o602),
    "read by all": lambda file: file.chmod(0o644),
    "a link": lambda file: (file.rename(file.with_name("x")), file.symlink_to("x")),
    "of another user": lambda file: os.chown(file, 12345, -1),
}


@pytest.mark.parametrize("harm", THEIRS.values(), ids=THEIRS)
def test_a_file_that_is_not_the_users_alone_is_built_again_not_loaded(cache, counted, harm):
    again()
    (file,) = cache.iterdir()
    try:
        harm(file)
    except PermissionError:
        pytest.skip("files are given to other users by root alone")
    assert build.checked(file) is None
    assert again() == 42
    assert len(counted) == 2
    assert stat.S_IMODE(file.lstat().st_mode) == 0o600
    assert file.lstat().st_uid == os.getuid()


def test_a_full_disk_leaves_nothing_in_the_cache(cache, monkeypatch):
    resource = pytest.importorskip("resource")
    made = build.built(SOURCE, build.compiler())
    monkeypatch.setattr(build, "built", lambda source, command: made)
    build.cache_folder()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(build.NoCompiler, match=r"cannot be kept .*File too large"):
            again()
        with pytest.raises(OSError, match="File too large"):
            build.loaded(made, cache)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not list(cache.iterdir())


def test_a_link_in_place_of_the_cache_is_refused(cache, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    cache.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(build.NoCompiler, match="not a folder of this user; remove it"):
        again()
    assert not any((tmp_path / "elsewhere").iterdir())


def test_a_cache_of_another_user_is_refused(cache, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(build.NoCompiler, match="not a folder of this user"):
        again()


def test_the_oldest_libraries_make_room(cache, monkeypatch):
    monkeypatch.setattr(build, "KEPT", 2)
    for k in range(4):
        build.library(SOURCE + "\n" * k)
    assert len(list(cache.iterdir())) == 2


def test_two_processes_that_build_at_once_both_get_it(cache):
    script = (
        "from tinygrad_rnn.program.backends.c import build\n"
        f"assert build.library({SOURCE!r}).answer() == 42"
    )
    running = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    assert [process.wait(timeout=60) for process in running] == [0, 0]
    assert len(list(cache.iterdir())) == 1


def test_a_compiler_without_march_native_builds_without(cache, tmp_path, monkeypatch, counted):
    real = build.compiler()[0]
    picky = tmp_path / "picky"
    picky.write_text(
        "#!/bin/sh\n"
        'case "$*" in *-march=native*) echo "error: no such option" >&2; exit 1;; esac\n'
        f'exec {real} "$@"\n'
    )
    picky.chmod(0o755)
    monkeypatch.setenv("CC", str(picky))
    assert again() == 42
    assert len(counted) == 2


HANGING = """#!/bin/sh
case "$*" in *%s*) sleep 600 & echo $! > %s; wait;; esac
exec %s "$@"
"""


@pytest.fixture
def hanging(tmp_path, monkeypatch):
    """A compiler that waits for a child without end if it is called with a word."""

    def when(word):
        script, child = tmp_path / "hangs", tmp_path / "child"
        script.write_text(HANGING % (word, child, real))
        script.chmod(0o755)
        monkeypatch.setenv("CC", str(script))
        return child

    monkeypatch.delenv("CC", raising=False)
    real = build.compiler()[0]
    monkeypatch.setattr(build, "PATIENCE", 1.0)
    yield when
    build.HUNG.clear()


ON_LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks what is running")


def has_ended(process, within=10.0):
    last = time.monotonic() + within
    while time.monotonic() < last:
        try:
            if Path(f"/proc/{process}/stat").read_text().split()[2] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


def test_a_compiler_hangs_by_its_work_not_by_the_clock():
    patience = build.PATIENCE
    assert not build.given_up(waited=15 * patience, work=0.9 * patience)  # on a busy machine
    assert build.given_up(waited=1.1 * patience, work=1.1 * patience)  # it computes without end
    assert build.given_up(waited=1.1 * patience, work=0.001 * patience)  # it sleeps
    assert not build.given_up(waited=5 * patience, work=None)
    assert build.given_up(waited=11 * patience, work=None)


@ON_LINUX
def test_work_is_that_of_a_command_and_of_its_children():
    spin = f"{sys.executable} -c 'while True: pass'"
    with subprocess.Popen(["sh", "-c", f"{spin}; true"], start_new_session=True) as shell:
        try:
            last = time.monotonic() + 60
            while (build.worked(shell.pid) or 0) < 0.3 and time.monotonic() < last:
                time.sleep(0.01)
            assert build.worked(shell.pid) >= 0.3
        finally:
            os.killpg(shell.pid, signal.SIGKILL)
    assert build.worked(session=-1) is None


@ON_LINUX
@pytest.mark.parametrize("word", ["step.c", "--version"])
def test_a_compiler_that_hangs_is_ended_with_its_children_and_not_called_again(
    cache, counted, hanging, word
):
    child = hanging(word)
    with pytest.raises(build.NoCompiler, match=r"hangs did not end within 1 s.*another compiler"):
        again()
    assert has_ended(int(child.read_text()))
    child.unlink()
    start = time.monotonic()
    with pytest.raises(build.NoCompiler, match="is not called again"):
        again()
    assert time.monotonic() - start < 0.5
    assert not child.exists()
    assert len(counted) == (word == "step.c")
    assert not list(cache.iterdir() if cache.exists() else ())


@ON_LINUX
def test_a_compiler_interrupted_by_ctrl_c_is_ended_with_its_children(hanging, monkeypatch):
    child, wait = hanging("--version"), subprocess.Popen.communicate

    def pressed(process, *args, **options):
        monkeypatch.setattr(subprocess.Popen, "communicate", wait)
        while not (child.exists() and child.read_text()):
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", pressed)
    with pytest.raises(KeyboardInterrupt):
        build.answer([os.environ["CC"], "--version"])
    assert has_ended(int(child.read_text()))


@pytest.mark.parametrize(("name", "value", "why"), [
    ("PATH", "", "no C compiler is on PATH"),
    ("CC", "no-such-compiler", "CC=no-such-compiler is not on PATH"),
    ("CC", "true", "it returned 0 and made nothing"),
    ("CC", "false", "it returned 1 and made nothing"),
    ("XDG_CACHE_HOME", "/dev/null", "set XDG_CACHE_HOME"),
])  # fmt: skip
def test_where_nothing_can_be_built_numpy_runs_and_one_sentence_says_why(
    cache, monkeypatch, name, value, why
):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv(name, value)
    found = compile(lambda p, x: tanh(x @ p["W"]).sum(), target="c")
    with pytest.warns(UserWarning, match=why) as said:  # noqa: PT031
        for rows in (3, 3, 4):
            loss, _ = found({"W": Tensor(np.eye(2))}, np.ones((rows, 2)))
            np.testing.assert_allclose(loss, 2 * rows * np.tanh(1))
    (only,) = said
    assert str(only.message).startswith("compile: NumPy runs instead of C: ")
    assert "\n" not in str(only.message)


def test_what_the_compiler_complains_of_is_said(cache):
    with pytest.raises(build.NoCompiler, match=r"failed: step.c:1:.*error"):
        build.library("int answer(void) { return nothing; }")


@pytest.mark.parametrize("name", ['"; system("', "int", "größe", "a-b", "__x", "tanh_f", "*/", ""])
def test_names_in_c_are_made_not_taken(name):
    def f(p, x):
        return tanh(x @ p[name]).sum()

    found = compile(f, target="c")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss, _ = found({name: Tensor(np.eye(2))}, np.ones((3, 2)))
    np.testing.assert_allclose(loss, 6 * np.tanh(1))
    assert found.c_source.isascii()
    assert 'system("' not in found.c_source


class LanguageModel(nn.Module):
    def __init__(self, cell, V, H):
        self.cell, self.readout = cell(V, H, rng=0), nn.Linear(H, V, rng=1)


@pytest.mark.parametrize(
    ("cell", "B"),
    [
        (nn.RNNCell, 1),
        (nn.LSTMCell, 2),
        (nn.GRUCell, 5),
        *(
            pytest.param(cell, B, marks=pytest.mark.slow)
            for cell, B in [
                (nn.RNNCell, 2), (nn.RNNCell, 5), (nn.LSTMCell, 1), (nn.LSTMCell, 5),
                (nn.GRUCell, 1), (nn.GRUCell, 2),
            ]
        ),
    ],
)  # fmt: skip
def test_one_library_serves_all_lengths_even_those_that_are_another_size_too(
    cache, counted, cell, B
):
    V, H = 8, 6

    def loss_fn(m, x, y):
        outputs, _ = nn.unroll(m.cell, x)
        return nn.cross_entropy(m.readout(stack(outputs)), y)

    m, step = LanguageModel(cell, V, H), compile(loss_fn, target="c")
    for T in (17, V, H, 3 * H, 4 * H, V * B, 30):
        y = np.random.default_rng(T).integers(V, size=(T, B))
        loss, _ = step(m, np.eye(V)[y], y)
        np.testing.assert_allclose(loss, loss_fn(m, np.eye(V)[y], y).data, rtol=1e-12)
    assert len(counted) == step.stats["structures"] == 1


def test_so_it_does_for_sequences_that_are_computed_outside_of_the_loop(cache, counted):
    V, H = 8, 6

    class Embedded(LanguageModel):
        def __init__(self):
            super().__init__(nn.LSTMCell, V, H)
            self.embed = nn.Embedding(V, V, rng=2)

    def loss_fn(m, x, y):
        outputs, _ = nn.unroll(m.cell, m.embed(x))  # (T, B, V) at once, as are its gradients
        return nn.cross_entropy(m.readout(stack(outputs)), y)

    m, step = Embedded(), compile(loss_fn, target="c")
    for T in (17, H, 3 * H, 30, 100):  # V is the size of an array that grows with no length
        y = np.random.default_rng(T).integers(V, size=(T, 3))
        loss, grads = step(m, y, y)
        exact = loss_fn(m, y, y)
        np.testing.assert_allclose(loss, exact.data, rtol=1e-12)
        np.testing.assert_allclose(grads["embed.W"], grad(exact, m.embed.W), atol=1e-14)
    assert len(counted) == 1
