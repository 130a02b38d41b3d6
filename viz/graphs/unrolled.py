"""Which pictures are there?"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, Unpack

from tinygrad_rnn import Tensor
from viz.exhibit import FIRST, GRAPH, Exhibit
from viz.graphs.asked import BUDGET, Detail, Weights, automatic, chosen, recorded, recorded_scalar
from viz.graphs.gradient_flow import flow
from viz.graphs.options import Options, checked
from viz.graphs.side_by_side import compared
from viz.graphs.sized import fitted
from viz.layout.fit import letters_in, page
from viz.record.arguments import check
from viz.record.builder import select
from viz.record.fold import fold
from viz.record.parts import Parts
from viz.render.drawing import Drawing

# of cells that are to be seen at one glance
CELLS: Options = {"shapes": False, "initial": False, "targets": False, "numbered": True}


def unrolled(
    loss: Any,
    /,
    detail: Detail = "auto",
    *,
    weights: Weights | None = None,
    per_line: int | None = None,
    budget: int = BUDGET,
    **options: Unpack[Options],
) -> Drawing:
    """The recorded graph along time: one block per step, layers above each other.

    Parameters
    ----------
    loss
        The Tensor whose record is drawn, or several: outputs, a state, an array of scalars.
    detail
        ``"cell"``: one box per step; ``"gate"``: the named values inside, with their formulas;
        ``"op"``: every primitive; ``"scalar"``: every single number, for tiny nets. ``"auto"``
        is ``"op"``; with a `size` ``"gate"`` for one step, ``"cell"`` for several.
    weights
        ``"stub"``: parameters as small nodes at each step; ``"hub"``: one node each, shared by all
        steps, good for few steps; ``"hide"``: not drawn. By default stubs, hidden at ``"cell"``.
    per_line
        Steps in one line of the picture; as many as fit a wide page by default.
    budget
        With more operations than this (at ``"cell"``: cells) the middle steps are left out, and the
        picture says so.
    options
        What is shown, what it is called, and for which `size`: see `viz.Options`.

    Raises
    ------
    TypeError
        `loss` is no Tensor; or, at ``"scalar"``, a primitive has no meaning on single numbers;
        `per_line` or `budget` is no whole number.
    ValueError
        Nothing was recorded, `detail` or `weights` is unknown, `per_line` or `budget` less than 1.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_rnn import nn
    >>> outputs, state = nn.unroll(nn.RNNCell(3, 4, rng=0), np.zeros((5, 2, 3)))
    >>> unrolled(outputs[-1], detail="cell").source.count("subgraph cluster")
    5
    """
    roots = recorded(loss, "unrolled")
    check("unrolled", per_line=per_line, budget=budget)
    checked("unrolled", options)
    detail = automatic(detail, roots, options)
    if options.get("size") is not None and detail == "cell":
        options = {**CELLS, **options}
    args = chosen("unrolled", roots, detail, weights)
    opened = options.get("opened", ())
    make = partial(select, *args, opened=opened)
    return fitted("unrolled", make, budget, per_line, options)


def folded(
    loss: Any,
    /,
    detail: Detail = "auto",
    *,
    weights: Weights | None = None,
    per_line: int | None = None,
    budget: int = BUDGET,
    **options: Unpack[Options],
) -> Drawing:
    """The recorded graph with equal steps drawn once; dashed edges lead from a step to the next.

    Whether steps are equal is read from the record, operation by operation, never assumed: a step
    that differs (a loss at the end, another cell) gets a block of its own.

    Parameters
    ----------
    loss, detail, weights, per_line
        As in `unrolled`.
    budget
        With more nodes than this, when folded, the middle steps are left out.

    Raises
    ------
    TypeError, ValueError
        As `unrolled`.
    """
    roots = recorded(loss, "folded")
    check("folded", per_line=per_line, budget=budget)
    checked("folded", options)
    detail = automatic(detail, roots, options)
    args = chosen("folded", roots, detail, weights)
    make = partial(folding, *args, opened=options.get("opened", ()))
    return fitted("folded", make, budget, per_line, options)


def folding(
    roots: list[Tensor],
    detail: str,
    weights: str,
    budget: int,
    page: bool = False,
    opened: Collection[str] = (),
) -> Parts:
    """The parts of a folded picture; if equal steps are too few, without the middle ones."""
    parts = fold(select(roots, detail, weights, sys.maxsize, opened=opened))
    if sum(len(block.nodes) for block in parts.blocks) > budget:
        parts = fold(select(roots, detail, weights, budget, page, opened))
    return parts


def gradient_flow(
    loss: Tensor | Mapping[str, Tensor],
    /,
    detail: Detail = "auto",
    *,
    weights: Weights | None = None,
    per_line: int | None = None,
    budget: int = BUDGET,
    **options: Unpack[Options],
) -> Drawing:
    """The unrolled graph with the size of the gradient on every edge, as colour and width.

    The scale is logarithmic. The number on an edge between steps is the Euclidean norm of what
    flows back along it: all of ∂loss/∂h if only the next step uses h. No gradient (of constants,
    behind `stop_gradient`) is dotted grey, a gradient of exactly zero dashed red.

    Parameters
    ----------
    loss
        A recorded scalar. It is differentiated once, with respect to all its float leaves. Several
        by title, ``{"RNN": a, "LSTM": b}``, are drawn on one sheet and on one scale.
    detail, weights, per_line, budget, options
        As in `unrolled`; at ``"cell"`` shapes, initial states and targets are left out, and inputs
        numbered, unless options say otherwise.

    Returns
    -------
    A picture with numbers: ``.numbers.norms`` and, as long, ``.tails``, ``.heads``, ``.letters``,
    ``.lanes`` and ``.steps``; ``.csv(path)`` writes one row for each edge with a gradient.

    Raises
    ------
    TypeError, ValueError
        As `unrolled`; ValueError also if `loss` is no scalar, or there is nothing to differentiate
        by.
    """
    check("gradient_flow", per_line=per_line, budget=budget)
    checked("gradient_flow", options)
    if isinstance(loss, Mapping) and loss:
        detail = automatic(detail, recorded(loss, "gradient_flow"), options)
        if detail == "cell":
            options = {**CELLS, **options}
        return compared(loss, detail, weights, per_line, budget, options)
    roots = [recorded_scalar(loss, "gradient_flow")]
    detail = automatic(detail, roots, options)
    args = chosen("gradient_flow", roots, detail, weights)
    if detail == "cell":
        options = {**CELLS, **options}

    room = page("gradient_flow", options.get("size"), options.get("min_font"))
    legend = None if room is None else letters_in(room)

    def make(most: int, sized: bool) -> Parts:
        parts = select(*args, most, sized, options.get("opened", ()))
        flow(parts, args[0][0], legend)
        return parts

    return fitted("gradient_flow", make, budget, per_line, options)


def graph(
    loss: Any,
    /,
    *,
    weights: Weights | None = None,
    per_line: int | None = None,
    budget: int = BUDGET,
    **options: Unpack[Options],
) -> Drawing:
    """Every primitive behind any expression, recorded gradients (``create_graph=True``) in blue.

    A gradient stands below the step that it differentiates and runs from right to left; values of
    the forward pass that it uses are quoted in dashed boxes.

    Parameters
    ----------
    loss
        A Tensor, or Tensors in lists, tuples, dicts or object arrays.
    weights, per_line, budget
        As in `unrolled`.

    Raises
    ------
    TypeError, ValueError
        As `unrolled`.

    Examples
    --------
    >>> from tinygrad_rnn import Tensor
    >>> x = Tensor(3.0, name="x")
    >>> graph(x * x).source.count("->")
    2
    """
    roots = recorded(loss, "graph")
    check("graph", per_line=per_line, budget=budget)
    checked("graph", options)
    args = chosen("graph", roots, "op", weights)
    return fitted("graph", partial(select, *args), budget, per_line, options)


EXHIBITS = (
    Exhibit(
        gradient_flow, FIRST, "00_first.svg", "Two nets, seven steps, one scale",
        "Step by step back the gradient of the RNN shrinks; along c, past an open forget "
        "gate, that of the LSTM stays as it is.",
        lambda nets: gradient_flow(nets.small.far(), "cell", names={"rnn": "RNN", "lstm": "LSTM"}),
    ),
    Exhibit(
        unrolled, GRAPH, "20_unrolled.svg", "One cell, five times",
        "The same weights at every step; each loss is the loss of its step and, by way of h, "
        "of all before.",
        lambda nets: unrolled(nets.small.answering(), size="page"),
    ),
    Exhibit(
        gradient_flow, GRAPH, "21_gradient.svg", "In the steps, with the gradient on every edge",
        "Darker and thicker is more: at each step a part goes to weights, the rest to the past.",
        lambda nets: gradient_flow(nets.small.two_steps(), "gate", shapes=False),
    ),
    Exhibit(
        folded, GRAPH, "22_folded.svg", "Folded",
        "One step of a GRU, drawn once; the dashed arrows lead into the next step.",
        lambda nets: folded(nets.few["GRU"]),
    ),
    Exhibit(
        graph, GRAPH, "27_derivative.svg", "A derivative is a record, too",
        "Blue is the derivative of tanh(x²), which can itself be differentiated.",
        lambda nets: graph(nets.small.derivative()),
    ),
)  # fmt: skip
