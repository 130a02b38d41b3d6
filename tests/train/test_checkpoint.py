"""Is a checkpoint whole or not there, and is everything else refused?"""

import io
import json
import os
import pickle
import re
import struct
import zipfile
import zlib

import numpy as np
import pytest

from tinygrad_rnn.train import CheckpointError
from tinygrad_rnn.train.checkpoint import load, save

ARRAYS = {
    "weights.0": np.arange(6.0).reshape(2, 3),
    "turned": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(3, 2)),
    "strided": np.arange(10)[::2],
    "none": np.zeros((0, 3)),
    "one": np.array(3.5),
    "flags": np.array([True, False]),
    "broken": np.array([np.nan, np.inf, -0.0]),
}
FACTS = {"step": 3, "big": 2**127 + 1, "words": ["ä", None, 0.1]}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.npz"


def repacked(path, change):
    """Rewrite the archive: ``change(members)`` may do what it likes to a dict of bytes by name."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def npy(array, **options):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **options)
    return file.getvalue()


def same(arrays, expected):
    assert arrays.keys() == expected.keys()
    for name, array in arrays.items():
        assert array.dtype == expected[name].dtype
        assert array.shape == expected[name].shape
        assert array.tobytes() == expected[name].tobytes()


# -- whole ------------------------------------------------------------------------------------


def test_what_is_saved_comes_back_to_the_bit_and_may_be_changed(path):
    save(path, ARRAYS, FACTS)
    arrays, facts = load(path)
    same(arrays, ARRAYS)
    assert facts == FACTS
    assert all(array.flags.writeable and array.flags.c_contiguous for array in arrays.values())


def test_numpy_reads_it_as_an_ordinary_npz(path):
    save(path, ARRAYS, FACTS)
    with np.load(path, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["weights.0"], ARRAYS["weights.0"])


def test_the_same_contents_are_the_same_bytes_and_nothing_else_stays_in_the_folder(path):
    save(path, ARRAYS, FACTS)
    first = path.read_bytes()
    save(path, ARRAYS, FACTS)
    assert path.read_bytes() == first
    assert [p.name for p in path.parent.iterdir()] == ["run.npz"]


def test_what_stood_there_is_replaced_only_when_all_is_written(path, monkeypatch):
    save(path, {"a": np.zeros(1)}, 1)
    for name in ("fsync", "replace"):
        with monkeypatch.context() as patched:

            def fail(*_):
                raise OSError("the disk is full")

            patched.setattr(os, name, fail)
            with pytest.raises(OSError, match="the disk is full") as caught:
                save(path, {"a": np.ones(1)}, 2)
        assert "save checkpoint run.npz: nothing was written to" in caught.value.__notes__[0]
        assert load(path)[1] == 1
        assert [p.name for p in path.parent.iterdir()] == ["run.npz"]


def test_a_leftover_of_a_killed_writer_is_no_hindrance_and_is_removed(path):
    path.with_name(".run.npz.0123456789abcdef.tmp").write_bytes(b"half")
    save(path, ARRAYS, FACTS)
    assert load(path)[1] == FACTS
    assert [p.name for p in path.parent.iterdir()] == ["run.npz"]


def test_data_reaches_the_disk_before_the_name_and_the_name_before_the_return(path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        original = getattr(os, name)

        def note(*arguments, name=name, original=original):
            calls.append(name)
            return original(*arguments)

        monkeypatch.setattr(os, name, note)
    save(path, ARRAYS, FACTS)
    assert calls == ["fsync", "replace", "fsync"][: 3 if os.name == "posix" else 2]


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("../a", np.zeros(1)),
        ("C:a", np.zeros(1)),
        ("a\\b", np.zeros(1)),
        ("", np.zeros(1)),
        ("a", np.array([{}])),
        ("a", np.array(["text"])),
        ("a", np.array([1j])),
    ],
)
def test_what_could_not_be_read_back_is_not_written(path, name, array):
    with pytest.raises(ValueError, match=r"save checkpoint run\.npz: .* cannot be saved"):
        save(path, {name: array}, None)
    with pytest.raises(TypeError, match="JSON"):
        save(path, {}, {1, 2})
    assert not list(path.parent.iterdir())


# -- or not there -----------------------------------------------------------------------------


def test_a_missing_file_is_missing(path):
    with pytest.raises(FileNotFoundError):
        load(path)


def test_every_truncation_is_refused(path):
    save(path, ARRAYS, FACTS)
    whole = path.read_bytes()
    for end in [*range(0, len(whole), 61), len(whole) - 1]:
        path.write_bytes(whole[:end])
        with pytest.raises(CheckpointError, match=r"checkpoint run\.npz: .*Nothing was loaded"):
            load(path)


def test_a_flipped_bit_is_refused_or_changes_nothing(path):
    save(path, ARRAYS, FACTS)
    whole = path.read_bytes()
    rng, refused = np.random.default_rng(0), 0
    for _ in range(600):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            arrays, facts = load(path)
        except CheckpointError:
            refused += 1
        else:  # a date or an attribute, which nobody reads
            same(arrays, ARRAYS)
            assert facts == FACTS
    assert refused > 400


class Bomb:
    """Would leave a file behind if anybody unpickled it."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return open, (str(self.target), "w")


