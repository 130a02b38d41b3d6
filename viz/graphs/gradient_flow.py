"""How much gradient flows along each edge? Its norm, as colour and width, by one backward pass."""

from __future__ import annotations

import html
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn import Tensor, ancestors, grad
from tinygrad_rnn.engine import Input
from tinygrad_rnn.measure import Table, norm
from viz import theme
from viz.record.node_text import dashes, letter_of
from viz.record.parts import Block, Edge, Parts

NARROW = 60  # letters in a line, in which a legend is brief


class EdgeGradients(Table):
    """The norm of the gradient along each edge of a picture, in the order they are drawn in.

    Attributes
    ----------
    tails, heads
        What stands at the ends of the edge: labels, as in the picture.
    letters
        The letter of what is handed on to the next step, else empty.
    lanes, steps
        The lane, as its steps are titled, and the t that the edge leads into, or else stems from;
        empty and None outside of all steps.
    norms
        (edges,) Euclidean norms; edges without gradient are not among them.
    """

    def __init__(self, parts: Parts, norms: dict[int, float]) -> None:
        edges = [edge for edge in parts.edges() if id(edge) in norms]
        nodes = {node.id: node for block in parts.blocks for node in block.nodes}
        home = {node.id: block for block in parts.blocks for node in block.nodes}
        names = {node.id: node.label or letter_of(node.role) for node in nodes.values()}
        before = {edge.head: names[edge.tail] for edge in edges}
        after = {edge.tail: names[edge.head] for edge in edges}
        # where edges meet stands a point without a name: what is before or behind it is meant
        self.tails = [names[edge.tail] or before.get(edge.tail, "") for edge in edges]
        self.heads = [names[edge.head] or after.get(edge.head, "") for edge in edges]
        self.letters = [edge.role if edge.kind == "state" else "" for edge in edges]
        blocks = [home[e.head] if home[e.head].titled else home[e.tail] for e in edges]
        self.lanes = [block.name for block in blocks]
        self.steps = [block.steps[0] if block.titled else None for block in blocks]
        self.norms = np.array([norms[id(edge)] for edge in edges])

    def columns(self) -> dict[str, Sequence[Any] | np.ndarray]:
        """One row per edge."""
        return {
            "from": self.tails,
            "to": self.heads,
            "letter": self.letters,
            "lane": self.lanes,
            "t": self.steps,
            "norm": self.norms,
        }


def flow(
    parts: Parts,
    loss: Tensor,
    room: int | None = None,
    scale: tuple[float, float] | None = None,
) -> None:
    """Colour every edge of `parts` by the Euclidean norm of the gradient of `loss` along it.

    An edge that stands for several edges of the record shows the norm of their sum. Each gradient
    is reduced as soon as it is complete, so memory stays linear in the length of the record.
    A line of the legend has room for so many letters; `scale` are the lowest and the highest power
    of ten.
    """
    norms, _ = measure(parts.edges(), loss, "gradient_flow")
    low, high = scale or decades(norms.values())
    parts.numbers = EdgeGradients(parts, norms)
    shared = Counter(edge.head for edge in parts.links if edge.kind == "cross")
    ports = {n.id for block in parts.blocks for n in block.nodes if n.kind == "port"}
    for edge in parts.edges():
        size = norms.get(id(edge))
        if edge.style.get("class") != "cut":
            edge.style = look(size, low, high)
            if size is not None:  # its arrow points the way that the gradient goes
                tip = "none" if edge.tail in ports else "normal"
                edge.style |= {"dir": "back", "arrowtail": tip}
        edge.tip = "no gradient" if size is None else f"‖gradient‖ = {_number(size)}"
        if edge.kind == "state" and edge.label and size is not None:
            edge.label = f"{edge.label} {_number(size)}"
        if size and shared[edge.head] > 1:  # an edge of many steps would drown what happens in them
            edge.style["penwidth"] = f"{float(edge.style['penwidth']) / 2:.2f}"
    strange = any(not math.isfinite(n) for n in norms.values())
    for text, table in _legend(low, high, strange, room or sys.maxsize):
        note = Block("note")
        parts.add(note, "legend", text, html=table)
        parts.blocks.append(note)


def measure(
    edges: Iterable[Edge], loss: Tensor, picture: str
) -> tuple[dict[int, float], dict[Tensor, int]]:
    """One backward pass: norms by `id` of the edge, and the nodes in the order of their turn.

    Edges without gradient, and nodes that pass none on, are missing.
    """
    leaves = [x for x in ancestors(loss) if x.op is None and x.dtype.kind == "f"]
    if not leaves:
        raise ValueError(
            f"{picture}: the record has no float Tensor to differentiate by, only constants. "
            "What shall be differentiated must be a Tensor before computing."
        )
    carriers: dict[tuple[Tensor, int], list[Edge]] = defaultdict(list)
    waiting: Counter[tuple[int, int]] = Counter()  # by edge and by value: gradients yet to come
    for edge in edges:
        for node, argument in edge.uses:
            carriers[node, argument].append(edge)
            waiting[id(edge), id(node.inputs[argument])] += 1
    sums: dict[tuple[int, int], Any] = {}
    norms: dict[int, float] = {}
    turns: dict[Tensor, int] = {}

    def on_edge(node: Tensor, argument: int, g: Any) -> None:
        turns.setdefault(node, len(turns))
        for edge in carriers.get((node, argument), ()):
            key = id(edge), id(node.inputs[argument])
            waiting[key] -= 1
            if key in sums or waiting[key] or len(node.inputs) > 1:
                g = _whole(g, node, argument)
                sums[key] = sums[key] + g if key in sums else g
            if not waiting[key]:
                norms[id(edge)] = math.hypot(norms.get(id(edge), 0.0), norm(sums.pop(key, g)))

    with np.errstate(all="ignore"):  # infinities and NaN are drawn, not warned of
        grad(loss, leaves, unused="zero", on_edge=on_edge)
    for (edge_id, _), g in sums.items():  # some of their edges carry no gradient
        norms[edge_id] = math.hypot(norms.get(edge_id, 0.0), norm(g))
    return norms, turns


