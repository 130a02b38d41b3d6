"""How does a document without a player show the same? As pictures, one per step and direction."""

from __future__ import annotations

import html
import os
import re
from collections import defaultdict
from pathlib import Path
from typing import Any, Literal

from tinygrad_rnn import Tensor
from viz import theme
from viz.exhibit import GRAPH, Exhibit
from viz.graphs.asked import recorded_scalar
from viz.graphs.gradient_flow import look
from viz.layout.dot import graph
from viz.layout.edges import lines, placed
from viz.layout.graphviz import INSTALL, MISSING, NoRenderer, available
from viz.player.timeline import Backward, known, operations, values
from viz.record.arguments import check
from viz.record.builder import select
from viz.record.parts import Edge, Parts
from viz.render.drawing import the_path, write
from viz.render.notebook import Shown
from viz.render.svg import svg

BUDGET = 200  # nodes of one frame
WAITING = "reference"  # dashed and empty, as what is not there itself


class Frames(Shown):
    """Pictures of one record at several moments, the same in everything but what is known.

    Attributes
    ----------
    svgs, captions
        The pictures as SVG, and what each shows.
    """

    _suffix = ".html"

    def __init__(self, svgs: list[str], captions: list[str]) -> None:
        self.svgs, self.captions = svgs, captions

    @property
    def html(self) -> str:
        """A piece of HTML: all frames, and a slider that shows one of them. Needs no network."""
        last = len(self.svgs) - 1
        style = ".viz-frames svg { width: 100%; height: auto } .viz-frames figure { margin: 0 }"
        figures = "\n".join(
            f"<figure{' hidden' if k < last else ''}>{svg}"
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
            for k, (svg, caption) in enumerate(zip(self.svgs, self.captions, strict=True))
        )
        show = (
            "[...this.parentElement.querySelectorAll('figure')]"
            ".forEach((one, k) => { one.hidden = k !== Number(this.value); })"
        )
        return (
            f'<div class="viz-frames">\n<style>{style}</style>\n'
            f'<input type="range" min="0" max="{last}" value="{last}" style="width: 100%" '
            f'aria-label="Frame" oninput="{html.escape(show)}">\n{figures}\n</div>\n'
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a page of all frames (.html), or each to a file of its own (.svg), numbered.

        A circuit's are also written as .png, and as one .pdf.

        Returns
        -------
        The path written; of several, the last.

        Raises
        ------
        TypeError, ValueError
            For what is no path; for another ending.
        OSError
            If a file cannot be written.
        """
        path = the_path(path, "frames.html")
        if path.suffix.lower() in (".html", ".htm"):
            return write(path, f'<!DOCTYPE html>\n<meta charset="utf-8">\n{self.html}'.encode())
        contents = self._contents(path.suffix.lower().removeprefix("."))
        if contents is None:
            raise ValueError(
                f"save: {str(path)!r} ends in {path.suffix or 'nothing'!r}. Name it .html for a "
                "page with a slider, .svg for one numbered file per frame."
            )
        digits = len(str(len(self) - 1))
        names = [path.with_stem(f"{path.stem}{k:0{digits}}") for k in range(len(self))]
        for name, content in zip(names, contents, strict=True):
            write(name, content)
        return names[-1]

    def _contents(self, form: str) -> list[bytes] | None:
        """The frames in a format; None if they are not to be had in it."""
        return [svg.encode() for svg in self.svgs] if form == "svg" else None

    def _repr_html_(self) -> str:
        return self.html

    def __len__(self) -> int:
        return len(self.svgs)

    def __repr__(self) -> str:
        return f"<{len(self)} frames>"


def frames(
    loss: Tensor,
    detail: Literal["cell", "gate", "op"] = "op",
    *,
    count: int = 25,
    budget: int = BUDGET,
) -> Frames:
    """The recorded graph at several moments: after each step forward, then after each backward.

    Parameters
    ----------
    loss
        A recorded scalar.
    detail
        As in `unrolled`.
    count
        How many frames at most; of more steps only some get one.
    budget
        How many nodes a frame shows; with more the middle steps are left out.

    Raises
    ------
    TypeError, ValueError
        As `gradient_flow`.
    viz.NoRenderer
        There is neither Graphviz on PATH nor pygraphviz.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_rnn import nn
    >>> outputs, state = nn.unroll(nn.RNNCell(3, 4, rng=0), np.zeros((3, 2, 3)))
    >>> frames((outputs[-1] * outputs[-1]).sum())
    <9 frames>
    """
    loss = recorded_scalar(loss, "frames")
    if detail not in ("cell", "gate", "op"):
        raise ValueError(f'frames: unknown detail {detail!r}; choose "cell", "gate" or "op".')
    check("frames", count=count, budget=budget)
    if not available():
        raise NoRenderer(f"{MISSING} {INSTALL}")
    parts = select([loss], detail, "hide" if detail == "cell" else "stub", budget)
    bare(parts)
    order = {x: k for k, x in enumerate(operations(loss), start=1)}
    shown, back = values(parts), Backward(list(parts.edges()), loss, "frames")
    moments = _moments(parts, shown, order, back)
    if len(moments) > count:
        moments = [moments[round(k * (len(moments) - 1) / max(count - 1, 1))] for k in range(count)]
    scale = back.decades(parts)
    kinds = {node.id: node.kind for block in parts.blocks for node in block.nodes}
    plan = placed(parts)  # once: nothing moves from frame to frame
    size = f"0,0,{plan.width:.1f},{plan.height:.1f}"
    flowing = [edge for edge in parts.edges() if edge.style.get("class") != "cut"]
    svgs = []
    for time, _ in moments:
        for block in parts.blocks:
            for node in block.nodes:
                x = shown.get(node.id)
                waits = type(x) is Tensor and order.get(x, 0) > time
                node.kind = WAITING if waits else kinds[node.id]
        for edge in flowing:
            edge.style = _style(edge, time, known(edge, shown, order), len(order), back, scale)
        svgs.append(slim(svg(graph(lines(plan), bb=size))))
    return Frames(svgs, [caption for _, caption in moments])


def bare(parts: Parts) -> None:
    """Without what is said under the pointer, half of a picture's bytes."""
    for block in parts.blocks:
        for node in block.nodes:
            node.tip = ""
    for edge in parts.edges():
        edge.tip = ""


def slim(svg: str) -> str:
    """The same picture without prologue, comments and titles."""
    return re.sub(r"<!--.*?-->\n|<title>.*?</title>\n", "", svg[svg.index("<svg") :])


def _moments(
    parts: Parts, shown: dict[str, Any], order: dict[Tensor, int], back: Backward
) -> list[tuple[int, str]]:
    """When each block is done, forward and backward, and what to call that moment."""
    found = {0: "what is given"}
    several = len({block.row for block in parts.blocks if block.kind == "cell"}) > 1
    into: dict[str, list[Tensor]] = defaultdict(list)  # by node, what it does with what comes in
    for edge in parts.edges():
        into[edge.head] += [node for node, _ in edge.uses]
    for block in parts.blocks:
        own = [x for node in block.nodes if type(x := shown.get(node.id)) is Tensor and x.op]
        where = block.title or block.kind
        if several and block.kind == "cell" and own:  # of which only the lowest bear a title
            where = " · ".join(str(frame) for frame in own[-1].scope)
        if own:
            found[max(order[x] for x in own)] = f"forward: {where}"
        inside = [*own, *(x for node in block.nodes for x in into[node.id])]
        turns = [back.turns[x] for x in inside if x in back.turns]
        if turns:
            found[len(order) + max(turns)] = f"backward: {where}"
    return sorted(found.items())


def _style(
    edge: Edge, time: int, born: int | None, count: int, back: Backward, scale: tuple[float, float]
) -> dict[str, str]:
    """An edge before its value is there, with it, and with its gradient."""
    norm, when = back.arrival(edge)
    if when is not None and count + when <= time:
        return look(norm, *scale)
    return {"color": theme.LIGHT} if (born or 0) > time else {}


EXHIBITS = (
    Exhibit(
        frames, GRAPH, "31_frames.html", "A record, moment by moment, for documents",
        "A slider over pictures that were drawn beforehand: values forward, gradients backward.",
        lambda nets: frames(nets.few["LSTM"], "gate"),
    ),
)  # fmt: skip
