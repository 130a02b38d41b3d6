"""How do several drawings, or several nets on one scale, stand beside each other?"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from tinygrad_rnn import Tensor
from viz import theme
from viz.exhibit import GRAPH, Exhibit
from viz.graphs.asked import BUDGET, chosen, recorded_scalar
from viz.graphs.gradient_flow import decades, flow, measure
from viz.graphs.options import Options, dressed, rename, without
from viz.layout.fit import Page, letters_in, page
from viz.layout.grid import STEPS
from viz.record.builder import select
from viz.record.fold import fold
from viz.record.parts import Parts
from viz.render.drawing import Drawing
from viz.render.panels import Panel, Sheet


def sheet(drawings: Mapping[str, Drawing], *, across: bool | None = None) -> Sheet:
    """Drawings on one sheet, each under its title.

    Parameters
    ----------
    drawings
        By title: ``{"RNN": viz.folded(a), "LSTM": viz.folded(b)}``. They stay as they are.
    across
        As in `unfolding`.

    Raises
    ------
    TypeError
        Something on it is no drawing.
    ValueError
        There is none.

    Examples
    --------
    >>> from tinygrad_rnn import Tensor
    >>> from viz import graph
    >>> x = Tensor(3.0, name="x")
    >>> sheet({"square": graph(x * x), "cube": graph(x * x * x)})
    <sheet of square, cube>
    """
    if not isinstance(drawings, Mapping) or not drawings:
        raise ValueError('sheet: expected drawings by their titles, sheet({"RNN": drawing}).')
    for title, drawing in drawings.items():
        if not isinstance(drawing, Drawing) or isinstance(drawing, Sheet):
            raise TypeError(f"sheet: {title!r} is a {type(drawing).__name__}, and no drawing.")
    panels = [Panel(str(title), deepcopy(drawing.parts)) for title, drawing in drawings.items()]
    return Sheet(panels, across)


def compared(
    losses: Mapping[str, Tensor],
    detail: str,
    weights: str | None,
    per_line: int | None,
    budget: int,
    options: Options,
) -> Sheet:
    """The gradient flows of several nets on one scale, with one legend.

    On a page that they do not fit, steps are left out from the middle, as few as possible.
    """
    room = page("gradient_flow", options.get("size"), options.get("min_font"))
    args = (losses, detail, weights, per_line, options, room)
    found = _compared(*args, budget)
    if room is None:
        return found
    steps = max(len({b.column for b in p.parts.blocks if b.kind in STEPS}) for p in found.panels)
    each = sum(node.kind in theme.STEPS for b in found.panels[0].parts.blocks for node in b.nodes)
    for keep in range(steps - 1, 0, -1):
        if found.font >= room.font:
            return found
        found = _compared(*args, max(1, keep * each // steps))
    raise ValueError(
        f"gradient_flow: the smallest text would have {found.font:.1f} points, and is to have "
        f"{room.font:g}. Choose fewer nets, a larger size, or a smaller min_font."
    )


def _compared(
    losses: Mapping[str, Tensor],
    detail: str,
    weights: str | None,
    per_line: int | None,
    options: Options,
    room: Page | None,
    budget: int,
) -> Sheet:
    every: list[tuple[str, Parts, Tensor]] = []
    norms: list[float] = []
    for title, loss in losses.items():
        root = recorded_scalar(loss, "gradient_flow")
        roots, fine, how = chosen("gradient_flow", [root], detail, weights)
        parts = select(roots, fine, how, budget, room is not None)
        norms += measure(parts.edges(), roots[0], "gradient_flow")[0].values()
        every.append((title, parts, roots[0]))
    panels: list[Panel] = []
    for k, (title, parts, root) in enumerate(every, start=1):
        flow(parts, root, None if room is None else letters_in(room), decades(norms))
        if k < len(every):
            legends = {n.id for b in parts.blocks for n in b.nodes if n.kind == "legend"}
            without(parts, legends)
        dressed(parts, "gradient_flow", {**options, "names": None})
        panels.append(Panel(title, parts))
    if names := options.get("names"):
        rename([parts for _, parts, _ in every], "gradient_flow", names)
    return Sheet(panels, None if room is None else False, per_line, room)


def _families(nets: Any) -> Sheet:
    parts = {name: fold(select([loss], "gate", "stub", BUDGET)) for name, loss in nets.few.items()}
    return sheet({name: Drawing(found) for name, found in parts.items()})


EXHIBITS = (
    Exhibit(
        sheet, GRAPH, "24_families.svg", "Three cells, folded, on one sheet",
        "The more gates a cell has, the more ways lead through its step.",
        lambda nets: _families(nets),
    ),
)  # fmt: skip
