"""How does C become something to call, once for each source and machine?

Libraries are kept in a folder of the user's own, named by what they were made from. Each file
begins with the digest of the rest: what does not match is built again, never loaded. The digest
shows damage, not who wrote it; so a file is read only if the user alone can have written it.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tinygrad_rnn.files import replacing
from tinygrad_rnn.program.openblas import functions

__all__ = ["FLAGS", "NoCompiler", "blas", "cache_folder", "library", "threads"]

# No -ffast-math: infinities and NaN mean what they mean, and sums keep their order but for simd's.
FLAGS = ("-std=gnu11", "-O3", "-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math",
         "-shared", "-fPIC")  # fmt: skip
TUNED = ("-march=native",)  # left out where the compiler knows no such thing
KEPT = 500  # files of one kind in the cache
PATIENCE = 120.0  # seconds of work; see `given_up`
HUNG: set[str] = set()  # the compilers of this process that did not end within them


class NoCompiler(RuntimeError):
    """There is nothing here to build C with, or it failed; the message says what to do."""


@functools.lru_cache(64)
def library(source: str) -> ctypes.CDLL:
    """The library built from a source, from the cache if it is there and whole.

    Raises
    ------
    NoCompiler
        It is not in the cache, and cannot be built; or cannot be kept, or loaded.
    """
    command = compiler()
    key = hashlib.sha256("\0".join([source, *FLAGS, *TUNED, *machine(command)]).encode())
    try:
        path = cache_folder() / f"{key.hexdigest()[:32]}.library"
        made = checked(path)
        if made is None:
            made = built(source, command)
            keep(made, path)
        return loaded(made, path.parent)
    except OSError as error:
        raise NoCompiler(f"what is built cannot be kept ({error}); set XDG_CACHE_HOME") from None


def cache_folder() -> Path:
    """The folder of libraries: ``$XDG_CACHE_HOME/tinygrad_rnn``, the user's alone.

    A folder that others could write to is closed to them and emptied: what is in it may be theirs.
    """
    root = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        folder = (root if root.is_absolute() else Path("~/.cache").expanduser()) / "tinygrad_rnn"
    except RuntimeError as error:
        raise NoCompiler(f"there is no cache of the user's own here ({error})") from None
    with_owners()
    user = os.getuid()
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not os.path.lexists(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()  # of a link, not of what it points to
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != user:
        raise NoCompiler(f"the cache {folder} is not a folder of this user; remove it")
    if found.st_mode & 0o077:
        folder.chmod(0o700)
    if found.st_mode & 0o022:
        for path in folder.iterdir():
            with suppress(OSError):  # a folder, of which nothing is ever read
                path.unlink()
    return folder


def checked(path: Path) -> bytes | None:
    """A file of the cache, if it is the user's alone and has the bytes it was made with."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # not there; or a link, which none of ours is
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid()
        if not ours or status.st_mode & 0o077:
            return None
        found = file.read()
    digest, made = found[:32], found[32:]
    return made if hashlib.sha256(made).digest() == digest else None


def keep(made: bytes, path: Path) -> None:
    """Put bytes into the cache at once: a reader finds all of them or nothing."""
    if path.is_symlink():
        path.unlink()  # none of ours
    with replacing(path, "compile", private=True) as file:
        file.write(hashlib.sha256(made).digest() + made)
    with suppress(FileNotFoundError):  # another process may remove what is old, too
        ages = {p: p.stat().st_mtime for p in path.parent.glob(f"*{path.suffix}")}
        for old in sorted(ages, key=ages.__getitem__)[:-KEPT]:
            old.unlink(missing_ok=True)


def loaded(made: bytes, folder: Path) -> ctypes.CDLL:
    """These bytes as a library: from a copy that nobody else knows, not from what was checked."""
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".so") as file:
        file.write(made)
        file.flush()
        return ctypes.CDLL(file.name)


