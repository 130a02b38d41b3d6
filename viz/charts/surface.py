"""What does a loss look like over two of its numbers, and where does a step lead?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn import measure
from viz import theme
from viz.charts.axes import magnitudes
from viz.charts.figure import Plot, legend, only, panels, two_names
from viz.exhibit import FLOW, Exhibit


@dataclass(frozen=True)
class _Start:
    """Where steps start on a surface: the point of the grid, its place, and the gradient there."""

    i: int
    j: int
    place: tuple[float, float]
    slope: np.ndarray


def loss_surface(
    loss: Any = measure.pascanu_wall,
    a: Any = None,
    b: Any = None,
    *,
    at: tuple[float, float] | None = None,
    lr: float = 0.5,
    clip: float = 1.0,
    names: tuple[str, str] = ("w", "b"),
) -> Plot:
    """The loss over two of its numbers, and a step of gradient descent, whole and clipped.

    At a wall the gradient is so long that one step throws away what was reached; clipped to a norm
    it goes the same way, but not as far (Pascanu, Mikolov & Bengio 2013, figure 6, whose net of one
    unit over 50 steps is the default). Beside it the cut through the same point along `a`.

    Parameters
    ----------
    loss
        ``loss(a, b)``, element by element, see `measure.loss_surface`; or what that gave; or
        several by title, below each other on one scale.
    a, b
        The values along the axes.
    at
        Where the step starts: the nearest point of the grid; by default where the gradient is
        longest.
    lr, clip
        Of the step: ``−lr·g``, and with g shortened to the norm `clip`.
    names
        What a and b are called.

    Returns
    -------
    Its ``.numbers`` are `measure.loss_surface` (by title if there are several), arrays ``loss``,
    ``slope_a`` and ``slope_b``, (A, B); ``.csv(path)`` writes one row for each point of the grid.

    Raises
    ------
    ValueError
        The axes are not two rising rows of numbers, or lr or clip is not positive.
    """
    for word, number in (("lr", lr), ("clip", clip)):
        if not isinstance(number, int | float | np.number) or not 0 < number < np.inf:
            raise ValueError(f"loss_surface: {word} must be a positive number, got {number!r}.")
    names = two_names("loss_surface", names)
    found = panels(loss, lambda one: _measured(one, a, b, names), measure.Surface)
    starts = {title: _start(surface, at) for title, surface in found.items()}
    each = np.concatenate([surface.loss.ravel() for surface in found.values()])
    finite = each[np.isfinite(each)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)

    def draw(figure: Any) -> None:
        widths = {"width_ratios": (1.45, 1)}
        rows = figure.subplots(len(found), 2, squeeze=False, gridspec_kw=widths)
        for other in rows[1:, 1]:
            other.sharey(rows[0, 1])
        image: Any = None
        for (left, right), (title, surface) in zip(rows, found.items(), strict=True):
            start = starts[title]
            image = left.pcolormesh(
                surface.a, surface.b, np.ma.masked_invalid(surface.loss.T), cmap=magnitudes(),
                vmin=low, vmax=high, shading="nearest",
                rasterized=True,
            )  # fmt: skip
            own = surface.loss[np.isfinite(surface.loss)]
            if own.size and own.min() < own.max():
                left.contour(
                    surface.a, surface.b, surface.loss.T, 8, colors="white", linewidths=0.7
                )
            left.set(xlim=(surface.a[0], surface.a[-1]), ylim=(surface.b[0], surface.b[-1]))
            _steps(left, start, lr, clip, names, title)
            left.set(xlabel=names[0], ylabel=names[1], title=title)
            right.plot(surface.a, surface.loss[:, start.j], color=theme.BLUE)
            right.plot(
                [surface.a[start.i]], [surface.loss[start.i, start.j]], "o", color="white",
                markeredgecolor=theme.BLACK, markersize=8, zorder=5,
            )  # fmt: skip
            right.set(xlabel=names[0], ylabel="loss")
            right.set_title(f"cut at {names[1]} = {surface.b[start.j]:.3g}".replace("-", "−"))
            right.grid()
        figure.colorbar(image, ax=list(rows[:, 0]), label="loss", location="left", pad=0.02)
        legend(figure, "above", 1)

    return Plot(only(found), draw, (10.4, 0.9 + 3.7 * len(found)))


def _measured(loss: Any, a: Any, b: Any, names: tuple[str, str]) -> measure.Surface:
    if not callable(loss):
        raise TypeError(
            f"loss_surface: expected loss(a, b), or what measure.loss_surface gave, got "
            f"{type(loss).__name__}."
        )
    a = np.linspace(2, 8, 241) if a is None else a
    b = np.linspace(-4, 0, 161) if b is None else b
    return measure.loss_surface(loss, _axis(names[0], a), _axis(names[1], b))


def _start(found: measure.Surface, at: tuple[float, float] | None) -> _Start:
    start = _steepest(found) if at is None else at
    if np.shape(start) != (2,) or not all(np.isfinite(v) for v in start):
        raise ValueError(f"loss_surface: at must be two numbers, (a, b), got {at!r}.")
    i = int(np.abs(found.a - start[0]).argmin())
    j = int(np.abs(found.b - start[1]).argmin())
    slope = np.array([found.slope_a[i, j], found.slope_b[i, j]])
    return _Start(i, j, (float(found.a[i]), float(found.b[j])), slope)


def _steps(
    ax: Any, start: _Start, lr: float, clip: float, names: tuple[str, str], title: str
) -> None:
    """The whole step and the clipped one, as arrows, each with where it leads."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.patheffects import withStroke

    length = float(np.hypot(*start.slope))
    short = start.slope * min(1, clip / length) if 0 < length < np.inf else start.slope
    before = f"{title}: " * bool(title)
    for step, colour, dash, what in (
        (start.slope, theme.VERMILION, "--", f"{before}the whole step, |g| = {length:.3g}"),
        (short, theme.BLACK, "-", f"{before}clipped to |g| ≤ {clip:g}"),
    ):
        end = (start.place[0] - lr * step[0], start.place[1] - lr * step[1])
        if not np.isfinite(end).all():
            ax.plot([], [], color=colour, linestyle=dash, label=f"{what}: leads nowhere")
            continue
        arrow = FancyArrowPatch(
            start.place,
            end,
            arrowstyle="-|>",
            mutation_scale=15,
            color=colour,
            linewidth=2.8,
            linestyle=dash,
            shrinkA=0,
            shrinkB=0,
            zorder=4,
            path_effects=[withStroke(linewidth=5, foreground="white")],
        )
        ax.add_patch(arrow)
        arrow.set_clip_path(ax.patch)
        there = f"to {names[0]} = {end[0]:.3g}, {names[1]} = {end[1]:.3g}".replace("-", "−")
        ax.plot([], [], color=colour, linestyle=dash, label=f"{what}: {there}")
    ax.plot(*start.place, "o", color="white", markeredgecolor=theme.BLACK, markersize=8, zorder=5)


def _axis(name: str, values: Any) -> np.ndarray:
    row = np.asarray(values, dtype=float)
    if row.ndim != 1 or len(row) < 2 or not (np.diff(row) > 0).all() or not np.isfinite(row).all():
        raise ValueError(
            f"loss_surface: the values of {name} must be two or more numbers that rise, got "
            f"shape {row.shape}. Try np.linspace(2, 8, 100)."
        )
    return row


def _steepest(found: measure.Surface) -> tuple[float, float]:
    """Where the gradient is longest; the middle if it is a number nowhere."""
    if np.isnan(np.hypot(found.slope_a, found.slope_b)).all():
        return float(found.a[len(found.a) // 2]), float(found.b[len(found.b) // 2])
    return found.steepest()


EXHIBITS = (
    Exhibit(
        loss_surface, FLOW, "41_wall.svg", "Pascanu's wall",
        "At the foot of the wall the gradient is so long that one step leaves the picture; "
        "clipped, it ends in the valley.",
        lambda nets: loss_surface(),
    ),
)  # fmt: skip
