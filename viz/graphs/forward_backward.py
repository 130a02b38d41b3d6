"""How does the gradient take the way back that the values came? Both, on one geometry."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_rnn import Tensor
from viz.exhibit import GRAPH, Exhibit
from viz.graphs.asked import BUDGET, Weights, chosen, recorded_scalar
from viz.graphs.gradient_flow import flow
from viz.layout.block import BlockLayout, Spline
from viz.layout.grid import Layout
from viz.record.arguments import check
from viz.record.builder import select
from viz.record.formulas import derivative, kind_of
from viz.record.labels import array_name, is_number, number_text
from viz.record.parts import Edge, Parts
from viz.render.panels import Panel, Sheet

BACK = ("dir", "arrowtail")  # of arrows that point back; here the ends change places
ARROW = 6.0  # points, the length of an arrow's head
LONGEST = 22  # characters of a formula that still reads on an edge


def forward_backward(
    loss: Any,
    *,
    weights: Weights | None = None,
    per_line: int | None = None,
    budget: int = BUDGET,
) -> Sheet:
    """The record as it is run, and below it the same graph with every arrow turned round.

    What is written on an arrow back is the rule: what becomes of the gradient δ that arrives at the
    operation. Its colour and width are the size of that gradient, as in `gradient_flow`.

    Parameters
    ----------
    loss
        A recorded scalar.
    weights, per_line, budget
        As in `unrolled`.

    Returns
    -------
    A picture with ``.numbers`` and ``.csv(path)`` as of `gradient_flow`.

    Raises
    ------
    TypeError, ValueError
        As `gradient_flow`.

    Examples
    --------
    >>> x = Tensor(3.0, name="x")
    >>> forward_backward(x * x)
    <sheet of forward, backward: δ is the gradient that arrives>
    """
    root = recorded_scalar(loss, "forward_backward")
    check("forward_backward", per_line=per_line, budget=budget)
    parts = select(*chosen("forward_backward", [root], "op", weights), budget)
    inner = [edge for block in parts.blocks for edge in block.edges]
    rules: dict[int, str] = {}
    known: dict[object, str] = {}
    said: set[tuple[str, str, str]] = set()
    for edge in inner:
        rule = _rule(edge, known)
        again = (edge.tail, edge.head, rule) in said  # as both arrows of x × x: say it once
        said.add((edge.tail, edge.head, rule))
        rules[id(edge)] = "" if again else rule
    plain = {id(edge): (edge.style, edge.label) for edge in parts.edges()}
    flow(parts, root)
    coloured = {id(edge): (edge.style, edge.label) for edge in parts.edges()}
    legend = parts.blocks[-1].nodes[-1]
    table = legend.html

    def room() -> None:
        for edge in inner:
            edge.label = rules[id(edge)]

    def forward(plan: Layout | None) -> None:
        legend.html = " "
        for edge in parts.edges():
            edge.style, edge.label = plain[id(edge)]

    def backward(plan: Layout | None) -> None:
        legend.html = table
        ports = _ports(parts)
        for edge in parts.edges():
            style, label = coloured[id(edge)]
            edge.style, edge.label = style, rules.get(id(edge)) or label
            if edge.label:
                edge.style = {**style, "fontcolor": "#333333"}
        for edge in inner:
            edge.tail, edge.head = edge.head, edge.tail
            edge.style = {
                **{key: value for key, value in edge.style.items() if key not in BACK},
                "arrowhead": "none" if edge.head in ports else "normal",
            }
        if plan is not None:
            for frame in plan.frames.values():
                frame.layout = _turned(frame.layout)

    return Sheet(
        [
            Panel("forward", parts, forward, room),
            Panel("backward: δ is the gradient that arrives", parts, backward),
        ],
        across=False,
        per_line=per_line,
    )


def _ports(parts: Parts) -> set[str]:
    return {node.id for block in parts.blocks for node in block.nodes if node.kind == "port"}


def _rule(edge: Edge, known: dict[object, str]) -> str:
    """The rule of the argument that an edge is, in the letters of the record: ``δ × f``."""
    if edge.kind in ("state", "link", "hub") or not edge.uses:
        return ""
    node, argument = edge.uses[0]
    names = [_letter(x, node) for x in node.inputs]
    key = (kind_of(node), argument, tuple(names), node.name)
    if key not in known:
        known[key] = derivative(node, argument, names, "δ", node.name or "y")
    text = known[key]
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _letter(x: Any, node: Tensor) -> str:
    """The name of an input in a rule: its own, its value if a number, its function, or a dot."""
    if is_number(x):
        return number_text(x)
    if not isinstance(x, Tensor):
        return array_name(x, node) or "·"
    function = x.op.name if x.op is not None and x.op.name in ("tanh", "sigmoid", "exp") else "·"
    return x.name or function


def _turned(layout: BlockLayout) -> BlockLayout:
    """The same positions, with each edge drawn from its end to its beginning."""
    return BlockLayout(
        layout.nodes,
        [_reversed(spline) for spline in layout.edges],
        layout.width,
        layout.height,
        layout.labels,
    )


def _reversed(spline: Spline) -> Spline:
    tips = [(x, y) for mark, x, y in spline if mark]
    points = [(x, y) for mark, x, y in spline if not mark]
    points.reverse()
    if tips:
        points[0] = tips[0]
    (x, y), (bx, by) = points[-1], points[-2]
    length = math.hypot(x - bx, y - by)
    tip = (x, y)
    if length:
        step = min(ARROW, length / 2) / length
        points[-1] = (x - (x - bx) * step, y - (y - by) * step)
    return [("e,", *tip), *(("", px, py) for px, py in points)]


EXHIBITS = (
    Exhibit(
        forward_backward, GRAPH, "26_forward_backward.svg", "Forward, and mirrored backward",
        "Each arrow back carries the rule of the operation it goes through.",
        lambda nets: forward_backward(nets.small.two_steps()),
    ),
)  # fmt: skip
