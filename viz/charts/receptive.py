"""Which places of the earlier inputs does an output of a convolutional cell see?"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn import Tensor, measure
from viz import theme
from viz.charts.axes import log_norm, magnitudes, scale, whole_numbers
from viz.charts.figure import Plot, only, panels
from viz.exhibit import TRAINED, Exhibit

MOST = 6  # pictures in a row


def receptive_field(outputs: Any, xs: Tensor | None = None) -> Plot:
    """The receptive field of an output: how strongly it depends on each place of each input.

    Dark is more, on one logarithmic scale; grey is not seen at all, purple is not finite. Pictures
    are drawn side by side, from the first input to the last; of more than 6 some, first and last
    included. Inputs on a line are one map, place against time.

    Parameters
    ----------
    outputs
        A recorded Tensor, such as the state at one place: ``h[0, 4, 4]``; or what
        `measure.receptive_norms` gave; or a dict of such by title.
    xs
        The inputs as in `measure.receptive_norms`, the same for all.

    Returns
    -------
    Its ``.numbers`` are `measure.receptive_norms` (by title if there are several);
    ``.csv(path)`` writes one row for each step and place.

    Raises
    ------
    ValueError, TypeError
        As `measure.receptive_norms`; or the space has more than two axes.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> xs = Tensor(np.ones((3, 1, 9, 1)))
    >>> outputs, _ = nn.unroll(nn.ConvLSTM1dCell(1, 2, rng=0), xs)
    >>> receptive_field(outputs[-1][0, 4], xs).numbers.reached.sum(axis=1)
    array([7, 5, 3])
    """

    def measured(x: Any) -> measure.ReceptiveNorms:
        if xs is None:
            raise TypeError("receptive_field: give the inputs, too: receptive_field(h[0, 4], xs).")
        return measure.receptive_norms(x, xs)

    found = panels(outputs, measured, measure.ReceptiveNorms)
    axes_of_space = {m.norms.ndim - 1 for m in found.values()}
    if len(axes_of_space) > 1 or not axes_of_space <= {1, 2}:
        raise ValueError(
            "receptive_field: inputs on a line or in a plane can be drawn, these have "
            f"{', '.join(map(str, axes_of_space))} axes of space."
        )
    flat = axes_of_space == {1}
    T = max(len(m.norms) for m in found.values())
    chosen = np.unique(np.linspace(0, T - 1, min(T, MOST)).round().astype(int))
    columns = len(found) if flat else len(chosen)

    def draw(figure: Any) -> None:
        low, high = scale([m.norms for m in found.values()])
        rows = 1 if flat else len(found)
        axes = figure.subplots(rows, columns, squeeze=False, sharey=True, sharex=True)
        image = None
        for k, (title, m) in enumerate(found.items()):
            if flat:
                image = _map(axes[0, k], m.norms.T, low, high, "auto")
                axes[0, k].set(title=title, xlabel="step t of the input")
                whole_numbers(axes[0, k], True, True, 5)
                continue
            for ax, t in zip(axes[k], chosen, strict=True):
                if t >= len(m.norms):
                    ax.remove()
                    continue
                image = _map(ax, m.norms[t], low, high, "equal")
                whole_numbers(ax, True, True, 3)
                if k == 0:
                    ax.set_title(f"t = {t}")
                seen = f"{m.reached[t].sum()} of {m.reached[t].size}"
                ax.set_xlabel(seen)
            axes[k, 0].set_ylabel(title or "row")
        if flat:
            axes[0, 0].set_ylabel("place")
        label = "gradient norm" if flat or len(found) == 1 else "norm"
        bar = figure.colorbar(image, ax=axes, label=label, aspect=16, shrink=0.9)
        bar.minorticks_off()

    size = (1.6 + 4.0 * columns, 3.6) if flat else (1.3 + 1.65 * columns, 0.7 + 1.9 * len(found))
    return Plot(only(found), draw, size)


def _map(ax: Any, norms: np.ndarray, low: float, high: float, aspect: str) -> Any:
    from matplotlib.colors import ListedColormap

    wild = np.ma.masked_where(np.isfinite(norms), np.ones_like(norms))
    if wild.count():
        colour = ListedColormap([theme.IMPOSSIBLE]).with_extremes(bad=(0, 0, 0, 0))
        ax.imshow(wild, cmap=colour, aspect=aspect, interpolation="nearest", zorder=2)
    return ax.imshow(
        np.ma.masked_where(norms == 0, norms),
        norm=log_norm(low, high),
        cmap=magnitudes().with_extremes(bad=theme.OUT_OF_REACH),
        interpolation="nearest",
        aspect=aspect,
    )


EXHIBITS = (
    Exhibit(
        receptive_field, TRAINED, "55_field.svg", "The receptive field of a ConvLSTM",
        "One place at the end: each step back it has seen a ring more.",
        lambda nets: receptive_field(*nets.measured.field()),
    ),
)  # fmt: skip
