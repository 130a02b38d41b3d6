"""Which arrays can be written where another is read for the last time?

A pass over the elements of arrays loads all that it reads at a place before it stores there. So a
result may stand in an array that nothing reads later: gates in that of their pre-activations, the
gradients of these in that of the gates.
"""

from __future__ import annotations

import math
import re

from tinygrad_rnn.program.backends.c.index import Affine
from tinygrad_rnn.program.backends.c.kernel import Kernel, axes
from tinygrad_rnn.program.backends.c.names import TYPES, words
from tinygrad_rnn.program.backends.c.storage import Storage
from tinygrad_rnn.program.ir.graph import Value

__all__ = ["Parts", "aliases", "coalesce"]

Parts = list[tuple[list[Kernel], list[str]]]  # the kernels of a part of a program, and its lines
Reads = dict[str, set[Affine]]  # the elements that are read of arrays, at one place


def coalesce(storage: Storage, parts: Parts) -> bool:
    r"""Put values into arrays that their kernel is the last to read; whether there are any.

    A value whose array is given up so is a candidate in the next round.

    >>> from tinygrad_rnn.program.ir.text import graph_from
    >>> from tinygrad_rnn.program.backends.c.emit import write
    >>> values, outputs = graph_from('''
    ...     a[t] = matmul(x[t], W)
    ...     b[t] = tanh(a[t])
    ...     c[t] = matmul(b[t], W)
    ...     y = sum_t(c[0:5])
    ... ''', W=(3, 3))
    >>> leaves = [v for v in values if v.op == "leaf"]
    >>> text = write(values, outputs, leaves).text
    >>> print(*[x.strip() for x in text.splitlines() if "b = a" in x or "tanh" in x], sep="\n")
    double *b = a;  /* (2, 3) at each step, where a is read last */
    b[t*6 + row*3 + col] = tanh_d(a[t*6 + row*3 + col]);
    """
    known = len(storage.coalesced)
    for kernel, dying in last_reads(storage, parts):
        arrays = {x.name: x for x in storage.room}
        dying = {x: ps for x, ps in dying.items() if x in arrays and disjoint(kernel, ps)}
        free = [(arrays[x], p) for x, ps in dying.items() for p in sorted(ps)]
        for v in kernel.values:
            for array, place in free:
                if movable(storage, v) and array.kind == TYPES[str(v.dtype)]:
                    loops = ("t", *(str(ix) for ix in axes(v.shape)))
                    start, strides = place.without(*loops), map(place.factor, loops)
                    storage.coalesce(v, array, start, tuple(strides))
                    free.remove((array, place))
                    break
    return len(storage.coalesced) > known


def aliases(storage: Storage, parts: Parts) -> set[tuple[str, str]]:
    r"""Pairs of arrays: of the second each element is written where the first is read last.

    >>> from tinygrad_rnn.program.ir.text import graph_from
    >>> from tinygrad_rnn.program.backends.c.emit import write
    >>> values, outputs = graph_from('''
    ...     b = matmul(x, W)
    ...     c = tanh(b)
    ...     d = multiply(c, c)
    ...     e = matmul(d, W)
    ...     y = copy(e)
    ... ''', W=(3, 3))
    >>> leaves = [v for v in values if v.op == "leaf"]
    >>> text = write(values, outputs, leaves).text
    >>> print(*[x.strip() for x in text.splitlines() if "d = b" in x or "c " in x], sep="\n")
    double *d = b;  /* (2, 3), where nothing else is by then */
    const double c = tanh_d(b[row*3 + col]);
    d[row*3 + col] = c * c;
    """
    found, new = set[tuple[str, str]](), dict[Kernel, set[str]]()
    for kernels, _ in parts:
        for k, kernel in enumerate(kernels):
            before = words([line for x in kernels[:k] for line in x.lines])
            others = {storage.places[v].name for x in kernels if x is not kernel for v in x.writes}
            new[kernel] = kernel.targets.keys() - others - before
    for kernel, dying in last_reads(storage, parts):
        found |= {
            (x, y)
            for x, read in dying.items()
            for y in new[kernel]
            if read <= kernel.targets[y] and timed(kernel, read)
        }
    return found


