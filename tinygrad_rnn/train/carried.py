"""What is carried from batch to batch?

A state is a Tensor, or a tuple or list of states, or None. Carried on it loses its history: the
gradient ends where the batch began.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.engine.tensor import Tensor, values

__all__ = ["detached", "packed", "unpacked"]


def detached(state: Any) -> Any:
    """The same tuples and lists, with each part as a Tensor without history."""
    if state is None:
        return None
    if isinstance(state, (tuple, list)):
        parts = [detached(part) for part in state]
        return tuple(parts) if isinstance(state, tuple) else parts
    return Tensor(values(state))


def packed(state: Any, parts: list[np.ndarray]) -> Any:
    """The structure of a state for JSON: null, ["tuple", …], ["list", …], or a part's number."""
    if state is None:
        return None
    if isinstance(state, (tuple, list)):
        kind = "tuple" if isinstance(state, tuple) else "list"
        return [kind, *(packed(part, parts) for part in state)]
    parts.append(np.asarray(values(state)))
    return len(parts) - 1


def unpacked(structure: Any, parts: dict[str, np.ndarray]) -> Any:
    """The state again; its parts are taken out of `parts`. KeyError if one is missing."""
    if structure is None:
        return None
    if isinstance(structure, list):
        kind = {"tuple": tuple, "list": list}[structure[0]]
        return kind([unpacked(part, parts) for part in structure[1:]])
    return Tensor(parts.pop(str(structure)))
