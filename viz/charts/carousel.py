"""What keeps the gradient alive on its way back through the states of a net, and do the gates?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn import measure
from viz import theme
from viz.charts.axes import log_axis, log_norm, magnitudes, scale, whole_numbers
from viz.charts.figure import Plot, legend, only, panels


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
    """The share of the last step's gradient that is left at each step before, net by net.

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

    Returns
    -------
    Its ``.numbers`` are `CarouselCurves` (by label if there are several nets): arrays ``relative``
    and ``gates``, the gradients of all states in ``gradients``; ``.csv(path)`` writes one row for
    each state and step.

    Raises
    ------
    ValueError
        There is no such lane, or none that hands a state on.
    """
    found = panels(loss, lambda x: _curves(x, state, gate, lane), CarouselCurves)
    states = {row.letter for curves in found.values() for row in curves.gradients}
    if state != "c" and state not in states:
        known = ", ".join(sorted(states))
        raise ValueError(f"carousel: no state is called {state!r}; there are: {known}.")
    if gate != "f" and all(curves.gates is None for curves in found.values()):
        raise ValueError(
            f"carousel: no gate {gate!r} decides what {state!r} keeps. Name both: state=…, gate=…"
        )

    def draw(figure: Any) -> None:
        from matplotlib.cm import ScalarMappable

        rows = [(title, row) for title, c in found.items() for row in c.gradients]
        strips, ax = figure.subplots(
            2, 1, sharex=True, gridspec_kw={"height_ratios": (0.26 * len(rows) + 0.2, 3.4)}
        )
        shown = {}
        for title, curves in found.items():
            for row in curves.gradients:
                shown[title, row.letter] = _relative(row.norms)
        through = [c.gates for c in found.values() if c.gates is not None]
        low, high = scale([*shown.values(), *through])
        for k, (title, row) in enumerate(rows):
            v = shown[title, row.letter]
            edges = np.append(np.sort(row.steps) - 0.5, row.steps.max() + 0.5)
            strips.pcolormesh(
                edges,
                [k - 0.36, k + 0.36],
                np.ma.masked_invalid(np.where(v == 0, low, v)[np.argsort(row.steps)])[None],
                norm=log_norm(low, high),
                cmap=magnitudes(),
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
            label += _beyond(curves.relative)
            ax.plot(curves.steps, curves.relative, color=colour, linestyle=dash, label=label)
            if curves.gates is not None:
                ax.plot(curves.steps, curves.gates, color=colour, linestyle=":", linewidth=1.6)
        if any(c.gates is not None for c in found.values()):
            label = rf"what the gates alone let through, $\prod {gate}$"
            ax.plot([], [], color=theme.GREY, linestyle=":", linewidth=1.6, label=label)
        log_axis(ax, low, high)
        figure.colorbar(
            ScalarMappable(log_norm(low, high), magnitudes()),
            ax=[strips, ax],
            label="gradient norm, last step = 1",
            shrink=0.7,
            aspect=28,
        )
        ax.set(xlabel="step t", ylabel="gradient norm, last step = 1")
        ax.grid()
        legend(figure, "below", 2)
        whole_numbers(ax, rows[0][1].steps)

    lanes = sum(len(c.gradients) for c in found.values())
    return Plot(only(found), draw, (7.6, 4.6 + 0.3 * lanes + 0.12 * len(found)))


def _beyond(v: np.ndarray) -> str:
    """In words, the values that a logarithmic axis cannot show."""
    zero, wild = int((v == 0).sum()), int((~np.isfinite(v)).sum())
    words = [f"exactly 0 at {zero} of {len(v)}"] * (zero > 0)
    words += [f"not finite at {wild} of {len(v)}"] * (wild > 0)
    return f" ({', '.join(words)})" if words else ""


def _curves(loss: Any, state: str, gate: str, lane: str | None) -> CarouselCurves:
    every = [x for x in measure.lanes(loss) if x.states]
    if not every:
        raise ValueError("carousel: no lane of the record hands a state on from step to step.")
    which = [x for x in every if lane in (None, x.name)]
    if not which:
        known = ", ".join(x.name for x in every)
        raise ValueError(f"carousel: no lane is called {lane!r}; there are: {known}.")
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
