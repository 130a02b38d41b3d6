"""Which arrays can use the same memory, one after the other?

An array is live from the first of a program's parts (a loop, or what stands between loops) that
mentions it to the last. Largest first, each goes where all others are live at other times
(Pisarchyk and Lee 2020, arXiv:2001.03288, greedy by size). An array that aliases another may
become live in the part in which the other is read last.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterator

from tinygrad_rnn.program.backends.c.names import words
from tinygrad_rnn.program.backends.c.storage import Array

__all__ = ["owners"]

Span = tuple[int, int]  # the first and last part in which an array is live


def owners(
    arrays: list[Array],
    parts: list[list[str]],
    inside: dict[str, str],
    aliases: set[tuple[str, str]],
) -> dict[str, Array]:
    """For each array, by name, the one whose memory it uses: its own, or one as large at any T.

    `inside` says which names are parts of which arrays, `aliases` which arrays may follow which
    others in one part. Here c is written after a is read last, b before:

    >>> from tinygrad_rnn.program.backends.c.index import Affine
    >>> arrays = [Array(name, "double", Affine((), 6), "", 8) for name in "abc"]
    >>> parts = [["a[0] = x[0];"], ["b[0] = a[0] + 1;"], ["c[0] = b[0] * 2;"], ["y[0] = c[0];"]]
    >>> {name: owner.name for name, owner in owners(arrays, parts, {}, set()).items()}
    {'a': 'a', 'b': 'b', 'c': 'a'}

    As b is written where a is read last, it may stand there too:

    >>> {name: owner.name for name, owner in owners(arrays, parts, {}, {("a", "b")}).items()}
    {'a': 'a', 'b': 'a', 'c': 'c'}
    """
    live = _spans(parts, inside)
    near: dict[str, list[str]] = defaultdict(list)
    for x, y in aliases:
        near[x].append(y)
        near[y].append(x)
    rank = {array.name: k for k, array in enumerate(arrays)}
    busy, known = _Busy(len(parts)), dict[str, int]()  # by kind, a bit for each array that owns
    tenants: dict[str, list[tuple[Span, str]]] = {}
    found: dict[str, Array] = {}
    for array in sorted(arrays, key=lambda x: (-x.many.factor("T"), -x.many.add)):
        span = live[array.name]
        free = known.get(array.kind, 0) & ~busy.taken(span)
        for owner in {found[x].name for x in near[array.name] if x in found}:
            if _follows(array.name, span, tenants[owner], aliases):
                free |= 1 << rank[owner]
        owner = next((x for x in _ranked(arrays, free) if fits(array, x)), array)
        if owner is array:
            known[array.kind] = known.get(array.kind, 0) | 1 << rank[array.name]
        found[array.name] = owner
        insort(tenants.setdefault(owner.name, []), (span, array.name))
        busy.take(span, rank[owner.name])
    return found


def _spans(parts: list[list[str]], inside: dict[str, str]) -> dict[str, Span]:
    live: dict[str, Span] = {}
    for now, lines in enumerate(parts):
        for word in words(lines):
            word = inside.get(word, word)
            live[word] = (live.get(word, (now,))[0], now)
    return live


def _follows(
    name: str, span: Span, tenants: list[tuple[Span, str]], aliases: set[tuple[str, str]]
) -> bool:
    """True if an array is live after or before all tenants, some of which it aliases."""
    first, last = span
    for k in reversed(range(bisect_right(tenants, last, key=lambda x: x[0][0]))):
        (start, end), other = tenants[k]
        if end < first:
            break  # and so are those before it
        if not (last == start and (name, other) in aliases) and not (
            end == first and (other, name) in aliases
        ):
            return False
    return True


def _ranked(arrays: list[Array], bits: int) -> Iterator[Array]:
    """Arrays by the bits of a number, the lowest first."""
    while bits:
        low = bits & -bits
        yield arrays[low.bit_length() - 1]
        bits ^= low


def fits(array: Array, owner: Array) -> bool:
    """True if one array fits into another, however long time is."""
    more = owner.many.plus(array.many.times(-1))
    k = more.factor("T")  # which is 4 or more where it stands in a size
    return array.kind == owner.kind and k >= 0 and 4 * k + more.add >= 0


class _Busy:
    """The arrays in use in each part: a segment tree over parts, of sets as bits.

    So all arrays are asked at once, and thousands of them are laid out in less than a second.
    """

    def __init__(self, parts: int) -> None:
        self.size = 1 << max(parts - 1, 0).bit_length()
        self.every = [0] * (2 * self.size)  # in use in every part below a node
        self.some = [0] * (2 * self.size)  # in some

    def nodes(self, span: Span) -> Iterator[int]:
        """The nodes that together are the parts from a first to a last."""
        a, b = span[0] + self.size, span[1] + self.size + 1
        while a < b:
            if a & 1:
                yield a
                a += 1
            if b & 1:
                b -= 1
                yield b
            a, b = a // 2, b // 2

    def take(self, span: Span, k: int) -> None:
        """Let array k be in use."""
        for node in self.nodes(span):
            self.every[node] |= 1 << k
            while node:
                self.some[node] |= 1 << k
                node //= 2

    def taken(self, span: Span) -> int:
        """The arrays in use in some of these parts."""
        found = 0
        for node in self.nodes(span):
            found |= self.some[node]
            while node:
                found |= self.every[node]
                node //= 2
        return found
