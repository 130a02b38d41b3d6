"""How large are weights at the start?

The matrices of several gates stand side by side in one. What is said here of a matrix holds for the
block of each gate, unless it says "whole": one gate's block of an orthogonal whole is far from
orthogonal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.nn.arguments import is_number

__all__ = ["glorot", "he", "identity", "orthogonal", "uniform_all"]


def uniform_all(module: Any, bound: float, rng: Any = None) -> Any:
    """Every parameter inside, weights and biases alike, from U[-bound, bound).

    Hochreiter & Schmidhuber (1997) start so, with a bound of 0.1 or 0.2.
    """
    if not is_number(bound) or not 0 < bound < np.inf:
        raise ValueError(f"uniform_all: bound must be positive and finite, got {bound!r}.")
    rng = np.random.default_rng(rng)
    for p in module.parameters():
        p.data = rng.uniform(-bound, bound, p.shape).astype(p.dtype)
    return module


def glorot(cell: Any, rng: Any = None, *, per: Literal["gate", "whole"] = "gate") -> Any:
    """All matrices of a cell or Linear from U[-a, a), a = √(6 / (rows + columns)).

    The variance is 2/(rows + columns) (Glorot & Bengio 2010, eq. 16). Biases stay as they are.

    Parameters
    ----------
    cell
        A cell, a Linear, or another module with matrices of its own.
    rng
        Seed or generator.
    per
        Whose rows and columns count: each gate's block, or the whole matrix of all gates as in
        Keras, which makes an LSTM's input weights up to half as large.
    """

    def draw(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
        bound = np.sqrt(6 / (rows + columns))
        return rng.uniform(-bound, bound, (rows, columns))

    return _fill("glorot", cell, _matrices("glorot", cell), per, draw, rng)


def he(cell: Any, rng: Any = None) -> Any:
    """All matrices of a cell or Linear from N(0, 2/rows), for relu (He et al. 2015, eq. 10).

    Rows are inputs. Biases stay as they are.
    """

    def draw(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
        return rng.standard_normal((rows, columns)) * np.sqrt(2 / rows)

    return _fill("he", cell, _matrices("he", cell), "gate", draw, rng)


def orthogonal(
    cell: Any, rng: Any = None, *, per: Literal["gate", "whole"] = "gate", gain: float = 1.0
) -> Any:
    """The recurrent matrix W_h random orthogonal, times `gain` (Saxe et al. 2014).

    Parameters
    ----------
    cell
        With a matrix W_h (hidden, gates · hidden); everything else stays as it is.
    rng
        Seed or generator.
    per
        ``"gate"``: the (hidden, hidden) block of each gate is orthogonal, drawn for itself.
        ``"whole"``: the rows of the whole W_h are orthonormal (Keras); no block is orthogonal.
    gain
        What all singular values are.
    """

    def draw(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
        long, short = max(rows, columns), min(rows, columns)
        q, r = np.linalg.qr(rng.standard_normal((long, short)))
        q = q * np.where(np.diag(r) < 0, -1, 1)  # else not uniform among all orthogonal matrices
        return gain * (q if rows >= columns else q.T)

    return _fill("orthogonal", cell, ["W_h"], per, draw, rng)


def identity(cell: Any, scale: float = 1.0) -> Any:
    """W_h the identity, times `scale`, in the block of each gate; biases 0.

    With relu, a state that nothing disturbs stays what it is (IRNN; Le, Jaitly & Hinton 2015).
    """

    def draw(_: np.random.Generator, rows: int, columns: int) -> np.ndarray:
        return scale * np.eye(rows, columns)

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
    """Draw each matrix anew, block by block or whole."""
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
