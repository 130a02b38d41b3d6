"""What are the parameters of a cell or a layer called in torch?

Torch keeps ``weight_ih`` (gates · hidden, input), ``weight_hh`` (gates · hidden, hidden),
``bias_ih`` and ``bias_hh``, gates in the order i, f, g, o (LSTM) or r, z, n (GRU), and
``weight_hr`` (projected, hidden): ours transposed, in the same order. So this is a renaming. In
layers the names end in ``_l0``, ``_l1`` …, and ``_reverse`` for the second direction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_rnn.border import refuse_foreign
from tinygrad_rnn.engine.primitives import relu, tanh
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.nn.cells import GRUCell, LSTMCell, ProjectedLSTMCell, RNNCell
from tinygrad_rnn.nn.recurrent import Recurrent

__all__ = ["from_torch", "torch_weights"]

_NAMES = {"weight_ih": "W_x", "weight_hh": "W_h", "bias_ih": "b_x", "bias_hh": "b_h"}
_NAMES |= {"weight_hr": "W_r"}  # a projection


def torch_weights(module: Any, *, gradients: bool = False) -> dict[str, np.ndarray]:
    """The parameters of a cell or of layers (or their ``.grad``) in torch's names and layout.

    Contiguous arrays of their own: changing them does not change the cell. ``torch.nn.LSTMCell(…)``
    takes ``load_state_dict({k: torch.from_numpy(v) for k, v in torch_weights(cell).items()})``,
    ``torch.nn.LSTM(…)`` the same of ``nn.LSTM(…)``.

    Parameters
    ----------
    module
        An RNN, LSTM (with or without projection) or GRU cell, or a `Recurrent` of such.
    gradients
        Their gradients instead.

    Raises
    ------
    TypeError, ValueError
        For a cell that torch has none of, a GRU in another convention than torch's, something
        around a cell that torch does not know; with `gradients`, for a parameter that has none.
    """
    found = {}
    for suffix, cell in _cells(module):
        for theirs, ours in _NAMES.items():
            p = getattr(cell, ours, None)
            if p is not None:
                p = _gradient(ours, p) if gradients else values(p)
                found[theirs + suffix] = np.array(p.T, order="C")
    return found


def from_torch(module: Any, weights: Mapping[str, Any]) -> None:
    """Load torch's parameters (arrays, or tensors on the CPU) into a cell or layers of equal sizes.

    Names for a cell may carry torch.nn.LSTM's suffix ``_l0``. Nothing is changed unless everything
    fits.

    Raises
    ------
    TypeError, ValueError
        As for `torch_weights`; and for missing, unexpected and misshapen arrays, each named, for
        one given twice, and for values beyond the range of the module's dtype.
    """
    cells = _cells(module)
    alone = "_l0" if module is cells[0][1] else ""
    given = {name.removesuffix(alone): _array(name, weight) for name, weight in weights.items()}
    expected = {name: weight.shape for name, weight in torch_weights(module).items()}
    twice = [name for name in weights if alone and name + alone in weights]
    problems = [f"both {name!r} and {name + alone!r}" for name in twice]
    problems += [f"missing {name!r}" for name in expected if name not in given]
    problems += [f"unexpected {name!r}" for name in given if name not in expected]
    problems += [
        f"{name!r} has shape {given[name].shape}, expected {shape}"
        for name, shape in expected.items()
        if name in given and given[name].shape != shape
    ]
    if problems:
        raise ValueError(
            f"from_torch into {module!r}: {'; '.join(problems)}. Torch stacks the gates along the "
            "first axis; the sizes, the bias and the kind of cell must be the same on both sides. "
            "Nothing was loaded."
        )
    states = []
    for suffix, cell in cells:
        ours = {ours: given.get(theirs + suffix) for theirs, ours in _NAMES.items()}
        states.append({name: array.T for name, array in ours.items() if array is not None})
        try:
            cell.check_state_dict(states[-1])
        except ValueError as error:
            where = f" at {suffix.removeprefix('_')}" if suffix else ""
            raise ValueError(f"from_torch into {module!r}{where}: {error}") from error
    for (_, cell), state in zip(cells, states, strict=True):
        cell.load_state_dict(state)


def _cells(module: Any) -> list[tuple[str, Any]]:
    """The cells with the suffixes of their names in torch."""
    if not isinstance(module, Recurrent):
        _check(module)
        return [("", module)]
    found = [
        (f"_l{k}{'_reverse' * d}", cell)
        for k, layer in enumerate(module.layers)
        for d, cell in enumerate(layer)
    ]
    for _, cell in found:
        _check(cell)
    return found


def _array(name: str, weight: Any) -> np.ndarray:
    detach = getattr(weight, "detach", None)  # torch gives no array of what it differentiates
    array = np.asanyarray(values(detach() if detach else weight))
    refuse_foreign(array, f"from_torch: {name!r}")
    return np.asarray(array)


def _gradient(name: str, p: Any) -> np.ndarray:
    if type(p) is not Tensor or p.grad is None:
        raise ValueError(
            f"torch_weights: {name} has no gradient; call loss.backward() first. "
            "A frozen parameter (an array) never gets one."
        )
    return p.grad


def _check(cell: Any) -> None:
    if not isinstance(cell, (RNNCell, LSTMCell, ProjectedLSTMCell, GRUCell)):
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
