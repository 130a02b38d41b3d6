"""Which operations are drawn as one?

At "op" none, at "gate" those that end in the same named value, at "cell" all of a step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from tinygrad_rnn import Tensor
from viz.record.lanes import Lane, Section

LEAST = 3  # steps that are never left out, if there is no page to be fitted
CHAIN = 4  # this many additions in a row, outside of every step, are drawn as one sum


@dataclass(eq=False, slots=True)
class Gap:
    """Steps of a lane that are left out of the picture."""

    lane: Lane
    column: int
    steps: int = 0


@dataclass(slots=True)
class View:
    """The node that is drawn for each operation, and where.

    Attributes
    ----------
    owner
        The node that stands for an operation: itself, another one, or its section.
    section
        The section that an operation is drawn in.
    step
        The section that it belongs to, drawn or left out.
    left_out, columns
        The number of steps that are left out, and of all.
    inside
        The result of the function that an operation is a part of, if that is drawn as one.
    """

    owner: dict[Tensor, Tensor | Section | Gap]
    section: dict[Tensor, Section | Gap]
    step: dict[Tensor, Section]
    left_out: int = 0
    columns: int = 0
    inside: dict[Tensor, Tensor] = field(default_factory=dict)


def view(
    nodes: list[Tensor],
    section: dict[Tensor, Section],
    detail: str,
    budget: int,
    roots: set[Tensor],
    least: int = LEAST,
    inside: Mapping[Tensor, Tensor] | None = None,
) -> View:
    """Choose the node for each operation; beyond `budget` the middle steps are left out.

    `least` steps always stay. A function with operations `inside` is one node.
    """
    inside = dict(inside or {})
    consumers: dict[Tensor, list[Tensor]] = defaultdict(list)
    for node in nodes:
        for x in node.inputs:
            if type(x) is Tensor and (x not in inside or inside[x] is not inside.get(node)):
                consumers[inside.get(x, x)].append(node)
    owner: dict[Tensor, Tensor | Section | Gap] = {node: node for node in nodes}
    if detail == "cell":
        owner.update({node: where for node in nodes if (where := section[node]).timed})
    if detail in ("cell", "gate"):
        for node in reversed(nodes):
            if inside.get(node, node) is not node:
                owner[node] = owner[inside[node]]
                continue
            heads = {owner[c] for c in consumers[node]}
            keep = (
                node.name
                or node in roots
                or _name(node) == "stop_gradient"
                or owner[node] is not node
            )
            if (
                not keep
                and len(heads) == 1
                and all(section[c] is section[node] for c in consumers[node])
            ):
                owner[node] = heads.pop()
    _join_sums(nodes, section, owner, consumers)
    found = _elide(nodes, section, owner, budget, least)
    found.inside = inside
    return found


def _join_sums(
    nodes: list[Tensor],
    section: dict[Tensor, Section],
    owner: dict[Tensor, Tensor | Section | Gap],
    consumers: dict[Tensor, list[Tensor]],
) -> None:
    """Long chains of additions outside of every step become one sum, owned by the last."""
    head: dict[Tensor, Tensor] = {}
    chains: dict[Tensor, list[Tensor]] = defaultdict(list)
    for node in reversed(nodes):
        if _name(node) != "add" or section[node].lane is not None or owner[node] is not node:
            continue
        above = consumers[node]
        joins = (
            len(above) == 1
            and above[0] in head
            and not node.name
            and section[above[0]] is section[node]
        )
        head[node] = head[above[0]] if joins else node
        chains[head[node]].append(node)
    for last, chain in chains.items():
        if len(chain) >= CHAIN:
            owner.update(dict.fromkeys(chain, last))


def _elide(
    nodes: list[Tensor],
    section: dict[Tensor, Section],
    owner: dict[Tensor, Tensor | Section | Gap],
    budget: int,
    least: int,
) -> View:
    """Leave out middle columns until no more than `budget` owners show."""
    where: dict[Tensor, Section | Gap] = dict(section)
    columns = sorted({p.column for p in section.values() if p.lane is not None})
    shown = len(set(owner.values()))
    keep = max(least, int(budget * len(columns) / max(shown, 1)))
    if shown <= budget or keep >= len(columns) - 1:
        return View(owner, where, section, 0, len(columns))
    middle = columns[keep // 2 : len(columns) - (keep + 1) // 2]
    dropped = set(middle)
    gaps: dict[Lane, Gap] = {}
    steps = set()
    for node in nodes:
        p = section[node]
        if p.lane is not None and p.column in dropped:
            gap = gaps.setdefault(p.lane, Gap(p.lane, middle[0]))
            gap.steps += p not in steps
            steps.add(p)
            owner[node] = where[node] = gap
    return View(owner, where, section, len(dropped), len(columns))


def _name(node: Tensor) -> str:
    return node.op.name if node.op else ""
