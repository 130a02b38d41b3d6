"""Where do the steps of a tree stand? Each left of its parent, which is in their middle.

A cell that runs over a tree hands its state on to one later step, its parent, and several steps may
have one. Such a record is drawn as that tree: leaves at the left, one below the other, the root at
the right. Gradients run through the same places, back.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from viz.record.fold import STEPS
from viz.record.parts import Block, Parts


@dataclass(slots=True)
class Tree:
    """Steps that branch.

    Attributes
    ----------
    children
        Those of each step, from the top; empty without a tree.
    slot, row
        Where each stands: column and row, counted from the left and from the top.
    """

    children: dict[Block, list[Block]] = field(default_factory=dict)
    slot: dict[Block, int] = field(default_factory=dict)
    row: dict[Block, int] = field(default_factory=dict)


def tree(parts: Parts) -> Tree:
    """The tree that all steps make, one for each order of derivatives; empty if they make none."""
    steps = [block for block in parts.blocks if block.kind in STEPS]
    home = {node.id: block for block in steps for node in block.nodes}
    onward: dict[Block, dict[Block, None]] = defaultdict(dict)
    back: dict[Block, dict[Block, None]] = defaultdict(dict)
    for edge in parts.links:
        a, b = home.get(edge.tail), home.get(edge.head)
        if edge.kind == "state" and a and b and (a.order, a.row) == (b.order, b.row) and a is not b:
            parent, child = (b, a) if a.order % 2 == 0 else (a, b)  # gradients flow to the children
            onward[child].setdefault(parent)
            back[parent].setdefault(child)
    lanes = {(block.order, block.row) for block in steps}
    single = len(lanes) == len({order for order, _ in lanes})
    gaps = any(block.kind == "gap" for block in parts.blocks)
    branching = any(len(children) > 1 for children in back.values())
    if gaps or not (single and branching) or any(len(x) > 1 for x in onward.values()):
        return Tree()
    children = {block: sorted(back[block], key=lambda child: child.steps) for block in steps}
    found = Tree(children)
    depth: dict[Block, int] = {}
    for block in sorted(steps, key=lambda block: (block.order, -block.steps[0])):
        parent = next(iter(onward[block]), None)  # comes later, so it is known
        depth[block] = 0 if parent is None else depth[parent] + 1
    deepest = max(depth.values())
    found.slot = {block: deepest - k for block, k in depth.items()}
    leaves = 0
    for block in sorted(steps, key=lambda block: (block.order, block.steps[0])):
        below = children[block]  # come earlier
        found.row[block] = found.row[below[0]] if below else leaves
        leaves += not below
    return found
