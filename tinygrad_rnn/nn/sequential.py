"""How do modules run one after the other, and how are several held?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_rnn.nn.module import Module

__all__ = ["ModuleDict", "ModuleList", "Sequential"]

# A Module finds parameters inside plain lists and dicts, so these are all that torch's names need.
ModuleList = list
ModuleDict = dict


class Sequential(Module):
    """Modules and functions, each called with the result of the one before.

    Parameters
    ----------
    *modules
        Modules, or functions of one argument such as `tanh`. Paths of parameters begin with their
        number, as in torch: ``"0.W"``.

    Raises
    ------
    TypeError
        One cannot be called, or gives a tuple (a layer over time gives outputs and state).

    Examples
    --------
    >>> from tinygrad_rnn import nn, tanh
    >>> model = nn.Sequential(nn.Linear(3, 4), tanh, nn.Linear(4, 2))
    >>> list(model.named_parameters().keys()), model([[1.0, 2.0, 3.0]]).shape
    (['0.W', '0.b', '2.W', '2.b'], (1, 2))
    """

    def __init__(self, *modules: Callable[[Any], Any]) -> None:
        for k, module in enumerate(modules):
            if isinstance(module, type) or not callable(module):
                raise TypeError(
                    f"Sequential: part {k} is a module or a function of one argument, got "
                    f"{module!r}."
                )
            setattr(self, str(k), module)

    def __call__(self, x: Any) -> Any:
        """The result of the last."""
        for k, module in enumerate(self):
            if isinstance(x, tuple):
                raise TypeError(
                    f"Sequential: part {k - 1} gave a tuple of {len(x)}, and part {k} takes one "
                    "Tensor. A layer over time gives (outputs, state): take nn.many_to_one or "
                    "nn.many_to_many, or write a Module that unpacks it."
                )
            x = module(x)
        return x

    def __len__(self) -> int:
        return len(vars(self))

    def __getitem__(self, k: int) -> Any:
        return [*vars(self).values()][k]
