"""How did training go, and how much of that was the seed?"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn import measure
from viz import theme
from viz.charts.axes import level, levels, log_axis, look, scale, whole_numbers
from viz.charts.figure import Plot, legend, note
from viz.exhibit import TRAINING, Exhibit

ENDS = 1e300  # of what an axis shows


def learning_curves(
    runs: Any,
    steps: Any = None,
    *,
    smooth: int = 1,
    baseline: Any = None,
    log: bool = False,
    words: tuple[str, str] = ("step", "loss"),
) -> Plot:
    """The loss by step: of several seeds the median, and a band from the best to the worst.

    Parameters
    ----------
    runs
        A `train.Run`, or its losses; a list of such, one for each seed; or a dict of one or the
        other by name; or what `measure.learning_curves` gave.
    steps, smooth
        As in `measure.learning_curves`.
    baseline
        A score to beat, or several by name: ``{"guessing": 0.69}``.
    log
        Whether the loss is shown in powers of ten.
    words
        What is counted across, and what is shown above it.

    Returns
    -------
    Its ``.numbers`` are `measure.learning_curves`; ``.csv(path)`` writes one row for each name,
    seed and step.

    Raises
    ------
    ValueError, TypeError
        As `measure.learning_curves`; or a baseline is no number.

    Examples
    --------
    >>> learning_curves({"RNN": [[3.0, 2.0], [3.1, 2.4]], "LSTM": [[3.0, 1.0], [2.9, 0.8]]})
    <plot of LearningCurves>
    """
    ours = isinstance(runs, measure.LearningCurves)
    found = runs if ours else measure.learning_curves(runs, steps, smooth)
    lines = levels("learning_curves", baseline)

    def draw(figure: Any) -> None:
        ax = figure.subplots()
        seeds = {len(losses) for losses in found.losses.values()}
        for k, (name, losses) in enumerate(found.losses.items()):
            at, style = found.steps[name], look(k)
            middle, (low, high) = found.median(name), found.band(name)
            if len(losses) > 1:
                ax.fill_between(
                    at, *_shown(low, high), color=style["color"], alpha=0.2, linewidth=0
                )
            ax.plot(at, *_shown(middle), **style, label=name + _wild(losses, log))
            if len(at) == 1:
                ax.plot(at, *_shown(middle), "o", color=style["color"])
        if log:
            log_axis(ax, *scale([*found.losses.values(), np.array([*lines.values(), np.nan])]))
        for word, y in lines.items():
            level(ax, y, word)
        ax.set(xlabel=words[0], ylabel=words[1])
        ax.margins(x=0.01)
        ax.grid()
        whole_numbers(ax, True)
        if any(found.losses) or any(_wild(v, log) for v in found.losses.values()):
            legend(figure, "above", 4)
        if max(seeds) > 1:
            many = f"{min(seeds)}–{max(seeds)}" if len(seeds) > 1 else f"{max(seeds)}"
            note(figure, f"Line: median of {many} seeds. Band: from the best of them to the worst.")

    return Plot(found, draw, (7.0, 4.2))


def seed_spread(
    runs: Any, last: int = 1, *, baseline: Any = None, log: bool = False, word: str = "loss"
) -> Plot:
    """The score of each seed, and a box around the middle half of them.

    The line in a box is the median; whiskers lead to the best and the worst.

    Parameters
    ----------
    runs, last
        As in `measure.seed_spread`, or what that gave.
    baseline, log
        As in `learning_curves`.
    word
        What the score is.

    Returns
    -------
    Its ``.numbers`` are `measure.seed_spread`; ``.csv(path)`` writes one row for each name and
    seed.

    Raises
    ------
    ValueError, TypeError
        As `measure.seed_spread`; or a baseline is no number.

    Examples
    --------
    >>> seed_spread({"RNN": [0.5, 0.7, 0.6], "LSTM": [0.2, 0.1, 0.4]})
    <plot of SeedSpread>
    """
    ours = isinstance(runs, measure.SeedSpread)
    found = runs if ours else measure.seed_spread(runs, last)
    lines = levels("seed_spread", baseline)

    def draw(figure: Any) -> None:
        ax = figure.subplots()
        for k, scores in enumerate(found.scores.values()):
            colour = look(k)["color"]
            good = scores[np.isfinite(scores)]
            if good.size:
                first, middle, third = np.quantile(good, (0.25, 0.5, 0.75))
                ax.barh(k, third - first, 0.5, first, color=colour, alpha=0.22)
                ax.hlines([k, k], [good.min(), third], [first, good.max()], colour, linewidth=1.4)
                ax.vlines(middle, k - 0.25, k + 0.25, colour, linewidth=3)
            # beside each other, so that equal scores are counted as several
            off = np.linspace(-0.16, 0.16, len(good)) if len(good) > 1 else np.zeros(len(good))
            ax.plot(good, k + off, "o", color=colour, markeredgecolor="white", markersize=6.5)
        if log:
            low, high = scale([*found.scores.values(), np.array([*lines.values(), np.nan])])
            ax.set_xlim(low, high)
            ax.set_xscale("log")
        for word_, x in lines.items():
            ax.axvline(x, color=theme.GREY, linestyle=":", linewidth=1.4, zorder=1)
            ax.annotate(
                word_, (x, 1), (-4, 0), xycoords=ax.get_xaxis_transform(), ha="right", va="top",
                textcoords="offset points", color=theme.NOTE_COLOUR,
            )  # fmt: skip
        names = [
            f"{name}\n{len(scores)} seed{'s' * (len(scores) != 1)}{_wild(scores, log)}".strip()
            for name, scores in found.scores.items()
        ]
        ax.set_yticks(range(len(names)), names)
        ax.tick_params(axis="y", length=0)
        ax.set(xlabel=word, ylim=(len(names) - 0.5, -0.5 - 0.3 * bool(lines)))
        ax.grid(axis="x")

    return Plot(found, draw, (7.0, 1.3 + 0.75 * len(found.scores)))


def _shown(*rows: np.ndarray) -> list[np.ndarray]:
    """What an axis can show of them."""
    return [np.where(np.abs(row) < ENDS, row, np.nan) for row in rows]


def _wild(v: np.ndarray, log: bool) -> str:
    """In words, what the axis cannot show; NaN is also where a shorter run has ended."""
    wild, low = int(np.isinf(v).sum()), int((v <= 0).sum()) * log
    words = [f"{wild} of {v.size} infinite"] * (wild > 0)
    words += [f"{low} of {v.size} not above 0"] * (low > 0)
    return f" ({', '.join(words)})" if words else ""


EXHIBITS = (
    Exhibit(
        learning_curves, TRAINING, "60_curves.svg", "Losses over seeds",
        "A sign is to be remembered for 30 steps: RNNs guess to the end, LSTMs learn it.",
        lambda nets: learning_curves(nets.runs, baseline=nets.guessing, smooth=10),
    ),
    Exhibit(
        seed_spread, TRAINING, "61_seeds.svg", "The same runs at their end",
        "One dot for each seed: a single run could have been any of them.",
        lambda nets: seed_spread(nets.runs, baseline=nets.guessing, last=10),
    ),
)  # fmt: skip
