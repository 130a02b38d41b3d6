"""Which way does a state take, and where does it come to rest?"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn import measure
from viz import theme
from viz.charts.axes import whole_numbers
from viz.charts.figure import Plot, beside, legend, one_of, only, panels, the_text, two_names
from viz.exhibit import TRAINED, Exhibit

STARTS = 56
MOST_LETTERS = 60  # that can be written beside a path
MARKERS = "os^Dv"  # of attractors, so that paper tells them apart as well


def trajectories(
    loss: Any,
    letter: str | None = None,
    lane: str | None = None,
    *,
    text: str | None = None,
    example: int | None = None,
) -> Plot:
    """The way of the recorded states h_t through their space, the darker the later.

    Two units are the axes themselves; more are seen in the plane of their two principal components,
    whose share of the variance the axes say; one unit is drawn against time.

    Parameters
    ----------
    loss
        The loss, or outputs; or what `measure.trajectories` gave; or a dict of such by title.
    letter, lane
        As in `measure.trajectories`.
    text
        What was read, one character per step, to write beside the path of a single example.
    example
        Which of the batch; all by default.

    Returns
    -------
    Its ``.numbers`` are `measure.trajectories` (by title if there are several panels): the states,
    (T, examples, units), and their plane; ``.csv(path)`` writes one row for each step and example.

    Raises
    ------
    ValueError
        There is no such letter, lane or example, or the text has another length.
    """
    found = panels(loss, lambda x: measure.trajectories(x, letter, lane), measure.Trajectories)
    for r in found.values():
        T, examples, _ = r.states.shape
        if example is not None:
            one_of("trajectories", "example", example, examples)
        if text is not None and len(the_text("trajectories", text)) != T:
            raise ValueError(
                f"trajectories: expected a text of one character for each of {T} steps, got "
                f"{len(text)}."
            )

    def draw(figure: Any) -> None:
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import ListedColormap, Normalize
        from matplotlib.patheffects import withStroke

        axes = beside(figure, len(found), 22)
        colours = ListedColormap(theme.ramp())
        time = Normalize(
            min(r.steps.min() for r in found.values()),
            max(max(r.steps.max(), r.steps.min() + 1) for r in found.values()),
        )
        for ax, (title, r) in zip(axes, found.items(), strict=True):
            chosen = r.states if example is None else r.states[:, [example]]
            points = _projected(chosen, r.plane, r.steps[:, None])
            few = points.shape[1] == 1
            for k in range(points.shape[1]):
                x, y = points[:, k].T
                ax.plot(x, y, color=theme.LIGHT, linewidth=1.2 if few else 0.7, zorder=1)
                ax.scatter(x, y, c=r.steps, cmap=colours, norm=time, s=34 if few else 9, zorder=2)
            if text is not None and few and len(text) <= MOST_LETTERS:
                ax.margins(0.09)  # so that no letter is cut
                for (x, y), c in zip(points[:, 0], text, strict=True):
                    if np.isfinite([x, y]).all():
                        word = c if c.isprintable() and c != " " else "␣" if c == " " else "·"
                        ax.annotate(
                            word, (x, y), (5, 5), textcoords="offset points", fontsize="medium",
                            family="DejaVu Sans Mono", fontweight="bold", parse_math=False,
                            zorder=4, path_effects=[withStroke(linewidth=3, foreground="white")],
                        )  # fmt: skip
            _label(ax, r.plane, r.letter, title)
        figure.colorbar(ScalarMappable(time, colours), ax=axes, label="step t", aspect=28)

    return Plot(only(found), draw, (1.4 + 4.6 * len(found), 4.6))


def attractors(
    cell: Any,
    x: Any,
    starts: Any = None,
    steps: int = 60,
    *,
    names: tuple[str, str] | None = None,
) -> Plot:
    """Where the state goes under a constant input, from all over its space.

    Each path starts at a small grey point and is coloured by where it ends. Filled: a state it
    stays in (an attractor, spectral radius of ∂h'/∂h below 1); open: one it would be pushed away
    from. Two units are the axes themselves; more are seen in the plane of two principal components
    of all paths; one unit is drawn against time.

    Parameters
    ----------
    cell
        ``h = cell(x, h)``.
    x
        An input (features,), or a dict of such by title, a panel each:
        ``{"at rest": [0, 0], "set": [1, 0]}``.
    starts
        States to begin from, (starts, units); by default 56 inside (−1, 1), in a grid if there are
        two units.
    steps
        How long the paths are.
    names
        Of the axes.

    Returns
    -------
    Its ``.numbers`` are `measure.attractors` (by title if there are several panels): paths, points
    and where each path ends; ``.csv(path)`` writes one row for each start and step.

    Raises
    ------
    ValueError
        There are no steps, no starts, or the state is no single array.
    """
    if not callable(cell):
        raise TypeError(f"attractors: expected a cell, h = cell(x, h), got {type(cell).__name__}.")
    if names is not None:
        names = two_names("attractors", names)
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1:
        raise ValueError(f"attractors: steps must be a whole number, 1 or more, got {steps!r}.")
    given = x if isinstance(x, dict) else {"": x}
    if not given:
        raise ValueError("attractors: the dict of inputs is empty. Give it titles and inputs.")
    begin = _starts(getattr(cell, "hidden_size", 2)) if starts is None else starts
    if np.size(begin) == 0:
        raise ValueError("attractors: there are no starts. Pass states, (starts, units), or None.")
    found = {title: measure.attractors(cell, v, begin, steps) for title, v in given.items()}
    every = np.concatenate([r.paths.reshape(-1, r.paths.shape[-1]) for r in found.values()])
    plane = measure.principal_plane(every)
    known: list[np.ndarray] = []

    def look(point: np.ndarray) -> tuple[str, str]:
        """The same colour and marker for points of several panels that are near each other."""
        near = [k for k, p in enumerate(known) if np.abs(p - point).max() < 0.3]
        if not near:
            known.append(point)
        k = (near or [len(known) - 1])[0]
        return theme.LINES[1:][k % 5], MARKERS[k % len(MARKERS)]

    def draw(figure: Any) -> None:
        from matplotlib.lines import Line2D

        known.clear()
        axes = beside(figure, len(found), sharey=True)
        for ax, (title, r) in zip(axes, found.items(), strict=True):
            looks = [look(p) for p in r.points]
            time = np.arange(len(r.paths))[:, None]
            paths = _projected(r.paths, plane, time)
            for k, end in enumerate(r.ends):
                colour = theme.GREY if end < 0 else looks[end][0]
                ax.plot(*paths[:, k].T, color=colour, linewidth=1.1, alpha=0.8)
                ax.plot(*paths[1:6, k].T, ".", color=colour, markersize=3)
            ax.plot(*paths[0].T, ".", color=theme.GREY, markersize=4)
            ends = _projected(r.points, plane, np.full(len(r.points), len(r.paths) - 1))
            for (colour, marker), p, radius in zip(looks, ends, r.radius, strict=True):
                ax.plot(
                    *p,
                    marker if radius < 1 else "o",
                    markersize=13,
                    color=colour if radius < 1 else "white",
                    markeredgecolor=theme.BLACK,
                    zorder=5,
                )
            _label(ax, plane, "h", title, names, share=ax is axes[0])
        round_: dict[str, Any] = {
            "marker": "o",
            "markersize": 11,
            "linestyle": "",
            "markeredgecolor": theme.BLACK,
        }
        legend(
            figure,
            handles=[
                Line2D([], [], marker=".", color=theme.GREY, linestyle="", label="start"),
                Line2D([], [], color=theme.BLUE, label="stays: an attractor", **round_),
                Line2D([], [], color="white", label="pushes away", **round_),
            ],
            most=3 if len(found) > 1 else 2,
        )

    return Plot(only(found), draw, (1.2 + 3.2 * len(found), 4.4))


def _starts(units: int) -> np.ndarray:
    if units == 2:
        # not a square grid: its diagonal would run along the very border between two basins
        grid = np.meshgrid(np.linspace(-0.95, 0.95, 8), np.linspace(-0.9, 0.9, 7))
        return np.stack(grid, axis=-1).reshape(-1, 2)
    if units == 1:
        return np.linspace(-0.95, 0.95, 20)[:, None]
    return np.random.default_rng(0).uniform(-0.95, 0.95, (STARTS, units))


def _projected(states: np.ndarray, plane: measure.Plane, time: np.ndarray) -> np.ndarray:
    """(…, units) as (…, 2): themselves, time and the unit, or the principal components."""
    units = states.shape[-1]
    if units > 2:
        states = plane.project(states)
    if units == 1:
        time = np.broadcast_to(time[..., None], states.shape)
        states = np.concatenate([time, states], axis=-1)
    return np.where(np.isfinite(states), states, np.nan)


def _label(
    ax: Any,
    plane: measure.Plane,
    letter: str,
    title: str,
    names: tuple[str, str] | None = None,
    share: bool = True,
) -> None:
    units, parts = len(plane.mean), plane.explained
    if units > 2:
        default = [
            f"component {k + 1} ({100 * part:.0f} % of variance)" for k, part in enumerate(parts)
        ]
    else:
        default = [f"${letter}_1$", f"${letter}_2$"] if units == 2 else ["step", f"${letter}$"]
    across, up = names or default
    ax.set(xlabel=across, title=title)
    if share:
        ax.set_ylabel(up)
    ax.grid()
    ax.locator_params(nbins=5)
    if units == 1:
        whole_numbers(ax, True, None, 5)


EXHIBITS = (
    Exhibit(
        trajectories, TRAINED, "56_trajectory.svg", "The way of the state while it reads",
        "Equal letters lie near each other: the state says first of all what was read last.",
        lambda nets: trajectories(nets.reads["LSTM"][-1], text=nets.text),
    ),
    Exhibit(
        attractors, TRAINED, "57_attractors.svg", "A latch of two units",
        "At rest it stays in one of two states: one bit. One input sets it, the other resets.",
        lambda nets: attractors(nets.small.latch, nets.small.LATCHED),
    ),
)  # fmt: skip
