"""Which steps of a padded batch count?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn import Tensor, measure
from viz import theme
from viz.charts.axes import whole_numbers
from viz.charts.figure import Plot, legend
from viz.exhibit import TRAINING, Exhibit

MOST_ROWS, MOST_STEPS = 24, 60  # of cells in which a symbol can be read


@dataclass(frozen=True, eq=False)
class PaddedBatch(measure.Table):
    """What a batch holds, and which of it counts.

    Attributes
    ----------
    values
        Of each step and row: the symbol (of one-hot inputs, which is 1), or the number, or the norm
        of several numbers, (T, batch).
    lengths
        Of each row, (batch,).
    mask
        Where an answer is due, (T, batch).
    symbols
        Whether the values are symbols.
    """

    values: np.ndarray
    lengths: np.ndarray
    mask: np.ndarray
    symbols: bool

    @property
    def valid(self) -> np.ndarray:
        """Where there is no padding, (T, batch)."""
        return np.arange(len(self.values))[:, None] < self.lengths

    def columns(self) -> dict[str, Any]:
        """One row per step and row of the batch."""
        t, row = np.indices(self.values.shape).reshape(2, -1)
        return {
            "t": t,
            "row": row,
            "value": self.values.ravel(),
            "valid": self.valid.ravel(),
            "due": self.mask.ravel(),
        }


def padded_batch(xs: Any, lengths: Any = None, mask: Any = None, *, letters: Any = None) -> Plot:
    """A batch of rows of unequal length: what is read, what is padding, where an answer is due.

    Hatched is padding, which counts nowhere; a line marks a step at which an answer is due.

    Parameters
    ----------
    xs
        A `tasks.Batch`; or inputs (T, batch, features), or symbols (T, batch).
    lengths
        The steps of each row, (batch,); by default those of the Batch, or all.
    mask
        Where an answer is due, (T, batch); by default that of the Batch, or none.
    letters
        The character of each symbol: a text, or a list; by default its number.

    Returns
    -------
    Its ``.numbers`` are a `PaddedBatch`; ``.csv(path)`` writes one row for each step and row.

    Raises
    ------
    ValueError
        Shapes do not fit, or a length is beyond T.

    Examples
    --------
    >>> padded_batch(np.ones((4, 2), int), [4, 2]).numbers.valid[:, 1]
    array([ True,  True, False, False])
    """
    if hasattr(xs, "lengths"):
        lengths = xs.lengths if lengths is None else lengths
        mask = xs.mask if mask is None else mask
        xs = xs.xs
    x = np.asarray(xs.data if isinstance(xs, Tensor) else xs)
    if x.ndim not in (2, 3) or not x.size:
        raise ValueError(
            "padded_batch: expected inputs (T, batch, features) or symbols (T, batch), got shape "
            f"{x.shape}."
        )
    T, rows = x.shape[:2]
    n = np.full(rows, T) if lengths is None else np.asarray(lengths)
    due = np.zeros((T, rows), bool) if mask is None else np.asarray(mask, bool)
    if n.shape != (rows,) or due.shape != (T, rows) or (n < 0).any() or (n > T).any():
        raise ValueError(
            f"padded_batch: expected {rows} lengths in 0 … {T} and a mask {(T, rows)}, got "
            f"lengths {n.tolist()} and a mask {due.shape}."
        )
    values, symbols = _values(x, np.arange(T)[:, None] < n)
    found = PaddedBatch(values, n, due, symbols)

    def draw(figure: Any) -> None:
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch, Rectangle

        ax = figure.subplots()
        shown = np.ma.masked_where(~found.valid | ~np.isfinite(values), values)
        if symbols:
            ax.imshow(
                np.where(found.valid, 0.0, np.nan).T, cmap="Blues", vmin=-0.2, vmax=1.2,
                aspect="auto", interpolation="nearest",
            )  # fmt: skip
        else:
            top = float(np.abs(shown).max() or 1) if shown.count() else 1.0
            signed = bool((shown < 0).any())
            image = ax.imshow(
                shown.T, cmap="RdBu_r" if signed else "Blues", vmin=-top if signed else 0,
                vmax=top * (1 if signed else 1.6), aspect="auto", interpolation="nearest",
            )  # fmt: skip
            word = "input" if x.ndim == 2 or x.shape[-1] == 1 else "norm of the input"
            figure.colorbar(image, ax=ax, label=word, pad=0.02, aspect=24)
        for row, length in enumerate(n):
            pad = (length - 0.5, row - 0.5)
            ax.add_patch(
                Rectangle(
                    pad,
                    T - length,
                    1,
                    facecolor="#f4f4f4",
                    edgecolor=theme.LIGHT,
                    hatch="////",
                    linewidth=0,
                )
            )
        if rows <= MOST_ROWS and T <= MOST_STEPS:
            ax.set_xticks(np.arange(T + 1) - 0.5, minor=True)
            ax.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
            ax.grid(which="minor", color="white", linewidth=1.4)
            ax.tick_params(which="minor", length=0)
        if symbols and rows <= MOST_ROWS and T <= MOST_STEPS:
            for t, row in np.argwhere(found.valid):
                ax.text(
                    t, row, _letter(int(values[t, row]), letters), ha="center",
                    va="center_baseline", parse_math=False,
                )  # fmt: skip
        t, row = np.nonzero(due)
        ax.hlines(row + 0.4, t - 0.36, t + 0.36, theme.VERMILION, linewidth=2.6)
        ax.set(xlabel="step t", ylabel="row of the batch")
        ax.set_xlim(-0.5, T - 0.5)
        ax.set_ylim(rows - 0.5, -0.5)
        for side in ax.spines.values():
            side.set_visible(False)
        whole_numbers(ax, True, True)
        padding = Patch(facecolor="#f4f4f4", edgecolor=theme.LIGHT, hatch="////", linewidth=0)
        line = Line2D([], [], color=theme.VERMILION, linewidth=2.6)
        share = 1 - found.valid.mean()
        named = {f"padding, {share:.0%} of the batch": padding} if share else {}
        named |= {"an answer is due": line} if due.any() else {}
        if named:
            legend(figure, "above", 2, handles=[*named.values()], labels=[*named])

    high = float(np.clip(0.9 + 0.34 * rows, 2.4, 7))
    return Plot(found, draw, (float(np.clip(1.6 + 0.32 * T, 5.5, 9)), high))


def _values(x: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, bool]:
    """One number for each step and row, and whether it is a symbol."""
    if x.ndim == 2:
        return x, x.dtype.kind in "iub"
    if x.shape[-1] == 1:
        return x[..., 0], False
    ones = (x == 1).sum(axis=-1) == 1
    hot = ones & ((x == 0).sum(axis=-1) == x.shape[-1] - 1)
    if hot[valid].all() and valid.any():
        return x.argmax(axis=-1), True
    return np.linalg.norm(x, axis=-1), False


def _letter(symbol: int, letters: Any) -> str:
    if letters is None or not 0 <= symbol < len(letters):
        return str(symbol)
    c = str(letters[symbol])
    return "␣" if c == " " else c if c.isprintable() else "·"


EXHIBITS = (
    Exhibit(
        padded_batch, TRAINING, "64_batch.svg", "A padded batch",
        "Rows end at different steps; what is hatched must count nowhere.",
        lambda nets: padded_batch(nets.measured.tasks.reber(6, rng=0), letters="BTPSXVE"),
    ),
)  # fmt: skip
