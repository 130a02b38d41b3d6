"""What changes in the gates if another input is read, or if one of them is held?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn import measure
from viz import theme
from viz.charts.axes import extent, whole_numbers
from viz.charts.figure import Plot, one_of, the_text, wrapped
from viz.charts.gates import MOST_LETTERS, MOST_UNITS, letters_below
from viz.exhibit import TRAINED, Exhibit


def gate_differences(
    losses: dict[str, Any] | measure.GateDifferences,
    letters: str | Sequence[str] | None = None,
    lane: str | None = None,
    *,
    texts: Sequence[str] | None = None,
    example: int = 0,
) -> Plot:
    """Two inputs through the same weights: the gates on either, and their difference.

    Gates go from dark blue to yellow, other values and differences from blue to red around 0. Of
    more than 64 units the first 64.

    Parameters
    ----------
    losses
        Two losses, or outputs, by title: ``{"with comma": …, "without": …}``; or what
        `measure.gate_differences` gave.
    letters, lane
        As in `measure.gates`.
    texts
        What either read, one character per step, to write below.
    example
        Which of the batch.

    Returns
    -------
    Its ``.numbers`` are `measure.gate_differences`; ``.csv(path)`` writes one row for each letter,
    step, example and unit.

    Raises
    ------
    ValueError
        There are not two, a text has another length, or as `measure.gate_differences`.
    """
    if isinstance(losses, measure.GateDifferences):
        found, titles = losses, ["first", "second"]
    else:
        if not isinstance(losses, dict) or len(losses) != 2:
            raise ValueError(
                "gate_differences: expected two records by their titles, "
                'gate_differences({"with comma": loss, "without": loss2}).'
            )
        first, second = losses.values()
        found, titles = measure.gate_differences(first, second, letters, lane), [*losses]
    return _drawn("gate_differences", found, [*titles, "difference"], texts, example)


def clamped(
    loss: Any,
    letter: str = "f",
    value: float = 1.0,
    *,
    letters: str | Sequence[str] | None = None,
    steps: Iterable[int] | None = None,
    units: Iterable[int] | None = None,
    lane: str | None = None,
    text: str | None = None,
    example: int = 0,
) -> Plot:
    """A gate held at a number: the states as recorded, as they become, and the difference.

    Parameters
    ----------
    loss
        The loss, or outputs.
    letter, value, steps, units, lane
        As in `measure.clamped`.
    letters
        Which named values are shown; by default the one that is held, and the states.
    text, example
        As in `gate_map`.

    Returns
    -------
    Its ``.numbers`` are `measure.gate_differences`; ``.csv(path)`` writes one row for each letter,
    step, example and unit.

    Raises
    ------
    ValueError
        As `measure.clamped`.
    """
    other = measure.clamped(loss, letter, value, steps=steps, units=units, lane=lane)
    if letters is None:
        every = [x for x in measure.lanes(loss) if lane in (None, x.name)]
        letters = [letter, *(s for s in every[-1].states if s != letter)]
    found = measure.gate_differences(loss, other, letters, lane)
    part = " in part" * (steps is not None or units is not None)
    titles = ["as recorded", f"{letter} = {value:g}{part}", "difference"]
    texts = None if text is None else [text, text]
    return _drawn("clamped", found, titles, texts, example)


def _drawn(
    name: str,
    found: measure.GateDifferences,
    titles: list[str],
    texts: Sequence[str] | None,
    example: int,
) -> Plot:
    letters = list(found.first.values)
    T, examples, _ = found.first.values[letters[0]].shape
    example = one_of(name, "example", example, examples)
    for text in texts or ():
        if len(the_text(name, text)) != T:
            raise ValueError(
                f"{name}: expected texts of one character for each of {T} steps, got {len(text)}."
            )
    written = texts is not None and T <= MOST_LETTERS
    columns = np.arange(T) if written else found.steps

    def draw(figure: Any) -> None:
        axes = figure.subplots(len(letters), 3, squeeze=False, sharex="col", sharey="row")
        differences = found.difference
        for row, letter in zip(axes, letters, strict=True):
            pair = [found.first.values[letter], found.second.values[letter]]
            both = np.stack([v[:, example] for v in pair])
            gate = bool(((both >= 0) & (both <= 1) | np.isnan(both)).all())
            top = 1.0 if gate else _largest(both) or 1.0
            largest = _largest(differences[letter][:, example]) or 1.0
            for k, (ax, v) in enumerate(zip(row, [*pair, differences[letter]], strict=True)):
                maps = {"cmap": "RdBu_r", "vmin": -largest, "vmax": largest}
                if k < 2:
                    maps = {"cmap": "cividis" if gate else "RdBu_r", "vmin": -top * (not gate)}
                    maps["vmax"] = top
                units = v[:, example, :MOST_UNITS].T
                image = ax.imshow(
                    np.ma.masked_invalid(units),
                    extent=extent(columns, np.arange(len(units))),
                    interpolation="nearest",
                    aspect="auto",
                    **maps,
                )
                ax.set_facecolor(theme.IMPOSSIBLE)
                whole_numbers(ax, columns, np.arange(len(units)), 4)
                if k:
                    figure.colorbar(image, ax=row[:2] if k == 1 else ax, pad=0.02, aspect=12)
            row[0].set_ylabel(f"unit of {letter}")
        for ax, title in zip(axes[0], titles, strict=True):
            ax.set_title(wrapped(title, 24))
        for ax, text in zip(axes[-1], [*(texts or (None, None)), None], strict=True):
            ax.set_xlabel("step t")
            if text is not None and written:
                letters_below(ax, text)

    return Plot(found, draw, (10.4, 1.0 + 1.75 * len(letters)))


def _largest(v: np.ndarray) -> float:
    return float(np.abs(v[np.isfinite(v)]).max(initial=0.0))


EXHIBITS = (
    Exhibit(
        gate_differences, TRAINED, "52_differences.svg", "The same weights, another letter",
        "One letter differs: the gates differ there, and for as long as it is remembered.",
        lambda nets: gate_differences(nets.two, ["i", "f", "c"], texts=tuple(nets.two)),
    ),
    Exhibit(
        clamped, TRAINED, "53_clamped.svg", "A forget gate that is held open",
        "Nothing is forgotten any more, so the cell state runs away.",
        lambda nets: clamped(nets.reads["LSTM"][-1], "f", 1.0, text=nets.text),
    ),
)  # fmt: skip
