"""Which numbers are best seen as curves along time, or as points?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn import measure
from viz import theme
from viz.maps import MOST_UNITS, positive, scale, whole_numbers
from viz.plot import Plot, only, panels


def gate_saturation(
    loss: Any, letters: str | Sequence[str] | None = None, lane: str | None = None
) -> Plot:
    """How often each unit's gate is nearly shut (below 0.1) and nearly open (above 0.9).

    One point per unit, the fractions over all steps and examples (after Karpathy, Johnson & Li
    2015, figure 3). At the lower right a forget gate erases always, at the top it keeps always, at
    the origin it is never at an end.

    Parameters
    ----------
    loss
        The loss, or outputs; or what `measure.gates` gave.
    letters, lane
        As in `measure.gates`.
    """
    found = loss if isinstance(loss, measure.Gates) else measure.gates(loss, letters, lane)

    def draw(figure: Any) -> None:
        axes = figure.subplots(1, len(found.values), squeeze=False, sharey=True)[0]
        for ax, (letter, points) in zip(axes, found.saturated().items(), strict=True):
            ax.plot([0, 1], [1, 0], color=theme.LIGHT, linewidth=1)
            ax.scatter(
                points[:, 0],
                points[:, 1],
                s=46,
                color=theme.BLUE,
                alpha=0.55,
                linewidth=0,
                zorder=3,
            )
            ax.set(
                xlim=(-0.03, 1.03),
                ylim=(-0.03, 1.03),
                xlabel="fraction below 0.1",
                xticks=[0, 0.5, 1],
            )
            ax.set_title(f"{letter}, {len(points)} units")
            ax.set_box_aspect(1)
            ax.grid()
        axes[0].set_ylabel("fraction above 0.9")

    return Plot(found, draw, (0.9 + 2.9 * len(found.values), 3.5))


@dataclass(frozen=True, eq=False)
class CarouselCurves(measure.Table):
    """The curves of one net: gradients of its states, and what the gates alone let through.

    Attributes
    ----------
    gradients
        Of each state, see `measure.state_gradients`.
    state
        Whose curve is drawn thick.
    relative
        ‖∂L/∂c_t‖ over that of the last step, (T,).
    gates
        ‖∂L/∂c_T · ∏ f‖ over ‖∂L/∂c_T‖, the product over the steps after t, (T,); None without such
        a gate.
    """

    gradients: tuple[measure.StateGradient, ...]
    state: str
    relative: np.ndarray
    gates: np.ndarray | None

    @property
    def steps(self) -> np.ndarray:
        """The step of each number, (T,)."""
        return next(row.steps for row in self.gradients if row.letter == self.state)

    def columns(self) -> dict[str, Any]:
        """One row per state and step."""
        rows = self.gradients
        blank = [float("nan")] * len(self.steps)
        gates = blank if self.gates is None else self.gates
        return {
            "letter": [row.letter for row in rows for _ in row.steps],
            "t": np.concatenate([row.steps for row in rows]),
            "norm": np.concatenate([row.norms for row in rows]),
            "gates": np.concatenate(
                [gates if row.letter == self.state else [np.nan] * len(row.steps) for row in rows]
            ),
        }


def carousel(loss: Any, state: str = "c", gate: str = "f", lane: str | None = None) -> Plot:
    """How much of the last step's gradient is left at each step before, net by net.

    Thick: the norm of ∂L/∂c_t over that at the last step (of ∂L/∂h_t where there is no c, in
    black). Dotted: what the forget gates alone let through, ∏ f. Above, a lane for each state, the
    darker the more arrives.

    Parameters
    ----------
    loss
        A recorded scalar, best of the last step alone; or a dict of such by label:
        ``{"forget bias 4": …, "RNN": …}``.
    state, gate, lane
        As in `measure.carousel`.
    """
    found = panels(loss, lambda x: _curves(x, state, gate, lane), CarouselCurves)

    def draw(figure: Any) -> None:
        from matplotlib.colors import ListedColormap, LogNorm

        rows = [(title, row) for title, c in found.items() for row in c.gradients]
        strips, ax = figure.subplots(
            2, 1, sharex=True, gridspec_kw={"height_ratios": (0.26 * len(rows) + 0.2, 3.4)}
        )
        shown = {}
        for title, curves in found.items():
            for row in curves.gradients:
                shown[title, row.letter] = _relative(row.norms)
        low, high = scale([*shown.values()])
        for k, (title, row) in enumerate(rows):
            v = shown[title, row.letter]
            edges = np.append(np.sort(row.steps) - 0.5, row.steps.max() + 0.5)
            strips.pcolormesh(
                edges,
                [k - 0.36, k + 0.36],
                np.ma.masked_invalid(np.where(v == 0, low, v)[np.argsort(row.steps)])[None],
                norm=LogNorm(low, high, clip=True),
                cmap=ListedColormap(theme.ramp()).with_extremes(bad=theme.IMPOSSIBLE),
                rasterized=True,
            )
        strips.set_yticks(
            range(len(rows)), [f"{row.letter}  {title}".strip() for title, row in rows]
        )
        strips.invert_yaxis()
        strips.tick_params(length=0, labelbottom=False)
        strips.spines[:].set_visible(False)
        number = 0
        for title, curves in found.items():
            plain = curves.gates is None
            colour = theme.BLACK if plain else theme.LINES[number % len(theme.LINES)]
            dash = "-" if plain else theme.DASHES[number % len(theme.DASHES)]
            number += not plain
            label = rf"{title}  $\partial L/\partial {curves.state}_t$".strip()
            ax.plot(curves.steps, curves.relative, color=colour, linestyle=dash, label=label)
            if curves.gates is not None:
                ax.plot(curves.steps, curves.gates, color=colour, linestyle=":", linewidth=1.6)
        if any(c.gates is not None for c in found.values()):
            label = rf"what the gates alone let through, $\prod {gate}$"
            ax.plot([], [], color=theme.GREY, linestyle=":", linewidth=1.6, label=label)
        _log_axis(ax, low, high)
        ax.set(xlabel="step t", ylabel="gradient norm, last step = 1")
        ax.grid()
        ax.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2, borderaxespad=0)
        whole_numbers(ax, rows[0][1].steps)

    states = sum(len(c.gradients) for c in found.values())
    return Plot(only(found), draw, (7.6, 4.6 + 0.3 * states + 0.12 * len(found)))


def jacobian_spectra(
    loss: Any, letters: str | Sequence[str] | None = None, lane: str | None = None
) -> Plot:
    """How one step stretches a small change of the state: all singular values, step by step.

    Thin: each singular value of ∂h_{t+1}/∂h_t (geometric mean over examples); thick: the largest;
    dashed: the geometric mean of all directions that the product of all steps keeps best, e^λ of
    the largest Lyapunov exponent λ. Above 1 a step amplifies, below it damps.

    Parameters
    ----------
    loss
        The loss, or outputs; or what `measure.step_jacobians` gave; or a dict of such by title.
    letters, lane
        As in `measure.step_jacobians`.

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
        spectra = {title: _mean_over_examples(j) for title, j in found.items()}
        low, high = scale([*spectra.values(), np.array([1.0])])
        axes = figure.subplots(1, len(found), squeeze=False, sharey=True)[0]
        for ax, (title, j) in zip(axes, found.items(), strict=True):
            s = spectra[title]
            s = np.where(s > 0, s, np.nan)  # 0 has no logarithm
            ax.axhline(1, color=theme.BLACK, linewidth=1)
            thin = np.unique(np.linspace(0, s.shape[1] - 1, min(s.shape[1], MOST_UNITS)).round())
            for k in thin.astype(int)[::-1]:
                thick = k == 0
                ax.plot(
                    j.steps[1:],
                    s[:, k],
                    color=theme.BLUE if thick else theme.SKY,
                    linewidth=2.8 if thick else 0.8,
                    alpha=1 if thick else 0.75,
                    label="largest" if thick else None,
                )
            rate = float(j.lyapunov()[:, 0].mean())
            if np.isfinite(rate):
                label = f"kept per step in the long run: {np.exp(rate):.3g}"
                ax.axhline(np.exp(rate), color=theme.VERMILION, linestyle="--", label=label)
            _log_axis(ax, low, high)
            ax.set_xlabel("step t")
            ax.set_title(title)
            ax.grid()
            ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0 if not title else 1.08), ncols=2)
            whole_numbers(ax, j.steps)
        parts = {j.letters for j in found.values()}
        one = len(parts) == 1 and len(min(parts)) == 1
        s = min(parts)[0] if one else "s"
        label = rf"singular values of $\partial {s}_t / \partial {s}_{{t-1}}$"
        axes[0].set_ylabel(label if one else f"{label}\ns: all of the state", fontsize=12)

    return Plot(only(found), draw, (1.4 + 5.2 * len(found), 4.4))


