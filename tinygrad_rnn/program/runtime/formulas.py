"""What are the formulas of a cell, without a loss?"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.engine import tree
from tinygrad_rnn.engine.context import scope
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.program.backends.latex.emit import cell_latex
from tinygrad_rnn.program.backends.latex.text import LatexText
from tinygrad_rnn.program.runtime.step import CompiledStep

__all__ = ["equations"]

STEPS = 6  # enough for a first, a last, and what repeats between them


def equations(cell: Any) -> LatexText:
    r"""The formulas of one step of a cell, in LaTeX, read from its record.

    A gate that is some columns of a packed matrix has these columns as a matrix of its own,
    ``W_{x f}``. Notebooks show the formulas set; ``equations(cell).save("cell.tex")`` writes a
    document.

    Parameters
    ----------
    cell
        A class of cells that has `samples`, or a cell that is called as ``state = cell(x, state)``
        and has `input_size` and `initial_state`.

    Raises
    ------
    TypeError
        It is no such cell.
    ValueError
        Its step cannot be recorded as a program; the message says why.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> print(*equations(nn.RNNCell).environments)
    \begin{align*}
      h_t &= \tanh(x_t\, W_x + b_x + h_{t-1}\, W_h + b_h)
    \end{align*}
    """
    cell, xs, state = _sample(cell)

    def recorded(parameters: Any, x: Any, before: Any) -> Any:
        first = iter(before)  # an argument: a state of zeros would vanish from the first step

        def started(part: Any) -> Any:
            return next(first) if _flows(part) else part

        now = tree.map(started, state, is_leaf=tree.registered)
        total = 0.0
        for t in range(STEPS):
            with scope("cell", t=t):
                now = parameters["cell"](x[t], now)
            output, *_ = tree.leaves(now, is_leaf=tree.registered)
            total = total + output.sum()
        return total * parameters["scale"]

    step = CompiledStep(recorded)
    parts = [
        np.asarray(values(a)) for a in tree.leaves(state, is_leaf=tree.registered) if _flows(a)
    ]
    step({"cell": cell, "scale": Tensor(1.0)}, xs, parts)
    program = step.program
    if program is None:
        raise ValueError(f"equations: {step.reason}")
    return cell_latex(program.full.forward_equations)


def _flows(part: Any) -> bool:
    """True if a part of a state is of floats, and counts or holds nothing else."""
    return getattr(part, "dtype", np.dtype(object)).kind == "f"


def _sample(cell: Any) -> tuple[Any, np.ndarray, Any]:
    """A cell, inputs of all steps for two examples, and a first state."""
    one: Any = cell
    if isinstance(cell, type) and hasattr(cell, "samples"):
        one, xs, _ = one.samples(rng=0)[0]
        return one, np.resize(xs, (STEPS, *xs.shape[1:])), one.initial_state(*xs.shape[1:-1])
    known = hasattr(cell, "input_size") and hasattr(cell, "initial_state") and callable(cell)
    if isinstance(cell, type) or not known:
        name = one.__name__ if isinstance(cell, type) else type(cell).__name__
        raise TypeError(
            "equations: expected a class of cells with samples, or a cell with input_size and "
            f"initial_state, got {name}."
        )
    xs = np.random.default_rng(0).standard_normal((STEPS, 2, one.input_size))
    return one, xs, one.initial_state(2)
