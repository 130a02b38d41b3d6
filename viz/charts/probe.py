"""How far back can be read from a state?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_rnn import measure
from viz import theme
from viz.charts.axes import look, whole_numbers
from viz.charts.figure import Plot, legend, only
from viz.exhibit import TRAINED, Exhibit


def memory_probe(hs: Any, xs: Any = None, lags: Iterable[int] | int | None = None) -> Plot:
    """The score of a linear decoder that reads x_{t−k} from h_t, by the lag k.

    1 is read exactly, dotted is what a decoder scores that does not see the state.

    Parameters
    ----------
    hs
        States as in `measure.memory_probe`; or what that gave; or a dict of either by name:
        ``{"RNN": outputs, "LSTM": outputs2}``.
    xs, lags
        As in `measure.memory_probe`, the same for all.

    Returns
    -------
    Its ``.numbers`` are `measure.memory_probe` (by name if there are several); ``.csv(path)``
    writes one row for each lag.

    Raises
    ------
    ValueError
        As `measure.memory_probe`.

    Examples
    --------
    >>> xs = np.random.default_rng(0).standard_normal((30, 8, 1))
    >>> memory_probe(np.roll(xs, 2, axis=0), xs, [1, 2]).numbers.scores.round(1)
    array([-0.1,  1. ])
    """
    every = hs if isinstance(hs, dict) else {"": hs}
    if not every:
        raise ValueError("memory_probe: the dict of states is empty. Give it names and states.")
    if lags is not None and not isinstance(lags, int | np.integer):
        lags = list(lags)  # for each of them
    found = {
        name: h if isinstance(h, measure.Probe) else measure.memory_probe(h, xs, lags)
        for name, h in every.items()
    }

    def draw(figure: Any) -> None:
        ax = figure.subplots()
        lowest = -0.05
        for k, (name, m) in enumerate(found.items()):
            few = len(m.lags) <= 40
            hidden = int((m.scores < -0.3).sum())
            label = name + (f" ({hidden} below −0.3)" if hidden else "")
            ax.plot(
                m.lags, m.scores, **look(k), marker="o" if few else None, markersize=6, label=label
            )
            lowest = min(lowest, np.nanmin(m.scores, initial=0))
        chance = next(iter(found.values()))
        ax.plot(
            chance.lags, chance.chance, color=theme.GREY, linestyle=":", label="without the state"
        )
        ax.set(xlabel="lag k, in steps", ylim=(max(lowest - 0.03, -0.3), 1.04))
        whole = all((m.chance == 0).all() for m in found.values())
        of = r"$R^2$ of $x_{t-k}$, read from $h_t$" if whole else "$x_{t-k}$ read right from $h_t$"
        ax.set_ylabel(of)
        ax.grid()
        whole_numbers(ax, True)
        legend(figure, "above", 4)

    return Plot(only(found), draw, (7.0, 4.2))


EXHIBITS = (
    Exhibit(
        memory_probe, TRAINED, "54_probe.svg", "How far back can be read from the state?",
        "A linear decoder finds the last letters in h, and not those before.",
        lambda nets: memory_probe(*nets.probed(), lags=range(9)),
    ),
)  # fmt: skip
