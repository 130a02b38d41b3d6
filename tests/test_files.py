"""Does every file appear complete or not at all, and is nothing written to but regular files?"""

import errno
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tinygrad_rnn import Tensor, measure, nn, train
from tinygrad_rnn.files import replacing
from tinygrad_rnn.program.backends.c.standalone import save as save_arguments
from tinygrad_rnn.train import checkpoint
from viz.render import drawing

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes, links and pipes of POSIX")


def to_c(path):
    function = SimpleNamespace(T=3, arguments=[("x", "float64")])
    save_arguments(path, function, [np.ones(2)])


WRITERS = {
    "checkpoint": lambda path: checkpoint.save(path, {"a": np.ones(9)}, 1),
    "CSV": lambda path: measure.to_csv(path, {"t": [1, 2]}),
    "picture": lambda path: drawing.write(path, b"<svg/>"),
    "arguments": to_c,
    "file": lambda path: write(path, b"new"),
}
EVERY_WRITER = pytest.mark.parametrize("save", WRITERS.values(), ids=WRITERS)


def write(path, content, **options):
    with replacing(path, "test", **options) as file:
        file.write(content)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask():
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


# -- modes ------------------------------------------------------------------------------------


@EVERY_WRITER
@pytest.mark.parametrize(("mask", "expected"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_has_the_mode_of_the_umask(tmp_path, umask, save, mask, expected):
    umask(mask)
    save(tmp_path / "a")
    assert mode(tmp_path / "a") == expected
    assert umask(mask) == mask


@EVERY_WRITER
@pytest.mark.parametrize("kept", [0o600, 0o640, 0o444, 0o666, 0o755])
def test_a_file_that_was_there_keeps_its_mode(tmp_path, umask, save, kept):
    path = tmp_path / "a"
    path.touch()
    path.chmod(kept)
    save(path)
    assert mode(path) == kept
    assert path.stat().st_size


def test_a_private_file_is_the_users_alone_while_it_is_written_too(tmp_path, umask):
    path = tmp_path / "a"
    path.touch(mode=0o666)
    with replacing(path, "test", private=True):
        assert {mode(p) for p in tmp_path.iterdir() if p != path} == {0o600}
    assert mode(path) == 0o600


def test_threads_that_write_leave_the_umask_alone(tmp_path, umask):
    def some(k):
        for n in range(50):
            write(tmp_path / f"{k}.{n}", b"x")

    threads = [threading.Thread(target=some, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert umask(0o022) == 0o022
    assert {mode(path) for path in tmp_path.iterdir()} == {0o644}


# -- what is no regular file ------------------------------------------------------------------


@EVERY_WRITER
@pytest.mark.parametrize("to", ["there", "absent", "."])
def test_nothing_is_written_through_a_link_and_the_link_stays(tmp_path, save, to):
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "there").write_bytes(b"precious")
    link = folder / "link"
    link.symlink_to(tmp_path / to)
    with pytest.raises(OSError, match=r"cannot write .*link': it is a symbolic link to "):
        save(link)
    assert link.is_symlink()
    assert (tmp_path / "there").read_bytes() == b"precious"
    assert {p.name for p in tmp_path.iterdir()} == {"folder", "there"}
    assert list(folder.iterdir()) == [link]


@EVERY_WRITER
@pytest.mark.parametrize("kind", ["a folder", "a named pipe", "a socket", "a device"])
def test_folders_pipes_sockets_and_devices_are_refused(tmp_path, save, kind):
    path, server = tmp_path / "a", socket.socket(socket.AF_UNIX)
    if kind == "a folder":
        path.mkdir()
    elif kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a socket":
        server.bind(os.path.relpath(path))
    else:
        path = Path(os.devnull)
    before = path.lstat()
    with server, pytest.raises(OSError, match=rf"cannot write .*: it is {kind}\. Name a file"):
        save(path)
    assert path.lstat().st_ino == before.st_ino
    assert len(list(tmp_path.iterdir())) == (kind != "a device")


@pytest.mark.parametrize("kind", ["a symbolic link", "a named pipe"])
def test_fit_refuses_them_before_the_first_step(tmp_path, kind):
    class Bowl(nn.Module):
        def __init__(self):
            self.w = Tensor([1.0])

        def loss(self, x):
            raise AssertionError("a step was taken")

    model, path = Bowl(), tmp_path / "run.npz"
    path.symlink_to("absent") if kind == "a symbolic link" else os.mkfifo(path)
    with pytest.raises(OSError, match=f"fit: cannot write .*it is {kind}"):
        train.fit(
            model, lambda step: (1,), train.SGD(model.parameters(), 0.1), steps=1, path=path,
            progress=False,
        )  # fmt: skip


# -- what fails -------------------------------------------------------------------------------


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def pressed(*_):
    raise KeyboardInterrupt


@EVERY_WRITER
@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("failing", ["replace", "open", "fchmod"])
@pytest.mark.parametrize("fail", [full, pressed])
def test_whatever_fails_leaves_what_was_there_and_nothing_beside_it(
    tmp_path, monkeypatch, save, failing, fail, there
):
    path = tmp_path / "a"
    if there:
        path.write_bytes(b"old")
    elif failing == "fchmod":
        pytest.skip("asked for files that exist alone")
    with monkeypatch.context() as patched:
        patched.setattr(os, failing, fail)
        with pytest.raises((OSError, KeyboardInterrupt)) as caught:
            save(path)
    if fail is full:
        message = str(caught.value)
        assert f"cannot write {str(path)!r}: No space left on device. Make room" in message
        assert caught.value.errno == errno.ENOSPC
    assert [(p, p.read_bytes()) for p in tmp_path.iterdir()] == [(path, b"old")] * there


@EVERY_WRITER
def test_a_disk_that_fills_up_leaves_what_was_there(tmp_path, save):
    resource = pytest.importorskip("resource")
    path = tmp_path / "a"
    path.write_bytes(b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))  # a file of one byte is too large
    try:
        with pytest.raises(OSError, match=r"cannot write .*File too large\. Make room"):
            save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert [(p, p.read_bytes()) for p in tmp_path.iterdir()] == [(path, b"old")]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_an_exception_of_the_writer_is_its_own(tmp_path, error):
    def write_half():
        with replacing(tmp_path / "a", "test") as file:
            file.write(b"half")
            raise error("mine")

    with pytest.raises(error, match="mine"):
        write_half()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a" * 255, "ä" * 127, "b" * 39 + "ä", ".hidden", "a b", "*?[a]"])
def test_any_name_the_system_allows_is_written(tmp_path, name):
    for _ in range(2):
        write(tmp_path / name, b"x", durable=True)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@EVERY_WRITER
@pytest.mark.parametrize("path", ["a\0b", "missing/a", "b" * 300])
def test_what_cannot_be_named_is_said(tmp_path, save, path):
    with pytest.raises((OSError, ValueError), match=r"cannot write .*Name a file in a folder"):
        save(tmp_path / path)
    assert not list(tmp_path.iterdir())


# -- several writers --------------------------------------------------------------------------


def test_two_writers_of_one_path_never_show_half_a_file(tmp_path):
    path, stop, torn = tmp_path / "run.npz", threading.Event(), []

    def written(value):
        while not stop.is_set():
            checkpoint.save(path, {"a": np.full(20_000, float(value))}, value)

    writers = [threading.Thread(target=written, args=(k,)) for k in range(3)]
    for thread in writers:
        thread.start()
    try:
        for _ in range(200):
            if path.exists():
                arrays, value = checkpoint.load(path)  # refuses whatever is not whole
                if not (arrays["a"] == value).all():
                    torn.append(value)
    finally:
        stop.set()
        for thread in writers:
            thread.join()
    assert not torn
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]


KILLED = """
import os, signal, sys
from tinygrad_rnn.files import replacing
with replacing(sys.argv[1], "test", durable=True) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_left_goes_and_what_is_being_written_stays(tmp_path):
    path = tmp_path / "run.npz"
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    (left,) = tmp_path.iterdir()
    other = tmp_path / left.name.replace("run", "ran")  # of another path
    other.touch()
    with replacing(path, "test") as file:
        file.write(b"later")
        write(path, b"sooner", durable=True)
        assert not left.exists()
        assert path.read_bytes() == b"sooner"
    assert path.read_bytes() == b"later"
    assert {*tmp_path.iterdir()} == {path, other}
