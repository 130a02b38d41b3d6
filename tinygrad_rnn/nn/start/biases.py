"""How open are gates at the start?

A gate is found by its letter: one step of the cell is recorded, and the columns of the bias that
move the node named `f` are those of the forget gate. This works for every cell that names its
gates, including your own.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from tinygrad_rnn.engine.backward import ancestors, grad
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.nn.arguments import is_number
from tinygrad_rnn.nn.state import each, parts

__all__ = ["chrono", "forget_bias"]

Cell = TypeVar("Cell")


def forget_bias(cell: Cell, value: float = 1.0) -> Cell:
    """Set the bias of the forget gate f to `value`; if there are two biases, their sum.

    With 1 a new cell keeps σ(1) = 73 % of its state per step, not half (Gers et al. 2000;
    Jozefowicz et al. 2015). If f replaces the state instead of keeping it (the MGU of the paper),
    the bias is -`value`. Nothing else is changed; the cell is returned.

    Raises
    ------
    ValueError
        The cell has no bias, or no gate with that letter.
    """
    if not is_number(value):
        raise ValueError(f"forget_bias: the value is a number, got {value!r}.")
    found = _columns("forget_bias", cell, "f")
    if found is None:
        raise ValueError(_no_gate("forget_bias", cell, "f"))
    _set(cell, found, np.full(len(found), float(value if _keeps(cell, "f") else -value)))
    return cell


def chrono(cell: Cell, t_max: float, rng: Any = None) -> Cell:
    """Gates open for between 1 and `t_max` steps: b_f = log U[1, t_max - 1), b_i = -b_f.

    A forget gate with bias b keeps its state for about 1 + e^b steps (Tallec & Ollivier 2018, eq.
    16). A cell without a gate i (JANET, coupled LSTM) gets only b_f; in a GRU b_z takes its place.
    If the gate replaces the state instead of keeping it (Chung's GRU), its bias is -b_f. If there
    are two biases, their sum is set. Nothing else is changed; the cell is returned.

    Parameters
    ----------
    cell
        A cell with a gate named f or z.
    t_max
        The longest time that the cell should remember, in steps; more than 2.
    rng
        Seed or generator.

    Raises
    ------
    ValueError
        The cell has no bias, or no such gate; `t_max` is not above 2.
    """
    if not is_number(t_max) or not 2 < t_max < np.inf:
        raise ValueError(f"chrono: t_max must be more than 2 steps, got {t_max!r}.")
    letter = "f" if _columns("chrono", cell, "f") is not None else "z"
    keeps = _columns("chrono", cell, letter)
    if keeps is None:
        raise ValueError(_no_gate("chrono", cell, "f or z"))
    drawn = np.log(np.random.default_rng(rng).uniform(1, t_max - 1, len(keeps)))
    writes = _columns("chrono", cell, "i")
    if writes is not None and len(writes) == len(keeps) and not np.isin(writes, keeps).any():
        _set(cell, writes, -drawn)
    _set(cell, keeps, drawn if _keeps(cell, letter) else -drawn)
    return cell


def _columns(name: str, cell: Any, letter: str) -> np.ndarray | None:
    """The entries of the bias `b_x` that move the gate with this letter; None without a gate."""
    bias = getattr(cell, "b_x", None)
    if not isinstance(bias, Tensor):
        raise ValueError(f"{name}: {type(cell).__name__} has no bias b_x that could be set.")
    if isinstance(getattr(cell, "b_h", None), np.ndarray):
        raise ValueError(f"{name}: the bias b_h of {type(cell).__name__} is frozen; thaw it first.")
    gate, _ = _step(cell, letter, 0.0)
    if gate is None:
        return None
    moved = grad(gate, bias, np.ones(gate.shape), unused="zero")
    return np.flatnonzero(moved) if moved.any() else None


def _keeps(cell: Any, letter: str) -> bool:
    """True if a wider open gate keeps more of a large state, rather than replacing it."""
    gate, parts = _step(cell, letter, 10.0)
    return sum(float(grad(s, gate, np.ones(s.shape), unused="zero").sum()) for s in parts) > 0


def _step(cell: Any, letter: str, size: float) -> tuple[Any, list[Tensor]]:
    """One step without input from a state of that size: the gate, and the parts of the state."""

    def filled(part: Any) -> Any:
        h = values(part)
        return np.full_like(h, size) if isinstance(h, np.ndarray) and h.dtype.kind == "f" else part

    dtype = cell.b_x.dtype
    after = cell(np.zeros(cell.input_size, dtype), each(filled, cell.initial_state()))
    moved = [part for part in parts(after) if isinstance(part, Tensor)]
    gates = [node for node in ancestors(*moved) if node.op is not None and node.name == letter]
    return (gates[-1] if gates else None), moved


def _set(cell: Any, columns: np.ndarray, bias: np.ndarray) -> None:
    """Set these columns of `b_x` to `bias`, and those of `b_h`, if there is one, to 0."""
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
