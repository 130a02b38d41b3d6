"""What keeps the gradient alive on its way back through the states of a net, and do the gates?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from tinygrad_rnn import Tensor, measure
from viz import theme
from viz.charts.axes import log_axis, log_norm, magnitudes, scale, whole_numbers
from viz.charts.figure import Plot, legend, only, panels
from viz.exhibit import FLOW, Exhibit


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
        ‖∂L/∂c_t‖ over that of step `unit`, (T,).
    gates
        ‖∂L/∂c_u · ∏ f‖ over ‖∂L/∂c_u‖, the product over the steps after t up to `unit`, (T,); None
        where no such gate is what the state before is multiplied by.
    unit
        The last step whose gradient is not 0.
    """

    gradients: tuple[measure.StateGradient, ...]
    state: str
    relative: np.ndarray
    gates: np.ndarray | None
    unit: int = -1

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

    Thick: the norm of ∂L/∂c_t over that at the last step where it is not 0 (of ∂L/∂h_t where there
    is no c, the first such in black). Dotted: what the forget gates alone let through, ∏ f, where
    c_t is f times c_{t-1} and what is added. Above, a lane for each state, the darker the more
    arrives.

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
                shown[title, row.letter] = _relative(row.norms, _unit(row.norms))
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
        number, plain = 0, False
        for title, curves in found.items():
            black = curves.gates is None and not plain
            plain = plain or black
            turn = number // len(theme.LINES)  # of the same colours again, with other dashes
            colour = theme.BLACK if black else theme.LINES[number % len(theme.LINES)]
            dash = "-" if black else theme.DASHES[(number + turn) % len(theme.DASHES)]
            number += not black
            label = rf"{title}  $\partial L/\partial {curves.state}_t$".strip()
            if curves.unit != curves.steps[-1]:
                label += f", 1 at t = {curves.unit}"
            label += _beyond(curves.relative)
            ax.plot(curves.steps, curves.relative, color=colour, linestyle=dash, label=label)
            if curves.gates is not None:
                ax.plot(curves.steps, curves.gates, color=colour, linestyle=":", linewidth=1.6)
        if any(c.gates is not None for c in found.values()):
            label = rf"what the gates alone let through, $\prod {gate}$"
            ax.plot([], [], color=theme.GREY, linestyle=":", linewidth=1.6, label=label)
        log_axis(ax, low, high)
        last = all(curves.unit == curves.steps[-1] for curves in found.values())
        unit = f"gradient norm, last step{'' if last else ' that is not 0'} = 1"
        figure.colorbar(
            ScalarMappable(log_norm(low, high), magnitudes()),
            ax=[strips, ax],
            label=unit,
            shrink=0.7,
            aspect=28,
        )
        ax.set(xlabel="step t", ylabel=unit)
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
    unit = _unit(row.norms)
    gates = None
    if letter == state and gate in here.values and _keeps(here, state, gate):
        f = here.array(gate)[: len(row.steps)]
        with np.errstate(all="ignore"):
            kept = np.full_like(f, np.nan)  # after the step that all is compared with, nothing
            kept[unit] = 1
            kept[:unit] = np.cumprod(f[unit:0:-1], axis=0)[::-1]
            through = row.gradients[unit] * kept
            norms = np.sqrt((through**2).reshape(len(f), -1).sum(axis=1))
            gates = _relative(norms, unit)
    t = int(row.steps[unit])
    return CarouselCurves(tuple(found), letter, _relative(row.norms, unit), gates, t)


def _keeps(lane: measure.Lane, state: str, gate: str) -> bool:
    """Whether a state is the gate times the state before, and what is added, at all steps."""
    indices, states = lane.of(state)
    at, gates = lane.of(gate)
    f = dict(zip(at, gates, strict=True))
    for (_, before), (k, now) in pairwise(zip(indices, states, strict=True)):
        terms, todo = list[Tensor](), [now]
        while todo:
            node = todo.pop()
            adds = node.op is not None and node.op.name == "add"
            terms += [] if adds else [node]
            todo += [x for x in node.inputs if adds and type(x) is Tensor]
        kept = {id(before), id(f.get(k))}
        products = [x.inputs for x in terms if x.op is not None and x.op.name == "multiply"]
        if before in set(terms) or not any({*map(id, xs)} == kept for xs in products):
            return False
    return True


def _unit(norms: np.ndarray) -> int:
    """The number of the last step with a gradient that is finite and not 0, else of the last."""
    known = np.flatnonzero(np.isfinite(norms) & (norms > 0))
    return int(known[-1]) if len(known) else len(norms) - 1


def _relative(norms: np.ndarray, unit: int) -> np.ndarray:
    """Over that of step number `unit`; as they are where that is 0 or not finite."""
    one = norms[unit]
    return norms / one if np.isfinite(one) and one > 0 else norms


EXHIBITS = (
    Exhibit(
        carousel, FLOW, "37_carousel.svg", "The constant error carousel",
        "The more the forget gate is open at the start, the longer the gradient lives; "
        "dotted, what the gates alone account for. Fresh nets, 40 steps.",
        lambda nets: carousel(nets.small.carousels()),
    ),
)  # fmt: skip
