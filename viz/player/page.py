"""How does the player reach its reader? As one file that needs nothing else, or in a notebook."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tinygrad_rnn import Tensor, ancestors
from viz import theme
from viz.exhibit import FIRST, Exhibit
from viz.graphs.asked import recorded_scalar
from viz.graphs.unrolled import gradient_flow
from viz.layout.graphviz import INSTALL, MISSING, NoRenderer, available
from viz.player.frames import bare, slim
from viz.player.timeline import operations, timeline
from viz.record.arguments import check
from viz.render.drawing import Drawing, the_path, write
from viz.render.notebook import Shown, png_alone

BUDGET = 50_000  # operations; their page has about 4 MB
IMAGE = 120  # nodes of the image that stands where no script may run
HEIGHT = 640  # pixels in a notebook
SCRIPTS = tuple(
    f"{name}.js"
    for name in ("record", "layout", "picture", "camera", "cards", "find", "time", "player")
)


class Player(Shown):
    """A page that plays one record: shows itself in a notebook, and can be saved.

    Attributes
    ----------
    data
        What the page shows, as plain data.
    """

    _suffix = ".html"

    def __init__(self, data: dict[str, Any], title: str, image: Drawing) -> None:
        title = title.encode(errors="replace").decode()  # half a character is in no file
        self.data, self.title, self._image = data, title, image

    @property
    def html(self) -> str:
        """The whole page: style, data and script in one text, nothing from elsewhere."""
        here = Path(__file__).parent
        data = json.dumps(self.data, separators=(",", ":"), allow_nan=False)
        words = {
            "title": html.escape(self.title),
            "style": _read(here / "player.css") + _kinds(),
            "data": data.replace("<", "\\u003c"),  # so that no name can end the script element
            "script": "\n".join(_read(here / name) for name in SCRIPTS),
        }
        page = _read(here / "page.html")
        return re.sub(r"\{(title|style|data|script)\}", lambda mark: words[mark[1]], page)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page, whole or not at all.

        Returns
        -------
        The path written.

        Raises
        ------
        TypeError, ValueError
            For what is no path; for an ending other than .html or .htm.
        OSError
            If the file cannot be written.
        """
        path = the_path(path, "player.html")
        if path.suffix.lower() not in (".html", ".htm"):
            raise ValueError(
                f"save: {str(path)!r} ends in {path.suffix or 'nothing'!r}, but a player is a "
                "page. Name it .html; viz.gradient_flow gives .svg, .png and .pdf."
            )
        return write(path, self.html.encode())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """An image, and a script that puts the page in its place: in a frame, so that the styles
        and names of several players in one notebook do not meet.
        """  # noqa: D205
        if png_alone():  # where a PNG is needed, no script runs
            return self._image._repr_mimebundle_()
        name = "player-" + hashlib.sha256(self.html.encode()).hexdigest()[:12]
        image = base64.b64encode(slim(self._image.svg()).encode()).decode()
        page = json.dumps(self.html).replace("<", "\\u003c")
        return {
            "text/plain": repr(self),
            "text/html": (
                f'<div class="{name}"><img alt="{html.escape(self.title)}: gradient flow" '
                f'style="max-width: 100%" src="data:image/svg+xml;base64,{image}"></div>\n'
                f"<script>for (const here of document.querySelectorAll('div.{name}')) {{\n"
                "  if (here.querySelector('iframe')) continue;\n"
                "  const frame = document.createElement('iframe');\n"
                f"  frame.title = here.querySelector('img').alt;\n  frame.srcdoc = {page};\n"
                f"  frame.style = 'width: 100%; height: {HEIGHT}px; border: 0';\n"
                "  here.replaceChildren(frame);\n}</script>"
            ),
        }

    def __repr__(self) -> str:
        return f"<player of {self.data['count']} operations in {len(self.data['blocks'])} blocks>"


