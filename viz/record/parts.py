"""What is there to show? Nodes, edges and blocks as plain data, between record and drawing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tinygrad_rnn import Tensor
from tinygrad_rnn.measure import Table


@dataclass(slots=True)
class Node:
    """Something with a label; `kind` is a key of `theme.NODES`.

    `note` is the small second line, a shape mostly. `rank` "source" or "sink" holds a node at the
    block's edge.
    """

    id: str
    kind: str
    label: str = ""
    note: str = ""
    rank: str = ""
    role: str = ""  # of a port: which value passes
    html: str = ""  # a ready-made label (the legend's table)
    tip: str = ""  # what an SVG says of it under the pointer
    same: Hashable = None  # equal for nodes of two steps that are the same, if that is known
    what: tuple[str, int] | None = None  # an operation's letter, and a digest of what it does
    plain: str = ""  # its label where it stands for several steps, if another


@dataclass(slots=True)
class Edge:
    """An arrow; `kind` is a key of `theme.EDGES`, `style` overrides it.

    `uses` are the edges of the record that it stands for: (node, number of the argument).
    """

    tail: str
    head: str
    kind: str = "data"
    label: str = ""
    role: str = ""  # the letter of the value that travels
    style: dict[str, str] = field(default_factory=dict)
    tip: str = ""
    uses: list[tuple[Tensor, int]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Block:
    """Nodes laid out together: one time step of one lane, or what stands before or after all steps.

    `row` and `column` are those of the grid of layers and time; rows are counted from the top.
    """

    kind: str  # "step", "cell", "gap", "before", "initial", "after", "hub", "note"
    titled: bool = False
    name: str = ""  # of its lane, where there are several
    lane: str = ""  # of its lane, also where there is but one
    caption: str = ""  # a title of its own
    steps: tuple[int, int] = (0, 0)  # the first and the last that it shows
    row: int = 0
    column: int = 0
    loss: bool = False  # what follows the steps, or a step that gives one number
    order: int = 0  # 1 for gradients, 2 for gradients of gradients
    mirrored: bool = False  # flows from right to left, as gradients do
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)

    @property
    def title(self) -> str:
        """``lstm · t = 3 · backward``; empty if it has none."""
        if not self.titled:
            return self.caption
        first, last = self.steps
        time = f"t = {first}" if first == last else f"t = {first} … {last}"
        back = "backward" if self.order == 1 else f"backward {self.order}" if self.order else ""
        return " · ".join(word for word in (self.name, time, back) if word)

    @property
    def looks(self) -> dict[Hashable, Node]:
        """Its nodes by what tells them apart; equal keys in equal steps.

        Where the record says which nodes are the same, in whatever order they come, it is that; in
        plain parts it is all that a node shows, with the edges into it.
        """
        number = {node.id: k for k, node in enumerate(self.nodes)}
        into: dict[str, list[Hashable]] = {}
        for e in self.edges:
            into.setdefault(e.head, []).append((number[e.tail], e.kind, e.label))
        found: dict[Hashable, Node] = {}
        times: Counter[Hashable] = Counter()
        for k, x in enumerate(self.nodes):
            shown = (k, x.kind, x.label, x.note, x.rank, x.html, tuple(into.get(x.id, ())))
            key = shown if x.same is None else x.same
            times[key] += 1
            found[key, times[key]] = x
        return found


@dataclass(slots=True)
class Parts:
    """A whole picture: blocks, and the links that cross from one block to another."""

    blocks: list[Block] = field(default_factory=list)
    links: list[Edge] = field(default_factory=list)
    next: int = 0
    numbers: Table | None = None  # what was measured for it

    def add(self, block: Block, kind: str, label: str = "", note: str = "", **more: Any) -> str:
        """A new node in `block`; gives its name, an ordinal."""
        name = f"n{self.next}"
        self.next += 1
        block.nodes.append(Node(name, kind, label, note, **more))
        return name

    def edges(self) -> Iterator[Edge]:
        """All edges, inside blocks and between them."""
        for block in self.blocks:
            yield from block.edges
        yield from self.links
