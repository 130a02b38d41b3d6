"""How long is the gradient at each step: of the states, and of the weights?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn import measure
from viz import theme
from viz.charts.axes import beyond, log_axis, look, scale, whole_numbers
from viz.charts.figure import Plot, beside, label_rows, legend, only, panels
from viz.exhibit import FLOW, Exhibit


def gradient_norms(
    loss: Any,
    letter: str | None = None,
    lane: str | None = None,
    *,
    W: Any = None,
    activation: str = "tanh",
) -> Plot:
    """The norm of the gradient at the state of each step, for all examples, and its bound.

    Line: the median example; bands: the middle half of the examples, and all of them. Dashed: what
    no norm of a plain RNN exceeds, γ·σ_max(W) for each step back. All panels share one scale.

    Parameters
    ----------
    loss
        A recorded scalar; or what `measure.gradient_norms` gave; or a dict of such by title.
    letter, lane, activation
        As in `measure.gradient_norms`.
    W
        The recurrent matrix, such as ``cell.W_h``, for the bound; of several panels a dict by
        title, in which those without a bound are missing.

    Returns
    -------
    Its ``.numbers`` are `measure.gradient_norms` (by title if there are several panels);
    ``.csv(path)`` writes one row for each step and example.

    Raises
    ------
    ValueError, TypeError
        As `measure.gradient_norms`.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> cell = nn.RNNCell(2, 3, rng=0)
    >>> outputs, _ = nn.unroll(cell, np.ones((5, 1, 2)))
    >>> gradient_norms(outputs[-1].sum(), W=cell.W_h).numbers.norms.shape
    (5, 1)
    """

    def measured(x: Any, w: Any) -> measure.GradientNorms:
        return measure.gradient_norms(x, letter, lane, W=w, activation=activation)

    found = _with(
        loss,
        W,
        measured,
        measure.GradientNorms,
    )

    def draw(figure: Any) -> None:
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        bounds = [m.bound for m in found.values() if m.bound is not None]
        low, high = scale([m.norms for m in found.values()])
        if bounds:  # a bound may run out of the picture, but not make what is measured a flat line
            high = min(scale(bounds)[1], max(high, 1.0) * 1e4)
        axes = beside(figure, len(found), sharey=True)
        many = any(m.norms.shape[1] > 1 for m in found.values())
        for ax, (title, m) in zip(axes, found.items(), strict=True):
            shown = np.where(np.isfinite(m.norms) & (m.norms > 0), m.norms, np.nan)
            rows = _quantiles(shown, (0, 0.25, 0.5, 0.75, 1))
            for a, b, alpha in ((0, 4, 0.18), (1, 3, 0.3)):
                ax.fill_between(
                    m.steps, rows[a], rows[b], color=theme.BLUE, alpha=alpha, linewidth=0
                )
            marker = "o" if len(m.steps) == 1 else None
            ax.plot(m.steps, rows[2], color=theme.BLUE, marker=marker)
            if m.bound is not None:
                bound = np.where(m.bound > 0, m.bound, np.nan).max(axis=1)
                shown = np.minimum(bound, high * 10)
                ax.plot(m.steps, shown, color=theme.VERMILION, linestyle="--")
                title += f"\n$\\gamma\\sigma_\\mathrm{{max}}$ = {m.rate:.3g}"
            ax.set_title((title + beyond(m.norms)).strip())
            ax.set_xlabel("step t")
            log_axis(ax, low, high)
            whole_numbers(ax, m.steps, most=5)
            ax.grid()
        letters = {m.letter for m in found.values()}
        letter = min(letters) if len(letters) == 1 else "s"
        label_rows(axes, rf"$\Vert\,\partial L\, /\, \partial {letter}_t\,\Vert$")
        handles: list[Any] = []
        if many:
            handles.append(Line2D([], [], color=theme.BLUE, label="median example"))
            handles.append(Patch(color=theme.BLUE, alpha=0.42, label="middle half"))
            handles.append(Patch(color=theme.BLUE, alpha=0.18, label="all"))
        if bounds:
            label = "bound: no norm is above it"
            handles.append(Line2D([], [], color=theme.VERMILION, linestyle="--", label=label))
        if handles:
            legend(figure, "below", 4, handles=handles)

    return Plot(only(found), draw, (1.6 + 2.7 * max(len(found), 1.9), 4.4))


def parameter_gradients(
    loss: Any, parameters: Sequence[Any] | dict[str, Any] | None = None
) -> Plot:
    """The share of each step in the gradient of each parameter: its norm, step by step.

    A parameter is used at every step, and its gradient is the sum over them: where the loss is at
    the end, the early steps often ask for next to nothing. All panels share one scale.

    Parameters
    ----------
    loss
        A recorded scalar; or what `measure.parameter_gradients` gave; or a dict of such by title.
    parameters
        As in `measure.parameter_gradients`; of several panels a dict by title.

    Returns
    -------
    Its ``.numbers`` are `measure.parameter_gradients` (by title if there are several panels);
    ``.csv(path)`` writes one row for each parameter and step.

    Raises
    ------
    ValueError, TypeError
        As `measure.parameter_gradients`.
    """
    found = _with(loss, parameters, measure.parameter_gradients, measure.ParameterGradients)

    def draw(figure: Any) -> None:
        low, high = scale([m.norms for m in found.values()])
        axes = beside(figure, len(found), sharey=True)
        names = dict.fromkeys(name for m in found.values() for name in m.names)
        looks = {name: look(k) for k, name in enumerate(names)}
        for ax, (title, m) in zip(axes, found.items(), strict=True):
            for name, norms in zip(m.names, m.norms, strict=True):
                good = np.where(np.isfinite(norms) & (norms > 0), norms, np.nan)
                marker = "o" if len(m.steps) == 1 else None
                ax.plot(m.steps, good, **looks[name], marker=marker)
            ax.set(title=title, xlabel="step t")
            log_axis(ax, low, high)
            whole_numbers(ax, m.steps, most=5)
            ax.grid()
        label_rows(axes, r"$\Vert\,\partial L\, /\, \partial W\,\Vert$ of step t alone")
        for name, style in looks.items():
            these = [m.norms[k] for m in found.values() for k, n in enumerate(m.names) if n == name]
            axes[0].plot([], [], **style, label=name + beyond(np.concatenate(these)))
        legend(figure, "below", 5)

    return Plot(only(found), draw, (1.6 + 2.7 * max(len(found), 1.9), 4.4))


def _with(losses: Any, more: Any, measured: Callable[..., Any], kind: type) -> dict[str, Any]:
    """The measure of each panel, with what `more` has for its title, or is for all of them."""
    every = panels(losses, lambda x: x, kind)
    by_title = more if isinstance(more, dict) else dict.fromkeys(every, more)
    return {
        title: x if isinstance(x, kind) else measured(x, by_title.get(title))
        for title, x in every.items()
    }


def _quantiles(rows: np.ndarray, at: tuple[float, ...]) -> np.ndarray:
    """Of each step, over the examples that are numbers, (len(at), T)."""
    found = np.full((len(at), len(rows)), np.nan)
    there = ~np.isnan(rows).all(axis=1)
    found[:, there] = np.nanquantile(rows[there], at, axis=1)
    return found


def _bounded(nets: Any) -> Plot:
    losses, matrices = nets.measured.norms()
    return gradient_norms(losses, W=matrices)


EXHIBITS = (
    Exhibit(
        gradient_norms, FLOW, "34_norms.svg", "The norm of the gradient, and its bound",
        "Below 1 the bound says that the gradient must vanish; above 1 it says nothing.",
        lambda nets: _bounded(nets),
    ),
    Exhibit(
        parameter_gradients, FLOW, "35_weights.svg",
        "Which step asks for the change of the weights",
        "One matrix, used at each step: nearly all of its gradient comes from the last steps.",
        lambda nets: parameter_gradients(nets.reads["LSTM"][-1], nets.lstm.cell.parameters()),
    ),
)  # fmt: skip
