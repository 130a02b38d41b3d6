"""What has parameters?

A module is any object whose attributes hold Tensors, arrays, cells and other modules. Its
parameters are the Tensors. An array is a constant: *freezing* a parameter is
``cell.W_h = cell.W_h.data``, and ``cell.W_h = Tensor(cell.W_h)`` thaws it. There is no hidden train
or eval mode and no hidden random generator: both are arguments of what needs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from tinygrad_rnn.border import as_array
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.nn.attributes import (
    Leaf,
    ModuleBase,
    Place,
    facts,
    is_fixed,
    look,
    replace,
    unchanged,
)

__all__ = ["Module"]


class Module(ModuleBase):
    """Base of cells, layers and models: assign Tensors and modules to attributes.

    Lists, tuples, deques and dicts of them are looked into; so are dataclasses, cells of any class
    (objects that can be called), bound methods and `functools.partial`. A class attribute counts
    as an attribute of each object of the class. A Tensor without a name takes that of its
    attribute. Copying (`copy.deepcopy`) and pickling work.

    Raises
    ------
    TypeError
        When parameters or values are asked for: a float Tensor is where it has no path or copies
        would share it, and nowhere else in the module. Such places are functions (their closure,
        defaults and globals), sets, and objects that are none of the above.
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

    def structure(self) -> tuple[Any, ...]:
        """All but the values of its parameters, as it was when an attribute was last replaced.

        The paths of parameters and where they are shared, the types of its parts, numbers, words,
        the code of functions, and checksums of arrays: if one of them is another, so is a program
        of the module. An array that is written into, and what objects hold that are no cells, is
        not seen.
        """
        return self._known()[3]

    def _known(self) -> tuple[list[Place], dict[str, Tensor], dict[str, str], tuple[Any, ...]]:
        """The places looked into, the parameters, where they are shared, and the structure."""
        known = getattr(self, "_found", None)
        if known is None or not unchanged(self, known[0]):
            leaves, places = self._look()
            found: dict[int, tuple[str, Tensor]] = {}
            shared: dict[str, str] = {}
            for path, _, _, value in leaves:
                if type(value) is Tensor:
                    first, _ = found.setdefault(id(value), (path, value))
                    if first != path:
                        shared[path] = first
            paths = dict(found.values())
            whole = tuple(paths), tuple(shared.items()), facts(places)
            known = places, paths, shared, whole
            object.__setattr__(self, "_found", known)
        return known

    def _look(self) -> tuple[list[Leaf], list[Place]]:
        """Every Tensor and array, and the places looked into; TypeError for one out of place."""
        leaves, places, refused = look(self)
        if refused:
            raise TypeError(refused)
        return leaves, places

    def parameters(self) -> list[Tensor]:
        """The Tensors that training changes, each once, in the order of their attributes."""
        return list(self.named_parameters().values())

    def zero_grad(self) -> None:
        """Forget what ``backward()`` has added up: every ``.grad`` is None again."""
        for p in self.parameters():
            p.grad = None

    def state_dict(self) -> dict[str, np.ndarray]:
        """All values by path, parameters and frozen ones alike, as copies in C order."""
        return {
            path: np.array(v.data if type(v) is Tensor else v, order="C")
            for path, _, _, v in self._look()[0]
        }

    def check_state_dict(self, state: Mapping[str, Any]) -> None:
        """ValueError, naming all that does not fit, unless `load_state_dict` would take `state`."""
        self._fitting(state)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over values by path. Nothing is changed unless everything fits.

        Raises
        ------
        ValueError
            Names every missing, unexpected and misshapen key, every value that is no array of real
            numbers (a torch.Tensor, a masked array), every dtype that would lose its fractions
            (floats for integers), and values beyond the range of the module's dtype.
        """
        for owner, key, value, array in self._fitting(state):
            if type(value) is Tensor:
                value.data = array
            else:
                replace(owner, key, array)

    def _fitting(self, state: Mapping[str, Any]) -> list[tuple[Any, Any, Any, np.ndarray]]:
        """Owner, key, old value and new array of each place; ValueError unless everything fits."""
        places = {path: (owner, key, value) for path, owner, key, value in self._look()[0]}
        problems = [f"missing {path!r}" for path in places if path not in state]
        problems += [f"unexpected {path!r}" for path in state if path not in places]
        fresh: dict[str, np.ndarray] = {}
        for path in [path for path in places if path in state]:
            try:
                fresh[path] = np.asarray(as_array(values(state[path]), repr(path)))
            except TypeError as error:
                problems.append(str(error).rstrip("."))
        fitting = []
        for path, array in fresh.items():
            owner, key, value = places[path]
            if array.shape != value.shape:
                problems.append(f"{path!r} has shape {array.shape}, expected {value.shape}")
            elif not np.can_cast(array.dtype, value.dtype, "same_kind"):
                problems.append(f"{path!r} has dtype {array.dtype}, expected {value.dtype}")
            elif is_fixed(owner) and type(value) is not Tensor:
                kind = "tuple" if isinstance(owner, tuple) else type(owner).__name__
                problems.append(f"{path!r} is an array in a {kind}, where nothing can be replaced")
            elif (cast := _cast(array, value.dtype)) is None:
                largest = np.abs(array[np.isfinite(array)].astype(float)).max()
                problems.append(f"{path!r} holds {largest:.3g}, beyond the range of {value.dtype}")
            else:
                fitting.append((owner, key, value, cast))
        if problems:
            raise ValueError(
                f"load_state_dict of {type(self).__name__}: {'; '.join(problems)}. "
                "Build the module with the sizes and dtypes the values were saved from; nothing "
                "was loaded."
            )
        return fitting

    def __getstate__(self) -> Any:
        """For copies, of which nothing is found yet, and which take along what a class holds."""
        look(self)
        with suppress(AttributeError):  # or another thread has just done so
            object.__delattr__(self, "_found")
        return super().__getstate__()

    def __repr__(self) -> str:
        facts = [f"{k}={v}" for k, v in vars(self).items() if isinstance(v, (int, float, str))]
        return f"{type(self).__name__}({', '.join(facts)})"


def _cast(array: np.ndarray, dtype: np.dtype) -> np.ndarray | None:
    """A copy in another dtype; None if a number is beyond its range."""
    with np.errstate(over="ignore"):
        cast = array.astype(dtype)
    if dtype.kind in "fc":
        return None if (np.isfinite(array) & ~np.isfinite(cast)).any() else cast
    return cast if (cast == array).all() else None
