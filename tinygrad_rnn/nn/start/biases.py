"""How open are gates at the start?

A gate is found by its letter: one step of the cell is recorded, and the columns of the bias that
move the node named `f` are those of the forget gate. So this works for every cell that names its
gates, a user's own too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.engine.backward import ancestors, grad
from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["chrono", "forget_bias"]


def forget_bias(cell: Any, value: float = 1.0) -> Any:
    """The bias of the forget gate f is `value`; where there are two biases, their sum.

    At 1 a new cell keeps σ(1) = 73 % of its state per step, not half (Gers et al. 2000; Jozefowicz
    et al. 2015). Everything else stays as it is.

    Raises
    ------
    ValueError
        The cell has no bias, or no gate with that letter.
    """
    found = _columns("forget_bias", cell, "f")
    if found is None:
        raise ValueError(_no_gate("forget_bias", cell, "f"))
    _set(cell, found, np.full(len(found), float(value)))
    return cell


def chrono(cell: Any, t_max: float, rng: Any = None) -> Any:
    """Gates open for between 1 and `t_max` steps: b_f = log U[1, t_max - 1), b_i = -b_f.

    A forget gate of bias b keeps its state for about 1 + e^b steps (Tallec & Ollivier 2018,
    eq. 16). A cell without a gate i (JANET, a coupled one) gets b_f alone; a GRU has b_z in place
    of b_f, negative in the convention where z replaces. Where there are two biases this is their
    sum. Everything else stays as it is.

    Parameters
    ----------
    cell
        With a gate named f, or z.
    t_max
        The longest time over which the cell shall remember, in steps; more than 2.
    rng
        Seed or generator.

    Raises
    ------
    ValueError
        The cell has no bias, or no such gate; `t_max` is not above 2.
    """
    if not 2 < t_max < np.inf:
        raise ValueError(f"chrono: t_max must be more than 2 steps, got {t_max}.")
    keeps, sign = _columns("chrono", cell, "f"), 1.0
    if keeps is None:
        keeps = _columns("chrono", cell, "z")
        sign = -1.0 if getattr(cell, "update", "keeps") == "replaces" else 1.0
    if keeps is None:
        raise ValueError(_no_gate("chrono", cell, "f or z"))
    drawn = np.log(np.random.default_rng(rng).uniform(1, t_max - 1, len(keeps)))
    writes = _columns("chrono", cell, "i")
    if writes is not None and len(writes) == len(keeps) and not np.isin(writes, keeps).any():
        _set(cell, writes, -drawn)
    _set(cell, keeps, sign * drawn)
    return cell


def _columns(name: str, cell: Any, letter: str) -> np.ndarray | None:
    """Which entries of the bias `b_x` move the gate that goes by this letter; None without it."""
    bias = getattr(cell, "b_x", None)
    if not isinstance(bias, Tensor):
        raise ValueError(f"{name}: {type(cell).__name__} has no bias b_x that could be set.")
    if isinstance(getattr(cell, "b_h", None), np.ndarray):
        raise ValueError(f"{name}: the bias b_h of {type(cell).__name__} is frozen; thaw it first.")
    state = cell(np.zeros(cell.input_size, bias.dtype), cell.initial_state())
    parts = state if isinstance(state, (tuple, list)) else [state]
    gates = [node for node in ancestors(*parts) if node.op is not None and node.name == letter]
    if not gates:
        return None
    moved = grad(gates[-1], bias, np.ones(gates[-1].shape), unused="zero")
    return np.flatnonzero(moved)


def _set(cell: Any, columns: np.ndarray, bias: np.ndarray) -> None:
    """Their bias, in `b_x`; 0 in `b_h`, if there is one."""
    for b, fresh in ((cell.b_x, bias), (getattr(cell, "b_h", None), np.zeros(len(columns)))):
        if isinstance(b, Tensor):
            data = b.data.copy()
            data[columns] = fresh
            b.data = data


def _no_gate(name: str, cell: Any, letter: str) -> str:
    return (
        f"{name}: {type(cell).__name__} computes nothing named {letter} from its bias b_x. "
        "Name the gate in the cell: f = named(f=sigmoid(…))."
    )
