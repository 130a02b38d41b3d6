"""What does a unit, or an output, see in a text?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn import measure
from viz import theme
from viz.charts.figure import Plot, one_of, only, panels, scaled, the_text
from viz.exhibit import TRAINED, Exhibit

PER_LINE = 48  # characters that are still read from the last row
MOST = 5_000  # characters of a picture
WIDTH, CHARACTER = 0.19, 1.7  # of one, in inches, and how much higher it is
BAR, TITLE = 0.9, 0.3  # the height of the colours' bar, and of a title


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
    loss: Any,
    letter: str | None = None,
    lane: str | None = None,
    *,
    text: str,
    unit: int | Mapping[str, int],
    example: int = 0,
) -> Plot:
    """A text coloured by what one unit holds after reading each character.

    Blue and underlined: negative, red: positive, white: 0 (after Karpathy, Johnson & Li 2015).

    Parameters
    ----------
    loss
        The loss, or outputs; or several nets by title, below each other on one scale.
    letter, lane
        Of which value (h by default) of which lane (the top layer by default).
    text
        What was read, one character per step.
    unit
        Which unit, counted from 0; of several nets the same, or one for each by title.
    example
        Which of the batch.

    Returns
    -------
    Its ``.numbers`` are a `ColouredText` (by title if there are several nets); ``.csv(path)``
    writes one row for each character.

    Raises
    ------
    ValueError
        The text is not as long as the record, or there is no such unit, letter or lane.
    """
    name = "text_activation"
    numbers: dict[str, ColouredText] = {}
    units: list[str] = []
    every = panels(loss, lambda x: measure.trajectories(x, letter, lane), measure.Trajectories)
    for title, found in every.items():
        T, examples, count = found.states.shape
        asked = unit.get(title) if isinstance(unit, Mapping) else unit
        chosen = one_of(name, "unit", asked, count)
        example = one_of(name, "example", example, examples)
        if len(the_text(name, text)) != T:
            raise ValueError(
                f"{name}: expected a text of one character for each of {T} steps, got {len(text)}."
            )
        order = np.argsort(found.steps)  # a lane that was run in reverse read the text backward
        values = found.states[order, example, chosen]
        numbers[title] = ColouredText(_short_enough(text), values)
        units.append(f"{found.letter} of unit {chosen}")

    def draw(figure: Any) -> None:
        v = np.concatenate([each.values for each in numbers.values()])
        top = max(float(np.abs(v[np.isfinite(v)]).max(initial=0)), 1e-12)
        label = ", ".join(dict.fromkeys(units)) + " (underlined: negative)" * bool((v < 0).any())
        _draw(figure, numbers, "RdBu_r", -top, top, label)

    return Plot(only(numbers), draw, _size(text, len(numbers)))


def text_connectivity(
    loss: Any, letter: str = "x", lane: str | None = None, *, text: str, log: bool = False
) -> Plot:
    """A text coloured by how much each character moves one output: ‖∂output/∂x_t‖².

    The darker the more (after Madsen 2019, "Visualizing memorization in RNNs", Distill).

    Parameters
    ----------
    loss
        A recorded scalar, e.g. the logit of the character that was chosen; or several by title,
        below each other on one scale.
    letter, lane
        As in `measure.connectivity`.
    text
        What was read, one character per step, and as many more as you like (what was predicted).
    log
        Whether the colours show powers of ten; else shares of the largest.

    Returns
    -------
    Its ``.numbers`` are a `ColouredText` (by title if there are several nets); ``.csv(path)``
    writes one row for each character.

    Raises
    ------
    ValueError
        The inputs are constants, or the text is shorter than what was read.
    """
    numbers: dict[str, ColouredText] = {}
    every = panels(loss, lambda x: measure.connectivity(x, letter, lane), measure.Connectivity)
    for title, found in every.items():
        if len(the_text("text_connectivity", text)) < len(found.steps):
            raise ValueError(
                f"text_connectivity: {len(found.steps)} characters were read, the text has "
                f"{len(text)}. Pass all of them."
            )
        values = np.full(len(text), np.nan)
        values[: len(found.steps)] = found.squared
        numbers[title] = ColouredText(_short_enough(text), values)

    def draw(figure: Any) -> None:
        values = np.concatenate([each.values for each in numbers.values()])
        good = values[np.isfinite(values) & (values > 0)]
        top = float(good.max()) if good.size else 1.0
        low = max(float(good.min()), top * 10.0**-theme.DECADES) if log and good.size else 0.0
        _draw(figure, numbers, None, low, top, "squared gradient of the output", log)

    return Plot(only(numbers), draw, _size(text, len(numbers)))


def _draw(
    figure: Any, every: dict[str, ColouredText], cmap: str | None, low: float, top: float,
    label: str, log: bool = False,
) -> None:  # fmt: skip
    """Texts below each other, coloured on one scale."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize

    # from white, so that what does not count stays plain text
    colours: Any = cmap or LinearSegmentedColormap.from_list("share", ["#ffffff", *theme.ramp(9)])
    norm = LogNorm(low, top, clip=True) if log and 0 < low < top else Normalize(low, top or 1)
    mapped = ScalarMappable(norm, colours)
    across = figure.get_size_inches()[0]
    per_line = min(PER_LINE, max(8, int((across - 0.19) / scaled(WIDTH))))
    if per_line < PER_LINE:  # in a narrow picture there are more lines
        length = max(len(numbers.text) for numbers in every.values())
        high = CHARACTER * WIDTH * -(-length // per_line) + TITLE * (len(every) > 1)
        figure.set_size_inches(across, scaled(BAR + high * len(every)))
    axes = figure.subplots(len(every), 1, squeeze=False)[:, 0]
    for ax, (title, numbers) in zip(axes, every.items(), strict=True):
        _write(ax, numbers, mapped, per_line)
        ax.set_title(title, loc="left")
    figure.colorbar(mapped, ax=list(axes), location="bottom", label=label, aspect=40, shrink=0.7)


def _write(ax: Any, numbers: ColouredText, mapped: Any, per_line: int) -> None:
    """One text, so many characters in a line."""
    length = len(numbers.text)
    wide, rows = min(length, per_line), -(-length // per_line)
    known = np.isfinite(numbers.values)
    fills = np.ones((rows * wide, 4))
    fills[:length][known] = mapped.to_rgba(numbers.values[known])
    ax.imshow(
        fills.reshape(rows, wide, 4),
        extent=(0, wide, rows, 0),
        aspect=CHARACTER,
        interpolation="nearest",
    )
    bright = fills[:length] @ (0.3, 0.59, 0.11, 0)
    for k, c in enumerate(numbers.text):
        row, column = divmod(k, per_line)
        colour = theme.BLACK if known[k] else theme.GREY
        colour = "white" if bright[k] < 0.5 else colour
        ax.text(
            column + 0.5,
            row + 0.5,
            c if c.isprintable() else "↵" if c == "\n" else "·",
            ha="center",
            va="center_baseline",
            family="DejaVu Sans Mono",
            fontsize=scaled(13),
            color=colour,
            parse_math=False,
        )
        if numbers.values[k] < 0:  # RdBu's ends are the same grey on paper
            ax.plot([column + 0.2, column + 0.8], [row + 0.86] * 2, color=colour, linewidth=1.4)
    ax.set_axis_off()


def _short_enough(text: str) -> str:
    if not 0 < len(text) <= MOST:
        raise ValueError(
            f"a text of {len(text):,} characters cannot be read in a picture, which shows 1 … "
            f"{MOST:,}. Show a part of it: unroll over fewer characters."
        )
    return text


def _size(text: str, nets: int) -> tuple[float, float]:
    wide, rows = min(len(text), PER_LINE), -(-len(text) // PER_LINE)
    high = CHARACTER * WIDTH * rows + TITLE * (nets > 1)
    return max(5.0, WIDTH * wide + 0.2), BAR + high * nets


EXHIBITS = (
    Exhibit(
        text_activation, TRAINED, "58_text.svg", "A text, coloured by one unit",
        "The unit that moves most: what does it follow?",
        lambda nets: text_activation(nets.at_length, text=nets.long, unit=nets.liveliest),
    ),
    Exhibit(
        text_connectivity, TRAINED, "59_connectivity.svg", "A text, by what moves the last guess",
        "Powers of ten: how far back a letter still counts, for each net on one scale.",
        lambda nets: text_connectivity(nets.guesses, text=nets.whole, log=True),
    ),
)  # fmt: skip
