"""Which operations are steps of a loop, where no scope says so?

A loop in Python, ``for t in range(T): h = tanh(x[t] @ W + h @ U)``, records the same operations
again and again: a stretch of the record with a period. It is a loop over time if each operation
takes its operands from the same places at every step but the first ones and the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.engine.primitives import getitem
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.program.constants import same_constant

__all__ = ["Run", "runs"]

LEAST = 12  # operations of all steps together: what is shorter reads as well in a row
ALIKE = (1, 2, 3, 4, 6, 8)  # how many operations of its rarest kind a step may have
PERIODS = 8  # that are tried for each of these


class Run(NamedTuple):
    """Operations that repeat after `period`, or those of them from `begin` on.

    A step begins at operation `first`; there may be a part of one before.
    """

    nodes: list[Tensor]
    index: dict[Tensor, int]
    period: int
    first: int
    begin: int = 0

    def step(self, k: int) -> int:
        """The number of steps before operation k."""
        return (k - self.first) // self.period

    def position(self, k: int) -> int:
        """The ordinal of operation k in its step."""
        return (k - self.first) % self.period

    def times(self, known: Mapping[Tensor, Any], recurrent: bool) -> tuple[list[int], Run | None]:
        """The time of each operation up to the last of a loop, and what repeats after that.

        No times if it begins with no loop over time. They are those of the elements it reads of a
        sequence, `known` for each of these as the second of a pair, or the index of the slices it
        takes: so a loop may go back in time. Else steps are counted. If `recurrent`, it is only a
        loop if a step waits for the one before.
        """
        n, period, first, begin = len(self.nodes), self.period, self.first, self.begin
        end = self._broken(begin + 3 * period, known)  # early steps may begin from elsewhere
        if end <= begin + 4 * period:
            end = min(end, self._broken(begin + 2 * period, known))
        if end < n:
            end = first + self.step(end) * period
        if end < begin + 3 * period:
            return [], self._from(first + period)
        middle = range(first + self.step((begin + end) // 2) * period, end)[:period]
        waits = any(
            self.step(self._inside(y)) < self.step(k)
            for k in middle
            for y in self.nodes[k].inputs
            if self._inside(y) >= 0
        )
        if recurrent and not waits:
            return [], self._from(end)
        k, t, sign = self._clock(middle, known) or (first, int(first > begin), 1)
        times = [t + sign * (self.step(m) - self.step(k)) for m in range(begin, end)]
        return times, self._from(end)

    def _from(self, k: int) -> Run | None:
        """The operations from the beginning of a step on, if they may still be a loop."""
        more = len(self.nodes) - k >= max(3 * self.period, LEAST)
        return self._replace(first=k, begin=k) if more else None

    def _inside(self, y: Any) -> int:
        """The ordinal of a node among the operations; -1 if it is none."""
        k = self.index.get(y, -1) if type(y) is Tensor else -1
        return k if k >= self.begin else -1

    def _broken(self, start: int, known: Mapping[Tensor, Any]) -> int:
        """The first operation from one on that does not go on as at the step before."""
        n = len(self.nodes)
        return next((k for k in range(start, n) if not self._goes_on(k, known)), n)

    def _goes_on(self, k: int, known: Mapping[Tensor, Any]) -> bool:
        """True if operation k takes its operands from where it did at the step before."""
        x, before = self.nodes[k], self.nodes[k - self.period]
        if len(x.inputs) != len(before.inputs):
            return False
        if x.op is getitem and x.options != before.options and not _slices(before, x):
            return False
        for y, z in zip(x.inputs, before.inputs, strict=True):
            if type(y) is not Tensor or type(z) is not Tensor:
                both = isinstance(y, np.ndarray) and isinstance(z, np.ndarray)
                if not both and not same_constant(y, z):
                    return False
                continue
            i, j = self._inside(y), self._inside(z)
            if i >= 0 or j >= 0:
                if j < 0 or i - j != self.period:
                    return False
            elif y is not z and not _slices(z, y) and not _moves(z, y, known):
                return False
        return True

    def _clock(self, ks: range, known: Mapping[Tensor, Any]) -> tuple[int, int, int] | None:
        """An operation that reads an element of a sequence: which, its time, and its direction."""
        pairs = [(k, self.nodes[k - self.period], self.nodes[k]) for k in ks]
        pairs += [(k, *yz) for k, *xs in pairs for yz in zip(*(x.inputs for x in xs), strict=True)]
        for index in (False, True):
            for k, a, b in pairs:
                if type(a) is type(b) is Tensor:
                    found = _slices(a, b) if index else _moves(a, b, known)
                    if found and abs(found[1]) == 1:  # of x[2 * t] the step is not the index
                        return k, *found
        return None


def _moves(a: Tensor, b: Tensor, known: Mapping[Tensor, Any]) -> tuple[int, int] | None:
    """The time of b and its distance from a, if that is 1 or -1."""
    s, t = (known[x][1] if x in known else None for x in (a, b))
    return (t, t - s) if s is not None and t is not None and abs(t - s) == 1 else None


def _slices(a: Tensor, b: Tensor) -> tuple[int, int] | None:
    """The same of the index of elements of one array."""
    if not a.op is b.op is getitem or a.inputs[0] is not b.inputs[0]:
        return None
    for i, j in zip(a.options["index"], b.options["index"], strict=False):
        if type(i) is type(j) is int and i != j:
            return j, j - i
    return None


def runs(nodes: list[Tensor]) -> list[Run]:
    """The stretches of a record that repeat, in the order of birth."""
    kinds: dict[Any, int] = {}
    s = np.array([kinds.setdefault(_kind(x), len(kinds)) for x in nodes], int)
    found = list[tuple[int, int, int]]()
    todo = [(0, len(nodes))]
    while todo:
        lo, hi = todo.pop()
        stretch = _periodic(s[lo:hi])
        if stretch is not None:
            a, b, period = stretch
            found.append((lo + a, lo + b, period))
            todo += [(lo, lo + a), (lo + b, hi)]
    return [_run(nodes[a:b], period) for a, b, period in sorted(found)]


def _kind(x: Tensor) -> Any:
    """The facts that operations of two steps have in common."""
    index = tuple(map(type, x.options.get("index", ())))
    return x.op, x.shape, x.dtype, x.name, tuple([f.name for f in x.scope]), index


def _periodic(s: np.ndarray) -> tuple[int, int, int] | None:
    """The longest stretch that repeats at least twice: begin, end and period."""
    if len(s) < LEAST:
        return None
    order = np.argsort(s, kind="stable")
    periods = set[int]()
    for k in ALIKE:
        distances = (order[k:] - order[:-k])[s[order[k:]] == s[order[:-k]]]
        often = np.bincount(distances)
        periods.update(np.argsort(-often, kind="stable")[:PERIODS][: np.count_nonzero(often)])
    best, most = None, 0
    for p in sorted(map(int, periods)):
        edges = np.flatnonzero(np.diff(s[p:] == s[:-p], prepend=False, append=False))
        lengths = edges[1::2] - edges[::2]
        k = int(lengths.argmax()) if len(lengths) else 0
        if len(lengths) and lengths[k] > most and lengths[k] >= max(2 * p, LEAST - p):
            most, a = int(lengths[k]), int(edges[2 * k])
            best = a, a + most + p, p
    return best


def _run(nodes: list[Tensor], period: int) -> Run:
    """A step begins where the fewest results are still to be read, as h and c."""
    index = {x: k for k, x in enumerate(nodes)}
    last = dict[int, int]()
    for k, x in enumerate(nodes):
        last.update({index[y]: k for y in x.inputs if type(y) is Tensor and y in index})
    carried = np.zeros(period, int)
    middle = len(nodes) // period // 2 * period
    for k in range(middle, middle + period):
        for m in range(k + 1, min(last.get(k, k), k + period) + 1):
            carried[m % period] += 1
    return Run(nodes, index, period, int(carried.argmin()))
