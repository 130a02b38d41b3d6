"""Which terms does a sum of gradients have at every step?

The gradient of a state is a sum of what its readers send. At the last step the next one sends
nothing and the loss may send more; any step may have a term of its own, where the loss reads that
state once again. In a loop every step has all terms, and those that are not there are zero.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.program.ir.sequences import (
    Node,
    NoSequence,
    Sequence,
    Source,
    called,
    exists,
    form_of,
    linear_options,
    source,
    starts_from,
)

__all__ = ["Extra", "find_terms", "place_extra"]

FEW = 5  # steps of a sum that have terms of their own

Term = tuple[Source, int]  # its form, and how many of the same stand before it


class Extra(NamedTuple):
    """Terms that the sum at one step has and others lack, and those that it lacks."""

    sequence: Sequence
    t: int
    missing: list[Source]
    terms: list[Source]


def find_terms(sequence: Sequence) -> list[Extra]:
    """Find the operands of a sum of gradients, and what the sums at some steps have and lack.

    A term belongs to all steps if most have it, or several do and it is missing only where nobody
    computes it: there it is zero. Others come from outside, as the gradient of a last state does::

        dh[t] = add(dy[t], da[t + 1]); t = 0 … 3        dh[t] = add(dy[t], da[t + 1])
        dh[4] = add(dy[4], dlast)                       da[5] = dlast

    >>> def sequence(name):
    ...     nodes = {t: Node("copy", [], {}, (3,), float, name, t, t=t) for t in range(5)}
    ...     found = Sequence(nodes, 0, 4)
    ...     for x in nodes.values():
    ...         x.sequence = found
    ...     return found
    >>> dy, da, dh = map(sequence, ["dy", "da", "dh"])
    >>> last = Node("copy", [], {}, (3,), float, "dlast", 5)
    >>> for t, x in dh.members.items():
    ...     x.op, x.ins = "addn", [dy.members[t], da.members.get(t + 1, last)]
    >>> later = find_terms(dh)
    >>> [(kind, of.op, away) for kind, of, away in dh.operands]
    [('step', 'copy', 0), ('step', 'copy', 1)]
    >>> [(x.t, [s[1].name for s in x.terms]) for x in later]
    [(4, ['dlast'])]

    `place_extra` then makes it the initial value of the term that is missing:

    >>> place_extra(later)
    []
    >>> {t: x.name for t, (_, x) in da.initial.items()}
    {5: 'dlast'}
    """
    here = {t: _counted(node, t) for t, node in sequence.members.items()}
    full = sorted(here.values(), key=len, reverse=True)  # terms stand as where all of them are
    often = Counter(term for terms in full for term in terms)
    if any(form == ("const",) for form, _ in often):
        raise NoSequence(sequence, "a sum of gradients has a constant term")
    operands = [
        term
        for term, n in often.items()
        if 2 * n > len(here)
        or (n > 1 and all(term in ts or not exists(term[0], t) for t, ts in here.items()))
    ]
    sequence.operands = [form for form, _ in operands]
    found = list[Extra]()
    for t, terms in here.items():
        missing = [form for form, k in operands if (form, k) not in terms]
        extra = [s for term, s in terms.items() if term not in operands]
        if left_out := [form for form in missing if exists(form, t)]:
            raise NoSequence(
                sequence, f"the sum at step {t} lacks, as others do not, {_named(left_out)}", t
            )
        if missing or extra:
            found.append(Extra(sequence, t, missing, extra))
    return found


def _counted(node: Node, t: int) -> dict[Term, Source]:
    """The terms of a sum at step t, with how many of the same stand before each."""
    found: dict[Term, Source] = {}
    for x in node.ins:
        s = source(x)
        k = sum(form == form_of(s, t) for form, _ in found)
        found[form_of(s, t), k] = s
    return found


def place_extra(later: list[Extra], *, beside: bool = True) -> list[Node]:
    """Make terms from outside the initial value of a term that is missing; new nodes.

    That term is carried from step to step, if one is; others that are missing are zero. If none is
    missing, terms of a few steps are one more term `beside` the others, zero at all other steps::

        dh[t] = add(dy[t], da[t + 1]); t = 0 … 4        dmore = scatter(d, indices=(3,))
        dh[3] = add(dy[3], da[4], d)                    dh[t] = add(dy[t], da[t + 1], dmore[t])
    """
    new = list[Node]()
    alone: dict[Sequence, dict[int, Node]] = defaultdict(dict)
    for x in later:
        values = {f: ("const", _zeros(f[1])) for f in x.missing}
        if x.terms:
            term = _total(x, new)
            once = [f for f in x.missing if x.missing.count(f) == 1]
            carried = next((f for f in once if f[2]), once[0] if once else None)
            if carried is None:
                alone[x.sequence][x.t] = term
            else:
                values[carried] = source(term)
        for form, s in values.items():
            starts_from(x.sequence, form, x.t, s)
    for sequence, terms in alone.items():
        if len(terms) > FEW or not beside:
            t = next(iter(terms))
            raise NoSequence(
                sequence,
                f"the sum at step {t} has, as others have not, {called(source(terms[t]))}",
                t,
            )
        new += _beside(sequence, terms)
    return new


def _zeros(sequence: Sequence) -> np.ndarray:
    node = sequence.members[sequence.lo]
    return np.zeros(node.shape, node.dtype)


def _total(x: Extra, new: list[Node]) -> Node:
    """The sum of terms of one step; if there are several, a new node."""
    terms = [s[1] if s[0] == "one" else s[1].members[s[2]] for s in x.terms]
    if len(terms) == 1:
        return terms[0]
    like, serial = x.sequence.members[x.sequence.lo], max(term.serial for term in terms)
    new.append(Node("addn", terms, {}, like.shape, like.dtype, like.name, serial))
    return new[-1]


def _beside(sequence: Sequence, terms: dict[int, Node]) -> list[Node]:
    """Give a sum one more term, zero where it has none; the nodes of that."""
    like, lo, hi = sequence.members[sequence.lo], sequence.lo, sequence.hi
    serial = max(x.serial for x in terms.values())
    shape = (hi - lo + 1, *like.shape)
    options: dict[str, Any] = {"indices": tuple((t - lo,) for t in terms), "shape": shape}
    whole = Node("scatter", [*terms.values()], options, shape, like.dtype, like.name, serial)
    parts = {
        t: Node("getitem", [whole], {"index": (t - lo,)}, like.shape, like.dtype, like.name, serial)
        for t in range(lo, hi + 1)
    }
    found = Sequence(parts, lo, hi, [("one", whole)], options=linear_options(parts) or {})
    for t, x in parts.items():
        x.key, x.t, x.sequence, x.flows = like.key, t, found, True
    sequence.operands.append(("step", found, 0))
    return [whole, *parts.values()]


def _named(sources: list[Source]) -> str:
    return " and ".join(map(called, sources))
