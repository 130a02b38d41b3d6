"""When are gates open and shut, and which of them hardly ever move?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_rnn import Tensor, measure
from viz import theme
from viz.charts.axes import extent, whole_numbers
from viz.charts.figure import Plot, beside, label_rows, one_of, only, panels, the_text
from viz.exhibit import TRAINED, Exhibit

MOST_UNITS = 64  # rows that can still be told apart
MOST_LETTERS = 60  # of a text below an axis


def gate_map(
    loss: Any,
    letters: str | Sequence[str] | None = None,
    lane: str | None = None,
    *,
    inputs: Any = None,
    states: bool = False,
    text: str | None = None,
    example: int = 0,
) -> Plot:
    """The gates of one example, units against time: what is let in, kept and shown, and when.

    0 to 1 is drawn from dark blue to yellow, other values from blue to red around 0; purple is not
    finite. Of more than 64 units the first 64. On an untrained net the gates are noise.

    Parameters
    ----------
    loss
        The loss, or outputs; or what `measure.gates` gave; or a dict of such by title: nets beside
        each other, each letter on one scale.
    letters, lane
        As in `measure.gates`; any named values will do: ``["f", "c", "h"]``.
    inputs
        What was read, (T, batch, features) or symbols (T, batch), to draw above the gates; where it
        differs, a dict by title.
    states
        Whether the states are drawn below the gates: c, h.
    text
        What was read, one character per step, to write below.
    example
        Which of the batch.

    Returns
    -------
    Its ``.numbers`` are `measure.gates`, all examples and units (by title if there are several
    nets); ``.csv(path)`` writes them.

    Raises
    ------
    ValueError
        There are no gates, no such example, the text has another length, or the inputs have other
        steps and examples; or states are asked for of what was measured already.
    """
    every = loss if isinstance(loss, dict) else {"": loss}
    found: dict[str, measure.Gates] = {}
    for title, x in panels(loss, lambda x: x, measure.Gates).items():
        wanted = _known(x, letters) if len(every) > 1 else letters
        gates = _gates(x, wanted, lane, "gate_map")
        read = inputs.get(title) if isinstance(inputs, dict) else inputs
        found[title] = _with_rows(gates, every[title], read, states)
        T, examples, _ = next(iter(gates.values.values())).shape
        example = one_of("gate_map", "example", example, examples)
        if text is not None and len(the_text("gate_map", text)) != T:
            raise ValueError(
                f"gate_map: expected a text of one character for each of {T} steps, got "
                f"{len(text)}."
            )
    rows = list(dict.fromkeys(letter for gates in found.values() for letter in gates.values))

    def draw(figure: Any) -> None:
        axes = figure.subplots(len(rows), len(found), squeeze=False, sharex="col")
        for line, letter in zip(axes, rows, strict=True):
            shown = {
                title: gates.values[letter][:, example, :MOST_UNITS].T
                for title, gates in found.items()
                if letter in gates.values
            }
            # one scale for all nets
            each = [gates.values[letter].ravel() for t, gates in found.items() if t in shown]
            v = np.concatenate(each)
            gate = bool(((v >= 0) & (v <= 1) | np.isnan(v)).all())
            top = 1.0 if gate else float(np.abs(v[np.isfinite(v)]).max(initial=1.0))
            image: Any = None
            for ax, (title, gates) in zip(line, found.items(), strict=True):
                if title not in shown:
                    ax.set_axis_off()
                    ax.text(0.5, 0.5, f"has no {letter}", ha="center", transform=ax.transAxes)
                    continue
                columns = np.arange(len(gates.steps)) if text is not None else gates.steps
                image = ax.imshow(
                    np.ma.masked_invalid(shown[title]),
                    cmap="cividis" if gate else "RdBu_r",
                    vmin=0 if gate else -top,
                    vmax=top,
                    extent=extent(columns, np.arange(len(shown[title]))),
                    interpolation="nearest",
                    aspect="auto",
                )
                ax.set_facecolor(theme.IMPOSSIBLE)
                whole_numbers(ax, None, np.arange(len(shown[title])), 4)
                ax.tick_params(axis="x", length=0 if text is not None else 3.5)
            label_rows(list(line), f"unit of {letter}")
            figure.colorbar(image, ax=list(line), pad=0.015, ticks=[0, 0.5, 1] if gate else None)
        for ax, title in zip(axes[0], found, strict=True):
            ax.set_title(title)
        for k, gates in enumerate(found.values()):
            ax = axes[max(n for n, letter in enumerate(rows) if letter in gates.values), k]
            ax.tick_params(labelbottom=True)
            if text is not None and len(gates.steps) <= MOST_LETTERS:
                letters_below(ax, text)
            else:
                whole_numbers(ax, gates.steps)
                ax.set_xlabel("step t")

    return Plot(only(found), draw, (2.0 + 6.0 * len(found), 0.7 + 1.75 * len(rows)))


def gate_saturation(
    loss: Any, letters: str | Sequence[str] | None = None, lane: str | None = None
) -> Plot:
    """The share of steps at which each gate is nearly shut (below 0.1) and nearly open (above 0.9).

    One point per unit, the fractions over all steps and examples (after Karpathy, Johnson & Li
    2015, figure 3). At the lower right a forget gate erases always, at the top it keeps always, at
    the origin it is never at an end. No point can be above the diagonal.

    Parameters
    ----------
    loss
        The loss, or outputs; or what `measure.gates` gave; or a dict of such by title.
    letters, lane
        As in `measure.gates`.

    Returns
    -------
    Its ``.numbers`` are `measure.gates` (by title if there are several nets), of which
    ``.numbers.saturated()`` are the points, (units, 2) for each letter; ``.csv(path)`` writes the
    values they are counted from.
    """
    found = panels(loss, lambda x: _gates(x, letters, lane, "gate_saturation"), measure.Gates)
    # of what was measured, the letters asked for
    found = {title: _gates(g, letters, lane, "gate_saturation") for title, g in found.items()}
    every = [(title, *row) for title, g in found.items() for row in g.saturated().items()]

    def draw(figure: Any) -> None:
        axes = beside(figure, len(every), sharey=True)
        for ax, (title, letter, points) in zip(axes, every, strict=True):
            ax.plot([0, 1], [1, 0], color=theme.LIGHT, linewidth=1)
            ax.scatter(
                points[:, 0],
                points[:, 1],
                s=52,
                color=theme.BLUE,
                alpha=0.55,
                linewidth=0,
                zorder=3,
                clip_on=False,
            )
            ends = {"xlim": (-0.04, 1.04), "ylim": (-0.04, 1.04)}
            ax.set(**ends, xlabel="shut: share < 0.1", xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
            units = "1 unit" if len(points) == 1 else f"{len(points)} units"
            ax.set_title(f"{title} {letter}, {units}".strip())
            ax.grid()
        label_rows(axes, "open: share > 0.9")

    return Plot(only(found), draw, (1.0 + 2.75 * min(len(every), 5), 3.7))


def _with_rows(found: measure.Gates, loss: Any, inputs: Any, states: bool) -> measure.Gates:
    """The gates between what was read and what is remembered."""
    values = dict(found.values)
    T, examples, _ = next(iter(values.values())).shape
    if inputs is not None:
        x = np.asarray(inputs.data if isinstance(inputs, Tensor) else inputs, float)
        if x.shape[:2] != (T, examples) or x.ndim not in (2, 3):
            raise ValueError(
                f"gate_map: expected inputs ({T}, {examples}, features) or symbols "
                f"({T}, {examples}), got shape {x.shape}."
            )
        values = {"x": x.reshape(T, examples, -1)} | values
    if states:
        if isinstance(loss, measure.Gates):
            raise ValueError(
                "gate_map: the states are read from the record; give the loss, or measure them: "
                'measure.gates(loss, ["f", "c", "h"]).'
            )
        lane = next(x for x in measure.lanes(loss) if x.name == found.lane)
        missing = [letter for letter in lane.states if letter not in values]
        values |= measure.gates(loss, missing, found.lane).values if missing else {}
    return measure.Gates(found.lane, found.steps, values)


def _known(x: Any, letters: str | Sequence[str] | None) -> str | Sequence[str] | None:
    """Of the letters asked for those that one of several nets has; all if it has none."""
    if letters is None:
        return None
    lanes = [x] if isinstance(x, measure.Gates) else measure.lanes(x)
    known = {letter for lane in lanes for letter in lane.values}
    wanted = [letters] if isinstance(letters, str) else list(letters)
    return [letter for letter in wanted if letter in known] or wanted


def letters_below(ax: Any, text: str) -> None:
    """What was read at each step, one character below its column."""
    ax.set_xticks(range(len(text)), [c if c.isprintable() else "·" for c in text])
    for label in ax.get_xticklabels():
        label.set_parse_math(False)
    ax.tick_params(axis="x", length=0)
    ax.set_xlabel("input at each step")


def _gates(
    loss: Any, letters: str | Sequence[str] | None, lane: str | None, name: str
) -> measure.Gates:
    if not isinstance(loss, measure.Gates):
        return measure.gates(loss, letters, lane)
    if letters is None:
        return loss
    wanted = [letters] if isinstance(letters, str) else list(letters)
    unknown = [letter for letter in wanted if letter not in loss.values]
    if unknown or not wanted:
        known = ", ".join(loss.values)
        raise ValueError(f"{name}: {unknown} were not measured; there are: {known}.")
    return measure.Gates(loss.lane, loss.steps, {letter: loss.values[letter] for letter in wanted})


EXHIBITS = (
    Exhibit(
        gate_map, TRAINED, "50_gates.svg", "The gates of an LSTM while it reads",
        "Stripes are units that follow words: open or shut at every space.",
        lambda nets: gate_map(nets.reads["LSTM"][-1], text=nets.text),
    ),
    Exhibit(
        gate_saturation, TRAINED, "51_saturation.svg",
        "Which gates are open or shut, and how often",
        "A forget gate at the top left keeps nearly everything, one below on the right erases.",
        lambda nets: gate_saturation(nets.at_length),
    ),
)  # fmt: skip
