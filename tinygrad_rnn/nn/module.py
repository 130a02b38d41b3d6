"""What has parameters?

A module is an object whose attributes hold Tensors, arrays, cells and other modules. Its parameters
are the Tensors. An array is a constant: ``cell.W_h = cell.W_h.data`` freezes a parameter, and
``cell.W_h = Tensor(cell.W_h)`` thaws it. There is no hidden train or eval mode and no hidden random
generator: functions that need them take them as arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_rnn.border import as_array
from tinygrad_rnn.engine import tree
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.hints import absent
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
from tinygrad_rnn.nn.named import NamedParameters

__all__ = ["Module"]


class Module(ModuleBase):
    """Base of cells, layers and models: assign Tensors and modules to attributes.

    A class says what a call computes in ``__call__`` or, as in torch, in ``forward``.

    Parameters are also found inside lists, tuples, deques, dicts, dataclasses, cells of any class
    (objects that can be called), bound methods and `functools.partial`. A class attribute counts as
    an attribute of each object of the class. A Tensor without a name gets that of its attribute.
    Copying (`copy.deepcopy`) and pickling work.

    Raises
    ------
    TypeError
        Parameters or values are asked for, and a float Tensor is found only where it has no path or
        where copies would share it: in a function (its closure, defaults and globals), a set, or an
        object that is none of the above.
    """

    __slots__ = ("__dict__", "__weakref__", "_found")  # vars() does not list _found

    def __setattr__(self, name: str, value: Any) -> None:
        if type(value) is Tensor and value.op is None and value.name is None:
            value.name = name
        object.__setattr__(self, name, value)

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            absent(self, name)

    else:

        def __call__(self, *args: Any, **keywords: Any) -> Any:
            """The body of ``__call__`` or ``forward`` in its class."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        own = vars(cls)
        if "forward" in own and "__call__" not in own:
            setattr(cls, "__call__", own["forward"])  # noqa: B010

    def named_parameters(self) -> NamedParameters:
        """The Tensors by path, e.g. ``"cells.0.W_h"``; a shared one has the path found first."""
        return NamedParameters(self._known()[1])

    def shared_parameters(self) -> dict[str, str]:
        """Further paths of shared Tensors, and their first: ``{"readout.W": "embedding.W"}``."""
        return dict(self._known()[2])

    def structure(self) -> tuple[Any, ...]:
        """All but the values of the parameters, as of the last replacement of an attribute.

        It contains the paths of parameters and which are shared, the types of the parts, numbers,
        strings, the code of functions, and checksums of arrays. Modules with another structure need
        another program. An array that is written into and attributes of objects that are not cells
        are not noticed.
        """
        return self._known()[3]

    def _known(self) -> tuple[list[Place], dict[str, Tensor], dict[str, str], tuple[Any, ...]]:
        """The places searched, the parameters, the paths that share them, and the structure."""
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
        """Every Tensor and array, and the places searched; TypeError if a Tensor has no path."""
        leaves, places, refused = look(self)
        if refused:
            raise TypeError(refused)
        return leaves, places

    def parameters(self) -> list[Tensor]:
        """The Tensors that training changes, each once, in the order of their attributes."""
        return [*self._known()[1].values()]

    def zero_grad(self) -> None:
        """Set every ``.grad`` to None."""
        for p in self.parameters():
            p.grad = None

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all values by path, parameters and frozen ones, as arrays in C order."""
        return {
            path: np.array(v.data if type(v) is Tensor else v, order="C")
            for path, _, _, v in self._look()[0]
        }

    def check_state_dict(self, state: Mapping[str, Any]) -> None:
        """ValueError unless `load_state_dict` accepts `state`; names all that does not fit."""
        self._fitting(state)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set all values by path. Nothing is changed unless everything fits.

        Raises
        ------
        ValueError
            A path is missing or unexpected; a value has another shape, is not an array of real
            numbers (a torch.Tensor, a masked array), would lose its fractions (floats for integers)
            or lies beyond the range of the module's dtype. The error names all of them.
        """
        for owner, key, value, array in self._fitting(state):
            if type(value) is Tensor:
                value.data = array
            else:
                replace(owner, key, array)

    def _fitting(self, state: Mapping[str, Any]) -> list[tuple[Any, Any, Any, np.ndarray]]:
        """Owner, key, old value and new array of each path; ValueError unless everything fits."""
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
        """The state for copies, with class attributes and without the cached parameters."""
        look(self)
        with suppress(AttributeError):  # or another thread has just done so
            object.__delattr__(self, "_found")
        return super().__getstate__()

    @recursive_repr("…")
    def __repr__(self) -> str:
        facts = [f"{k}={v}" for k, v in vars(self).items() if _is_shown(v)]
        return f"{type(self).__name__}({', '.join(facts)})"


def _is_shown(x: Any) -> bool:
    """True if an attribute is part of what describes a module: a size, a word, a module in it."""
    if isinstance(x, (list, tuple)):
        return bool(x) and all(map(_is_shown, x))
    return isinstance(x, (int, float, str, Module))


def _by_path(module: Module, fresh: list[Any]) -> dict[str, Any]:
    return dict(zip(_paths(module), fresh, strict=True))


def _paths(module: Module) -> dict[str, Tensor]:
    return dict(module.named_parameters().items())


tree.register(Module, _paths, _by_path)


def _cast(array: np.ndarray, dtype: np.dtype) -> np.ndarray | None:
    """A copy in another dtype; None if a number is beyond its range."""
    with np.errstate(over="ignore"):
        cast = array.astype(dtype)
    if dtype.kind in "fc":
        return None if (np.isfinite(array) & ~np.isfinite(cast)).any() else cast
    return cast if (cast == array).all() else None
