"""How are products over several axes made of one product of matrices?

The axes of each operand are put in an order in which those that are summed over stand together, and
`matmul` does the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.engine.indexing import axis_of, getitem
from tinygrad_rnn.engine.operands import as_operand, shaped
from tinygrad_rnn.engine.overloads import of_two
from tinygrad_rnn.engine.primitives import Input, matmul, multiply, reshape, sum, transpose
from tinygrad_rnn.hints import checked_keywords

__all__ = ["dot", "einsum", "outer", "tensordot"]


@of_two
def dot(a: Any, b: Any) -> Any:
    """Sum over the last axis of `a` and the last but one of `b`, as ``np.dot``.

    Of matrices it is ``a @ b``; of a number and anything, their product.
    """
    a, b = as_operand(a, "dot"), as_operand(b, "dot")
    m, n = shaped(a).ndim, shaped(b).ndim
    if not m or not n:
        return multiply(a, b)
    return matmul(a, b) if n <= 2 else tensordot(a, b, axes=(m - 1, n - 2))


@of_two
def outer(a: Any, b: Any) -> Any:
    """All products of an element of `a` with one of `b`: shape (a.size, b.size)."""
    a, b = as_operand(a, "outer"), as_operand(b, "outer")
    return multiply(reshape(a, shape=(-1, 1)), reshape(b, shape=(1, -1)))


@of_two
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Sum over so many last axes of `a` and first ones of `b`, or over pairs of `axes`.

    Parameters
    ----------
    axes
        How many axes, or two lists: axes of `a`, and for each the axis of `b` it goes with.

    Raises
    ------
    ValueError
        The lengths of a pair differ.

    Examples
    --------
    >>> import numpy as np
    >>> tensordot(np.ones((2, 3, 4)), np.ones((4, 3, 5)), axes=((1, 2), (1, 0))).shape
    (2, 5)
    """
    a, b = as_operand(a, "tensordot"), as_operand(b, "tensordot")
    shapes = shaped(a).shape, shaped(b).shape
    if isinstance(axes, (int, np.integer)):
        axes = range(-axes, 0), range(axes)
    left, right = (
        [axis_of("tensordot", k, shape) for k in np.atleast_1d(ks).tolist()]
        for ks, shape in zip(axes, shapes, strict=True)
    )
    lengths = [shapes[0][k] for k in left], [shapes[1][k] for k in right]
    if lengths[0] != lengths[1]:
        raise ValueError(
            f"tensordot: axes {left} of {shapes[0]} go with axes {right} of {shapes[1]}, but their "
            f"lengths are {lengths[0]} and {lengths[1]}."
        )
    letters = [chr(ord("a") + k) for k in range(len(shapes[0]))]
    others = [chr(ord("A") + k) for k in range(len(shapes[1]))]
    for j, k in zip(left, right, strict=True):
        others[k] = letters[j]
    return _product(a, "".join(letters), b, "".join(others), {*letters} ^ {*others})[0]


@checked_keywords
def einsum(subscripts: str, *operands: Any) -> Any:
    """Einstein's sum: ``einsum("bi,ij->bj", x, W)``.

    Operands are multiplied from left to right, and an axis is summed over as soon as no later
    operand has it.

    Parameters
    ----------
    subscripts
        A letter for each axis of each operand, ``...`` for any number of axes; after ``->`` those
        of the result, by default the letters that come once, in alphabetical order.

    Raises
    ------
    ValueError
        The subscripts do not fit the operands; the message names the term or the letter.

    Examples
    --------
    >>> import numpy as np
    >>> einsum("bi,ij,j->b", np.ones((2, 3)), np.ones((3, 4)), np.ones(4))
    array([12., 12.])
    """
    xs = [as_operand(x, "einsum") for x in operands]
    terms, result = _terms(subscripts, [shaped(x).shape for x in xs])
    pairs = _of_one_length([_diagonal(x, term) for x, term in zip(xs, terms, strict=True)])
    (found, letters), *rest = pairs
    for k, (x, term) in enumerate(rest, start=2):
        wanted = {*result}.union(*(later for _, later in pairs[k:]))
        found, letters = _product(found, letters, x, term, wanted)
    return _arranged(*_summed(found, letters, {*result}), result)


