"""Which text is on every machine, and how does it become numbers?"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

__all__ = ["Alphabet", "chunks", "python_documentation"]


def python_documentation() -> str:
    """The English of the language reference that `help()` reads, about 400 kB in every Python.

    Tables, rules and runs of spaces are left out, characters beyond ASCII too.

    Raises
    ------
    FileNotFoundError
        Some distributions leave `pydoc_data` out of their minimal Python.
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
        self.characters = "".join(sorted(set(text)))
        self._numbers = {c: k for k, c in enumerate(self.characters)}

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> np.ndarray:
        """The numbers of the characters, shape (len(text),); ValueError for one not in it."""
        unknown = set(text) - self._numbers.keys()
        if unknown:
            raise ValueError(
                f"Alphabet.encode: {''.join(sorted(unknown))!r} is not among its {len(self)} "
                "characters. Build the alphabet from all text it shall read."
            )
        return np.array([self._numbers[c] for c in text], dtype=np.int64)

    def decode(self, numbers: np.ndarray | list[int]) -> str:
        """The text of a sequence of numbers."""
        return "".join(self.characters[k] for k in np.asarray(numbers, dtype=int))


def chunks(numbers: np.ndarray, batch: int, steps: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Read `batch` places of a sequence side by side, `steps` symbols at a time.

    Row k of each chunk goes on where row k of the one before ended, so a state can be carried from
    chunk to chunk.

    Parameters
    ----------
    numbers
        Integers of shape (N,).
    batch, steps
        How many rows, and how many symbols of each at a time; N > batch · steps.

    Yields
    ------
    x, y
        Integers of shape (steps, batch): the symbols, and those one place further.

    Raises
    ------
    ValueError
        If the sequence is too short for one chunk.
    """
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