def set_json(text):
    return lambda members: members.update({"checkpoint.json": text})


def as_npy(header, content=b""):
    text = header.encode() + b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def claims(shape, descr="<f8", order=False):
    return as_npy(
        f"{{'descr': {descr!r}, 'fortran_order': {order}, 'shape': {shape}, }}", b"\0" * 48
    )


MALICE = {
    "no JSON": (lambda m: m.pop("checkpoint.json"), "foreign archive"),
    "broken JSON": (set_json(b'{"format": '), "is not JSON"),
    "other JSON": (set_json(b'{"format": "of somebody else", "facts": 1}'), "does not say that"),
    "a JSON list": (set_json(b"[]"), "does not say that"),
    "deep JSON": (set_json(b"[" * 10**6), r"not JSON|damaged \(RecursionError"),
    "version": (
        set_json(b'{"format": "tinygrad_rnn checkpoint", "version": 9, "facts": 1}'),
        "it has version 9, and this program reads 1",
    ),
    "foreign member": (lambda m: m.update({"setup.py": b"1"}), "foreign member in it, 'setup.py'"),
    "a path up": (
        lambda m: m.update({"../a.npy": npy(np.zeros(1))}),
        "the name of a member is a path",
    ),
    "a path from the root": (
        lambda m: m.update({"/etc/a.npy": b""}),
        "the name of a member is a path",
    ),
    "a drive": (lambda m: m.update({"C:a.npy": b""}), "the name of a member is a path"),
    "no npy": (lambda m: m.update({"one.npy": b"123456789"}), "'one.npy' is not a .npy"),
    "empty": (lambda m: m.update({"one.npy": b""}), "'one.npy' is not a .npy"),
    "objects": (
        lambda m: m.update({"one.npy": npy(np.array([{}, 1]), allow_pickle=True)}),
        "holds object, not plain real numbers",
    ),
    "text": (lambda m: m.update({"one.npy": npy(np.array(["abc"]))}), "not plain real numbers"),
    "records": (
        lambda m: m.update(
            {"one.npy": npy(np.zeros(2, [("a", "f8"), ("b", "O")]), allow_pickle=True)}
        ),
        "not plain real numbers",
    ),
    "dates": (lambda m: m.update({"one.npy": npy(np.zeros(2, "M8[s]"))}), "not plain real numbers"),
    "complex": (lambda m: m.update({"one.npy": npy(np.zeros(2, complex))}), "not plain real"),
    "other order": (lambda m: m.update({"one.npy": claims((2, 3), order=True)}), "in C order"),
    "other npy": (
        lambda m: m.update({"one.npy": npy(np.ones(1), version=(2, 0))}),
        "in another",
    ),
    "huge shape": (
        lambda m: m.update({"one.npy": claims((10**12, 10**9))}),
        "contradicts its size",
    ),
    "overflowing shape": (
        lambda m: m.update({"one.npy": claims((2**62, 4))}),
        "contradicts its size",
    ),
    "negative shape": (lambda m: m.update({"one.npy": claims((-2, -3))}), "contradicts its size"),
    "short shape": (lambda m: m.update({"one.npy": claims((5,))}), "contradicts its size"),
    "code in the header": (
        lambda m: m.update({"one.npy": as_npy("__import__('os').abort()")}),
        "'one.npy' is not a .npy",
    ),
    "deep header": (lambda m: m.update({"one.npy": as_npy("(" * 9000)}), "no .npy|damaged"),
}


