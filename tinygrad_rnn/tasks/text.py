"""Which text comes with Python, and how does text become numbers?"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

import numpy as np

from tinygrad_rnn.border import as_array
from tinygrad_rnn.tasks.batch import no_less

__all__ = ["Alphabet", "chunks", "python_documentation", "read_text"]

# Byte order marks; UTF-32 comes first, because its mark begins like that of UTF-16.
WIDE = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32"}
WIDE |= {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def read_text(path: str | PathLike[str], *, encoding: str = "utf-8", min_lines: int = 2) -> str:
    """The text of a file, with every line end as one line feed.

    Parameters
    ----------
    path
        The file.
    encoding
        The text encoding. A file that begins with the byte order mark of UTF-16 or UTF-32 is read
        as that instead of UTF-8, which cannot begin so.
    min_lines
        The least number of lines that are not blank. A file of one line is seldom the text that was
        meant; 1 accepts it.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        There is no such file, or it is a folder.
    ValueError
        The file is empty, binary, in another encoding, or has too few lines.
    TypeError
        An argument is of another type.
    """
    if not isinstance(path, (str, PathLike)):
        raise TypeError(f"read_text: expected a path, got {path!r}.")
    if not isinstance(encoding, str):
        raise TypeError(f'read_text: encoding is a name, e.g. "utf-8", got {encoding!r}.')
    if not isinstance(min_lines, (int, np.integer)) or isinstance(min_lines, bool):
        raise TypeError(f"read_text: min_lines is a whole number, got {min_lines!r}.")
    if "\0" in str(path):
        raise ValueError(f"read_text: {str(path)!r} is not a path: it contains a zero byte.")
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"read_text: {path} is a folder; expected a file of text.")
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"read_text: there is no file {path} (looking from {Path.cwd()}). Check the spelling, "
            "or give the full path."
        ) from error
    text = _decode(data, path, encoding)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    lines = sum(bool(line.strip()) for line in text.split("\n"))
    if not lines:
        raise ValueError(f"read_text: {path} is empty: {len(data)} bytes and nothing to read.")
    if lines < min_lines:
        raise ValueError(
            f"read_text: {path} has {lines} line of text ({len(text)} characters), expected at "
            f"least {min_lines}. If that is the whole text, pass min_lines={lines}."
        )
    return text


def _decode(data: bytes, path: Path, encoding: str) -> str:
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig"):
        encoding = next((wide for mark, wide in WIDE.items() if data.startswith(mark)), encoding)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _not_in(encoding, data, path, error) from error
    except UnicodeError as error:
        raise ValueError(f"read_text: {path} is not {encoding}: {error}.") from error
    except (LookupError, ValueError) as error:
        raise ValueError(
            f'read_text: there is no encoding {encoding!r}; try "utf-8", "latin-1" or "cp1252".'
        ) from error
    if "\0" in text:
        raise ValueError(_binary(path, text.index("\0")))
    return text


def _guess(data: bytes) -> str:
    """An encoding of one byte per character: cp1252 if there are quotation marks of Windows."""
    return "cp1252" if re.search(rb"[\x80-\x9f]", data) else "latin-1"


def _not_in(encoding: str, data: bytes, path: Path, error: UnicodeDecodeError) -> ValueError:
    """The error for bytes that are not text in this encoding."""
    if b"\0" in data:
        return ValueError(_binary(path, data.index(b"\0")))
    guess = _guess(data) if "utf" in encoding else "utf-8"
    return ValueError(
        f"read_text: {path} is not {encoding}: byte {data[error.start]:#04x} at offset "
        f"{error.start} ({error.reason}). Name the encoding it was written in, perhaps "
        f'encoding="{guess}".'
    )


def _binary(path: Path, offset: int) -> str:
    return (
        f"read_text: {path} is binary: a zero at offset {offset}, which text never contains. "
        "Expected a text file; save a document as text first."
    )


def python_documentation() -> str:
    """The English text of the language reference that `help()` shows, about 400 kB.

    Tables, rules, runs of spaces and characters beyond ASCII are left out.

    Raises
    ------
    FileNotFoundError
        This Python comes without `pydoc_data`, as in some minimal distributions.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise FileNotFoundError(
            "python_documentation: this Python comes without pydoc_data. Install the full standard "
            "library (on Debian and Ubuntu: apt install libpython3-stdlib), or read a file instead."
        ) from error
    lines = "\n\n".join(topics[name] for name in sorted(topics)).splitlines()
    prose = "\n".join(
        line.strip() for line in lines if not re.search(r"\||\S  +\S|([*=~+-])\1", line)
    )
    prose = re.sub(r"\n\n+", "\n\n", prose)
    return "".join(c for c in prose if c == "\n" or (c.isascii() and c.isprintable()))