def built(source: str, command: tuple[str, ...]) -> bytes:
    """The library that the compiler makes of a source."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "step.c").write_text(source, "utf-8")
        for tuned in (TUNED, ()):
            words = [*command, *FLAGS, *tuned, "step.c", "-o", "step.so", "-lm"]
            failed = run(words, folder)
            if not failed:
                return Path(folder, "step.so").read_bytes()
    raise NoCompiler(f"{shlex.join(command)} failed: {failed}")


def run(words: list[str], folder: str) -> str:
    """Run a compiler; what it complains of if it fails."""
    try:
        code, _, complaints = answer(words, folder)
    except OSError as error:
        return str(error)
    if code == 0 and Path(folder, "step.so").exists():
        return ""
    said = complaints.strip().splitlines()
    wrong = [line for line in said if "error" in line] or said
    return wrong[0] if wrong else f"it returned {code} and made nothing"


def answer(words: list[str], folder: str | None = None) -> tuple[int, str, str]:
    """The exit code and output of a command; NoCompiler if it does not end.

    Then it is killed with its children, for a compiler is a driver that calls other programs.
    """
    begun = time.monotonic()
    with subprocess.Popen(
        words, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True,
    ) as process:  # fmt: skip
        try:
            while True:
                with suppress(subprocess.TimeoutExpired):  # what was read until then is kept
                    said, complaints = process.communicate(timeout=min(1.0, PATIENCE))
                    break
                if given_up(time.monotonic() - begun, worked(process.pid)):
                    raise subprocess.TimeoutExpired(words, PATIENCE)
        except BaseException as error:  # Ctrl-C, too, which does not reach another session
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            HUNG.add(words[0])
            raise NoCompiler(_hung(words[0])) from None
    return process.returncode, said, complaints


def given_up(waited: float, work: float | None) -> bool:
    """True if a compiler hangs, after so many seconds of the clock and of a processor.

    It may work for `PATIENCE` seconds, and sleep as long. On a busy machine it also waits for its
    turn: one that has a twentieth of a processor goes on. Where its work is unknown, the clock
    decides.
    """
    if work is None:
        return waited > 10 * PATIENCE
    return work > PATIENCE or waited > PATIENCE + 20 * work


def worked(session: int) -> float | None:
    """The seconds of a processor that a session's processes have had; None where Linux is not."""
    ticks, told = 0, False
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            state = path.read_text(errors="replace").rpartition(")")[2].split()
            if state[3] == str(session):
                ticks, told = ticks + sum(map(int, state[11:15])), True  # its ended children's, too
    return ticks / os.sysconf("SC_CLK_TCK") if told else None


def with_owners() -> None:
    """NoCompiler on a system whose files have no owners, so that no cache could be trusted."""
    if not hasattr(os, "getuid"):
        raise NoCompiler("programs in C are built on Linux and macOS, on Windows in WSL")


def builds() -> bool:
    """True if there is a C compiler here."""
    try:
        compiler()
    except NoCompiler:
        return False
    return True


def compiler() -> tuple[str, ...]:
    """The system's C compiler: ``$CC`` if that is set, else cc, gcc or clang on PATH."""
    with_owners()
    chosen = os.environ.get("CC", "").strip()
    try:
        words = shlex.split(chosen)
    except ValueError as error:
        raise NoCompiler(f"CC={chosen} is no command ({error})") from None
    for command in (words,) if chosen else (["cc"], ["gcc"], ["clang"]):
        found = shutil.which(command[0])
        if found in HUNG:
            raise NoCompiler(_hung(found))
        if found:
            return (found, *command[1:])
    if chosen:
        raise NoCompiler(f"CC={chosen} is not on PATH")
    raise NoCompiler("no C compiler is on PATH (apt install gcc, or xcode-select --install)")


def _hung(program: str) -> str:
    return (
        f"{program} did not end within {PATIENCE:g} s, was killed, and is not called again by this "
        "process; set CC to another compiler"
    )


@functools.lru_cache
def machine(command: tuple[str, ...]) -> tuple[str, ...]:
    """The machine a library is for: processor, system, compiler."""
    try:
        _, version, _ = answer([*command, "--version"])
    except OSError as error:
        raise NoCompiler(f"{shlex.join(command)} does not run ({error})") from None
    return *command, version, platform.machine(), platform.system(), processor()


def processor() -> str:
    """The instructions of the processor, as -march=native looks for them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line for line in lines if line.lower().startswith(("flags", "features")))
    except (OSError, StopIteration):
        return platform.processor()


@functools.cache
def blas() -> tuple[int, int, int]:
    """The addresses of the products NumPy has loaded, float and double, and its integers' bits.

    (0, 0, 64) where NumPy keeps them to itself: the loops in C then do it alone.
    """
    found, bits = functions(["cblas_sgemm", "cblas_dgemm"])
    single, double = map(address, found) if found else (0, 0)
    return single, double, bits


@functools.cache
def threads() -> int:
    """The address of what tells how many threads these products have; 0 where nothing does."""
    found, _ = functions(["openblas_get_num_threads"])
    return address(found[0]) if found else 0


def address(function: Any) -> int:
    """The address of a function."""
    return ctypes.cast(function, ctypes.c_void_p).value or 0
