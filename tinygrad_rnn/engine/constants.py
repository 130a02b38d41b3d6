"""Was an array written into between the record and its gradient?

A record refers to the arrays it was given and does not copy them. The derivative of ``h * buf``
reads `buf` again, and would be wrong without a word if it holds other numbers by then. So each
operation keeps fingerprints of the arrays it was given, and the backward pass compares them: a hash
of all bytes up to 8 KB, and of a digest of all bytes beyond.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["Fingerprints", "fingerprints", "read_only", "written_into"]

Fingerprints = tuple[tuple[np.ndarray, int], ...]  # the arrays, and what they looked like

SHORT = 1 << 13  # bytes; up to here a hash of all of them is the faster way
WORDS = 127  # a prime: rows of a batch, whose lengths are round numbers, fall on different words


def fingerprints(arrays: Iterable[np.ndarray]) -> Fingerprints:
    """Those of `arrays`, but for large ones into which nobody can write."""
    return tuple(
        [
            (x, _hashed(x))
            for x in arrays
            if x.nbytes <= SHORT or x.flags.writeable or x.base is not None
        ]
    )


def written_into(taken: Fingerprints, known: dict[int, int]) -> Any:
    """The first array that is no longer what it was; None if all are.

    `known` are the fingerprints of the same moment by ``id``: an array that is used at each step is
    looked at once.
    """
    for x, before in taken:
        now = known.get(id(x))
        if now is None:
            now = known[id(x)] = _hashed(x)
        if now != before:
            return x
    return None


def read_only(x: Any) -> Any:
    """A view of `x` for whoever looks on, into which nothing can be written."""
    if type(x) is not np.ndarray:
        return x
    view = x.view()
    view.setflags(write=False)
    return view


def _hashed(x: np.ndarray) -> int:
    """A hash of all bytes; of a large array, of 127 words into which it is folded.

    Each joins every 127th word of the array by exclusive or: that reads 15 bytes per nanosecond, a
    hash of all bytes 3. Any one number that changes is noticed, and so are other numbers in the
    place of all. Each word joins an odd number of them, so that the same change of all is noticed
    too: other signs, or ones that become zeros. Not noticed are numbers that change places at a
    distance of a multiple of 127 words, and changes that cancel bit by bit.
    """
    if x.nbytes <= SHORT:
        return hash(x.tobytes())
    flat = x.ravel("K").view(np.uint8)
    rows = flat.size // (8 * WORDS)
    end = (rows - (rows + 1) % 2) * 8 * WORDS
    words = flat[:end].view(np.uint64).reshape(-1, WORDS)
    return hash(np.bitwise_xor.reduce(words, axis=0).tobytes() + flat[end:].tobytes())
