"""What do two pictures show together that one does not?"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from viz import theme
from viz.exhibit import GRAPH, Exhibit
from viz.graphs.asked import BUDGET, Detail, Weights, chosen, recorded
from viz.graphs.unrolled import folding
from viz.record.arguments import check
from viz.record.builder import select
from viz.record.parts import Node, Parts
from viz.render.panels import Panel, Sheet


def unfolding(
    loss: Any,
    detail: Detail = "gate",
    *,
    weights: Weights | None = None,
    per_line: int | None = None,
    budget: int = BUDGET,
    across: bool | None = None,
) -> Sheet:
    """One record folded and unfolded: the step with its loop, and its copies along time.

    Both are the same operations in the same colours; the dashed edge ``t → t+1`` of the one is the
    line from step to step of the other.

    Parameters
    ----------
    loss, detail, weights, per_line, budget
        As in `unrolled`.
    across
        Whether the two stand side by side, and not one above the other. By default they do if that
        is no wider than a line of steps may be.

    Raises
    ------
    TypeError, ValueError
        As `unrolled`; TypeError also if `across` is neither True, False nor None.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_rnn import nn
    >>> outputs, state = nn.unroll(nn.RNNCell(3, 4, rng=0), np.zeros((3, 2, 3)))
    >>> unfolding(outputs[-1])
    <sheet of folded, unfolded>
    """
    roots = recorded(loss, "unfolding")
    check("unfolding", per_line=per_line, budget=budget)
    if across is not None and not isinstance(across, bool):
        raise TypeError(
            f"unfolding: across must be True (side by side), False (one above the other) or None, "
            f"got {across!r}."
        )
    args = chosen("unfolding", roots, detail, weights)
    panels = [
        Panel("folded", folding(*args, budget)),
        Panel("unfolded", select(*args, budget)),
    ]
    return Sheet(panels, across, per_line)


def differences(
    losses: dict[str, Any],
    detail: Detail = "gate",
    *,
    weights: Weights | None = None,
    per_line: int | None = None,
    budget: int = BUDGET,
) -> Sheet:
    """Cells below each other, folded; orange is what the one before does not have.

    What both have under one letter but compute otherwise has an orange frame.

    Parameters
    ----------
    losses
        By title, in the order in which they are to be read: ``{"RNN": …, "LSTM": …, "GRU": …}``.
    detail, weights, per_line, budget
        As in `folded`. At ``"gate"`` values are compared by letter and by what they do, parameters
        by name, at ``"op"`` operations by what they do, as many as there are.

    Raises
    ------
    TypeError, ValueError
        As `unrolled`; or there are fewer than two records.
    """
    if not isinstance(losses, dict) or len(losses) < 2:
        raise ValueError(
            "differences: expected at least two records by their titles, "
            'differences({"RNN": loss, "LSTM": loss2}).'
        )
    check("differences", per_line=per_line, budget=budget)
    panels: list[Panel] = []
    before: Has | None = None
    last = ""
    for title, loss in losses.items():
        args = chosen("differences", recorded(loss, "differences"), detail, weights)
        parts = folding(*args, budget)
        now = _mark(parts, before, detail == "op")
        changed = any(node.kind == "changed" for block in parts.blocks for node in block.nodes)
        note = f"   (orange: what {last} does not have" if before is not None else ""
        note += "; framed: computed otherwise)" if changed else ")" * bool(note)
        panels.append(Panel(title + note, parts))
        last = title
        before = now
    return Sheet(panels, across=False, per_line=per_line)


Has = dict[Hashable, list[int]]  # what a picture has, and how each of it is computed


def _mark(parts: Parts, before: Has | None, every: bool) -> Has:
    """Colour what there is more of than before, and what is computed otherwise; what there is now.

    Where `every` operation is a node, those that do the same are equal; else those of one letter.
    """
    now: Has = {}
    fresh = set()
    for block in parts.blocks:
        if block.kind not in ("step", "cell"):
            continue
        for node in block.nodes:
            if node.kind in ("port", "input", "constant"):
                continue
            key, digest = _key(node, every)
            have = now.setdefault(key, [])
            have.append(digest)
            known = (before or {}).get(key, list[int]())
            if before is not None and len(have) > len(known):
                node.kind = "new parameter" if node.kind == "parameter" else "new"
                fresh.add(node.id)
            elif before is not None and digest not in known:
                node.kind = "changed"
    for edge in parts.edges():
        if edge.head in fresh or edge.tail in fresh:
            edge.style = {**edge.style, "color": theme.VERMILION}
    return now


def _key(node: Node, every: bool) -> tuple[Hashable, int]:
    """The letter of a node, else its operation or parameter, and how it is computed."""
    if node.what is None:
        return (node.kind, node.label), 0
    letter, digest = node.what
    if letter:
        return ("letter", letter), digest if not every else 0
    return ("operation", digest), 0


EXHIBITS = (
    Exhibit(
        unfolding, GRAPH, "23_unfolding.svg", "Folded and unfolded",
        "The same parameters at every step: that is why their gradients add up.",
        lambda nets: unfolding(nets.few["RNN"]),
    ),
    Exhibit(
        differences, GRAPH, "28_differences.svg", "RNN → LSTM → GRU",
        "What is new in each is coloured.",
        lambda nets: differences(nets.few),
    ),
)  # fmt: skip