def reach(loss: Any, letter: str | None = None, lane: str | None = None) -> Plot:
    """How far back a gradient can flow from each step, where the record is cut.

    Parameters
    ----------
    loss
        The loss, or outputs; or one of what `measure.reach` gave.
    letter, lane
        Which state of which lane; the last one by default.

    Raises
    ------
    ValueError
        There is no such state.
    """
    found = loss if isinstance(loss, measure.Reach) else _one_reach(loss, letter, lane)

    def draw(figure: Any) -> None:
        ax = figure.subplots()
        for t, first in zip(found.steps, found.first, strict=True):
            ax.plot([first, t], [t, t], color=theme.BLUE, linewidth=2.4)
        ax.plot(found.steps, found.steps, "o", color=theme.BLACK, markersize=4, label="state")
        sign = 1 if found.steps[0] <= found.steps[-1] else -1
        for k, cut in enumerate(found.cuts):
            ax.axvline(
                cut - sign * 0.5,
                color=theme.ORANGE,
                linestyle="--",
                linewidth=1.8,
                label=None if k else "cut",
            )
        ax.plot([], [], color=theme.BLUE, linewidth=2.4, label="its gradient gets this far back")
        ax.invert_yaxis()
        ax.set(
            xlabel="step k that the gradient gets to",
            ylabel=f"step t of the state ${found.letter}_t$",
        )
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0)
        whole_numbers(ax, found.steps, found.steps)
        ax.grid()

    return Plot(found, draw, (6.4, 4.4))


