"""What does a reader want to know of a cell? A page for each: equations, circuit, loop, counts.

All of it is read from the record of a sample, in this build: no page is written by hand.
"""

from __future__ import annotations

import inspect
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

import viz
from tinygrad_rnn import equations, nn

FOLDER = "cells_of_nn"  # below the sources, for this build
FIRST = ("RNNCell", "LSTMCell", "GRUCell")


def write(app: Sphinx) -> None:
    """Write the pages and draw their pictures."""
    folder = Path(app.srcdir) / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    kinds = nn.cells_of(nn)
    names = [*FIRST, *sorted(set(kinds) - set(FIRST))]
    for name in names:
        text = page(name, next(iter(kinds[name].samples())), folder)
        (folder / f"{name}.md").write_text(text, "utf-8")
    entries = "\n".join(names)
    index = f"# Cells\n\n{INTRODUCTION}\n\n```{{toctree}}\n:maxdepth: 1\n\n{entries}\n```\n"
    (folder / "index.md").write_text(index, "utf-8")


INTRODUCTION = (
    "A page for each cell. Equations, circuit and loop are read from the record of one step, so "
    "they say what runs. Vectors are rows: $x W$."
)


def page(name: str, sample: tuple[Any, ...], folder: Path) -> str:
    """The page of one cell."""
    cell, *_ = sample
    summary, *_ = (inspect.getdoc(type(cell)) or name).partition("\n")
    parts = [f"# {name}", summary, f"{{py:class}}`tinygrad_rnn.nn.{name}` has its arguments."]
    parts += ["## Equations", *formulas(type(cell))]
    for title, draw in (("circuit", circuit), ("loop", loop)):
        try:
            draw(*sample).save(folder / f"{name}_{title}.svg")
        except (TypeError, ValueError) as reason:
            parts += [f"## {title.capitalize()}", f"*Not drawn: {reason}*"]
        else:
            parts += [f"## {title.capitalize()}", f"![{title} of {name}]({name}_{title}.svg)"]
    parts += [
        "## Parameters",
        "| name | shape | numbers |\n|---|---|---|\n" + "\n".join(rows(cell)),
    ]
    return "\n\n".join(parts) + "\n"


def formulas(kind: type) -> Iterable[str]:
    """Its equations set, and what their letters mean; or why there are none."""
    try:
        found = equations(kind)
    except (ValueError, TypeError) as reason:
        yield f"*Not written: {reason}*"
        return
    for environment in found.environments:
        yield "$$\n" + environment.replace("align*", "aligned") + "\n$$"
    for line in str(found).splitlines():
        if line.startswith("% "):
            yield f"- {_set(line.removeprefix('% '))}"


def _set(note: str) -> str:
    """A note with its letters set as mathematics."""
    note = re.sub(r"^(\S+ = \[.*\])", r"$\1$", note)
    note = re.sub(r"(\\odot|x \\mathbf\{1\}|x\[\\cdot, y\]|^\\mathrm\S+)(?= )", r"$\1$", note)
    return note.replace("as in x_t W", "as in $x_t W$").replace("t-1 below", "$t-1$ below")


def circuit(cell: Any, xs: Any, state: Any) -> Any:
    """One step: states straight on top and below, gates between them."""
    return viz.cell(cell, x=xs[0], state=state, equations=False)


def loop(cell: Any, xs: Any, state: Any) -> Any:
    """Three steps, folded."""
    outputs, _ = nn.unroll(cell, xs, state)
    return viz.folded(outputs, "gate")


def rows(cell: Any) -> Iterable[str]:
    """A row of the table for each parameter."""
    total = 0
    for path, p in cell.named_parameters().items():
        total += p.size
        yield f"| `{path}` | {' × '.join(map(str, p.shape))} | {p.size} |"
    yield f"| all | | {total} |"


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx calls this."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
