"""Who sends how much gradient back to whom, as a map and as bars?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_rnn import measure
from viz import theme
from viz.charts.axes import extent, jumps, log_axis, log_norm, positive, scale, whole_numbers
from viz.charts.figure import Plot, beside, label_rows, note, only, panels, stacked
from viz.exhibit import FLOW, Exhibit
from viz.record.arguments import check

MOST_BARS = 48  # that can be told apart
BUDGET = 250  # losses; so many walks back into 1,000 steps of an LSTM take about 9 s
LARGEST = 1e300  # of a bar, so that sums stay finite


def gradient_matrix(
    losses: Any, letter: str | None = None, lane: str | None = None, *, budget: int = BUDGET
) -> Plot:
    """The gradient of each loss at each earlier state: ‖∂L_t/∂h_k‖ as a map, time against time.

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
    budget
        How many losses at most: each is a walk back, so the time grows with their square.

    Raises
    ------
    ValueError
        There are more than `budget` losses.

    Returns
    -------
    Its ``.numbers`` are `measure.gradient_matrix` (by title if there are several panels), its
    arrays ``.numbers.norms`` and ``.numbers.reached``; ``.csv(path)`` writes one row for each loss
    and step.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> outputs, _ = nn.unroll(nn.GRUCell(2, 3, rng=0), np.ones((5, 1, 2)))
    >>> gradient_matrix([(h * h).sum() for h in outputs]).numbers.norms.shape
    (5, 5)
    """
    found = _measured("gradient_matrix", losses, letter, lane, budget)

    def draw(figure: Any) -> None:
        from matplotlib.colors import ListedColormap

        low, high = scale([m.norms for m in found.values()])
        axes = beside(figure, len(found), 30, sharey=True)
        colours = [theme.OUT_OF_REACH, theme.EXACT_ZERO, theme.IMPOSSIBLE]
        image = None
        for ax, (title, m) in zip(axes, found.items(), strict=True):
            state = np.where(~m.reached, 0, np.where(m.norms == 0, 1, 2))
            # each at its own time: rows between losses stay empty
            for rows in np.split(np.arange(len(m.losses)), jumps(m.losses)):
                norms, box = m.norms[rows], extent(m.steps, m.losses[rows])
                image = ax.imshow(
                    np.ma.masked_where(~(norms > 0) | ~np.isfinite(norms), norms),
                    norm=log_norm(low, high),
                    cmap=ListedColormap(theme.ramp()),
                    extent=box,
                    interpolation="nearest",
                    aspect="auto",
                    zorder=2,
                )
                ax.imshow(
                    state[rows],
                    cmap=ListedColormap(colours),
                    vmin=0,
                    vmax=2,
                    extent=box,
                    interpolation="nearest",
                    aspect="auto",
                    zorder=1,
                )
            ax.set_ylim(*extent(m.steps, m.losses)[2:])
            ax.set_title(title)
            ax.set_xlabel(f"step k of the state ${m.letter}_k$")
            whole_numbers(ax, m.steps, m.losses)
        label_rows(axes, "step t of the loss $L_t$")
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
        note(figure, "   ".join(notes))
        seen = positive([m.norms for m in found.values()])
        ends = (min(seen, default=low) < low, max(seen, default=high) > high)
        extend = {(True, False): "min", (False, True): "max", (True, True): "both"}
        figure.colorbar(image, ax=axes, label=label, extend=extend.get(ends, "neither"), shrink=0.9)

    return Plot(only(found), draw, (1.8 + 3.0 * len(found), 4.1))


def _measured(
    name: str, losses: Any, letter: str | None, lane: str | None, budget: int
) -> dict[str, measure.GradientMatrix]:
    check(name, budget=budget)

    def matrix(x: Any) -> measure.GradientMatrix:
        if isinstance(x, Sequence) and len(x) > budget:
            raise ValueError(
                f"{name}: {len(x):,} losses are more than the budget of {budget:,}, each of them a "
                f"walk back through the record. Take some of them (losses[::{-(-len(x) // budget)}]"
                " has a row for each that is left), or raise budget."
            )
        return measure.gradient_matrix(x, letter, lane)

    return panels(losses, matrix, measure.GradientMatrix)


def gradient_bars(
    losses: Any, letter: str | None = None, lane: str | None = None, *, budget: int = BUDGET
) -> Plot:
    """The gradient that arrives at each step, stacked by how far the loss is that it comes from.

    A segment for each doubling of the distance: 0, 1, 2–3, 4–7 …, the lighter the further. Below,
    each range alone in powers of ten, which shows the tail: what comes from far away is too small
    to be seen in a bar. After RNNbow (Cashman et al. 2018). Norms do not add: the height is an
    upper bound of the norm of the sum, and the picture says so.

    Parameters
    ----------
    losses, letter, lane, budget
        As in `gradient_matrix`.

    Raises
    ------
    ValueError
        There are more than `budget` losses.

    Returns
    -------
    Its ``.numbers`` are `measure.gradient_matrix`, of which ``.numbers.by_distance()`` is what is
    stacked, [k, distance]; ``.csv(path)`` writes one row for each loss and step.
    """
    found = _measured("gradient_bars", losses, letter, lane, budget)

    def draw(figure: Any) -> None:
        from matplotlib.patches import Patch

        axes = stacked(figure, len(found), (1.7, 1), 30)
        longest = max(len(m.steps) for m in found.values())
        starts = [0] + [2**n for n in range(max(longest - 1, 0).bit_length())]
        colours = theme.ramp(max(len(starts), 2))[::-1]
        ranges = list(zip(starts, [*starts[1:], longest], strict=True))
        shares = {title: _by_range(m, ranges) for title, m in found.items()}
        low, high = scale(list(shares.values()))
        top = min(LARGEST, max(float(v.sum(axis=1).max()) for v in shares.values()) * 1.05)
        for (ax, tail), (title, m) in zip(axes, found.items(), strict=True):
            _bars(ax, m.steps, shares[title], colours, longest <= MOST_BARS)
            ax.set(title=title, ylim=(0, top or 1), xlim=(m.steps.min() - 0.5, m.steps.max() + 0.5))
            ax.tick_params(labelbottom=False)
            for share, colour in zip(shares[title].T, colours, strict=False):
                good = np.where(share > 0, share, np.nan)
                dot = "o" if np.isfinite(good).sum() == 1 else None
                tail.plot(m.steps, good, color=colour, marker=dot, markersize=4, linewidth=1.8)
            log_axis(tail, low, high)
            tail.set(xlabel=f"step k of the state ${m.letter}_k$", xlim=ax.get_xlim())
            for part in (ax, tail):
                part.grid(axis="y")
                whole_numbers(part, m.steps)
        letter = next(iter(found.values())).letter
        label = rf"$\sum_t\;\Vert\,\partial L_t\, /\, \partial {letter}_k\,\Vert$"
        label_rows([ax for ax, _ in axes], label)
        label_rows([tail for _, tail in axes], "each, in\npowers of 10")
        handles = [
            Patch(color=colour, label=f"{a}" if b - a == 1 else f"{a}–{b - 1}")
            for (a, b), colour in zip(ranges, colours, strict=False)
        ]
        figure.legend(handles=handles[::-1], title="t − k", loc="outside right center")
        words = "Norms do not add: a bar is an upper bound of the norm of all gradients together."
        if not all(np.isfinite(m.norms).all() for m in found.values()):
            words += " What is not finite is left out."
        note(figure, words)

    return Plot(only(found), draw, (1.9 + 3.1 * len(found), 5.0))


def _by_range(m: measure.GradientMatrix, ranges: list[tuple[int, int]]) -> np.ndarray:
    """The gradient at each step from each range of distances, (T, ranges); not finite: 0."""
    arrived = m.by_distance()
    heights = np.minimum(np.where(np.isfinite(arrived), arrived, 0), LARGEST)
    return np.stack([heights[:, a:b].sum(axis=1) for a, b in ranges], axis=1)


def _bars(ax: Any, steps: np.ndarray, shares: np.ndarray, colours: list[str], few: bool) -> None:
    """A bar for each step, stacked by range; a few are told apart by white lines."""
    order = np.argsort(steps)
    edges = np.append(steps[order] - 0.5, steps.max() + 0.5)
    bottom = np.zeros(len(steps))
    for share, colour in zip(shares.T, colours, strict=False):
        top = bottom + share
        if (top > bottom).any():
            low, high = (np.append(y[order], y[order][-1]) for y in (bottom, top))
            ax.fill_between(
                edges, low, high, step="post", facecolor=colour, edgecolor="white",
                linewidth=0.6 if few else 0,  # paper tells neighbours apart by it
            )  # fmt: skip
        bottom = top
    if few:
        ax.vlines(edges, 0, 1, "white", linewidth=0.8, transform=ax.get_xaxis_transform())


EXHIBITS = (
    Exhibit(
        gradient_matrix, FLOW, "32_matrix.svg", "Who sends how much gradient back to whom",
        "Follow a row to the left: how fast it becomes light is how fast the net forgets.",
        lambda nets: gradient_matrix(nets.reads),
    ),
    Exhibit(
        gradient_bars, FLOW, "33_bars.svg", "The same, stacked by distance",
        "Nearly all that arrives comes from losses close by.",
        lambda nets: gradient_bars(nets.reads),
    ),
)  # fmt: skip