@pytest.mark.parametrize(("change", "sentence"), MALICE.values(), ids=MALICE)
def test_what_none_of_ours_would_hold_is_refused_by_its_reason(path, change, sentence):
    save(path, ARRAYS, FACTS)
    repacked(path, change)
    with pytest.raises(CheckpointError, match=rf"load checkpoint run\.npz: .*({sentence})"):
        load(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_is_refused(path):
    save(path, ARRAYS, FACTS)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("one.npy", npy(np.array(4.0)))
    with pytest.raises(CheckpointError, match="two of its members have the same name"):
        load(path)


def test_a_zip_bomb_is_refused_before_it_is_read(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("checkpoint.json", json.dumps({"format": "tinygrad_rnn checkpoint"}))
        archive.writestr("a.npy", bytes(10**7))
    assert path.stat().st_size < 20_000
    with pytest.raises(CheckpointError, match="is compressed or encrypted, which none of ours is"):
        load(path)


def test_a_member_that_lies_inside_another_is_refused(path):
    def stored(name, content):
        fields = struct.pack("<5HIIIHH", 20, 0, 0, 0, 0, *sizes(content), len(name), 0)
        return b"PK\x03\x04" + fields + name + content

    def entry(name, content, place):
        fields = struct.pack("<6HIIIHH", 20, 20, 0, 0, 0, 0, *sizes(content), len(name), 0)
        return b"PK\x01\x02" + fields + struct.pack("<HHHII", 0, 0, 0, 0, place) + name

    def sizes(content):
        return zlib.crc32(content), len(content), len(content)

    inner = npy(np.zeros(1000))
    outer = stored(b"b.npy", inner)
    whole = stored(b"a.npy", outer)
    directory = entry(b"a.npy", outer, 0) + entry(b"b.npy", inner, len(whole) - len(outer))
    end = struct.pack("<4HIIH", 0, 0, 2, 2, len(directory), len(whole), 0)
    path.write_bytes(whole + directory + b"PK\x05\x06" + end)
    with pytest.raises(CheckpointError, match="its members claim to be larger than the file"):
        load(path)


def test_nothing_is_ever_unpickled(path, tmp_path):
    target = tmp_path / "pickled"
    pickled = pickle.dumps(Bomb(target))
    objects = np.array([Bomb(target)], dtype=object)
    path.write_bytes(pickled)
    with pytest.raises(CheckpointError, match=r"it is not an \.npz archive"):
        load(path)
    for content in (pickled, npy(objects, allow_pickle=True)):
        save(path, ARRAYS, FACTS)
        repacked(path, lambda members, content=content: members.update({"one.npy": content}))
        with pytest.raises(CheckpointError, match=r"'one\.npy'"):
            load(path)
    assert not target.exists()


@pytest.mark.parametrize(
    "content", [b"", b"P", b"text", b"\x80\x04N.", b"PK\x03\x04", b"\x93NUMPY"]
)
def test_other_files_are_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=re.escape("load checkpoint run.npz: it is ")):
        load(path)


def test_a_plain_npz_and_a_folder_are_refused(path):
    np.savez(path, a=np.zeros(2))
    with pytest.raises(CheckpointError, match=r"foreign archive: there is no checkpoint\.json"):
        load(path)
    with pytest.raises(CheckpointError, match="it is not a regular file"):
        load(path.parent)
