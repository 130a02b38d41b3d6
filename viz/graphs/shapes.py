"""What goes in, and what comes out: one or many?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_rnn import nn, scope
from viz.exhibit import GRAPH, Exhibit
from viz.graphs.asked import BUDGET, chosen
from viz.record.arguments import check
from viz.record.builder import select
from viz.render.panels import Panel, Sheet


def sequence_shapes(
    cell: Callable[..., Any] = nn.RNNCell, steps: int = 3, *, across: bool = False
) -> Sheet:
    """The five shapes of a recurrent model on one sheet: 1→1, 1→n, n→1, n→n and n→m.

    Each is recorded, with one cell and one read-out, and drawn from its record: an input below its
    step, an answer above it. Where there is no input, the last answer is read.

    Parameters
    ----------
    cell
        Which cell, a class.
    steps
        How many "many" is.
    across
        Whether the five stand beside each other, as on a slide, and not below.

    Raises
    ------
    TypeError, ValueError
        `steps` is no whole number from 1, or `cell` cannot be made of two sizes.

    Examples
    --------
    >>> sequence_shapes(nn.GRUCell)
    <sheet of one to one, one to many, many to one, many to many, many to many, delayed>
    """
    check("sequence_shapes", steps=steps)
    last = steps - 1
    shapes = {
        "one to one": (1, range(1)),
        "one to many": (1, range(steps)),
        "many to one": (steps, range(last, steps)),
        "many to many": (steps, range(steps)),
        "many to many, delayed": (steps, range(last, last + steps)),
    }
    panels = []
    for title, (inputs, answers) in shapes.items():
        ys = _answers(cell(3, 3, rng=0), inputs, answers)
        parts = select(*chosen("sequence_shapes", ys, "cell", "hide"), BUDGET)
        panels.append(Panel(title, parts))
    return Sheet(panels, across=across)


def _answers(cell: Any, inputs: int, answers: range) -> list[Any]:
    """The record of a model that reads so many inputs, and answers at these steps."""
    read, state = nn.Linear(cell.hidden_size, 3, rng=0), cell.initial_state(1)
    found: list[Any] = []
    for t in range(answers.stop):
        x = np.zeros((1, 3)) if t < inputs else found[-1]
        with scope("cell", t=t, x=x):
            state = cell(x, state)
        if t in answers:
            with scope("read", t=t):
                found.append(read(state[0] if isinstance(state, tuple) else state))
    return found


EXHIBITS = (
    Exhibit(
        sequence_shapes, GRAPH, "30_shapes.svg", "One or many, in and out",
        "One cell, five models: only what is read and when an answer is given differs.",
        lambda nets: sequence_shapes(),
    ),
)  # fmt: skip
