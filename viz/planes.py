"""What is best seen on a plane: a loss over two numbers, or a state of two units on its way?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_rnn import measure
from viz import theme
from viz.plot import Plot, only


def loss_surface(
    loss: Callable[[Any, Any], Any] | measure.Surface = measure.pascanu_wall,
    a: Any = None,
    b: Any = None,
    *,
    at: tuple[float, float] | None = None,
    lr: float = 0.25,
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
        ``loss(a, b)``, element by element, see `measure.loss_surface`; or what that gave.
    a, b
        The values along the axes.
    at
        Where the step starts: the nearest point of the grid; by default where the gradient is
        longest.
    lr, clip
        Of the step: ``−lr·g``, and with g shortened to the norm `clip`.
    names
        What a and b are called.
    """
    if isinstance(loss, measure.Surface):
        found = loss
    else:
        a = np.linspace(2, 8, 241) if a is None else a
        b = np.linspace(-4, 0, 161) if b is None else b
        found = measure.loss_surface(loss, a, b)
    start = at or found.steepest()
    i = int(np.abs(found.a - start[0]).argmin())
    j = int(np.abs(found.b - start[1]).argmin())
    start = float(found.a[i]), float(found.b[j])
    slope = np.array([found.slope_a[i, j], found.slope_b[i, j]])
    length = float(np.linalg.norm(slope))
    short = slope * min(1, clip / length) if length else slope

    def draw(figure: Any) -> None:
        from matplotlib.patches import FancyArrowPatch

        left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": (1.45, 1)})
        image = left.pcolormesh(
            found.a,
            found.b,
            np.ma.masked_invalid(found.loss.T),
            cmap=_ramp(),
            shading="nearest",
            rasterized=True,
        )
        figure.colorbar(image, ax=left, label="loss", location="left", pad=0.02)
        finite = found.loss[np.isfinite(found.loss)]
        if finite.size and finite.min() < finite.max():
            left.contour(found.a, found.b, found.loss.T, 8, colors="white", linewidths=0.7)
        left.set(xlim=(found.a[0], found.a[-1]), ylim=(found.b[0], found.b[-1]))
        for step, colour, dash, what in (
            (slope, theme.VERMILION, "--", f"the whole step, |g| = {length:.3g}"),
            (short, theme.BLACK, "-", f"clipped to |g| ≤ {clip:g}"),
        ):
            end = (start[0] - lr * step[0], start[1] - lr * step[1])
            arrow = FancyArrowPatch(
                start,
                end,
                arrowstyle="-|>",
                mutation_scale=12,
                color=colour,
                linewidth=2.4,
                linestyle=dash,
                shrinkA=0,
                shrinkB=0,
                zorder=4,
            )
            left.add_patch(arrow)
            arrow.set_clip_path(left.patch)
            there = f"to {names[0]} = {end[0]:.3g}, {names[1]} = {end[1]:.3g}".replace("-", "−")
            left.plot([], [], color=colour, linestyle=dash, label=f"{what}: {there}")
        left.plot(*start, "o", color="white", markeredgecolor=theme.BLACK, markersize=8, zorder=5)
        left.set(xlabel=names[0], ylabel=names[1])
        left.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=1, borderaxespad=0.2)
        right.plot(found.a, found.loss[:, j], color=theme.BLUE)
        right.plot(
            [found.a[i]], [found.loss[i, j]], "o", color="white", markeredgecolor=theme.BLACK,
            markersize=8, zorder=5,
        )  # fmt: skip
        right.set(xlabel=names[0], ylabel="loss")
        right.set_title(f"cut at {names[1]} = {found.b[j]:.3g}".replace("-", "−"))
        right.grid()

    return Plot(found, draw, (10.4, 4.6))


def attractors(
    cell: Any,
    x: Any,
    starts: Any = None,
    steps: int = 60,
    *,
    names: tuple[str, str] = ("$h_1$", "$h_2$"),
) -> Plot:
    """Where the state of two units goes under a constant input, from all over the plane.

    Each path starts at a small grey point and is coloured by where it ends. Filled: a state it
    stays in (an attractor, spectral radius of ∂h'/∂h below 1); open: one it would be pushed away
    from.

    Parameters
    ----------
    cell
        ``h = cell(x, h)`` with two units.
    x
        An input (features,), or a dict of such by title, a panel each:
        ``{"at rest": [0, 0], "set": [1, 0]}``.
    starts
        States to begin from, (starts, 2); by default a grid over (−1, 1)².
    steps
        How long the paths are.

    Raises
    ------
    ValueError
        The state has another number of units.
    """
    if starts is None:
        # not a square grid: its diagonal would run along the very border between two basins
        grid = np.meshgrid(np.linspace(-0.95, 0.95, 8), np.linspace(-0.9, 0.9, 7))
        starts = np.stack(grid, axis=-1).reshape(-1, 2)
    given = x if isinstance(x, dict) else {"": x}
    found = {title: measure.attractors(cell, v, starts, steps) for title, v in given.items()}
    units = next(iter(found.values())).paths.shape[-1]
    if units != 2:
        raise ValueError(
            f"attractors: a plane shows two units, the state has {units}. Take two of them, or a "
            "projection: attractors(lambda x, h: …, …)."
        )

    known: list[np.ndarray] = []

    def colour_of(point: np.ndarray) -> str:
        """The same for points of several panels that are near each other."""
        near = [k for k, p in enumerate(known) if np.abs(p - point).max() < 0.3]
        if not near:
            known.append(point)
        return theme.LINES[1:][(near or [len(known) - 1])[0] % 5]

    def draw(figure: Any) -> None:
        known.clear()
        axes = figure.subplots(1, len(found), squeeze=False, sharey=True)[0]
        for ax, (title, r) in zip(axes, found.items(), strict=True):
            colours = [colour_of(p) for p in r.points]
            for k in range(r.paths.shape[1]):
                end = r.ends[k]
                colour = theme.LIGHT if end < 0 else colours[end]
                ax.plot(r.paths[:, k, 0], r.paths[:, k, 1], color=colour, linewidth=1.1, alpha=0.8)
                ax.plot(r.paths[1:6, k, 0], r.paths[1:6, k, 1], ".", color=colour, markersize=3)
            ax.plot(r.paths[0, :, 0], r.paths[0, :, 1], ".", color=theme.GREY, markersize=4)
            for n, (p, radius) in enumerate(zip(r.points, r.radius, strict=True)):
                stays = radius < 1
                ax.plot(
                    *p,
                    "o",
                    markersize=13,
                    color=colours[n] if stays else "white",
                    markeredgecolor=theme.BLACK,
                    zorder=5,
                )
            ax.axhline(0, color=theme.LIGHT, linewidth=0.8, zorder=0)
            ax.axvline(0, color=theme.LIGHT, linewidth=0.8, zorder=0)
            ax.set(xlabel=names[0], title=title)
        axes[0].set_ylabel(names[1])

    return Plot(only(found), draw, (0.8 + 3.3 * len(found), 4.0))


def _ramp() -> Any:
    from matplotlib.colors import ListedColormap

    return ListedColormap(theme.ramp())
