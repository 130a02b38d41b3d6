"""How much does each step stretch the state, and how far back does its gradient get?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_rnn import measure
from viz import theme
from viz.charts.axes import log_axis, scale, whole_numbers
from viz.charts.figure import Plot, beside, label_rows, legend, only, panels
from viz.exhibit import FLOW, Exhibit

MOST_STEPS = 64  # lines that can still be told apart
MOST_CURVES = 8  # of a spectrum; a shade says where the others are


def jacobian_spectra(
    loss: Any, letters: str | Sequence[str] | None = None, lane: str | None = None
) -> Plot:
    """The stretching of a small change of the state by each step: all singular values.

    Thin: the singular values of ∂h_{t+1}/∂h_t (geometric mean over examples): of more than
    8 some, and a shade from the smallest to the largest; thick: the largest;
    dashed: the geometric mean of all directions that the product of all steps keeps best, e^λ of
    the largest Lyapunov exponent λ. Above 1 a step amplifies, below it damps.

    Parameters
    ----------
    loss
        The loss, or outputs; or what `measure.step_jacobians` gave; or a dict of such by title.
    letters, lane
        As in `measure.step_jacobians`.

    Returns
    -------
    Its ``.numbers`` are `measure.step_jacobians` (by title if there are several panels), of which
    ``.numbers.singular_values()`` are the curves, (T − 1, examples, n); ``.csv(path)`` writes one
    row for each step, example and value.

    Raises
    ------
    ValueError
        There is only one step.
    """
    found = panels(loss, lambda x: measure.step_jacobians(x, letters, lane), measure.StepJacobians)
    if any(len(j.steps) < 2 for j in found.values()):
        raise ValueError(
            "jacobian_spectra: one step alone has no Jacobian from step to step. Unroll for longer."
        )

    def draw(figure: Any) -> None:
        from matplotlib.lines import Line2D

        spectra = {title: _mean_over_examples(j) for title, j in found.items()}
        low, high = scale([*spectra.values(), np.array([1.0])])
        axes = beside(figure, len(found), 32, sharey=True)
        for ax, (title, j) in zip(axes, found.items(), strict=True):
            s = spectra[title]
            s = np.where(s > 0, s, np.nan)  # 0 has no logarithm
            ax.axhline(1, color=theme.BLACK, linewidth=1)
            thin = np.unique(np.linspace(0, s.shape[1] - 1, min(s.shape[1], MOST_CURVES)).round())
            if len(thin) < s.shape[1]:
                ends = np.nanmin(s, axis=1, initial=np.inf), np.nanmax(s, axis=1, initial=0)
                good = [np.where(np.isfinite(v) & (v > 0), v, np.nan) for v in ends]
                ax.fill_between(j.steps[1:], *good, color=theme.SKY, alpha=0.16, linewidth=0)
            for k in thin.astype(int)[::-1]:
                thick = k == 0
                ax.plot(
                    j.steps[1:],
                    s[:, k],
                    color=theme.BLUE if thick else theme.SKY,
                    linewidth=2.8 if thick else 1.1,
                )
            rate = float(j.lyapunov()[:, 0].mean())
            if np.isfinite(rate):
                kept = f"in the long run ×{np.exp(rate):.3g} a step"
                ax.axhline(np.exp(rate), color=theme.VERMILION, linestyle="--")
            else:
                kept = "in the long run: nothing finite is kept"
            log_axis(ax, low, high)
            ax.set_xlabel("step t")
            ax.set_title(f"{title}\n{kept}" if title else kept)
            ax.grid()
            whole_numbers(ax, j.steps)
        legend(
            figure,
            handles=[
                Line2D([], [], color=theme.BLUE, linewidth=2.8, label="largest"),
                Line2D([], [], color=theme.SKY, linewidth=0.8, label="all others"),
                Line2D(
                    [], [], color=theme.VERMILION, linestyle="--", label="long run, $e^\\lambda$"
                ),
                Line2D([], [], color=theme.BLACK, linewidth=1, label="1: nothing changes"),
            ],
            most=4 if len(found) > 1 else 2,
        )
        parts = {j.letters for j in found.values()}
        one = len(parts) == 1 and len(min(parts)) == 1
        s = min(parts)[0] if one else "s"
        label = rf"singular values of $\partial {s}_t / \partial {s}_{{t-1}}$"
        label_rows(axes, label if one else f"{label}\ns: all of the state")

    return Plot(only(found), draw, (2.4 + 3.4 * len(found), 4.6))


def reach(loss: Any, letter: str | None = None, lane: str | None = None) -> Plot:
    """The reach of a gradient back from each step, where the record is cut.

    Parameters
    ----------
    loss
        The loss, or outputs; or one of what `measure.reach` gave; or a dict of such by title, whose
        panels share their axes.
    letter, lane
        Which state of which lane; the last one by default.

    Returns
    -------
    Its ``.numbers`` are one of `measure.reach` (by title if there are several panels), arrays
    ``first``, ``back`` and ``cuts``; ``.csv(path)`` writes one row for each step.

    Raises
    ------
    ValueError
        There is no such state.
    """
    found = panels(loss, lambda x: _one_reach(x, letter, lane), measure.Reach)

    def draw(figure: Any) -> None:
        axes = beside(figure, len(found), sharex=True, sharey=True)
        for ax, (title, r) in zip(axes, found.items(), strict=True):
            first = ax is axes[0]
            few = len(r.steps) <= MOST_STEPS
            ax.hlines(r.steps, r.first, r.steps, theme.BLUE, linewidth=2.4 if few else 0.8)
            ax.plot(r.steps, r.steps, "o", color=theme.BLACK, markersize=5 if few else 1)
            sign = 1 if r.steps[0] <= r.steps[-1] else -1
            if len(r.cuts):
                ax.vlines(
                    r.cuts - sign * 0.5, 0, 1, theme.ORANGE, linestyle="--",
                    linewidth=2 if few else 0.6, transform=ax.get_xaxis_transform(),
                )  # fmt: skip
            ax.set(title=title, xlabel="step k that the gradient gets to")
            if first:
                ax.plot([], [], "o", color=theme.BLACK, markersize=5, label="state")
                ax.plot([], [], color=theme.BLUE, label="its gradient gets this far back")
            whole_numbers(ax, r.steps, r.steps)
            ax.grid()
        if any(len(r.cuts) for r in found.values()):
            axes[0].plot([], [], "--", color=theme.ORANGE, linewidth=2, label="cut")
        axes[0].invert_yaxis()
        letters = {r.letter for r in found.values()}
        label_rows(axes, f"step t of the state ${min(letters) if len(letters) == 1 else 's'}_t$")
        legend(figure, "above", 3)

    return Plot(only(found), draw, (2.2 + 4.2 * len(found), 4.6))


def _one_reach(loss: Any, letter: str | None, lane: str | None) -> measure.Reach:
    every = measure.reach(loss)
    fits = [r for r in every if lane in (None, r.lane) and letter in (None, r.letter)]
    if not fits:
        known = ", ".join(f"{r.letter} of {r.lane}" for r in every) or "none"
        raise ValueError(f"reach: no such state is handed on; there are: {known}.")
    return fits[-1]


def _mean_over_examples(j: measure.StepJacobians) -> np.ndarray:
    """The geometric mean, (T − 1, n)."""
    with np.errstate(all="ignore"):
        return np.exp(np.log(j.singular_values()).mean(axis=1))


EXHIBITS = (
    Exhibit(
        jacobian_spectra, FLOW, "38_spectra.svg",
        "What one step does to a small change of the state",
        "The largest singular value may lie above 1 and the product still vanish: dashed.",
        lambda nets: jacobian_spectra({name: losses[-1] for name, losses in nets.reads.items()}),
    ),
    Exhibit(
        reach, FLOW, "40_reach.svg", "How far back the gradient gets",
        "Never past a cut: k1 = k2 = 2.",
        lambda nets: reach(nets.small.truncated()),
    ),
)  # fmt: skip
