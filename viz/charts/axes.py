"""From where to where do the axes and colours of curves and maps go, also for extreme numbers?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from viz import theme

MANY = 60  # powers of ten of an axis, above which its ticks are ours
FURTHEST = 250  # powers of ten that an axis shows


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


def log_norm(low: float, high: float) -> Any:
    """Colours along powers of ten; what is beyond an end takes the colour of that end."""
    from matplotlib.colors import LogNorm

    return LogNorm(low, high, clip=True)


def log_axis(ax: Any, low: float, high: float) -> None:
    """A vertical axis of powers of ten, with some room above."""
    ax.set_ylim(low, high * 1.6)  # first: without limits matplotlib would ask the data for some
    ax.set_yscale("log")
    ax.set_ylim(low, high * 1.6)
    powers = np.log10(high) - np.log10(low)
    if powers > MANY:  # else ticks beyond the ends would be infinite
        from matplotlib.ticker import NullLocator

        ax.set_yticks(10.0 ** np.linspace(np.log10(low), np.log10(high), 5).round())
        ax.yaxis.set_minor_locator(NullLocator())


def magnitudes() -> Any:
    """The colours of sizes, small and light to large and dark; what is not finite has its own."""
    from matplotlib.colors import ListedColormap

    return ListedColormap(theme.ramp()).with_extremes(bad=theme.IMPOSSIBLE)


def whole_numbers(ax: Any, x: Any = None, y: Any = None, most: int = 7) -> None:
    """Steps and units are counted, so their axes have no fractions."""
    from matplotlib.ticker import MaxNLocator

    for axis, values in ((ax.xaxis, x), (ax.yaxis, y)):
        if values is not None:
            axis.set_major_locator(MaxNLocator(nbins=most, integer=True))


def extent(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float, float]:
    """Squares around whole numbers, the first row at the top."""
    left, right = (x[0] - 0.5, x[-1] + 0.5) if x[0] <= x[-1] else (x[0] + 0.5, x[-1] - 0.5)
    top, low = (y[0] - 0.5, y[-1] + 0.5) if y[0] <= y[-1] else (y[0] + 0.5, y[-1] - 0.5)
    return left, right, low, top


def jumps(x: np.ndarray) -> np.ndarray:
    """Where whole numbers do not go on by one as they began, as indices to split them at."""
    way = np.diff(x)
    return np.flatnonzero((np.abs(way) != 1) | (way != way[:1])) + 1


def look(k: int) -> dict[str, Any]:
    """Colour and dash of the curve number k: neighbours differ on paper, too."""
    return {
        "color": theme.LINES[k % len(theme.LINES)],
        "linestyle": theme.DASHES[(k + k // len(theme.LINES)) % len(theme.DASHES)],
    }


def level(ax: Any, y: float, text: str) -> None:
    """A dotted line at a known value, with its name beside the axes, where no curve runs."""
    from matplotlib.transforms import blended_transform_factory

    ax.axhline(y, color=theme.GREY, linestyle=":", linewidth=1.4, zorder=1)
    ax.annotate(
        text, (1, y), (4, 0), xycoords=blended_transform_factory(ax.transAxes, ax.transData),
        textcoords="offset points", va="center", color=theme.NOTE_COLOUR, fontsize="medium",
        annotation_clip=False,
    )  # fmt: skip


def levels(name: str, baseline: Any) -> dict[str, float]:
    """Known values by their names: of a number, or of a dict."""
    found = baseline if isinstance(baseline, dict) else {"baseline": baseline}
    if baseline is None:
        return {}
    for word, y in found.items():
        if isinstance(y, bool) or not isinstance(y, int | float | np.number) or not np.isfinite(y):
            raise ValueError(f"{name}: the baseline {word!r} must be a number, got {y!r}.")
    return {str(word): float(y) for word, y in found.items()}


def beyond(v: np.ndarray, log: bool = True) -> str:
    """In words, the values that an axis cannot show."""
    zero, wild = int((v == 0).sum()) * log, int((~np.isfinite(v)).sum())
    words = [f"exactly 0 at {zero} of {v.size}"] * (zero > 0)
    words += [f"not finite at {wild} of {v.size}"] * (wild > 0)
    return f" ({', '.join(words)})" if words else ""
