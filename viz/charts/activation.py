"""Where does a function have a slope, and does the net use that part of it?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn import measure
from viz import theme
from viz.charts.figure import Plot, beside, legend, only
from viz.exhibit import FLOW, Exhibit

ACTIVATIONS = ("tanh", "sigmoid")


def activation(
    functions: str | Callable[[Any], Any] | Sequence[Any] = ACTIVATIONS,
    loss: Any = None,
    x: Any = None,
) -> Plot:
    """Functions and their slopes; shaded, where the net of a record works.

    The middle 90 % of all arguments that the record gave a function lie in the shaded band. Where
    the slope is near 0, next to no gradient passes.

    Parameters
    ----------
    functions
        One or several of ``"tanh"``, ``"sigmoid"``, ``"relu"``, functions of a Tensor, or what
        `measure.activation` gave.
    loss
        The loss, or outputs, of the net whose arguments are looked at.
    x
        The arguments, (N,); by default from -5 to 5.

    Returns
    -------
    Its ``.numbers`` are `measure.activation` (by name if there are several); ``.csv(path)`` writes
    one row for each argument.

    Raises
    ------
    ValueError, TypeError
        As `measure.activation`.

    Examples
    --------
    >>> float(activation("sigmoid").numbers.slope.max())
    0.25
    """
    many = functions if isinstance(functions, (list, tuple)) else [functions]
    if not many:
        raise ValueError('activation: no function is named. Try activation(["tanh", "sigmoid"]).')
    measured = [
        f if isinstance(f, measure.Activation) else measure.activation(f, loss, x) for f in many
    ]
    found = {m.name: m for m in measured}

    def draw(figure: Any) -> None:
        axes = beside(figure, len(found), 22)
        banded = False
        for ax, (name, m) in zip(axes, found.items(), strict=True):
            ax.axhline(0, color=theme.LIGHT, linewidth=1)
            if m.band is not None and np.isfinite(m.band).all():
                banded = True
                ax.axvspan(*np.clip(m.band, m.x.min(), m.x.max()), color=theme.YELLOW, alpha=0.16)
            for y, colour, dash, label in (
                (m.y, theme.BLUE, "-", "function"),
                (m.slope, theme.VERMILION, "--", "slope"),
            ):
                first = ax is axes[0]
                good = np.where(np.abs(y) < 1e300, y, np.nan)
                ax.plot(m.x, good, color=colour, linestyle=dash, label=label if first else None)
            steepest = f"slope at most {np.nanmax(m.slope):.3g}"
            ax.set(title=f"{name}: {steepest}", xlabel="argument")
            ax.grid()
        if banded:
            axes[0].fill_between(
                [], [], color=theme.YELLOW, alpha=0.3, label="9 of 10 arguments in this net"
            )
        legend(figure, "below", 3)

    return Plot(
        found if len(found) > 1 else only({"": measured[0]}), draw, (1.0 + 3.7 * len(found), 3.6)
    )


EXHIBITS = (
    Exhibit(
        activation, FLOW, "36_activation.svg", "Where the slope is",
        "Shaded, where the trained LSTM works: the further from 0, the less gradient passes.",
        lambda nets: activation(["tanh", "sigmoid"], nets.reads["LSTM"]),
    ),
)  # fmt: skip
