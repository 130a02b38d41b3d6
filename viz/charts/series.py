"""How does a series become examples, and how sure is its forecast?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn import measure, tasks
from viz import theme
from viz.charts.axes import whole_numbers
from viz.charts.figure import Plot, beside, label_rows, legend, note, only, panels
from viz.exhibit import TRAINING, Exhibit

ROWS = 12  # windows that are drawn


@dataclass(frozen=True, eq=False)
class SeriesWindows(measure.Table):
    """A series, and what is cut out of it.

    Attributes
    ----------
    values
        The series, (N,).
    xs, targets
        What each window shows a net, (windows, steps), and what it is to predict, (windows,
        horizon).
    """

    values: np.ndarray
    xs: np.ndarray
    targets: np.ndarray

    def columns(self) -> dict[str, Any]:
        """One row per window and value."""
        rows = np.concatenate([self.xs, self.targets], axis=1)
        window, k = np.indices(rows.shape).reshape(2, -1)
        return {
            "window": window,
            "at": window + k,
            "target": k >= self.xs.shape[1],
            "value": rows.ravel(),
        }


def windows(values: Any, steps: int, *, horizon: int = 1, times: Any = None) -> Plot:
    """A series, and below it the windows that `tasks.windows` cuts out of it.

    Blue is shown to the net, orange is what it is to predict.

    Parameters
    ----------
    values, steps, horizon
        As in `tasks.windows`.
    times
        When each value was measured, (N,), such as years; by default 0, 1, 2 …

    Returns
    -------
    Its ``.numbers`` are a `SeriesWindows`; ``.csv(path)`` writes one row for each window and value.

    Raises
    ------
    ValueError, TypeError
        As `tasks.windows`; or `times` has another length.

    Examples
    --------
    >>> windows(np.arange(9.0), 4).numbers.targets.ravel()
    array([4., 5., 6., 7., 8.])
    """
    batch = tasks.windows(values, steps, horizon=horizon)
    series = np.asarray(values, float)
    found = SeriesWindows(series, batch.xs[:, :, 0].T, batch.targets)
    at = _times("windows", times, len(series))

    def draw(figure: Any) -> None:
        from matplotlib.patches import Patch

        top, low = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": (1.5, 1)})
        count = len(found.xs)
        chosen = np.unique(np.linspace(0, count - 1, min(count, ROWS)).round().astype(int))
        marker = "o" if len(series) <= 60 else None
        top.plot(at, series, color=theme.BLACK, linewidth=1.4, marker=marker, markersize=4)
        half = (at[1] - at[0]) / 2 if len(at) > 1 else 0.5
        for row, k in enumerate(chosen):
            for first, last, colour in (
                (k, k + steps - 1, theme.BLUE),
                (k + steps, k + steps + horizon - 1, theme.ORANGE),
            ):
                a, b = at[first] - half, at[last] + half
                low.barh(row, b - a, 0.72, a, color=colour, edgecolor="white", linewidth=0.6)
        for first, last, colour in (
            (0, steps - 1, theme.BLUE),
            (steps, steps + horizon - 1, theme.ORANGE),
        ):
            top.axvspan(at[first] - half, at[last] + half, color=colour, alpha=0.16, linewidth=0)
        low.set_yticks(range(len(chosen)) if len(chosen) <= 4 else [0, len(chosen) - 1])
        low.set_yticklabels([f"{chosen[int(k)]}" for k in low.get_yticks()])
        low.set(ylabel="window", xlabel="step" if times is None else "time")
        low.set_ylim(len(chosen) - 0.4, -0.6)
        low.tick_params(axis="y", length=0)
        low.spines["left"].set_visible(False)
        top.set_ylabel("value")
        top.grid()
        handles = [
            Patch(color=theme.BLUE, label=f"seen: {steps}"),
            Patch(color=theme.ORANGE, label=f"to predict: {horizon}"),
        ]
        legend(figure, "above", 2, handles=handles)
        if len(chosen) < count:
            note(figure, f"{len(chosen)} of {count:,} windows; each begins one value later.")

    return Plot(found, draw, (7.6, 4.6))


def forecast(
    paths: Any, past: Any = (), truth: Any = None, *, share: float = 0.8, times: Any = None
) -> Plot:
    """A forecast, the band in which most of its samples lie, and what came.

    Parameters
    ----------
    paths
        As in `measure.forecast`; or what that gave; or a dict of either by title.
    past, truth
        As in `measure.forecast`, the same for all panels.
    share
        Of the samples that lie in the band, between 0 and 1.
    times
        When each value of the past and the forecast was measured; by default the step ahead.

    Returns
    -------
    Its ``.numbers`` are `measure.forecast` (by title if there are several panels); ``.csv(path)``
    writes one row for each sample and step ahead.

    Raises
    ------
    ValueError
        As `measure.forecast`; or `share` is not between 0 and 1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"forecast: share must be between 0 and 1, got {share!r}.")
    found = panels(paths, lambda x: measure.forecast(x, past, truth), measure.Forecast)

    def draw(figure: Any) -> None:
        axes = beside(figure, len(found), 28, sharey=True)
        for ax, (title, m) in zip(axes, found.items(), strict=True):
            N, H = len(m.past), m.paths.shape[1]
            at = np.arange(1 - N, H + 1) if times is None else _times("forecast", times, N + H)
            low, high = m.band(share)
            ahead, joined, last = at[N:], at[max(N - 1, 0) :], m.past[-1:]
            ax.plot(at[:N], m.past, color=theme.BLACK, linewidth=1.4, label="past")
            truth, middle = np.append(last, m.truth), np.append(last, m.median())
            if not np.isnan(m.truth).all():
                ax.plot(joined, truth, ":", color=theme.BLACK, linewidth=1.4, label="truth")
            dot = "o" if H == 1 else None
            ax.plot(joined, middle, color=theme.VERMILION, marker=dot, label="forecast")
            if len(m.paths) > 1:
                label = f"{share:.0%} of {len(m.paths)} forecasts"
                ax.fill_between(
                    ahead, low, high, color=theme.VERMILION, alpha=0.22, linewidth=0, label=label
                )
            words = title
            if len(m.paths) > 1 and not np.isnan(m.covered(share)):
                words += f"\n{m.covered(share):.0%} of the truth in the band"
            ax.set_title(words.strip())
            ax.set_xlabel("steps ahead" if times is None else "time")
            ax.grid()
            whole_numbers(ax, True, most=5)
        label_rows(axes, "value")
        handles, labels = axes[0].get_legend_handles_labels()
        legend(figure, "below", 4, handles=handles, labels=labels)

    return Plot(only(found), draw, (2.0 + 4.4 * len(found) * (0.8 if len(found) > 1 else 1.2), 4.2))


def _times(name: str, times: Any, count: int) -> np.ndarray:
    at = np.arange(count) if times is None else np.asarray(times)
    if at.shape != (count,):
        raise ValueError(f"{name}: expected {count} times, one for each value, got {at.shape}.")
    return at


def _last_windows(nets: Any) -> Plot:
    years, numbers, _ = nets.measured.sunspots()
    return windows(numbers[-100:], 16, horizon=3, times=years[-100:])


def _forecast_of_spots(nets: Any) -> Plot:
    years, numbers, ahead = nets.measured.sunspots()
    return forecast(ahead, numbers[-60:-22], numbers[-22:], times=years[-60:])


EXHIBITS = (
    Exhibit(
        windows, TRAINING, "65_windows.svg", "A series as examples",
        "Each window is one example: what is seen, and what comes next.",
        lambda nets: _last_windows(nets),
    ),
    Exhibit(
        forecast, TRAINING, "66_forecast.svg", "A forecast and how sure it is",
        "The further ahead, the wider the band: beyond a cycle the net can only guess.",
        lambda nets: _forecast_of_spots(nets),
    ),
)  # fmt: skip
