"""What do longer sequences cost, and are they still solved?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_rnn import measure
from viz.charts.axes import level, levels, look
from viz.charts.figure import Plot, legend, note, only
from viz.exhibit import TRAINING, Exhibit


def bytes_by_length(loss: Any, lengths: Iterable[int] | None = None) -> Plot:
    """The bytes that a record keeps for the way back, against the number of steps T.

    Parameters
    ----------
    loss
        ``loss(T)`` as in `measure.bytes_by_length`; or what that gave; or a dict of such by name:
        ``{"LSTM": f, "LSTM, checkpoints": g}``.
    lengths
        Which T.

    Returns
    -------
    Its ``.numbers`` are `measure.bytes_by_length` (by name if there are several); ``.csv(path)``
    writes one row for each T.

    Raises
    ------
    TypeError, ValueError
        As `measure.bytes_by_length`.
    """
    every = loss if isinstance(loss, dict) else {"": loss}
    if not every:
        raise ValueError("bytes_by_length: the dict of losses is empty. Give it names and losses.")
    chosen = [] if lengths is None else list(lengths)
    found = {
        name: f if isinstance(f, measure.BytesByLength) else measure.bytes_by_length(f, chosen)
        for name, f in every.items()
    }

    def draw(figure: Any) -> None:
        from matplotlib.ticker import FuncFormatter, NullFormatter

        ax = figure.subplots()
        for k, (name, m) in enumerate(found.items()):
            power = ""
            if len(m.lengths) > 1 and (m.bytes > 0).all():
                exponent = np.polyfit(np.log(m.lengths), np.log(m.bytes), 1)[0]
                power = f"grows as $T^{{{exponent:.1f}}}$"
            label = f"{name}: {power}" if name and power else name or power
            ax.plot(m.lengths, m.bytes, **look(k), marker="o", markersize=6, label=label)
        ax.set_xscale("log")
        ax.set_yscale("log")
        every = np.unique(np.concatenate([m.lengths for m in found.values()]))
        shown = every if len(every) <= 8 else every[np.linspace(0, len(every) - 1, 6).astype(int)]
        ax.set_xticks(shown, [f"{T:,}" for T in shown])
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.xaxis.set_tick_params(which="minor", length=0)
        ax.yaxis.set_major_formatter(FuncFormatter(_bytes))
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.set(xlabel="steps T", ylabel="kept for the way back")
        ax.grid()
        legend(figure, "above", 2)

    return Plot(only(found), draw, (7.0, 4.2))


def success_by_length(trials: Any, *, baseline: Any = None) -> Plot:
    """The share of successful trials against the length T.

    Band: where the share of infinitely many trials would lie, with 95 % confidence.

    Parameters
    ----------
    trials
        ``{T: [True, False, …]}`` as in `measure.success_by_length`; or what that gave; or a dict of
        such by name.
    baseline
        What chance gives, or several such shares by name.

    Returns
    -------
    Its ``.numbers`` are `measure.success_by_length` (by name if there are several); ``.csv(path)``
    writes one row for each T.

    Raises
    ------
    ValueError
        As `measure.success_by_length`; or a baseline is no number.

    Examples
    --------
    >>> success_by_length({10: [True] * 8, 20: [True, False]}).numbers.share
    array([1. , 0.5])
    """
    named = isinstance(trials, dict) and trials and all(isinstance(k, str) for k in trials)
    found = {
        name: t if isinstance(t, measure.SuccessByLength) else measure.success_by_length(t)
        for name, t in (trials if named else {"": trials}).items()
    }
    lines = levels("success_by_length", baseline)

    def draw(figure: Any) -> None:
        ax = figure.subplots()
        for k, (name, m) in enumerate(found.items()):
            style = look(k)
            ax.fill_between(m.lengths, m.low, m.high, color=style["color"], alpha=0.16, linewidth=0)
            ax.plot(
                m.lengths, m.share, **style, marker="o", markersize=6, label=name, clip_on=False
            )
        for word, y in lines.items():
            level(ax, y, word)
        ax.set(xlabel="length T", ylabel="trials solved", ylim=(0, 1.02))
        ax.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
        ax.grid()
        if any(found):
            legend(figure, "above", 4)
        counts = {int(n) for m in found.values() for n in m.trials}
        many = f"{min(counts)}–{max(counts)}" if len(counts) > 1 else f"{min(counts)}"
        note(figure, f"{many} trials a point; the band holds the true share with 95 % confidence.")

    return Plot(only(found), draw, (7.0, 4.2))


def _bytes(y: float, _: Any = None) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if y < 1000:
            return f"{y:.3g} {unit}"
        y /= 1000
    return f"{y:.3g} TB"


EXHIBITS = (
    Exhibit(
        success_by_length, TRAINING, "62_success.svg", "How long may the gap be?",
        "The share of signs remembered right, by their distance; trained on 30 steps.",
        lambda nets: success_by_length(nets.measured.remembered(), baseline={"chance": 0.5}),
    ),
    Exhibit(
        bytes_by_length, TRAINING, "63_bytes.svg", "What the way back costs",
        "Memory grows with T; with checkpoints as its square root.",
        lambda nets: bytes_by_length(nets.measured.memories(), [25, 50, 100, 200, 400]),
    ),
)  # fmt: skip
