"""What does every optimiser do?

An optimiser gives each parameter new data and never writes into the old array, so a record keeps
the values it was made from. Between steps it keeps arrays, named by the letters of its formula, one
for each parameter; `state_dict` returns them and `load_state_dict` restores them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any, ClassVar, TypeAlias

import numpy as np

from tinygrad_rnn.border import as_array
from tinygrad_rnn.engine import tree
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.hints import Keywords
from tinygrad_rnn.nn.module import Module

__all__ = ["Optimiser", "Parameters", "check_range"]

Parameters: TypeAlias = Module | Tensor | Mapping[str, Any] | Iterable[Any]


class Optimiser(Keywords, ABC):
    """Base of all optimisers: parameters (a shared one once), a learning rate, and an `update`.

    A subclass lists the letters that it `remembers` and writes its formula in `update`.

    Parameters
    ----------
    parameters
        Float leaves, or what has them: a Module, or Modules and Tensors in lists and dicts.
    lr
        Learning rate, at least 0 and finite; may be changed between steps.
    weight_decay
        λ ≥ 0: λ·p is added to each gradient, as if the loss had λ/2·|p|² in it.

    Raises
    ------
    ValueError
        There are no parameters (a used-up generator?), or a number is outside its range.
    TypeError
        A parameter is not a float leaf.
    """

    remembers: ClassVar[tuple[str, ...]] = ()
    decoupled: ClassVar[bool] = False  # whether `update` does the weight decay itself

    def __init__(self, parameters: Parameters, lr: float, *, weight_decay: float = 0.0) -> None:
        name = type(self).__name__
        opened = isinstance(parameters, (Module, Mapping, list, tuple, Tensor))
        if not opened and (isinstance(parameters, type) or not isinstance(parameters, Iterable)):
            raise TypeError(
                f"{name}: expected parameters or what has them, got {parameters!r}. Pass the "
                "model, or model.parameters()."
            )
        given = tree.leaves(parameters) if opened else list(parameters)
        if not given:
            raise ValueError(f"{name}: there are no parameters to optimise (a used-up generator?).")
        for p in given:
            if type(p) is not Tensor or p.op is not None or p.dtype.kind != "f":
                raise TypeError(f"{name}: expected float leaves (parameters), got {p!r}.")
        check_range(name, weight_decay=weight_decay)
        self.parameters = list(dict.fromkeys(given))
        self.lr, self.weight_decay = lr, weight_decay
        self.t = [0] * len(self.parameters)  # steps taken by each
        self.memory = {
            letter: [np.zeros(p.shape, p.dtype) for p in self.parameters]
            for letter in self.remembers
        }

    @property
    def lr(self) -> float:
        """The learning rate. Setting it to a negative or infinite number is a ValueError."""
        return self._lr

    @lr.setter
    def lr(self, lr: float) -> None:
        check_range(type(self).__name__, **{"the learning rate": lr})
        self._lr = lr

    def zero_grad(self) -> None:
        """Set every ``.grad`` to None."""
        for p in self.parameters:
            p.grad = None

    def step(self) -> None:
        """Move every parameter that has a ``.grad``."""
        for k, p in enumerate(self.parameters):
            if p.grad is not None:
                self.t[k] += 1
                g = p.grad
                if self.weight_decay and not self.decoupled:
                    g = g + self.weight_decay * values(p)
                # a learning rate that is a NumPy number would make float64 of float32
                p.data = np.asarray(self.update(k, values(p), g), p.dtype)

    @abstractmethod
    def update(self, k: int, p: np.ndarray, g: np.ndarray) -> np.ndarray:
        """New data for parameter number `k` from its data `p` and gradient `g`, of one shape."""

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of the arrays kept, e.g. ``"v.0"``, of the steps taken ``"t"``, and of ``"lr"``.

        The constants of the formula, e.g. momentum, are in `settings`.
        """
        state = {f"{a}.{k}": m.copy("C") for a, ms in self.memory.items() for k, m in enumerate(ms)}
        return {"lr": np.array(float(self.lr)), "t": np.array(self.t, dtype=np.int64), **state}

    def settings(self) -> dict[str, Any]:
        """The constants of the formula as they are now, by name: ``"lr"``, ``"weight_decay"`` …"""
        ours = ("parameters", "t", "memory")
        found = {k: _plain(x) for k, x in vars(self).items() if k not in ours and k[:1] != "_"}
        return {"lr": float(self.lr)} | {k: x for k, x in found.items() if x is not None}

    def check_state_dict(self, state: Mapping[str, Any]) -> None:
        """ValueError unless `load_state_dict` accepts `state`; names all that does not fit."""
        expected = self.state_dict()
        problems = [f"missing {key!r}" for key in expected if key not in state]
        problems += [f"unexpected {key!r}" for key in state if key not in expected]
        for key in expected.keys() & state.keys():
            try:
                found, wanted = np.asarray(as_array(state[key], repr(key))), expected[key]
            except TypeError as error:
                problems.append(str(error).rstrip("."))
                continue
            if found.shape != wanted.shape or found.dtype != wanted.dtype:
                problems.append(
                    f"{key!r} is {found.dtype} of shape {found.shape}, expected {wanted.dtype} of "
                    f"shape {wanted.shape}"
                )
            elif key in ("t", "lr") and not ((found >= 0) & (found < np.inf)).all():
                problems.append(f"{key!r} is {found}, expected at least 0 and finite")
        if problems:
            raise ValueError(
                f"load_state_dict of {type(self).__name__}: {'; '.join(sorted(problems))}. "
                "Build it over the parameters it was saved with; nothing was loaded."
            )

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `state_dict`. Nothing is changed unless everything fits.

        Raises
        ------
        ValueError
            An entry is missing, unexpected, or of another shape, dtype or range: names each.
        """
        self.check_state_dict(state)
        self.lr, self.t = float(state["lr"]), [int(n) for n in state["t"]]
        for letter, arrays in self.memory.items():
            arrays[:] = [np.array(state[f"{letter}.{k}"]) for k in range(len(arrays))]


def check_range(name: str, below: float = np.inf, **numbers: float) -> None:
    """TypeError or ValueError unless every value is a real number in [0, below)."""
    for what, number in numbers.items():
        if not isinstance(number, Real):
            raise TypeError(f"{name}: {what} must be a number, got {number!r}.")
        if not 0 <= number < below:
            span = f"lie in [0, {below:g})" if below < np.inf else "be at least 0 and finite"
            raise ValueError(f"{name}: {what} must {span}, got {number}.")


def _plain(x: Any) -> Any:
    """A number, a string, or a list of these; None for anything else."""
    x = x.item() if isinstance(x, np.generic) else x
    if isinstance(x, (tuple, list)):
        items = [_plain(item) for item in x]
        return None if None in items else items
    return x if isinstance(x, (bool, int, float, str)) else None