def play(
    loss: Tensor,
    path: str | os.PathLike[str] | None = None,
    *,
    losses: Mapping[str, Tensor] | None = None,
    labels: Iterable[Any] = (),
    title: str | None = None,
    budget: int = BUDGET,
) -> Player:
    """The recorded graph as a page that runs it: forward, then backward, operation by operation.

    One HTML file that needs neither network nor server. Values fill in as they are computed;
    edges take colour and width from the gradient as it arrives, on a logarithmic scale. A gradient
    of exactly zero is dashed red, no gradient dotted grey. An edge with several gradients takes
    colour when the last of them has arrived.

    Parameters
    ----------
    loss
        A recorded scalar.
    path
        Where to save the page; by default nowhere: a notebook shows it inline.
    losses
        Parts of the loss by name, ``{"t = 3": loss_3}``. The page can show the gradient of each
        alone; each costs a backward pass and its numbers.
    labels
        What to write on the steps, a character of the text each, for example.
    title
        Of the page; by default the name of the loss.
    budget
        How many operations at most.

    Raises
    ------
    TypeError
        `loss`, or one of `losses`, is no Tensor; `losses` has no names, or `labels` no order.
    ValueError
        It is no scalar, nothing was recorded, or more than `budget`; one of `losses` is not in the
        record of `loss`.
    OSError
        The file cannot be written.
    viz.NoRenderer
        There is neither Graphviz on PATH nor pygraphviz, which place the nodes.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_rnn import nn
    >>> outputs, state = nn.unroll(nn.RNNCell(3, 4, rng=0), np.zeros((5, 2, 3)))
    >>> play((outputs[-1] * outputs[-1]).sum())
    <player of 32 operations in 7 blocks>
    """
    loss = recorded_scalar(loss, "play")
    check("play", budget=budget)
    losses = {} if losses is None else losses
    if not isinstance(losses, Mapping):
        raise TypeError(
            f"play: losses must be the parts of the loss by name, got a {type(losses).__name__}: "
            '{"t = 3": loss_3}.'
        )
    if not isinstance(labels, Iterable):
        raise TypeError(
            f"play: labels must be one thing to write on each step, got a {type(labels).__name__}. "
            "A text gives each step a character."
        )
    record = set(ancestors(loss))
    parts = []
    for name, part in losses.items():
        parts.append((str(name), recorded_scalar(part, f"play: losses[{name!r}]")))
        if parts[-1][1] not in record:
            raise ValueError(
                f"play: losses[{name!r}] is not in the record of the loss. Pass parts that the "
                "loss was computed from."
            )
    if (count := len(operations(loss))) > budget:
        raise ValueError(
            f"play: {count:,} operations are more than the budget of {budget:,}, beyond which the "
            "page gets slow to open. Play fewer steps or layers, or raise budget."
        )
    if not available():
        raise NoRenderer(f"{MISSING} {INSTALL}")
    data = timeline(loss, parts, [str(x) for x in labels])
    few = count <= IMAGE
    picture = gradient_flow(loss, "op" if few else "cell", budget=IMAGE if few else IMAGE // 4)
    bare(picture.parts)
    player = Player(data, str(title or loss.name or "loss"), picture)
    if path is not None:
        player.save(path)
    return player


def _kinds() -> str:
    """The theme's colours for each kind of node."""
    lines = []
    for kind, look in theme.NODES.items():
        fill, line = look.get("fillcolor", "#ffffff"), look.get("color", theme.GREY)
        lines.append(f".k-{kind} {{ --fill: {fill}; --line-of: {line}; }}\n")
    return "".join(lines)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


EXHIBITS = (
    Exhibit(
        play, FIRST, "01_player.html", "A trained LSTM reads, and learns from what it read",
        "Forward fills in the values, backward colours the edges as their gradient arrives.",
        lambda nets: play(nets.played[0], **nets.played[1]),
    ),
)  # fmt: skip
