"""How is a picture written in Graphviz's language?"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType

from viz import theme
from viz.record.parts import Block, Edge, Node, Parts

STRAIGHT: Mapping[int, int] = MappingProxyType({})
SPINE = 20  # the weight of an unseen edge that dot keeps straight


def source(parts: Parts) -> str:
    """DOT without positions, named by ordinals: the same record gives the same text."""
    lines: list[str] = []
    for k, block in enumerate(parts.blocks):
        inside = [
            *(node_line(node) for node in block.nodes),
            *(edge_line(edge) for edge in block.edges),
        ]
        if block.kind in ("step", "gap", "cell"):
            inside.insert(0, attributes({**theme.CLUSTER, **title(block)}, ";\n    ") + ";")
            lines += [f"  subgraph cluster_{k} {{", *(f"    {line}" for line in inside), "  }"]
        else:
            lines += [f"  {line}" for line in inside]
    lines += [f"  {edge_line(edge)}" for edge in parts.links]
    return graph(lines)


def title(block: Block) -> dict[str, str]:
    """The attributes of a cluster's title, which stands below a cell and above all else."""
    return {"label": block.title, "labelloc": "b" if block.kind == "cell" else "t"}


def block_source(
    block: Block,
    orders: Sequence[Sequence[int]] = (),
    straight: Mapping[int, int] = STRAIGHT,
    spines: Iterable[tuple[int, int]] = (),
    font: float = 0.0,
) -> str:
    """One block alone, with ordinals of its own: equal blocks have equal text and need one layout.

    Each of `orders` are nodes to keep in this order from the top; edges by the weight in
    `straight` bend little, and so do the unseen `spines` from node to node.
    """
    local = {node.id: f"n{k}" for k, node in enumerate(block.nodes)}
    lines = [
        f"  {node_line(node, name=local[node.id], **enlarged(node, font))}" for node in block.nodes
    ]
    for rank in ("source", "sink"):
        held = [local[node.id] for node in block.nodes if node.rank == rank]
        if held:
            lines.append(f"  {{ rank={rank}; {'; '.join(held)} }}")
    for k, edge in enumerate(block.edges):
        # colours move nothing, a label needs room
        plain = Edge(local[edge.tail], local[edge.head], edge.kind, edge.label)
        weight = {"weight": str(straight[k])} if k in straight else {}
        lines.append(f"  {edge_line(plain, id=str(k), **weight)}")
    lines += [f"  n{a} -> n{b} [style=invis]" for order in orders for a, b in pairwise(order)]
    lines += [f"  n{a} -> n{b} [style=invis, weight={SPINE}]" for a, b in spines]
    # dot's search for a short and straight layout grows with the cube of what it has to lay out
    hurry = {"nslimit": "1", "nslimit1": "1", "mclimit": "0.1"} if len(block.nodes) > 600 else {}
    return graph(lines, **hurry)


def graph(lines: Iterable[str], **more: str) -> str:
    """A whole digraph around its lines, with the theme's defaults."""
    head = [
        f"  graph [{attributes({**theme.GRAPH, **more})}]",
        f"  node [{attributes(theme.NODE)}]",
        f"  edge [{attributes(theme.EDGE)}]",
    ]
    return "\n".join(["digraph {", *head, *lines, "}", ""])


def node_line(node: Node, name: str = "", **more: str) -> str:
    """One node; `more` are attributes such as its position."""
    label = f"<{node.html or _two_lines(node)}>" if node.html or node.label or node.note else '""'
    words = [f"label={label}", _look(node.kind), attributes(more)]
    return f"{name or node.id} [{', '.join(word for word in words if word)}]"


def enlarged(node: Node, font: float) -> dict[str, str]:
    """The size of a node's letters where its own are smaller."""
    own = float(theme.NODES[node.kind].get("fontsize", theme.NODE["fontsize"]))
    return {"fontsize": f"{font:g}"} if own < font else {}


@lru_cache
def _look(kind: str) -> str:
    return attributes({**theme.NODES[kind], "class": kind})


def edge_line(edge: Edge, **more: str) -> str:
    """One edge; `more` are attributes such as its spline."""
    style = {
        **theme.EDGES[edge.kind],
        **edge.style,
        "class": edge.style.get("class", edge.kind),
        **more,
    }
    if edge.label:
        style["label"] = edge.label
    return f"{edge.tail} -> {edge.head} [{attributes(style)}]"


def attributes(values: Mapping[str, str], separator: str = ", ") -> str:
    """``key="value"`` pairs, quoted so that no name can end them."""
    return separator.join(f'{key}="{escape(value)}"' for key, value in values.items())


@lru_cache(maxsize=4096)
def escape(text: str) -> str:
    """Text inside double quotes, where quotes and backslashes lose their meaning."""
    return _printable(text).replace("\\", "\\\\").replace('"', '\\"')


def _two_lines(node: Node) -> str:
    label, note = _html(node.label), _html(node.note)
    if not note:
        return label
    # spaces in the size above keep it off the letters' underscores; two keep it centred
    small = f'&#160;<FONT POINT-SIZE="{theme.SHAPE_SIZE}" COLOR="#666666">{note}</FONT>&#160;'
    return f"{label}<BR/>{small}" if label else small


def _html(text: str) -> str:
    # Graphviz puts the node's name for \N even here
    return html.escape(_printable(text)).replace("\\", "\\\\").replace("\n", "<BR/>")


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text)