class Alphabet:
    """The characters of a text, each with a number: 0, 1, … in the order of their code points.

    Examples
    --------
    >>> letters = Alphabet("hello")
    >>> letters.encode("hole"), letters.decode([1, 3])
    (array([1, 3, 2, 0]), 'ho')
    """

    def __init__(self, text: str) -> None:
        _check_text("Alphabet", text)
        self.characters = "".join(sorted(set(text)))
        self._numbers = {c: k for k, c in enumerate(self.characters)}

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> np.ndarray:
        """The numbers of the characters, shape (len(text),); ValueError for an unknown one.

        TypeError if `text` is not a string.
        """
        _check_text("Alphabet.encode", text)
        unknown = set(text) - self._numbers.keys()
        if unknown:
            raise ValueError(
                f"Alphabet.encode: {''.join(sorted(unknown))!r} is not among its {len(self)} "
                "characters. Build the alphabet from all text that it will read."
            )
        return np.array([self._numbers[c] for c in text], dtype=np.int64)

    def decode(self, numbers: np.ndarray | list[int]) -> str:
        """The text of a sequence of numbers.

        Raises
        ------
        TypeError, ValueError
            The numbers are not integers, have several axes, or are not 0 … len(alphabet) - 1; -1 is
            refused, too.
        """
        found = np.asarray(as_array(numbers, "Alphabet.decode"))
        if found.ndim != 1:
            raise ValueError(
                f"Alphabet.decode: expected one sequence of numbers, got shape {found.shape}. "
                "Decode each row separately."
            )
        if found.size and found.dtype.kind not in "iu":
            raise TypeError(
                f"Alphabet.decode: numbers of characters are integers, got dtype {found.dtype}."
            )
        wrong = found[(found < 0) | (found >= len(self))]
        if wrong.size:
            raise ValueError(
                f"Alphabet.decode: {wrong[0]} is not the number of a character; its {len(self)} "
                f"characters have the numbers 0 … {len(self) - 1}."
            )
        return "".join(self.characters[k] for k in found)


def _check_text(owner: str, text: str) -> None:
    if not isinstance(text, str):
        raise TypeError(f"{owner}: expected text, got a {type(text).__name__}. Join its parts.")


def chunks(numbers: np.ndarray, batch: int, steps: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cut a sequence into `batch` parallel rows, and yield `steps` symbols of each at a time.

    Row k of each chunk continues row k of the chunk before, so a state can be carried along.

    Parameters
    ----------
    numbers
        Integers of shape (N,).
    batch, steps
        The number of rows, and of symbols of each at a time, at least 1; N > batch · steps.

    Yields
    ------
    x, y
        Integers of shape (steps, batch): the symbols, and the symbol after each.

    Raises
    ------
    ValueError
        The sequence is too short for one chunk.
    """
    numbers = as_array(numbers, "chunks")
    no_less("chunks", 1, batch=batch)
    no_less("chunks", 1, steps=steps)
    length = (len(numbers) - 1) // batch
    if length < steps:
        raise ValueError(
            f"chunks: {len(numbers)} symbols are too few for {batch} rows of {steps} and one more "
            f"each; expected at least {batch * steps + 1}."
        )
    x = numbers[: batch * length].reshape(batch, length).T
    y = numbers[1 : batch * length + 1].reshape(batch, length).T
    for start in range(0, length - steps + 1, steps):
        yield x[start : start + steps], y[start : start + steps]
