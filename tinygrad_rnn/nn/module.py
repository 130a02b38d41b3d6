"""What has parameters?

A module is any object whose attributes hold Tensors, arrays and other modules. Its parameters are
the Tensors. An array is a constant: *freezing* a parameter is ``cell.W_h = cell.W_h.data``, and
``cell.W_h = Tensor(cell.W_h)`` thaws it. There is no hidden train or eval mode and no hidden random
generator: both are arguments of what needs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from operator import is_
from typing import Any

import numpy as np

from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["Module"]


class Module:
    """Base of cells, layers and models: assign Tensors and modules to attributes.

    Lists, tuples and dicts of them are looked into. A Tensor without a name takes that of its
    attribute. Copying (`copy.deepcopy`) and pickling work.
    """

    __slots__ = ("__dict__", "__weakref__", "_found")  # the last not among what vars() gives

    def __setattr__(self, name: str, value: Any) -> None:
        if type(value) is Tensor and value.op is None and value.name is None:
            value.name = name
        object.__setattr__(self, name, value)

    def named_parameters(self) -> dict[str, Tensor]:
        """The Tensors by their path, e.g. ``"cells.0.W_h"``; a shared one where it stands first."""
        return dict(self._known()[1])

    def shared_parameters(self) -> dict[str, str]:
        """Where a Tensor stands once more, and where first, as ``{"readout.W": "embedding.W"}``."""
        return dict(self._known()[2])

    def _known(self) -> tuple[Any, dict[str, Tensor], dict[str, str]]:
        """What was looked into, the parameters found, and the places of those that are shared."""
        known = getattr(self, "_found", None)
        if known is None or not _unchanged(self, known[0]):
            found: dict[int, tuple[str, Tensor]] = {}
            shared: dict[str, str] = {}
            for path, _, _, value in self._leaves():
                if type(value) is Tensor:
                    first, _ = found.setdefault(id(value), (path, value))
                    if first != path:
                        shared[path] = first
            known = _looked_into(self), dict(found.values()), shared
            object.__setattr__(self, "_found", known)
        return known

    def parameters(self) -> list[Tensor]:
        """The Tensors that training changes, each once, in the order of their attributes."""
        return list(self.named_parameters().values())

    def zero_grad(self) -> None:
        """Forget what ``backward()`` has added up: every ``.grad`` is None again."""
        for p in self.parameters():
            p.grad = None

    def state_dict(self) -> dict[str, np.ndarray]:
        """All values by path, parameters and frozen ones alike, as copies."""
        return {
            path: np.array(v.data if type(v) is Tensor else v) for path, _, _, v in self._leaves()
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over values by path. Nothing is changed unless everything fits.

        Raises
        ------
        ValueError
            Names every missing, unexpected and misshapen key, and every dtype that would lose its
            fractions (floats for integers).
        """
        places = {path: (owner, key, value) for path, owner, key, value in self._leaves()}
        problems = [f"missing {path!r}" for path in places if path not in state]
        problems += [f"unexpected {path!r}" for path in state if path not in places]
        fresh = {path: np.asarray(state[path]) for path in places if path in state}
        for path, array in fresh.items():
            owner, _, value = places[path]
            if array.shape != value.shape:
                problems.append(f"{path!r} has shape {array.shape}, expected {value.shape}")
            elif not np.can_cast(array.dtype, value.dtype, "same_kind"):
                problems.append(f"{path!r} has dtype {array.dtype}, expected {value.dtype}")
            elif isinstance(owner, tuple) and type(value) is not Tensor:
                problems.append(f"{path!r} is an array in a tuple, where nothing can be replaced")
        if problems:
            raise ValueError(
                f"load_state_dict of {type(self).__name__}: {'; '.join(problems)}. "
                "Build the module with the sizes the values were saved from; nothing was loaded."
            )
        for path, array in fresh.items():
            owner, key, value = places[path]
            if type(value) is Tensor:
                value.data = array.astype(value.dtype)
            elif isinstance(owner, Module):
                setattr(owner, key, array.astype(value.dtype))
            else:
                owner[key] = array.astype(value.dtype)

    def __getstate__(self) -> Any:
        """For copies, of which nothing is found yet."""
        with suppress(AttributeError):  # or another thread has just done so
            object.__delattr__(self, "_found")
        return super().__getstate__()

    def __repr__(self) -> str:
        facts = [f"{k}={v}" for k, v in vars(self).items() if isinstance(v, (int, float, str))]
        return f"{type(self).__name__}({', '.join(facts)})"

    def _leaves(self) -> Iterator[tuple[str, Any, Any, Any]]:
        """(path, owner, key, value) of every Tensor and array, depth first, in their order."""
        todo: list[tuple[str, Any, Any, Any]] = [("", None, None, self)]
        seen: set[int] = set()
        while todo:
            path, owner, key, value = todo.pop()
            if type(value) is Tensor or isinstance(value, np.ndarray):
                yield path, owner, key, value
                continue
            inside = _inside(value)
            if inside is not None and id(value) not in seen:
                seen.add(id(value))
                prefix = f"{path}." if path else ""
                todo.extend((f"{prefix}{k}", value, k, v) for k, v in reversed(inside.items()))


def _inside(value: Any) -> dict[Any, Any] | None:
    """What to look into, by attribute, key or index; None if it is nothing of that kind."""
    if isinstance(value, Module):
        return vars(value)
    if isinstance(value, (list, tuple)):
        return dict(enumerate(value))
    return value if isinstance(value, dict) else None


Seen = list[tuple[Any, list[Any], list[Any]]]


def _looked_into(module: Module) -> Seen:
    """Each thing that `_leaves` looks into, with the names and values in it now.

    If at another time each of these is the same object, so are the parameters: to see that takes a
    quarter of the time to look for them, which every call of a compiled step does. The module
    itself is not mentioned: it would hold itself, and be garbage late.
    """
    found, todo, seen = Seen(), list[Any]([module]), set[int]()
    while todo:
        value = todo.pop()
        inside = _inside(value)
        if inside is not None and id(value) not in seen:
            seen.add(id(value))
            todo += inside.values()
            found.append((None if value is module else value, list(inside), list(inside.values())))
    return found


def _unchanged(module: Module, seen: Seen) -> bool:
    """Whether all is as it was, object by object: Tensors have an ``==`` of their own."""
    for value, names, values in seen:
        if isinstance(value, (list, tuple)):
            if len(value) != len(values) or not all(map(is_, value, values)):
                return False
            continue
        inside = value if isinstance(value, dict) else vars(module if value is None else value)
        if len(inside) != len(names) or not all(map(is_, inside, names)):
            return False
        if not all(map(is_, inside.values(), values)):
            return False
    return True
