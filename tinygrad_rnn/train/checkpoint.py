"""How are arrays saved in one file, completely or not at all, and loaded safely?

A checkpoint is a plain .npz (``np.load`` reads it): each array as .npy, stored without compression,
and one member of JSON with everything else. A reader finds the old file or the new one. Loading
trusts nothing: every name, size, dtype and checksum is compared before an array is made, and
nothing in the file is ever run or unpickled.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
from numpy.lib import format as npy

from tinygrad_rnn.border import REAL, refuse_foreign
from tinygrad_rnn.files import replacing

__all__ = ["CheckpointError", "load", "save"]

VERSION = 1
_FORMAT, _FACTS = "tinygrad_rnn checkpoint", "checkpoint.json"
_NAME = re.compile(r"[^/\\:\x00-\x1f]+")  # so that unpacking it by hand stays in one folder
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # no clock in the file: the same contents, the same bytes


class CheckpointError(ValueError):
    """A checkpoint that could not be loaded: names the file and the reason. Nothing has changed."""


def save(path: str | os.PathLike[str], arrays: Mapping[str, Any], facts: Any) -> None:
    """Write `arrays` and `facts` to `path`, all or nothing; on return they are on the disk.

    Parameters
    ----------
    path
        A regular file there is replaced in one step. The folder has to exist; for a moment it also
        holds a temporary file, named ".….tmp".
    arrays
        Arrays of real numbers by name; a name contains no slash, backslash or colon.
    facts
        Anything that JSON can hold.

    Raises
    ------
    ValueError, TypeError
        An array or a fact could not be read back; nothing is written.
    OSError
        `path` is not a regular file, the folder is missing or cannot be written to, or the disk is
        full.
    """
    path = Path(path)
    for name, array in arrays.items():
        refuse_foreign(array, f"save checkpoint {path.name}: {name!r}")
    found = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in found.items():
        if not _is_safe(name) or array.dtype.kind not in REAL:
            raise ValueError(
                f"save checkpoint {path.name}: {name!r} ({array.dtype}) cannot be saved. Names go "
                "without slash, backslash or colon, arrays hold real numbers."
            )
    text = json.dumps({"format": _FORMAT, "version": VERSION, "facts": facts})
    try:
        with replacing(path, "save checkpoint", durable=True) as file:
            _write(file, found, text)
    except OSError as error:  # no folder, no right to write, no room
        error.add_note(
            f"save checkpoint {path.name}: nothing was written to {path.absolute().parent}, and "
            "a file that was there is unchanged. Make room, or choose another folder."
        )
        raise


def load(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], Any]:
    """The arrays by name, and the facts, that `save` wrote to `path`.

    Raises
    ------
    FileNotFoundError
        There is no file.
    CheckpointError
        The file is not a checkpoint, or it is of another version, truncated, damaged or tampered
        with: names the file and the reason.
    """
    path = Path(path)
    if not path.is_file() and path.exists():
        _refuse(path, "it is not a regular file")
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            _refuse(path, "it is not an .npz archive")
        try:
            with zipfile.ZipFile(file) as archive:
                return _read(path, archive, path.stat().st_size)
        except CheckpointError:
            raise
        except Exception as error:  # zipfile and NumPy raise many kinds for damaged bytes
            _refuse(path, f"it is truncated or damaged ({type(error).__name__}: {error})")


def _write(file: IO[bytes], arrays: dict[str, np.ndarray], text: str) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(_entry(f"{name}.npy"), "w", force_zip64=True) as member:
                # contiguous, so that NumPy notes C order; that gives 0-d arrays an axis, reshape
                # removes it
                plain = np.ascontiguousarray(array).reshape(array.shape)
                npy.write_array(member, plain, version=(1, 0), allow_pickle=False)
        archive.writestr(_entry(_FACTS), text.encode())


def _read(path: Path, archive: zipfile.ZipFile, size: int) -> tuple[dict[str, np.ndarray], Any]:
    members = archive.infolist()
    names = [member.filename for member in members]
    if len({*names}) != len(names):
        _refuse(path, "two of its members have the same name")
    for member in members:
        if not _is_safe(member.filename):
            _refuse(path, f"the name of a member is a path, {member.filename!r}")
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            _refuse(path, f"{member.filename!r} is compressed or encrypted, which none of ours is")
        if member.file_size != member.compress_size:
            _refuse(path, f"{member.filename!r} has another size than it states")
    if sum(member.file_size for member in members) > size:
        _refuse(path, "its members claim to be larger than the file")
    if _FACTS not in names:
        _refuse(path, f"it is a foreign archive: there is no {_FACTS} in it")
    try:
        head = json.loads(archive.read(_FACTS))
    except ValueError as error:
        _refuse(path, f"{_FACTS} is not JSON ({error})")
    if not isinstance(head, dict) or head.get("format") != _FORMAT or "facts" not in head:
        _refuse(path, f"{_FACTS} does not say that it is a {_FORMAT}")
    if head.get("version") != VERSION:
        _refuse(path, f"it has version {head.get('version')!r}, and this program reads {VERSION}")
    arrays = {}
    for member in members:
        if member.filename.endswith(".npy"):
            arrays[member.filename.removesuffix(".npy")] = _array(path, archive, member)
        elif member.filename != _FACTS:
            _refuse(path, f"there is a foreign member in it, {member.filename!r}")
    return arrays, head["facts"]


def _array(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """One member as an array, once its header agrees with its size."""
    with archive.open(member) as file:
        try:
            if npy.read_magic(file) != (1, 0):
                _refuse(path, f"{member.filename!r} is in another version of .npy")
            shape, fortran, dtype = npy.read_array_header_1_0(file)
        except ValueError as error:
            _refuse(path, f"{member.filename!r} is not a .npy file ({error})")
        if dtype.kind not in REAL or dtype.hasobject or fortran:
            _refuse(path, f"{member.filename!r} holds {dtype}, not plain real numbers in C order")
        expected = dtype.itemsize
        for n in shape:  # Python's integers, which do not overflow
            expected *= n
        if min(shape, default=0) < 0 or expected != member.file_size - file.tell():
            _refuse(
                path, f"{member.filename!r} states the shape {shape}, which contradicts its size"
            )
        return np.frombuffer(bytearray(file.read()), dtype).reshape(shape)  # read to its checksum


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _FIRST_DAY)
    entry.external_attr = 0o600 << 16
    return entry


def _is_safe(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and name not in (".", "..")


def _refuse(path: Path, why: str) -> NoReturn:
    raise CheckpointError(
        f"load checkpoint {path.name}: {why}. Nothing was loaded. Take an older copy, or move the "
        "file away to start anew."
    )
