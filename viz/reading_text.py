"""What does a unit, or an output, see in a text?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn import measure
from viz import theme
from viz.plot import Plot

PER_LINE = 56  # characters that are still read from the last row


@dataclass(frozen=True, eq=False)
class ColouredText(measure.Table):
    """A number for each character.

    Attributes
    ----------
    text
        The characters.
    values
        One for each, (T,); NaN where there is none.
    """

    text: str
    values: np.ndarray

    def columns(self) -> dict[str, Any]:
        """One row per character."""
        return {"t": np.arange(len(self.text)), "character": list(self.text), "value": self.values}


def text_activation(
    text: str,
    loss: Any,
    unit: int,
    letter: str | None = None,
    lane: str | None = None,
    *,
    example: int = 0,
) -> Plot:
    """A text coloured by what one unit holds after reading each character.

    Blue: negative, red: positive, white: 0 (after Karpathy, Johnson & Li 2015).

    Parameters
    ----------
    text
        What was read, one character per step.
    loss
        The loss, or outputs.
    unit
        Which unit, counted from 0.
    letter, lane, example
        Of which value (h by default), lane and example of the batch.

    Raises
    ------
    ValueError
        The text is not as long as the record, or there is no such unit.
    """
    lane_ = next(
        (x for x in reversed(measure.lanes(loss)) if x.states and lane in (None, x.name)), None
    )
    if lane_ is None:
        raise ValueError("text_activation: no such lane hands a state on from step to step.")
    v = lane_.array(letter or ("h" if "h" in lane_.states else lane_.states[-1]))
    v = v.reshape(len(v), -1, v.shape[-1])
    if len(v) != len(text) or not 0 <= unit < v.shape[-1] or not 0 <= example < v.shape[1]:
        raise ValueError(
            f"text_activation: the record has {len(v)} steps, {v.shape[-1]} units and "
            f"{v.shape[1]} examples; got a text of {len(text)}, unit {unit}, example {example}."
        )
    numbers = ColouredText(text, np.array(v[:, example, unit], dtype=float))

    def draw(figure: Any) -> None:
        finite = np.abs(numbers.values[np.isfinite(numbers.values)])
        top = max(float(finite.max(initial=0)), 1e-12)
        _draw(figure, numbers, "RdBu_r", -top, top, f"unit {unit}")

    return Plot(numbers, draw, _size(text))


def text_connectivity(
    text: str, output: Any, letter: str = "x", lane: str | None = None, *, log: bool = False
) -> Plot:
    """A text coloured by how much each character moves one output: ‖∂output/∂x_t‖².

    The darker the more (after Madsen 2019, "Visualizing memorization in RNNs", Distill).

    Parameters
    ----------
    text
        What was read, one character per step, and as many more as you like (what was predicted).
    output
        A recorded scalar, e.g. the logit of the character that was chosen.
    letter, lane
        As in `measure.connectivity`.
    log
        Whether the colours show powers of ten; else shares of the largest.

    Raises
    ------
    ValueError
        The inputs are constants, or the text is shorter than what was read.
    """
    found = measure.connectivity(output, letter, lane)
    if len(text) < len(found.steps):
        raise ValueError(
            f"text_connectivity: {len(found.steps)} characters were read, the text has "
            f"{len(text)}. Pass all of them."
        )
    values = np.full(len(text), np.nan)
    values[: len(found.steps)] = found.squared
    numbers = ColouredText(text, values)

    def draw(figure: Any) -> None:
        good = values[np.isfinite(values) & (values > 0)]
        top = float(good.max()) if good.size else 1.0
        low = max(float(good.min()), top * 10.0**-theme.DECADES) if log and good.size else 0.0
        _draw(figure, numbers, None, low, top, "squared gradient of the output", log)

    return Plot(numbers, draw, _size(text))


def _draw(
    figure: Any, numbers: ColouredText, cmap: str | None, low: float, top: float, label: str,
    log: bool = False,
) -> None:  # fmt: skip
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize
    from matplotlib.patches import Rectangle

    # from white, so that what does not count stays plain text
    colours: Any = cmap or LinearSegmentedColormap.from_list("share", ["#ffffff", *theme.ramp(9)])
    norm = LogNorm(low, top) if log and low < top else Normalize(low, top or 1)
    mapped = ScalarMappable(norm, colours)
    ax = figure.subplots()
    for k, (c, v) in enumerate(zip(numbers.text, numbers.values, strict=True)):
        row, column = divmod(k, PER_LINE)
        known = np.isfinite(v)
        fill = mapped.to_rgba(v) if known else (1, 1, 1, 1)
        dark = known and 0.3 * fill[0] + 0.59 * fill[1] + 0.11 * fill[2] < 0.5
        ax.add_patch(Rectangle((column, row), 1, 1, facecolor=fill, linewidth=0))
        ax.text(
            column + 0.5,
            row + 0.54,
            c if c.isprintable() else "↵" if c == "\n" else "·",
            ha="center",
            va="center",
            family="DejaVu Sans Mono",
            fontsize=12,
            color="white" if dark else theme.BLACK if known else theme.GREY,
            parse_math=False,
        )
    rows = -(-len(numbers.text) // PER_LINE)
    ax.set(xlim=(0, min(len(numbers.text), PER_LINE)), ylim=(rows, 0))
    ax.set_axis_off()
    figure.colorbar(
        mapped, ax=ax, location="bottom", label=label, aspect=45, fraction=0.08, shrink=0.6
    )


def _size(text: Sequence[str]) -> tuple[float, float]:
    rows = -(-len(text) // PER_LINE)
    return max(4.5, 0.17 * min(len(text), PER_LINE) + 0.4), 1.2 + 0.32 * rows