def _terms(subscripts: str, shapes: list[tuple[int, ...]]) -> tuple[list[str], str]:
    """The letters of each operand and of the result, with letters in place of ``...``."""
    given, arrow, result = subscripts.replace(" ", "").partition("->")
    terms = given.split(",")
    if len(terms) != len(shapes):
        raise ValueError(
            f"einsum: {subscripts!r} has {len(terms)} terms for {len(shapes)} operands. Give one "
            "term for each, with commas between them."
        )
    more = [0] * len(terms)
    for k, (term, shape) in enumerate(zip(terms, shapes, strict=True)):
        letters = term.replace("...", "", 1)
        more[k] = len(shape) - len(letters) if "..." in term else 0
        if (
            (letters and not letters.isalpha())
            or more[k] < 0
            or len(letters) + more[k] != len(shape)
        ):
            raise ValueError(
                f"einsum: the term {term!r} of {subscripts!r} stands for an operand of shape "
                f"{shape}. Give one letter for each axis, or ... for several."
            )
    if not arrow:
        once = sorted(s for s in {*given} if s.isalpha() and given.count(s) == 1)
        result = "..." * ("..." in given) + "".join(once)
    named = result.replace("...", "", 1)
    if {*named} - {*given} or len({*named}) < len(named) or not (named.isalpha() or not named):
        raise ValueError(
            f"einsum: the result {result!r} of {subscripts!r} names letters of the operands, each "
            "at most once."
        )
    free = "".join(chr(0x100 + k) for k in range(max(more)))
    if free and "..." not in result:
        raise ValueError(
            f"einsum: the axes of ... in {subscripts!r} are missing after the arrow. Write ... "
            "there."
        )
    full = [term.replace("...", free[len(free) - n :]) for term, n in zip(terms, more, strict=True)]
    return full, result.replace("...", free)


def _diagonal(x: Any, letters: str) -> tuple[Any, str]:
    """An operand in which each letter is one axis: of one that comes twice, the diagonal."""
    for s in dict.fromkeys(letters):
        axes = [k for k, other in enumerate(letters) if other == s]
        if len(axes) > 1:
            rest = [k for k in range(len(letters)) if k not in axes]
            lengths = {shaped(x).shape[k] for k in axes}
            if len(lengths) > 1:
                raise ValueError(
                    f"einsum: axes {s!r} of one operand have lengths {sorted(lengths)}."
                )
            x = transpose(x, axes=(*axes, *rest))
            places = [np.arange(*lengths)] * len(axes)
            x = getitem(x, *places, index=tuple(Input(k + 1) for k in range(len(axes))))
            letters = s + letters.replace(s, "")
    return x, letters


def _of_one_length(pairs: list[tuple[Any, str]]) -> list[tuple[Any, str]]:
    """The operands without axes of length 1 that are longer in others: these broadcast."""
    lengths = dict[str, int]()
    for x, letters in pairs:
        for s, n in zip(letters, shaped(x).shape, strict=True):
            known = lengths.setdefault(s, n)
            if n != known and 1 not in (n, known):
                raise ValueError(
                    f"einsum: axis {s!r} has length {known} in one operand, {n} in another."
                )
            lengths[s] = n if known == 1 else known
    found = []
    for x, letters in pairs:
        kept = "".join(s for s, n in zip(letters, shaped(x).shape, strict=True) if n == lengths[s])
        shape = tuple(lengths[s] for s in kept)
        found.append((x if kept == letters else reshape(x, shape=shape), kept))
    return found


def _product(a: Any, of_a: str, b: Any, of_b: str, wanted: set[str]) -> tuple[Any, str]:
    """The product of two operands, summed over the letters that are not wanted."""
    a, of_a = _summed(a, of_a, wanted | {*of_b})
    b, of_b = _summed(b, of_b, wanted | {*of_a})
    both = [s for s in of_a if s in of_b]
    batch, inner = [s for s in both if s in wanted], [s for s in both if s not in wanted]
    rows, columns = [s for s in of_a if s not in both], [s for s in of_b if s not in both]
    n = dict(zip(of_a + of_b, shaped(a).shape + shaped(b).shape, strict=True))

    def lengths(letters: list[str]) -> list[int]:
        return [n[s] for s in letters]

    left = _arranged(a, of_a, [*batch, *rows, *inner])
    right = _arranged(b, of_b, [*batch, *inner, *columns])
    letters = "".join([*batch, *rows, *columns])
    if not inner:
        left = _reshaped(left, [*lengths(batch + rows), *(1 for _ in columns)])
        right = _reshaped(right, [*lengths(batch), *(1 for _ in rows), *lengths(columns)])
        return multiply(left, right), letters
    k = math.prod(lengths(inner))
    as_rows = [math.prod(lengths(rows))] if rows or batch else []
    as_columns = [math.prod(lengths(columns))] if columns or batch else []
    left = _reshaped(left, [*lengths(batch), *as_rows, k])
    right = _reshaped(right, [*lengths(batch), k, *as_columns])
    return _reshaped(matmul(left, right), lengths([*letters])), letters


def _summed(x: Any, letters: str, wanted: set[str]) -> tuple[Any, str]:
    """An operand summed over the axes that are not wanted."""
    gone = tuple(k for k, s in enumerate(letters) if s not in wanted)
    return (sum(x, axis=gone), "".join(s for s in letters if s in wanted)) if gone else (x, letters)


def _arranged(x: Any, letters: str, order: Sequence[str]) -> Any:
    """An operand with its axes in another order."""
    axes = tuple(letters.index(s) for s in order)
    return x if axes == tuple(range(len(axes))) else transpose(x, axes=axes)


def _reshaped(x: Any, shape: list[int]) -> Any:
    return x if shaped(x).shape == tuple(shape) else reshape(x, shape=tuple(shape))
