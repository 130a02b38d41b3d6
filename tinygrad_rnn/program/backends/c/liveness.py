"""Which arrays can use the same room, one after the other?

An array lives from the first of a program's parts (a loop, or what stands between loops) that
mentions it to the last. Largest first, each goes where all others live at other times (Pisarchyk
and Lee 2020, arXiv:2001.03288, greedy by size). An heir begins to live in the part in which that
ends in whose room it is.
"""

from __future__ import annotations

from tinygrad_rnn.program.backends.c.names import words
from tinygrad_rnn.program.backends.c.storage import Array

__all__ = ["owners"]


def owners(
    arrays: list[Array],
    parts: list[list[str]],
    inside: dict[str, str],
    aliases: set[tuple[str, str]],
) -> dict[str, Array]:
    """For each array, by name, the one in whose room it is: itself, or one as large at any T.

    `inside` says which names are parts of which arrays, `aliases` which arrays may follow which
    others in one part.
    """
    lives: dict[str, tuple[int, int]] = {}
    for now, lines in enumerate(parts):
        for word in words(lines):
            word = inside.get(word, word)
            lives[word] = (lives.get(word, (now,))[0], now)
    tenants: dict[str, list[Array]] = {}
    found: dict[str, Array] = {}
    for array in sorted(arrays, key=lambda x: (-x.many.factor("T"), -x.many.add)):
        first, last = lives[array.name]
        for owner in arrays:
            if (
                owner.name in tenants
                and fits(array, owner)
                and all(
                    last < start + ((array.name, x.name) in aliases)
                    or end < first + ((x.name, array.name) in aliases)
                    for x in tenants[owner.name]
                    for start, end in [lives[x.name]]
                )
            ):
                tenants[owner.name].append(array)
                found[array.name] = owner
                break
        else:
            tenants[array.name] = [array]
            found[array.name] = array
    return found


def fits(array: Array, owner: Array) -> bool:
    """Whether one array has room in that of another, however long time is."""
    more = owner.many.plus(array.many.times(-1))
    k = more.factor("T")  # which is 4 or more where it stands in a size
    return array.kind == owner.kind and k >= 0 and 4 * k + more.add >= 0