def last_reads(storage: Storage, parts: Parts) -> list[tuple[Kernel, Reads]]:
    """Kernels, and the arrays that nothing but they reads in the last part that mentions them."""
    last = {word: k for k, (_, lines) in enumerate(parts) for word in words(lines)}
    rooms = {x.name: x for x in storage.room}
    place = {x: k for k, x in enumerate(storage.room)}
    names = {x: {x.name: Affine()} for x in storage.room}  # of values in each, and where
    for name, (x, start, _) in storage.coalesced.items():
        names[x][name], rooms[name] = start, x
    found = list[tuple[Kernel, Reads]]()
    for k, (kernels, _) in enumerate(parts):
        for kernel in kernels:
            if kernel.space is None:
                continue
            others = [line for x in kernels if x is not kernel for line in x.lines]
            text, dying, beside = "\n".join(kernel.lines), Reads(), words(others)
            here = {rooms[name] for name in kernel.elements if name in rooms}
            for array in sorted(here, key=place.__getitem__):
                lives = any(name in beside or last.get(name, 0) > k for name in names[array])
                if not lives and (read := reads(kernel, text, names[array])):
                    dying[array.name] = read
            found.append((kernel, dying))
    return found


def reads(kernel: Kernel, text: str, starts: dict[str, Affine]) -> set[Affine]:
    """The elements of an array that a kernel reads; none if it is mentioned in another way, too.

    `starts` are the names by which it goes, and where in it each begins.
    """
    found = set[Affine]()
    for name, start in starts.items():
        places = kernel.elements.get(name, set())
        known = sum(len(re.findall(rf"\b{name}{re.escape(f'[{p}]')}", text)) for p in places)
        if known != len(re.findall(rf"\b{name}\b", text)):
            return set()
        found |= {p.plus(start) for p in places}
    return found


def movable(storage: Storage, v: Value) -> bool:
    """True if an array may stand elsewhere: one with a row for each step, but no results."""
    p = storage.places[v]
    plain = p.container is None and not p.rows and not p.strides
    fixed = v in storage.outputs or v in storage.assembled or v in storage.rowwise
    fixed |= any(x.name == p.name for x, _, _ in storage.coalesced.values())  # others stand in it
    return v.lo is not None and plain and not v.initial and not fixed


def timed(kernel: Kernel, places: set[Affine]) -> bool:
    """True if elements that are read at one step are read at no other."""
    return kernel.values[0].lo is None or all(p.factor("t") for p in places)


def disjoint(kernel: Kernel, places: set[Affine]) -> bool:
    """True if elements that are read together are read together with no others.

    Those of all steps, rows and columns are then different ones, as ``a[t*8 + col]`` and
    ``a[t*8 + col + 4]`` are for four columns, not for five.
    """
    shape, (first, *_) = kernel.values[0].shape, sorted(places)
    sizes: dict[str, float] = {
        str(ix): n for ix, n in zip(axes(shape), shape, strict=True) if n != 1
    }
    sizes["t"] = math.inf
    steps = {x: abs(first.factor(x)) for x in sizes}
    known = all(x in (*sizes, "T") for x, _ in first.terms)  # else an array says where
    if not known or not all(steps.values()) or any(p.terms != first.terms for p in places):
        return False
    for d in {0, *(abs(p.add - q.add) for p in places for q in places)}:
        within = sum(step * (sizes[x] - 1) for x, step in steps.items() if step <= d)
        if d and (within >= d or d + within >= min(s for s in steps.values() if s > d)):
            return False
    return all(
        step > sum(s * (sizes[y] - 1) for y, s in steps.items() if s < step)
        for step in steps.values()
    )
