"""Where is the way back cut, and how far does a gradient get?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from tinygrad_rnn import Tensor, measure
from viz.exhibit import FLOW, Exhibit
from viz.graphs.asked import BUDGET, Detail, Weights, chosen, recorded_scalar
from viz.graphs.gradient_flow import flow
from viz.graphs.options import dressed
from viz.graphs.unrolled import CELLS
from viz.layout import routes
from viz.layout.dot import edge_line, graph, node_line
from viz.layout.edges import Upright, crossings, lines, placed, uprights
from viz.layout.grid import Layout
from viz.record.arguments import check
from viz.record.builder import select
from viz.record.parts import Block, Edge, Node, Parts
from viz.render.drawing import Drawing

ABOVE, HOOK, HEAD = 6.0, 7.0, 30.0  # from a step to its bracket; its ends; for the topmost (points)


def truncation(
    loss: Any,
    detail: Detail = "cell",
    *,
    weights: Weights | None = None,
    per_line: int | None = None,
    budget: int = BUDGET,
) -> Drawing:
    """The gradient on every edge, the cuts in time, and brackets over how far it gets.

    A cut is an orange edge of thick dashes: values go on, gradients do not come back, so the
    colours end there. A bracket spans the steps that a gradient flows within, of each lane that
    hands a state on, as `measure.reach` has it; with ``truncate=(k1, k2)`` and k2 > k1 the windows
    overlap, and each has a row of its own.

    Parameters
    ----------
    loss
        A recorded scalar of steps that were unrolled with ``truncate=…``, or with `stop_gradient`.
    detail, weights, per_line, budget
        As in `gradient_flow`.

    Returns
    -------
    A picture with ``.windows``, and with ``.numbers`` and ``.csv(path)`` as of `gradient_flow`.

    Raises
    ------
    TypeError, ValueError
        As `gradient_flow`.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_rnn import nn, stack
    >>> outputs, _ = nn.unroll(nn.RNNCell(3, 4, rng=0), np.zeros((6, 2, 3)), truncate=3)
    >>> truncation(stack(outputs).sum()).windows
    [(0, 2), (3, 5)]
    """
    root = recorded_scalar(loss, "truncation")
    check("truncation", per_line=per_line, budget=budget)
    parts = select(*chosen("truncation", [root], detail, weights), budget)
    flow(parts, root)
    if detail == "cell":
        dressed(parts, "truncation", CELLS)
    return Truncation(parts, _windows(parts, root), per_line)


@dataclass(frozen=True)
class Window:
    """The steps that a gradient flows within, `first` to `last`, and those that are drawn."""

    first: int
    last: int
    steps: int
    blocks: list[Block]


class Truncation(Drawing):
    """A gradient flow with brackets over its windows.

    Attributes
    ----------
    windows
        First and last step t of each, in the order of their rows.
    """

    def __init__(self, parts: Parts, spans: list[Window], per_line: int | None) -> None:
        self.spans = spans
        super().__init__(parts, per_line)

    @property
    def windows(self) -> list[tuple[int, int]]:
        """First and last step of each window."""
        return [(window.first, window.last) for window in self.spans]

    @cached_property
    def _positioned(self) -> tuple[str, float, float]:
        plan = placed(self.parts, self.per_line, raised=False)  # brackets are above the steps
        found, height = lines(plan), plan.height + HEAD
        upright = uprights(plan)
        for number, window in enumerate(self.spans):
            found += _bracket(plan, window, number, upright)
        box = f"0,0,{plan.width:.1f},{height:.1f}"
        return graph(found, bb=box), plan.width, height


def _windows(parts: Parts, root: Tensor) -> list[Window]:
    """The steps that a gradient flows within, lane by lane with a state, as `measure.reach` has it.

    A window goes from the first step that some gradient gets to, to the last from which it does.
    """
    lanes: dict[str, dict[int, Block]] = {}
    for block in parts.blocks:
        if block.kind in ("step", "cell") and not block.order:
            lanes.setdefault(block.lane, {})[block.steps[0]] = block
    order: dict[str, list[int]] = {}  # by lane its steps, as they are run
    first: dict[str, dict[int, int]] = {}  # by lane and step the number of the first, of any state
    rows = measure.reach(root) if lanes else ()
    for row in rows:
        order[row.lane] = max(order.get(row.lane, []), row.steps.tolist(), key=len)
    for row in rows:
        steps = order[row.lane]
        known = first.setdefault(row.lane, {})
        for t, start in zip(row.steps.tolist(), row.first.tolist(), strict=True):
            number = steps.index(start) if start in steps else 0
            known[t] = min(known.get(t, number), number)
    found: list[Window] = []
    for lane, known in first.items():
        steps, blocks = order[lane], lanes.get(lane, {})
        ends = {known[t]: k for k, t in enumerate(steps) if t in known}  # of equal ones the last
        for start, end in ends.items():
            within = steps[start : end + 1]
            span = [blocks[t] for t in within if t in blocks]  # but those that are left out
            if span:
                found.append(Window(within[0], within[-1], len(within), span))
    return sorted(found, key=lambda window: window.blocks[0].row)


def _bracket(plan: Layout, window: Window, number: int, upright: list[Upright]) -> list[str]:
    """Over the steps of a window in each line they stand in, with words over the first."""
    by_line: dict[int, list[Block]] = {}
    for block in window.blocks:
        by_line.setdefault(plan.frames[block].line, []).append(block)
    found: list[str] = []
    for line, blocks in by_line.items():
        frames = [plan.frames[block] for block in blocks]
        left, right = min(f.left for f in frames), max(f.right for f in frames)
        y = frames[0].high + ABOVE
        corners = [(left, y), (left, y + HOOK), (right, y + HOOK), (right, y)]
        a, b = f"k{number}_{line}_a", f"k{number}_{line}_b"
        for end, (x, at) in ((a, corners[0]), (b, corners[-1])):
            found.append(f"  {node_line(Node(end, 'ghost'), pos=f'{x:.1f},{at:.1f}')}")
        pos = routes.text(routes.rounded(corners))
        found.append(f"  {edge_line(Edge(a, b, 'bracket'), pos=pos)}")
        if len(found) > 3:
            continue
        steps = f"{window.steps} step{'s' * (window.steps > 1)}"
        words = f"gradients flow within {steps}, back to t = {window.first}"
        y += HOOK + 9
        # where no line to the window above, as from a cut, runs through them
        ends = [left, *crossings(upright, left, right, y), right]
        left, right = max(pairwise(ends), key=lambda gap: gap[1] - gap[0])
        if len(words) * 5.6 > right - left:
            words = f"back to t = {window.first}"
        pos = f"{(left + right) / 2:.1f},{y:.1f}"
        found.append(f"  {node_line(Node(f'k{number}', 'caption', words), pos=pos)}")
    return found


EXHIBITS = (
    Exhibit(
        truncation, FLOW, "39_truncation.svg", "Truncated backpropagation",
        "At the orange cuts the gradient stops.",
        lambda nets: truncation(nets.small.truncated()),
    ),
)  # fmt: skip
