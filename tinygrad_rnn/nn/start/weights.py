"""How large are weights at the start?

The matrices of several gates are blocks, side by side, of one matrix. Each function treats the
block of each gate as a matrix of its own, unless ``per="whole"``: a block of an orthogonal whole
matrix is far from orthogonal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast

import numpy as np

from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.nn.arguments import check_number, is_number

__all__ = ["glorot", "he", "identity", "orthogonal", "uniform_all"]

Cell = TypeVar("Cell")


def uniform_all(module: Cell, bound: float, rng: Any = None) -> Cell:
    """Draw every parameter of the module, weights and biases, from U[-bound, bound).

    Hochreiter & Schmidhuber (1997) use a bound of 0.1 or 0.2. The module is returned.

    Raises
    ------
    ValueError
        `bound` is not positive and finite.
    """
    if not is_number(bound) or not 0 < bound < np.inf:
        raise ValueError(f"uniform_all: bound must be positive and finite, got {bound!r}.")
    rng = np.random.default_rng(rng)
    for p in cast("Any", module).parameters():
        p.data = rng.uniform(-bound, bound, p.shape).astype(p.dtype)
    return module


def glorot(cell: Cell, rng: Any = None, *, per: Literal["gate", "whole"] = "gate") -> Cell:
    """Draw all matrices of a cell or Linear from U[-a, a), a = √(6 / (rows + columns)).

    The variance is 2/(rows + columns) (Glorot & Bengio 2010, eq. 16). Biases are not changed; the
    cell is returned.

    Parameters
    ----------
    cell
        A cell, a Linear, or another module that itself has matrices.
    rng
        Seed or generator.
    per
        ``"gate"`` takes rows and columns of each gate's block, ``"whole"`` of the matrix of all
        gates as Keras does, which makes an LSTM's input weights smaller by up to one half.

    Raises
    ------
    ValueError
        `cell` itself has no matrices, or `per` is unknown.
    """

    def draw(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
        bound = np.sqrt(6 / (rows + columns))
        return rng.uniform(-bound, bound, (rows, columns))

    return _fill("glorot", cell, _matrices("glorot", cell), per, draw, rng)


def he(cell: Cell, rng: Any = None) -> Cell:
    """Draw all matrices of a cell or Linear from N(0, 2/rows), for relu (He et al. 2015, eq. 10).

    Rows are inputs. Biases are not changed; the cell is returned.

    Raises
    ------
    ValueError
        `cell` itself has no matrices.
    """

    def draw(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
        return rng.standard_normal((rows, columns)) * np.sqrt(2 / rows)

    return _fill("he", cell, _matrices("he", cell), "gate", draw, rng)


def orthogonal(
    cell: Cell, rng: Any = None, *, per: Literal["gate", "whole"] = "gate", gain: float = 1.0
) -> Cell:
    """Set the recurrent matrix W_h to a random orthogonal one, times `gain` (Saxe et al. 2014).

    Parameters
    ----------
    cell
        A cell with a matrix W_h (hidden, gates · hidden); nothing else is changed.
    rng
        Seed or generator.
    per
        ``"gate"``: the (hidden, hidden) block of each gate is orthogonal, each drawn separately.
        ``"whole"``: the rows of the whole W_h are orthonormal (Keras); no block is orthogonal.
    gain
        The value of all singular values.

    Raises
    ------
    ValueError
        `cell` has no parameter W_h, or `per` is unknown.
    """

    def draw(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
        long, short = max(rows, columns), min(rows, columns)
        q, r = np.linalg.qr(rng.standard_normal((long, short)))
        q = q * np.where(np.diag(r) < 0, -1, 1)  # makes the draw uniform
        return gain * (q if rows >= columns else q.T)

    check_number("orthogonal", gain=gain)
    return _fill("orthogonal", cell, ["W_h"], per, draw, rng)


def identity(cell: Cell, scale: float = 1.0) -> Cell:
    """Set W_h to `scale` times the identity in the block of each gate, and biases to 0.

    With relu and no input the state does not change (IRNN; Le, Jaitly & Hinton 2015). The cell is
    returned.

    Raises
    ------
    ValueError
        `cell` has no parameter W_h.
    """

    def draw(_: np.random.Generator, rows: int, columns: int) -> np.ndarray:
        return scale * np.eye(rows, columns)

    check_number("identity", scale=scale)

    _fill("identity", cell, ["W_h"], "gate", draw, None)
    for bias in (getattr(cell, "b_x", None), getattr(cell, "b_h", None)):
        if isinstance(bias, Tensor):
            bias.data = np.zeros(bias.shape, bias.dtype)
    return cell


def _matrices(name: str, cell: Any) -> list[str]:
    found = [
        k for k, v in getattr(cell, "__dict__", {}).items() if isinstance(v, Tensor) and v.ndim == 2
    ]
    if not found:
        raise ValueError(
            f"{name}: {type(cell).__name__} has no matrices of its own. Pass its cells and layers "
            "one after the other."
        )
    return found


def _fill(
    name: str,
    cell: Any,
    matrices: list[str],
    per: str,
    draw: Callable[[np.random.Generator, int, int], np.ndarray],
    rng: Any,
) -> Any:
    """Draw each matrix again, block by block or as a whole."""
    if per not in ("gate", "whole"):
        raise ValueError(f'{name}: per must be "gate" or "whole", got {per!r}.')
    rng = np.random.default_rng(rng)
    for letter in matrices:
        W = getattr(cell, letter, None)
        if not isinstance(W, Tensor) or W.ndim != 2 or W.op is not None:
            raise ValueError(f"{name}: {type(cell).__name__} has no parameter matrix {letter}.")
        rows, columns = W.shape
        width = getattr(cell, "hidden_size", columns) if per == "gate" else columns
        blocks = columns // width if columns % width == 0 else 1
        drawn = [draw(rng, rows, columns // blocks) for _ in range(blocks)]
        W.data = np.concatenate(drawn, axis=1).astype(W.dtype)
    return cell
