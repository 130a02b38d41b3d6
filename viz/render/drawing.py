"""How does a picture reach the reader? As a file, in a notebook, or as DOT text."""

from __future__ import annotations

import math
import os
from functools import cached_property
from pathlib import Path
from typing import Any

import graphviz

from tinygrad_rnn.files import replacing
from tinygrad_rnn.measure import Table
from viz.layout.dot import source
from viz.layout.edges import positioned
from viz.layout.fit import Page, paged
from viz.layout.graphviz import FORMATS, INSTALL, MISSING, NoRenderer, available, draw
from viz.record.parts import Parts
from viz.render.notebook import Shown, png_alone
from viz.render.svg import svg

LARGEST_PNG = 32_767  # pixels on a side


SHOWN = 200  # lines of DOT in a notebook that cannot draw
OUTSIDE = ("caption", "legend", "title")  # of the graph
DPI, SLIDE_DPI = 96.0, 144.0  # pixels per inch; a slide is 1,920 × 1,080


def _pixels(points: float, dpi: float = DPI) -> int:
    return round(points * dpi / 72)


def _too_large(width: float, height: float, dpi: float = DPI) -> bool:
    return max(_pixels(width, dpi), _pixels(height, dpi)) > LARGEST_PNG


class Drawing(Shown):
    """A picture of a record: shows itself in a notebook, and can be saved.

    A notebook gets SVG; with ``VIZ_NOTEBOOK=png`` in the environment a PNG alone, which GitHub
    shows too.

    Attributes
    ----------
    parts
        What is shown, as plain data: blocks of nodes and edges, and links between blocks.
    """

    def __init__(
        self,
        parts: Parts,
        per_line: int | None = None,
        fit: tuple[Page, float] | None = None,
    ) -> None:
        self.parts, self.per_line, self.fit = parts, per_line, fit
        for edge in parts.edges():
            edge.uses.clear()  # so that a picture does not keep the record alive

    @property
    def numbers(self) -> Table:
        """The norm of the gradient along each edge: ``.numbers.norms``, ``.numbers.columns()``.

        Raises
        ------
        AttributeError
            If the picture shows no gradient.
        """
        if self.parts.numbers is None:
            raise AttributeError(
                "numbers: this picture shows no gradient, and so has no numbers. "
                "viz.gradient_flow, viz.truncation and viz.forward_backward have."
            )
        return self.parts.numbers

    def csv(self, path: str | os.PathLike[str]) -> Path:
        """Write `numbers` as CSV, a row for each edge; gives the path."""
        return self.numbers.csv(path)

    @cached_property
    def source(self) -> str:
        """DOT without positions. The same record gives the same text; no renderer is needed."""
        return source(self.parts)

    def svg(self) -> str:
        """The picture as SVG.

        Raises
        ------
        viz.NoRenderer
            If there is neither Graphviz on PATH nor pygraphviz.
        """
        return self._draw("svg").decode()

    def save(self, path: str | os.PathLike[str], *, dpi: float | None = None) -> Path:
        """Write the picture, whole or not at all, as .svg, .png, .pdf or .dot (.gv).

        Parameters
        ----------
        path
            The file; its ending chooses the format.
        dpi
            Pixels per inch of a PNG: 96 by default; 144 on a slide, which makes it 1,920 wide.

        Returns
        -------
        The path written.

        Raises
        ------
        TypeError, ValueError
            For what is no path; for another ending, a PNG wider than can be drawn, or a `dpi` that
            is no number or would be ignored.
        OSError
            If the file cannot be written.
        viz.NoRenderer
            If there is nothing to draw with; .dot needs nothing.
        """
        path = the_path(path, "picture.svg")
        form = path.suffix.lower().removeprefix(".")
        if form not in (*FORMATS, "dot", "gv"):
            raise ValueError(
                f"save: {str(path)!r} ends in {path.suffix or 'nothing'!r}, and the ending chooses "
                "the format. Name it .svg, .png, .pdf or .dot."
            )
        if dpi is not None:
            if form != "png":
                raise ValueError(f"save: dpi is of a PNG, and {path.name} is none: leave it out.")
            if isinstance(dpi, bool) or not isinstance(dpi, int | float) or not 0 < dpi < math.inf:
                raise ValueError(f"save: dpi must be a number of pixels per inch, got {dpi!r}.")
        content = self.source.encode() if form in ("dot", "gv") else self._draw(form, dpi)
        return write(path, content)

    def _draw(self, form: str, dpi: float | None = None) -> bytes:
        if not available():
            raise NoRenderer(f"{MISSING} {INSTALL}")
        dot, width, height = self._positioned
        slide = self.fit is not None and self.fit[0].filled
        dpi = dpi or (SLIDE_DPI if slide else DPI)
        if form == "png" and _too_large(width, height, dpi):
            across, down = _pixels(width, dpi), _pixels(height, dpi)
            raise ValueError(
                f"a PNG of this picture would have {across:,} × {down:,} pixels; "
                f"beyond {LARGEST_PNG:,} renderers shrink it until nothing can be read. "
                "Save .svg or .pdf, choose another per_line, or show less: "
                'detail="cell", or a smaller budget.'
            )
        if form == "png" and dpi != DPI:
            dot = dot.replace("graph [", f'graph [dpi="{dpi:g}", ', 1)
        return svg(dot).encode() if form == "svg" else draw(dot, form)

    @cached_property
    def _positioned(self) -> tuple[str, float, float]:
        if self.fit is not None:
            return paged(self.parts, self.per_line, *self.fit)
        return positioned(self.parts, self.per_line)

    @property
    def graphviz(self) -> graphviz.Source:
        """The graph as `graphviz.Source`: ``render``, ``view``, ``pipe``, where dot is on PATH.

        It is laid out by dot alone, as `source` is.
        """
        return graphviz.Source(self.source)

    def node_link(self) -> dict[str, Any]:
        """Nodes and edges as plain data, for JSON and for NetworkX.

        Returns
        -------
        ``{"directed", "multigraph", "nodes", "edges"}``: write it with `json.dump`, or read it with
        ``networkx.node_link_graph(drawing.node_link(), edges="edges")``.

        Examples
        --------
        >>> from tinygrad_rnn import Tensor
        >>> from viz import graph
        >>> x = Tensor(3.0, name="x")
        >>> [node["label"] for node in graph(x * x).node_link()["nodes"]]
        ['×', 'x']
        """
        nodes = [
            {"id": n.id, "kind": n.kind, "label": n.label, "shape": n.note, "block": block.title}
            for block in self.parts.blocks
            for n in block.nodes
            if n.kind not in OUTSIDE
        ]
        edges = [
            {"source": e.tail, "target": e.head, "kind": e.kind, "label": e.label}
            for e in self.parts.edges()
        ]
        return {"directed": True, "multigraph": True, "nodes": nodes, "edges": edges}

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """SVG that fits the cell, PNG where it is asked for; without a renderer DOT, and which."""
        if not available():
            lines = self.source.splitlines(keepends=True)
            more = len(lines) - SHOWN
            rest = f"… {more} more lines: .source\n" if more > 0 else ""
            return {"text/plain": f"{INSTALL}\n\n{''.join(lines[:SHOWN])}{rest}"}
        small = not _too_large(*self._positioned[1:])
        if small and png_alone():
            return {"image/png": self._draw("png"), "text/plain": repr(self)}
        svg = self.svg().replace("<svg ", '<svg style="max-width: 100%; height: auto" ', 1)
        bundle: dict[str, Any] = {"image/svg+xml": svg, "text/plain": repr(self)}
        if small and include is not None and "image/png" in include:
            bundle["image/png"] = self._draw("png")
        return bundle

    def __repr__(self) -> str:
        nodes = sum(len(block.nodes) for block in self.parts.blocks)
        return f"<drawing of {nodes} nodes and {sum(1 for _ in self.parts.edges())} edges>"


def the_path(path: Any, example: str) -> Path:
    """The given path, checked."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(
            f"save: expected a path as a str or pathlib.Path, got a {type(path).__name__}: "
            f'save("{example}").'
        )
    return Path(path)


def write(path: Path, content: bytes) -> Path:
    """Write a file, all of it or nothing; an error says how to mend it."""
    with replacing(path, "save") as file:
        file.write(content)
    return path
