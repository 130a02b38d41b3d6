"""How does C become something to call, once for each source and machine?

Shared libraries are kept in a folder of the user's own, named by what they were made from. Beside
each stands the digest of its bytes: what does not match is built again, never loaded.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

__all__ = ["FLAGS", "NoCompiler", "blas", "cache_folder", "library", "prelude"]

# No -ffast-math: infinities and NaN mean what they mean, and sums keep their order but for simd's.
FLAGS = (
    "-std=gnu11", "-O3", "-march=native", "-fopenmp-simd", "-fno-math-errno",
    "-fno-trapping-math", "-shared", "-fPIC",
)  # fmt: skip


class NoCompiler(RuntimeError):
    """There is nothing here to build C with, or it failed; the message says what to do."""


def prelude() -> str:
    """The functions that every program calls."""
    return (Path(__file__).parent / "prelude.h").read_text()


def cache_folder() -> Path:
    """Where libraries are kept: ``$XDG_CACHE_HOME/tinygrad_rnn``, the user's alone.

    Raises
    ------
    NoCompiler
        The folder cannot be made, is another user's, or others may write to it.
    """
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(root) / "tinygrad_rnn"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
        if not stat.S_ISDIR(found.st_mode) or not mine:
            raise NoCompiler(f"the cache {folder} is not a folder of this user; remove it")
        if found.st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise NoCompiler(
            f"the cache {folder} cannot be used ({error}); set XDG_CACHE_HOME"
        ) from None
    return folder


def library(source: str) -> ctypes.CDLL:
    """The library built from a source, from the cache if it is there and whole."""
    folder = cache_folder()
    key = hashlib.sha256("\0".join([source, *FLAGS, *machine()]).encode()).hexdigest()[:32]
    path = folder / f"{key}.so"
    if not whole(path):
        build(source, path)
    return ctypes.CDLL(str(path))


def whole(path: Path) -> bool:
    """Whether a library is there with the bytes it was built with."""
    try:
        expected = path.with_suffix(".sha256").read_text()
        return hashlib.sha256(path.read_bytes()).hexdigest() == expected
    except (OSError, UnicodeDecodeError):
        return False


def build(source: str, path: Path) -> None:
    """Compile into a folder beside, then move into place: others see all of it or nothing."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        text, made = Path(folder) / "step.c", Path(folder) / "step.so"
        text.write_text(source)
        command = [compiler(), *FLAGS, str(text), "-o", str(made), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NoCompiler(f"the C compiler failed: {done.stderr.strip().splitlines()[:3]}")
        digest = Path(folder) / "digest"
        digest.write_text(hashlib.sha256(made.read_bytes()).hexdigest())
        made.replace(path)
        digest.replace(path.with_suffix(".sha256"))


@functools.cache
def compiler() -> str:
    """The system's C compiler: ``$CC``, or cc, gcc or clang on PATH."""
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        if name and shutil.which(name):
            return name
    raise NoCompiler(
        "no C compiler is on PATH (apt install gcc, xcode-select --install), so NumPy runs instead"
    )


@functools.cache
def machine() -> tuple[str, ...]:
    """What a library must not be carried across: processor, system, compiler."""
    version = subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=False)
    return platform.machine(), platform.system(), processor(), version.stdout


def processor() -> str:
    """What instructions there are, as -march=native looks for them."""
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
    import numpy.linalg._umath_linalg as linalg

    here = ctypes.CDLL(linalg.__file__)
    for prefix in ("scipy_", ""):
        for suffix, bits in (("64_", 64), ("", 32)):
            try:
                found = [getattr(here, f"{prefix}cblas_{x}gemm{suffix}") for x in "sd"]
            except AttributeError:
                continue
            single, double = (ctypes.cast(f, ctypes.c_void_p).value or 0 for f in found)
            return single, double, bits
    return 0, 0, 64