def _whole(g: Any, node: Tensor, argument: int) -> Any:
    """The gradient in the shape of the input: that of a slice is put back where it was taken."""
    x = node.inputs[argument]
    if node.op is None or node.op.name != "getitem" or np.shape(g) == x.shape:
        return np.asarray(g)
    whole = np.zeros(x.shape)
    arrays = [a.data if type(a) is Tensor else a for a in node.inputs]
    index = tuple(
        arrays[part] if isinstance(part, Input) else part for part in node.options["index"]
    )
    np.add.at(whole, index, g)
    return whole


def decades(norms: Iterable[float]) -> tuple[float, float]:
    """The range of powers of ten; at least one."""
    finite = [n for n in norms if 0 < n < math.inf]
    if not finite:
        return -1.0, 0.0
    low, high = math.floor(math.log10(min(finite))), math.ceil(math.log10(max(finite)))
    return (low, high) if high > low else (low - 1, high)


def look(norm: float | None, low: float, high: float) -> dict[str, str]:
    """Colour, width and dashes of an edge; None: no gradient."""
    if norm is None:
        return {**theme.NO_GRADIENT, "class": "no-gradient"}
    if norm == 0:
        return {**theme.ZERO_GRADIENT, "class": "zero-gradient"}
    if not math.isfinite(norm):
        return {**theme.NOT_FINITE, "class": "not-finite"}
    return {
        **theme.magnitude((math.log10(norm) - low) / (high - low)),
        "style": "solid",
        "class": "gradient",
    }


def _number(norm: float) -> str:
    """Two digits, ``3.1e-7`` where a plain number would be long."""
    if norm == 0 or not math.isfinite(norm):
        return "0" if norm == 0 else "NaN" if math.isnan(norm) else "∞"
    if 0.01 <= norm < 1000:
        return f"{norm:.2g}" if norm < 100 else f"{norm:.0f}"
    digits, power = f"{norm:.1e}".split("e")
    return f"{digits}e{int(power)}"


def _legend(low: float, high: float, not_finite: bool, room: int) -> Iterator[tuple[str, str]]:
    """The legend's lines: text (for its size) and a table.

    Rather than begin a second line, which would make all text smaller, powers of ten are left out.
    """
    narrow = room < NARROW
    words = "‖∂loss/∂value‖" + " on each edge" * (not narrow)
    title = f"<TD>{html.escape(words)}</TD>", words
    grey = {**theme.NO_GRADIENT, "color": theme.GREY}  # legible alone
    dots = f"<TD>{dashes(grey, length=2, count=5)}</TD><TD>no gradient</TD>"
    zero = f"<TD>{dashes(theme.ZERO_GRADIENT)}</TD><TD>exactly zero</TD>"
    rest = [(zero, "     exactly zero"), (dots, "     no gradient")]
    if not_finite:
        rest.append((_sample(theme.NOT_FINITE["color"], 5, "NaN or ∞"), "     NaN or ∞"))
    step = math.ceil((high - low) / (2 if narrow else 5))
    cells = [title, *_powers(low, high, step), *rest]
    while not narrow and step < high - low and sum(len(word) for _, word in cells) > room:
        step += 1
        cells = [title, *_powers(low, high, step), *rest]
    line: list[tuple[str, str]] = []
    for cell in [*cells, None]:
        text = "".join(word for _, word in line)
        if line and (cell is None or len(text) + len(cell[1]) > room):
            table = "".join(data for data, _ in line)
            yield (
                text,
                '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="3" CELLPADDING="1">'
                f"<TR>{table}</TR></TABLE>",
            )
            line = []
        line += [cell] if cell else []


def _powers(low: float, high: float, step: int) -> list[tuple[str, str]]:
    """A sample for every `step`-th power of ten, as table and text."""
    cells: list[tuple[str, str]] = []
    for power in sorted(range(round(high), round(low) - 1, -step)):
        sample = theme.magnitude((power - low) / (high - low))
        word = f"1e{power}"
        cells.append((_sample(sample["color"], float(sample["penwidth"]), word), f"     {word}  "))
    return cells


def _sample(colour: str, width: float, word: str) -> str:
    bar = (
        '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0"><TR>'
        f'<TD FIXEDSIZE="TRUE" WIDTH="26" HEIGHT="{max(1, round(width))}" BGCOLOR="{colour}">'
        "</TD></TR></TABLE>"
    )
    return f"<TD>{bar}</TD><TD>{html.escape(word)}</TD>"
