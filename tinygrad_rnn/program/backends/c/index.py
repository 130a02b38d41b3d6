"""Where in memory is an element, as a formula in the loop's variables?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.engine.primitives import Input
from tinygrad_rnn.program.ir.sequences import Step

__all__ = ["Affine", "align", "contiguous", "progression", "taken"]


class Affine(NamedTuple):
    """``add + Σ factor * variable``; two that are equal are the same element."""

    terms: tuple[tuple[str, int], ...] = ()
    add: int = 0

    @staticmethod
    def of(variable: str) -> Affine:
        """The variable itself."""
        return Affine(((variable, 1),))

    def plus(self, other: Affine | int) -> Affine:
        """The sum."""
        if isinstance(other, int):
            return self._replace(add=self.add + other)
        terms = dict(self.terms)
        for name, factor in other.terms:
            terms[name] = terms.get(name, 0) + factor
        return Affine.made(terms, self.add + other.add)

    def times(self, factor: int) -> Affine:
        """The product with a number."""
        return Affine.made({name: k * factor for name, k in self.terms}, self.add * factor)

    @staticmethod
    def made(terms: Mapping[str, int], add: int) -> Affine:
        """In the one order that makes equal ones equal: slow variables first."""
        kept = [(name, k) for name, k in terms.items() if k]
        return Affine(tuple(sorted(kept, key=lambda term: (-abs(term[1]), term[0]))), add)

    def factor(self, variable: str) -> int:
        """The factor of a variable."""
        return dict(self.terms).get(variable, 0)

    def without(self, *variables: str) -> Affine:
        """The rest, where these variables are 0."""
        return self._replace(terms=tuple(term for term in self.terms if term[0] not in variables))

    def __str__(self) -> str:
        text = ""
        for name, k in [*self.terms, ("", self.add)]:
            if not k:
                continue
            sign = ("-" if k < 0 else "") if not text else (" - " if k < 0 else " + ")
            size = abs(k)
            text += sign + (name if size == 1 and name else f"{name}*{size}" if name else str(size))
        return text or "0"


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides, in elements, of an array in C order."""
    strides, size = list[int](), 1
    for n in reversed(shape):
        strides.append(size)
        size *= n
    return tuple(reversed(strides))


def taken(
    index: tuple[Any, ...],
    shape: tuple[int, ...],
    at: tuple[Affine, ...],
    t: Affine | None,
    array: Any = None,
) -> tuple[Affine, ...]:
    """The place in an array of `shape` of the element `at` of what `index` takes from it.

    `t` is the step that a `Step` in the index stands for; ``array(part, at)`` is the value of the
    array an `Input` stands for, which broadcast against each other as NumPy says.
    """
    used = sum(p is not None and p is not Ellipsis for p in index)
    parts: list[Any] = []
    for p in (*index, *(() if Ellipsis in index else (Ellipsis,))):
        parts += [slice(None)] * (len(shape) - used) if p is Ellipsis else [p]
    fancy = [k for k, p in enumerate(parts) if type(p) is Input]
    picks = [k for k, p in enumerate(parts) if fancy and type(p) in (Input, int, Step)]
    kept = sum(p is None or isinstance(p, slice) for p in parts)
    wide = len(at) - kept  # axes of the broadcast arrays
    if picks and picks != list(range(picks[0], picks[0] + len(picks))):
        first = 0  # not next to each other: their axes come first
    else:
        first = sum(p is None or isinstance(p, slice) for p in parts[: picks[0]]) if picks else 0
    broad, rest = at[first : first + wide], iter((*at[:first], *at[first + wide :]))
    found, axis = list[Affine](), 0
    for p in parts:
        if p is None:
            next(rest)
            continue
        n = shape[axis] if axis < len(shape) else 0  # t[:, True]: `array` refuses bool
        axis += 1
        if isinstance(p, slice):
            start, _, step = p.indices(n)
            found.append(next(rest).times(step).plus(start))
        elif type(p) is Input:
            found.append(array(p, broad, n))
        elif type(p) is Step:
            assert t is not None
            found.append(t.times(p.sign).plus(p.shift))
        else:
            found.append(Affine((), int(p) % n))
    return tuple(found)


def align(at: tuple[Affine, ...], shape: tuple[int, ...]) -> tuple[Affine, ...]:
    """The place in an operand that is broadcast: its own axes, 0 where it has length 1."""
    at = at[len(at) - len(shape) :]
    return tuple(Affine() if n == 1 else ix for ix, n in zip(at, shape, strict=True))


def progression(x: np.ndarray, at: tuple[Affine, ...]) -> Affine | None:
    """An element of an array of integers as a formula, if they are linear in their index."""
    found = Affine((), int(x.flat[0]))
    for axis, ix in enumerate(at):
        steps = np.diff(x.astype(np.int64), axis=axis)
        if steps.size and not np.all(steps == steps.flat[0]):
            return None
        found = found.plus(ix.times(int(steps.flat[0]))) if steps.size else found
    return found
