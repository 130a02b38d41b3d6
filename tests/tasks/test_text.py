"""Does any file of text become numbers, and every bad one a clear error?"""

import codecs
import sys

import numpy as np
import pytest

from tinygrad_rnn.tasks import Alphabet, chunks, python_documentation, read_text


@pytest.fixture
def write(tmp_path):
    def written(data, name="some.txt"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return written


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1", "cp1252"])
def test_text_comes_back_in_the_encoding_it_was_written_in(write, encoding):
    text = "Über allen Gipfeln\nist Ruh,\n"
    assert read_text(write(text.encode(encoding)), encoding=encoding) == text


def test_a_path_may_be_a_string(write):
    assert read_text(str(write(b"a\nb"))) == "a\nb"


def test_every_line_end_becomes_one_line_feed_and_a_byte_order_mark_goes(write):
    assert read_text(write(codecs.BOM_UTF8 + b"a\r\nb\rc\n")) == "a\nb\nc\n"


@pytest.mark.parametrize("data", [b"", b"\n", b" \n\t\r\n", codecs.BOM_UTF8])
def test_an_empty_file_is_refused(write, data):
    with pytest.raises(ValueError, match=rf"some\.txt is empty: {len(data)} bytes"):
        read_text(write(data), min_lines=0)


def test_a_missing_file_is_named_and_where_it_was_looked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*absent\.txt \(looking from"):
        read_text(tmp_path / "absent.txt")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder; expected a file of text"):
        read_text(tmp_path)


@pytest.mark.parametrize(
    "data", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"PK\x03\x04\n\0\0", b"a\n\0b\n"]
)
def test_a_binary_file_is_refused(write, data):
    with pytest.raises(ValueError, match=rf"is binary: a zero at offset {data.index(0)},"):
        read_text(write(data))


def test_a_wrong_encoding_says_which_byte_and_what_to_try(write):
    path = write("Grün\nist\n".encode("latin-1"))
    message = r'not utf-8: byte 0xfc at offset 2 .*perhaps encoding="latin-1"'
    with pytest.raises(ValueError, match=message):
        read_text(path)
    with pytest.raises(ValueError, match=r'not ascii: byte 0xc3 .*perhaps encoding="utf-8"'):
        read_text(write("é\né".encode()), encoding="ascii")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("order", ["le", "be"])
@pytest.mark.parametrize("default", ["utf-8", "UTF8"])
def test_text_that_begins_with_the_mark_of_its_encoding_is_read_by_it(
    write, encoding, order, default
):
    text = "Füchse\nund Hühner\n"
    path = write(f"\ufeff{text}".encode(f"{encoding}-{order}"))
    assert read_text(path, encoding=default) == text
    with pytest.raises(ValueError, match=r"is binary: a zero at offset \d"):
        read_text(write(text.encode(f"{encoding}-{order}")))


def test_half_a_text_in_utf_16_is_refused(write):
    with pytest.raises(ValueError, match=r"is not utf-16|is binary"):
        read_text(write("one\ntwo\n".encode("utf-16")[:-1]))


@pytest.mark.parametrize("byte", [0x80, 0x85, 0x91, 0x92, 0x93, 0x96, 0x9F])
def test_a_byte_that_only_windows_writes_advises_its_encoding(write, byte):
    path = write(b"it" + bytes([byte]) + b"s\nso\n")
    with pytest.raises(ValueError, match=rf'byte {byte:#04x} .*perhaps encoding="cp1252"'):
        read_text(path)
    assert read_text(path, encoding="cp1252")


def test_an_unknown_encoding_is_refused(write):
    with pytest.raises(ValueError, match="there is no encoding 'utf-9'"):
        read_text(write(b"a\nb"), encoding="utf-9")


def test_a_file_of_one_line_is_refused_unless_it_is_meant(write):
    path = write(b"all on one line\n\n")
    message = r"has 1 line of text \(17 characters\), expected at least 2.*min_lines=1"
    with pytest.raises(ValueError, match=message):
        read_text(path)
    assert read_text(path, min_lines=1) == "all on one line\n\n"


def test_a_text_goes_from_file_to_chunks_and_back(write):
    text = read_text(write("Füchse\nund Hühner\n".encode()))
    alphabet = Alphabet(text)
    pieces = list(chunks(alphabet.encode(text), 1, 4))
    assert alphabet.decode(np.concatenate([x[:, 0] for x, _ in pieces])) == text[:16]
    assert alphabet.decode(np.concatenate([y[:, 0] for _, y in pieces])) == text[1:17]


def test_rows_of_chunks_go_on_where_they_ended():
    pieces = list(chunks(np.arange(100), 3, 5))
    x, y = (np.concatenate(part) for part in zip(*pieces, strict=True))
    assert x.shape == y.shape == (30, 3)
    assert np.array_equal(y, x + 1)
    assert np.array_equal(x[:, 0], np.arange(30))
    assert np.array_equal(x[0], [0, 33, 66])


def test_the_shortest_text_gives_one_chunk_and_a_shorter_one_says_what_is_missing():
    assert len(list(chunks(np.arange(13), 3, 4))) == 1
    with pytest.raises(ValueError, match=r"12 symbols are too few .* expected at least 13\."):
        next(chunks(np.arange(12), 3, 4))


@pytest.mark.parametrize(("batch", "steps", "name"), [(0, 4, "batch"), (3, 0, "steps")])
def test_chunks_of_nothing_are_refused(batch, steps, name):
    with pytest.raises(ValueError, match=rf"chunks: {name} = 0 is too small"):
        next(chunks(np.arange(50), batch, steps))


def test_an_alphabet_refuses_a_character_it_has_not_seen():
    with pytest.raises(ValueError, match="'xyz' is not among its 4 characters"):
        Alphabet("hello").encode("xyz")


@pytest.mark.parametrize(
    ("numbers", "error", "message"),
    [
        ([-1], ValueError, "-1 is not the number of a character; its 4 .* numbers 0 … 3"),
        ([0, 4], ValueError, "4 is not the number of a character"),
        ([2**64 - 1], ValueError, "18446744073709551615 is not the number of a character"),
        ([1.7], TypeError, "are integers, got dtype float64"),
        ([1.0], TypeError, "are integers, got dtype float64"),
        ([np.nan], TypeError, "are integers, got dtype float64"),
        ([True], TypeError, "are integers, got dtype bool"),
        (["1"], TypeError, "expected real numbers, got dtype <U1"),
        ([None], TypeError, "expected real numbers, got a list with a NoneType"),
        ([1j], TypeError, "expected real numbers, got dtype complex128"),
        ([[1, 2]], ValueError, r"one sequence of numbers, got shape \(1, 2\)"),
        (3, ValueError, r"one sequence of numbers, got shape \(\)"),
    ],
)
def test_an_alphabet_refuses_what_is_no_number_of_a_character(numbers, error, message):
    with pytest.raises(error, match=f"Alphabet.decode: .*{message}"):
        Alphabet("hello").decode(numbers)
    with pytest.raises(error, match=r"Alphabet\.decode"):
        Alphabet("hello").decode(np.array(numbers))


def test_an_alphabet_decodes_nothing_and_every_kind_of_integer():
    alphabet = Alphabet("hello")
    assert alphabet.decode([]) == alphabet.decode(np.zeros(0)) == Alphabet("").decode([]) == ""
    for kind in (np.uint8, np.int64, np.uint64):
        assert alphabet.decode(alphabet.encode("hole").astype(kind)) == "hole"


def test_the_python_documentation_is_english_ascii_prose():
    text = python_documentation()
    assert len(text) > 300_000
    assert text.isascii()
    assert text.count("the ") > 2000
    assert 60 < len(Alphabet(text)) < 100
    assert text == python_documentation()


def test_a_python_without_its_documentation_is_told_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(FileNotFoundError, match=r"without pydoc_data\. Install the full"):
        python_documentation()


@pytest.mark.parametrize("text", [None, 1, b"abc", ["a", "b"], np.arange(3)])
def test_an_alphabet_reads_text_alone(text):
    with pytest.raises(TypeError, match=r"^Alphabet: expected text, got a "):
        Alphabet(text)
    with pytest.raises(TypeError, match=r"^Alphabet\.encode: expected text, got a "):
        Alphabet("ab").encode(text)


@pytest.mark.parametrize("given", [None, "1", 1.5, True])
def test_a_number_of_lines_is_whole(given, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a\nb\n")
    with pytest.raises(TypeError, match=r"^read_text: min_lines is a whole number, got "):
        read_text(path, min_lines=given)
