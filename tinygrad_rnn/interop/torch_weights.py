"""What are a cell's parameters called in torch?

Torch keeps ``weight_ih`` (gates · hidden, input), ``weight_hh`` (gates · hidden, hidden),
``bias_ih`` and ``bias_hh``, gates in the order i, f, g, o (LSTM) or r, z, n (GRU): ours transposed,
in the same order. So this is a renaming.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_rnn.engine.primitives import relu, tanh
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.nn.cells import GRUCell, LSTMCell, RNNCell

__all__ = ["from_torch", "torch_weights"]

_NAMES = {"weight_ih": "W_x", "weight_hh": "W_h", "bias_ih": "b_x", "bias_hh": "b_h"}


def torch_weights(
    cell: RNNCell | LSTMCell | GRUCell, *, gradients: bool = False
) -> dict[str, np.ndarray]:
    """The parameters of a cell (or their ``.grad``) in torch's names and layout.

    Contiguous arrays of their own: changing them does not change the cell. ``torch.nn.LSTMCell(…)``
    takes ``load_state_dict({k: torch.from_numpy(v) for k, v in torch_weights(cell).items()})``.

    Raises
    ------
    TypeError, ValueError
        For a cell that torch has none of, a GRU in another convention than torch's; with
        `gradients`, for a parameter that has none.
    """
    _check(cell)
    found = {}
    for theirs, ours in _NAMES.items():
        p = getattr(cell, ours)
        if p is not None:
            found[theirs] = np.array((_gradient(ours, p) if gradients else values(p)).T, order="C")
    return found


def from_torch(cell: RNNCell | LSTMCell | GRUCell, weights: Mapping[str, Any]) -> None:
    """Load torch's parameters (arrays, or tensors on the CPU) into a cell of the same sizes.

    Names may carry torch.nn.LSTM's suffix ``_l0``. Nothing is changed unless everything fits.

    Raises
    ------
    TypeError, ValueError
        As for `torch_weights`; and for missing, unexpected and misshapen arrays, each named.
    """
    _check(cell)
    given = {name.removesuffix("_l0"): _array(weight) for name, weight in weights.items()}
    expected = {name: weight.shape for name, weight in torch_weights(cell).items()}
    problems = [f"missing {name!r}" for name in expected if name not in given]
    problems += [f"unexpected {name!r}" for name in given if name not in expected]
    problems += [
        f"{name!r} has shape {given[name].shape}, expected {shape}"
        for name, shape in expected.items()
        if name in given and given[name].shape != shape
    ]
    if problems:
        raise ValueError(
            f"from_torch into {cell!r}: {'; '.join(problems)}. Torch stacks the gates along the "
            "first axis; the sizes, the bias and the kind of cell must be the same on both sides. "
            "Nothing was loaded."
        )
    cell.load_state_dict({_NAMES[name]: array.T for name, array in given.items()})


def _array(weight: Any) -> np.ndarray:
    detach = getattr(weight, "detach", None)  # torch gives no array of what it differentiates
    return np.asarray(values(detach() if detach else weight))


def _gradient(name: str, p: Any) -> np.ndarray:
    if type(p) is not Tensor or p.grad is None:
        raise ValueError(
            f"torch_weights: {name} has no gradient; call loss.backward() first. "
            "A frozen parameter (an array) never gets one."
        )
    return p.grad


def _check(cell: Any) -> None:
    if not isinstance(cell, (RNNCell, LSTMCell, GRUCell)):
        raise TypeError(
            f"torch_weights: torch has no cell like {type(cell).__name__}; RNN, LSTM and GRU cells "
            "only."
        )
    if isinstance(cell, RNNCell) and cell.activation not in ("tanh", "relu", tanh, relu):
        raise ValueError(
            "torch_weights: torch's RNN knows tanh and relu; this cell has activation="
            f"{cell.activation!r}, and its weights would give wrong results there."
        )
    if isinstance(cell, GRUCell) and (cell.reset, cell.update) != ("after", "keeps"):
        raise ValueError(
            'torch_weights: torch\'s GRU has reset="after", update="keeps"; this cell has reset='
            f"{cell.reset!r}, update={cell.update!r}, and its weights would give wrong results "
            "there."
        )
