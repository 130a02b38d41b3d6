"""Which picture belongs to which function? The one that the gallery drew with it in this build."""

from __future__ import annotations

import html
import inspect
from pathlib import Path
from typing import Any

import numpy as np
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import viz
from tinygrad_rnn import nn
from viz.gallery.exhibits import exhibits
from viz.gallery.gallery import gallery

FOLDER = "gallery"  # below the pages
SECONDS = 3.0  # of training, for each model of the gallery
AT = 110  # the operation at which the player's thumbnail stands: half of the way back
DRAWN: dict[str, str] = {}  # "viz.folded" → "gallery/22_folded.svg", in the gallery's order


def draw(app: Sphinx) -> None:
    """Draw small pages for thumbnails, then the gallery; a missing picture is an error."""
    folder = Path(app.outdir) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    DRAWN.update({name: f"{FOLDER}/{path.name}" for name, path in _small(folder).items()})
    gallery(folder, seconds=SECONDS, progress=False)
    for exhibit in exhibits():
        if exhibit.of is not None:
            DRAWN.setdefault(f"viz.{exhibit.of.__name__}", f"{FOLDER}/{exhibit.file}")
    for path in sorted(folder.glob("cell_*.svg")):  # each cell, folded from its own record
        if hasattr(nn, name := path.stem.removeprefix("cell_")):
            DRAWN[f"tinygrad_rnn.nn.{name}"] = f"{FOLDER}/{path.name}"


def _small(folder: Path) -> dict[str, Path]:
    """Four steps as animated pages, which a browser shows at once."""
    rng = np.random.default_rng(0)
    outputs, _ = nn.unroll(nn.LSTMCell(3, 4, rng=rng), rng.standard_normal((4, 2, 3)))
    loss = nn.mse_loss(outputs[-1], np.zeros((2, 4)))
    return {
        "viz.play": viz.play(loss).save(folder / "small_player.html"),
        "viz.frames": viz.frames(loss).save(folder / "small_frames.html"),
    }


def thumbnail(name: str) -> str:
    """The picture as HTML; for an animated page, the page itself."""
    file = DRAWN[name]
    if file.endswith(".html"):
        return f'<iframe src="{file}#{AT}" title="{name}" loading="lazy" tabindex="-1"></iframe>'
    return f'<img src="{file}" alt="What {name} draws" loading="lazy">'


def show(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Put the picture below the first sentence of the docstring."""
    if name not in DRAWN:
        return
    first = lines.index("") if "" in lines else len(lines)
    link = f'<a class="drawn" href="{DRAWN[name]}">{thumbnail(name)}</a>'
    lines[first:first] = ["", ".. raw:: html", "", f"   {link}", ""]


class Pictures(SphinxDirective):
    """A grid: each picture, the function that draws it, and the first sentence about it."""

    def run(self) -> list[nodes.Node]:
        """As HTML, like the thumbnails."""
        cards = []
        for path in DRAWN:
            module, _, name = path.rpartition(".")
            if module == "viz":
                about = inspect.getdoc(getattr(viz, name)).partition("\n\n")[0].replace("`", "")
                cards.append(
                    f'<a class="card" href="viz.html#{path}"><span>{thumbnail(path)}</span>'
                    f"<code>viz.{name}</code><small>{html.escape(about)}</small></a>"
                )
        return [nodes.raw("", f'<div class="cards wide">{"".join(cards)}</div>', format="html")]


class Drawn(SphinxDirective):
    """One picture of the gallery in the text: the function that draws it, and a caption."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """As HTML."""
        name = self.arguments[0]
        caption = html.escape(" ".join(self.content))
        picture = f'<a class="drawn wide" href="{DRAWN[name]}">{thumbnail(name)}</a>'
        return [nodes.raw("", f"{picture}<p><small>{caption}</small></p>", format="html")]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives and handlers."""
    app.add_directive("pictures", Pictures)
    app.add_directive("drawn", Drawn)
    app.connect("builder-inited", draw)
    app.connect("autodoc-process-docstring", show)
    return {"parallel_read_safe": True}
