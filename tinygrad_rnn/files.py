"""How is a file written, complete or not at all?

The file is written under a temporary name in the same folder and then renamed. A reader finds the
old file or the new one, and two writers of one path do not disturb each other. The system applies
the umask when it creates the file; Python can read the umask only by changing it, for all threads.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = ["check_target", "replacing"]

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
ADVICE = "Name a file in a folder that exists and that you may write to."
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)  # O_EXCL follows no link


@contextmanager
def replacing(
    path: str | os.PathLike[str], owner: str, *, private: bool = False, durable: bool = False
) -> Iterator[IO[bytes]]:
    """A binary file to write to, which takes the place of `path` when the block ends.

    If the block or the disk fails, the file at `path` is unchanged and no temporary file is left.

    Parameters
    ----------
    path
        A regular file keeps its mode; a new one gets what the umask allows.
    owner
        Name of the caller, for the errors.
    private
        Only the user can read and write the file: mode 0600, whatever mode it had before.
    durable
        The file and its name are on the disk at the end, and temporary files that killed writers of
        `path` left in the folder are removed.

    Raises
    ------
    OSError
        `path` is not a regular file (but a link, a folder or a device), the folder is missing or
        cannot be written to, or the disk is full.
    ValueError
        `path` is not a valid path on this system, e.g. it contains a zero byte.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(f"{folder}/a.txt", "example") as file:
    ...         _ = file.write(b"all of it")
    ...     Path(folder, "a.txt").read_text(), len(os.listdir(folder))
    ('all of it', 1)
    """
    path = Path(path)
    try:
        check_target(path, owner)
        mode = 0o600 if private else _mode(path)
    except ValueError as error:
        raise ValueError(_sentence(owner, path, error)) from error
    beside = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}.tmp")
    lock: int | None = None
    try:
        file, lock = _opened(beside, 0o666 if mode is None else mode)
        with file:
            if mode is not None and hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), mode)
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        if error.filename not in (None, str(beside)):  # another file, of whoever writes
            raise
        raise _mended(owner, path, error) from error
    finally:
        with suppress(OSError):
            beside.unlink()  # there only if something went wrong
        if lock is not None:
            os.close(lock)
    if durable:
        _tidy(path)
        _fsync_folder(path.parent)


def check_target(path: str | os.PathLike[str], owner: str) -> None:
    """OSError if something other than a regular file stands at `path`, which may be missing."""
    path = Path(path)
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _mended(owner, path, error) from error
    if stat.S_ISREG(found.st_mode):
        return
    kind = KINDS.get(stat.S_IFMT(found.st_mode), "something else")
    advice = ADVICE
    if stat.S_ISLNK(found.st_mode):
        kind += f" to {str(path.readlink())!r}"
        advice = "Name that file itself, or remove the link."
    sort = IsADirectoryError if stat.S_ISDIR(found.st_mode) else OSError
    raise sort(f"{owner}: cannot write {str(path)!r}: it is {kind}. {advice}")


def _mode(path: Path) -> int | None:
    """The permissions of a file that exists."""
    try:
        return stat.S_IMODE(path.lstat().st_mode) & 0o777
    except OSError:  # there is none, or creating the new one will say what is wrong
        return None


def _opened(beside: Path, mode: int) -> tuple[IO[bytes], int | None]:
    """A new file, and a second descriptor that keeps it locked until it has its final name."""

    def opener(name: str, _: int) -> int:
        return os.open(name, _NEW, mode)

    file = open(beside, "wb", opener=opener)  # noqa: SIM115
    if not _lock(file.fileno()):
        return file, None
    if os.fstat(file.fileno()).st_nlink:
        return file, os.dup(file.fileno())
    file.close()  # another writer has tidied up in the moment before the lock
    return _opened(beside, mode)


def _lock(descriptor: int, *, wait: bool = True) -> bool:
    """Lock the file. False if it is locked already, or the system or disk has no locks."""
    if fcntl is None:
        return False
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return True
    return False


def _tidy(path: Path) -> None:
    """Remove the temporary files of killed writers of `path`: no process locks them any more."""
    left = re.compile(rf"\.{re.escape(path.name[:40])}\.[0-9a-f]{{16}}\.tmp")
    with suppress(OSError):
        for beside in path.parent.iterdir():
            if left.fullmatch(beside.name):
                _remove_unlocked(beside)


def _remove_unlocked(beside: Path) -> None:
    with suppress(OSError), beside.open("rb") as file:
        if _lock(file.fileno(), wait=False):
            beside.unlink()


def _mended(owner: str, path: Path, error: OSError) -> OSError:
    """The same error, with what was written and what to do."""
    said = type(error)(_sentence(owner, path, error))
    said.errno = error.errno
    return said


def _sentence(owner: str, path: Path, error: OSError | ValueError) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    if "\0" in str(path):  # Python's own words for this change from version to version
        reason = "a path cannot contain a null byte"
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    advice = "Make room, or name a file on another disk." if full else ADVICE
    return f"{owner}: cannot write {str(path)!r}: {reason}. {advice}"


def _fsync_folder(folder: Path) -> None:
    """Write the rename itself to the disk; Windows has no such call and needs none."""
    with suppress(PermissionError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
