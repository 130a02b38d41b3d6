"""How is one step of a cell drawn? As the circuit everyone knows, or with the gates as boxes."""

from __future__ import annotations

from typing import Any, Literal

from tinygrad_rnn import Tensor, nn
from viz.exhibit import CELLS, Exhibit
from viz.graphs.asked import recorded
from viz.graphs.unrolled import folded
from viz.layout.fit import page
from viz.record.one_step import OneStep, of_cell, of_record
from viz.render.circuit import CircuitDrawing
from viz.render.drawing import Drawing

STYLES = {
    "circuit": "states on straight rails, boxes and circles",
    "gate": "the named values with their formulas, folded",
}


def cell(
    cell: Any,
    style: Literal["circuit", "gate"] = "circuit",
    *,
    x: Any = None,
    state: Any = None,
    equations: bool = True,
    size: str | tuple[float, float] | None = None,
    min_font: float | None = None,
) -> Drawing:
    """One step of a cell, read from its record: c straight on top, h below, ⊗, ⊕, σ and tanh.

    Each part of the state that goes on through elementwise arithmetic alone is a straight line.
    Below it are the gates; weighted sums are inside their boxes, and in the equations. No cell is
    known: yours is drawn as the LSTM is.

    Parameters
    ----------
    cell
        A cell, which is run for one step; or a Tensor recorded with `nn.unroll` (several, as in
        `unrolled`), whose last complete step is drawn.
    style
        ``"circuit"``; or ``"gate"``: the named values as boxes with their formulas, as `folded`
        draws them.
    x, state
        What the cell is run on, (batch, features) and as the cell expects it; by default zeros, if
        the cell has ``input_size`` and ``initial_state``.
    equations
        Whether they stand below a circuit. A matrix for several gates is split up in them: its
        columns for f are W_f (from x) and U_f (from h).
    size, min_font
        The page that a circuit fills, and its smallest text (but for subscripts, of 0.8 times the
        size), as in `viz.Options`. Equations that would be smaller are left out.

    Raises
    ------
    TypeError, ValueError
        `cell` is neither a cell nor recorded, x or the state is needed; `style` is unknown; a
        record does not hold two steps in sequence; x or state is passed with a record; the text
        would be too small on the page.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> cell(nn.LSTMCell(3, 4, rng=0))
    <circuit of i, f, g, o, c, h>
    """
    if style not in STYLES:
        known = ", ".join(f'"{name}" ({meaning})' for name, meaning in STYLES.items())
        raise ValueError(f"cell: unknown style {style!r}; choose one of {known}.")
    if style == "circuit":
        return CircuitDrawing(one_step(cell, x, state), equations, page("cell", size, min_font))
    roots = _some_steps(cell, x, state) if is_cell(cell) else recorded(cell, "cell")
    return folded(roots, "gate", size=size, min_font=min_font)


def is_cell(x: Any) -> bool:
    """Whether it is to be run, and is no record."""
    return callable(x) and type(x) is not Tensor


def one_step(cell: Any, x: Any, state: Any) -> OneStep:
    """The step to draw, of a cell or from a record."""
    if is_cell(cell):
        return of_cell(cell, x, state)
    if x is not None or state is not None:
        raise ValueError("cell: x and state are for a cell that is run; a record has its own.")
    return of_record(recorded(cell, "cell"))


def _some_steps(cell: Any, x: Any, state: Any) -> list[Tensor]:
    """The record of three steps, of which equal ones are drawn once."""
    step = of_cell(cell, x, state)
    given = [value.data for _, value in step.inputs]
    x = given[0] if x is None else x
    outputs, last = nn.unroll(cell, [x, x, x], state)
    return recorded([outputs, last], "cell")


def _of(name: str, nets: Any) -> Drawing:
    one, x, state = nets.small.circuit(name)
    return cell(one, x=x, state=state)


EXHIBITS = (
    Exhibit(
        cell, CELLS, "10_lstm.svg", "An LSTM, read from its record",
        "Only a product and a sum happen to c on its way: that is why its gradient survives.",
        lambda nets: cell(nets.lstm.cell),
    ),
    Exhibit(
        cell, CELLS, "11_gru.svg", "A GRU",
        "One state, and one gate that says how much of it is replaced.",
        lambda nets: cell(nets.models["GRU"].cell),
    ),
    Exhibit(
        cell, CELLS, "12_rnn.svg", "Elman's network",
        "No straight way: each step squashes all that the state holds.",
        lambda nets: cell(nets.models["RNN"].cell),
    ),
    Exhibit(
        cell, CELLS, "14_PeepholeLSTMCell.svg", "nn.PeepholeLSTMCell",
        "The gates see c: i and f the old one, o the new one.",
        lambda nets: _of("PeepholeLSTMCell", nets),
    ),
    Exhibit(
        cell, CELLS, "15_CoupledLSTMCell.svg", "nn.CoupledLSTMCell",
        "What is forgotten is replaced: one gate less.",
        lambda nets: _of("CoupledLSTMCell", nets),
    ),
    Exhibit(
        cell, CELLS, "16_ProjectedLSTMCell.svg", "nn.ProjectedLSTMCell",
        "A matrix makes h smaller than c.",
        lambda nets: _of("ProjectedLSTMCell", nets),
    ),
    Exhibit(
        cell, CELLS, "17_MGUCell.svg", "nn.MGUCell",
        "One gate forgets and resets.",
        lambda nets: _of("MGUCell", nets),
    ),
    Exhibit(
        cell, CELLS, "18_MUT1Cell.svg", "nn.MUT1Cell",
        "The best of ten thousand cells that were searched looks like a GRU.",
        lambda nets: _of("MUT1Cell", nets),
    ),
    Exhibit(
        cell, CELLS, "19_MemoryBlockCell.svg", "nn.MemoryBlockCell",
        "The LSTM of 1997: nothing is ever forgotten, c is only added to.",
        lambda nets: _of("MemoryBlockCell", nets),
    ),
)  # fmt: skip
