"""What are a cell's parameters called in torch?

Torch keeps ``weight_ih`` (gates · hidden, input), ``weight_hh`` (gates · hidden, hidden), ``bias_ih`` and ``bias_hh``,
gates in the order i, f, g, o (LSTM) or r, z, n (GRU): ours transposed, in the same order. So this is a renaming.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_rnn.nn.cells import GRUCell, LSTMCell, RNNCell

__all__ = ["from_torch", "torch_weights"]

_NAMES = {"weight_ih": "W_x", "weight_hh": "W_h", "bias_ih": "b_x", "bias_hh": "b_h"}


def torch_weights(cell: RNNCell | LSTMCell | GRUCell, *, gradients: bool = False) -> dict[str, np.ndarray]:
    """The parameters of a cell (or their ``.grad``) as contiguous arrays in torch's names and layout.

    ``torch.nn.LSTMCell.load_state_dict({k: torch.from_numpy(v) for k, v in torch_weights(cell).items()})``

    Raises
    ------
    TypeError, ValueError
        For a cell that torch has none of, or a GRU in another convention than torch's.
    """
    _check(cell)
    found = {}
    for theirs, ours in _NAMES.items():
        p = getattr(cell, ours)
        if p is not None:
            data = getattr(p, "data", p) if not gradients else p.grad
            found[theirs] = np.ascontiguousarray(np.asarray(p if isinstance(p, np.ndarray) else data).T)
    return found


def from_torch(cell: RNNCell | LSTMCell | GRUCell, weights: Mapping[str, Any]) -> None:
    """Load torch's parameters (arrays, or CPU tensors detached) into a cell of the same sizes.

    Names may carry torch.nn.LSTM's suffix ``_l0``. Nothing is changed unless everything fits.

    Raises
    ------
    TypeError, ValueError
        As for `torch_weights`; and for missing, unexpected and misshapen arrays, each named.
    """
    _check(cell)
    given = {name.removesuffix("_l0"): np.asarray(array) for name, array in weights.items()}
    cell.load_state_dict({_NAMES.get(name, name): array.T for name, array in given.items()})


def _check(cell: Any) -> None:
    if not isinstance(cell, (RNNCell, LSTMCell, GRUCell)):
        raise TypeError(f"torch_weights: torch has no cell like {type(cell).__name__}; RNN, LSTM and GRU cells only.")
    if isinstance(cell, GRUCell) and (cell.reset, cell.update) != ("after", "keeps"):
        raise ValueError(
            f'torch_weights: torch\'s GRU has reset="after", update="keeps"; this cell has reset={cell.reset!r}, '
            f"update={cell.update!r}, and its weights would give wrong results there."
        )
