"""Which nets did the papers of 1997 to 2002 train?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine.primitives import sigmoid
from tinygrad_rnn.nn.cells.lstm1997 import MemoryBlockCell
from tinygrad_rnn.nn.cells.readout import ReadOutCell

__all__ = ["HISTORIC", "HistoricNet", "historic_net"]


@dataclass(frozen=True)
class HistoricNet:
    """One published net: sizes, number of weights in the paper, and options.

    `cell` goes to `MemoryBlockCell`, `readout` to `ReadOutCell`, `biases` start the gates' biases.
    """

    weights: int
    inputs: int
    outputs: int
    blocks: int
    size: int
    cell: dict[str, Any] = field(default_factory=dict)
    readout: dict[str, Any] = field(default_factory=dict)
    biases: dict[str, tuple[float, ...]] = field(default_factory=dict)


_WIDE = {"bound": 0.2}
_NO_BIAS = {"bias": False}
_ALL = {"bias": "all"}
_GERS = {"gates": "ifo", "sees": "cells"}
_2A = {"gates": "i", "sees": "input", "bias": "none", "g": sigmoid, "squash": None, **_WIDE}
_2000: dict[str, tuple[float, ...]] = {
    "i": (-0.5, -1.0, -1.5, -2.0),
    "f": (0.5, 1.0, 1.5, 2.0),
    "o": (-0.5, -1.0, -1.5, -2.0),
}

# Hochreiter & Schmidhuber 1997, section 5, by experiment; Gers, Schmidhuber & Cummins 2000,
# continual embedded Reber; Gers, Schraudolph & Schmidhuber 2002, timing.
# fmt: off
HISTORIC = {
    "1, 4x1": HistoricNet(264, 7, 7, 4, 1, _WIDE, _NO_BIAS | _WIDE, {"o": (-1, -2, -3, -4)}),
    "1, 3x2": HistoricNet(276, 7, 7, 3, 2, _WIDE, _NO_BIAS | _WIDE, {"o": (-1, -2, -3)}),
    "2a":     HistoricNet(10504, 101, 101, 1, 1, _2A, {**_NO_BIAS, **_WIDE, "shortcut": True}),
    "2c":     HistoricNet(364, 54, 2, 2, 1, {"bias": "none", **_WIDE}, _NO_BIAS | _WIDE),
    "3":      HistoricNet(102, 1, 1, 3, 1, _ALL, _NO_BIAS, {"i": (-1, -3, -5), "o": (-2, -4, -6)}),
    "4":      HistoricNet(93, 2, 1, 2, 2, _ALL, {}, {"i": (-3, -6)}),
    "5":      HistoricNet(93, 2, 1, 2, 2, _ALL, {}, {"i": (-3, -6)}),
    "6a":     HistoricNet(156, 8, 4, 2, 2, _ALL, {}, {"i": (-2, -4)}),
    "6b":     HistoricNet(308, 8, 8, 3, 2, _ALL, {}, {"i": (-2, -4, -6)}),
    "2000":   HistoricNet(424, 7, 7, 4, 2, _GERS, {"shortcut": True}, _2000),
    "2002":   HistoricNet(17, 1, 1, 1, 1, {**_GERS, **_ALL, "peepholes": True, "g": None,
                                           "squash": None}, {}, {"i": (0,), "f": (-2,), "o": (2,)}),
}
# fmt: on


def historic_net(
    name: str, *, truncated: bool = False, rng: Any = None, dtype: DTypeLike = np.float64
) -> ReadOutCell:
    """A net as a paper describes it: memory blocks and logistic output units, as one cell.

    Parameters
    ----------
    name
        A key of `HISTORIC`: an experiment of 1997, or a year.
    truncated
        Whether gradients are cut as in the papers (see `MemoryBlockCell`).

    Raises
    ------
    ValueError
        `name` is not a key of `HISTORIC`.

    Examples
    --------
    >>> net = historic_net("6a", rng=0)
    >>> sum(p.size for p in net.parameters())
    156
    """
    if name not in HISTORIC:
        raise ValueError(f"historic_net: there are {', '.join(map(repr, HISTORIC))}; got {name!r}.")
    net, rng = HISTORIC[name], np.random.default_rng(rng)
    cell = MemoryBlockCell(
        net.inputs, net.blocks, net.size, truncated=truncated, rng=rng, dtype=dtype, **net.cell
    )
    for letter, starts in net.biases.items():
        cell.start_bias(letter, *starts)
    readout: dict[str, Any] = {"bound": 0.1, **net.readout}
    return ReadOutCell(cell, net.outputs, "sigmoid", rng=rng, **readout)