def _one_reach(loss: Any, letter: str | None, lane: str | None) -> measure.Reach:
    every = measure.reach(loss)
    fits = [r for r in every if lane in (None, r.lane) and letter in (None, r.letter)]
    if not fits:
        known = ", ".join(f"{r.letter} of {r.lane}" for r in every) or "none"
        raise ValueError(f"reach: no such state is handed on; there are: {known}.")
    return fits[-1]


def _curves(loss: Any, state: str, gate: str, lane: str | None) -> CarouselCurves:
    which = measure.lanes(loss)
    which = [x for x in which if lane in (None, x.name) and x.states]
    if not which:
        raise ValueError("carousel: no lane of the record hands a state on from step to step.")
    here = which[-1]
    found = [row for row in measure.state_gradients(loss).rows if row.lane == here.name]
    letter = state if state in here.states else found[-1].letter
    row = next(row for row in found if row.letter == letter)
    gates = None
    if letter == state and gate in here.values:
        f = here.array(gate)[: len(row.steps)]
        with np.errstate(all="ignore"):
            kept = np.ones_like(f)
            kept[:-1] = np.cumprod(f[:0:-1], axis=0)[::-1]
            through = row.gradients[-1] * kept
            gates = _relative(np.sqrt((through**2).reshape(len(f), -1).sum(axis=1)))
    return CarouselCurves(tuple(found), letter, _relative(row.norms), gates)


def _relative(norms: np.ndarray) -> np.ndarray:
    """Over the last one; as they are where that is 0 or not finite."""
    last = norms[-1]
    return norms / last if np.isfinite(last) and last > 0 else norms


def _mean_over_examples(j: measure.StepJacobians) -> np.ndarray:
    """The geometric mean, (T − 1, n)."""
    with np.errstate(all="ignore"):
        return np.exp(np.log(j.singular_values()).mean(axis=1))


def _log_axis(ax: Any, low: float, high: float) -> None:
    ax.set_yscale("log")
    ax.set_ylim(low, high * 1.6)


__all__ = ["CarouselCurves", "carousel", "gate_saturation", "jacobian_spectra", "positive", "reach"]
