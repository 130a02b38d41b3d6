"""Which numbers are best seen as a map: time against time, or units against time?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_rnn import measure
from viz import theme
from viz.plot import Plot, only, panels

FURTHEST = 250  # powers of ten that an axis shows
MOST_SEGMENTS = 48  # of a stacked bar
MOST_UNITS = 64  # rows that can still be told apart


def gradient_matrix(losses: Any, letter: str | None = None, lane: str | None = None) -> Plot:
    """Who sends how much gradient back to whom: ‖∂L_t/∂h_k‖ as a map, time against time.

    The lower triangle: the loss at t reaches the states k ≤ t. Along a row the gradient flows from
    the right, where it starts, to the left. All panels share one logarithmic scale, dark is large.
    Light grey: no way leads there; pink: a way leads there, but the gradient is exactly 0; purple:
    not finite.

    Parameters
    ----------
    losses
        One recorded scalar for each step; or what `measure.gradient_matrix` gave; or a dict of
        such, a panel each: ``{"RNN": …, "LSTM": …}``.
    letter, lane
        As in `measure.gradient_matrix`.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> outputs, _ = nn.unroll(nn.GRUCell(2, 3, rng=0), np.ones((5, 1, 2)))
    >>> gradient_matrix([(h * h).sum() for h in outputs]).numbers.norms.shape
    (5, 5)
    """
    found = panels(
        losses, lambda x: measure.gradient_matrix(x, letter, lane), measure.GradientMatrix
    )

    def draw(figure: Any) -> None:
        from matplotlib.colors import ListedColormap

        low, high = scale([m.norms for m in found.values()])
        axes = figure.subplots(1, len(found), squeeze=False, sharey=True)[0]
        image = None
        for ax, (title, m) in zip(axes, found.items(), strict=True):
            extent = _extent(m.steps, m.losses)
            image = ax.imshow(
                np.ma.masked_where(~(m.norms > 0) | ~np.isfinite(m.norms), m.norms),
                norm=_log(low, high),
                cmap=ListedColormap(theme.ramp()),
                extent=extent,
                interpolation="nearest",
                aspect="auto",
                zorder=2,
            )
            state = np.where(~m.reached, 0, np.where(m.norms == 0, 1, 2))
            colours = [theme.OUT_OF_REACH, theme.EXACT_ZERO, theme.IMPOSSIBLE]
            ax.imshow(
                state,
                cmap=ListedColormap(colours),
                vmin=0,
                vmax=2,
                extent=extent,
                interpolation="nearest",
                aspect="auto",
                zorder=1,
            )
            ax.set_title(title)
            ax.set_xlabel(f"step k of the state ${m.letter}_k$")
            whole_numbers(ax, m.steps, m.losses)
        axes[0].set_ylabel("step t of the loss $L_t$")
        letter = next(iter(found.values())).letter
        label = rf"$\Vert\,\partial L_t\, /\, \partial {letter}_k\,\Vert$"
        notes = [
            word
            for word, there in (
                (
                    "pink: exactly 0",
                    any((m.reached & (m.norms == 0)).any() for m in found.values()),
                ),
                ("purple: not finite", any(not np.isfinite(m.norms).all() for m in found.values())),
            )
            if there
        ]
        figure.supxlabel("   ".join(notes), fontsize=10.5, color="#555555")
        seen = positive([m.norms for m in found.values()])
        ends = (min(seen, default=low) < low, max(seen, default=high) > high)
        extend = {(True, False): "min", (False, True): "max", (True, True): "both"}
        figure.colorbar(image, ax=axes, label=label, extend=extend.get(ends, "neither"), shrink=0.9)

    return Plot(only(found), draw, (1.9 + 3.45 * len(found), 4.2))


def gradient_bars(losses: Any, letter: str | None = None, lane: str | None = None) -> Plot:
    """The gradient that arrives at each step, stacked by how far the loss is that it comes from.

    After RNNbow (Cashman et al. 2018). Norms do not add: the height is an upper bound of the norm
    of the sum, and the picture says so.

    Parameters
    ----------
    losses, letter, lane
        As in `gradient_matrix`.
    """
    found = panels(
        losses, lambda x: measure.gradient_matrix(x, letter, lane), measure.GradientMatrix
    )

    def draw(figure: Any) -> None:
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import ListedColormap, Normalize

        axes = figure.subplots(1, len(found), squeeze=False, sharey=True)[0]
        longest = max(len(m.steps) for m in found.values())
        width = -(-longest // MOST_SEGMENTS)  # so many distances are one segment
        colours = theme.ramp(max(-(-longest // width), 2))[::-1]
        for ax, (title, m) in zip(axes, found.items(), strict=True):
            heights = np.minimum(np.nan_to_num(m.by_distance()), 1e300)  # sums stay finite
            order = np.argsort(m.steps)
            edges = np.append(m.steps[order] - 0.5, m.steps.max() + 0.5)
            bottom = np.zeros(len(m.steps))
            for number, d in enumerate(range(0, len(m.steps), width)):
                top = bottom + heights[:, d : d + width].sum(axis=1)
                if (top > bottom).any():
                    low, high = (np.append(y[order], y[order][-1]) for y in (bottom, top))
                    ax.fill_between(
                        edges, low, high, step="post", color=colours[number], linewidth=0
                    )
                bottom = top
            if longest <= MOST_SEGMENTS:
                ax.vlines(edges, 0, 1, "white", linewidth=0.8, transform=ax.get_xaxis_transform())
            ax.set_ylim(bottom=0)
            ax.set_title(title)
            ax.set_xlabel(f"step k of the state ${m.letter}_k$")
            ax.grid(axis="y")
            whole_numbers(ax, m.steps)
        axes[0].set_ylabel(r"sum over t of $\Vert\,\partial L_t\, /\, \partial h_k\,\Vert$")
        figure.colorbar(
            ScalarMappable(Normalize(-0.5, max(longest, 2) - 0.5), ListedColormap(colours)),
            ax=axes,
            label="distance t − k",
        )
        figure.supxlabel(
            "Norms do not add: each bar is an upper bound of the norm of all gradients together.",
            fontsize=10.5,
            color="#555555",
        )

    return Plot(only(found), draw, (2.4 + 4.2 * len(found), 4.2))


def gate_map(
    loss: Any,
    letters: str | Sequence[str] | None = None,
    lane: str | None = None,
    *,
    example: int = 0,
    text: str | None = None,
) -> Plot:
    """The gates of one example, units against time: what is let in, kept and shown, and when.

    0 to 1 is drawn from dark blue to yellow, other values from blue to red around 0. On an
    untrained net the gates are noise.

    Parameters
    ----------
    loss
        The loss, or outputs; or what `measure.gates` gave.
    letters, lane
        As in `measure.gates`; any named values will do: ``["f", "c", "h"]``.
    example
        Which of the batch.
    text
        One character per step, to write below.

    Raises
    ------
    ValueError
        There are no gates, no such example, or the text has another length.
    """
    found = loss if isinstance(loss, measure.Gates) else measure.gates(loss, letters, lane)
    T, examples, _ = next(iter(found.values.values())).shape
    if not 0 <= example < examples:
        raise ValueError(f"gate_map: there are examples 0 … {examples - 1}, not {example}.")
    if text is not None and len(text) != T:
        raise ValueError(
            f"gate_map: expected a text of one character for each of {T} steps, got {len(text)}."
        )
    rows = len(found.values)
    places = np.arange(T) if text is not None else found.steps

    def draw(figure: Any) -> None:
        axes = figure.subplots(rows, 1, squeeze=False, sharex=True)[:, 0]
        for ax, (letter, v) in zip(axes, found.values.items(), strict=True):
            shown = v[:, example, :MOST_UNITS].T
            gate = bool(((v >= 0) & (v <= 1) | np.isnan(v)).all())
            top = 1.0 if gate else max(float(np.nanmax(np.abs(v), initial=0)), 1.0)
            image = ax.imshow(
                np.ma.masked_invalid(shown),
                cmap="cividis" if gate else "RdBu_r",
                vmin=0 if gate else -top,
                vmax=top,
                extent=_extent(places, np.arange(len(shown))),
                interpolation="nearest",
                aspect="auto",
            )
            ax.set_facecolor(theme.IMPOSSIBLE)
            ax.set_ylabel(f"unit of {letter}")
            whole_numbers(ax, None, np.arange(len(shown)))
            figure.colorbar(image, ax=ax, pad=0.015)
        if text is not None:
            axes[-1].set_xticks(range(T), [c if c.isprintable() else "·" for c in text])
            axes[-1].tick_params(axis="x", length=0)
            axes[-1].set_xlabel("input at each step")
        else:
            whole_numbers(axes[-1], places)
            axes[-1].set_xlabel("step t")

    return Plot(found, draw, (8.0, 0.7 + 1.75 * rows))


# -- scales ----------------------------------------------------------------------------------------


def positive(arrays: Sequence[np.ndarray]) -> list[float]:
    """All numbers that have a logarithm."""
    flat = np.concatenate([np.ravel(a) for a in arrays])
    return flat[np.isfinite(flat) & (flat > 0)].tolist()


def scale(arrays: Sequence[np.ndarray]) -> tuple[float, float]:
    """From the smallest to the largest power of ten, at most `theme.DECADES` of them below 1."""
    found = positive(arrays)
    if not found:
        return 0.1, 1.0
    high = math.ceil(math.log10(max(found)))
    low = max(math.floor(math.log10(min(found))), min(high, 0) - theme.DECADES)
    # matplotlib asks for ticks beyond both ends, and there floats end
    high = min(max(high, -FURTHEST + 1), FURTHEST)
    return 10.0 ** max(min(low, high - 1), -FURTHEST), 10.0**high


def whole_numbers(ax: Any, x: Any = None, y: Any = None) -> None:
    """Steps and units are counted, so their axes have no fractions."""
    from matplotlib.ticker import MaxNLocator

    for axis, values in ((ax.xaxis, x), (ax.yaxis, y)):
        if values is not None:
            axis.set_major_locator(MaxNLocator(nbins=7, integer=True))


def _log(low: float, high: float) -> Any:
    from matplotlib.colors import LogNorm

    return LogNorm(low, high, clip=True)


def _extent(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float, float]:
    """Squares around whole numbers, the first row at the top."""
    left, right = (x[0] - 0.5, x[-1] + 0.5) if x[0] <= x[-1] else (x[0] + 0.5, x[-1] - 0.5)
    top, low = (y[0] - 0.5, y[-1] + 0.5) if y[0] <= y[-1] else (y[0] + 0.5, y[-1] - 0.5)
    return left, right, low, top
